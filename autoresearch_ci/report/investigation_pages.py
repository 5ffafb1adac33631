"""What an investigation writes into its run folder: pages, a table, and the handoff; pure.

Words of models, tests and repositories are made harmless here. What a program calls its columns and
statuses comes from it; only what every investigation has is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from autoresearch_ci.decide.investigation.finding import SEVERITIES, Evidence
from autoresearch_ci.record.handoff_form import VERSION, handoff_text
from autoresearch_ci.record.investigation_history import Item, Ran
from autoresearch_ci.safety.characters import replaced_for_people
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.markdown_text import block, inline
from autoresearch_ci.safety.wording import commit_name, shortened

CELL_LIMIT = 500
"""Characters of one cell of the table."""


@dataclass(frozen=True, kw_only=True)
class Finding(Item):
    """An iteration's item as people read it, with what its program makes of it."""

    finding: str
    """`open`, `disproven` or `unknown`: what it is called in the handoff."""
    claim: str
    ran: tuple[Ran, ...] = ()
    """The commands that it rests on, and their controls."""

    @property
    def place(self) -> str:
        """`a.py:3`; empty: none."""
        return f"{self.path}:{self.line}" if self.path and self.line else self.path

    @property
    def title(self) -> str:
        return str(self.answer.get("title") or "") or self.claim

    @property
    def confidence(self) -> str:
        """By what it rests on, not by what its author believes."""
        kinds = {piece.kind for piece in self.evidence if not piece.moot}
        return "high" if "command" in kinds else "medium" if kinds else "low"


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that is written."""

    program: str
    tag: str
    commit: str
    """What was looked at."""
    asked: Mapping[str, str]
    """What the command line asks."""
    findings: tuple[Finding, ...]
    facts: tuple[tuple[str, str], ...]
    """Title and lines of what was found without a model."""
    coverage: Mapping[str, Mapping[str, int]]
    columns: tuple[str, ...]
    end: str
    complete: bool
    """Whether it ended because nothing is left."""
    base: str = ""
    """The commit that it was compared with; empty: none."""
    missing: tuple[str, ...] = ()
    """What was not looked at, and why."""
    tokens: int = 0
    cost_usd: float = 0.0
    left_out: int = 0
    """Findings below the severity that was asked for."""
    scope: tuple[str, ...] = field(default=())
    rows: tuple[Mapping[str, object], ...] | None = None
    """Of the table, by column, where they are not the findings."""
    debates: tuple[Debate, ...] = ()
    """What was said for and against, of a panel."""


@dataclass(frozen=True, kw_only=True)
class Debate:
    """How one finding fared among several roles."""

    name: str
    title: str
    status: str
    raised_by: tuple[str, ...]
    """Who saw it alone."""
    votes: tuple[tuple[int, str, str, str], ...]
    """Round, role, word and reason."""


def page(report: Report, name: str) -> str:
    """The content of one of a program's `outputs`."""
    return table(report) if _TABLE.fullmatch(name) else _pages()[name](report)


OUTPUTS = (
    *("findings.md", "eliminated.md", "summary.md", "debate.md", "handoff.json"),
    "NAME-results.tsv",
)
_TABLE = re.compile(r"[a-z][a-z0-9-]{0,40}-results\.tsv")


def _pages() -> Mapping[str, Callable[[Report], str]]:
    makers = (findings_page, eliminated_page, summary_page, debate_page, handoff)
    return dict(zip(OUTPUTS, makers, strict=False))


def is_output(name: str) -> bool:
    """Whether a program may name such a file."""
    return name in OUTPUTS[:-1] or bool(_TABLE.fullmatch(name))


# --- Pages ----------------------------------------------------------------------------------------


def findings_page(report: Report) -> str:
    """What is open, with all that it rests on; then what was found without a model."""
    open_ones = [finding for finding in report.findings if finding.finding == "open"]
    lines = [f"# Findings of {report.program} {inline(report.tag)}", "", *_about(report), ""]
    if not open_ones:
        lines += ["Nothing is confirmed.", ""]
    for finding in open_ones:
        lines += _finding(finding)
    for title, text in report.facts:
        lines += [f"## {inline(title)}", "", block(text, 6000), ""]
    return "\n".join(lines)


def _about(report: Report) -> Iterator[str]:
    yield f"Commit {commit_name(report.commit)}."
    for name, value in report.asked.items():
        yield f"{name}: {inline(value, 300)}"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"## {inline(finding.title, 200)}"
    yield ""
    severity = finding.answer.get("severity")
    yield f"- where: {inline(finding.place or 'not told', 300)}"
    if severity:
        yield f"- severity: {inline(str(severity), 40)}"
    yield f"- confidence: {finding.confidence}, by its evidence"
    yield f"- fingerprint: `{finding.fingerprint}`"
    yield ""
    titles = {"claim": "Claim", "why": "Why", "fix": "What to change"}
    for name, title in titles.items():
        if finding.answer.get(name):
            yield f"**{title}.** {inline(str(finding.answer[name]), 2000)}"
            yield ""
    yield from _evidence(finding)


def _evidence(finding: Finding) -> Iterator[str]:
    for piece in finding.evidence:
        if piece.kind == "quote":
            yield f"{inline(piece.words(), 300)}:"
            yield ""
            yield block(piece.text)
            yield ""
    alike: dict[tuple[object, ...], list[Ran]] = {}
    for run in finding.ran:
        code = None if run.timed_out else run.exit_code
        same = (run.commit, run.command, code, run.script, run.mended)
        alike.setdefault(same, []).append(run)
    for runs in alike.values():
        run, numbers = runs[0], ", ".join(str(run.number) for run in runs)
        several = "Runs" if len(runs) > 1 else "Run"
        where = f"at {commit_name(run.commit)}"
        where += f" without what is claimed in {inline(run.mended)}" if run.mended else ""
        yield f"{several} {numbers} {where}, {inline(run.failure or 'exit code 0')}:"
        yield ""
        yield block(run.command)
        yield ""
        if run.script:
            yield "with the script"
            yield ""
            yield block(run.script, 8000)
            yield ""


def eliminated_page(report: Report) -> str:
    """What was looked at and is not it, so that nobody looks again."""
    lines = [f"# What it is not, by {report.program} {inline(report.tag)}", ""]
    gone = [finding for finding in report.findings if finding.finding == "disproven"]
    unknown = [finding for finding in report.findings if finding.finding == "unknown"]
    lines += ["Nothing was disproven.", ""] if not gone else []
    for finding in gone:
        proof = "; ".join(_briefly(finding.evidence))
        why = finding.overruled or str(finding.answer.get("why") or "")
        lines.append(f"- {inline(finding.claim, 300)} — {inline(why, 500)} ({inline(proof, 300)})")
    if unknown:
        lines += ["", "## Not decided", ""]
        for finding in unknown:
            why = finding.overruled or str(finding.answer.get("why") or "")
            lines.append(f"- {finding.status}: {inline(finding.claim, 300)} — {inline(why, 500)}")
    return "\n".join([*lines, ""])


def summary_page(report: Report) -> str:
    """In a minute: how it ended, what is confirmed, what was looked at and what was not."""
    counts: dict[str, int] = {}
    for finding in report.findings:
        counts[finding.status] = counts.get(finding.status, 0) + 1
    told = ", ".join(f"{number} {inline(status)}" for status, number in counts.items())
    dropped = sum(len(finding.dropped) for finding in report.findings)
    lines = [f"# {report.program} {inline(report.tag)}", "", *_about(report), ""]
    lines.append(f"Ended: {inline(report.end or 'not yet', 300)}. {told or 'No iteration'}.")
    if dropped:
        lines.append(f"Evidence that did not hold and was dropped: {dropped}.")
    if report.left_out:
        lines.append(f"Findings below the severity that was asked for: {report.left_out}.")
    if report.tokens:
        lines.append(f"{report.tokens} tokens, ${report.cost_usd:.2f}.")
    lines += [f"Not looked at: {inline(why, 400)}" for why in report.missing]
    lines.append("")
    for finding in report.findings:
        if finding.finding == "open":
            lines.append(f"- {inline(finding.title, 200)} ({inline(finding.place, 200)})")
    for dimension, cells in report.coverage.items():
        covered = ", ".join(f"{inline(cell)} {count}" for cell, count in cells.items())
        lines += ["", f"Covered with evidence, {inline(dimension)}: {covered}"]
    return "\n".join([*lines, ""])


def debate_page(report: Report) -> str:
    """Who saw what alone, and how all voted on it, with their reasons."""
    lines = [f"# Debate of {report.program} {inline(report.tag)}", ""]
    lines += [] if report.debates else ["There was nothing to debate.", ""]
    for debate in report.debates:
        seen = ", ".join(inline(role, 60) for role in debate.raised_by)
        lines += [f"## {debate.name}: {inline(debate.title, 200)}", ""]
        lines += [f"{inline(debate.status, 60)}; seen alone by {seen}.", ""]
        for number, role, word, why in debate.votes:
            lines.append(f"- round {number}, {inline(role, 60)}: {word}. {inline(why, 500)}")
        lines.append("")
    return "\n".join(lines)


# --- Table and handoff ----------------------------------------------------------------------------


def table(report: Report) -> str:
    """The program's columns, a row for each iteration; `-` where there is nothing."""
    values = (
        [[_value(f, column, report) for column in report.columns] for f in report.findings]
        if report.rows is None
        else [[row.get(column, "") for column in report.columns] for row in report.rows]
    )
    rows = [[_cell(value) for value in row] for row in values]
    return "".join("\t".join(row) + "\n" for row in [list(report.columns), *rows])


def _value(finding: Finding, column: str, report: Report) -> object:
    if column in finding.answer and column != "evidence":
        return finding.status if column == "status" else finding.answer[column]
    of_the_row: dict[str, object] = {
        "evidence": "; ".join(_briefly(finding.evidence)),
        "dropped": len(finding.dropped),
        "file_line": finding.place,
        "commit": commit_name(report.commit),
        "seconds": f"{finding.seconds:.1f}",
        "cost_usd": f"{finding.cost_usd:.4f}",
    }
    return of_the_row[column] if column in of_the_row else getattr(finding, column, "")


def _briefly(evidence: Sequence[Evidence]) -> Iterator[str]:
    """Quotes by their place, runs by number and exit code."""
    for piece in evidence:
        is_quote = piece.kind == "quote"
        yield piece.words() if is_quote else f"run {piece.run} (exit code {piece.exit_code})"


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return defuse(replaced_for_people(shortened(text, CELL_LIMIT), lambda char: "")) or "-"


def handoff(report: Report) -> str:
    """For the next command: what is open, what is not it, and of which commit that is said."""
    status = "COMPLETE" if report.complete else "BOUNDED"
    return handoff_text(
        {
            "version": VERSION,
            "source": report.program,
            "tag": report.tag,
            "commit": report.commit,
            "base": report.base or report.commit,
            "status": status,
            "end": report.end,
            "asked": dict(report.asked),
            "scope": list(report.scope),
            # An answer that could not be used claims nothing.
            "findings": [_handed(f, report) for f in report.findings if f.fingerprint],
            "incomplete": list(report.missing),
        }
    )


def _handed(finding: Finding, report: Report) -> dict[str, Any]:
    answer = finding.answer
    severity = answer.get("severity")
    return {
        "fingerprint": finding.fingerprint,
        "status": finding.finding,
        "rule": report.program,
        "title": finding.title,
        "severity": severity if severity in SEVERITIES else "",
        "confidence": finding.confidence,
        "path": finding.path,
        "line": finding.line,
        "end_line": finding.line,
        "why": str(answer.get("why") or ""),
        "claim": finding.claim,
        "fix": str(answer.get("fix") or ""),
        "dimension": {name: str(answer.get(name, "")) for name in report.coverage},
        "role": finding.role,
        "commit": report.commit,
        "evidence": [_piece(piece) for piece in finding.evidence],
    }


def _piece(evidence: Evidence) -> dict[str, Any]:
    """What it is worth, `confidence` says of all of it together."""
    return {name: value for name, value in asdict(evidence).items() if name != "moot"}
