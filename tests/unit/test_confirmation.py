"""What a confirmation makes of the runs of base and head, whichever of them fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from autoresearch_ci.confirmation import PairedComparison, confirm
from autoresearch_ci.decide.budget import Pace
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.experiment import Direction, MetricRun, Status
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.measure.guards import Guarded
from autoresearch_ci.report.run_summary import Confirmation
from autoresearch_ci.workspace.repository import FileVersion

HEAD: dict[str, FileVersion | None] = {"value": None}
ORIGIN: dict[str, FileVersion | None] = {"other": None}
Value = float | None


@dataclass(frozen=True)
class ScriptedBench:
    """Runs that come to what was written down, each side's last one for ever; no guards."""

    base: Iterator[Value]
    head: Iterator[Value]
    guards: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "guards", self)

    holdout: None = None
    numeric: Mapping[str, Any] = field(default_factory=dict)

    def numbers(self, *_: Any) -> dict[str, float]:
        return {}

    def pace(self, knowledge: Knowledge) -> Pace:
        return Pace()

    def run(
        self, subject: Subject, knowledge: Knowledge, *_: MetricRun, **given: Any
    ) -> tuple[MetricRun, Knowledge] | Guarded:
        if "numbers" in given:
            return Guarded(runs=(), knowledge=knowledge)
        value = next(self.head if subject.changes == HEAD else self.base)
        return MetricRun(value=value, failure=None if value else Status.CRASH), knowledge


def told(*values: Value) -> Iterator[Value]:
    yield from values
    while True:
        yield values[-1]


def confirmed(
    head: Iterator[Value],
    base: Iterator[Value] | None = None,
    *,
    deterministic: bool = True,
    pairs: int | None = None,
    continued: bool = False,
) -> Confirmation | None:
    bench = ScriptedBench(base or told(10.0), head)
    return confirm(
        PairedComparison(bench=cast("Bench", bench), direction=Direction.MINIMIZE, iteration=1),
        HEAD,
        deterministic=deterministic,
        pairs=pairs,
        known=(10.0, 9.0),
        base=ORIGIN if continued else None,
    )


def test_an_exact_gain_is_found_again_in_one_pair_and_in_two_of_a_later_night() -> None:
    found = confirmed(told(9.0))
    assert found
    assert (found.holds, found.deterministic, found.n_base, found.n_head) == (
        True,
        True,
        1,
        1,
    )
    found = confirmed(told(9.0), continued=True)
    assert found
    assert (found.holds, found.deterministic, found.n_base) == (True, True, 2)


NEVER, AT_FIRST, LATER = (None,), (None, None, 9.0), (9.5, None, None, 9.0)


@pytest.mark.parametrize("head", [NEVER, AT_FIRST, LATER])
@pytest.mark.parametrize(
    ("deterministic", "pairs"),
    [(True, None), (True, 1), (True, 5), (True, 7), (False, None), (False, 1), (False, 5)],
)
def test_what_fails_twice_is_not_confirmed_by_the_runs_that_did_not(
    head: tuple[Value, ...], deterministic: bool, pairs: int | None
) -> None:
    assert confirmed(told(*head), deterministic=deterministic, pairs=pairs) is None


def test_one_failure_is_tried_again() -> None:
    found = confirmed(told(None, 9.0))
    assert found
    assert found.holds


@pytest.mark.parametrize("pairs", [None, 1, 2])
def test_a_base_that_nobody_knows_is_called_exact_after_two_equal_runs(pairs: int | None) -> None:
    found = confirmed(told(9.0), told(10.0, 10.5), pairs=pairs, continued=True)
    assert found
    assert not found.deterministic
    assert found.n_base == 5
    assert found.ci_low < found.gain < found.ci_high


def test_what_was_exact_and_is_not_found_again_is_not_exact() -> None:
    found = confirmed(told(9.1, 9.0))
    assert found
    assert not found.deterministic
    assert found.n_base == 5
