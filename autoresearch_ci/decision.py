"""Incumbent + candidate + policy -> keep, discard, or which side to measure next.

`judge` decides one candidate, `Session` is what all decisions of a run have taught so far. Pure: the
loop measures, this says what and when to stop. In one paragraph: the first run of a candidate is held
against old runs of the incumbent, which can only discard it. What passes is measured interleaved with
the incumbent; the differences of neighbouring runs, in units of the noise that the whole session has
seen, add up to a random walk, and the candidate is kept when the walk climbs higher than chance allows,
discarded when it no longer can.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import combinations, pairwise
from statistics import fmean, median
from typing import Any

from autoresearch_ci import noise
from autoresearch_ci.experiment import Decision, Direction, Status

LOOKS = 4
"""How often one candidate may be measured up to `repeats_max`; promising ones only."""
FUTILE = 0.08
"""A candidate whose chance to be kept within this and the next look is smaller is discarded."""
CALIBRATION = 5
"""Runs of the unmodified code when the metric is noisy."""
REMEMBERED = 8
"""Old runs of the incumbent that the screen compares with."""
PASS = 0.5
"""At least this share of candidates as good as the incumbent gets past the screen."""
FIRST = 0.9
"""Share of alpha that may be spent before the first keep."""
PATIENCE = 10.0
"""Tests after which half of an allowance is spent."""
UNREST = 0.05
"""Before anything is known: variance of the local noise variance; weighs like ten decisions."""
CALM = 0.2
"""With old runs this precise (in variances of a pair's difference), two candidate runs come first."""


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
    repeats_min: int = 1
    """Runs of the candidate before any decision, unless the metric is deterministic."""
    repeats_max: int = 7
    """Runs of the candidate that one decision may spend; as many of the incumbent come on top."""
    alpha: float = 0.1
    """Budget for false keeps over the whole run, see `Session.test_level`."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The runs of one decision, in the order measured."""

    runs: tuple[Run, ...] = ()
    carried: tuple[Run, ...] = ()
    """Runs of earlier looks at the same candidate against the same incumbent."""

    def plus(self, side: Side, value: float) -> Evidence:
        """With one more run."""
        return replace(self, runs=(*self.runs, (side, value)))

    def values(self, side: Side) -> list[float]:
        """All values of one side, earlier looks first."""
        return [value for of, value in (*self.carried, *self.runs) if of is side]

    def spent(self, side: Side) -> int:
        """Runs of one side in this decision."""
        return sum(of is side for of, _ in self.runs)


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything the decisions so far have taught; a value, and JSON between two processes."""

    deterministic: bool
    """Identical code gave identical values so far: one run per decision is enough."""
    incumbent: tuple[float, ...]
    """The incumbent's last runs. Old ones: they may discard a candidate, never keep one."""
    null_steps: tuple[tuple[float, ...], ...] = ()
    """Per decision, relative differences of neighbouring runs of the same code: pure noise."""
    stale_errors: tuple[float, ...] = ()
    """How far fresh runs of the incumbent lay from its old ones, relative: noise and drift."""
    tests: int = 0
    """Tests begun: decisions that got past the screen."""
    keeps: tuple[int, ...] = ()
    """Which of the tests ended in a keep; the first is 1."""
    carried: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    """Evidence of promising candidates, by candidate id; void as soon as the incumbent changes."""
    floor: float = 0.0
    """Twice the relative spread of the first two baseline runs: all there is with one repeat."""

    @classmethod
    def calibrated(cls, baseline_values: Sequence[float], policy: Policy) -> Session:
        """What the A/A measurement of the unmodified code says."""
        values = tuple(baseline_values)
        steps = _steps([(Side.INCUMBENT, value) for value in values], _size(values))
        fresh = [
            _error((*values[:k], *values[k + 1 :]), value)
            for k, value in enumerate(values)
            if len(values) > 1
        ]
        return cls(
            deterministic=len(values) > 1 and len(set(values)) == 1,
            incumbent=values[-REMEMBERED:],
            null_steps=(steps,) if steps else (),
            stale_errors=tuple(fresh),
            floor=2 * abs(steps[0]) if steps else 0.0,
        )

    def begin(self, candidate_id: str) -> Evidence:
        """Where judging this candidate starts: with the evidence of an earlier look, if any."""
        return Evidence(carried=self.carried.get(candidate_id, ()))

    def after(self, evidence: Evidence, decision: Decision, candidate_id: str) -> Session:
        """What is known once `decision` is final (guards and holdout included)."""
        known = self.noticing(evidence)
        kept = decision.status is Status.KEEP
        candidate = [value for side, value in evidence.runs if side is Side.CANDIDATE]
        fresh = [value for side, value in evidence.runs if side is Side.INCUMBENT]
        steps = _steps(evidence.runs, _size(self.incumbent))
        errors = (*self.stale_errors, _error(self.incumbent, fresh[0])) if fresh else None
        tests = self.tests + bool(fresh)
        carried = {key: runs for key, runs in self.carried.items() if key != candidate_id}
        if decision.reason.startswith("promising"):
            carried[candidate_id] = (*evidence.carried, *evidence.runs)
        return replace(
            known,
            incumbent=tuple(candidate if kept else (*self.incumbent, *fresh))[-REMEMBERED:],
            null_steps=(*known.null_steps, steps)[-60:] if steps else known.null_steps,
            stale_errors=errors[-40:] if errors else self.stale_errors,
            tests=tests,
            keeps=(*self.keeps, tests) if kept else self.keeps,
            carried={} if kept else carried,
        )

    def noticing(self, evidence: Evidence) -> Session:
        """No longer deterministic once the same code has shown two values."""
        old = (*self.incumbent, *evidence.values(Side.INCUMBENT))
        new = evidence.values(Side.CANDIDATE)
        if not self.deterministic or len(set(old)) == len(set(new)) == 1:
            return self
        runs = [(Side.INCUMBENT, value) for value in old] + [(Side.CANDIDATE, v) for v in new]
        steps = _steps(runs, _size(self.incumbent))
        return replace(self, deterministic=not any(steps), null_steps=(*self.null_steps, steps))

    def test_level(self, alpha: float) -> float:
        """The error that the next test may have.

        Guarantee over a whole run, however long: if no candidate is better than its incumbent, the
        chance that anything is kept is at most `FIRST * alpha`; and whatever is real, at most a
        share of `alpha` of all keeps is expected to be false. This is LORD++ (Ramdas, Yang,
        Wainwright and Jordan 2017, "Online control of the false discovery rate with decaying
        memory"): an allowance at the start and one for every keep, each spent over the tests that
        follow, half of it in the first `PATIENCE`.

        Assumption: given the past, the two runs of a pair are exchangeable when the candidate is
        worth nothing, and the session's own steps show how large their differences are; the walk
        is then close to normal, as its steps are bounded (`noise.scale`). A second look at a
        promising candidate is a test of its own and pays for itself; its evidence adds up with the
        first look's only against the same incumbent, hence without a keep in between, so both
        levels were fixed before the first look and the union bound holds. Screened candidates
        began no test and pay nothing: the others pay for them, by the factor `PASS`.
        """
        first = FIRST * alpha
        grants = [(0, first), *((kept, alpha) for kept in self.keeps)]
        if self.keeps:
            grants[1] = (self.keeps[0], alpha - first)
        ages = ((self.tests - since, grant) for since, grant in grants)
        return PASS * sum(
            grant * PATIENCE * (1 / (PATIENCE + age) - 1 / (PATIENCE + age + 1))
            for age, grant in ages
        )

    def describe(self, policy: Policy, seconds_per_run: float) -> str:
        """One paragraph for the user, before anything is spent."""
        if self.deterministic:
            return "this metric is deterministic on this runner: one run per decision"
        spread, n = self.step_scale / math.sqrt(2), policy.repeats_max
        if n == 1:
            return (
                f"this metric on this runner varies by {_percent(spread)}; with one run per decision "
                f"only gains above {_percent(self.floor)} are kept, and none is confirmed"
            )
        smallest = self.detectable(policy)
        text = (
            f"this metric on this runner varies by {_percent(spread)}; up to {n} runs per decision it "
            f"can detect changes of {_percent(smallest)} and more; a decision takes about "
            f"{_minutes(4 * seconds_per_run)}, at most {_minutes(2 * n * seconds_per_run)}"
        )
        if smallest <= max(0.1, 4 * policy.min_effect) and not 0 < policy.min_effect < smallest / 4:
            return text
        wanted = policy.min_effect or 0.05
        return (
            f"{text}\nwarning: gains near {_percent(wanted)} will be missed: that would take about "
            f"{math.ceil(n * (smallest / wanted) ** 2)} runs. Make the metric calmer (a longer "
            "workload, CPU time or instructions instead of wall time, a quieter runner), or raise "
            "repeats.max or min_effect"
        )

    def detectable(self, policy: Policy) -> float:
        """The relative gain that one decision keeps four times out of five."""
        n = policy.repeats_max
        bound = noise.boundary(self.test_level(policy.alpha), n) / math.sqrt(n)
        return (bound + noise.NORMAL.inv_cdf(0.8)) * self.step_scale / math.sqrt(n)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Session:
        """Inverse of `to_json`, also after a detour through text."""
        return cls(
            deterministic=data["deterministic"],
            incumbent=tuple(data["incumbent"]),
            null_steps=tuple(tuple(group) for group in data["null_steps"]),
            stale_errors=tuple(data["stale_errors"]),
            tests=data["tests"],
            keeps=tuple(data["keeps"]),
            carried={
                key: tuple((Side(side), value) for side, value in runs)
                for key, runs in data["carried"].items()
            },
            floor=data["floor"],
        )

    @cached_property
    def step_scale(self) -> float:
        """Standard deviation of the relative difference of two neighbouring runs of one code."""
        return noise.scale([step for group in self.null_steps for step in group])

    @cached_property
    def stale_variance(self) -> float:
        """Of the incumbent's level as its old runs tell it, in variances of a pair's difference."""
        if not self.step_scale:
            return math.inf
        single = 0.5
        error = (noise.scale(self.stale_errors) / self.step_scale) ** 2
        return max(error - single, single / len(self.incumbent))

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


def next_calibration_run(values: Sequence[float], policy: Policy) -> bool:
    """Whether the A/A measurement of the baseline needs one more run.

    Two equal values with six or more digits are no coincidence, shorter ones must be three.
    """
    if len(values) < 2:
        return True
    if len(set(values)) == 1:
        digits = len(f"{abs(values[0]):.15e}".partition("e")[0].replace(".", "").rstrip("0"))
        return policy.repeats_max > 1 and len(values) < (2 if digits >= 6 else 3)
    return len(values) < (2 if policy.repeats_max == 1 else CALIBRATION)


def judge(evidence: Evidence, session: Session, policy: Policy) -> Side | Decision:
    """What to measure next, or the decision. Call it first with `session.begin(candidate_id)`."""
    if not evidence.runs:
        return Side.CANDIDATE
    session = session.noticing(evidence)
    if session.deterministic:
        return _exact(evidence, session, policy)
    if policy.repeats_max == 1:
        return _unconfirmed(evidence, session, policy)
    return _Walk(evidence, session, policy).step()


def _exact(evidence: Evidence, session: Session, policy: Policy) -> Decision:
    gain = _stale_gain(evidence, session, policy)
    better = gain > 0 and gain >= policy.min_effect
    small = gain > 0 and not better
    return Decision(
        status=Status.KEEP if better else Status.DISCARD,
        reason=f"{'below min_effect: ' if small else ''}{_percent(gain, '+')}, deterministic",
        ci_low=gain,
        ci_high=gain,
    )


def _unconfirmed(evidence: Evidence, session: Session, policy: Policy) -> Decision:
    """One run: better by twice what two baselines differed (karpathy/autoresearch issue 560)."""
    gain = _stale_gain(evidence, session, policy)
    better = gain > session.floor and gain >= policy.min_effect
    return Decision(
        status=Status.KEEP if better else Status.DISCARD,
        reason=f"unconfirmed: {_percent(gain, '+')}, floor {_percent(session.floor)}",
        ci_low=gain - session.floor,
        ci_high=gain + session.floor,
    )


def _stale_gain(evidence: Evidence, session: Session, policy: Policy) -> float:
    before, after = median(session.incumbent), evidence.values(Side.CANDIDATE)[-1]
    size = _size(session.incumbent)
    return noise.gain(noise.difference(policy.direction, before, after, size), before, after, size)


class _Walk:
    """One noisy decision, seen as a random walk whose steps are pairs of neighbouring runs."""

    def __init__(self, evidence: Evidence, session: Session, policy: Policy) -> None:
        self.evidence, self.session, self.policy = evidence, session, policy
        self.size = _size(session.incumbent)
        self.candidate = evidence.values(Side.CANDIDATE)
        self.incumbent = evidence.values(Side.INCUMBENT)
        self.pairs = [
            noise.difference(policy.direction, before, after, self.size)
            for before, after in zip(self.incumbent, self.candidate, strict=False)
        ]
        earlier = len(evidence.carried) // 2
        self.look = earlier // policy.repeats_max + 1
        self.spread, self.dof = self._spread()

    def step(self) -> Side | Decision:
        """The next run, or the decision."""
        spent = self.evidence.spent(Side.CANDIDATE)
        balanced = len(self.candidate) == len(self.incumbent)
        last = balanced and spent >= self.policy.repeats_max
        screening = not self.incumbent
        if spent < self.policy.repeats_min or not (balanced or screening):
            return self._next_side()
        if balanced and self._climbed() >= self._bound(self.look):
            if self.gain() >= self.policy.min_effect:
                return self._decision(Status.KEEP, "")
            if last:
                return self._decision(Status.DISCARD, "below min_effect: ")
        elif self._hope() < FUTILE:
            return self._decision(Status.DISCARD, "clearly worse: " if screening else "no better: ")
        elif last:
            again = self.look < LOOKS
            return self._decision(Status.DISCARD, "promising: " if again else "undecided: ")
        if self._interval()[1] < self.policy.min_effect:
            return self._decision(Status.DISCARD, "below min_effect: ")
        return self._next_side()

    def _next_side(self) -> Side:
        """Candidate, incumbent, incumbent, candidate and so on: a steady drift cancels.

        While old runs of the incumbent predict fresh ones well, the candidate goes twice at first:
        that is the cheapest way to find out that it is no better.
        """
        candidate, incumbent = (
            self.evidence.spent(side) for side in (Side.CANDIDATE, Side.INCUMBENT)
        )
        if candidate == incumbent:
            return Side.INCUMBENT if candidate % 2 else Side.CANDIDATE
        if candidate == 1 and not self.incumbent and self.session.stale_variance < CALM:
            return Side.CANDIDATE
        return Side.INCUMBENT if candidate > incumbent else Side.CANDIDATE

    def _spread(self) -> tuple[float, float]:
        """Variance of the walk's steps and its degrees of freedom.

        1 unless this decision's own runs are noisier than the session, then in between.
        """
        n, dof, unit = len(self.pairs), self.session.freedom, self.session.step_scale
        if n < 2:
            return 1.0, dof
        mean, widen = fmean(self.pairs), math.sqrt(n / (n - 1))
        steps = _steps((*self.evidence.carried, *self.evidence.runs), self.size)
        own = [*steps, *((pair - mean) * widen for pair in self.pairs)]
        variance = fmean(noise.clipped(x, unit) ** 2 for x in own) / noise.CLIPPED_VARIANCE
        weight = 1.4 * (n - 1)  # steps and pairs share runs: less than two for one
        return max(1.0, (dof + weight * variance) / (dof + weight)), dof + weight

    def _climbed(self) -> float:
        n = len(self.pairs)
        total = sum(noise.clipped(pair, self.session.step_scale) for pair in self.pairs)
        t = total / math.sqrt(n * noise.CLIPPED_VARIANCE * self.spread)
        return noise.normal_score(t, self.dof) * math.sqrt(n)

    def _bound(self, look: int) -> float:
        level = self.session.test_level(self.policy.alpha)
        return noise.boundary(level, look * self.policy.repeats_max)

    def _hope(self) -> float:
        """Chance to be kept within this look and the next, if the effect is about what was seen."""
        horizon = min(LOOKS, self.look + 1)
        step, variance = self._seen()
        return noise.chance_to_reach(
            self._bound(horizon),
            self._climbed() if self.pairs else 0.0,
            left=horizon * self.policy.repeats_max - len(self.pairs),
            step=step,
            variance=variance,
        )

    def _seen(self) -> tuple[float, float]:
        """(effect, its variance) in units of the noise, by all that is known, old runs included.

        Old runs count for what they were worth so far. Good for giving up, not for keeping.
        """
        single, unit = 0.5, self.session.step_scale
        center = noise.middle(self.session.incumbent)
        weight = 1 / self.session.stale_variance

        def apart(values: Sequence[float]) -> float:
            value = noise.middle(values)
            better = noise.difference(self.policy.direction, center, value, self.size)
            return better / unit if unit else noise.clipped(better, unit)

        effect = apart(self.candidate)
        if self.incumbent:
            fresh = len(self.incumbent) / single
            weight += fresh
            effect -= apart(self.incumbent) * fresh / weight
        return effect, single / len(self.candidate) + (1 / weight if weight else math.inf)

    def gain(self) -> float:
        """Best estimate of the relative gain."""
        return self._relative(noise.middle(self.pairs))

    def _relative(self, difference: float) -> float:
        before, after = median(self.incumbent or self.session.incumbent), median(self.candidate)
        return noise.gain(difference, before, after, self.size)

    def _interval(self) -> tuple[float, float]:
        """95 % confidence interval of the relative gain, as if this many runs had been planned."""
        unit = self.session.step_scale
        if not self.pairs:
            effect, variance = self._seen()
            reach = 1.96 * math.sqrt(variance)
            return self._relative((effect - reach) * unit), self._relative((effect + reach) * unit)
        reach = noise.student_quantile(0.975, max(2.0, self.dof)) * unit
        reach *= math.sqrt(self.spread / len(self.pairs))
        center = noise.middle(self.pairs)
        return self._relative(center - reach), self._relative(center + reach)

    def _decision(self, status: Status, word: str) -> Decision:
        low, high = self._interval()
        gain = (
            self.gain() if self.pairs else self._relative(self._seen()[0] * self.session.step_scale)
        )
        return Decision(
            status=status,
            reason=f"{word}{_percent(gain, '+')} (CI {100 * low:.1f}..{100 * high:.1f})",
            ci_low=low,
            ci_high=high,
        )


def _steps(runs: Sequence[Run], size: float) -> tuple[float, ...]:
    return tuple(
        noise.difference(Direction.MAXIMIZE, before[1], after[1], size)
        for before, after in pairwise(runs)
        if before[0] is after[0]
    )


def _error(old: Sequence[float], fresh: float) -> float:
    return noise.difference(Direction.MAXIMIZE, noise.middle(old), fresh, _size(old))


def _size(values: Sequence[float]) -> float:
    """Typical absolute value: what 100 % means for a metric around zero."""
    return median(map(abs, values))


def _percent(share: float, sign: str = "") -> str:
    digits = 1 if abs(share) >= 0.001 else 2
    return f"{100 * share:{sign}.{digits}f} %"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
