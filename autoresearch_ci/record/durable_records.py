"""The run store's durable records: what a killed run needs to continue, and the lock on it.

Append-only JSON lines, each with a checksum, written with one call and flushed to the disk before
the next step is taken: intent -> money spent -> candidate -> decision. What a recovery does with
them is the ledger's business.

What an earlier process wrote is believed only as far as types, scope and git confirm it: records
may come back from a cache or an artifact that others could write to. They are data, and whatever
they claim must be what a run of ours could have done: changes inside the scope, kept commits that
hold exactly these changes, one upon the other, beginning at the base commit.
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TextIO

from pydantic import (
    BaseModel,
    ConfigDict,
    NonNegativeFloat,
    NonNegativeInt,
    TypeAdapter,
    ValidationError,
)

from autoresearch_ci.decide.session import Side
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.experiment import Experiment, Spent, Status
from autoresearch_ci.safety.bounded import MIB, Unreadable, json_value
from autoresearch_ci.safety.files import file_bytes
from autoresearch_ci.workspace.repository import FileVersion
from autoresearch_ci.workspace.scope import Scope

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class _Remembered(BaseModel):
    model_config = ConfigDict(defer_build=True)  # most runs are not resumed


class _OfSession(_Remembered):
    deterministic: bool
    incumbent: tuple[float, ...]
    null_steps: tuple[tuple[float, ...], ...]
    stale_errors: tuple[float, ...]
    tests: NonNegativeInt
    keeps: tuple[NonNegativeInt, ...]
    carried: dict[str, tuple[tuple[Side, float], ...]]
    floor: float


class _OfTests(_Remembered):
    standards: dict[str, str]
    blind: tuple[str, ...]


class _OfScrutiny(_Remembered):
    printed: dict[str, int]
    tests: _OfTests


class _OfBench(_Remembered):
    durations: dict[str, NonNegativeFloat]
    guards: dict[str, float]
    flaky_guards: tuple[int, ...] = ()
    flaky_metric: bool = False
    scrutiny: _OfScrutiny | None = None
    """A run that an older version began knows of no tests."""


class _OfHoldout(_Remembered):
    spread: float


class _Memory(_Remembered):
    """What a verdict says that the run had learnt."""

    session: _OfSession
    bench: _OfBench
    curve: tuple[tuple[float, float], ...]
    holdout: _OfHoldout | None = None


class Git(Protocol):
    """What `Repository` answers."""

    def ref(self, name: str) -> str | None: ...

    def files(self, commit: str) -> Mapping[str, FileVersion]: ...


def check_history(history: History, *, base: str, scope: Scope, git: Git) -> None:
    """Raises `WorkspaceError` for records that no run of ours can have written."""
    try:
        problem = next(_problems(history, base, scope, git), "")
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        problem = f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg'].lower()}"[:300]
    if problem:
        raise WorkspaceError(
            f"the records of the earlier run are not believed: {problem}.\n"
            "usually: the file was edited, came from a cache or an artifact that others can write "
            "to, or another version of autoresearch-ci wrote it.\n"
            "do: start a run with another --tag; what the earlier one kept stays on its branch."
        )


def _problems(history: History, base: str, scope: Scope, git: Git) -> Iterator[str]:
    start = history.start or {}
    if start.get("base") != base or not isinstance(start.get("ruler"), dict):
        yield "they do not say which run they belong to"
    changes: dict[str, Mapping[str, FileVersion | None]] = {base: {}}
    last_of: dict[int, Attempt] = {}
    for attempt in history.attempts:
        _check_types(attempt)
        if not is_commit(attempt.commit):
            yield f"attempt {attempt.iteration} names no commit"
        yield from _bad_changes(attempt.changes, scope)
        changes[attempt.commit] = attempt.changes
        last_of[attempt.iteration] = attempt
    for number, experiment in enumerate(history.experiments):
        _check_types(experiment)
        if experiment.iteration != number:
            yield f"experiment {number} is missing"
        if experiment.commit and not is_commit(experiment.commit):
            yield f"experiment {number} names no commit"
    if history.verdicts:
        memory = json.dumps(history.verdicts[-1].memory)
        known = _Memory.model_validate_json(memory, strict=True).session
        if max(known.keeps, default=0) > known.tests:
            yield "they kept in a test that was never made"
    if history.kept:
        yield from _bad_commits(history, base, last_of, git)


def _bad_changes(changes: Mapping[str, FileVersion | None], scope: Scope) -> Iterator[str]:
    for path, version in changes.items():
        if (refusal := scope.refusal(path)) is not None:
            yield f"they change {refusal!a}"
        if version is not None and not (version.regular and is_commit(version.blob)):
            yield f"{path!a} is not a plain file in them"


def _bad_commits(
    history: History, base: str, last_of: Mapping[int, Attempt], git: Git
) -> Iterator[str]:
    files, parent = dict(git.files(base)), base
    for kept in history.kept:
        attempt = last_of.get(kept.iteration)
        if attempt is None:
            yield f"experiment {kept.iteration} was kept, but never tried"
            return
        if git.ref(f"{kept.commit}^1") != parent or git.ref(f"{kept.commit}^2") is not None:
            yield f"commit {kept.commit[:12]} does not follow {parent[:12]}"
            return
        expected = {**files, **attempt.changes}
        if git.files(kept.commit) != {path: v for path, v in expected.items() if v is not None}:
            yield f"commit {kept.commit[:12]} holds other changes than they say"
        parent = kept.commit


def is_commit(name: object) -> bool:
    """Whether this is the full name of a git object, and so no option or expression of git."""
    return isinstance(name, str) and _COMMIT.fullmatch(name) is not None


def _check_types(record: Attempt | Experiment) -> None:
    """JSON could put anything into any field; a data class does not look."""
    text = json.dumps(dataclasses.asdict(record))
    _readers()[type(record)].validate_json(text, strict=True)


@cache
def _readers() -> dict[type, TypeAdapter[Any]]:
    return {kind: TypeAdapter(kind) for kind in (Attempt, Experiment)}


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
class DecisionRecord:
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
    verdicts: tuple[DecisionRecord, ...] = ()
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

    def verdict(self, verdict: DecisionRecord) -> None:
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
        verdict = DecisionRecord(experiment=experiment, memory=record["memory"])
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
