"""May another experiment start? Limits in, a reason to stop out; who measures time is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_ci.experiment import Direction, Experiment, Spent, Status

STUCK_AFTER = 5
"""Iterations without a keep that raise the stuck level by one."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What ends a run; each is checked before an experiment starts, none cuts one short."""

    iterations: int
    """Highest iteration number."""
    seconds: float | None = None
    """Wall time of this invocation."""
    target: float | None = None
    """Metric at which there is nothing more to gain."""
    plateau: int | None = None
    """Iterations without a keep."""
    usd: float | None = None
    """Dollars of the whole run, earlier invocations included."""
    tokens: int | None = None
    """Tokens of the whole run, earlier invocations included."""


def stop_reason(
    limits: Limits,
    experiments: Sequence[Experiment],
    elapsed: float,
    direction: Direction,
    spent: Spent | None = None,
) -> str | None:
    """Why no further experiment may start, or `None`.

    `elapsed`: seconds. `spent`: all of it, also what stands in no row; `None`: the rows know all.
    """
    if not experiments:
        return None
    best = experiments[-1].best
    if limits.target is not None and best is not None and not direction.better(limits.target, best):
        return f"target {limits.target:g} reached"
    if experiments[-1].iteration >= limits.iterations:
        return f"all {limits.iterations} iterations done"
    if limits.seconds is not None and elapsed >= limits.seconds:
        return f"time budget of {limits.seconds / 60:g} min used up"
    if used_up := nothing_left(limits, spent or rows_cost(experiments)):
        return f"{used_up}; --resume with a higher one goes on"
    if limits.plateau is not None and since_last_keep(experiments) >= limits.plateau:
        return f"plateau: {limits.plateau} iterations without a keep"
    return None


def nothing_left(limits: Limits, spent: Spent) -> str | None:
    """Which budget of money or tokens is used up, or `None`."""
    if limits.usd is not None and spent.cost_usd >= limits.usd:
        return f"dollar budget of {limits.usd:g} used up"
    if limits.tokens is not None and spent.tokens >= limits.tokens:
        return f"token budget of {limits.tokens} used up"
    return None


def seconds_to_confirm(
    limits: Limits, experiments: Sequence[Experiment], pairs: int, guards: float = 0.0
) -> float:
    """What the time budget keeps back for measuring base and result again: half at most.

    `guards`: seconds that the guards will run on the result.
    """
    kept = any(e.status is Status.KEEP for e in experiments)
    if limits.seconds is None or not kept:
        return 0.0
    seconds = experiments[0].seconds / max(1, experiments[0].samples)  # of one run
    return min(2 * pairs * seconds + guards, limits.seconds / 2)


def rows_cost(experiments: Sequence[Experiment]) -> Spent:
    """What the finished experiments cost."""
    return Spent(
        tokens=sum(e.tokens for e in experiments), cost_usd=sum(e.cost_usd for e in experiments)
    )


def since_last_keep(experiments: Sequence[Experiment]) -> int:
    """Iterations since the last keep, or since the baseline."""
    count = 0
    for experiment in reversed(experiments):
        if experiment.status in (Status.KEEP, Status.BASELINE):
            return count
        count += 1
    return count


def stuck_level(experiments: Sequence[Experiment]) -> int:
    """0 while ideas work; one more with every `STUCK_AFTER` failures in a row."""
    return since_last_keep(experiments) // STUCK_AFTER
