"""Sees which lines of the repository each pytest test of a command executes, through a plugin.

Where another tool traces (coverage with Python below 3.12), or the tests run in workers, there is
nothing to see: then nothing is said. What the lines mean is decide/failures/changed_lines.py's
business. The plugin is laid out as suite_observer.py does it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoresearch_ci.decide.failures.changed_lines import LinesOfTest
from autoresearch_ci.measure.suite_observer import laid_out, with_plugin

PLUGIN = "pytest_executed_lines"
LOG_LIMIT = 32 * 2**20
"""Bytes that are read of what the tests of one command write."""
_LINES_LIMIT = 50_000
"""Of one file, in one test."""
_LOG = ".lines"


@dataclass
class WatchedLines:
    """One command under observation."""

    environment: Mapping[str, str]
    """What the command must be given."""
    tests: tuple[LinesOfTest, ...] = ()
    """Once it has ended; empty: nothing was seen. What is executed on import counts for each."""


class LineObserver:
    """Lays the plugin out for a command, and reads what it wrote; remembers nothing."""

    def __init__(self, *, folder: Path, temporary: Path, tree: Path) -> None:
        """`folder`: for the plugin. `temporary`: the command's TMPDIR."""
        self._folder = folder
        self._temporary = temporary
        self._tree = tree

    @contextlib.contextmanager
    def watch(self, environment: Mapping[str, str], seen: Path) -> Iterator[WatchedLines]:
        """While the block runs a command in the environment that it is given.

        `seen`: where we find its TMPDIR.
        """
        facts = {"_write_to": (str(self._temporary / _LOG), str(self._tree))}
        with laid_out(PLUGIN, facts, folder=self._folder, log=seen / _LOG) as content:
            watch = WatchedLines(with_plugin(environment, self._folder, PLUGIN))
            yield watch
            watch.tests = parse_lines(content(LOG_LIMIT))


def parse_lines(log: bytes) -> tuple[LinesOfTest, ...]:
    """One JSON object a line: `test`, `failed`, `lines`; those without a test are of imports.

    The writer is measured code: what is not of that form is left out.
    """
    tests: list[tuple[bool, Mapping[str, frozenset[int]]]] = []
    imported: dict[str, set[int]] = {}
    for line in log.splitlines():
        try:
            entry = json.loads(line)
            lines = _lines(entry["lines"])
            if entry["test"]:
                tests.append((entry.get("failed") is True, lines))
                continue
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        for path, numbers in lines.items():
            imported.setdefault(path, set()).update(numbers)
    return tuple(
        LinesOfTest(failed=failed, lines=_united(imported, lines)) for failed, lines in tests
    )


def _lines(told: Any) -> dict[str, frozenset[int]]:
    return {
        str(path): frozenset(n for n in numbers[:_LINES_LIMIT] if type(n) is int)
        for path, numbers in told.items()
    }


def _united(
    imported: Mapping[str, set[int]], lines: Mapping[str, frozenset[int]]
) -> dict[str, frozenset[int]]:
    paths = {*imported, *lines}
    return {p: frozenset(imported.get(p, set())) | lines.get(p, frozenset()) for p in paths}
