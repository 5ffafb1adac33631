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
from functools import partial
from typing import Any

from autoresearch_ci.decide.investigation.finding import enclosing, fingerprint, settle
from autoresearch_ci.decide.investigation.panel_votes import severity_rank
from autoresearch_ci.decide.investigation.saturation import (
    DUPLICATE,
    UNUSABLE,
    Grid,
    InvestigationLimits,
    stop_reason,
    time_used_up,
    warning,
)
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.investigate.answers import place_of
from autoresearch_ci.investigate.asking import Asking, cannot_be_asked
from autoresearch_ci.investigate.experiments import Experiments
from autoresearch_ci.investigate.form import Reader
from autoresearch_ci.investigate.inquiry import Inquiry, InquiryResult, Reported
from autoresearch_ci.investigate.model_fallbacks import Provider
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.request import build_request
from autoresearch_ci.investigate.write_pages import each_looked, looked
from autoresearch_ci.llm.conversation import NoProposal, OutOfBudget
from autoresearch_ci.measure.commands import OutOfTime
from autoresearch_ci.record.investigation_history import InvestigationEnded, Item, Iteration
from autoresearch_ci.record.investigation_records import InvestigationRecords
from autoresearch_ci.safety.prompt_text import line


@dataclass(frozen=True, kw_only=True)
class Investigation:
    """Everything that one needs."""

    program: Program
    asking: Asking
    limits: InvestigationLimits
    grid: Grid
    """What is to be covered: the program's, or a part of it."""
    experiments: Experiments | None
    """`None`: nothing can be run."""
    facts: Sequence[tuple[str, str]]
    """What was found without a model."""
    observe: Observer
    material: str = ""
    """What is audited besides the commit, such as a change, as delimited data."""
    written: Callable[[], object] = lambda: None
    """Is called after each iteration."""
    review: Callable[[Item], None] = lambda item: None
    """Is told each item that is open, once, and may put another question about it."""

    @property
    def records(self) -> InvestigationRecords:
        return self.asking.records

    def run(self) -> str:
        """Why it ended. Raises `ProposerError` when nobody can be asked any more."""
        try:
            self._review()
            while (reason := self._stop_reason()) is None:
                items = self._iteration()
                self.records.append(items[0] if len(items) == 1 else Iteration(items=items))
                self._tell(items)
                self._review()
                self.written()
        except OutOfTime:
            reason = time_used_up(self.limits)
        except OutOfBudget as error:
            reason = self.asking.spent_up() or str(error)
        except ProposerError as error:
            self.records.append(cannot_be_asked(error))
            raise
        self.records.append(InvestigationEnded(reason=reason))
        return reason

    def _tell(self, items: Sequence[Item]) -> None:
        for item in items:
            self.observe(Note(message=told(item, self.program)))
        if idle := warning(self.limits, looked(self.records.known.items, self.program)):
            self.observe(Warning(message=idle))

    def _review(self) -> None:
        """Also of what an earlier process left open."""
        for item in self.records.known.items:
            if not item.reviewed and is_open(item, self.program):
                self.review(item)

    def _stop_reason(self) -> str | None:
        known = self.records.known
        return stop_reason(
            self.limits,
            looked(known.items, self.program),
            seconds=self.asking.seconds,
            usd=known.spent.cost_usd,
            tokens=known.spent.tokens,
        )

    def _iteration(self) -> tuple[Item, ...]:
        """One talk, whatever comes of it; the first item bears its cost."""
        known = self.records.known
        number, started = len(looked(known.items, self.program)) + 1, time.monotonic()
        role = self.program.role(number)
        found: list[dict[str, Any]]
        try:
            found = self.asking.ask_each(partial(self._talk, number, role), role=role)
        except OutOfBudget:
            raise  # not an iteration of no use, but none
        except NoProposal as error:
            found = [{"status": UNUSABLE, "overruled": str(error)}]
        after = self.records.known.spent
        cost: dict[str, Any] = {
            "seconds": round(time.monotonic() - started, 1),
            "tokens": after.tokens - known.spent.tokens,
            "cost_usd": round(after.cost_usd - known.spent.cost_usd, 9),
        }
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return tuple(
            Item(iteration=number, timestamp=now, role=role, **facts, **(cost if not at else {}))
            for at, facts in enumerate(found)
        )

    def _talk(self, number: int, role: str, provider: Provider) -> list[dict[str, Any]]:
        known = self.records.known
        talk = Inquiry(
            program=self.program,
            schema=self.program.closing,
            experiments=self.experiments,
            known=known,
            iteration=number,
            **self.asking.rest(provider, number),
        )
        request = build_request(
            self.program,
            provider,
            facts=self.facts,
            material=self.material,
            items=known.items,
            looked=each_looked(known.items, self.program),
            grid=self.grid,
            paths=self.asking.tree.paths(),
            role=role,
        )
        result = talk.run(request)
        found = [self._settled(reported, result, talk.reader) for reported in result.reports]
        found = self._new(found) if self.program.facts.several else found
        if result.dropped:
            found[0]["dropped"] = (*found[0]["dropped"], *result.dropped)
            found[0]["malformed"] = result.malformed
        return found

    def _new(self, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Each thing once, as it was said worst; `DUPLICATE` when all of it is known already."""
        known = {item.fingerprint: item for item in self.records.known.items}
        first: dict[str, dict[str, Any]] = {}
        for one in sorted(found, key=lambda one: severity_rank(one["answer"])):
            first.setdefault(one["fingerprint"], one)
        fresh = [one for name, one in first.items() if self._is_news(one, known.get(name))]
        return fresh or [{**found[0], "status": DUPLICATE, "fingerprint": ""}]

    def _is_news(self, one: Mapping[str, Any], known: Item | None) -> bool:
        """What was only waved through before, and is there after all, is news."""
        if known is None:
            return True
        rule = self.program.facts.statuses[one["status"]]
        settled = known.reviewed or is_open(known, self.program)
        return rule.finding == "open" and not settled

    def _settled(self, reported: Reported, result: InquiryResult, reader: Reader) -> dict[str, Any]:
        """What code makes of one thing that is reported."""
        facts, answer, checked = self.program.facts, reported.answer, reported.checked
        settled = settle(
            str(answer["status"]),
            answer,
            checked,
            self.program.rules,
            otherwise=facts.otherwise,
            refuted=facts.refuted if _is_refuted(reported, result, facts.prediction) else "",
            spoilt=result.is_spoilt,
        )
        path, at = place_of(answer, checked.kept, reader.text)
        quote = next((p.text for p in checked.kept if p.kind == "quote"), "")
        text = reader.text(path) if path else None
        around = enclosing(path, text, at) if text and at else ""
        claim = str(answer.get(facts.claim, ""))
        return {
            "status": settled.status,
            "claimed": str(answer["status"]),
            "overruled": settled.overruled,
            "answer": answer,
            "evidence": checked.kept,
            "dropped": checked.dropped,
            "fingerprint": fingerprint(self._rule(answer), path, around, quote or claim),
            "path": path,
            "line": at,
            "runs": tuple(ran.number for ran in result.runs),
            "read": result.read,
        }

    def _rule(self, answer: Mapping[str, Any]) -> str:
        """What a fingerprint is of: two kinds of things at one place are two things."""
        name = self.program.facts.name
        return f"{name}/{answer.get('cwe', '')}" if self.program.facts.several else name


def is_open(item: Item, program: Program) -> bool:
    """Whether it says that something is there."""
    rule = program.facts.statuses.get(item.status)
    return bool(rule and rule.finding == "open")


def told(item: Item, program: Program) -> str:
    """One line for people."""
    claim = line(str(item.answer.get(program.facts.claim, "")), 160)
    why = f" ({line(item.overruled, 160)})" if item.overruled else ""
    return f"{item.iteration}: {item.status}{why}: {claim}" if claim else f"{item.status}{why}"


def _is_refuted(reported: Reported, result: InquiryResult, prediction: str) -> bool:
    """Whether the first experiment that could show anything ended otherwise than was said before.

    Not the last one: who may try again would go on until it ends as it should.
    """
    expected = reported.answer.get(prediction) if prediction else None
    shows = next((ran for ran in result.runs if not ran.broken), None)
    if expected is None or shows is None:
        return False
    wanted = bool(expected == "fails")
    return shows.execution().failed != wanted
