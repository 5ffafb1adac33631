"""What earlier trials say about steps from the incumbent: a slope and a bend for each constant.

Bayesian linear regression. Each trial says how much better a candidate was than the incumbent of
its time, so trials of different incumbents, runs and nights add up. Values in, a posterior out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

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
