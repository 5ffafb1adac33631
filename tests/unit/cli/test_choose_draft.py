"""What speaks against a metric that works: that no change in scope can better it much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoresearch_ci.cli.init.choose_draft import against
from autoresearch_ci.cli.init.try_config import Trial
from autoresearch_ci.plan.config_draft import ConfigDraft, draft_of
from autoresearch_ci.plan.goals import usual_offers
from autoresearch_ci.plan.stack import stack_of

TRIAL = Trial(
    scope=("a.py",),
    values=(3.0, 3.0, 3.0),
    noise="",
    detectable=0.0,
    seconds=1.0,
    guard_seconds=1.0,
    guards=1,
    minutes=1.0,
    dollars=None,
    blind=False,
    unguarded=False,
    results=0,
    reachable=-1,
    idle=0.0,
)
TIME = ConfigDraft(goal="", scope=("a.py",), metric={"name": "cpu_seconds"}, guards=(), least=1.0)
LINT = replace(TIME, metric={"name": "problems", "target": 0}, least=0.0)


@pytest.mark.parametrize(
    ("offer", "change", "told"),
    [
        ("benchmarks", {"seconds": 150.0}, "one run takes 2 minutes"),
        ("benchmarks", {"blind": True}, "the metric stays"),
        ("benchmarks", {}, ""),
        # It ends before it has begun.
        ("benchmarks", {"values": (0.3, 0.04, 0.3)}, "0.3 seconds are mostly the start"),
        # A machine that makes all slower does not make the tests their own metric.
        ("the time of the tests", {"values": (0.2,), "seconds": 3.5}, "0.2 seconds are mostly"),
        ("the time of the tests", {"values": (0.2,), "seconds": 0.5}, ""),
    ],
)
def test_what_takes_minutes_sees_nothing_or_is_mostly_a_start_is_not_the_first_choice(
    offer: str, change: dict[str, Any], told: str
) -> None:
    files = {"bench.py": "import a\n", "a.py": "", "tests/test_a.py": ""}
    stack = stack_of(files, lambda path: files[path].encode())
    found = next(each for each in usual_offers(stack) if each.title.startswith(offer))
    why = against(draft_of(found, stack, ()), replace(TRIAL, **change))
    assert why.startswith(told)
    assert bool(why) == bool(told)


@pytest.mark.parametrize(("idle", "told"), [(0.0, False), (1.9, False), (2.1, True), (9.0, False)])
def test_what_takes_as_long_without_the_code_is_not_the_time_of_the_code(
    idle: float, told: bool
) -> None:
    """9 s: it waits for what is not there, which says nothing."""
    found = against(TIME, replace(TRIAL, idle=idle))
    assert ("mostly the start" in found) == told
    memory = replace(TIME, metric={"name": "peak_memory_mb"})
    assert ("3 MiB are mostly the start" in against(memory, replace(TRIAL, idle=idle))) == told


@pytest.mark.parametrize(
    ("values", "reachable", "told"),
    [((2.0,), -1, "2 left"), ((9.0,), -1, ""), ((9.0,), 3, "3 left"), ((9.0,), 4, "")],
)
def test_findings_count_where_they_can_be_mended(
    values: tuple[float, ...], reachable: int, told: str
) -> None:
    found = against(LINT, replace(TRIAL, values=values, reachable=reachable))
    assert found.startswith(told)
    assert bool(found) == bool(told)
