"""What the records say of a panel, however far it came: who raised what, and how all voted.

Nothing of it is written down twice: each request that was answered is a step, and all else follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autoresearch_ci.decide.findings import Evidence, fingerprint
from autoresearch_ci.decide.panel import (
    Candidate,
    Figures,
    Raised,
    Vote,
    backed,
    figures,
    first_votes,
    flips_of,
    merged,
)
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.program_steps import PanelRules
from autoresearch_ci.record.investigation_records import Known

DONE = "answered: every role has looked, and voted"
"""Why a panel ended that came to its end."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one role did in one round; 0: looked alone."""

    number: int
    role: str
    raised: tuple[Raised, ...] = ()
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
class Outcome:
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


def outcome(program: Program, rules: PanelRules, known: Known) -> Outcome:
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
    return Outcome(
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


def _raised(program: Program, role: str, one: Mapping[str, Any]) -> Raised:
    answer, evidence = one["answer"], _read(one["evidence"])
    name = program.facts.name
    return Raised(
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


def written(piece: Evidence) -> dict[str, Any]:
    return {"path": piece.path, "line": piece.line, "text": piece.text}


def _read(pieces: Sequence[Mapping[str, Any]]) -> tuple[Evidence, ...]:
    return tuple(Evidence(kind="quote", **piece) for piece in pieces)
