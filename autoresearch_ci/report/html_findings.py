"""report.html of a look at a commit, which tries nothing: `fix --check`, and a security scan.

Every failure or weakness is a row, with whose it is and what speaks for it. CORE: values in, text
out. Its style, policy and tables are those of a run's page (html_page.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoresearch_ci.decide.failures.failure import Failure
from autoresearch_ci.decide.gates import Age, Judged
from autoresearch_ci.decide.security.weakness import Severity, Weakness
from autoresearch_ci.report import fix_page, fix_report, security_page, security_report
from autoresearch_ci.report.fix_report import GateReport, headline, rule
from autoresearch_ci.report.gate_pieces import RULINGS, address, inside
from autoresearch_ci.report.html_list import Cell, Listing, Row, columns, fitted
from autoresearch_ci.report.html_page import PAGE_BYTES
from autoresearch_ci.report.html_pieces import assets, markdown, policy, template
from autoresearch_ci.report.security_report import SecurityReport, where
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import commit_name, shortened

ListLines = Sequence[tuple[str, str]]
"""Label and words."""


@dataclass(frozen=True, kw_only=True)
class FindingsPage:
    """What a page shows."""

    title: str
    headline: Sequence[str]
    """Paragraphs of Markdown, what others said made harmless."""
    tiles: ListLines
    list: Listing
    panels: Sequence[tuple[str, str, ListLines]]
    """Name, title, lines; those without lines are left out."""
    commands: Sequence[str]
    file: str
    """Where what has no room is."""
    about: str
    """What was looked at, for the last line."""
    version: str
    outputs: ListLines = ()
    """Tools, and what each printed last."""


def findings_html(page: FindingsPage) -> str:
    """The whole document; what is in it was redacted by the caller."""
    made_of = assets(charts=False)
    values = {
        **made_of,
        "policy": policy(made_of, follow=False),
        "follow": False,
        "title": page.title,
        "headline": markdown(page.headline),
        "tiles": page.tiles,
        "panels": page.panels,
        "outputs": page.outputs,
        "commands": page.commands,
        "about": page.about,
        "version": page.version,
    }
    render = template("findings").render
    empty = render(values, list=fitted(page.list, 0, page.file))
    room = PAGE_BYTES - len(empty.encode(errors="replace"))
    return render(values, list=fitted(page.list, room, page.file))


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
            headline=[f"**{inline(verdict.reason, 600)}**", fix_page.compared(report)],
            tiles=[
                ("verdict", ruling),
                *((report.named(age), f"{counts[age]:,}") for age in Age if counts[age]),
            ],
            list=Listing(
                name="failures",
                title="Failures",
                search="file, test, rule, message",
                columns=columns("age kind target where failure", "age kind target"),
                rows=[_row(report, judged) for judged in verdict.items],
                missing="" if verdict.items else "Nothing was told.",
            ),
            panels=[
                ("unseen", "Not looked at to the end", list(verdict.unseen.items())[:_LINES]),
                ("lost", "Lost", gone),
                ("doubts", "Look at this", _doubts(report.doubts)),
            ],
            outputs=outputs[:_LINES],
            commands=list(fix_report.reproduce(report)),
            file=_FILE,
            about=f"check of {report.commit}",
            version=version,
        )
    )


def _row(report: GateReport, judged: Judged[Failure]) -> Row:
    item = judged.item
    where = f"{item.path}:{item.line}" if item.path and item.line else item.path
    return Row(
        cells=(
            Cell(text=report.named(judged.age)),
            Cell(text=str(item.category), order=item.category.rank),
            Cell(text=judged.target),
            Cell(text=where, link=_link(item, report.files_url)),
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


# --- Of security ----------------------------------------------------------------------------------

_WEAKNESSES = "weaknesses.json"
_EVIDENCE = 5
"""Pieces of evidence of one weakness."""


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
            headline=[f"**{inline(verdict.reason, 600)}**", security_page.compared(report)],
            tiles=tiles,
            list=_listing(report),
            panels=[
                ("unseen", "Not looked at to the end", list(verdict.unseen.items())[:_LINES]),
                ("doubts", "Look at this", _doubts(report.doubts)),
                ("gone", "Known before, and not told now", gone),
                ("scanners", "Looked with", list(security_page.scanners(report))),
            ],
            commands=security_report.reproduce(report),
            file=_WEAKNESSES,
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
        columns=columns(
            "severity status kind CWE says where weakness", "severity status kind says"
        ),
        rows=[_weakness_row(report, judged) for judged in items],
        missing="" if items else "Nothing was told.",
    )


def _weakness_row(report: SecurityReport, judged: Judged[Weakness]) -> Row:
    item = judged.item
    return Row(
        cells=(
            Cell(text=str(item.severity), order=item.severity.rank),
            Cell(text=report.age(judged)),
            Cell(text=item.family),
            Cell(text=f"CWE-{item.cwe}" if item.cwe else "", order=item.cwe),
            Cell(text=", ".join(item.sources)),
            Cell(text=where(item), link=_link(item, report.files_url)),
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


def _link(item: Failure | Weakness, files_url: str) -> str:
    """To the line at the forge; empty: there is none."""
    there = files_url.startswith("https://") and inside(item.path)
    return address(item.path, item.line, files_url) if there else ""


def _doubts(told: Sequence[str]) -> ListLines:
    return [("decides nothing", doubt) for doubt in told[:_LINES]]
