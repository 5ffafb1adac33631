"""Where a run begins, given what became of the branch and the pull request of the last one.

CORE: decides; resolve_start.py looks and acts.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from autoresearch_ci.publish.forge.forge import PullState


class Relation(enum.Enum):
    """The remote's branch, seen from the commit we were started on."""

    ABSENT = enum.auto()
    CONTAINED = enum.auto()
    """Nothing on it that we do not have: it was merged, or the base moved past it."""
    AHEAD = enum.auto()
    """Commits on top of ours: an earlier run's, or people's."""
    DIVERGED = enum.auto()
    """Both have commits of their own."""


class BranchUse(enum.Enum):
    """What a run does with a branch of the forge."""

    FRESH = enum.auto()
    """Starts from our commit; the first push creates the branch or moves it forward."""
    CONTINUE = enum.auto()
    """Starts from the branch's newest commit, whoever made it."""
    MERGE = enum.auto()
    """Brings the base into the branch by a merge commit, then continues."""
    LEAVE = enum.auto()
    """Leaves the branch alone: the next name is tried."""


def branch_use(
    relation: Relation, pull: PullState | None, *, may_continue: bool = True
) -> BranchUse:
    """One answer for each case; `pull`: the newest pull request from the branch.

    `may_continue`: not a run that has ended, and goes where its own commits go.
    """
    if pull in (PullState.CLOSED, PullState.SUPERSEDED):
        return BranchUse.LEAVE  # a person said no to these commits, or others took their place
    if relation in (Relation.ABSENT, Relation.CONTAINED):
        return BranchUse.FRESH
    if pull is PullState.MERGED:
        return BranchUse.LEAVE  # squashed or rebased: they are in the base under other names
    if not may_continue:
        return BranchUse.LEAVE
    return BranchUse.CONTINUE if relation is Relation.AHEAD else BranchUse.MERGE


def numbered(name: str, limit: int = 50) -> Iterator[str]:
    """`name`, then `name-2`, `name-3`, ...: further names while earlier ones are taken."""
    yield name
    for number in range(2, limit + 1):
        yield f"{name}-{number}"
