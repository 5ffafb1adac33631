"""Our part of a pull request's body: what stands between two hidden markers; the rest is people's.

CORE: text in, text out.
"""

from __future__ import annotations

import hashlib
import re

LIMIT = 65_536
"""Characters that GitHub accepts in a body."""
_END = "<!-- autoresearch-ci:end -->"
_BEGIN = "<!-- autoresearch-ci:begin {key} -->"
_GOAL = "<!-- autoresearch-ci:goal {goal} -->"
_SUPERSEDED = "<!-- autoresearch-ci:superseded -->"


def begin(branch: str) -> str:
    """The marker that finds the pull request of `branch` again."""
    # A digest: a branch name may hold what ends a comment.
    return _BEGIN.format(key=hashlib.sha256(branch.encode()).hexdigest()[:20])


def is_marked(body: str, branch: str) -> bool:
    """Whether `body` has a part of ours."""
    return begin(branch) in body


def is_for(body: str, branch: str, goal: str) -> bool:
    """Whether our part says that it is for that goal."""
    _, _, ours = body.partition(begin(branch))
    return _GOAL.format(goal=goal) in ours.partition(_END)[0]


def room_for_report(body: str, branch: str) -> int:
    """Characters that are left for us beside people's words."""
    before, after = _theirs(body, branch)
    ours = len(begin(branch)) + len(_GOAL) + 64 + len(_END) + 8
    return LIMIT - 1 - len(before) - len(after) - ours


def merged(body: str, ours: str, branch: str, goal: str = "") -> str:
    """`body` with our part replaced, or added at the end; every other character stays.

    `goal`: its mark, of at most 64 characters; empty: it is not said.
    """
    before, after = _theirs(body, branch)
    if not is_marked(body, branch) and before:
        before = before.rstrip() + "\n\n"
    mark = f"{_GOAL.format(goal=goal)}\n" if goal else ""
    return f"{before}{begin(branch)}\n{mark}{harmless(ours).strip()}\n{_END}{after}"


def superseded(body: str, branch: str) -> str:
    """`body` with our part marked: it was us who closed this one. It is gone with a new report."""
    before, found, after = body.partition(_END)
    if not found or is_superseded(body, branch):
        return body
    marked = f"{before}{_SUPERSEDED}\n{_END}{after}"
    return (
        marked
        if len(marked) <= LIMIT
        else merged(body, "", branch).replace(_END, f"{_SUPERSEDED}\n{_END}", 1)
    )


def is_superseded(body: str, branch: str) -> bool:
    """Whether our part says that we closed it."""
    _, _, ours = body.partition(begin(branch))
    return _SUPERSEDED in ours.partition(_END)[0]


def harmless(text: str) -> str:
    """`text` without anything that could be taken for a marker."""
    return re.sub(r"<!-- *autoresearch-ci:", "<!-- ", text)


def _theirs(body: str, branch: str) -> tuple[str, str]:
    marker = begin(branch)
    before, found, rest = body.partition(marker)
    if not found:
        return body, ""
    _, found, after = rest.partition(_END)
    # A person deleted the second marker: what follows the first cannot be told apart from ours.
    return before, after if found else ""
