"""report.html of `fix --check`: every failure, whose it is, and what the tool said.

CORE: values in, text out.
"""

from __future__ import annotations

from urllib.parse import quote

from autoresearch_ci.decide.failures import Failure
from autoresearch_ci.decide.gates import Age, Judged
from autoresearch_ci.report.gate_page import compared
from autoresearch_ci.report.gate_pieces import RULINGS, inside
from autoresearch_ci.report.gate_report import GateReport, headline, reproduce, rule
from autoresearch_ci.report.html_findings import FindingsPage, findings_html
from autoresearch_ci.report.html_list import Cell, Column, Listing, Row
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import commit_name

_FILE = "failures.json"
_LINES = 200
"""Sentences of one kind."""


def gate_html(report: GateReport, version: str) -> str:
    """The page; `report` is without secrets."""
    verdict, counts = report.verdict, report.counts()
    ruling = RULINGS[verdict.ruling]
    gone = [("", text) for text in verdict.gone[:_LINES]]
    outputs = [(name, text) for name, text in report.outputs.items() if text.strip()]
    return findings_html(
        FindingsPage(
            title=f"Gate {ruling} at {commit_name(report.commit)}",
            headline=[f"**{inline(verdict.reason, 600)}**", compared(report)],
            tiles=[
                ("verdict", ruling),
                *((str(age), f"{counts[age]:,}") for age in Age if counts[age]),
            ],
            list=Listing(
                name="failures",
                title="Failures",
                search="file, test, rule, message",
                columns=(
                    Column(name="age", choice=True),
                    Column(name="kind", choice=True),
                    Column(name="target", choice=True),
                    Column(name="where"),
                    Column(name="failure"),
                ),
                rows=[_row(report, judged) for judged in verdict.items],
                missing="" if verdict.items else "Nothing was told.",
            ),
            panels=[
                ("unseen", "Not looked at to the end", list(verdict.unseen.items())[:_LINES]),
                ("lost", "Lost", gone),
                (
                    "doubts",
                    "Look at this",
                    [("decides nothing", d) for d in report.doubts[:_LINES]],
                ),
                ("outputs", "What the tools printed last", outputs[:_LINES]),
            ],
            commands=list(reproduce(report)),
            file=_FILE,
            about=f"check of {report.commit}",
            version=version,
        )
    )


def _row(report: GateReport, judged: Judged[Failure]) -> Row:
    item = judged.item
    path = inside(item.path)
    where = f"{item.path}:{item.line}" if item.path and item.line else item.path
    link = ""
    if path and report.files_url.startswith("https://"):
        line = f"#L{item.line}" if item.line else ""
        link = f"{report.files_url}{quote(path, errors='replace')}{line}"
    return Row(
        cells=(
            Cell(text=str(judged.age)),
            Cell(text=str(item.category), order=item.category.rank),
            Cell(text=judged.target),
            Cell(text=where, link=link),
            Cell(text=headline(judged, 200)),
        ),
        words=(
            ("rule", rule(item)),
            ("id", item.id),
            ("note", judged.note),
            ("", "The gate fails for it." if judged.blocks else ""),
            ("again", report.by_hand(judged.target)),
        ),
        quotes=(("said:", item.message),),
        kind="bad" if judged.blocks else "doubtful" if judged.age is Age.FLAKY else "",
    )
