"""What the panel's rounds and votes amount to, as the report of an investigation shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from autoresearch_ci.decide.investigation.panel_votes import (
    Candidate,
    Vote,
    dissent,
    last_votes,
    standing,
)
from autoresearch_ci.investigate.panel import DONE, PanelOutcome, outcome
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.program_steps import PanelRules
from autoresearch_ci.record.investigation_history import Known
from autoresearch_ci.report.investigation_pages import Debate, Finding, Report
from autoresearch_ci.safety.prompt_text import line

INDEPENDENCE = "How independent they were"
HERD = (
    "most changed their minds, and all say the same in the end: that is what a herd does. What "
    "only one of them saw is kept; ask different models for different roles (`claude.roles`)"
)


def panel_report(
    report: Report, program: Program, rules: PanelRules, known: Known, most: int
) -> Report:
    """`report`: what every investigation has; `most`: findings that are shown, open ones first, and
    of those the worst."""
    found = outcome(program, rules, known)
    personas = len(program.facts.roles[: rules.personas])
    findings = [_finding(one, found, program, rules, personas) for one in found.candidates]
    told = [_words(found)] if found.rounds else []
    # What is left out must not be what a gate goes by.
    findings.sort(key=lambda finding: finding.finding != "open")
    missing = (*report.missing, *_unusable(found))
    return replace(
        report,
        findings=tuple(findings[:most]),
        left_out=len(findings) - len(findings[:most]),
        facts=(*report.facts, *((INDEPENDENCE, words) for words in told)),
        rows=tuple(found.rows()),
        debates=tuple(_debate(one, found, rules, personas) for one in found.candidates),
        missing=missing,
        complete=known.end == DONE and not missing,
    )


def _words(found: PanelOutcome) -> str:
    return "\n".join([found.figures.words(), *([HERD] if found.figures.is_herd else [])])


def _unusable(found: PanelOutcome) -> Iterator[str]:
    names = {one.name for one in found.candidates}
    for done in found.rounds:
        who = f"{done.role}, round {done.number}"
        if done.unusable:
            yield f"{who}: {line(done.unusable, 300)}"
            continue
        if done.left_out:
            yield f"{who}: {done.left_out} more findings than its share (--max-findings)"
        if done.malformed:
            yield f"{who}: {done.malformed} findings that could not be read were dropped"
        if silent := names - {vote.candidate for vote in done.votes} if done.number else ():
            yield f"{who}: no vote on {len(silent)} of {len(names)} findings"


def _status(one: Candidate, found: PanelOutcome, rules: PanelRules, personas: int) -> str:
    return str(getattr(rules, standing(one, found.votes, personas)))


def _finding(
    one: Candidate, found: PanelOutcome, program: Program, rules: PanelRules, personas: int
) -> Finding:
    first, status = one.first, _status(one, found, rules, personas)
    rule = program.facts.statuses[status]
    confirms = sum(v.word == "confirm" for v in last_votes(one, found.votes).values())
    return Finding(
        iteration=int(one.name.removeprefix("F")),
        timestamp="",
        status=status,
        claimed=status,
        overruled=f"{confirms} of {personas} confirm it" if rule.finding != "open" else "",
        finding=rule.finding,
        answer={**first.answer, **_why(one, found, confirms, personas)},
        claim=first.claim,
        evidence=one.evidence,
        fingerprint=first.fingerprint,
        path=first.path,
        line=first.line,
        role=", ".join(one.roles),
    )


def _why(one: Candidate, found: PanelOutcome, confirms: int, personas: int) -> dict[str, Any]:
    """The reason, how many agree, and what is held against it."""
    against = [f"{vote.role} disputes it: {vote.why}" for vote in dissent(one, found.votes)]
    votes = f"{confirms} of {personas} confirm it, {len(one.roles)} saw it alone."
    told = " ".join([str(one.first.answer.get("why", "")), votes, *against])
    return {"why": told, "severity": one.severity}


def _debate(one: Candidate, found: PanelOutcome, rules: PanelRules, personas: int) -> Debate:
    votes: Sequence[Vote] = [v for v in found.votes if v.candidate == one.name and v.round]
    return Debate(
        name=one.name,
        title=one.first.claim,
        status=_status(one, found, rules, personas),
        raised_by=one.roles,
        votes=tuple((vote.round, vote.role, vote.word, vote.why) for vote in votes),
    )
