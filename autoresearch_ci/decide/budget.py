"""May another experiment start? Limits in, a reason to stop out; who measures time is elsewhere.

Of the time, what is still to come is kept back: a run that begins an experiment can end it, and can
confirm what comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_ci.decide.metric import noise
from autoresearch_ci.decide.metric.run_statistics import Policy, RunStatistics
from autoresearch_ci.decide.metric.taken_back import chained, ideas, named
from autoresearch_ci.experiment import Direction, Experiment, Spent, Status
from autoresearch_ci.safety.wording import duration

STUCK_AFTER = 5
"""Iterations without a keep that raise the stuck level by one."""
LEAST_PAIRS = 2
"""Runs of base and result without which the gain of a noisy metric has no interval."""


def least(*limits: float | None) -> float | None:
    """The one that is reached first; `None`: there is none."""
    return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What ends a run; each is checked before an experiment starts, time before each command."""

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
    iteration_usd: float | None = None
    iteration_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long measuring usually takes, in seconds."""

    metric: float = 0.0
    """One run."""
    guards: float = 0.0
    """All of them once, but for what the metric's own run tells."""
    holdout: float = 0.0
    """One look at a would-be keep."""

    def to_keep(self, runs: int) -> float:
        """The least that a keep takes; a proposal that has less is paid for nothing."""
        return runs * self.metric + self.guards + self.holdout

    def to_confirm(self, pairs: int, rounds: int) -> float:
        """Base and result in turns so often, so many rounds of the guards, and the holdout once."""
        after = rounds * self.guards + self.holdout
        return 2 * pairs * self.metric + (after if pairs else 0.0)


def stop_reason(
    limits: Limits,
    experiments: Sequence[Experiment],
    elapsed: float,
    direction: Direction,
    spent: Spent | None = None,
    needed: tuple[float, float] = (0.0, 0.0),
) -> str | None:
    """Why no further experiment may start, or `None`.

    `elapsed`: seconds. `spent`: all of it, also what stands in no row; `None`: the rows know all.
    `needed`: seconds for one more experiment, and for the confirmation after it.
    """
    if not experiments:
        return None
    reached = (experiments[-1].best, chained(experiments))  # the machine's gain alone is none
    if limits.target is not None and all(
        value is not None and not direction.better(limits.target, value) for value in reached
    ):
        return f"target {limits.target:g} reached"
    if len(ideas(experiments)) >= limits.iterations:
        return f"all {limits.iterations} iterations done"
    if too_late := _no_time(limits, elapsed, *needed):
        return too_late
    if used_up := nothing_left(limits, spent or rows_cost(experiments)):
        return f"{used_up}; --resume with a higher one goes on"
    if limits.plateau is not None and since_last_keep(experiments) >= limits.plateau:
        return f"plateau: {limits.plateau} iterations without a keep"
    return None


def time_used_up(seconds: float) -> str:
    """In words."""
    return f"time budget of {seconds / 60:g} min used up"


def _no_time(limits: Limits, elapsed: float, to_keep: float, to_confirm: float) -> str:
    if limits.seconds is None or elapsed + to_keep + to_confirm < limits.seconds:
        return ""
    if elapsed >= limits.seconds:
        return time_used_up(limits.seconds)
    after = f" and the confirmation {duration(to_confirm)}" if to_confirm else ""
    return (
        f"time budget of {limits.seconds / 60:g} min: {duration(limits.seconds - elapsed)} are "
        f"left, an experiment takes {duration(to_keep)} at least{after}"
    )


def nothing_left(limits: Limits, spent: Spent) -> str | None:
    """Which budget of money or tokens is used up, or `None`."""
    if limits.usd is not None and spent.cost_usd >= limits.usd:
        return f"dollar budget of {limits.usd:g} used up"
    if limits.tokens is not None and spent.tokens >= limits.tokens:
        return f"token budget of {limits.tokens} used up"
    return None


def runs_to_keep(session: RunStatistics, policy: Policy) -> int:
    """Of the metric command, the incumbent's included, at the least but for rare luck."""
    if policy.repeats_max == 1:
        return 1
    if session.deterministic:
        return 2 if noise.exact(session.incumbent[-2:]) else 3
    return 2 * max(2, min(policy.repeats_min, policy.repeats_max))


def seconds_to_confirm(limits: Limits, pace: Pace, pairs: int, rounds: int, kept: int) -> float:
    """What the time budget keeps back for measuring base and result again: half at most.

    While nothing is `kept`, only the least that a first keep would have to be confirmed with.
    `rounds`: how often the guards will run on the result.
    """
    if limits.seconds is None:
        return 0.0
    wanted = (pairs, rounds) if kept else (min(pairs, LEAST_PAIRS), min(rounds, 1))
    return min(pace.to_confirm(*wanted), limits.seconds / 2)


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
        count += not named(experiment)
    return count


def stuck_level(experiments: Sequence[Experiment]) -> int:
    """0 while ideas work; one more with every `STUCK_AFTER` failures in a row."""
    return since_last_keep(experiments) // STUCK_AFTER
