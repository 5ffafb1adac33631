"""Attempts -> what each was worth, in terms of the steps that it took from where we are now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.propose.search.annotations import Value
from autoresearch_ci.propose.search.constants import Constant
from autoresearch_ci.propose.search.model import Effect, Feature, Prior
from autoresearch_ci.propose.search.moves import is_ordered, position
from autoresearch_ci.propose.search.reading import Attempt, Key, Values, is_active

_PER_INTERVAL = 3.92  # standard deviations that a 95 % confidence interval is wide
_SURE = 0.02  # of a typical effect: how exact a metric without noise counts as
_LOST = 10.0  # in units of the noise: what a crash costs at least
_WORSE = 4.0  # what it costs besides, in units of the worst that was measured


def step_features(constant: Constant, value: Value) -> dict[Feature, float]:
    """What a step from the constant's present value to `value` consists of."""
    if value == constant.value:
        return {}
    if not is_ordered(constant):
        return {(*constant.key, value): 1.0}
    away = position(constant, value) - position(constant, constant.value)
    return {(*constant.key, "slope"): away, (*constant.key, "bend"): away**2}


def prior_of(feature: Feature) -> Prior:
    """An incumbent is usually good: larger steps more often lose, other choices, too."""
    kind = feature[-1]
    if kind == "slope":
        return Prior(mean=0.0, spread=1.0)
    return Prior(mean=-0.3, spread=0.3) if kind == "bend" else Prior(mean=-0.5, spread=1.0)


def effects_of(
    attempts: Sequence[Attempt],
    space: Mapping[Key, Constant],
    direction: Direction,
) -> tuple[list[Effect], float]:
    """What the attempts teach, and the size of a typical effect."""
    scored = [(a, *found) for a in attempts if (found := _gain(a, direction)) is not None]
    errors = [error for _, _, error in scored if error is not None]
    sizes = [abs(gain) for _, gain, _ in scored if gain]
    floor = _SURE * median(sizes) if sizes else 1e-6
    noise = max(median(errors) if errors else 0.0, floor)
    worst = min([-_LOST * noise, *(_WORSE * gain for _, gain, _ in scored)])
    effects = []
    for attempt, gain, error in scored:
        if features := _features(attempt, space):
            known = max(noise if error is None else error, floor)
            effects.append(Effect(features=features, gain=gain, error=known))
    for attempt in attempts:
        if _failed(attempt.row) and (features := _features(attempt, space)):
            effects.append(Effect(features=features, gain=worst, error=noise))
    return effects, max(noise, median(sizes) if sizes else 0.0)


def _features(attempt: Attempt, space: Mapping[Key, Constant]) -> dict[Feature, float]:
    found: dict[Feature, float] = {}
    for constant, before, after in _moved(attempt.before, attempt.values, space):
        for feature, value in step_features(constant, after).items():
            found[feature] = found.get(feature, 0.0) + value
        for feature, value in step_features(constant, before).items():
            found[feature] = found.get(feature, 0.0) - value
    return {feature: value for feature, value in found.items() if value}


def _moved(
    before: Values, after: Values, space: Mapping[Key, Constant]
) -> Iterator[tuple[Constant, Value, Value]]:
    for key, constant in space.items():
        if key not in before or key not in after or before[key] == after[key]:
            continue
        if all(constant.allows(v) for v in (before[key], after[key])) and is_active(
            constant, after
        ):
            yield constant, before[key], after[key]


def _failed(row: Experiment) -> bool:
    if row.status in (Status.CRASH, Status.METRIC_ERROR) or row.guard == "fail":
        return True
    return row.status is Status.DISCARD and row.metric is None  # stopped early


def _gain(attempt: Attempt, direction: Direction) -> tuple[float, float | None] | None:
    """How much better than its incumbent, as a share, and the error of that."""
    row, rival = attempt.row, attempt.rival
    if row.status not in (Status.KEEP, Status.DISCARD) or _failed(row):
        return None
    if row.ci_low is not None and row.ci_high is not None:
        return (row.ci_low + row.ci_high) / 2, (row.ci_high - row.ci_low) / _PER_INTERVAL
    if row.metric is None or not math.isfinite(row.metric):
        return None
    if rival is None or not math.isfinite(rival):
        return None
    size = abs(rival) or abs(row.metric) or 1.0
    return direction.gain(rival, row.metric) / size, None
