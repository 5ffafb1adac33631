"""The keyless proposer: steps of in-scope constants around the incumbent, a few at a time.

tried_values.py knows which constants there are and were, effects.py what their changes were worth
and what follows from that. Each call draws one belief from what the trials leave possible and takes
the steps that would be best if it were true (Thompson sampling): what is promising and what is
unknown both get their turn. How constants are found and written is not decided here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence, Set
from random import Random

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.experiment import FileEdit, Proposal, Status, Tree
from autoresearch_ci.propose.proposer import Context, Request
from autoresearch_ci.propose.search.constants import Constant, rewrite
from autoresearch_ci.propose.search.effects import (
    Posterior,
    effects_of,
    learn,
    prior_of,
    step_features,
)
from autoresearch_ci.propose.search.moves import grid, neighbours
from autoresearch_ci.propose.search.tried_values import (
    CommitReader,
    Files,
    Key,
    TriedValues,
    Values,
    is_active,
    last,
    space_of,
    values_of,
)
from autoresearch_ci.propose.search.tune_comments import TunedValue

JOINT = 3
"""Constants of one change at most: with more a reviewer no longer sees what helped."""
_TRIES = 24
_NEAR, _ANYWHERE = 0.58, 4.0
"""Longest step, in quarters of a range: at first (x1.5 where nobody wrote a range), and when
nothing near is new. What is left after a night, in % (benchmarks/search.py):

         near  untuned  mixed  pair
    0.4    17       16      6    32
    0.58   15        9      4    52
    1.0    14        8      4    66
    2.0    19        7      4    63
"""
_FRESH = 4  # values until a constant that a kept change brought counts as tuned
_COMBINATIONS = 10_000


def fresh(new: Set[Key], attempts: Sequence[TriedValues]) -> Set[Key]:
    """Those of the constants unknown to the base commit that have hardly been varied yet.

    Whoever changed the structure guessed their values; nowhere else is as much to be gained.
    """
    tried: dict[Key, set[TunedValue]] = {key: set() for key in new}
    for attempt in attempts:
        for key in new & attempt.values.keys():
            tried[key].add(attempt.values[key])
    return {key for key, values in tried.items() if len(values) < _FRESH}


def candidates(
    context: Context,
    space: Mapping[Key, Constant],
    attempts: Sequence[TriedValues],
    current: Values,
    new: Set[Key],
) -> Iterator[Values]:
    """Changes to try, best first: likely ones, then every single step, then combinations."""
    rng = Random(f"{context.seed}/{context.iteration}")
    active = [constant for constant in space.values() if is_active(constant, current)]
    pool = [constant for constant in active if constant.key in new] or active
    effects, unit = effects_of(attempts, space, context.direction)
    features = {feature for effect in effects for feature in effect.features}
    belief = learn(effects, {feature: prior_of(feature) for feature in features}, unit)
    turn = sum(row.proposer == NAME for row in context.history)
    # Where single steps are spent, two constants that gain only together are what is left.
    size = JOINT if context.stuck or turn % 2 else 1
    for attempt in range(_TRIES):
        near = attempt < _TRIES / 2
        reach = (_NEAR, 1.0) if near else (_ANYWHERE, rng.uniform(0.5, 1.5))
        yield dict(_best_steps(pool, belief, rng, *reach)[:size])
    grids = {constant.key: grid(constant) for constant in active}
    for key, values in grids.items():
        for value in values:
            yield _changes({key: value}, current)
    yield from itertools.islice(_combinations(grids, current), _COMBINATIONS)


def _combinations(grids: Mapping[Key, Sequence[TunedValue]], current: Values) -> Iterator[Values]:
    for keys in itertools.combinations(grids, min(JOINT, len(grids))):
        for values in itertools.product(*(grids[key] for key in keys)):
            yield _changes(dict(zip(keys, values, strict=True)), current)


def _changes(values: Values, current: Values) -> Values:
    return {key: value for key, value in values.items() if value != current[key]}


def _best_steps(
    pool: Sequence[Constant],
    belief: Posterior,
    rng: Random,
    radius: float,
    stretch: float,
) -> list[tuple[Key, TunedValue]]:
    """Each constant's best step if a belief drawn from the possible ones is true, best first."""
    weights = belief.draw(rng)
    found = []
    for constant in pool:
        best: tuple[float, float, TunedValue] | None = None
        for value in neighbours(constant, radius, stretch):
            worth = 0.0
            for feature, amount in step_features(constant, value).items():
                if feature not in weights:
                    prior = prior_of(feature)
                    weights[feature] = belief.scale * rng.gauss(prior.mean, prior.spread)
                worth += weights[feature] * amount
            if best is None or worth > best[0]:
                best = (worth, rng.random(), value)
        if best is not None:
            found.append((best, constant.key))
    found.sort(key=lambda step: step[0][:2], reverse=True)
    return [(key, value) for (_, _, value), key in found]


NAME = "search"
_NOTHING = (
    "no constant to search in the files in scope.\n"
    "usually: there is no ANTHROPIC_API_KEY, and without a model only constants are changed: "
    "module-level UPPER_CASE numbers in Python, and in any language a value before a comment such "
    "as `# tune: 1e-4..1 log` or `// tune: [16, 32, 64]`.\n"
    "do: set the key, or --proposer claude-code, codex, gemini, ...; or write such a comment."
)


def proposal(files: Files, space: Mapping[Key, Constant], changes: Values) -> Proposal:
    """`changes` of the constants in `files`."""
    by_path: dict[str, dict[Constant, TunedValue]] = {}
    for key, value in changes.items():
        by_path.setdefault(key[0], {})[space[key]] = value
    names = [name for _, name in space]
    said = [
        _sentence(space[key], value, full=names.count(key[1]) > 1) for key, value in changes.items()
    ]
    return Proposal(
        description=", ".join(said),
        edits=tuple(
            FileEdit(path=path, content=rewrite(files[path].data, changed))
            for path, changed in by_path.items()
        ),
        proposer=NAME,
    )


def _sentence(constant: Constant, value: TunedValue, *, full: bool) -> str:
    """`full`: with the path, because another file has the name, too."""
    name = f"{constant.path}:{constant.name}" if full else constant.name
    verb = "switch" if isinstance(value, bool | str) else "raise"
    if verb == "raise" and value < constant.value:  # type: ignore[operator]
        verb = "lower"
    text = f"{verb} {name} from {constant.literal} to {constant.written(value)}"
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


class SearchProposer:
    """Changes one constant of the incumbent, then up to three at once, then one again.

    Constants that a kept change of structure brought come first.
    """

    def __init__(self) -> None:
        self._reader = CommitReader()

    def verify(self, tree: Tree) -> None:
        """Raises `ProposerError` when the files in scope of `tree` hold no tunable constant."""
        if not self._reader.files(tree, "", None):
            raise ProposerError(_NOTHING)

    def propose(self, context: Context) -> Proposal | None:
        """New values for one to three constants; `None` when every such change was tried.

        Repairs and reworks are declined: a value that failed has no other form.
        Raises `ProposerError` when the files in scope hold no tunable constant.
        """
        if context.request is not Request.PROPOSE:
            return None
        read = self._reader
        origin = last(context.history, Status.BASELINE)
        base = read.files(context.base, origin, None)
        kept = last(context.history, Status.KEEP) or origin
        incumbent = read.files(context.incumbent, kept, base)
        paths = sorted({*base, *incumbent})
        attempts = list(read.attempts(context.history, context.at, base, paths))
        past = [a for run in context.past for a in read.attempts(run.history, run.at, base, paths)]
        space = space_of(context.base, base, attempts, incumbent)
        if not space:
            raise ProposerError(_NOTHING)
        current = values_of(incumbent)
        # Around other code, the same values are another candidate; what was kept and is no more
        # (somebody deleted the branch) may win again.
        lost = (a for a in past if a.alike and a.row.status is not Status.KEEP)
        same = [*attempts, *lost]
        tried = {frozenset(attempt.values.items()) for attempt in same}
        tried.add(frozenset(current.items()))
        new = fresh(current.keys() - values_of(base).keys(), attempts)
        for changes in candidates(context, space, (*past, *attempts), current, new):
            if frozenset((current | changes).items()) not in tried:
                return proposal(incumbent, space, changes)
        return None
