"""What `security` says, for people: a page, the comment of a pull request, a terminal, annotations.

Everything that tools and paths say is made inert. A document has a bounded size: what matters least
is left out, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from autoresearch_ci.decide.gates import Age, Judged
from autoresearch_ci.decide.security.gate import refuted
from autoresearch_ci.decide.security.weakness import MODEL, Severity, Weakness
from autoresearch_ci.report.annotations import Annotation, Level, bounded, of_verdict
from autoresearch_ci.report.gate_pieces import (
    BLOCKING_ROOM,
    OTHERS_ROOM,
    RULINGS,
    in_a_comment,
    inside,
    last_line,
    linked,
    rows_in,
    sentences,
    shell,
)
from autoresearch_ci.report.reconnaissance_pages import covered, matrices
from autoresearch_ci.report.run_summary import count
from autoresearch_ci.report.security_report import UNREAD, SecurityReport, reproduce, where
from autoresearch_ci.report.summary_page import (
    STEP_SUMMARY_BYTES,
    commit_link,
    details,
    fitted,
    table,
)
from autoresearch_ci.report.terminal_table import aligned
from autoresearch_ci.safety.log_text import clipped
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import shortened

_FILE = "weaknesses.json"


def security_markdown(report: SecurityReport, limit: int = STEP_SUMMARY_BYTES) -> str:
    """The page of at most `limit` UTF-8 bytes."""
    verdict = report.verdict
    blocking = [judged for judged in verdict.items if judged.blocks]
    others = [j for j in report.open if not j.blocks]
    title = f"### Security {RULINGS[verdict.ruling]}: {inline(verdict.reason, 600)}"
    parts = [
        (title, 9, "the verdict"),
        (compared(report), 8, "what was compared"),
        (sentences("Not looked at to the end", verdict.missed, _FILE), 8, "what was not looked at"),
        (_weaknesses(report, blocking, BLOCKING_ROOM), 7, "what blocks"),
        (sentences("Look at this; it decides nothing", report.doubts, _FILE), 5, "what to look at"),
        (_folded(report, "open, not blocking", others), 3, "what does not block"),
    ]
    for status, words in _OTHERWISE.items():
        told = report.of_status(status)
        parts.append((_folded(report, words, told), 3 if status == "disproven" else 2, words))
    parts += [
        (_gone(report), 2, "what is gone"),
        (_coverage(report), 6, "what was looked with"),
        (_matrices(report), 3, "what the model looked at"),
        (shell(reproduce(report)), 4, "how to reproduce"),
    ]
    return fitted(parts, limit)


_OTHERWISE = {
    "disproven": "refuted by a model, with code",
    "unknown": "suspected by a model, which code alone does not tell",
    "accepted": "accepted or known",
}
"""By status: what is told and not open."""


def comment_markdown(report: SecurityReport, run_url: str = "") -> str:
    """The same in a comment's room; `run_url`: where its log is."""
    return in_a_comment(lambda limit: security_markdown(report, limit), "scan", run_url)


def compared(report: SecurityReport) -> str:
    """What was looked at, and what fails it; Markdown."""
    head = commit_link(report.commit)
    if report.base:
        what = f"What {head} brings, against {commit_link(report.base)}, where it left its base."
    elif report.no_base:
        what = f"{head}, without a base: {inline(report.no_base, 400)}."
    else:
        what = f"All of {head}."
    fails = "Nothing fails it" if report.fail_on == "never" else f"Fails from {report.fail_on} on"
    return f"{what} {fails}."


def _folded(report: SecurityReport, name: str, items: Sequence[Judged[Weakness]]) -> str:
    if not items:
        return ""
    return details(f"{len(items)} {name}", _weaknesses(report, items, OTHERS_ROOM))


def _weaknesses(report: SecurityReport, items: Sequence[Judged[Weakness]], room: int) -> str:
    rows = [
        (
            str(judged.item.severity),
            report.age(judged),
            linked(judged.item.path, judged.item.line, report.files_url),
            _what(judged),
            inline(judged.target, 60),
        )
        for judged in items[: room // 20]
    ]
    return rows_in(room, ("severity", "", "where", "what", "says"), rows, len(items), _FILE)


def _what(judged: Judged[Weakness]) -> str:
    item = judged.item
    kinds = " ".join(filter(None, (f"CWE-{item.cwe}" if item.cwe else "", item.owasp)))
    more = f" ({inline(judged.note, 200)})" if judged.note else ""
    named = f" `{item.fingerprint}`" if item.fingerprint.isalnum() else ""
    return f"{inline(item.title, 160)} {kinds}{named}{more}"


def _gone(report: SecurityReport) -> str:
    titles = {"fixed": "Fixed since it was last seen", "unknown": "Known, and not looked at now"}
    told = [sentences(title, report.gone.get(name, ()), _FILE) for name, title in titles.items()]
    return "\n\n".join(filter(None, told))


def _coverage(report: SecurityReport) -> str:
    rows = [
        (inline(name, 40), str(number), _gap(report, name), _told(report, name))
        for name, number in report.looked.items()
    ]
    rows += [
        (f"nobody: {inline(kind, 30)}", str(number), UNREAD, "")
        for kind, number in report.unread.items()
    ]
    rows += [(inline(name, 40), "", inline(why, 200), "") for name, why in _absent(report)]
    layer = report.layer
    parts = {name: covered(layer, name) for name in layer.coverage}
    reach = ", ".join(f"{inline(name, 40)} {told}" for name, told in parts.items() if told)
    text = table(("scanner", "files", "", "told"), "lrll", rows, len(rows), 6_000, where=_FILE)
    besides = [f"With evidence in the record, the {MODEL} looked at: {reach}."] if reach else []
    besides += _left_out(report)
    told = f"{text}\n\n{' '.join(besides)}" if besides else text
    return details(f"Looked with, at {report.files} files", told)


def scanners(report: SecurityReport) -> Iterator[tuple[str, str]]:
    """The same as plain words: each scanner, and what it came to."""
    for name, number in report.looked.items():
        gap = report.verdict.unseen.get(name, "") or "looked to the end"
        yield name, f"{count(number, 'file')}, {_told(report, name)} told; {gap}"
    unread = report.unread.items()
    yield from ((f"nobody: {kind}", f"{count(n, 'file')}; {UNREAD}") for kind, n in unread)
    yield from _absent(report)
    yield from (("besides", text) for text in _left_out(report, str))


def _absent(report: SecurityReport) -> Iterator[tuple[str, str]]:
    for name, why in report.verdict.unseen.items():
        if "is not installed" in why:
            yield name, why
    yield from report.left.items()


def _left_out(
    report: SecurityReport, shown: Callable[[str], str] = lambda path: inline(path, 60)
) -> Iterator[str]:
    if report.media:
        yield f"{report.media} pictures, fonts or sounds hold nothing to scan."
    if report.excluded:
        paths = ", ".join(map(shown, report.excluded[:5]))
        more = f" and {len(report.excluded) - 5} more" if len(report.excluded) > 5 else ""
        yield f"Left out by security.exclude: {paths}{more}."


def _gap(report: SecurityReport, name: str) -> str:
    return inline(report.verdict.unseen.get(name, ""), 200) or "looked to the end"


def _told(report: SecurityReport, name: str) -> str:
    return str(sum(name in judged.item.sources for judged in report.verdict.items))


def _matrices(report: SecurityReport) -> str:
    told = "\n".join(matrices(report.layer, "####"))
    return details("What the model looked at", told) if told else ""


# --- a terminal -----------------------------------------------------------------------------------

_LINES, _WIDTH = 50, 80


def security_lines(report: SecurityReport) -> Iterator[str]:
    """Plain text, aligned; each line harmless to a terminal and to a runner's log."""
    verdict = report.verdict
    shown = verdict.items[:_LINES]
    rows = [_cells(report, judged) for judged in shown]
    yield from (clipped(text, 400) for text in aligned(rows))
    if (more := len(verdict.items) - _LINES) > 0:
        yield f"and {more} more in {_FILE}"
    for text in (*verdict.missed[:_LINES], *(f"look at this: {d}" for d in report.doubts[:20])):
        yield clipped(text, 400)
    if report.unread:
        kinds = ", ".join(f"{number} {kind}" for kind, number in report.unread.items())
        cure = "security.semgrep, security.tools"
        yield clipped(f"{UNREAD} ({cure}): {kinds}", 400)
    for name, why in report.left.items():
        yield clipped(f"not looked with {name}: {why}", 400)
    yield last_line("security", verdict, report.commit, report.base)


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
    return bounded("security", _FILE, [*_told_beside(report)])


def _told_beside(report: SecurityReport) -> Iterator[Annotation]:
    if lifted := [judged.item for judged in refuted(report.verdict)]:
        yield _lifted(lifted)
    yield from of_verdict("security", report.verdict, "error" if report.exit_code else "warning")
    for judged in report.open:
        if judged.blocks:
            yield _annotation("error", judged)
        elif (
            report.base and judged.age is not Age.OLD and judged.item.severity is not Severity.INFO
        ):
            yield _annotation("warning", judged)


def _lifted(items: Sequence[Weakness]) -> Annotation:
    named = ", ".join(where(item) for item in items[:5])
    more = f" and {len(items) - 5} more" if len(items) > 5 else ""
    return Annotation(
        level="warning",
        message=f"scanners told of these, and a model refuted them, so they fail nothing: {named}"
        f"{more}. Its reasons are in findings.md.",
        title="security: refuted by a model",
    )


def _annotation(level: Level, judged: Judged[Weakness]) -> Annotation:
    item = judged.item
    told = [item.title, item.why, item.fix and f"Instead: {item.fix}", judged.note]
    return Annotation(
        level=level,
        message="\n".join(filter(None, told)),
        title=shortened(f"{item.severity}: {item.family} ({', '.join(item.sources)})", 120),
        path=inside(item.path),
        line=item.line,
    )


_BESIDE = 2_000


def beside_lines(report: SecurityReport) -> list[tuple[str, int, str, str]]:
    """What can be said beside lines that the change touched: path, line, Markdown, fingerprint.

    Only what blocks: everything else is in the summary.
    """
    found = []
    for item in (judged.item for judged in report.verdict.items if judged.blocks):
        places = [(item.path, line) for line in range(item.line, item.last_line + 1)]
        # Of old code that the change makes reachable: a line of the way there.
        for piece in item.evidence:
            end = piece.line + piece.text.count("\n")
            places += [(piece.path, line) for line in range(piece.line, end + 1)]
        for path, line in places:
            if inside(path) and line in report.changed.get(path, ()):
                elsewhere = path != item.path
                found.append((path, line, _beside(item, elsewhere), item.fingerprint))
                break
    return found


def _beside(item: Weakness, elsewhere: bool) -> str:
    kinds = ", ".join(filter(None, (f"CWE-{item.cwe}" if item.cwe else "", item.owasp)))
    parts = [
        f"**{item.severity}**: {inline(item.title, 300)}" + (f" ({kinds})" if kinds else ""),
        f"By this line one gets to {inline(where(item), 200)}." if elsewhere else "",
        inline(item.why, _BESIDE),
        f"Instead: {inline(item.fix, _BESIDE)}" if item.fix else "",
        f"Says: {inline(', '.join(item.sources), 200)}. If that is a risk to be taken, "
        f"`{item.fingerprint}` names it in `.github/security-accepted.yml` of the base.",
    ]
    return "\n\n".join(filter(None, parts))
