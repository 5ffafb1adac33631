"""What is known of an investigation -> its pages in the run folder, anew after each step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoresearch_ci.decide.investigation.finding import SEVERITIES
from autoresearch_ci.decide.investigation.saturation import DUPLICATE, Visit, coverage, is_complete
from autoresearch_ci.investigate.panel_report import panel_report
from autoresearch_ci.investigate.program import Program
from autoresearch_ci.record.durable_files import replace_file
from autoresearch_ci.record.investigation_history import Item, Known
from autoresearch_ci.report.investigation_pages import Finding, Report, page


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
