"""What SQL costs in SQLite: instructions of its virtual machine, the same on every machine.

`seconds` is told besides, for people; it is as noisy as any clock.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

_STEP = 10
"""Instructions between two looks at the counter: the count is exact to that many a statement."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of all statements together."""

    vm_steps: int
    seconds: float
    rows: int
    answers: int
    """A checksum of all rows, in any order where none is asked for; as long as is shown."""


def cost(prepare: Sequence[str], queries: str, database: str = ":memory:") -> Cost:
    """Runs the scripts `prepare` first, then `queries`, whose statements are counted.

    Raises `sqlite3.Error`.
    """
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += _STEP
        return 0

    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for script in prepare:
            connection.executescript(script)
        connection.set_progress_handler(count, _STEP)
        began = time.perf_counter()
        found = [(each, connection.execute(each).fetchall()) for each in _statements(queries)]
        seconds = time.perf_counter() - began
    told = [
        ("as asked", *map(_told, rows)) if _is_ordered(each) else sorted(map(_told, rows))
        for each, rows in found
        if rows
    ]
    answers = int.from_bytes(hashlib.blake2b(repr(told).encode(), digest_size=4).digest())
    return Cost(
        vm_steps=steps, seconds=seconds, rows=sum(len(rows) for _, rows in found), answers=answers
    )


_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)


def _is_ordered(statement: str) -> bool:
    """By the statement itself, and not by one within it, such as a window's."""
    *_, tail = _ORDER.split(statement)
    return tail != statement and tail.count(")") <= tail.count("(")


def _told(row: Sequence[object]) -> str:
    """Sums of decimals in another order differ in their last digits."""
    return repr([f"{value:.9g}" if isinstance(value, float) else value for value in row])


def _statements(script: str) -> Iterator[str]:
    """One by one: of a script as a whole SQLite would throw the rows away unread."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending
