"""blocked.md: what was not repaired, what was tried at it, and what came of each attempt.

CORE: values in, Markdown out. It is for the person who goes on where the program gave up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from autoresearch_ci.decide.causes import Verdict
from autoresearch_ci.decide.failures import Failure
from autoresearch_ci.decide.queue import Queue, attempts_at
from autoresearch_ci.experiment import Experiment
from autoresearch_ci.report.repairs import cells, why
from autoresearch_ci.report.summary_page import commit_link, table
from autoresearch_ci.safety.markdown_text import block, inline

BLOCKED_ROOM = 400_000
"""Characters of the page."""
_LEFT_OUT = "The rest is left out, as the page would be too long; `results.tsv` has every attempt."
_ATTEMPTS_ROOM = 8_000
_MESSAGE = 2_000


def blocked_markdown(
    left: Queue,
    experiments: Sequence[Experiment],
    verdicts: Mapping[str, Verdict],
    room: int = BLOCKED_ROOM,
) -> str:
    """The page; empty when there is nothing to put on it. `verdicts`: by the failure's id."""
    parts = itertools.chain(
        _blocked(left, experiments), _others(left, experiments, verdicts), _open(left)
    )
    kept: list[str] = []
    room -= len(_LEFT_OUT) + 3
    for part in parts:
        room -= len(part) + 2
        if room < 0:
            kept.append(_LEFT_OUT)
            break
        kept.append(part)
    return "\n\n".join(kept) + "\n" if kept else ""


def _blocked(left: Queue, experiments: Sequence[Experiment]) -> Iterator[str]:
    if not left.blocked:
        return
    yield f"# Blocked ({len(left.blocked)})"
    yield (
        "Each of these was tried as often as `fix.attempts` allows and is still there. What was "
        "tried is told so that nobody has to try it again."
    )
    for failure in left.blocked:
        yield _failure(failure, experiments)


def _failure(failure: Failure, experiments: Sequence[Experiment]) -> str:
    where, what = cells(failure)
    tried = attempts_at(failure.id, experiments)
    rows = (
        (
            str(row.iteration),
            commit_link(row.commit),
            inline(row.description, 200),
            inline(f"{row.status}: {row.reason}" if row.reason else row.status, 300),
        )
        for row in tried
    )
    attempts = table(
        ("#", "commit", "what was tried", "what came of it"),
        "rlll",
        rows,
        len(tried),
        _ATTEMPTS_ROOM,
    )
    return "\n\n".join(
        (
            f"## {where}: {what}",
            f"{failure.category}, told by {inline(failure.tool, 60)}; id {inline(failure.id, 300)}",
            block(failure.message, _MESSAGE),
            attempts,
        )
    )


def _others(
    left: Queue, experiments: Sequence[Experiment], verdicts: Mapping[str, Verdict]
) -> Iterator[str]:
    others = [*left.reported, *left.answered]
    if not others:
        return
    yield f"# Not ours to repair ({len(others)})"
    yield "No edit of this repository mends these, as far as what was printed shows."
    for failure in others:
        where, what = cells(failure)
        cause, evidence = why(failure, experiments, verdicts)
        yield f"- {where}: {what}\n  **{inline(cause, 40)}**: {inline(evidence, 400)}"


def _open(left: Queue) -> Iterator[str]:
    if left.open:
        yield f"# Not tried to the end ({len(left.open)})"
        yield from ("- {}: {}".format(*cells(failure)) for failure in left.open)
