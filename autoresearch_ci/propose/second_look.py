"""Proposes a promising candidate again before anything new; everything else is the other's job."""

from __future__ import annotations

from autoresearch_ci.experiment import Proposal
from autoresearch_ci.propose.proposer import Context, Proposer, Request


class SecondLook:
    """Without second looks half of all small real gains are lost (benchmarks/keep_rule.py)."""

    def __init__(self, proposer: Proposer) -> None:
        self._proposer = proposer

    def propose(self, context: Context) -> Proposal | None:
        """The promising candidate if there is one, else what the other proposer says."""
        if context.promising and context.request is Request.PROPOSE:
            return context.promising
        return self._proposer.propose(context)
