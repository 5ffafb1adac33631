"""What a run of repairs came to, in Markdown: repaired, left, not ours to repair.

CORE: journal, failures and verdicts in, text out, for the summary and for a pull request. What is
said of tests and tools is made harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from autoresearch_ci.decide.causes import Verdict
from autoresearch_ci.decide.failures import Failure
from autoresearch_ci.decide.queue import Queue, attempts_at, is_answer
from autoresearch_ci.experiment import NOTHING_TO_DO, Experiment, Status
from autoresearch_ci.report.summary_page import commit_link, table
from autoresearch_ci.safety.markdown_text import inline

REPAIRS_ROOM = 26_000
"""Characters of the three tables together."""
BLOCKED = "blocked.md"
"""The file in the run's folder that has what the tables leave out."""


def repairs(
    experiments: Sequence[Experiment],
    left: Queue,
    verdicts: Mapping[str, Verdict],
    room: int = REPAIRS_ROOM,
) -> str:
    """The three tables, those that would be empty left out; empty when all are.

    `verdicts`: by the failure's id, as `causes` gives them.
    """
    parts = (
        repaired(experiments, room // 2),
        still_broken(left, experiments, room // 4),
        not_ours(left, experiments, verdicts, room // 4),
    )
    return "\n\n".join(part for part in parts if part)


def repaired(experiments: Sequence[Experiment], room: int = REPAIRS_ROOM) -> str:
    """Each failure that was mended, with the commit that did it."""
    kept = [row for row in experiments if row.status is Status.KEEP and row.failure]
    rows = (
        (inline(row.failure, 120), commit_link(row.commit), inline(row.description)) for row in kept
    )
    return _titled("Repaired", ("failure", "commit", "change"), rows, len(kept), room)


def still_broken(left: Queue, experiments: Sequence[Experiment], room: int = REPAIRS_ROOM) -> str:
    """What a repair could still mend, and how often that was tried; what is blocked comes last."""
    failures = [*left.open, *left.blocked]
    blocked = {failure.id for failure in left.blocked}

    def rows() -> Iterator[tuple[str, ...]]:
        for failure in failures:
            tried = len(attempts_at(failure.id, experiments))
            told = f"{tried}, blocked" if failure.id in blocked else str(tried)
            yield (str(failure.category), *cells(failure), told)

    header = ("kind", "where", "what", "tried")
    return _titled("Left", header, rows(), len(failures), room)


def not_ours(
    left: Queue,
    experiments: Sequence[Experiment],
    verdicts: Mapping[str, Verdict],
    room: int = REPAIRS_ROOM,
) -> str:
    """What no edit mends, with the evidence; what only a proposer says is marked as such."""
    failures = [*left.reported, *left.answered]
    rows = (
        (*cells(failure), *(inline(text, 220) for text in why(failure, experiments, verdicts)))
        for failure in failures
    )
    header = ("where", "what", "cause", "evidence")
    return _titled("Not ours to repair", header, rows, len(failures), room)


def why(
    failure: Failure, experiments: Sequence[Experiment], verdicts: Mapping[str, Verdict]
) -> tuple[str, str]:
    """The cause of a failure and the evidence for it, as they are."""
    answers = [row for row in attempts_at(failure.id, experiments) if is_answer(row)]
    if answers:
        said = answers[-1].description.removeprefix(NOTHING_TO_DO)
        return "nothing to do", f"{answers[-1].proposer} says so, and nobody has checked it: {said}"
    found = verdicts.get(failure.id)
    return (str(found.cause), found.evidence) if found else ("unknown", "")


def cells(failure: Failure) -> tuple[str, str]:
    """Where a failure is, and what it is."""
    place = failure.path or failure.tool
    where = f"{place}:{failure.line}" if failure.path and failure.line else place
    told = f"{failure.code}: {failure.message}" if failure.code else failure.message
    return inline(where, 100), inline(told, 120)


def _titled(
    title: str, header: Sequence[str], rows: Iterator[tuple[str, ...]], total: int, room: int
) -> str:
    if not total:
        return ""
    where = "results.tsv" if title == "Repaired" else BLOCKED
    listed = table(header, "l" * len(header), rows, total, room, where=where)
    return f"### {title} ({total})\n\n{listed}"
