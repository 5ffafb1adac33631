"""What an earlier process wrote down, believed only as far as types, scope and git confirm it.

The records may come back from a cache or an artifact that others could write to. They are data,
and whatever they claim must be what a run of ours could have done: changes inside the scope, kept
commits that hold exactly these changes, one upon the other, beginning at the base commit.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Protocol

from pydantic import (
    BaseModel,
    ConfigDict,
    NonNegativeFloat,
    NonNegativeInt,
    TypeAdapter,
    ValidationError,
)

from autoresearch_ci.decide.session import Side
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.experiment import Experiment
from autoresearch_ci.record.durable_records import Attempt, History
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
