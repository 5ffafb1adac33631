"""When an investigation may end, what it looks at next, and what it has covered; pure.

Rows in, words out. Nothing here pays for volume: what counts is whether something new was learnt.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One finished iteration, as far as it matters here."""

    status: str
    cells: Mapping[str, str] = field(default_factory=dict)
    """Dimension -> the cell of the grid that it looked at."""
    proven: bool = False
    """Evidence stands in the record: only then does it cover its cells."""
    answers: bool = False
    """With it the question is answered."""


@dataclass(frozen=True, kw_only=True)
class InvestigationLimits:
    """What ends an investigation; each is checked before an iteration starts."""

    iterations: int
    news: frozenset[str]
    """Statuses that are something new."""
    warn_after: int = 5
    """Iterations without news after which that is said."""
    stop_after: int = 10
    """Iterations without news after which there is nothing left to find."""
    unusable_after: int = 3
    """Answers in a row that cannot be used at all."""
    seconds: float | None = None
    """Wall time of this invocation."""
    usd: float | None = None
    """Dollars, earlier invocations included."""
    tokens: int | None = None
    """Tokens, earlier invocations included."""


UNUSABLE = "unusable"
"""Status of an iteration in which no usable answer came."""
DUPLICATE = "duplicate"
"""Status of an iteration that said only what was said before."""


def stop_reason(
    limits: InvestigationLimits,
    looked: Sequence[Visit],
    *,
    seconds: float = 0.0,
    usd: float = 0.0,
    tokens: int = 0,
) -> str | None:
    """Why no further iteration may start, or `None`."""
    if any(one.answers for one in looked):
        return "answered: the cause is confirmed"
    if len(looked) >= limits.iterations:
        return f"all {limits.iterations} iterations done"
    if limits.seconds is not None and seconds >= limits.seconds:
        return time_used_up(limits)
    if limits.usd is not None and usd >= limits.usd:
        return f"the ${limits.usd:g} are used up"
    if limits.tokens is not None and tokens >= limits.tokens:
        return f"the {limits.tokens} tokens are used up"
    if _at_the_end(looked, lambda one: one.status == UNUSABLE) >= limits.unusable_after:
        return f"{limits.unusable_after} answers in a row were of no use"
    if without_news(limits, looked) >= limits.stop_after:
        return f"saturated: nothing new in {limits.stop_after} iterations"
    return None


def time_used_up(limits: InvestigationLimits) -> str:
    """Of a limit that there is."""
    return f"the {(limits.seconds or 0.0) / 60:g} minutes are used up"


def is_complete(reason: str) -> bool:
    """Whether nothing is left to be found, and not something used up or broken."""
    return reason.startswith(("answered", "saturated"))


def is_as_asked(reason: str) -> bool:
    """Whether it went as far as it was to go: no limit of money or time, and nothing broken."""
    return is_complete(reason) or bool(re.fullmatch(r"all \d+ iterations done", reason))


def without_news(limits: InvestigationLimits, looked: Sequence[Visit]) -> int:
    """Iterations at the end that brought nothing new."""
    return _at_the_end(looked, lambda one: one.status not in limits.news)


def warning(limits: InvestigationLimits, looked: Sequence[Visit]) -> str:
    """What to say after this iteration; empty: nothing."""
    idle = without_news(limits, looked)
    if idle and idle % limits.warn_after == 0:
        return f"{idle} iterations without anything new: look where nobody has looked yet"
    return ""


def _at_the_end(looked: Sequence[Visit], holds: Callable[[Visit], bool]) -> int:
    count = 0
    for one in reversed(looked):
        if not holds(one):
            break
        count += 1
    return count


# --- The grid -------------------------------------------------------------------------------------

Grid = Mapping[str, Sequence[str]]
"""Dimension -> its cells, the most promising first."""


def coverage(grid: Grid, looked: Sequence[Visit]) -> Mapping[str, Mapping[str, int]]:
    """How often each cell was looked at with evidence in the record."""
    counts = {dimension: Counter[str]() for dimension in grid}
    for one in looked:
        for dimension, cell in one.cells.items():
            if one.proven and dimension in counts:
                counts[dimension][cell] += 1
    return {d: {cell: counts[d][cell] for cell in cells} for d, cells in grid.items()}


def crossed(grid: Grid, looked: Sequence[Visit], dimensions: Sequence[str]) -> Mapping[str, int]:
    """How often each combination of cells of these dimensions was looked at with evidence."""
    counts = Counter(
        tuple(one.cells.get(dimension, "") for dimension in dimensions)
        for one in looked
        if one.proven
    )
    combinations = itertools.product(*(grid[dimension] for dimension in dimensions))
    return {" x ".join(cells): counts[cells] for cells in combinations}


def focus(grid: Grid, looked: Sequence[Visit], together: Sequence[str] = ()) -> Mapping[str, str]:
    """Of each dimension the cell that was tried least, the first of several.

    `together`: dimensions of which the combination counts; they take turns along the diagonals, so
    that each cell comes soon.
    """
    if together and all(grid.get(dimension) for dimension in together):
        rest = {name: cells for name, cells in grid.items() if name not in together}
        return {**_least_tried(grid, looked, together), **focus(rest, looked)}
    tried = {dimension: Counter[str]() for dimension in grid}
    for one in looked:
        for dimension, cell in one.cells.items():
            if dimension in tried:
                tried[dimension][cell] += 1
    return {
        dimension: min(cells, key=lambda cell: tried[dimension][cell])
        for dimension, cells in grid.items()
        if cells
    }


def _least_tried(
    grid: Grid, looked: Sequence[Visit], dimensions: Sequence[str]
) -> Mapping[str, str]:
    tried = Counter(
        tuple(one.cells.get(dimension, "") for dimension in dimensions) for one in looked
    )
    alone = [Counter(one.cells.get(dimension, "") for one in looked) for dimension in dimensions]

    def rank(cells: Iterable[str]) -> tuple[int, int]:
        told = tuple(cells)
        return tried[told], sum(alone[at][cell] for at, cell in enumerate(told))

    combinations = itertools.product(*(grid[dimension] for dimension in dimensions))
    return dict(zip(dimensions, min(combinations, key=rank), strict=True))
