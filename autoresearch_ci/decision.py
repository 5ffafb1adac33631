"""Incumbent + candidate + policy -> keep, discard, or which side to measure next. Pure."""

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
"""A promising candidate may be measured this often: its evidence adds up."""
PATIENCE = 10.0
W0 = .6
PASS = .65
SCREEN = 1.0
FUTILE = .1
FUT7 = .1
PROMISE = 0.10
TAU0, TAUW = 0.2, 10
AHEAD = 1
NEFF = 0.8
OLD = 6
SPREADV = 1.0
CAL = 5
CALM = 0.0


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
    """Runs of the candidate before any decision."""
    repeats_max: int = 7
    """Runs of the candidate that one decision may spend; about as many of the incumbent come on top."""
    alpha: float = 0.1
    """Budget for false keeps over the whole run, see `Session.level_of_test`."""


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
        return [value for s, value in (*self.carried, *self.runs) if s is side]


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything the decisions so far have taught; survives a kill as JSON."""

    deterministic: bool
    """Identical code gave identical values so far: one run per decision is enough."""
    incumbent: tuple[float, ...]
    """The incumbent's last runs. Old ones: good enough to discard a clear loser, never to keep."""
    null_steps: tuple[tuple[float, ...], ...] = ()
    """Per decision, relative differences between neighbouring runs of the same code."""
    stale_errors: tuple[float, ...] = ()
    """How far fresh runs of the incumbent lay from its old ones, relative: drift and noise."""
    tests: int = 0
    """Tests begun: decisions that went past the screen."""
    keeps: tuple[int, ...] = ()
    """Numbers of the tests that ended in a keep."""
    carried: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    """Evidence of promising candidates, by candidate id."""
    floor: float = 0.0
    """Twice the relative spread of the first two baseline runs: all there is with one repeat."""

    @classmethod
    def calibrated(cls, baseline_values: Sequence[float], policy: Policy) -> Session:
        """What the A/A measurement of the unmodified code says."""
        values = tuple(baseline_values)
        level = _level(values)
        steps = [noise.difference(Direction.MAXIMIZE, a, b, level) for a, b in pairwise(values)]
        others = [
            noise.difference(Direction.MAXIMIZE, median((*values[:k], *values[k + 1 :])), x, level)
            for k, x in enumerate(values)
            if len(values) > 1
        ]
        return cls(
            deterministic=len(values) > 1 and len(set(values)) == 1,
            incumbent=values[-OLD:],
            null_steps=(tuple(steps),) if steps else (),
            stale_errors=tuple(others),
            floor=2 * abs(steps[0]) if steps else 0.0,
        )

    def begin(self, candidate_id: str) -> Evidence:
        """Where judging this candidate starts: with the evidence of an earlier look, if any."""
        return Evidence(carried=self.carried.get(candidate_id, ()))

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Session:
        """Inverse of `to_json`, also after `json.dumps` and `json.loads`."""
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

    def describe(self, policy: Policy, seconds_per_run: float) -> str:
        """One paragraph for the user, before anything is spent."""
        if self.deterministic:
            return "this metric is deterministic here: one run per decision"
        spread = self.step_scale / math.sqrt(2)
        n = policy.repeats_max
        detectable = (noise.boundary(self.test_level(policy.alpha), n) / math.sqrt(n) + 0.84) * (
            self.step_scale / math.sqrt(n)
        )
        return (
            f"this metric on this runner varies by {spread:.1%}; up to {n} runs per decision it can "
            f"detect changes of {detectable:.1%} and more; a decision takes about "
            f"{4 * seconds_per_run / 60:.1f} min"
        )

    @cached_property
    def step_scale(self) -> float:
        """Standard deviation of the relative difference of two neighbouring runs, no change."""
        return noise.scale([step for group in self.null_steps for step in group])

    @cached_property
    def step_count(self) -> int:
        return sum(map(len, self.null_steps))

    @cached_property
    def stale_scale(self) -> float:
        return noise.scale(self.stale_errors)

    @cached_property
    def unrest(self) -> float:
        """Variance of the local noise variance, relative: 0 for a steady machine."""
        total, count = TAU0 * TAUW, float(TAUW)
        for group in self.null_steps:
            if len(group) < 2:
                continue
            squares = [
                noise.clipped(x, self.step_scale) ** 2 / noise.CLIPPED_VARIANCE - 1 for x in group
            ]
            w = 1 / (len(group) - 1)
            total += sum(a * b for a, b in combinations(squares, 2)) * w
            count += len(group) / 2
        return max(0.01, total / count)

    def test_level(self, alpha: float) -> float:
        """The error that the next test may have."""

        def share(j: int) -> float:
            return PATIENCE / (PATIENCE + j - 1) - PATIENCE / (PATIENCE + j)

        t = self.tests + 1
        first = alpha * W0
        level = first * share(t)
        for k, kept in enumerate(self.keeps):
            level += (alpha - first if k == 0 else alpha) * share(t - kept)
        return PASS * level

    def after(self, evidence: Evidence, decision: Decision, candidate_id: str) -> Session:
        """What is known after a decision."""
        level = _level(self.incumbent)
        kept = decision.status is Status.KEEP
        candidate = [v for s, v in evidence.runs if s is Side.CANDIDATE]
        incumbent = [v for s, v in evidence.runs if s is Side.INCUMBENT]
        steps = _steps(evidence.runs, level)
        carried = {} if kept else dict(self.carried)
        carried.pop(candidate_id, None)
        if decision.reason.startswith("promising"):
            carried[candidate_id] = (*evidence.carried, *evidence.runs)
        stale = self.stale_errors
        if incumbent:
            error = noise.difference(Direction.MAXIMIZE, level, incumbent[0], level)
            stale = (*stale, error)[-40:]
        tests = self.tests + bool(incumbent)
        return replace(
            self,
            incumbent=tuple(candidate[-OLD:] if kept else (*self.incumbent, *incumbent)[-OLD:]),
            null_steps=(*self.null_steps, tuple(steps))[-60:] if steps else self.null_steps,
            stale_errors=stale,
            tests=tests,
            keeps=(*self.keeps, tests) if kept else self.keeps,
            carried=carried,
        )


def _steps(runs, level):
    return [
        noise.difference(Direction.MAXIMIZE, a[1], b[1], level)
        for a, b in pairwise(runs)
        if a[0] is b[0]
    ]


def _level(values: Sequence[float]) -> float:
    return median(values) if values else 0.0


def next_calibration_run(values: Sequence[float], policy: Policy) -> bool:
    """Whether the A/A measurement of the baseline needs one more run."""
    if len(values) < 2:
        return True
    if policy.repeats_max == 1:
        return False
    if len(set(values)) == 1:
        return len(values) < (2 if len(f"{values[0]:.15g}".strip("-.0")) > 4 else 3)
    return len(values) < CAL


def judge(evidence: Evidence, session: Session, policy: Policy) -> Side | Decision:
    """What to measure next, or the decision."""
    candidate = evidence.values(Side.CANDIDATE)
    incumbent = evidence.values(Side.INCUMBENT)
    if not candidate:
        return Side.CANDIDATE
    level = _level(session.incumbent)
    stale = noise.difference(policy.direction, level, candidate[0], level)
    if session.deterministic:
        better = stale > 0 and noise.gain(policy.direction, stale, level) >= policy.min_effect
        return Decision(
            status=Status.KEEP if better else Status.DISCARD,
            reason=f"{noise.gain(policy.direction, stale, level):+.2%}, deterministic",
        )
    if policy.repeats_max == 1:
        better = stale > max(session.floor, policy.min_effect)
        return Decision(
            status=Status.KEEP if better else Status.DISCARD,
            reason=f"unconfirmed: {noise.gain(policy.direction, stale, level):+.2%}",
        )
    if not incumbent:
        ahead = min(LOOKS, 1 + AHEAD) * policy.repeats_max
        if _hope(0.0, 0, ahead, noise.boundary(session.test_level(policy.alpha), ahead), candidate, incumbent, session, policy) < FUTILE:
            return Decision(status=Status.DISCARD, reason=f"clearly worse: {stale:+.2%}")
    if len(incumbent) == 0 and len(candidate) == 1 and _old(session) < CALM:
        return Side.CANDIDATE
    if len(candidate) == 2 and len(incumbent) < 2 and evidence.runs[1][0] is Side.CANDIDATE:
        return Side.INCUMBENT
    if len(incumbent) != len(candidate):
        return Side.INCUMBENT if len(incumbent) < len(candidate) else Side.CANDIDATE
    n = len(candidate)
    done = len(evidence.carried) // 2
    if n == done:
        return Side.INCUMBENT if n % 2 else Side.CANDIDATE
    pairs = [
        noise.difference(policy.direction, b, a, level)
        for b, a in zip(incumbent, candidate, strict=True)
    ]
    look = (n - 1) // policy.repeats_max + 1
    horizon = look * policy.repeats_max
    alpha = session.test_level(policy.alpha)
    climbed = _climb(pairs, _steps((*evidence.carried, *evidence.runs), level), session)
    bound = noise.boundary(alpha, horizon)
    estimate = fmean(pairs)
    if climbed >= bound:
        return Decision(status=Status.KEEP, reason=f"{estimate:+.2%}")
    ahead = min(LOOKS, look + AHEAD) * policy.repeats_max
    hope = _hope(climbed, n, ahead, noise.boundary(alpha, ahead), candidate, incumbent, session, policy) if ahead > n else 0.0
    if n >= horizon and hope > PROMISE:
        return Decision(status=Status.DISCARD, reason=f"promising: {estimate:+.1%}")
    if n >= horizon or hope < FUTILE + (FUT7 - FUTILE) * min(n - 1, 6) / 6:
        return Decision(status=Status.DISCARD, reason=f"no better: {estimate:+.1%}")
    return Side.INCUMBENT if n % 2 else Side.CANDIDATE


def _climb(pairs, steps, session) -> float:
    unit = session.step_scale
    n = len(pairs)
    total = sum(noise.clipped(d, unit) for d in pairs)
    own, dof = 1.0, 1 / (session.unrest / 2 + 1 / (NEFF * session.step_count))
    if n > 1:
        mean = fmean(pairs)
        residuals = [(d - mean) * math.sqrt(n / (n - 1)) for d in pairs]
        own = fmean(noise.clipped(x, unit) ** 2 for x in (*steps, *residuals)) / noise.CLIPPED_VARIANCE
        m = 1.4 * (n - 1)
        own, dof = (dof + m * own) / (dof + m), dof + m
    t = total / math.sqrt(n * noise.CLIPPED_VARIANCE * own)
    return noise.normal_score(t, dof) * math.sqrt(n)


def _hope(climbed: float, n: int, horizon: int, bound: float, candidate, incumbent, session, policy) -> float:
    """Chance to reach the bound by the horizon when the effect is what was seen, give or take."""
    unit = session.step_scale
    level = _level(session.incumbent)
    single = 0.5
    old = _old(session)
    seen = median(candidate) if len(candidate) > 2 else fmean(candidate)
    seen = noise.difference(policy.direction, level, seen, level) / unit
    weight = 1 / old
    if n:
        rival = fmean(noise.difference(policy.direction, level, x, level) for x in incumbent) / unit
        weight += n / single
        seen -= rival * (n / single) / weight
    variance = single / len(candidate) + 1 / weight
    left = horizon - n
    mean = climbed + left * seen
    return noise.NORMAL.cdf((mean - bound) / math.sqrt(left + left * left * variance))


def _old(session) -> float:
    return max((session.stale_scale / session.step_scale) ** 2 * SPREADV - 0.5, 0.5 / len(session.incumbent))
