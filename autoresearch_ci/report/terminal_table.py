"""What a journal amounts to, and the table that ends a run in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.safety.log import defuse
from autoresearch_ci.safety.wording import commit_name, number, shortened, signed

CRASHED = frozenset({Status.CRASH, Status.METRIC_ERROR})
"""Statuses whose `metric`, should a foreign journal give one, means nothing."""


@dataclass(frozen=True, kw_only=True)
class RunSummary:
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


def run_summary(experiments: Sequence[Experiment]) -> RunSummary:
    """Reads the journal, baseline included, in order."""
    baseline = next((e.metric for e in experiments if e.status is Status.BASELINE), None)
    kept = tuple(e for e in experiments if e.status is Status.KEEP)
    best = baseline
    for experiment in kept:
        best = experiment.best if experiment.best is not None else experiment.metric
    others = tuple(e for e in experiments if e.status not in (Status.BASELINE, Status.KEEP))
    return RunSummary(baseline=baseline, best=best, kept=kept, others=others)


def relative_change(before: float | None, after: float | None) -> float | None:
    """`None` where a percentage would mean nothing: a value is missing, or `before` is zero."""
    if before is None or after is None or before == 0:
        return None
    return (after - before) / abs(before)


_HEADER = ("#", "commit", "metric", "delta", "guard", "change")
_RIGHT = (True, False, True, True, False, False)
_WIDTH = 70
"""Characters of a description: the whole line stays near 110."""


def results_table(experiments: Sequence[Experiment], direction: Direction) -> str:
    """Plain text, aligned: the baseline, each kept experiment, then one line on all the others."""
    result = run_summary(experiments)
    shown = [e for e in experiments if e.status in (Status.BASELINE, Status.KEEP)]
    lines = _aligned([_HEADER, *(_cells(e) for e in shown)]) if shown else []
    better = "lower" if direction is Direction.MINIMIZE else "higher"
    tried = len(result.kept) + len(result.others)
    lines.append(f"{better} is better; {len(result.kept)} of {tried} kept{_others(result.others)}")
    return "\n".join(lines)


def _cells(experiment: Experiment) -> tuple[str, ...]:
    return (
        str(experiment.iteration),
        commit_name(experiment.commit),
        number(experiment.metric),
        signed(experiment.delta),
        experiment.guard,
        defuse(shortened(experiment.description, _WIDTH)),
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, _RIGHT, strict=True)
        ).rstrip()
        for row in rows
    ]


def _others(others: Sequence[Experiment]) -> str:
    counts = Counter(str(e.status) for e in others)
    return "".join(f", {amount} {status}" for status, amount in counts.most_common())
