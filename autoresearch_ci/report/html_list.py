"""A table of what is broken or insecure, as report.html shows it: to be searched, chosen, sorted.

CORE: values in, values out; the template escapes them, page/list.js moves rows and reads text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.report.html_table import bounded, html_size, visible_lines

_ROW = 400
"""Bytes of a row's elements, more or less."""
_OPTION = 30
"""And of a word to choose by, which stands there twice."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One of the table's."""

    name: str
    choice: bool = False
    """Whether rows may be chosen by what stands in it: a word out of few."""


def columns(names: str, choices: str) -> tuple[Column, ...]:
    """By their names, one word each; `choices`: those by which rows may be chosen."""
    return tuple(Column(name=name, choice=name in choices.split()) for name in names.split())


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What stands in one column."""

    text: str
    order: int | None = None
    """What it is sorted by; `None`: its text."""
    link: str = ""
    """An address, or `#id` within the page; the caller vouches for it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that is broken or insecure."""

    cells: Sequence[Cell]
    """The last is what is told in a line; the row opens there."""
    words: Sequence[tuple[str, str]] = ()
    """Label and text, inside."""
    quotes: Sequence[tuple[str, str]] = ()
    """Label and lines of a file, or what a tool printed, inside."""
    kind: str = ""
    """For its colour: `bad`, `doubtful`, `good`, or empty."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The whole table."""

    name: str
    """Its id in the page."""
    title: str
    search: str
    """What one may look for."""
    columns: Sequence[Column]
    rows: Sequence[Row]
    missing: str = ""
    """What is not among the rows, and where it is."""

    def choices(self) -> Iterator[tuple[int, str, list[str]]]:
        """Number and name of a column, and the words that stand in it, in the order of sorting."""
        for at, column in enumerate(self.columns):
            if column.choice:
                cells = {row.cells[at].text: row.cells[at] for row in self.rows}
                ordered = sorted(cells.values(), key=lambda c: (c.order or 0, c.text))
                yield at, column.name, [cell.text for cell in ordered if cell.text]


def fitted(listing: Listing, room: int, where: str) -> Listing:
    """With as many rows, from the first, as fit in `room` bytes; `where`: the file with the rest.

    Each thing that is said is cut at the same size, which is smaller where there are many rows.
    """
    limit = max(200, min(4_000, room // max(1, len(listing.rows)) // 3))
    rows: list[Row] = []
    offered: set[tuple[int, str]] = set()
    for row in listing.rows:
        cut = _cut(row, limit)
        new = {(n, c.text) for n, c in enumerate(cut.cells) if listing.columns[n].choice} - offered
        offered |= new
        room -= _ROW + sum(html_size(text) for text in _texts(cut))
        room -= sum(_OPTION + 2 * html_size(text) for _, text in new)
        if room < 0:
            break
        rows.append(cut)
    left = len(listing.rows) - len(rows)
    if not left:
        return replace(listing, rows=rows)
    told = f"{left:,} more are in {where}."
    return replace(listing, rows=rows, missing=f"{listing.missing} {told}".strip())


def _cut(row: Row, limit: int) -> Row:
    return replace(
        row,
        cells=[replace(cell, text=bounded(cell.text, 300)) for cell in row.cells],
        words=[(label, bounded(text, limit)) for label, text in row.words if text],
        quotes=[(label, bounded(visible_lines(text), limit)) for label, text in row.quotes if text],
    )


def _texts(row: Row) -> Iterator[str]:
    for cell in row.cells:
        yield cell.text
        yield cell.link
    for label, text in (*row.words, *row.quotes):
        yield label
        yield text
