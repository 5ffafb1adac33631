"""The loop that investigating commands share: ask, check, classify, write down, until it ends.

    item -> evidence checked by code -> status settled by code -> recorded -> saturated?

What is asked and what counts, the program says; what may be run, experiments.py. Each iteration is
a talk of its own: what it knows of the others are lines of the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.config.schema import Budget
from autoresearch_ci.decide.findings import Evidence, enclosing, fingerprint, settle
from autoresearch_ci.decide.saturation import (
    UNUSABLE,
    Grid,
    Limits,
    stop_reason,
    time_used_up,
    warning,
)
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.experiment import Spent
from autoresearch_ci.investigate.experiments import Experiments
from autoresearch_ci.investigate.inquiry import Inquiry, Result
from autoresearch_ci.investigate.outcome_pages import looked
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.request import build_request
from autoresearch_ci.llm.conversation import Caps, Declined, NoProposal, Record, Turn
from autoresearch_ci.llm.draft import Draft
from autoresearch_ci.llm.prices import spent
from autoresearch_ci.measure.commands import OutOfTime
from autoresearch_ci.record.investigation_records import Ended, InvestigationRecords, Item, Paid
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.safety.redaction import WITHHELD, Redactor

if TYPE_CHECKING:
    from autoresearch_ci.llm.messages_api import MessagesService


@dataclass(frozen=True, kw_only=True)
class Investigation:
    """Everything that one needs."""

    program: Program
    records: InvestigationRecords
    service: MessagesService
    claude: Claude
    budget: Budget
    limits: Limits
    grid: Grid
    """What is to be covered: the program's, or a part of it."""
    tree: Draft
    """The audited commit, to be read."""
    experiments: Experiments | None
    """`None`: nothing can be run."""
    facts: Sequence[tuple[str, str]]
    """What was found without a model."""
    redactor: Redactor
    observe: Observer
    began: float
    """`time.monotonic()` of this invocation."""
    written: Callable[[], object] = lambda: None
    """Is called after each iteration."""

    def run(self) -> str:
        """Why it ended. Raises `ProposerError` when the model can no longer be asked."""
        try:
            while (reason := self._stop_reason()) is None:
                item = self._iteration()
                self.records.append(item)
                self.observe(Note(message=told(item, self.program)))
                if idle := warning(self.limits, looked(self.records.known.items, self.program)):
                    self.observe(Warning(message=idle))
                self.written()
        except OutOfTime:
            reason = time_used_up(self.limits)
        except ProposerError as error:
            self.records.append(cannot_be_asked(error))
            raise
        self.records.append(Ended(reason=reason))
        return reason

    def _stop_reason(self) -> str | None:
        known = self.records.known
        return stop_reason(
            self.limits,
            looked(known.items, self.program),
            seconds=time.monotonic() - self.began,
            usd=known.spent.cost_usd,
            tokens=known.spent.tokens,
        )

    def _iteration(self) -> Item:
        """One talk, whatever comes of it."""
        known = self.records.known
        rows = looked(known.items, self.program)
        number, started = len(rows) + 1, time.monotonic()
        talk = Inquiry(
            ask=self._ask,
            caps=self._caps(known.spent),
            price=lambda usage: self._paid(usage, number),
            program=self.program,
            tree=self.tree,
            experiments=self.experiments,
            known=known,
            iteration=number,
        )
        request = build_request(
            self.program,
            self.claude,
            self.service.dialect,
            facts=self.facts,
            items=known.items,
            looked=rows,
            grid=self.grid,
            paths=self.tree.paths(),
            role=self.program.role(number),
        )
        facts: dict[str, Any] = {}
        try:
            facts = self._settled(talk.run(request), talk)
        except NoProposal as error:
            facts = {"status": UNUSABLE, "overruled": str(error)}
        except Declined as error:
            facts = {"status": UNUSABLE, "overruled": f"the model refused: {error}"}
        return Item(
            iteration=number,
            timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 1),
            tokens=talk.spent.tokens,
            cost_usd=talk.spent.cost_usd,
            role=self.program.role(number),
            **facts,
        )

    def _settled(self, result: Result, talk: Inquiry) -> dict[str, Any]:
        """What code makes of a report."""
        facts, answer = self.program.facts, result.answer
        settled = settle(
            str(answer["status"]),
            answer,
            result.checked,
            self.program.rules,
            otherwise=facts.otherwise,
            refuted=facts.refuted if _is_refuted(result, facts.prediction) else "",
        )
        path, at = _place(answer, result.checked.kept, talk.read)
        quote = next((p.text for p in result.checked.kept if p.kind == "quote"), "")
        text = talk.read(path) if path else None
        around = enclosing(path, text, at) if text and at else ""
        claim = str(answer.get(facts.claim, ""))
        return {
            "status": settled.status,
            "claimed": str(answer["status"]),
            "overruled": settled.overruled,
            "answer": answer,
            "evidence": result.checked.kept,
            "dropped": result.checked.dropped,
            "fingerprint": fingerprint(facts.name, path, around, quote or claim),
            "path": path,
            "line": at,
            "runs": tuple(ran.number for ran in result.runs),
            "read": result.read,
        }

    def _caps(self, paid: Spent) -> Caps:
        """What this iteration may still take."""
        budget = self.budget
        usd = None if budget.usd is None else budget.usd - paid.cost_usd
        tokens = None if budget.tokens is None else float(budget.tokens - paid.tokens)
        return Caps(
            turns=self.claude.turns,
            usd=_least(usd, budget.iteration_usd),
            tokens=_least(tokens, budget.iteration_tokens),
        )

    def _paid(self, usage: Mapping[str, Any], iteration: int) -> Spent:
        """What an answer cost, written down at once: it is paid, whatever becomes of it."""
        cost = spent(usage, self.claude)
        self.records.append(Paid(iteration=iteration, tokens=cost.tokens, cost_usd=cost.cost_usd))
        return cost

    def _ask(
        self, request: Mapping[str, Any], record: Record, before_retry: Callable[[], None]
    ) -> Turn:
        """Raises `NoProposal` when the answer holds a secret: it would have to be sent back."""
        turn = self.service.ask(request, record, before_retry)
        if self.redactor.found_in_any(turn.content):
            raise NoProposal(WITHHELD)
        return turn


def cannot_be_asked(error: ProposerError) -> Ended:
    """Why there are no further iterations."""
    return Ended(reason=f"the model cannot be asked: {line(str(error), 200)}")


def told(item: Item, program: Program) -> str:
    """One line for people."""
    claim = line(str(item.answer.get(program.facts.claim, "")), 160)
    why = f" ({line(item.overruled, 160)})" if item.overruled else ""
    return f"{item.iteration}: {item.status}{why}: {claim}" if claim else f"{item.status}{why}"


def _is_refuted(result: Result, prediction: str) -> bool:
    """Whether the first experiment that could show anything ended otherwise than was said before.

    Not the last one: who may try again would go on until it ends as it should.
    """
    expected = result.answer.get(prediction) if prediction else None
    shows = next((ran for ran in result.runs if not ran.broken), None)
    if expected is None or shows is None:
        return False
    wanted = bool(expected == "fails")
    return shows.execution().failed != wanted


def _place(
    answer: Mapping[str, Any], evidence: Sequence[Evidence], read: Callable[[str], str | None]
) -> tuple[str, int]:
    """A file that is there, and a line in it (0: none)."""
    quotes = [piece for piece in evidence if piece.kind == "quote"]
    path, at = answer.get("path"), answer.get("line", 0)
    text = read(path) if isinstance(path, str) and path else None
    if not isinstance(path, str) or text is None:
        return (quotes[0].path, quotes[0].line) if quotes else ("", 0)
    quoted = next((piece.line for piece in quotes if piece.path == path), 0)
    inside = isinstance(at, int) and 0 < at <= text.count("\n") + 1
    return path, at if inside else quoted


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)
