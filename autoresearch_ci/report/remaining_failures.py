"""What a run of repairs leaves, in Markdown: what is still broken, and what is not ours to repair.

CORE: the journal and what is left in, text out, for the summary and for a pull request. What is
said of tests and tools is made harmless. blocked.md is for the person who goes on where the program
gave up: what was tried, and what came of each attempt. Of weaknesses, what was seen before and
after; a line that holds a secret is never quoted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from autoresearch_ci.decide.failures.failure import Failure, mended_ids
from autoresearch_ci.decide.failures.repair_order import (
    BLOCKED,
    Left,
    in_vain,
    is_nothing_to_do,
    tried_at,
)
from autoresearch_ci.decide.security.as_failures import SECRETS
from autoresearch_ci.decide.security.weakness import Weakness
from autoresearch_ci.experiment import Experiment, Status
from autoresearch_ci.report.summary_page import commit_link, table
from autoresearch_ci.safety.markdown_text import block, inline

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


def still_broken(left: Left, experiments: Sequence[Experiment]) -> str:
    """What a repair could still mend, and how often that was tried; what is blocked comes last."""
    blocked = [failure for failure in left.failures if is_blocked(left, failure)]
    failures = [*left.waiting, *blocked]

    def rows() -> Iterator[tuple[str, ...]]:
        for at, failure in enumerate(failures):
            tried = len(in_vain(tried_at(failure, experiments)))
            told = f"{tried}, blocked" if at >= len(left.waiting) else str(tried)
            yield (str(failure.category), *cells(failure), told)

    header = ("kind", "where", "what", "tried")
    return _titled("Left", header, rows(), len(failures))


def not_ours(left: Left, experiments: Sequence[Experiment]) -> str:
    """What no edit mends, with the evidence; what only a proposer says is marked as such."""
    failures = others(left)
    rows = (
        (*cells(failure), *(inline(text, 220) for text in why(failure, left, experiments)))
        for failure in failures
    )
    header = ("where", "what", "cause", "evidence")
    return _titled("Not ours to repair", header, rows, len(failures))


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


def _titled(title: str, header: Sequence[str], rows: Iterator[tuple[str, ...]], total: int) -> str:
    if not total:
        return ""
    listed = table(header, "l" * len(header), rows, total, REPAIRS_ROOM, where=BLOCKED_FILE)
    return f"### {title} ({total})\n\n{listed}"


# --- blocked.md -----------------------------------------------------------------------------------

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


# --- Weaknesses -----------------------------------------------------------------------------------

_ROOM = 20_000
"""Characters of all of it."""
_QUOTE = 800


def evidence_markdown(weaknesses: Mapping[str, Weakness], experiments: Sequence[Experiment]) -> str:
    """`weaknesses`: by the id that the journal has."""
    parts, room = ["### What was seen"], _ROOM
    left = 0
    for experiment in experiments:
        if experiment.status is not Status.KEEP:
            continue
        for name in mended_ids(experiment.failure)[0]:
            if name not in weaknesses:
                continue
            told = "\n\n".join(_of_one(weaknesses[name], experiment))
            room -= len(told)
            if room < 0:
                left += 1
            else:
                parts.append(told)
    if left:
        parts.append(f"{left} more: see the commits.")
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _of_one(weakness: Weakness, experiment: Experiment) -> Iterator[str]:
    place = f"{weakness.path}:{weakness.line}" if weakness.line else weakness.path
    kind = f" (CWE-{weakness.cwe})" if weakness.cwe else ""
    yield (
        f"**{inline(weakness.title, 160)}**{kind}, {weakness.severity}, at {inline(place, 160)}. "
        f"Before, {inline(weakness.rule, 80)} told of it in:"
    )
    quote = next((piece.text for piece in weakness.evidence if piece.text), "")
    if weakness.family == SECRETS:
        yield "a line that holds a secret, which is not quoted. It stays in the history: revoke it."
    elif quote:
        yield block(quote, _QUOTE)
    commit = inline(experiment.commit[:12], 20)
    sources = inline(", ".join(weakness.sources), 120)
    yield (
        f"After, in {commit}: asked again, {sources} does not tell of it any more. No scanner "
        "tells of anything new in any file, at any severity."
    )
