"""What earlier trials say about steps from the incumbent: a slope and a bend for each constant.

Bayesian linear regression. Each trial says how much better a candidate was than the incumbent of
its time, in terms of the steps that it took from where we are now, so trials of different
incumbents, runs and nights add up. Values in, a posterior out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.propose.search.constants import Constant
from autoresearch_ci.propose.search.moves import is_ordered, position
from autoresearch_ci.propose.search.tried_values import Key, TriedValues, Values, is_active
from autoresearch_ci.propose.search.tune_comments import TunedValue

_PER_INTERVAL = 3.92  # standard deviations that a 95 % confidence interval is wide
_SURE = 0.02  # of a typical effect: how exact a metric without noise counts as
_LOST = 10.0  # in units of the noise: what a crash costs at least
_WORSE = 4.0  # what it costs besides, in units of the worst that was measured


def step_features(constant: Constant, value: TunedValue) -> dict[Feature, float]:
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
    attempts: Sequence[TriedValues],
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


def _features(attempt: TriedValues, space: Mapping[Key, Constant]) -> dict[Feature, float]:
    found: dict[Feature, float] = {}
    for constant, before, after in _moved(attempt.before, attempt.values, space):
        for feature, value in step_features(constant, after).items():
            found[feature] = found.get(feature, 0.0) + value
        for feature, value in step_features(constant, before).items():
            found[feature] = found.get(feature, 0.0) - value
    return {feature: value for feature, value in found.items() if value}


def _moved(
    before: Values, after: Values, space: Mapping[Key, Constant]
) -> Iterator[tuple[Constant, TunedValue, TunedValue]]:
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


def _gain(attempt: TriedValues, direction: Direction) -> tuple[float, float | None] | None:
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


Feature = tuple[object, ...]
Features = Mapping[Feature, float]

DOUBT = 0.15
"""Error of a trial as a share of its effect: no constant is a parabola over its whole range. 0.5
leaves 17, 10 and 6 % where this leaves 14, 8 and 4 (near, untuned, mixed: benchmarks/search.py)."""
SCALES = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Slopes in units of the typical effect; what fits the trials best is believed."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One trial, in relative units."""

    features: Features
    """Of the candidate minus those of its incumbent."""
    gain: float
    error: float
    """Standard deviation of the measurement."""


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is believed of a weight before any trial, in units of the typical slope."""

    mean: float
    spread: float


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What is believed after them, over those features that were ever tried."""

    known: Mapping[Feature, int]
    mean: Sequence[float]
    root: Sequence[Sequence[float]]
    """Lower triangle whose product with its transpose is the precision."""
    scale: float
    """Typical slope."""

    def draw(self, rng: Random) -> dict[Feature, float]:
        """Weights that may be the true ones."""
        noise = _upper_solve(self.root, [rng.gauss(0, 1) for _ in self.mean])
        return {feature: self.mean[k] + noise[k] for feature, k in self.known.items()}


def learn(effects: Sequence[Effect], priors: Mapping[Feature, Prior], unit: float) -> Posterior:
    """The posterior for the slopes' scale that explains the trials best."""
    fits = [_fit(effects, priors, unit * scale) for scale in SCALES]
    return max(fits, key=lambda fit: fit[0])[1]


def _fit(
    effects: Sequence[Effect], priors: Mapping[Feature, Prior], scale: float
) -> tuple[float, Posterior]:
    """The evidence for a scale, and the posterior with it."""
    names = dict.fromkeys(f for effect in effects for f in effect.features)
    known = {feature: k for k, feature in enumerate(names)}
    size = len(known)
    matrix = [[0.0] * size for _ in range(size)]
    right = [0.0] * size
    evidence = 0.0
    for feature, k in known.items():
        spread = scale * priors[feature].spread
        matrix[k][k] = 1 / spread**2
        evidence -= math.log(spread)
    for effect in effects:
        pulls = [(known[f], value) for f, value in effect.features.items()]
        prior = scale * sum(priors[f].mean * value for f, value in effect.features.items())
        surprise = effect.gain - prior
        weight = 1 / (effect.error**2 + (DOUBT * effect.gain) ** 2)
        evidence -= weight * surprise**2 / 2
        for row, left in pulls:
            right[row] += weight * left * surprise
            for column, value in pulls:
                if column <= row:
                    matrix[row][column] += weight * left * value
    root = _cholesky(matrix)
    half = _lower_solve(root, right)
    moved = _upper_solve(root, half)
    evidence += sum(x * x for x in half) / 2 - sum(math.log(row[-1]) for row in root)
    mean = [scale * priors[f].mean + moved[k] for f, k in known.items()]
    return evidence, Posterior(known=known, mean=mean, root=root, scale=scale)


def _cholesky(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    root: list[list[float]] = []
    for k, row in enumerate(matrix):
        new: list[float] = []
        for j, other in enumerate(root):
            rest = row[j] - sum(map(float.__mul__, new, other))
            new.append(rest / other[j])
        new.append(math.sqrt(max(row[k] - sum(x * x for x in new), 1e-300)))
        root.append(new)
    return root


def _lower_solve(root: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    found: list[float] = []
    for row, value in zip(root, right, strict=True):
        found.append((value - sum(map(float.__mul__, row, found))) / row[-1])
    return found


def _upper_solve(root: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    left = list(right)
    for k in reversed(range(len(left))):
        left[k] /= root[k][k]
        for j in range(k):
            left[j] -= root[k][j] * left[k]
    return left
