"""What is known of an investigation -> its pages in the run folder, anew after each step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autoresearch_ci.decide.investigation.finding import SEVERITIES
from autoresearch_ci.decide.investigation.panel_votes import (
    Candidate,
    Vote,
    dissent,
    last_votes,
    standing,
)
from autoresearch_ci.decide.investigation.saturation import DUPLICATE, Visit, coverage, is_complete
from autoresearch_ci.investigate.panel import DONE, PanelOutcome, outcome
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.investigate.program_steps import PanelRules
from autoresearch_ci.record.durable_files import replace_file
from autoresearch_ci.record.investigation_history import Item, Known
from autoresearch_ci.report.investigation_pages import Debate, Finding, Report, page
from autoresearch_ci.safety.prompt_text import line


def looked(items: Sequence[Item], program: Program) -> list[Visit]:
    """The iterations as saturation sees them; what was found without a model is none."""
    together = itertools.groupby(
        (item for item in items if item.iteration > 0), key=lambda item: item.iteration
    )
    return [_best([_looked(item, program) for item in group], program) for _, group in together]


def each_looked(items: Sequence[Item], program: Program) -> list[Visit]:
    """The same, each thing that an iteration found by itself."""
    return [_looked(item, program) for item in items if item.iteration > 0]


def _best(found: Sequence[Visit], program: Program) -> Visit:
    """The one that counts: what answers the question, else what is new."""
    news = {name for name, rule in program.facts.statuses.items() if rule.news}
    return max(found, key=lambda one: (one.answers, one.status in news, one.proven))


def _looked(item: Item, program: Program) -> Visit:
    facts = program.facts
    rule = facts.statuses.get(item.status)
    answers = bool(rule and rule.news and rule.finding == "open")
    # An opinion about code that exists ends nothing: somebody has to have seen it fail.
    answers = answers and any(p.kind == "command" and not p.moot for p in item.evidence)
    return Visit(
        status=item.status,
        cells={name: str(item.answer[name]) for name in facts.grid if name in item.answer},
        proven=bool(item.evidence or (rule and rule.nothing and item.read)),
        answers=answers and item.answer.get(facts.stop.answered_by) is True,
    )


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Where they go, and what stands in all of them."""

    program: Program
    folder: Path
    severity: str = ""
    """Findings below it are only counted; empty: all are shown."""
    scope: tuple[str, ...] = ()
    most: int = 1000
    """Findings of a panel that are shown."""
    redact: Callable[[Any], Any] = lambda value: value
    """Of JSON-like values: what a person typed may hold a secret."""

    def write(
        self, known: Known, facts: Sequence[tuple[str, str]], missing: Sequence[str] = ()
    ) -> Report:
        """Each of the program's outputs, whole or not at all."""
        report = self.report(known, facts, missing)
        panel = self.program.facts.panel
        if panel:
            report = panel_report(report, self.program, panel, known, self.most)
        if self.program.facts.outputs:
            self.folder.mkdir(parents=True, exist_ok=True)
        for name in self.program.facts.outputs:
            replace_file(self.folder / name, page(report, name).encode(errors="replace"))
        return report

    def report(
        self, known: Known, facts: Sequence[tuple[str, str]], missing: Sequence[str]
    ) -> Report:
        program, start = self.program.facts, known.start
        rows = [self._finding(item, known) for item in known.items if item.status != DUPLICATE]
        shown = tuple(row for row in rows if self._is_severe(row))
        return Report(
            program=program.name,
            tag=start.tag if start else "",
            commit=start.base if start else "",
            base=str(known.steps.get("differential", {}).get("since", "")),
            asked=self.redact({k: v for k, v in (start.asked if start else {}).items() if v}),
            findings=shown,
            facts=tuple((title, self.redact(text)) for title, text in facts),
            coverage=coverage(program.grid, each_looked(known.items, self.program)),
            columns=program.columns,
            end=known.end,
            complete=is_complete(known.end) and not missing,
            missing=tuple(map(self.redact, missing)),
            tokens=known.spent.tokens,
            cost_usd=known.spent.cost_usd,
            left_out=len(rows) - len(shown),
            scope=self.scope,
        )

    def _is_severe(self, row: Finding) -> bool:
        told = row.answer.get("severity")
        if not self.severity or row.finding != "open" or told not in SEVERITIES:
            return True
        return SEVERITIES.index(str(told)) <= SEVERITIES.index(self.severity)

    def _finding(self, item: Item, known: Known) -> Finding:
        rule = self.program.facts.statuses.get(item.status)
        cited = [piece.run for piece in item.evidence if piece.kind == "command"]
        cited += [number for number, run in known.runs.items() if run.control_of in cited]
        return Finding(
            **{**vars(item), "answer": _with_review(item)},
            finding=rule.finding if rule else "unknown",
            claim=str(item.answer.get(self.program.facts.claim, "")),
            ran=tuple(known.runs[number] for number in dict.fromkeys(cited)),
        )


def _with_review(item: Item) -> Mapping[str, Any]:
    """The answer, and in its reason what somebody else made of it."""
    if not item.reviewed:
        return item.answer
    why = f"{item.answer.get('why', '')} Attacked again: {item.reviewed}"
    return {**item.answer, "why": why.strip()}


# --- Of a panel: findings, debates, and how independent it was ------------------------------------

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
