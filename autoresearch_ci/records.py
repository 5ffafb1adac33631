"""The run store's durable records: what a killed run needs to continue, and the lock on it.

Append-only JSON lines, each written with one call and flushed to the disk before the next step
is taken: intent -> candidate -> decision. What a recovery does with them is run.py's business.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.experiment import Experiment, Status
from autoresearch_ci.workspace import FileVersion


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
    attempts: tuple[Attempt, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    pushed: dict[str, Any] | None = None
    """What was published last, and where; `None`: nothing yet."""

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
        return _parsed(path, path.read_bytes()) if path.exists() else History()

    def read(self) -> History:
        """What earlier processes of this run wrote down; a torn last line is dropped."""
        history = History()
        if not self._path.exists():
            return history
        raw = self._path.read_bytes()
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
        line = json.dumps(record, ensure_ascii=True).encode() + b"\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            try:
                written = os.write(handle, line)
                if written != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)


def has_verdict(folder: Path) -> bool:
    """Whether a run got as far as its baseline; before that, nothing is worth resuming."""
    path = folder / "records.jsonl"
    return path.exists() and b'{"record": "verdict"' in path.read_bytes()


def peek_start(folder: Path) -> dict[str, Any]:
    """The facts of a run, without its lock. Raises `ConfigError` when there is no such run."""
    try:
        with (folder / "records.jsonl").open("rb") as file:
            record = json.loads(file.readline())
    except (FileNotFoundError, ValueError) as error:
        raise ConfigError(
            f"--resume: there is no run {folder.name!r} to continue in this repository.\n"
            "usually: the tag is misspelt, or that run was stopped before its baseline.\n"
            f"do: ls {folder.parent}, or leave --resume out."
        ) from error
    return dict(record)


def _parsed(path: Path, raw: bytes) -> History:
    history = History()
    for number, line in enumerate(raw[: raw.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            history = _add(history, json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise WorkspaceError(
                f"{path}, line {number}: not a record of ours ({error}).\n"
                "usually: the file was edited, or another version of autoresearch-ci wrote it.\n"
                "do: start a new run with another --tag; the notebook keeps the attempts."
            ) from error
    return history


def _add(history: History, record: dict[str, Any]) -> History:
    kind = record.pop("record")
    if kind == "start":
        return dataclasses.replace(history, start=record)
    if kind == "attempt":
        record["changes"] = {
            path: FileVersion(**version) if version else None
            for path, version in record["changes"].items()
        }
        return dataclasses.replace(history, attempts=(*history.attempts, Attempt(**record)))
    if kind == "verdict":
        row = record["experiment"]
        experiment = Experiment(**row | {"status": Status(row["status"])})
        verdict = Verdict(experiment=experiment, memory=record["memory"])
        return dataclasses.replace(history, verdicts=(*history.verdicts, verdict))
    if kind == "pushed":
        return dataclasses.replace(history, pushed=record)
    if kind == "intent":
        return history
    raise ValueError(f"unknown record {kind!r}")


def _lock(folder: Path) -> TextIO:
    """An flock dies with its process, so a stale lock cannot exist."""
    path = folder / "lock"
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise WorkspaceError(
            f"the run {folder.name!r} is going on already (process {owner}).\n"
            "usually: a second job or terminal was started on the same tag.\n"
            "do: wait for it, stop it, or use another --tag."
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
