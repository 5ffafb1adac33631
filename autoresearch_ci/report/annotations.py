"""Failures beside the lines of a change: annotations for GitHub's runner, Code Quality for GitLab.

Only values: who prints them, and that the runner obeys nothing else, is decided where they are
printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from autoresearch_ci.decide.failures.failure import Category, Failure
from autoresearch_ci.decide.failures.same_cause import also, shown_once
from autoresearch_ci.decide.gates import GateVerdict, Judged, Ruling
from autoresearch_ci.report.fix_report import (
    LISTED,
    WORDS,
    GateReport,
    fingerprint,
    headline,
    rule,
)
from autoresearch_ci.report.gate_pieces import inside
from autoresearch_ci.report.sarif import level
from autoresearch_ci.safety.log_text import defuse, workflow_command
from autoresearch_ci.safety.wording import shortened

SHOWN = 10
"""Of each level in a step: the runner drops what comes after them."""
_MESSAGE = 3_000
"""Characters; the runner cuts at 4096."""

Level = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One, before it is put into any language."""

    level: Level
    message: str
    title: str = ""
    path: str = ""
    """Relative to the repository; empty: of no file."""
    line: int = 0
    """1-based; 0: of no line."""

    def command(self) -> str:
        """For the runner, as one line without its end."""
        text = "\n".join(defuse(line) for line in self.message[:_MESSAGE].splitlines())
        return workflow_command(
            self.level,
            text,
            file=defuse(self.path),
            line=str(self.line) if self.path and self.line else "",
            title=defuse(self.title),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "path": self.path,
            "line": self.line,
            "title": self.title,
            "message": self.message[:_MESSAGE],
        }


def annotated(report: GateReport) -> list[Annotation]:
    """At most ten of each level, the most telling first; the last says how many are not there.

    Old and flaky failures that do not block are in the summary alone.
    """
    return bounded("fix --check", "failures.json", [*_told(report)])


def _told(report: GateReport) -> Iterator[Annotation]:
    yield from of_verdict("fix --check", report.verdict, "error")
    for judged, tools in shown_once(report.verdict.items, lambda j: j.item, level):
        loud = level(judged)
        if loud != "note":
            yield _annotation(loud, judged, tools, report.named(judged.age))


def of_verdict(command: str, verdict: GateVerdict[Any], loud: Level) -> Iterator[Annotation]:
    """Why the gate has not passed, and what was not looked at."""
    if verdict.ruling is not Ruling.PASS:
        title = f"{command}: {verdict.ruling}"
        yield Annotation(level=loud, message=verdict.reason, title=title)
    for text in verdict.missed:
        yield Annotation(level="warning", message=text, title="not looked at")


def bounded(command: str, where: str, told: Sequence[Annotation]) -> list[Annotation]:
    """Of each level, the errors first, at most as many as the runner shows."""
    levels = ([each for each in told if each.level == level] for level in ("error", "warning"))
    return [kept for found in levels for kept in _first_of(found, command, where)]


def _first_of(found: Sequence[Annotation], title: str, where: str) -> Iterator[Annotation]:
    """At most as many as the runner shows; the last says how many are only in `where`."""
    if len(found) <= SHOWN:
        yield from found
        return
    yield from found[: SHOWN - 1]
    more = len(found) - SHOWN + 1
    message = f"{more} more of these are not shown here: see the step's summary, or {where}."
    yield Annotation(level=found[0].level, message=message, title=title)


def _annotation(
    level: Level, judged: Judged[Failure], tools: Sequence[str], age: str
) -> Annotation:
    failure = judged.item
    more = also(tools) + (f"\n{judged.note}" if judged.note else "")
    return Annotation(
        level=level,
        message=f"{failure.message or failure.id}{more}",
        title=shortened(f"{age}: {headline(judged, 100)}", 120),
        path=inside(failure.path),
        line=failure.line,
    )


_SEVERITIES = {
    Category.BUILD: "blocker",
    Category.CRITICAL: "critical",
    Category.TYPE: "major",
    Category.TEST: "major",
    Category.LINT: "minor",
    Category.WARNING: "info",
}


def code_quality(report: GateReport) -> list[dict[str, Any]]:
    """GitLab's report: it compares those of two commits by itself, so all failures are told.

    https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
    """
    return [
        {
            "description": shortened(judged.item.message or judged.item.id, WORDS),
            "check_name": rule(judged.item),
            "fingerprint": fingerprint(judged),
            "severity": _SEVERITIES[judged.item.category],
            "location": {
                "path": inside(judged.item.path) or ".",
                "lines": {"begin": max(1, judged.item.line)},
            },
        }
        for judged in report.verdict.items[:LISTED]
    ]
