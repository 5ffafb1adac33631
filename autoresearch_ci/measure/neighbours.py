"""Runs tests of a command at inputs near their own, through a plugin, and reads what was answered.

What the answers of two states of the code mean is decide/failures/shortcuts/neighbours.py's
business. The plugin is laid out as suite_observer.py does it. Where pytest does not run, or in
workers only, there is nothing to see. Not promised: the code that is asked runs in the process that
writes, and can have it write anything; so what is seen may refuse a repair, and never vouches for
one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoresearch_ci.decide.failures.shortcuts.neighbours import Input, NearRun, NearRuns
from autoresearch_ci.measure.suite_observer import laid_out, with_plugin

PLUGIN = "pytest_neighbours"
LOG_LIMIT = 16 * 2**20
"""Bytes that are read of what the tests of one command write."""
_LOG = ".neighbours"


@dataclass
class WatchedNeighbours:
    """One command under observation."""

    environment: Mapping[str, str]
    """What the command must be given."""
    tests: Mapping[str, NearRuns] = field(default_factory=dict)
    """Once it has ended: by test, its runs; empty: nothing was seen."""


class NeighbourObserver:
    """Lays the plugin out for a command, and reads what it wrote; remembers nothing."""

    def __init__(self, *, folder: Path, temporary: Path) -> None:
        """`folder`: for the plugin. `temporary`: the command's TMPDIR."""
        self._folder = folder
        self._temporary = temporary

    @contextlib.contextmanager
    def watch(
        self, environment: Mapping[str, str], seen: Path, tests: Collection[str], seed: int
    ) -> Iterator[WatchedNeighbours]:
        """While the block runs a command in the environment that it is given.

        `seen`: where we find its TMPDIR. `tests`: as JUnit's reports call them. `seed`: of the
        inputs that are drawn; the same one draws the same.
        """
        facts = {
            "_write_to": str(self._temporary / _LOG),
            "_wanted": tuple(tests),
            "_seed": seed,
        }
        with laid_out(PLUGIN, facts, folder=self._folder, log=seen / _LOG) as content:
            steady = {"PYTHONHASHSEED": "0", **environment}
            watch = WatchedNeighbours(with_plugin(steady, self._folder, PLUGIN))
            yield watch
            watch.tests = parse_runs(content(LOG_LIMIT))


def parse_runs(log: bytes) -> dict[str, dict[str, NearRun]]:
    """One JSON object a line: `test`, `variant`, `sites`, `answers`, `inputs`.

    The writer is measured code: what is not of that form is left out.
    """
    tests: dict[str, dict[str, NearRun]] = {}
    for line in log.splitlines():
        try:
            entry = json.loads(line)
            run = NearRun(
                places=frozenset(map(str, entry["sites"])),
                answers={str(p): tuple(map(str, told)) for p, told in entry["answers"].items()},
                inputs=tuple(
                    (_input(value), frozenset(map(str, places)))
                    for value, places in entry["inputs"]
                ),
            )
            tests.setdefault(str(entry["test"]), {})[str(entry["variant"])] = run
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return tests


def _input(value: Any) -> Input:
    if isinstance(value, int | float | str):
        return value
    raise TypeError
