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


class Way(enum.Enum):
    """What a run does about a branch."""

    FRESH = enum.auto()
    """Starts from our commit; the first push creates the branch or moves it forward."""
    CONTINUE = enum.auto()
    """Starts from the branch's newest commit, whoever made it."""
    MERGE = enum.auto()
    """Brings the base into the branch by a merge commit, then continues."""
    ASIDE = enum.auto()
    """Leaves the branch alone: the next name is tried."""


def way(relation: Relation, pull: PullState | None) -> Way:
    """One answer for each case; `pull`: the newest pull request from the branch."""
    if pull is PullState.CLOSED:
        return Way.ASIDE  # a person said no to these commits
    if relation in (Relation.ABSENT, Relation.CONTAINED):
        return Way.FRESH
    if pull is PullState.MERGED:
        return Way.ASIDE  # squashed or rebased: its commits are in the base under other names
    return Way.CONTINUE if relation is Relation.AHEAD else Way.MERGE


def names(branch: str, limit: int = 50) -> Iterator[str]:
    """`branch`, then `branch-2`, `branch-3`, ..."""
    yield branch
    for number in range(2, limit + 1):
        yield f"{branch}-{number}"
