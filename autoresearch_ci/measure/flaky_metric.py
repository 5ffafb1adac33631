"""A metric command that fails now and then: whose fault that is, and how often it is run to tell.

The rule is guards.py's, and the same for both sides: what fails twice fails. Nothing that only a
candidate does is forgiven, so none is kept that made a sound command unsound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from autoresearch_ci.decide.early_stop import Curve
from autoresearch_ci.experiment import MetricRun, Status
from autoresearch_ci.measure.guards import TRIES
from autoresearch_ci.workspace.repository import Changes


class Measure(Protocol):
    """`Bench.metric`."""

    def __call__(
        self,
        changes: Changes,
        iteration: int,
        *,
        rival: Curve | None = None,
        incumbent: bool = False,
    ) -> MetricRun: ...


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One measurement, and what it took."""

    run: MetricRun
    """The one that counts."""
    runs: tuple[MetricRun, ...]
    """All of them, the incumbent's included."""
    note: str = ""
    """For the journal: why there was more than one, when that made a difference."""


class FlakyMetric:
    """Measures, a second time where the command failed; knows whether it does so anyhow."""

    def __init__(self, measure: Measure, warn: Callable[[str], None]) -> None:
        self.known = False
        """Whether it has failed and passed on the same code, which was not a candidate's."""
        self._measure = measure
        self._warn = warn

    def of_incumbent(self, changes: Changes, iteration: int) -> Measured:
        """Also of the unmodified code."""
        first = self._measure(changes, iteration, incumbent=True)
        if not crashed(first):
            return Measured(run=first, runs=(first,))
        second = self._measure(changes, iteration, incumbent=True)
        if second.failure is None:
            self._learn()
        return Measured(run=second, runs=(first, second))

    def of_candidate(
        self, changes: Changes, iteration: int, *, incumbent: Changes, rival: Curve | None
    ) -> Measured:
        """`rival`: see `Bench.metric`."""
        first = self._measure(changes, iteration, rival=rival)
        if not crashed(first):
            return Measured(run=first, runs=(first,))
        second = self._measure(changes, iteration, rival=rival)
        runs = [first, second]
        if second.failure is not None:
            return Measured(run=second, runs=tuple(runs))
        for _ in range(TRIES):
            if self.known:
                break
            runs.append(self._measure(incumbent, iteration, incumbent=True))
            if crashed(runs[-1]):
                self._learn()
        if self.known:
            note = f"the metric command failed once ({first.reason})"
            return Measured(run=second, runs=tuple(runs), note=note)
        reason = (
            f"{first.reason} (it passed when it was run again, but never failed in {TRIES} runs "
            "on the incumbent)"
        )
        return Measured(run=replace(first, reason=reason), runs=tuple(runs))

    def _learn(self) -> None:
        if not self.known:
            self.known = True
            self._warn(
                "the metric command fails now and then on code that is not a candidate's: where "
                "it fails it gets a second run"
            )


def crashed(run: MetricRun) -> bool:
    """Whether the same code may do better: not if it took too long, or printed no number."""
    return run.failure is Status.CRASH and not run.timed_out
