"""The keyless proposer: moves the in-scope constants with Optuna's TPE, a few at a time.

Nothing but caches of immutable content lives between calls: what was tried and what it scored is
read from the journal and the attempts' own trees, so a resumed run continues as if never stopped.
How constants are found and written is the business of `finder` and `constants`.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoresearch_ci.constants import Constant, follow, rewrite, rounded
from autoresearch_ci.constants.finder import find_constants
from autoresearch_ci.constants.literals import Kind, Value
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import Direction, Experiment, FileEdit, Proposal, Status
from autoresearch_ci.proposers import Context, Request, Tree, size_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_NAME = "search"
_LARGEST = 4_000_000  # bytes of a source
_JOINT = 3  # with more changes in one diff a reviewer no longer sees what helped
_TRIES = 24
_GRID = 9  # steps per constant once sampling finds nothing new
_FRESH = 4  # values until a constant that a kept change brought counts as tuned
_COMBINATIONS = 10_000

Key = tuple[str, str]
Values = dict[Key, Value]
_find = functools.lru_cache(maxsize=512)(find_constants)


@dataclass(frozen=True, kw_only=True)
class _File:
    data: bytes
    constants: Sequence[Constant]


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    row: Experiment
    constants: Sequence[Constant]

    @functools.cached_property
    def values(self) -> Values:
        return {constant.key: constant.value for constant in self.constants}


class SearchProposer:
    """Changes one constant of the incumbent, then a few at once, then one again.

    Constants that a kept change of structure brought come first.
    """

    def __init__(self) -> None:
        self._sources: dict[str, tuple[str, ...]] = {}
        self._read: dict[tuple[str, str], Sequence[Constant]] = {}

    def propose(self, context: Context) -> Proposal | None:
        """New values for one to three constants (more when stuck); `None` when all were tried.

        Repairs and reworks are declined: a value that failed has no other form.
        Raises `ProposerError` when the files in scope hold no tunable constant.
        """
        if context.request is not Request.PROPOSE:
            return None
        origin = _last(context.history, Status.BASELINE)
        base = self._files(context.base, origin, None)
        kept = _last(context.history, Status.KEEP) or origin
        incumbent = self._files(context.incumbent, kept, base)
        attempts = list(self._attempts(context, base, sorted({*base, *incumbent})))
        space = _space(context.base, base, attempts, incumbent)
        if not space:
            raise ProposerError(
                "No tunable constant in the files in scope. The search needs module-level "
                "UPPER_CASE numbers in Python, or, in any language, a comment behind the value: "
                "`# tune: 1e-4..1 log`, `// tune: [16, 32, 64]`. Add one, or choose another "
                "proposer."
            )
        current = _values_of(incumbent)
        tried = {frozenset(attempt.values.items()) for attempt in attempts}
        tried.add(frozenset(current.items()))
        fresh = _fresh(current.keys() - _values_of(base).keys(), attempts)
        for changes in _candidates(context, space, attempts, current, fresh):
            if frozenset((current | changes).items()) not in tried:
                return _proposal(incumbent, space, changes)
        return None

    def _files(self, tree: Tree, commit: str, base: Mapping[str, _File] | None) -> dict[str, _File]:
        """The files of `tree` that hold constants."""
        files: dict[str, _File] = {}
        for path in self._sources.get(commit) or tree.paths():
            if size_of(tree, path) > _LARGEST:
                continue  # data, not a source
            data = tree.read(path)
            if constants := _constants(path, data, base):
                files[path] = _File(data=data, constants=constants)
        if commit:  # which files to look at is remembered; what they hold is always read
            self._sources[commit] = tuple(files)
        return files

    def _attempts(
        self, context: Context, base: Mapping[str, _File], paths: Sequence[str]
    ) -> Iterator[_Attempt]:
        for row in context.history:
            if not row.commit:
                continue
            missing = [path for path in paths if (row.commit, path) not in self._read]
            tree = context.at(row.commit) if missing else None
            for path in missing:
                assert tree is not None
                self._read[row.commit, path] = _constants_at(tree, path, base)
            constants = [found for path in paths for found in self._read[row.commit, path]]
            yield _Attempt(row=row, constants=constants)


# --- reading ---


def _last(history: Sequence[Experiment], status: Status) -> str:
    return next((row.commit for row in reversed(history) if row.status is status), "")


def _constants(path: str, data: bytes, base: Mapping[str, _File] | None) -> Sequence[Constant]:
    if base is None:
        return _find(path, data)
    origin = base.get(path)
    if origin and (followed := follow(origin.constants, origin.data, data)) is not None:
        return followed
    try:
        return _find(path, data)
    except ProposerError:  # an attempt broke its annotations: its constants are unknown
        return ()


def _constants_at(tree: Tree, path: str, base: Mapping[str, _File]) -> Sequence[Constant]:
    try:
        return _constants(path, tree.read(path), base)
    except KeyError:
        return ()


def _values_of(files: Mapping[str, _File]) -> Values:
    return {constant.key: constant.value for file in files.values() for constant in file.constants}


def _space(
    tree: Tree,
    base: Mapping[str, _File],
    attempts: Sequence[_Attempt],
    incumbent: Mapping[str, _File],
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


def _declined(tree: Tree, base: Mapping[str, _File], constant: Constant) -> bool:
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


def _fresh(new: Set[Key], attempts: Sequence[_Attempt]) -> Set[Key]:
    """Those of the constants unknown to the base commit that have hardly been varied yet.

    Whoever changed the structure guessed their values; nowhere else is as much to be gained.
    """
    tried: dict[Key, set[Value]] = {key: set() for key in new}
    for attempt in attempts:
        for key in new & attempt.values.keys():
            tried[key].add(attempt.values[key])
    return {key for key, values in tried.items() if len(values) < _FRESH}


def _active(constant: Constant, values: Mapping[Key, Value]) -> bool:
    condition = constant.condition
    if condition is None:
        return True
    actual = values.get((constant.path, condition.name))
    return (actual == condition.value) is condition.equal


# --- choosing ---


def _candidates(
    context: Context,
    space: Mapping[Key, Constant],
    attempts: Sequence[_Attempt],
    current: Values,
    fresh: Set[Key],
) -> Iterator[Values]:
    """Changes to try, best first: sampled ones, then every single step, then combinations."""
    rng = random.Random(f"{context.seed}/{context.iteration}")
    active = [constant for constant in space.values() if _active(constant, current)]
    pool = [constant for constant in active if constant.key in fresh] or active
    scored = list(_scored(attempts, context.direction))
    turn = sum(row.proposer == _NAME for row in context.history)
    size = _JOINT * (1 + context.stuck) if turn % 2 else 1 + context.stuck
    for _ in range(_TRIES):
        subset = rng.sample(pool, min(size, len(pool)))
        # When stuck, what is known has misled: every second sample ignores it.
        bold = context.stuck > 0 and rng.random() < 0.5
        seed = rng.getrandbits(32)
        sampled = _sample([] if bold else scored, subset, context.direction, seed)
        if changes := _changes(sampled, current):
            yield changes
    grids = {constant.key: _grid(constant) for constant in active}
    for key, values in grids.items():
        for value in values:
            yield {key: value}
    for combination in itertools.islice(itertools.product(*grids.values()), _COMBINATIONS):
        yield _changes(dict(zip(grids, combination, strict=True)), current)


def _changes(values: Values, current: Values) -> Values:
    return {key: value for key, value in values.items() if value != current[key]}


def _scored(attempts: Iterable[_Attempt], direction: Direction) -> Iterator[tuple[float, Values]]:
    """Each attempt's metric; one that crashed or failed a guard counts as worse than the worst.

    TPE only looks at ranks, so by how much does not matter.
    """
    failed: list[Values] = []
    worst: float | None = None
    for attempt in attempts:
        row = attempt.row
        if row.status in (Status.CRASH, Status.METRIC_ERROR) or row.guard == "fail":
            failed.append(attempt.values)
        elif row.metric is not None and math.isfinite(row.metric):
            if worst is None or direction.better(worst, row.metric):
                worst = row.metric
            yield row.metric, attempt.values
    if worst is not None:
        margin = max(abs(worst), 1.0) * 0.01
        for lost in failed:
            yield worst + (margin if direction is Direction.MINIMIZE else -margin), lost


def _sample(
    scored: Iterable[tuple[float, Values]],
    subset: Sequence[Constant],
    direction: Direction,
    seed: int,
) -> Values:
    """Asks TPE for values of `subset`, told what every earlier value of them scored."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = {f"{constant.path}:{constant.name}": constant for constant in subset}
    space = {name: _distribution(constant) for name, constant in names.items()}
    trials = []
    for score, known in scored:
        params = {
            name: _to_optuna(constant, known[constant.key])
            for name, constant in names.items()
            if constant.key in known
            and constant.allows(known[constant.key])
            and _active(constant, known)
        }
        if params:
            used = {name: space[name] for name in params}
            trials.append(optuna.trial.create_trial(params=params, distributions=used, value=score))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # `group` copes with attempts that lack some of the constants.
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=5, seed=seed, multivariate=True, group=True
        )
    study = optuna.create_study(direction=direction.value, sampler=sampler)
    study.add_trials(trials)
    params = study.ask(space).params
    values: Values = {}
    for name, constant in names.items():
        value = _from_optuna(constant, params[name])
        short = rounded(constant, value)
        values[constant.key] = short if constant.allows(short) else value
    return values


def _distribution(constant: Constant) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if constant.choices:
        return CategoricalDistribution(constant.choices)
    assert constant.low is not None
    assert constant.high is not None
    if constant.kind is Kind.POWER:
        return IntDistribution(_exponent(constant.low), _exponent(constant.high))
    if constant.kind is Kind.INT:
        return IntDistribution(int(constant.low), int(constant.high), log=constant.log)
    return FloatDistribution(constant.low, constant.high, log=constant.log)


def _to_optuna(constant: Constant, value: Value) -> Value:
    if constant.kind is Kind.POWER and not constant.choices:
        return _exponent(value)
    return value


def _from_optuna(constant: Constant, value: Value) -> Value:
    if constant.kind is Kind.POWER and not constant.choices:
        return int(2 ** int(value))
    return value


def _exponent(value: Value) -> int:
    return int(value).bit_length() - 1


def _grid(constant: Constant) -> list[Value]:
    """Every value of a small space, evenly spread ones of a large space."""
    if constant.choices:
        return list(constant.choices)
    assert constant.low is not None
    assert constant.high is not None
    low, high = constant.low, constant.high
    if constant.kind is Kind.POWER:
        return [2**k for k in range(_exponent(low), _exponent(high) + 1)]
    if constant.kind is Kind.INT and high - low < 32:
        return list(range(int(low), int(high) + 1))
    shares = [step / (_GRID - 1) for step in range(_GRID)]
    if constant.log:
        points = [low * (high / low) ** share for share in shares]
    else:
        points = [low + (high - low) * share for share in shares]
    values = (int(point) if constant.kind is Kind.INT else point for point in points)
    return [value for value in (rounded(constant, v) for v in values) if constant.allows(value)]


# --- saying it ---


def _proposal(
    files: Mapping[str, _File], space: Mapping[Key, Constant], changes: Values
) -> Proposal:
    by_path: dict[str, dict[Constant, Value]] = {}
    for key, value in changes.items():
        by_path.setdefault(key[0], {})[space[key]] = value
    names = [name for _, name in space]
    said = []
    for key, value in changes.items():
        constant = space[key]
        name = f"{constant.path}:{constant.name}" if names.count(key[1]) > 1 else constant.name
        verb = "switch" if isinstance(value, bool | str) else "raise"
        if verb == "raise" and value < constant.value:  # type: ignore[operator]
            verb = "lower"
        text = f"{verb} {name} from {constant.literal} to {constant.written(value)}"
        said.append(text.encode("latin-1", "replace").decode("utf-8", "replace"))
    return Proposal(
        description=", ".join(said),
        edits=tuple(
            FileEdit(path=path, content=rewrite(files[path].data, changed))
            for path, changed in by_path.items()
        ),
        proposer=_NAME,
    )
