"""What a proposer is told: the journal, the code and the budget, as one `Context`.

Nothing of the holdout is in it, and nothing in it depends on the process that builds it: a resumed
run tells its proposer what an uninterrupted one would.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

from autoresearch_ci.decide.budget import Limits, stuck_level
from autoresearch_ci.decide.failures.repair_order import Aim
from autoresearch_ci.decide.metric.taken_back import ideas
from autoresearch_ci.experiment import Proposal, Trees
from autoresearch_ci.propose.proposer import Context, Lasting, Remaining, Request
from autoresearch_ci.record.ledger import Ledger

REMEMBERED_NOTES = 10
"""Ideas for later that are passed on; older ones are forgotten."""


@dataclass(frozen=True, kw_only=True)
class Briefing(Lasting):
    """What stays the same over a run, and where the rest is found."""

    limits: Limits
    ledger: Ledger
    tree: Trees
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since this invocation began."""
        return time.monotonic() - self.started

    def context(
        self,
        *,
        request: Request = Request.PROPOSE,
        aim: Aim | None = None,
        attempt: int = 1,
        previous: Proposal | None = None,
        feedback: str = "",
        promising: Proposal | None = None,
        kept_back: float = 0.0,
    ) -> Context:
        """What the proposer of the next iteration knows.

        `kept_back`: seconds at the end of the run that are not for proposing.
        """
        ledger = self.ledger
        experiments = ledger.experiments
        return Context(
            **{field.name: getattr(self, field.name) for field in fields(Lasting)},
            iteration=max(1, len(experiments)),
            incumbent=self.tree(ledger.incumbent),
            base=self.tree(ledger.facts.base),
            at=self.tree,
            history=experiments,
            request=request,
            attempt=attempt,
            previous=previous,
            feedback=feedback,
            promising=promising,
            stuck=stuck_level(experiments),
            notes=self._notes(),
            remaining=self._remaining(kept_back),
            aim=aim,
        )

    def _notes(self) -> Sequence[str]:
        attempts = self.ledger.history.attempts
        return [a.next_idea for a in attempts if a.next_idea][-REMEMBERED_NOTES:]

    def _remaining(self, kept_back: float) -> Remaining:
        limits, experiments = self.limits, self.ledger.experiments
        run = Remaining(
            iterations=limits.iterations - len(ideas(experiments)),
            seconds=limits.seconds,
            usd=limits.usd,
            tokens=limits.tokens,
        ).after(self.ledger.spent, self.elapsed + kept_back)
        iteration = Remaining(usd=limits.iteration_usd, tokens=limits.iteration_tokens).after(
            self.ledger.history.unfinished
        )
        return replace(run, iteration_usd=iteration.usd, iteration_tokens=iteration.tokens)
