"""What the decisions of a run have taught so far: noise, drift, error budget, open questions.

`RunStatistics` is a value: `after` gives the next one. Pure; how one candidate is judged with it is
decision.py's business.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, pairwise
from statistics import median

from autoresearch_ci.decide.metric import noise
from autoresearch_ci.experiment import Decision, Direction, Status

CALIBRATION = 5
"""Runs of the unmodified code when the metric is noisy."""
REMEMBERED = 16
"""Old runs of the incumbent that the screen compares with."""
MOVED = 3.0
"""Standard deviations of noise between one run and the others that are no noise any more."""
UNCHECKED = 4
"""So many candidates in a row may be rejected without a fresh run of the incumbent."""
UNREST = 0.05
"""Before anything is known: variance of the local noise variance; weighs like ten decisions."""


class Side(enum.StrEnum):
    """Which of the two states a run measures."""

    INCUMBENT = "incumbent"
    CANDIDATE = "candidate"


Run = tuple[Side, float]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the user asked for; constant over a run."""

    direction: Direction
    min_effect: float = 0.0
    """Smallest relative gain worth keeping; 0.002 is 0.2 %."""
    exact: bool = True
    """Whether equal values may prove a metric deterministic; those of a judge never do."""
    repeats_min: int = 1
    """Runs of the candidate before any decision, unless the metric is deterministic."""
    repeats_max: int = 7
    """Runs of the candidate that one decision may spend; as many of the incumbent come on top."""
    alpha: float = 0.1
    """Budget for false keeps over the whole run, see `error_level`."""


@dataclass(frozen=True, kw_only=True)
class DecisionRuns:
    """The runs of one decision, in the order measured."""

    runs: tuple[Run, ...] = ()
    carried: tuple[Run, ...] = ()
    """Runs of earlier looks at the same candidate against the same incumbent."""

    def plus(self, side: Side, value: float) -> DecisionRuns:
        """With one more run."""
        return replace(self, runs=(*self.runs, (side, value)))

    def values(self, side: Side) -> list[float]:
        """All values of one side, earlier looks first."""
        return [value for of, value in (*self.carried, *self.runs) if of is side]

    def spent(self, side: Side) -> int:
        """Runs of one side in this decision."""
        return sum(of is side for of, _ in self.runs)


@dataclass(frozen=True, kw_only=True)
class RunStatistics:
    """Everything the decisions so far have taught."""

    deterministic: bool = False
    """Identical code gave identical values so far: one run discards, two or three keep."""
    incumbent: tuple[float, ...] = ()
    """The incumbent's last runs. Old ones: they never keep a candidate, see `must_check`."""
    null_steps: tuple[tuple[float, ...], ...] = ()
    """Per decision, relative differences of neighbouring runs of the same code: pure noise."""
    stale_errors: tuple[float, ...] = ()
    """How far fresh runs of the incumbent lay from its old ones, relative: noise and drift."""
    tests: int = 0
    """Tests begun: decisions with fresh runs of the incumbent."""
    unchecked: int = 0
    """Decisions since without any."""
    keeps: tuple[int, ...] = ()
    """Which of the tests ended in a keep; the first is 1."""
    carried: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    """Evidence of promising candidates, by candidate id; void as soon as the incumbent changes."""
    floor: float = 0.0
    """Twice the relative spread of the first two baseline runs: all there is with one repeat."""

    @classmethod
    def calibrated(cls, baseline_values: Sequence[float], policy: Policy) -> RunStatistics:
        """What the A/A measurement of the unmodified code says."""
        values = tuple(baseline_values)
        found = steps([(Side.INCUMBENT, value) for value in values], size_of(values))
        fresh = [
            _error((*values[:k], *values[k + 1 :]), value)
            for k, value in enumerate(values)
            if len(values) > 1
        ]
        return cls(
            deterministic=policy.exact and len(values) > 1 and len(set(values)) == 1,
            incumbent=values[-REMEMBERED:],
            null_steps=(found,) if found else (),
            stale_errors=tuple(fresh),
            floor=2 * abs(found[0]) if found else 0.0,
        )

    def begin(self, candidate_id: str) -> DecisionRuns:
        """Where judging this candidate starts: with the evidence of an earlier look, if any."""
        return DecisionRuns(carried=self.carried.get(candidate_id, ()))

    def after(self, evidence: DecisionRuns, decision: Decision, candidate_id: str) -> RunStatistics:
        """What is known once `decision` is final (guards and holdout included)."""
        known = self.noticing(evidence)
        kept = decision.status is Status.KEEP
        candidate = [value for side, value in evidence.runs if side is Side.CANDIDATE]
        fresh = [value for side, value in evidence.runs if side is Side.INCUMBENT]
        old = _as_kept(self.incumbent, fresh, candidate) if kept else self.incumbent
        found = steps(evidence.runs, size_of(self.incumbent)) if known is self else ()
        errors = (*self.stale_errors, _error(self.incumbent, fresh[0])) if fresh else None
        tests = self.tests + bool(fresh)
        carried = {key: runs for key, runs in self.carried.items() if key != candidate_id}
        if decision.reason.startswith("promising"):
            carried[candidate_id] = (*evidence.carried, *evidence.runs)
        return replace(
            known,
            incumbent=(*old, *(candidate if kept else fresh))[-REMEMBERED:],
            null_steps=(*known.null_steps, found)[-60:] if found else known.null_steps,
            stale_errors=errors[-40:] if errors else self.stale_errors,
            tests=tests,
            unchecked=0 if fresh else self.unchecked + 1,
            keeps=(*self.keeps, tests) if kept and fresh else self.keeps,
            carried={} if kept else carried,
        )

    def noticing(self, evidence: DecisionRuns) -> RunStatistics:
        """No longer deterministic once the same code has shown two values."""
        old = (*self.incumbent, *evidence.values(Side.INCUMBENT))
        new = evidence.values(Side.CANDIDATE)
        if not self.deterministic or (len(set(old)) <= 1 and len(set(new)) <= 1):
            return self
        runs = [(Side.INCUMBENT, value) for value in old] + [(Side.CANDIDATE, v) for v in new]
        found = steps(runs, size_of(self.incumbent))
        return replace(self, deterministic=not any(found), null_steps=(*self.null_steps, found))

    def test_level(self, alpha: float) -> float:
        """The error that the next test may have."""
        return level_of_next(self.tests, self.keeps, alpha)

    def describe(self, policy: Policy, seconds_per_run: float) -> str:
        """One paragraph for the user, before anything is spent."""
        if self.deterministic:
            return "this metric is deterministic on this runner: one run discards, up to three keep"
        spread, n = self.step_scale / math.sqrt(2), policy.repeats_max
        varies = f"this metric on this runner varies by {percent(spread)}"
        if not self.null_steps:
            varies = "how much this metric varies on this runner was not measured"
        elif not spread:
            varies = "this metric was the same in all runs on this runner"
        if n == 1:
            least = max(self.floor, policy.min_effect)
            gains = f"gains above {percent(least)} are" if least else "every gain is"
            return f"{varies}; with one run per decision, {gains} kept, unconfirmed"
        if not (self.null_steps and spread):
            return varies
        smallest = self.detectable(policy)
        text = (
            f"{varies}; up to {n} runs per decision "
            f"it can detect changes of {percent(smallest)} and more; a decision takes about "
            f"{_minutes(4 * seconds_per_run)}, at most {_minutes(2 * n * seconds_per_run)}"
        )
        if smallest <= (4 * policy.min_effect or 0.1):
            return text
        wanted = policy.min_effect or 0.05
        return (
            f"{text}\nwarning: gains near {percent(wanted)} will be missed: that would take about "
            f"{math.ceil(n * min(smallest / wanted, 1e3) ** 2)} runs. Make the metric calmer (a "
            "longer workload, CPU time or instructions instead of wall time, a quieter runner), or "
            "raise repeats.max or min_effect"
        )

    def detectable(self, policy: Policy) -> float:
        """The relative gain that one decision keeps four times out of five."""
        n = policy.repeats_max
        bound = noise.boundary(self.test_level(policy.alpha), n) / math.sqrt(n)
        return (bound + noise.NORMAL.inv_cdf(0.8)) * self.step_scale / math.sqrt(n)

    @cached_property
    def step_scale(self) -> float:
        """Standard deviation of the relative difference of two neighbouring runs of one code.

        On one and the same machine: where it jumped between the two counts for nothing.
        """
        steps = [step for group in self.null_steps for step in group]
        return min(noise.scale(steps, self.far), self.wide_scale)

    @property
    def far(self) -> float:
        """How many scales a jump of the machine is: no telling while few steps are known."""
        known = sum(map(len, self.null_steps))
        return noise.FAR if known > 2 * CALIBRATION else math.inf

    @cached_property
    def wide_scale(self) -> float:
        """The same, jumps of the machine included."""
        return noise.scale([step for group in self.null_steps for step in group])

    @cached_property
    def stale_variance(self) -> float:
        """Of the incumbent's level as its old runs tell it, in variances of a pair's difference."""
        if not self.step_scale:
            return math.inf
        single = 0.5
        error = noise.scale(self.stale_errors) / self.step_scale
        return max(error * error - single, single / len(self.incumbent))

    def moved(self, error: float) -> bool:
        """Whether the machine is no longer what it was: the noise does not explain `error`.

        That of one run against the others, in units of `step_scale`.
        """
        return abs(error) > MOVED * math.sqrt(0.5 + 0.5 / len(self.incumbent))

    @cached_property
    def drifting(self) -> bool:
        """Whether two of the incumbent's old runs lie where noise does not put them; one may be a
        burst."""
        center, size = noise.middle(self.incumbent), size_of(self.incumbent)
        errors = (noise.difference(Direction.MAXIMIZE, center, v, size) for v in self.incumbent)
        far = (self.moved(noise.clipped(error, self.step_scale, math.inf)) for error in errors)
        return sum(far) > 1

    def worst(self, direction: Direction) -> float:
        """Of the incumbent's old runs: where the machine moves, this is how bad it may make it."""
        return min(self.incumbent, key=lambda value: direction.gain(0.0, value))

    def recovers(self, direction: Direction) -> bool:
        """Whether fresh runs of the incumbent were far better than its old ones before."""
        better = (direction.gain(0.0, error) for error in self.stale_errors)
        unit = self.step_scale
        return any(self.moved(noise.clipped(x, unit, math.inf)) for x in better if x > 0)

    @property
    def must_check(self) -> bool:
        """Whether old runs of the incumbent alone may not reject a candidate now.

        A machine that got slower makes all candidates look bad, and nobody would notice as long as
        they are rejected for it. So the second is checked, and then at least one in a few.
        """
        return self.unchecked >= min(UNCHECKED, self.tests + 1)

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the noise estimate, for a decision that may be noisier than most.

        Two times the inverse of the relative variance of the local noise variance, which is what
        the steps of one decision have in common (limma's moderated t: Smyth 2004), and of the
        estimate's own error.
        """
        total, weight = 10 * UNREST, 10.0
        for group in self.null_steps:
            if len(group) < 2:
                continue
            excess = [
                noise.clipped(step, self.step_scale) ** 2 / noise.CLIPPED_VARIANCE - 1
                for step in group
            ]
            total += sum(a * b for a, b in combinations(excess, 2)) / (len(group) - 1)
            weight += len(group) / 2
        count = max(1, sum(map(len, self.null_steps)))
        return 1 / (max(0.01, total / weight) / 2 + 1 / (0.8 * count))


def steps(runs: Sequence[Run], size: float) -> tuple[float, ...]:
    """Relative differences between neighbouring runs of the same side."""
    return tuple(
        noise.difference(Direction.MAXIMIZE, before[1], after[1], size)
        for before, after in pairwise(runs)
        if before[0] is after[0]
    )


def _as_kept(
    old: Sequence[float], incumbent: Sequence[float], candidate: Sequence[float]
) -> tuple[float, ...]:
    """Old runs of the incumbent as the candidate that was kept would have had them.

    They hold what a machine does that goes from one state to another and back: runs of a single
    decision may be of one state only. Nothing where no ratio is the same for all numbers.
    """
    both = [*old, *incumbent, *candidate]
    if not incumbent or min(both) <= 0 <= max(both):
        return ()
    pairs = zip(incumbent, candidate, strict=False)
    ratio = median(after / before for before, after in pairs)
    moved = tuple(value * ratio for value in old)
    return moved if all(map(math.isfinite, moved)) else ()


def _error(old: Sequence[float], fresh: float) -> float:
    return noise.difference(Direction.MAXIMIZE, noise.middle(old), fresh, size_of(old))


def size_of(values: Sequence[float]) -> float:
    """Typical absolute value: what 100 % means for a metric around zero.

    0 where all lie on one side of it: there each pair is its own measure, on whatever machine.
    """
    return median(map(abs, values)) if min(values) <= 0 <= max(values) else 0.0


def percent(share: float, sign: str = "") -> str:
    """A share as people read it: 0.018 is `1.8 %`."""
    digits = 1 if abs(share) >= 0.001 else 2
    return f"{100 * share:{sign}.{digits}f} %"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


# --- The error of one test ------------------------------------------------------------------------

PASS = 0.5
"""At least this share of candidates as good as the incumbent gets past the screen."""
FIRST = 0.75
"""Share of alpha that may be spent before the first keep."""
PATIENCE = 10.0
"""Tests after which half of an allowance is spent."""


def level_of_next(tests: int, keeps: Sequence[int], alpha: float) -> float:
    """The error that the next test may have, after so many; `keeps`: which of them kept.

    Guarantee over a whole run, however long: if no candidate is better than its incumbent, the
    chance that anything is kept is at most `FIRST * alpha`; and whatever is real, at most a share
    of `alpha` of all keeps is expected to be false. This is LORD++ (Ramdas, Yang, Wainwright and
    Jordan 2017, "Online control of the false discovery rate with decaying memory"): an allowance at
    the start and one for every keep, each spent over the tests that follow, half of it in the first
    `PATIENCE`.

    Assumption: given the past, the two runs of a pair are exchangeable when the candidate is worth
    nothing, and the session's own steps show how large their differences are; the walk is then
    close to normal, as its steps are bounded (`noise.scale`). A second look at a promising
    candidate is a test of its own and pays for itself; its evidence adds up with the first look's
    only against the same incumbent, hence without a keep in between, so both levels were fixed
    before the first look and the union bound holds. Screened candidates began no test and pay
    nothing: the others pay for them, by the factor `PASS`.
    """
    first = FIRST * alpha
    grants = [(0, first), *((kept, alpha) for kept in keeps)]
    if keeps:
        grants[1] = (keeps[0], alpha - first)
    ages = ((tests - since, grant) for since, grant in grants)
    return PASS * sum(
        grant * PATIENCE * (1 / (PATIENCE + age) - 1 / (PATIENCE + age + 1)) for age, grant in ages
    )


def next_calibration_run(values: Sequence[float], policy: Policy) -> bool:
    """Whether the A/A measurement of the baseline needs one more run."""
    if len(values) < 2:
        return True
    if policy.exact and len(set(values)) == 1:
        return policy.repeats_max > 1 and not noise.exact(values)
    return len(values) < (2 if policy.repeats_max == 1 else CALIBRATION)
