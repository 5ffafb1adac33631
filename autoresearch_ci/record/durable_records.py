"""The run store's durable records: what a killed run needs to continue, and the lock on it.

Append-only JSON lines, each with a checksum, written with one call and flushed to the disk before
the next step is taken: intent -> money spent -> candidate -> decision. What a recovery does with
them is run.py's business.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import os
import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.experiment import Experiment, Spent, Status
from autoresearch_ci.safety.bounded import MIB, Refused, json_value
from autoresearch_ci.safety.files import file_bytes
from autoresearch_ci.workspace.repository import FileVersion

_BYTES = 512 * MIB
_LINE_BYTES = 64 * MIB
"""Far beyond what a run of ours writes in a year; what is larger is not read."""
_LAST_BREATH = 5.0
"""Seconds that the lock of a process which is gone may still be held."""
_SEAL = re.compile(rb', "crc32": "([0-9a-f]{8})"}$')
"""Ends every line: a damaged record must be noticed, never believed."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A candidate as committed: enough to measure it again, or to show it to a proposer."""

    iteration: int
    attempt: int
    commit: str
    changes: dict[str, FileVersion | None]
    """Relative to the base commit."""
    description: str
    proposer: str
    tokens: int
    cost_usd: float
    next_idea: str = ""
    """What its author would try after it."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A finished iteration and what the run knew after it."""

    experiment: Experiment
    memory: dict[str, Any]
    """What the keep rule and the bench have learnt, for the process that resumes."""


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything the records say."""

    start: dict[str, Any] | None = None
    """Facts of the run: base commit, branch, configuration digest."""
    branch: str | None = None
    """Where kept commits went last; `None` when they were not published."""
    attempts: tuple[Attempt, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    pushed: dict[str, Any] | None = None
    """What was published last, and where; `None`: nothing yet."""
    unfinished: Spent = field(default_factory=Spent)
    """Paid for the iteration that has no verdict yet."""
    aside: Spent = field(default_factory=Spent)
    """Paid outside of iterations: for confirming the result."""

    @property
    def experiments(self) -> list[Experiment]:
        return [verdict.experiment for verdict in self.verdicts]

    @property
    def kept(self) -> list[Experiment]:
        """Kept experiments, in order; the baseline is not one."""
        return [e for e in self.experiments if e.status is Status.KEEP]


class Records:
    """`records.jsonl` of one run; holds the run's lock from construction to `close`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "records.jsonl"
        self._lock = _lock(folder)

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

    def start(self, facts: Mapping[str, Any]) -> None:
        self._append({"record": "start", **facts})

    def branch(self, name: str | None) -> None:
        """Kept commits go there from now on."""
        self._append({"record": "branch", "branch": name})

    def spent(self, iteration: int, cost: Spent) -> None:
        """Money is gone when it is spent, whatever becomes of the iteration."""
        self._append({"record": "spent", "iteration": iteration, **dataclasses.asdict(cost)})

    def intent(self, iteration: int, attempt: int) -> None:
        self._append({"record": "intent", "iteration": iteration, "attempt": attempt})

    def attempt(self, attempt: Attempt) -> None:
        self._append({"record": "attempt", **dataclasses.asdict(attempt)})

    def verdict(self, verdict: Verdict) -> None:
        self._append({"record": "verdict", **dataclasses.asdict(verdict)})

    def pushed(self, facts: Mapping[str, Any]) -> None:
        self._append({"record": "pushed", **facts})

    def close(self) -> None:
        self._lock.close()

    def _append(self, record: Mapping[str, Any]) -> None:
        body = json.dumps(record, ensure_ascii=True).encode()
        line = body[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(body)
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            try:
                written = os.write(handle, line)
                if written != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
                if not size:
                    _sync_directory(self._path.parent)
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)


def has_verdict(folder: Path) -> bool:
    """Whether a run got as far as its baseline; before that, nothing is worth resuming."""
    path = folder / "records.jsonl"
    return path.exists() and b'{"record": "verdict"' in _content(path)


def peek_base(folder: Path) -> str:
    """The base commit of a run, without its lock.

    Raises `ConfigError` when there is no such run, `WorkspaceError` when its records are damaged.
    """
    start = Records.peek(folder).start
    base = start.get("base") if start else None
    if not isinstance(base, str) or not re.fullmatch("[0-9a-f]{40,64}", base):
        raise ConfigError(
            f"--resume: there is no run {folder.name!r} to continue in this repository.\n"
            "usually: the tag is misspelt, or that run was stopped before its baseline.\n"
            f"do: ls {folder.parent}, or leave --resume out."
        )
    return base


def _content(path: Path) -> bytes:
    try:
        return file_bytes(path, _BYTES)
    except Refused as error:
        raise WorkspaceError(
            f"{path} {error}, so the run cannot be continued.\n"
            "usually: it came from a cache or an artifact that others can write to.\n"
            "do: start a run with another --tag; what was kept stays on its branch."
        ) from error


def _parsed(path: Path, raw: bytes) -> History:
    history = History()
    for number, line in enumerate(raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1], start=1):
        try:
            history = _add(history, _unsealed(line))
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


def _unsealed(line: bytes) -> dict[str, Any]:
    seal = _SEAL.search(line)
    if not seal:
        raise ValueError("it is not whole")
    body = line[: seal.start()] + b"}"
    if zlib.crc32(body) != int(seal[1], 16):
        raise ValueError("its checksum does not match")
    return dict(json_value(body, limit=_LINE_BYTES))


def _add(history: History, record: dict[str, Any]) -> History:
    kind = record.pop("record")
    done = len(history.verdicts)
    if (kind == "start") != (history.start is None):
        raise ValueError(f"a record {kind!r} does not belong there")
    if kind == "start":
        return dataclasses.replace(history, start=record, branch=record["branch"])
    if kind == "branch":
        return dataclasses.replace(history, branch=record["branch"])
    if kind == "attempt":
        record["changes"] = {
            path: FileVersion(**version) if version else None
            for path, version in record["changes"].items()
        }
        return dataclasses.replace(history, attempts=(*history.attempts, Attempt(**record)))
    if kind == "verdict":
        row = record["experiment"]
        experiment = Experiment(**row | {"status": Status(row["status"])})
        if experiment.iteration != done:
            raise ValueError(f"iteration {experiment.iteration} follows {done - 1}")
        verdict = Verdict(experiment=experiment, memory=record["memory"])
        verdicts = (*history.verdicts, verdict)
        return dataclasses.replace(history, verdicts=verdicts, unfinished=Spent())
    if kind == "pushed":
        return dataclasses.replace(history, pushed=record)
    if kind == "spent":
        purpose = "unfinished" if record.pop("iteration") >= done else "aside"
        total = getattr(history, purpose) + Spent(**record)
        return dataclasses.replace(history, **{purpose: total})
    if kind == "intent":
        return history
    raise ValueError(f"unknown record {kind!r}")


def _sync_directory(folder: Path) -> None:
    """Make a new file's name as durable as its content."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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


def _lock(folder: Path) -> TextIO:
    """An flock dies with its process, so a stale lock cannot exist.

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
