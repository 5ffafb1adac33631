"""What a run of repairs leaves, in Markdown: what is still broken, and what is not ours to repair.

CORE: the journal and what is left in, text out, for the summary and for a pull request. What is
said of tests and tools is made harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autoresearch_ci.decide.aims import (
    BLOCKED,
    Left,
    in_vain,
    is_nothing_to_do,
    tried_at,
)
from autoresearch_ci.decide.failures import Failure
from autoresearch_ci.experiment import Experiment
from autoresearch_ci.report.summary_page import table
from autoresearch_ci.safety.markdown_text import inline

REPAIRS_ROOM = 26_000
"""Characters of the three tables together."""
BLOCKED_FILE = "blocked.md"
"""In the run's folder; has what the tables leave out."""


def is_blocked(left: Left, failure: Failure) -> bool:
    """Whether it was tried as often as anybody may."""
    return left.aside.get(failure.id, "").startswith(BLOCKED)


def others(left: Left) -> list[Failure]:
    """What is set aside for another reason than that it was tried too often."""
    return [f for f in left.failures if f.id in left.aside and not is_blocked(left, f)]


def still_broken(left: Left, experiments: Sequence[Experiment], room: int = REPAIRS_ROOM) -> str:
    """What a repair could still mend, and how often that was tried; what is blocked comes last."""
    blocked = [failure for failure in left.failures if is_blocked(left, failure)]
    failures = [*left.waiting, *blocked]

    def rows() -> Iterator[tuple[str, ...]]:
        for at, failure in enumerate(failures):
            tried = len(in_vain(tried_at(failure, experiments)))
            told = f"{tried}, blocked" if at >= len(left.waiting) else str(tried)
            yield (str(failure.category), *cells(failure), told)

    header = ("kind", "where", "what", "tried")
    return _titled("Left", header, rows(), len(failures), room)


def not_ours(left: Left, experiments: Sequence[Experiment], room: int = REPAIRS_ROOM) -> str:
    """What no edit mends, with the evidence; what only a proposer says is marked as such."""
    failures = others(left)
    rows = (
        (*cells(failure), *(inline(text, 220) for text in why(failure, left, experiments)))
        for failure in failures
    )
    header = ("where", "what", "cause", "evidence")
    return _titled("Not ours to repair", header, rows, len(failures), room)


def why(failure: Failure, left: Left, experiments: Sequence[Experiment]) -> tuple[str, str]:
    """The cause of a failure that is set aside and the evidence for it, as they are."""
    reason = left.aside.get(failure.id, "")
    cause, _, evidence = (part.strip() for part in reason.partition(":"))
    if not is_nothing_to_do(reason):
        return cause, evidence
    tried = tried_at(failure, experiments)
    who = tried[-1].proposer if tried else "a proposer"
    return cause.lower(), f"{who} says so, and nobody has checked it: {evidence}"


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
    listed = table(header, "l" * len(header), rows, total, room, where=BLOCKED_FILE)
    return f"### {title} ({total})\n\n{listed}"
