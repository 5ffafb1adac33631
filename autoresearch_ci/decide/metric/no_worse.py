"""Whether a candidate is no worse than the incumbent: what may take kept changes back.

Pure. Here the burden of proof is the candidate's: noise that hides a loss is no reason to lose.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoresearch_ci.decide.metric.noise import confirm_interval
from autoresearch_ci.decide.metric.run_statistics import (
    DecisionRuns,
    Policy,
    RunStatistics,
    Side,
    percent,
)
from autoresearch_ci.experiment import Decision, Status


@dataclass(frozen=True, kw_only=True)
class NoWorse:
    """Judges by a number of pairs that was chosen before."""

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
