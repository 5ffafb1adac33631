"""Claude proposes: a draft, a conversation about it, and what became of that as a proposal.

The request is built in claude_request.py, the conversation held in llm/conversation.py, and the
service spoken to in llm/messages_api.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import Proposal, Spent
from autoresearch_ci.llm.conversation import (
    Caps,
    Conversation,
    Declined,
    NoProposal,
    Recorder,
    Turn,
)
from autoresearch_ci.llm.draft import Draft
from autoresearch_ci.llm.messages_api import MessagesService
from autoresearch_ci.llm.model_prices import spent
from autoresearch_ci.llm.tools import MoreTools
from autoresearch_ci.propose.claude_request import build_request
from autoresearch_ci.propose.journal_digest import DiffSummaries
from autoresearch_ci.propose.proposer import (
    Context,
    CostlyProposerError,
    EditError,
    ModelRefused,
    Request,
    nothing_to_do,
)
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.safety.redaction import WITHHELD, Redactor
from autoresearch_ci.workspace.scope import Scope

_NAME = "claude"


@dataclass(eq=False, repr=False)
class ClaudeProposer:
    """One focused change per call, by a model that reads and edits a draft with tools."""

    claude: Claude
    scope: Scope
    service: MessagesService
    _: KW_ONLY
    redactor: Redactor
    more: MoreTools | None = None
    paid: Callable[[Spent], None] = lambda cost: None
    """Is told what each answer cost, as soon as it is known."""
    _diffs: DiffSummaries = field(default_factory=DiffSummaries)

    def render(self, context: Context) -> dict[str, Any]:
        """The request that `propose` would send first."""
        return build_request(
            context,
            self.claude,
            self.service.dialect,
            globs=self.scope.include,
            diffs=self._diffs,
            more=self.more.definitions() if self.more else (),
        )

    def propose(self, context: Context) -> Proposal:
        """One change; for a repair, also none and the reason why nothing is to be changed.

        Raises `EditError` when the conversation came to nothing, `ModelRefused` when the model
        declined, `ProposerError` when the service keeps failing. Each says what was spent.
        """
        again = context.request is not Request.PROPOSE
        before = context.previous.edits if again and context.previous else ()
        if self.more and not again:
            self.more.new_iteration()
        seconds = context.remaining.seconds
        draft = Draft(context.incumbent, self.scope, start=before, hidden=context.hidden)
        talk = Conversation(
            ask=self._ask,
            draft=draft,
            dialect=self.service.dialect,
            caps=Caps(
                turns=self.claude.turns,
                tokens=context.remaining.most_tokens,
                usd=context.remaining.most_usd,
                until=None if seconds is None else time.monotonic() + seconds,
            ),
            price=self._price,
            focused=not again,
            more=self.more,
            no_change=nothing_to_do if context.aim and not again else lambda words: "",
        )
        try:
            given = talk.run(self.render(context))
            edits = draft.edits()
            if again and edits == tuple(sorted(before, key=lambda edit: edit.path)):
                raise NoProposal("the model left the change as it was")
        except NoProposal as error:
            raise EditError(
                str(error),
                description="withheld" if str(error) == WITHHELD else "no proposal",
                proposer=_NAME,
                tokens=talk.spent.tokens,
                cost_usd=talk.spent.cost_usd,
            ) from error
        except Declined as error:
            raise ModelRefused(
                str(error),
                proposer=_NAME,
                tokens=talk.spent.tokens,
                cost_usd=talk.spent.cost_usd,
            ) from error
        except ProposerError as error:
            raise _costly(error, talk.spent) from error
        return Proposal(
            description=line(given.description, 300),
            edits=edits,
            proposer=_NAME,
            tokens=talk.spent.tokens,
            cost_usd=talk.spent.cost_usd,
            hypothesis=line(given.hypothesis, 500),
            next_idea=line(given.next, 300),
            expected=None if given.expected is None else given.expected / 100,
        )

    def _price(self, usage: Mapping[str, Any]) -> Spent:
        """What an answer cost; it is paid, whatever becomes of the conversation."""
        cost = spent(usage, self.claude)
        self.paid(cost)
        return cost

    def _ask(self, request: Mapping[str, Any], record: Recorder, check: Callable[[], None]) -> Turn:
        """Raises `NoProposal` when the answer holds a secret: it would have to be sent back."""
        turn = self.service.ask(request, record, check)
        if self.redactor.found_in_any(turn.content):
            raise NoProposal(WITHHELD)
        return turn


def _costly(error: ProposerError, cost: Spent) -> ProposerError:
    if not cost.tokens:
        return error
    return CostlyProposerError(str(error), tokens=cost.tokens, cost_usd=cost.cost_usd)
