"""Several roles, each a request of its own: they look alone, then vote on what all have found.

    each looks alone -> evidence checked -> the same merged -> rounds of votes -> counted by code

All of them see the same first part of a request, which is paid for once where that is possible.
Nobody is told who raised what, nor how others voted; the order is another one for each. Each
request that was answered is a step in the records and not made again, and all else follows from
those.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from autoresearch_ci.decide.investigation.finding import Evidence, enclosing, fingerprint
from autoresearch_ci.decide.investigation.panel_votes import (
    Candidate,
    Figures,
    RoleFinding,
    Vote,
    backed,
    figures,
    first_votes,
    flips_of,
    merged,
    severity_rank,
)
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.investigate.answers import place_of
from autoresearch_ci.investigate.asking import Asking, Question, cannot_be_asked
from autoresearch_ci.investigate.form import Answered, Reader, fitting_entries
from autoresearch_ci.investigate.front_matter import DEBATE, FINDINGS
from autoresearch_ci.investigate.program import Program, list_of
from autoresearch_ci.investigate.program_steps import PanelRules, votes_schema
from autoresearch_ci.investigate.request import told_facts
from autoresearch_ci.investigate.steps import of_code
from autoresearch_ci.llm.conversation import NoProposal, OutOfBudget
from autoresearch_ci.record.investigation_history import InvestigationEnded, Known, StepDone
from autoresearch_ci.safety.prompt_text import block, line, size


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Everything that one needs."""

    program: Program
    rules: PanelRules
    asking: Asking
    facts: Sequence[tuple[str, str]]
    """What all of them are told first."""
    paths: Sequence[str]
    """Files of the scope, which are shown as far as there is room."""
    note: Callable[[str], None]

    @property
    def roles(self) -> tuple[str, ...]:
        return self.program.facts.roles[: self.rules.personas]

    def run(self) -> str:
        """Why it ended. Raises `ProposerError` when nobody can be asked any more."""
        try:
            stable = self._stable()
            for role in self.roles:
                self._step(0, role, partial(self._look, stable, role))
            for number in range(1, self.rules.rounds + 1):
                self._debate(stable, number)
            reason = DONE
        except OutOfBudget as error:
            reason = self.asking.spent_up() or str(error)
        except ProposerError as error:
            self.asking.records.append(cannot_be_asked(error))
            raise
        self.asking.records.append(InvestigationEnded(reason=reason))
        return reason

    def _debate(self, stable: str, number: int) -> None:
        """One round. What is debated is what was raised, whoever has voted meanwhile."""
        known = outcome(self.program, self.rules, self.asking.records.known)
        if not known.candidates:
            return
        earlier = [vote for vote in known.votes if vote.round < number]
        for role in self.roles:
            told = self._told(known.candidates, earlier, number, role)
            self._step(
                number,
                role,
                partial(self._vote, stable, role, told, number, known.candidates),
            )

    def _step(self, number: int, role: str, work: Callable[[], dict[str, Any]]) -> None:
        """Once; what it came to is written down, also that it came to nothing."""
        name = step_name(number, role)
        if name in self.asking.records.known.steps:
            return
        if self.asking.spent_up():
            raise OutOfBudget(self.asking.spent_up())
        try:
            found = work()
        except OutOfBudget:
            raise
        except NoProposal as error:
            found = {"unusable": str(error)}
        self.asking.records.append(StepDone(name=name, found=found))
        told = found.get("unusable") or f"{len(found.get('raised', found.get('votes', [])))} said"
        self.note(f"{name}: {line(str(told), 200)}")

    # --- looking ---

    def _look(self, stable: str, role: str) -> dict[str, Any]:
        share = max(1, self.rules.findings // len(self.roles))
        schema = list_of(self.program.facts.item, share)
        return self.asking.put(
            Question(
                rules=self.program.sections["Rules"],
                stable=stable,
                task=self._task("Task", role),
                schema=schema,
                about=f"Finish: hand in what you found, {share} findings at most.",
                role=role,
                takes_prose=True,
            ),
            lambda answer, reader: self._raised(answer, reader, share),
        )

    def _task(self, section: str, role: str, told: str = "") -> str:
        parts = (self.program.sections[section], told, self.program.sections[f"role: {role}"])
        return "\n\n".join(filter(None, parts))

    def _raised(
        self, answer: Answered, reader: Reader, share: int
    ) -> tuple[dict[str, Any], list[str]]:
        entries, wrong = fitting_entries(answer[FINDINGS], self.program.facts.item)
        kept: list[dict[str, Any]] = []
        malformed = len(wrong)
        for entry in map(reader.located, entries):
            checked = reader.checked(entry)
            wrong += checked.dropped
            if not checked.kept:
                continue
            path, at = place_of(entry, checked.kept, reader.text)
            kept.append({"answer": entry, "path": path, "line": at,
                         "around": enclosing(path, reader.text(path) or "", at),
                         "evidence": [piece.quote() for piece in checked.kept]})  # fmt: skip
        kept.sort(key=lambda one: severity_rank(one["answer"]))
        left_out = len(kept[share:])
        counts = {"dropped": len(wrong), "left_out": left_out, "malformed": malformed}
        return {"raised": kept[:share], **counts}, wrong

    # --- voting ---

    def _told(
        self, candidates: Sequence[Candidate], votes: Sequence[Vote], number: int, role: str
    ) -> str:
        """What is voted on, in an order of its own, without names; and what was held against it."""
        seed = f"{self.program.digest} {number} {role}"
        order = random.Random(seed).sample(list(candidates), len(candidates))
        return "\n".join(_case(candidate, votes, number) for candidate in order)

    def _vote(
        self, stable: str, role: str, told: str, number: int, candidates: Sequence[Candidate]
    ) -> dict[str, Any]:
        names = [candidate.name for candidate in candidates]
        schema = votes_schema(names)
        return self.asking.put(
            Question(
                rules=self.program.sections["Rules"],
                stable=stable,
                task=self._task(DEBATE, role, told),
                schema=schema,
                about="Finish: hand in a vote on each finding.",
                role=role,
            ),
            lambda answer, reader: _votes(answer, reader, schema, names),
        )

    def _stable(self) -> str:
        """The same for all: facts, names of files, and the files that there is room for."""
        tree = self.asking.tree
        room = self.asking.providers.claude.file_bytes
        shown = []
        reader = Reader(tree)
        for path in self.paths:
            text = reader.text(path)
            room -= size(text or "")
            if text and room >= 0:
                shown.append(block("file", path, text))
        return "".join([*told_facts(self.facts, tree.paths()), *shown])


def _case(candidate: Candidate, votes: Sequence[Vote], number: int) -> str:
    first = candidate.first
    quotes = "".join(block("quote", piece.words(), piece.text) for piece in candidate.evidence[:3])
    against = [
        f"- held against it: {line(vote.why, 300)} ({', '.join(p.words() for p in vote.evidence)})"
        for vote in votes
        if (vote.candidate, vote.round, vote.word) == (candidate.name, number - 1, "dispute")
    ]
    head = f"{candidate.name} [{candidate.severity}] {line(first.claim, 300)}, at {first.path}:"
    why = line(str(first.answer.get("why", "")), 600)
    return "\n".join([f"{head}{first.line}: {why}", quotes.rstrip("\n"), *against])


def _votes(
    answer: Answered, reader: Reader, schema: Mapping[str, Any], names: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    entries, wrong = fitting_entries(answer["votes"], schema["properties"]["votes"]["items"])
    kept: dict[str, dict[str, Any]] = {}
    for entry in map(reader.located, entries):
        checked = of_code(reader.checked(entry), reader.text)
        wrong += checked.dropped
        evidence = [piece.quote() for piece in checked.kept]
        kept.setdefault(entry["id"], {**entry, "evidence": evidence})
        if entry["vote"] == "dispute" and not evidence:
            wrong.append(f"{entry['id']}: who disputes quotes code that shows it")
    missing = [name for name in names if name not in kept]
    problems = [*wrong, *(f"{name}: there is no vote on it" for name in missing)]
    return {"votes": list(kept.values()), "dropped": len(wrong)}, problems


# --- What the records say -------------------------------------------------------------------------

DONE = "answered: every role has looked, and voted"
"""Why a panel ended that came to its end."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one role did in one round; 0: looked alone."""

    number: int
    role: str
    raised: tuple[RoleFinding, ...] = ()
    votes: tuple[Vote, ...] = ()
    dropped: int = 0
    """Pieces of evidence, and entries, that did not hold."""
    left_out: int = 0
    """Findings with evidence that were more than its share."""
    malformed: int = 0
    """Findings in no form that could be read."""
    unusable: str = ""
    """Why there is nothing of it; empty: there is."""


@dataclass(frozen=True, kw_only=True)
class PanelOutcome:
    """What is known of a panel, however far it came."""

    candidates: tuple[Candidate, ...]
    votes: tuple[Vote, ...]
    rounds: tuple[Round, ...]
    figures: Figures

    def rows(self) -> Iterator[dict[str, object]]:
        """One for each role and round, as the journal's columns name it."""
        for done in self.rounds:
            yield {
                "round": done.number,
                "persona": done.role,
                "findings_produced": len(done.raised),
                "findings_revised": sum(bool(vote.severity) for vote in done.votes),
                "challenges_issued": sum(vote.word == "dispute" for vote in done.votes),
                "flip_count": flips_of(done.role, done.number, self.votes),
                "status": "unusable" if done.unusable else "done",
            }


def step_name(number: int, role: str) -> str:
    return f"round {number}: {role}" if number else f"alone: {role}"


def outcome(program: Program, rules: PanelRules, known: Known) -> PanelOutcome:
    """What the records say, however far they go."""
    roles = program.facts.roles[: rules.personas]
    steps = [
        (number, role, known.steps[step_name(number, role)])
        for number in range(rules.rounds + 1)
        for role in roles
        if step_name(number, role) in known.steps
    ]
    rounds = tuple(_round(program, number, role, found) for number, role, found in steps)
    candidates = merged([raised for done in rounds for raised in done.raised])
    votes = [*first_votes(candidates), *(vote for done in rounds for vote in done.votes)]
    return PanelOutcome(
        candidates=tuple(candidates),
        votes=tuple(votes),
        rounds=rounds,
        figures=figures(candidates, votes),
    )


def _round(program: Program, number: int, role: str, found: Mapping[str, Any]) -> Round:
    done = Round(
        number=number,
        role=role,
        dropped=int(found.get("dropped", 0)),
        left_out=int(found.get("left_out", 0)),
        malformed=int(found.get("malformed", 0)),
        unusable=str(found.get("unusable", "")),
    )
    raised = tuple(_raised(program, role, one) for one in found.get("raised", ()))
    votes = tuple(_vote(number, role, one) for one in found.get("votes", ()))
    return replace(done, raised=raised, votes=votes)


def _raised(program: Program, role: str, one: Mapping[str, Any]) -> RoleFinding:
    answer, evidence = one["answer"], _read(one["evidence"])
    name = program.facts.name
    return RoleFinding(
        role=role,
        answer=answer,
        claim=str(answer.get(program.facts.claim, "")),
        path=str(one["path"]),
        line=int(one["line"]),
        evidence=evidence,
        fingerprint=fingerprint(name, str(one["path"]), str(one["around"]), evidence[0].text),
    )


def _vote(number: int, role: str, one: Mapping[str, Any]) -> Vote:
    return backed(
        Vote(
            candidate=str(one["id"]),
            role=role,
            round=number,
            word=one["vote"],
            why=str(one["why"]),
            evidence=_read(one["evidence"]),
            severity=str(one.get("severity", "")),
        )
    )


def _read(pieces: Sequence[Mapping[str, Any]]) -> tuple[Evidence, ...]:
    return tuple(Evidence(kind="quote", **piece) for piece in pieces)
