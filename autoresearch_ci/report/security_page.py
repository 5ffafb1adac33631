"""What `security` says, for people: a page, the comment of a pull request, a terminal, annotations.

Everything that tools and paths say is made inert. A document has a bounded size: what matters least
is left out, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from autoresearch_ci.decide.gates import Age, Judged, Ruling
from autoresearch_ci.decide.weaknesses import Severity, Weakness
from autoresearch_ci.report.annotations import SHOWN, Annotation, Level
from autoresearch_ci.report.security_report import SecurityReport, place, reproduce, where
from autoresearch_ci.report.summary_page import (
    STEP_SUMMARY_BYTES,
    Section,
    commit_link,
    details,
    fitted,
    table,
)
from autoresearch_ci.safety.log_text import clipped
from autoresearch_ci.safety.markdown_text import block, inline
from autoresearch_ci.safety.wording import commit_name, shortened

COMMENT_LIMIT = 65_000
"""Characters of a comment; GitHub refuses more than 65,536, and a hidden mark is added."""
_BLOCKING_ROOM, _OTHERS_ROOM, _SENTENCES_ROOM = 24_000, 12_000, 6_000
_FILE = "weaknesses.json"
_TITLES = {Ruling.PASS: "passed", Ruling.FAIL: "failed", Ruling.INCOMPLETE: "incomplete"}


def security_markdown(report: SecurityReport, limit: int = STEP_SUMMARY_BYTES) -> str:
    """The page of at most `limit` UTF-8 bytes."""
    verdict = report.verdict
    blocking = [judged for judged in verdict.items if judged.blocks]
    others = [j for j in report.open if not j.blocks]
    accepted = [j for j in verdict.items if j.item.status == "accepted"]
    title = f"### Security {_TITLES[verdict.ruling]}: {inline(verdict.reason, 600)}"
    parts = [
        (title, 9, "the verdict"),
        (_compared(report), 8, "what was compared"),
        (_sentences("Not looked at to the end", verdict.missed), 8, "what was not looked at"),
        (_weaknesses(report, blocking, _BLOCKING_ROOM), 7, "what blocks"),
        (_sentences("Look at this; it decides nothing", report.doubts), 5, "what to look at"),
        (_folded(report, "open, not blocking", others), 3, "what does not block"),
        (_folded(report, "accepted or known", accepted), 2, "what is accepted"),
        (_gone(report), 2, "what is gone"),
        (_coverage(report), 6, "what was looked with"),
        (_reproduce(report), 4, "how to reproduce"),
    ]
    return fitted([Section(text=t, importance=i, name=name) for t, i, name in parts], limit)


def comment_markdown(report: SecurityReport, run_url: str = "") -> str:
    """The same in a comment's room; `run_url`: where its log is."""
    more = f"\n[The log of this scan]({run_url})\n" if run_url else ""
    return security_markdown(report, COMMENT_LIMIT - len(more)) + more


def _compared(report: SecurityReport) -> str:
    head = commit_link(report.commit)
    if report.base:
        what = f"What {head} brings, against {commit_link(report.base)}, where it left its base."
    elif report.no_base:
        what = f"{head}, without a base: {inline(report.no_base, 400)}."
    else:
        what = f"All of {head}."
    fails = "Nothing fails it" if report.fail_on == "never" else f"{report.fail_on} or worse fails"
    return f"{what} {fails}."


def _sentences(title: str, told: Sequence[str]) -> str:
    if not told:
        return ""
    lines: list[str] = []
    room = _SENTENCES_ROOM
    for text in told:
        line = f"- {inline(text, 300)}"
        room -= len(line.encode(errors="replace"))
        if room < 0:
            lines.append(f"- and {len(told) - len(lines)} more in `{_FILE}`")
            break
        lines.append(line)
    return f"**{title}**\n\n" + "\n".join(lines)


def _folded(report: SecurityReport, name: str, items: Sequence[Judged[Weakness]]) -> str:
    if not items:
        return ""
    return details(f"{len(items)} {name}", _weaknesses(report, items, _OTHERS_ROOM))


def _weaknesses(report: SecurityReport, items: Sequence[Judged[Weakness]], room: int) -> str:
    if not items:
        return ""
    rows = [
        (
            str(judged.item.severity),
            report.age(judged),
            _where(report, judged.item),
            _what(judged),
            inline(judged.target, 60),
        )
        for judged in items[: room // 20]
    ]
    text, characters = "", room
    while not text or len(text.encode(errors="replace")) > room + 100:
        header = ("severity", "", "where", "what", "says")
        text = table(header, "lllll", rows, len(items), characters, where=_FILE)
        characters //= 2  # some take several bytes
    return text


def _what(judged: Judged[Weakness]) -> str:
    item = judged.item
    kinds = " ".join(filter(None, (f"CWE-{item.cwe}" if item.cwe else "", item.owasp)))
    more = f" ({inline(judged.note, 200)})" if judged.note else ""
    named = f" `{item.fingerprint}`" if item.fingerprint.isalnum() else ""
    return f"{inline(item.title, 160)} {kinds}{named}{more}"


def _where(report: SecurityReport, item: Weakness) -> str:
    path = place(item)
    if not path:
        return inline(item.path, 80)
    text = inline(where(item), 120)
    if not report.files_url:
        return text
    line = f"#L{item.line}" if item.line else ""
    return f"[{text}]({report.files_url}{quote(path, errors='replace')}{line})"


def _gone(report: SecurityReport) -> str:
    titles = {"fixed": "Fixed since it was last seen", "unknown": "Known, and not looked at now"}
    told = [_sentences(title, report.gone.get(name, ())) for name, title in titles.items()]
    return "\n\n".join(filter(None, told))


def _coverage(report: SecurityReport) -> str:
    rows = [
        (inline(name, 40), str(count), _gap(report, name), _told(report, name))
        for name, count in report.looked.items()
    ]
    asked = {name: why for name, why in report.verdict.unseen.items() if "is not installed" in why}
    rows += [(inline(name, 40), "", inline(why, 200), "") for name, why in asked.items()]
    rows += [(inline(name, 40), "", inline(why, 200), "") for name, why in report.left.items()]
    text = table(("scanner", "files", "", "told"), "lrll", rows, len(rows), 6_000, where=_FILE)
    besides = []
    if report.media:
        besides.append(f"{report.media} pictures, fonts or sounds hold nothing to scan.")
    if report.excluded:
        paths = ", ".join(inline(path, 60) for path in report.excluded[:5])
        more = f" and {len(report.excluded) - 5} more" if len(report.excluded) > 5 else ""
        besides.append(f"Left out by security.exclude: {paths}{more}.")
    told = f"{text}\n\n{' '.join(besides)}" if besides else text
    return details(f"Looked with, at {report.files} files", told)


def _gap(report: SecurityReport, name: str) -> str:
    return inline(report.verdict.unseen.get(name, ""), 200) or "looked to the end"


def _told(report: SecurityReport, name: str) -> str:
    return str(sum(name in judged.item.sources for judged in report.verdict.items))


def _reproduce(report: SecurityReport) -> str:
    return details("How to reproduce", block("\n".join(reproduce(report)), 2_000, language="sh"))


# --- a terminal -----------------------------------------------------------------------------------

_LINES, _WIDTH = 50, 80


def security_lines(report: SecurityReport) -> Iterator[str]:
    """Plain text, aligned; each line harmless to a terminal and to a runner's log."""
    verdict = report.verdict
    shown = verdict.items[:_LINES]
    rows = [_cells(report, judged) for judged in shown]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield clipped("  ".join(cells).rstrip(), 400)
    if (more := len(verdict.items) - _LINES) > 0:
        yield f"and {more} more in {_FILE}"
    for text in (*verdict.missed[:_LINES], *(f"look at this: {d}" for d in report.doubts[:20])):
        yield clipped(text, 400)
    for name, why in report.left.items():
        yield clipped(f"not looked with {name}: {why}", 400)
    against = f" against {commit_name(report.base)}" if report.base else ""
    yield clipped(
        f"security {_TITLES[verdict.ruling]} at {commit_name(report.commit)}{against}: "
        f"{verdict.reason}",
        2000,
    )


def _cells(report: SecurityReport, judged: Judged[Weakness]) -> tuple[str, ...]:
    item = judged.item
    return (
        f"{item.severity}{'' if judged.blocks else ' (ok)'}",
        report.age(judged),
        clipped(shortened(where(item), 60) or "-", 60),
        clipped(shortened(f"{item.title} [{item.rule}]", _WIDTH), _WIDTH),
    )


# --- beside the lines of a change -----------------------------------------------------------------


def annotated(report: SecurityReport) -> list[Annotation]:
    """At most ten of each level, the worst first; the last says how many are not there.

    With a base, what is new; what does not block and is old is in the summary alone.
    """
    verdict = report.verdict
    levels: dict[Level, list[Annotation]] = {"error": [], "warning": []}
    if verdict.ruling is not Ruling.PASS:
        title = f"security: {verdict.ruling}"
        level: Level = "error" if report.exit_code else "warning"
        levels[level].append(Annotation(level=level, message=verdict.reason, title=title))
    for text in verdict.missed:
        levels["warning"].append(Annotation(level="warning", message=text, title="not looked at"))
    for judged in report.open:
        if judged.blocks:
            levels["error"].append(_annotation("error", judged))
        elif (
            report.base and judged.age is not Age.OLD and judged.item.severity is not Severity.INFO
        ):
            levels["warning"].append(_annotation("warning", judged))
    return [kept for found in levels.values() for kept in _first(found)]


def _first(found: Sequence[Annotation]) -> Iterator[Annotation]:
    if len(found) <= SHOWN:
        yield from found
        return
    yield from found[: SHOWN - 1]
    more = len(found) - SHOWN + 1
    message = f"{more} more of these are not shown here: see the step's summary, or {_FILE}."
    yield Annotation(level=found[0].level, message=message, title="security")


def _annotation(level: Level, judged: Judged[Weakness]) -> Annotation:
    item = judged.item
    told = [item.title, item.why, item.fix and f"Instead: {item.fix}", judged.note]
    return Annotation(
        level=level,
        message="\n".join(filter(None, told)),
        title=shortened(f"{item.severity}: {item.family} ({', '.join(item.sources)})", 120),
        path=place(item),
        line=item.line,
    )


_BESIDE = 2_000


def beside_lines(report: SecurityReport) -> list[tuple[str, int, str, str]]:
    """What can be said beside lines that the change touched: path, line, Markdown, fingerprint.

    Only what blocks: everything else is in the summary.
    """
    found = []
    for item in (judged.item for judged in report.verdict.items if judged.blocks):
        touched = report.changed.get(item.path, frozenset())
        marked = range(item.line, item.last_line + 1)
        line = next((line for line in marked if line in touched), 0)
        if place(item) and line:
            found.append((item.path, line, _beside(item), item.fingerprint))
    return found


def _beside(item: Weakness) -> str:
    kinds = ", ".join(filter(None, (f"CWE-{item.cwe}" if item.cwe else "", item.owasp)))
    parts = [
        f"**{item.severity}**: {inline(item.title, 300)}" + (f" ({kinds})" if kinds else ""),
        inline(item.why, _BESIDE),
        f"Instead: {inline(item.fix, _BESIDE)}" if item.fix else "",
        f"Says: {inline(', '.join(item.sources), 200)}. If that is a risk to be taken, "
        f"`{item.fingerprint}` names it in `.github/security-accepted.yml` of the base.",
    ]
    return "\n\n".join(filter(None, parts))
