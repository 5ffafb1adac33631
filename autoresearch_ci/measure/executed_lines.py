"""Sees which lines of the repository each pytest test of a command executes, through a plugin.

Where another tool traces (coverage with Python below 3.12), or the tests run in workers, there is
nothing to see: then nothing is said. What the lines mean is decide/failures/changed_lines.py's
business. The plugin is laid out as suite_observer.py does it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from autoresearch_ci.decide.failures.changed_lines import LinesOfTest
from autoresearch_ci.measure.suite_observer import with_plugin
from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.snapshot import remove

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
        path = seen / _LOG
        self._lay_out(str(self._temporary / _LOG))
        beneath.remove(seen, _LOG)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(file, 0o622)  # the command may run as another user
            watch = WatchedLines(with_plugin(environment, self._folder, PLUGIN))
            yield watch
            with os.fdopen(os.dup(file), "rb") as stream:
                stream.seek(0)
                watch.tests = parse_lines(stream.read(LOG_LIMIT))
        finally:
            os.close(file)
            with contextlib.suppress(OSError):
                path.unlink()

    def _lay_out(self, path: str) -> None:
        remove(self._folder)
        self._folder.mkdir()
        source = resources.files("autoresearch_ci.measure.pytest_plugin") / f"{PLUGIN}.py"
        target = self._folder / f"{PLUGIN}.py"
        where = (path, str(self._tree))
        target.write_text(f"{source.read_text()}\n\n_write_to = {where!r}\n")
        target.chmod(0o444)


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
