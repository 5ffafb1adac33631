"""Incumbent + candidate + policy -> keep, discard, or which side to measure next.

Pure: the loop measures, `judge` says what to measure and when to stop, and `RunStatistics` is what
the decisions of a run have taught so far. The first run of a candidate is held against old runs of
the incumbent, which can only discard it; where the machine moves, against the worst of them. What
passes, or may have met a slower machine, is measured interleaved with the incumbent: the
differences of neighbouring runs, in units of the noise that the session has seen, add up to a
random walk. A pair that a jump of the machine parts is a step to nowhere. The candidate is kept
when the walk climbs higher than chance allows over the whole run, and discarded when it hardly can
any more, most changes being worth little. A gain that is mostly the incumbent's loss since the
candidate ran is distrusted: it may be its doing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from autoresearch_ci.decide.metric import noise
from autoresearch_ci.decide.metric.noise import confirm_interval
from autoresearch_ci.decide.metric.run_statistics import (
    MOVED,
    DecisionRuns,
    Policy,
    RunStatistics,
    Side,
    percent,
    size_of,
    steps,
)
from autoresearch_ci.experiment import Decision, Status

LOOKS = 5
"""How often one candidate may be measured up to `repeats_max`; promising ones only."""
FUTILE = 0.02
"""A candidate whose chance to be kept within this and the next look is smaller is discarded."""
USUAL = 0.45
"""What changes are worth before anything is known, in shares of the least that would be kept for
sure: most of them less. Only for giving up."""
BY_OLD_RUNS = " by old runs"
"""Rejected so, a candidate may have been measured on a machine that got slower since."""
DISTRUSTED = "distrusted"
CALM = 0.2
"""With old runs this precise (in variances of a pair's difference) the candidate goes twice."""


def judge(evidence: DecisionRuns, session: RunStatistics, policy: Policy) -> Side | Decision:
    """What to measure next, or the decision. Call it first with `session.begin(candidate_id)`."""
    if not evidence.runs:
        return Side.CANDIDATE
    session = session.noticing(evidence)
    if session.deterministic:
        found = _exact(evidence, session, policy)
        # What looks exact may vary now and then: who was only lucky is not so again.
        doubted = policy.repeats_max > 1 and not noise.exact(evidence.values(Side.CANDIDATE))
        return Side.CANDIDATE if doubted and found.status is Status.KEEP else found
    if policy.repeats_max == 1:
        return _unconfirmed(evidence, session, policy)
    return _Walk(evidence, session, policy).step()


def _exact(evidence: DecisionRuns, session: RunStatistics, policy: Policy) -> Decision:
    gain = _stale_gain(evidence, session, policy)
    better = gain > 0 and gain >= policy.min_effect
    small = gain > 0 and not better
    return Decision(
        status=Status.KEEP if better else Status.DISCARD,
        reason=f"{'below min_effect: ' if small else ''}{percent(gain, '+')}, deterministic",
        ci_low=gain,
        ci_high=gain,
    )


def _unconfirmed(evidence: DecisionRuns, session: RunStatistics, policy: Policy) -> Decision:
    """One run: better by twice what two baselines differed (karpathy/autoresearch issue 560)."""
    gain = _stale_gain(evidence, session, policy)
    better = gain > session.floor and gain >= policy.min_effect
    floor = max(session.floor, policy.min_effect)
    return Decision(
        status=Status.KEEP if better else Status.DISCARD,
        reason=f"unconfirmed: {percent(gain, '+')}, floor {percent(floor)}",
        ci_low=gain - session.floor,
        ci_high=gain + session.floor,
    )


def _stale_gain(evidence: DecisionRuns, session: RunStatistics, policy: Policy) -> float:
    before, after = median(session.incumbent), evidence.values(Side.CANDIDATE)[-1]
    size = size_of(session.incumbent)
    return noise.gain(noise.difference(policy.direction, before, after, size), before, after, size)


class _Walk:
    """One noisy decision, seen as a random walk whose steps are pairs of neighbouring runs."""

    def __init__(self, evidence: DecisionRuns, session: RunStatistics, policy: Policy) -> None:
        self.evidence, self.session, self.policy = evidence, session, policy
        self.size = size_of(session.incumbent)
        self.candidate = evidence.values(Side.CANDIDATE)
        self.incumbent = evidence.values(Side.INCUMBENT)
        pairs = [
            noise.difference(policy.direction, before, after, self.size)
            for before, after in zip(self.incumbent, self.candidate, strict=False)
        ]
        near = [pair for pair in pairs if not abs(pair) > session.far * session.step_scale]
        jumps = session.step_scale > 0 and 2 * len(near) >= len(pairs)
        self.taken = len(pairs)
        """Steps of the walk: those whose two runs a jump of the machine parted lead nowhere."""
        self.pairs = near if jumps else pairs
        self.far = session.far if jumps else math.inf
        self.unit = session.step_scale if jumps else session.wide_scale
        earlier = len(evidence.carried) // 2
        self.look = earlier // policy.repeats_max + 1
        self.spread, self.dof = self._spread()

    def step(self) -> Side | Decision:
        """The next run, or the decision."""
        spent = self.evidence.spent(Side.CANDIDATE)
        balanced = len(self.candidate) == len(self.incumbent)
        last = balanced and spent >= self.policy.repeats_max
        screening = not self.incumbent
        if not (balanced or screening) or spent < min(
            self.policy.repeats_min, self.policy.repeats_max
        ):
            return self._next_side()
        if balanced and self._climbed() >= self._bound(self.look):
            if self.gain() >= self.policy.min_effect:
                return self._distrusted() or self._decision(Status.KEEP, "")
            if last:
                above = self._interval()[1] >= self.policy.min_effect
                word = "not surely above min_effect: " if above else "below min_effect: "
                return self._decision(Status.DISCARD, word)
        elif last and self.look == LOOKS and self.gain() > 0:
            return self._decision(Status.DISCARD, "undecided: ")
        elif self._hope() < FUTILE or (last and self.gain() <= 0):
            return self._rejection(screening)
        elif last:
            return self._distrusted() or self._decision(Status.DISCARD, "promising: ")
        if 0 < self.policy.min_effect > self._interval()[1]:
            return self._rejection(screening)
        return self._next_side()

    def _distrusted(self) -> Decision | None:
        """Discarded, where the gain is mostly the incumbent's loss since this candidate ran.

        A slower machine hurts both alike, and one that was seen to recover was slow by itself.
        """
        session, policy = self.session, self.policy
        before = noise.middle(session.incumbent)

        def lost(values: Sequence[float]) -> float:
            after = noise.middle(values)
            return -noise.difference(policy.direction, before, after, self.size)

        loss, own = lost(self.incumbent), lost(self.candidate)
        if loss <= max(2 * own, -own) or session.recovers(policy.direction):
            return None
        least = min(lost([value]) for value in self.incumbent)
        if least <= session.step_scale * MOVED * math.sqrt(0.5 + session.stale_variance):
            return None
        word = f"{DISTRUSTED}, the incumbent is worse by {percent(loss)} since this ran: "
        return self._decision(Status.DISCARD, word)

    def _rejection(self, screening: bool) -> Side | Decision:
        """Discarded, in words that fit the interval; by old runs alone only where they may.

        What noise does not explain may be the machine's doing: of two such in a row one is checked.
        """
        session = self.session
        moved = screening and session.moved(self._seen()[0])
        trusted = session.unchecked == 0 and session.tests > 0
        if screening and (session.must_check or (moved and not trusted)):
            return Side.INCUMBENT
        high = self._interval()[1]
        below = 0 < high < self.policy.min_effect
        word = "clearly worse" if high < 0 else "below min_effect" if below else "no better"
        return self._decision(Status.DISCARD, f"{word}{BY_OLD_RUNS if moved else ''}: ")

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
        session = self.session
        calm = session.stale_variance < CALM and not (session.must_check or session.drifting)
        if candidate == 1 and not self.incumbent and calm:
            return Side.CANDIDATE
        return Side.INCUMBENT if candidate > incumbent else Side.CANDIDATE

    def _spread(self) -> tuple[float, float]:
        """Variance of the walk's steps and its degrees of freedom.

        1 unless this decision's own runs are noisier than the session, then in between.
        """
        n, dof, unit = len(self.pairs), self.session.freedom, self.unit
        if n < 2:
            return 1.0, dof
        mean, widen = fmean(self.pairs), math.sqrt(n / (n - 1))
        own_steps = steps((*self.evidence.carried, *self.evidence.runs), self.size)
        own = [*own_steps, *((pair - mean) * widen for pair in self.pairs)]
        near = (x for x in own if not abs(x) > self.far * unit)
        variance = sum(noise.clipped(x, unit) ** 2 for x in near) / len(own)
        variance /= noise.CLIPPED_VARIANCE
        weight = 1.4 * (n - 1)  # steps and pairs share runs: less than two for one
        return max(1.0, (dof + weight * variance) / (dof + weight)), dof + weight

    def _climbed(self) -> float:
        total = sum(noise.clipped(pair, self.unit) for pair in self.pairs)
        t = total / math.sqrt(self.taken * noise.CLIPPED_VARIANCE * self.spread)
        return noise.normal_score(t, self.dof) * math.sqrt(self.taken)

    def _bound(self, look: int) -> float:
        level = self.session.test_level(self.policy.alpha)
        return noise.boundary(level, look * self.policy.repeats_max)

    def _hope(self) -> float:
        """Chance to be kept within this look and the next, if the effect is about what was seen."""
        horizon = min(LOOKS, self.look + 1)
        most = horizon * self.policy.repeats_max
        bound = self._bound(horizon)
        effect, variance = self._seen()
        usual = (USUAL * bound / most) ** 2
        believed = 1 / (1 + variance / usual)
        return noise.chance_to_reach(
            bound,
            self._climbed() if self.pairs else 0.0,
            left=most - self.taken,
            step=effect * believed,
            variance=usual * (1 - believed),
        )

    def _seen(self) -> tuple[float, float]:
        """(effect, its variance) in units of the noise, by all that is known, old runs included.

        Old runs count for what they were worth so far, and where the machine moves, nothing but
        neighbours count, and none for much. Good for giving up, not for keeping.
        """
        single, unit, session = 0.5, self.unit, self.session
        center, weight = noise.middle(session.incumbent), 1 / session.stale_variance
        if session.drifting:
            center, weight = session.worst(self.policy.direction), 1 / single

        def apart(values: Sequence[float]) -> float:
            value = noise.middle(values)
            better = noise.difference(self.policy.direction, center, value, self.size)
            return better / unit if unit else noise.clipped(better, unit)

        moves = session.drifting or any(session.moved(apart([run])) for run in self.incumbent)
        if self.pairs and moves:
            effect = fmean(noise.clipped(pair, unit) for pair in self.pairs)
            return effect, 1 / len(self.pairs)
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
        found = noise.gain(difference, before, after, self.size)
        return noise.possible(
            found, self.policy.direction, (*self.session.incumbent, *self.candidate)
        )

    def _interval(self) -> tuple[float, float]:
        """95 % confidence interval of the relative gain, as if this many runs had been planned."""
        if not self.pairs:
            effect, variance = self._seen()
            low, high = (effect + end * math.sqrt(variance) for end in (-1.96, 1.96))
            return self._relative(low * self.unit), self._relative(high * self.unit)
        reach = noise.student_quantile(0.975, max(2.0, self.dof)) * self.unit
        reach *= math.sqrt(self.spread / len(self.pairs))
        center = noise.middle(self.pairs)
        return self._relative(center - reach), self._relative(center + reach)

    def _decision(self, status: Status, word: str) -> Decision:
        low, high = self._interval()
        gain = self.gain() if self.pairs else self._relative(self._seen()[0] * self.unit)
        # which may be far from the incumbent's number of an hour ago
        beside = f" beside the incumbent's {median(self.incumbent):.6g}" if self.incumbent else ""
        return Decision(
            status=status,
            reason=f"{word}{percent(gain, '+')}{beside} (CI {100 * low:.1f}..{100 * high:.1f})",
            ci_low=low,
            ci_high=high,
        )


# --- No worse -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NoWorse:
    """What may take kept changes back: judges by a number of pairs that was chosen before.

    The burden of proof is the candidate's: noise that hides a loss is no reason to lose.
    """

    pairs: int
    """1: the metric is exact, and so no loss at all is let through."""
    margin: float
    """Relative loss that must be ruled out where the metric is noisy."""

    def judge(
        self, evidence: DecisionRuns, session: RunStatistics, policy: Policy
    ) -> Side | Decision:
        """What to measure next, or the decision: candidate, incumbent, incumbent, ..."""
        own, rival = evidence.values(Side.CANDIDATE), evidence.values(Side.INCUMBENT)
        if len(own) != len(rival):
            return Side.INCUMBENT if len(own) > len(rival) else Side.CANDIDATE
        if len(own) < self.pairs:
            return Side.INCUMBENT if len(own) % 2 else Side.CANDIDATE
        gain, low, high = confirm_interval(rival, own, policy.direction)
        if self.pairs == 1:
            low = high = gain
            known = session.noticing(evidence)
            holds = gain >= 0 and known.deterministic
        else:
            holds = low > -self.margin
        spread = f" (CI {100 * low:.1f}..{100 * high:.1f})" if low < high else ""
        return Decision(
            status=Status.KEEP if holds else Status.DISCARD,
            reason=f"{'no worse' if holds else 'worse, or not surely no worse'}: "
            f"{percent(gain + 0.0, '+')}{spread}",  # and no -0.0
            ci_low=low,
            ci_high=high,
        )
