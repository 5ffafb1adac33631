"""What a journal amounts to: where it began, where it stands, what was kept on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_ci.experiment import Experiment, Status

CRASHED = frozenset({Status.CRASH, Status.METRIC_ERROR})
"""Statuses whose `metric`, should a foreign journal give one, means nothing."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The figures that every report agrees on."""

    baseline: float | None
    """`None` when the unmodified code was never measured."""
    best: float | None
    """The incumbent's metric at the end; the baseline's when nothing was kept."""
    kept: tuple[Experiment, ...]
    """Without the baseline, in order."""
    others: tuple[Experiment, ...]
    """Tried and not kept, in order."""

    @property
    def change(self) -> float | None:
        """Relative, in the metric's own sign: -0.056 is 5.6 % lower than the baseline."""
        return relative_change(self.baseline, self.best)


def outcome(experiments: Sequence[Experiment]) -> Outcome:
    """Reads the journal, baseline included, in order."""
    baseline = next((e.metric for e in experiments if e.status is Status.BASELINE), None)
    kept = tuple(e for e in experiments if e.status is Status.KEEP)
    best = baseline
    for experiment in kept:
        best = experiment.best if experiment.best is not None else experiment.metric
    others = tuple(e for e in experiments if e.status not in (Status.BASELINE, Status.KEEP))
    return Outcome(baseline=baseline, best=best, kept=kept, others=others)


def relative_change(before: float | None, after: float | None) -> float | None:
    """`None` where a percentage would mean nothing: a value is missing, or `before` is zero."""
    if before is None or after is None or before == 0:
        return None
    return (after - before) / abs(before)
