"""The run store's durable records: what a killed run needs to continue, and the lock on it.

Append-only lines, written with one call and flushed to the disk before the next step is taken:
intent -> money spent -> candidate -> decision. What a recovery does with them is the ledger's
business; what they may say, run_history.py's. Which tests must pass is in files beside them, since
50,000 tests are too many for a record.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter

from autoresearch_ci.decide.failures.lost_tests import Standard
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.experiment import Experiment
from autoresearch_ci.record.durable_files import append_line, replace_file
from autoresearch_ci.record.record_lines import DECIDED, line_of, read_line
from autoresearch_ci.record.run_history import DecisionRecord, History, Record
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable

_BYTES = 512 * MIB
_LAST_BREATH = 5.0
"""Seconds that the lock of a process which is gone may still be held."""


class Records:
    """`records.jsonl` of one run; holds the run's lock from construction to `close`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "records.jsonl"
        self._suites = SuiteFiles(folder / "outcomes")
        self._lock = lock_of(folder)

    @classmethod
    def peek(cls, folder: Path) -> History:
        """What is written down so far, without the lock and without changing anything."""
        path = folder / "records.jsonl"
        return _parsed(path, _content(path)) if path.exists() else History()

    def read(self) -> History:
        """What earlier processes of this run wrote down; a torn last line is dropped."""
        if not self._path.exists():
            return History()
        raw = _content(self._path)
        whole = raw[: raw.rfind(b"\n") + 1]
        if whole != raw:
            # The line that a kill cut short was never acted upon.
            os.truncate(self._path, len(whole))
        return _parsed(self._path, whole)

    def reset(self) -> None:
        """Forget an earlier start that never got to a verdict."""
        self._path.unlink(missing_ok=True)

    def append(self, record: Record) -> None:
        append_line(self._path, line_of(record), 0o600)

    def decided(self, experiment: Experiment, knowledge: Knowledge) -> DecisionRecord:
        """Write down a finished iteration."""
        record = DecisionRecord(
            experiment=experiment,
            knowledge=replace(knowledge, standards={}),
            standards=self._suites.save(knowledge.standards),
        )
        self.append(record)
        return record

    def recalled(self, record: DecisionRecord) -> Knowledge:
        """What the run knew then. Raises `WorkspaceError` when a file of it is lost."""
        return replace(record.knowledge, standards=self._suites.load(record.standards))

    def close(self) -> None:
        self._lock.close()


def has_verdict(folder: Path) -> bool:
    """Whether a run got as far as its baseline; before that, nothing is worth resuming."""
    path = folder / "records.jsonl"
    return path.exists() and DECIDED in _content(path)


def peek_base(folder: Path) -> str:
    """The base commit of a run, without its lock.

    Raises `ConfigError` when there is no such run, `WorkspaceError` when its records are damaged.
    """
    start = Records.peek(folder).start
    if start is None or not re.fullmatch("[0-9a-f]{40,64}", start.base):
        raise ConfigError(
            f"--resume: there is no run {folder.name!r} to continue in this repository.\n"
            "usually: the tag is misspelt, or that run was stopped before its baseline.\n"
            f"do: ls {folder.parent}, or leave --resume out."
        )
    return start.base


def _content(path: Path) -> bytes:
    try:
        return file_bytes(path, _BYTES)
    except Unreadable as error:
        raise WorkspaceError(
            f"{path} {error}, so the run cannot be continued.\n"
            "usually: it came from a cache or an artifact that others can write to.\n"
            "do: start a run with another --tag; what was kept stays on its branch."
        ) from error


def _parsed(path: Path, raw: bytes) -> History:
    history = History()
    for number, line in enumerate(raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1], start=1):
        try:
            record = read_line(line)
            if (record.record == "start") != (history.start is None):
                raise ValueError(f"a record {record.record!r} does not belong there")
            history = history.after(record)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            tag = path.parent.name
            raise WorkspaceError(
                f"{path}, line {number}: not a record of ours ({error}).\n"
                "usually: the file was edited, the disk lost a part of it, or another version of "
                "autoresearch-ci wrote it.\n"
                "do: go on from what was kept, in a run of its own: git switch --detach "
                f"{history.branch or 'HEAD'} && autoresearch-ci run --tag {tag}-2; the notebook "
                f"refs/autoresearch/notebook/{tag} keeps every attempt."
            ) from error
    return history


def _is_taken(file: TextIO) -> bool:
    """Whether the lock is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(owner: str) -> bool:
    try:
        os.kill(int(owner), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def lock_of(folder: Path) -> TextIO:
    """The lock of a run, held until the file is closed. Raises `WorkspaceError` when it is taken.

    An flock dies with its process, so a stale lock cannot exist.
    But a command that a killed run was just starting holds it, too, until it is a program.
    """
    path = folder / "lock"
    file = path.open("a+")
    deadline = time.monotonic() + _LAST_BREATH
    while not _is_taken(file):
        file.seek(0)
        owner = file.read().strip() or "unknown"
        if _is_alive(owner) or time.monotonic() > deadline:
            file.close()
            raise WorkspaceError(
                f"the run {folder.name!r} is going on already (process {owner}).\n"
                "usually: a second job or terminal was started on the same tag.\n"
                "do: wait for it, stop it, or use another --tag."
            )
        time.sleep(0.02)
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


# --- Suites ---------------------------------------------------------------------------------------

_SUITE_BYTES = 64 * MIB
_SUITE_NAME = re.compile(r"[0-9a-f]{16}\.json")
_STANDARD = TypeAdapter(Standard)


class SuiteFiles:
    """The standards of one run, on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, tuple[Standard, str]] = {}
        """The last standard of each role and its file: most iterations change none."""

    def save(self, standards: Mapping[str, Standard]) -> dict[str, str]:
        """By role, the names of the files that hold them."""
        for role, standard in standards.items():
            if role not in self._written or self._written[role][0] is not standard:
                self._written[role] = (standard, self._write(standard))
        return {role: self._written[role][1] for role in standards}

    def load(self, names: Mapping[str, str]) -> dict[str, Standard]:
        """Inverse of `save`. Raises `WorkspaceError`."""
        return {role: self._read(name) for role, name in names.items()}

    def _write(self, standard: Standard) -> str:
        content = _STANDARD.dump_json(standard)
        path = self._folder / _suite_name(content)
        if not path.exists():
            self._folder.mkdir(exist_ok=True)
            replace_file(path, content)
        return path.name

    def _read(self, name: str) -> Standard:
        try:
            if not _SUITE_NAME.fullmatch(name):
                raise ValueError("not a name of ours")
            content = file_bytes(self._folder / name, _SUITE_BYTES, follow=False)
            if name != _suite_name(content):
                raise ValueError("its checksum does not match")
            return _STANDARD.validate_json(content, strict=True)
        except (OSError, ValueError) as error:
            raise WorkspaceError(
                f"{self._folder / name}: which tests passed can no longer be read "
                f"({str(error)[:200]}).\n"
                "usually: the file was deleted or edited, or the disk lost it.\n"
                "do: start a new run with another --tag; the notebook keeps the attempts."
            ) from error


def _suite_name(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()[:16]}.json"
