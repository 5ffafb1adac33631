"""What the gate of `fix` says, for people: a page, the comment of a pull request, a terminal.

Everything that tools, tests and paths say is made inert. A document has a bounded size: what
matters least is left out, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from autoresearch_ci.decide.failures.causes.verdicts import detected_with
from autoresearch_ci.decide.failures.failure import Failure
from autoresearch_ci.decide.failures.repair_order import unseen_cure
from autoresearch_ci.decide.failures.same_cause import also, shown_once
from autoresearch_ci.decide.gates import Age, Judged, Ruling
from autoresearch_ci.report.fix_report import GateReport, headline, reproduce
from autoresearch_ci.report.gate_pieces import (
    BLOCKING_ROOM,
    OTHERS_ROOM,
    RULINGS,
    in_a_comment,
    last_line,
    linked,
    rows_in,
    sentences,
    shell,
)
from autoresearch_ci.report.summary_page import (
    STEP_SUMMARY_BYTES,
    commit_link,
    details,
    fitted,
    table,
)
from autoresearch_ci.report.terminal_table import aligned
from autoresearch_ci.safety.log_text import clipped
from autoresearch_ci.safety.markdown_text import block, inline
from autoresearch_ci.safety.wording import shortened

_OUTPUT = 1_500
_FILE = "failures.json"


def gate_markdown(report: GateReport, limit: int = STEP_SUMMARY_BYTES) -> str:
    """The page of at most `limit` UTF-8 bytes."""
    verdict = report.verdict
    blocking = [judged for judged in verdict.items if judged.blocks]
    others = [judged for judged in verdict.items if not judged.blocks]
    parts = [
        (f"### Gate {RULINGS[verdict.ruling]}: {inline(verdict.reason, 600)}", 9, "the verdict"),
        (compared(report), 8, "what was compared"),
        (sentences("Not looked at to the end", verdict.missed, _FILE), 8, "what was not looked at"),
        (sentences("Lost", verdict.gone, _FILE, _ALLOWED * bool(verdict.lost)), 8, "what was lost"),
        (_failures(report, blocking, BLOCKING_ROOM), 7, "what blocks"),
        (sentences(_DOUBTS, report.doubts, _FILE), 4, "what to look at"),
        (_counts(report), 5, "the counts"),
    ]
    for age in Age:
        told = [judged for judged in others if judged.age is age]
        if told:
            name = f"{len(told)} {report.named(age)}, not blocking"
            parts.append((details(name, _failures(report, told, OTHERS_ROOM)), 2, f"the {age}"))
    parts += [(_flaky(report), 3, "how flaky was decided")]
    parts += [(shell([*reproduce(report)]), 6, "how to reproduce")]
    parts += [(_outputs(report), 1, "what tools said")]
    return fitted(parts, limit)


def comment_markdown(report: GateReport, run_url: str = "") -> str:
    """The same in a comment's room; `run_url`: where its log is."""
    return in_a_comment(lambda limit: gate_markdown(report, limit), "check", run_url)


def compared(report: GateReport) -> str:
    """What was looked at, and what fails it; Markdown."""
    head, words = commit_link(report.commit), ", ".join(report.words)
    if report.base:
        told = f"{head} against {commit_link(report.base)}, where it left its base."
    elif report.no_base:
        told = f"{head}, without a base: {inline(report.no_base, 400)}."
    else:
        told = f"{head}. The base was not asked: it changes nothing."
    return f"{told} Fails on: {inline(words)}."


_DOUBTS = "Failures may go away by this without being mended; it decides nothing, look at it"
_ALLOWED = (
    "Where that is meant: `fix: {allow: [test-removed]}` in the base's configuration, or "
    "`test-skipped`, or either for one file, as `test-removed:tests/test_a.py`."
)


def _failures(report: GateReport, items: Sequence[Judged[Failure]], room: int) -> str:
    causes = _causes(items)
    rows = [
        (
            report.named(judged.age),
            str(judged.item.category),
            linked(judged.item.path, judged.item.line, report.files_url),
            " ".join(filter(None, (_what(judged), inline(judged.note and f"({judged.note})"))))
            + inline(also(tools), 80),
        )
        for judged, tools in causes[: room // 20]
    ]
    return rows_in(room, ("", "kind", "where", "what"), rows, len(causes), _FILE)


def _what(judged: Judged[Failure]) -> str:
    failure = judged.item
    name = inline(headline(judged, 160))
    return f"{name}: {inline(failure.message, 160)}" if failure.category == "test" else name


def _counts(report: GateReport) -> str:
    rows = []
    for name in report.commands:
        counts = report.counts(name)
        silent = name in report.verdict.unseen
        told = "not all was looked at" if silent else "" if counts else "nothing is broken"
        rows.append((inline(name, 60), *(str(counts[age] or "") for age in Age), told))
    header = ("target", *map(report.named, Age), "")
    return table(header, "lrrrrrl", rows, len(rows), 6_000, where=_FILE) if rows else ""


def _flaky(report: GateReport) -> str:
    if report.looks < 2:
        return ""
    half, tenth = (f"{detected_with(report.looks, rate):.0%}" for rate in (0.5, 0.1))
    return (
        f"Tests that fail here and not at the base ran {report.looks} times at both. That tells a "
        f"test that fails half of the time as flaky with a probability of {half}, one that fails "
        f"once in ten with {tenth}."
    )


def _outputs(report: GateReport) -> str:
    shown = [
        f"{inline(name, 60)}\n\n{block(text[-_OUTPUT:], _OUTPUT)}"
        for name, text in report.outputs.items()
        if text.strip() and name in report.verdict.unseen
    ]
    return details("What was printed", "\n\n".join(shown)) if shown else ""


# --- a terminal -----------------------------------------------------------------------------------

_LINES, _BEFORE, _DOUBTED = 50, 5, 20
"""What is new, what was there before and may be, and what to look at."""
_WIDTH = 70


def gate_lines(report: GateReport) -> Iterator[str]:
    """Plain text, aligned; each line harmless to a terminal and to a runner's log."""
    verdict = report.verdict
    causes = _causes(verdict.items)
    before = [at for at, (j, _) in enumerate(causes) if j.age is Age.OLD and not j.blocks]
    hidden = {*before[_BEFORE:]}
    told = [cause for at, cause in enumerate(causes) if at not in hidden][:_LINES]
    rows = [
        (f"{report.named(j.age)}{'' if j.blocks else ' (ok)'}", *_cells(j, tools))
        for j, tools in told
    ]
    yield from (clipped(text, 400) for text in aligned(rows))
    if (more := len(causes) - len(told)) > 0:
        yield f"and {more} more in {_FILE}"
    for text in (
        *verdict.missed,
        *verdict.gone,
        *(f"look at {d}" for d in report.doubts[:_DOUBTED]),
    ):
        yield clipped(text, 400)
    # Where a target tells of something, that is why it came no further.
    told_of = {judged.target for judged in verdict.items}
    unseen = [name for name in verdict.unseen if name in report.commands and name not in told_of]
    if unseen and verdict.ruling is Ruling.INCOMPLETE:
        yield clipped(unseen_cure(unseen), 400)
    if report.looks > 1:
        yield _flaky(report)
    yield last_line("gate", verdict, report.commit, report.base)


def _causes(items: Iterable[Judged[Failure]]) -> list[tuple[Judged[Failure], tuple[str, ...]]]:
    """What one line stands for, as long as the gate says the same of it."""
    return shown_once(items, lambda j: j.item, lambda j: (j.age, j.blocks, j.note))


def _cells(judged: Judged[Failure], tools: Sequence[str]) -> tuple[str, ...]:
    failure = judged.item
    at = f"{failure.path}:{failure.line}" if failure.line else failure.path
    return (
        str(failure.category),
        clipped(shortened(at, 60) or "-", 60),
        clipped(headline(judged, _WIDTH), _WIDTH) + clipped(also(tools), 60),
    )
