"""The lines of a file, and where those that a change left as they were stood before; pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

MOST_COMPARED = 2_000
"""Between the first and the last changed one; of more, all count as changed."""
_ENDS = re.compile(r"\r\n|\n|\r")
_DISPUTED = re.compile("\r(?!\n)|[\x85\u2028\u2029]")


def lines_of(content: str) -> list[str]:
    """As compilers and scanners count them: a form feed ends none, as `str.splitlines` has it."""
    lines = _ENDS.split(content)
    return lines if lines[-1] else lines[:-1]


def is_disputed(content: str) -> bool:
    """Whether something ends a line for some tools and not for others: then a number that one of
    them tells may be that of another line."""
    return _DISPUTED.search(content) is not None


def alike_at_the_ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many lines two files share at the beginning, and behind that at the end: most of a file
    is as it was, and comparing that takes longest."""
    most = min(len(old), len(new))
    first = next((n for n in range(most) if old[n] != new[n]), most)
    left = most - first
    return first, next((n for n in range(left) if old[-1 - n] != new[-1 - n]), left)


def unchanged_lines(before: str, after: str) -> Mapping[int, int]:
    """Line of `after` to the line of `before` that it is, both 1-based.

    None where a line is not the same to all tools, but for a file that is as it was.
    """
    if before != after and (is_disputed(before) or is_disputed(after)):
        return {}
    old, new = lines_of(before), lines_of(after)
    first, last = alike_at_the_ends(old, new)
    found = {n + 1: n + 1 for n in range(first)}
    shift = len(old) - len(new)
    found.update((n + 1, n + 1 + shift) for n in range(len(new) - last, len(new)))
    old_part, new_part = old[first : len(old) - last], new[first : len(new) - last]
    if max(len(old_part), len(new_part)) > MOST_COMPARED:
        return found
    matcher = difflib.SequenceMatcher(None, old_part, new_part, autojunk=False)
    for was, now, size in matcher.get_matching_blocks():
        found.update((first + now + n + 1, first + was + n + 1) for n in range(size))
    return found
