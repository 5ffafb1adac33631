"""Which constants the files in scope hold, now and in every earlier attempt.

Nothing but caches of immutable content lives between calls: what was tried and what it scored is
read from the journal and the attempts' own trees, so a resumed run continues as if never stopped.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import Experiment, Status, Tree, Trees
from autoresearch_ci.propose.search.constant_finder import find_constants
from autoresearch_ci.propose.search.constants import Constant, follow
from autoresearch_ci.propose.search.tune_comments import TunedValue

_LARGEST = 4_000_000  # bytes of a source

Key = tuple[str, str]
Values = dict[Key, TunedValue]
_find = functools.lru_cache(maxsize=512)(find_constants)


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that holds constants."""

    data: bytes
    constants: Sequence[Constant]


Files = Mapping[str, File]


@dataclass(frozen=True, kw_only=True)
class _Held:
    """The constants of one file of one commit."""

    constants: Sequence[Constant]
    alike: bool
    """Whether the file is the base's but for these."""


@dataclass(frozen=True, kw_only=True)
class TriedValues:
    """A row of the journal, with what its commit held."""

    row: Experiment
    constants: Sequence[Constant]
    before: Values
    """What the incumbent of its time held."""
    rival: float | None
    """The metric to beat, as it was measured then."""
    alike: bool
    """Whether its files are the base's but for these constants, as far as they hold any."""

    @functools.cached_property
    def values(self) -> Values:
        return {constant.key: constant.value for constant in self.constants}


class CommitReader:
    """Reads each commit once."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[str, ...]] = {}
        self._read: dict[tuple[str, str], _Held] = {}

    def files(self, tree: Tree, commit: str, base: Files | None) -> dict[str, File]:
        """The files of `tree` that hold constants."""
        files: dict[str, File] = {}
        for path in self._sources.get(commit) or tree.paths():
            if tree.size(path) > _LARGEST:
                continue  # data, not a source
            data = tree.read(path)
            if constants := _held(path, data, base).constants:
                files[path] = File(data=data, constants=constants)
        if commit:  # which files to look at is remembered; what they hold is always read
            self._sources[commit] = tuple(files)
        return files

    def attempts(
        self, history: Sequence[Experiment], at: Trees, base: Files, paths: Sequence[str]
    ) -> Iterator[TriedValues]:
        """Every attempt of a run that was committed, oldest first."""
        before: Values = {}
        best: float | None = None
        for row in history:
            known, best = best, row.best
            if not row.commit:
                continue
            missing = [path for path in paths if (row.commit, path) not in self._read]
            tree = at(row.commit) if missing else None
            for path in missing:
                assert tree is not None
                self._read[row.commit, path] = _held_at(tree, path, base)
            held = [self._read[row.commit, path] for path in paths]
            attempt = TriedValues(
                row=row,
                constants=[constant for one in held for constant in one.constants],
                before=before,
                rival=known if row.metric is None or row.delta is None else row.metric - row.delta,
                alike=all(one.alike for one in held),
            )
            yield attempt
            if row.status in (Status.KEEP, Status.BASELINE):
                before = attempt.values


def last(history: Sequence[Experiment], status: Status) -> str:
    """The commit of the newest row with a status; empty when there is none."""
    return next((row.commit for row in reversed(history) if row.status is status), "")


def values_of(files: Files) -> Values:
    return {constant.key: constant.value for file in files.values() for constant in file.constants}


def space_of(
    tree: Tree, base: Files, attempts: Sequence[TriedValues], incumbent: Files
) -> dict[Key, Constant]:
    """The incumbent's constants, each with the range it had when it first appeared.

    A default range depends on the value: taken from the incumbent it would drift with every keep.
    """
    first: dict[Key, Constant] = {}
    kept = [attempt.constants for attempt in attempts if attempt.row.status is Status.KEEP]
    for constants in [*(file.constants for file in base.values()), *kept]:
        for constant in constants:
            first.setdefault(constant.key, constant)
    space: dict[Key, Constant] = {}
    for file in incumbent.values():
        for now in file.constants:
            if _declined(tree, base, now):
                continue
            then = first.get(now.key, now)
            if then.kind is not now.kind:
                then = now
            space[now.key] = replace(
                then, value=now.value, literal=now.literal, start=now.start, end=now.end
            )
    return space


def is_active(constant: Constant, values: Mapping[Key, TunedValue]) -> bool:
    """Whether the constant matters while the others have these values."""
    condition = constant.condition
    if condition is None:
        return True
    actual = values.get((constant.path, condition.name))
    return (actual == condition.value) is condition.equal


def _held(path: str, data: bytes, base: Files | None) -> _Held:
    if base is None:
        return _Held(constants=_find(path, data), alike=True)
    origin = base.get(path)
    if origin and (followed := follow(origin.constants, origin.data, data)) is not None:
        return _Held(constants=followed, alike=True)
    try:
        return _Held(constants=_find(path, data), alike=False)
    except ProposerError:  # an attempt broke its annotations: its constants are unknown
        return _Held(constants=(), alike=False)


def _held_at(tree: Tree, path: str, base: Files) -> _Held:
    try:
        return _held(path, tree.read(path), base)
    except KeyError:
        return _Held(constants=(), alike=False)


def _declined(tree: Tree, base: Files, constant: Constant) -> bool:
    """Whether the unmodified file knows the name but does not offer it.

    A `tune: skip` is its author's word: an attempt that edits the comment away does not lift it.
    """
    root = _root(constant)
    offered = base[constant.path].constants if constant.path in base else ()
    if any(_root(other) == root for other in offered):
        return False
    try:
        data = tree.read(constant.path)
    except KeyError:
        return False
    return re.search(rf"(?<![\w-]){re.escape(root)}(?![\w-])", data.decode("latin-1")) is not None


def _root(constant: Constant) -> str:
    return re.split(r"[\[#]", constant.name, maxsplit=1)[0]
