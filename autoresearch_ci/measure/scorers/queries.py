"""What SQL costs in SQLite: instructions of its virtual machine, the same on every machine.

`seconds` is told besides, for people; it is as noisy as any clock.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_STEP = 10
"""Instructions between two looks at the counter: the count is exact to that many a statement."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of all statements together."""

    vm_steps: int
    seconds: float
    rows: int


def cost(prepare: Sequence[str], queries: str, database: str = ":memory:") -> Cost:
    """Runs the scripts `prepare` first, then `queries`, whose statements are counted.

    Raises `sqlite3.Error`.
    """
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += _STEP
        return 0

    connection = sqlite3.connect(database, isolation_level=None)
    try:
        for script in prepare:
            connection.executescript(script)
        connection.set_progress_handler(count, _STEP)
        began = time.perf_counter()
        rows = sum(len(connection.execute(each).fetchall()) for each in _statements(queries))
        return Cost(vm_steps=steps, seconds=time.perf_counter() - began, rows=rows)
    finally:
        connection.close()


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
