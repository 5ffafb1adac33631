"""Sees each pytest test of a command through a plugin of ours.

Whether a candidate's run can be believed is decided elsewhere (knowledge.py, lost_tests.py).
The plugin's file and the file that it writes to lie beside the measure tree and are made anew for
each command; the latter is read through our own descriptor, so deleting or replacing it tells us
nothing better. What is cut short is noticed. Not promised: the plugin runs in the process that it
reports on, so code of that process that aims at it can have it say anything.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from autoresearch_ci.decide.failures.lost_tests import SuiteResult, worst
from autoresearch_ci.execution.command import CommandResult
from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.snapshot import remove

LOG_LIMIT = 64 * 2**20
"""Bytes that the tests of one command may write: some 500,000 of them."""
PLUGIN = "pytest_case_outcomes"
_LOG = ".outcomes"


@dataclass
class WatchedSuite:
    """One command under observation."""

    environment: Mapping[str, str]
    """What the command must be given."""
    suite: SuiteResult | None = None
    """Once it has ended; `None` when pytest did not run."""


class SuiteObserver:
    """Lays the plugin out for a command, and reads what it wrote; remembers nothing."""

    def __init__(self, *, folder: Path, temporary: Path) -> None:
        """`folder`: for the plugin. `temporary`: the command's TMPDIR."""
        self._folder = folder
        self._temporary = temporary

    @contextlib.contextmanager
    def watch(
        self, environment: Mapping[str, str], seen: Path, longest: float = 0.0
    ) -> Iterator[WatchedSuite]:
        """While the block runs a command in the environment that it is given.

        `seen`: where we find its TMPDIR. `longest`: seconds after which a test is stopped, and has
        failed; 0: never.
        """
        # Always the same name: a command that looks around must find what it found before.
        facts = {"_scribe_to": str(self._temporary / _LOG), "_longest": longest}
        with laid_out(PLUGIN, facts, folder=self._folder, log=seen / _LOG) as content:
            watch = WatchedSuite(with_plugin(environment, self._folder, PLUGIN))
            yield watch
            watch.suite = parse_log(content(LOG_LIMIT + 1))  # with more it lacks its end


@contextlib.contextmanager
def laid_out(
    plugin: str, facts: Mapping[str, object], *, folder: Path, log: Path
) -> Iterator[Callable[[int], bytes]]:
    """The plugin as we ship it, without what an earlier command may have left beside it, and an
    empty file that it may write to; what reads so many bytes of that.

    What the plugin must know stands in it, and not in a variable that others would see, too.
    """
    remove(folder)
    folder.mkdir()
    target = folder / f"{plugin}.py"
    told = "\n".join(f"{name} = {value!r}" for name, value in facts.items())
    target.write_text(f"{_shipped(plugin)}\n\n{told}\n")
    target.chmod(0o444)
    beneath.remove(log.parent, log.name)
    file = os.open(log, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def content(limit: int) -> bytes:
        with os.fdopen(os.dup(file), "rb") as stream:
            stream.seek(0)
            return stream.read(limit)

    try:
        os.fchmod(file, 0o622)  # the command may run as another user
        yield content
    finally:
        os.close(file)
        with contextlib.suppress(OSError):
            log.unlink()


@functools.cache
def _shipped(plugin: str) -> str:
    source = resources.files("autoresearch_ci.measure.pytest_plugin") / f"{plugin}.py"
    return source.read_text()


def hides_plugin(result: CommandResult) -> bool:
    """Whether a command failed because it hides our plugin from Python."""
    return bool(result.exit_code) and f'importing plugin "{PLUGIN}"' in result.output


def with_plugin(environment: Mapping[str, str], folder: Path, plugin: str) -> dict[str, str]:
    """The user's own values stay, after ours."""
    options, search = environment.get("PYTEST_ADDOPTS"), environment.get("PYTHONPATH")
    return {
        **environment,
        "PYTEST_ADDOPTS": f"-p {plugin} {options}" if options else f"-p {plugin}",
        "PYTHONPATH": f"{folder}{os.pathsep}{search}" if search else str(folder),
    }


def parse_log(log: bytes) -> SuiteResult | None:
    """What the plugin wrote; `None` when no session of pytest began.

    Each line is JSON with the session's name; the last one of a session has the number of its
    results. Of several results of a test the last counts within a session, and the worst among
    sessions.
    """
    sessions: dict[str, _Session] = {}
    broken = 0
    for line in log[:LOG_LIMIT].splitlines(keepends=True):
        try:
            entry = json.loads(line)
            session = sessions.setdefault(entry["session"], _Session())
            session.add(entry)
        except (ValueError, KeyError, TypeError):
            broken = 1
    if not sessions:
        return None
    found: dict[str, str] = {}
    for session in sessions.values():
        for test, outcome in session.of.items():
            found[test] = worst(found.get(test), outcome)
    unfinished = sum(not session.whole for session in sessions.values())
    return SuiteResult(
        of=found,
        reran=frozenset().union(*(session.reran for session in sessions.values())),
        imported={name: path for s in sessions.values() for name, path in s.imported.items()},
        sessions=len(sessions),
        unfinished=max(unfinished, broken),
    )


class _Session:
    """Reads the lines of one session."""

    def __init__(self) -> None:
        self.whole = False
        self.of: dict[str, str] = {}
        self.reran: set[str] = set()
        self.imported: dict[str, str] = {}
        self._count = 0

    def add(self, entry: Mapping[str, Any]) -> None:
        self.whole = entry.get("end") == self._count
        told = entry.get("imported")
        if isinstance(told, dict):
            self.imported |= {_text(name): _text(path) for name, path in told.items()}
        if "test" not in entry:
            return
        self._count += 1
        test = _text(entry["test"])
        if test in self.of:
            self.reran.add(test)
        self.of[test] = _text(entry["outcome"])


def _text(value: object) -> str:
    """Without lone surrogates, which JSON can say and no record can hold."""
    return str(value).encode(errors="backslashreplace").decode()
