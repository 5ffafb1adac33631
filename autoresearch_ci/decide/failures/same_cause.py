"""One cause that several tools tell of, to be shown once.

CORE: failures in, groups out. Only what people read is grouped: sets that decide hold every failure
of every tool, as a repair has to satisfy each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from autoresearch_ci.decide.failures.failure import Category, Failure

Grouped = TypeVar("Grouped")

_QUOTED = re.compile(r"[`'\"‘“]([\w.$]{2,80})[`'\"’”]")
_LOOKING = frozenset({Category.BUILD, Category.CRITICAL, Category.TYPE, Category.LINT})
"""Kinds of failures that tools find by reading a line."""
_CAUSES_OF_A_LINE = 40
"""Held against a further one: a minified file has thousands on its only line."""


def shown_once(
    items: Iterable[Grouped],
    failure: Callable[[Grouped], Failure],
    apart: Callable[[Grouped], object] = lambda item: None,
) -> list[tuple[Grouped, tuple[str, ...]]]:
    """Each cause with the tools that tell of it besides the first, in the order given.

    `apart`: items for which it differs are never shown as one.
    """
    groups: dict[tuple[object, ...], list[list[Grouped]]] = {}
    found: list[list[Grouped]] = []
    for item in items:
        told = failure(item)
        # What is of no line, or no tool reads in it, is of a cause of its own.
        of_line = told.path and told.line and told.category in _LOOKING
        key = (told.path, told.line, apart(item)) if of_line else (id(item),)
        before = groups.setdefault(key, [])
        group = next((g for g in before if _joins(told, [*map(failure, g)])), None)
        if group is None:
            group = []
            found.append(group)
            if len(before) < _CAUSES_OF_A_LINE:
                before.append(group)
        group.append(item)
    return [(group[0], tuple(failure(item).tool for item in group[1:])) for group in found]


def _joins(failure: Failure, group: Sequence[Failure]) -> bool:
    first = group[0]
    if failure.tool in {other.tool for other in group}:
        return False
    if Category.BUILD in (first.category, failure.category):
        return first.category is failure.category
    named = {*_QUOTED.findall(first.message)} & {*_QUOTED.findall(failure.message)}
    return bool(named) or (first.category is failure.category is Category.TYPE)


def also(tools: Sequence[str]) -> str:
    """`, also seen by mypy and ruff`; empty without any."""
    if not tools:
        return ""
    *others, last = tools
    return f", also seen by {', '.join(others)}{' and ' if others else ''}{last}"
