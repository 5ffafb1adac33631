"""Everything that asking a model takes, in one place: who, within which budget, of which commit.

Each question is a talk of its own. What it costs is written down at once, whatever becomes of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.config.schema import Budget
from autoresearch_ci.decide.budget import least
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import Spent
from autoresearch_ci.investigate.form import Answered, Form, Reader, form_tools
from autoresearch_ci.investigate.item_schema import Schema
from autoresearch_ci.investigate.model_fallbacks import Provider, Providers
from autoresearch_ci.investigate.request import request_of
from autoresearch_ci.llm.conversation import Caps, NoProposal, OutOfBudget
from autoresearch_ci.llm.draft import Draft
from autoresearch_ci.llm.model_prices import spent
from autoresearch_ci.record.investigation_history import InvestigationEnded, Paid
from autoresearch_ci.record.investigation_records import InvestigationRecords
from autoresearch_ci.safety.prompt_text import line

_R = TypeVar("_R")
Worth = Callable[[Answered, Reader], tuple[_R, Sequence[str]]]
"""What a report is worth, and what of it does not hold."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request that is no iteration."""

    rules: str
    stable: str
    """What other requests hold as well."""
    task: str
    schema: Schema
    about: str = "Finish: hand in your answer."
    role: str = ""
    """Who looks; empty: nobody in particular."""
    reads: bool = True
    """Whether it may look at the audited commit."""
    takes_prose: bool = False
    """Whether JSON among words is an answer: never where it closes something."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What every talk of an investigation shares."""

    providers: Providers
    records: InvestigationRecords
    budget: Budget
    tree: Draft
    """The audited commit, to be read."""
    began: float
    """`time.monotonic()` of this invocation."""
    wall: float | None = None
    """Seconds that it may take; `None`: as long as it takes."""

    def put_or(
        self,
        question: Question,
        worth: Worth[_R],
        otherwise: Callable[[str], _R],
        *,
        iteration: int = 0,
    ) -> _R:
        """As `put`; what `otherwise` makes of the reason when nobody gives a usable answer."""
        try:
            return self.put(question, worth, iteration=iteration)
        except OutOfBudget:
            raise
        except NoProposal as error:
            return otherwise(str(error))

    def put(self, question: Question, worth: Worth[_R], *, iteration: int = 0) -> _R:
        """Raises `NoProposal` with the reason when nobody gives a usable answer."""
        tools = form_tools(question.schema, question.about, reads=question.reads)

        def attempt(provider: Provider) -> _R:
            talk: Form[_R] = Form(
                worth=worth,
                reads=question.reads,
                takes_prose=question.takes_prose,
                schema=question.schema,
                **self.rest(provider, iteration),
            )
            request = request_of(
                provider,
                rules=question.rules,
                stable=question.stable,
                task=question.task,
                tools=tools,
            )
            return talk.run(request)

        return self.ask_each(attempt, role=question.role)

    def ask_each(self, attempt: Callable[[Provider], _R], *, role: str = "") -> _R:
        """As `Providers.ask_each`; raises `OutOfBudget` only when all of the budget is used up."""
        try:
            return self.providers.ask_each(attempt, role=role)
        except OutOfBudget as error:
            if self.spent_up():
                raise
            raise NoProposal(f"it cost what one question may cost: {error}") from error

    def rest(self, provider: Provider, iteration: int) -> dict[str, Any]:
        """What every talk that reports is made with."""
        return {
            "ask": provider.ask,
            "caps": self._caps(provider.claude),
            "price": lambda usage: self._paid(usage, provider.claude, iteration),
            "reader": Reader(self.tree),
        }

    @property
    def seconds(self) -> float:
        """Since this invocation began."""
        return time.monotonic() - self.began

    def spent_up(self) -> str:
        """Why no further question may be put; empty: it may."""
        known, budget = self.records.known.spent, self.budget
        if self.wall is not None and self.seconds >= self.wall:
            return f"the {self.wall / 60:g} minutes are used up"
        if budget.usd is not None and known.cost_usd >= budget.usd:
            return f"the ${budget.usd:g} are used up"
        if budget.tokens is not None and known.tokens >= budget.tokens:
            return f"the {budget.tokens} tokens are used up"
        return ""

    def _caps(self, claude: Claude) -> Caps:
        """What a talk may still take."""
        budget, paid = self.budget, self.records.known.spent
        usd = None if budget.usd is None else budget.usd - paid.cost_usd
        tokens = None if budget.tokens is None else float(budget.tokens - paid.tokens)
        return Caps(
            turns=claude.turns,
            usd=least(usd, budget.iteration_usd),
            tokens=least(tokens, budget.iteration_tokens),
            until=None if self.wall is None else self.began + self.wall,
        )

    def _paid(self, usage: Mapping[str, Any], claude: Claude, iteration: int) -> Spent:
        """What an answer cost, written down at once: it is paid, whatever becomes of it."""
        cost = spent(usage, claude)
        self.records.append(Paid(iteration=iteration, tokens=cost.tokens, cost_usd=cost.cost_usd))
        return cost


def cannot_be_asked(error: ProposerError) -> InvestigationEnded:
    """Why there are no further iterations."""
    return InvestigationEnded(reason=f"the model cannot be asked: {line(str(error), 200)}")
