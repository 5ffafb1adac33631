"""report.html of a security scan: every weakness, what speaks for it, and what became of it.

CORE: values in, text out.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from autoresearch_ci.decide.gates import Judged
from autoresearch_ci.decide.weaknesses import Severity, Weakness
from autoresearch_ci.report.gate_pieces import RULINGS, inside
from autoresearch_ci.report.html_findings import FindingsPage, findings_html
from autoresearch_ci.report.html_list import Cell, Column, Listing, Row
from autoresearch_ci.report.security_page import compared, scanners
from autoresearch_ci.report.security_report import SecurityReport, reproduce, where
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import commit_name, shortened

_FILE = "weaknesses.json"
_EVIDENCE = 5
"""Pieces of evidence of one weakness."""
_LINES = 200
"""Sentences of one kind."""


def security_html(report: SecurityReport, version: str) -> str:
    """The page; `report` is without secrets."""
    verdict, counts = report.verdict, report.counts()
    ruling = RULINGS[verdict.ruling]
    tiles = [("verdict", ruling)]
    tiles += [(str(severity), f"{counts[severity]:,}") for severity in Severity if counts[severity]]
    tiles += [
        ("accepted", f"{len(verdict.items) - len(report.open):,}"),
        ("files", f"{report.files:,}"),
    ]
    gone = [(name, text) for name, told in report.gone.items() for text in told[:_LINES]]
    return findings_html(
        FindingsPage(
            title=f"Security {ruling} at {commit_name(report.commit)}",
            headline=[f"**{inline(verdict.reason, 600)}**", compared(report)],
            tiles=tiles,
            list=_listing(report),
            panels=[
                ("unseen", "Not looked at to the end", list(verdict.unseen.items())[:_LINES]),
                (
                    "doubts",
                    "Look at this",
                    [("decides nothing", d) for d in report.doubts[:_LINES]],
                ),
                ("gone", "Known before, and not told now", gone),
                ("scanners", "Looked with", list(scanners(report))),
            ],
            commands=reproduce(report),
            file=_FILE,
            about=f"security of {report.commit}",
            version=version,
        )
    )


def _listing(report: SecurityReport) -> Listing:
    items = report.verdict.items
    return Listing(
        name="weaknesses",
        title="Weaknesses",
        search="file, rule, words, evidence",
        columns=(
            Column(name="severity", choice=True),
            Column(name="status", choice=True),
            Column(name="kind", choice=True),
            Column(name="CWE"),
            Column(name="says", choice=True),
            Column(name="where"),
            Column(name="weakness"),
        ),
        rows=[_row(report, judged) for judged in items],
        missing="" if items else "Nothing was told.",
    )


def _row(report: SecurityReport, judged: Judged[Weakness]) -> Row:
    item = judged.item
    return Row(
        cells=(
            Cell(text=str(item.severity), order=item.severity.rank),
            Cell(text=report.age(judged)),
            Cell(text=item.family),
            Cell(text=f"CWE-{item.cwe}" if item.cwe else "", order=item.cwe),
            Cell(text=", ".join(item.sources)),
            Cell(text=where(item), link=_address(report, item)),
            Cell(text=shortened(item.title, 200)),
        ),
        words=list(_words(judged)),
        quotes=[(f"{e.words()}:", e.text) for e in item.evidence[:_EVIDENCE]],
        kind="bad" if judged.blocks else "good" if item.status == "accepted" else "doubtful",
    )


def _words(judged: Judged[Weakness]) -> Iterator[tuple[str, str]]:
    item = judged.item
    yield "", item.title if len(item.title) > 200 else ""
    yield "why", item.why
    yield "instead", item.fix
    yield "note", judged.note
    yield "", "The gate fails for it." if judged.blocks else ""
    named = (f"rule {item.rule}", item.owasp, f"STRIDE {item.stride}" if item.stride else "")
    yield "", ", ".join(filter(None, (*named, f"confidence {item.confidence}")))
    yield "fingerprint", item.fingerprint


def _address(report: SecurityReport, item: Weakness) -> str:
    """Of the line at the forge; empty: there is none."""
    path = inside(item.path)
    if not path or not report.files_url.startswith("https://"):
        return ""
    line = f"#L{item.line}" if item.line else ""
    return f"{report.files_url}{quote(path, errors='replace')}{line}"
