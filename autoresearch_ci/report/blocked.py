"""blocked.md: what was not repaired, what was tried at it, and what came of each attempt.

CORE: values in, Markdown out. It is for the person who goes on where the program gave up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from autoresearch_ci.decide.aims import Left, in_vain, tried_at
from autoresearch_ci.decide.failures import Failure
from autoresearch_ci.experiment import Experiment
from autoresearch_ci.report.repairs import cells, is_blocked, others, why
from autoresearch_ci.report.summary_page import commit_link, table
from autoresearch_ci.safety.markdown_text import block, inline

BLOCKED_ROOM = 400_000
"""Characters of the page."""
_LEFT_OUT = "The rest is left out, as the page would be too long; `results.tsv` has every attempt."
_ATTEMPTS_ROOM = 8_000
_MESSAGE = 2_000


def blocked_markdown(
    left: Left, experiments: Sequence[Experiment], room: int = BLOCKED_ROOM
) -> str:
    """The page; empty when there is nothing to put on it."""
    parts = itertools.chain(_blocked(left, experiments), _others(left, experiments), _open(left))
    kept: list[str] = []
    room -= len(_LEFT_OUT) + 3
    for part in parts:
        room -= len(part) + 2
        if room < 0:
            kept.append(_LEFT_OUT)
            break
        kept.append(part)
    return "\n\n".join(kept) + "\n" if kept else ""


def _blocked(left: Left, experiments: Sequence[Experiment]) -> Iterator[str]:
    blocked = [failure for failure in left.failures if is_blocked(left, failure)]
    if not blocked:
        return
    yield f"# Blocked ({len(blocked)})"
    yield (
        "Each of these was tried as often as `fix.attempts` allows and is still there. What was "
        "tried is told so that nobody has to try it again."
    )
    for failure in blocked:
        yield _failure(failure, experiments)


def _failure(failure: Failure, experiments: Sequence[Experiment]) -> str:
    where, what = cells(failure)
    tried = in_vain(tried_at(failure, experiments))
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


def _others(left: Left, experiments: Sequence[Experiment]) -> Iterator[str]:
    failures = others(left)
    if not failures:
        return
    yield f"# Not ours to repair ({len(failures)})"
    yield "No edit of this repository mends these, as far as what was printed shows."
    for failure in failures:
        where, what = cells(failure)
        cause, evidence = why(failure, left, experiments)
        told = f": {inline(evidence, 400)}" if evidence else ""
        yield f"- {where}: {what}\n  **{inline(cause, 40)}**{told}"


def _open(left: Left) -> Iterator[str]:
    if left.waiting:
        yield f"# Not tried to the end ({len(left.waiting)})"
        yield from ("- {}: {}".format(*cells(failure)) for failure in left.waiting)
