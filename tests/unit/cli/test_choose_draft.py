"""What speaks against a metric that works: that no change in scope can better it much."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoresearch_ci.cli.init.choose_draft import against
from autoresearch_ci.cli.init.try_config import Trial
from autoresearch_ci.plan.config_draft import ConfigDraft

TRIAL = Trial(
    scope=("a.py",),
    values=(2.0, 2.1, 2.2),
    noise="",
    detectable=0.0,
    seconds=3.0,
    guard_seconds=1.0,
    guards=1,
    minutes=1.0,
    dollars=None,
    blind=False,
    unguarded=False,
    results=0,
    reachable=-1,
    idle_seconds=0.0,
)
TIME = ConfigDraft(goal="", scope=("a.py",), metric={"name": "cpu_seconds"}, guards=(), least=1.0)
LINT = replace(TIME, metric={"name": "problems", "target": 0}, least=0.0)


@pytest.mark.parametrize(("idle", "told"), [(0.0, False), (1.5, False), (1.9, True), (9.0, False)])
def test_what_takes_as_long_without_the_code_is_not_the_time_of_the_code(
    idle: float, told: bool
) -> None:
    """9 s: it waits for what is not there, which says nothing."""
    found = against(TIME, replace(TRIAL, idle_seconds=idle))
    assert ("mostly the start" in found) == told
    assert not against(replace(TIME, least=0.0), replace(TRIAL, idle_seconds=idle)), "of memory"


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
