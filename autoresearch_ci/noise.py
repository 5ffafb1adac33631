"""Is this difference real? Robust statistics for few, noisy, drifting measurements.

Everything works on *relative differences* between two runs that were made next to each other. Which
runs to make, and what follows for the candidate, is decision.py's business.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, median

from autoresearch_ci.experiment import Direction

NORMAL = NormalDist()
CLIP = 2.5
"""No single difference counts for more than this many scales: one outlier cannot decide."""
CLIPPED_VARIANCE = (
    (2 * NORMAL.cdf(CLIP) - 1) - 2 * CLIP * NORMAL.pdf(CLIP) + 2 * CLIP**2 * NORMAL.cdf(-CLIP)
)
"""Variance of a standard normal value clipped at `CLIP`."""


def difference(direction: Direction, before: float, after: float, level: float = 0.0) -> float:
    """How much better `after` is, relative to the mean size of the two (or `|level|` if larger).

    Antisymmetric (swapping the two flips the sign) and always within -2..2, so it is defined for
    negative metrics, for metrics around zero, and for exact zeros: 0 against 0 is 0.
    """
    unit = max((abs(before) + abs(after)) / 2, abs(level))
    return direction.gain(before, after) / unit if unit else 0.0


def gain(direction: Direction, relative: float, level: float) -> float:
    """A `difference` as people say it, relative to the value before: 1.0 -> 0.5 is 50 %.

    `level` is only read for its sign: it tells whether improving shrinks the metric or grows it.
    """
    shrinks = (direction is Direction.MINIMIZE) == (level >= 0)
    relative = max(-1.99, min(1.99, relative))
    return relative / (1 + relative / 2) if shrinks else relative / (1 - relative / 2)


def scale(values: Sequence[float]) -> float:
    """Standard deviation of values around zero, outliers bounded; 0 when all are 0.

    Huber's proposal 2 (1964): the unit in which the values, clipped at `CLIP`, have the variance
    that clipped normal values have. So sums of clipped values have a known variance whatever the
    distribution, and more than a seventh of outliers make the unit grow: the safe side.
    """
    largest = max(map(abs, values), default=0.0)
    if not largest:
        return 0.0
    unit = 1.4826 * median(map(abs, values)) or largest / CLIP
    for _ in range(30):
        factor = math.sqrt(fmean(min(CLIP, abs(x) / unit) ** 2 for x in values) / CLIPPED_VARIANCE)
        unit *= factor
        if abs(factor - 1) < 1e-3:
            break
    return unit


def clipped(value: float, unit: float) -> float:
    """`value` in units of `unit`, no further from zero than `CLIP`."""
    return max(-CLIP, min(CLIP, value / unit)) if unit else math.copysign(CLIP, value) * bool(value)


def steps(values: Sequence[float], level: float) -> list[float]:
    """Differences between neighbouring runs of the same code: pure noise, whatever the change did."""
    return [
        difference(Direction.MAXIMIZE, values[k], values[k + 1], level)
        for k in range(len(values) - 1)
    ]


def normal_score(t: float, dof: float) -> float:
    """The standard normal value that is as surprising as Student's `t` (Wallace 1959)."""
    z = (8 * dof + 1) / (8 * dof + 3) * math.sqrt(dof * math.log1p(t * t / dof))
    return math.copysign(z, t)


def student_quantile(p: float, dof: float) -> float:
    """Inverse of `normal_score`: Student's t quantile, within 1 % from 3 degrees of freedom on."""
    z = NORMAL.inv_cdf(p) * (8 * dof + 3) / (8 * dof + 1)
    return math.copysign(math.sqrt(dof * math.expm1(z * z / dof)), z)


def boundary(alpha: float, looks: int) -> float:
    """How high a sum of unit-variance steps must climb, once in `looks` steps, to be no accident.

    A random walk without drift reaches it with probability `alpha` at most: the reflection
    principle for Brownian motion (O'Brien and Fleming 1979: flat in the sum), less 0.583 for
    looking only at whole steps (Siegmund 1985, section 10.3).
    """
    return math.sqrt(looks) * NORMAL.inv_cdf(1 - alpha / 2) - 0.583


def confirm_interval(
    base_values: Sequence[float], head_values: Sequence[float], direction: Direction
) -> tuple[float, float, float]:
    """(estimate, low, high) of head's relative gain over base, 95 % confidence; 0.01 is 1 % better.

    `base_values[k]` and `head_values[k]` were measured next to each other, the order alternating.
    The estimate is the median of all pairwise means of the pairs' differences (Hodges and Lehmann
    1963), the width Student's: exact for normal differences, too wide for heavy tails.
    Fewer than two pairs give an infinite interval.
    """
    level = median(base_values)
    pairs = [difference(direction, b, h) for b, h in zip(base_values, head_values, strict=True)]
    estimate = hodges_lehmann(pairs)
    reach = interval_half_width(pairs)
    low, high = (
        gain(direction, estimate - reach, level),
        gain(direction, estimate + reach, level),
    )
    if math.isinf(reach):
        low, high = -math.inf, math.inf
    return gain(direction, estimate, level), low, high


def hodges_lehmann(values: Sequence[float]) -> float:
    """Median of all pairwise means: nearly the mean's precision, a median's calm about outliers."""
    return median(
        (values[i] + values[j]) / 2 for i in range(len(values)) for j in range(i, len(values))
    )


def interval_half_width(values: Sequence[float], confidence: float = 0.95) -> float:
    """Half the width of Student's confidence interval of the mean."""
    n = len(values)
    if n < 2:
        return math.inf
    mean = fmean(values)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in values) / (n - 1))
    return student_quantile((1 + confidence) / 2, n - 1) * deviation / math.sqrt(n)


class Verdict(enum.StrEnum):
    """What two commits, measured interleaved, are to each other."""

    IMPROVED = "improved"
    REGRESSED = "regressed"
    NO_DIFFERENCE = "no detectable difference"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The answer of `compare`."""

    verdict: Verdict
    gain: float
    """Head's relative gain over base; negative is worse."""
    low: float
    high: float


def compare(
    base_values: Sequence[float],
    head_values: Sequence[float],
    direction: Direction,
    *,
    pairs_max: int = 10,
    margin: float = 0.0,
    alpha: float = 0.05,
) -> Comparison | None:
    """Base against head, pairs measured next to each other; `None` asks for one more pair."""
    n = len(base_values)
    if base_values and set(base_values) == set(head_values) and len(set(base_values)) == 1:
        return (
            Comparison(verdict=Verdict.NO_DIFFERENCE, gain=0.0, low=0.0, high=0.0)
            if n > 1
            else None
        )
    if n < min(3, pairs_max):
        return None
    estimate, low, high = confirm_interval(base_values, head_values, direction)
    if n < pairs_max and low <= 0 <= high:
        return None
    verdict = Verdict.NO_DIFFERENCE
    if low > 0 and estimate > margin:
        verdict = Verdict.IMPROVED
    elif high < 0 and -estimate > margin:
        verdict = Verdict.REGRESSED
    return Comparison(verdict=verdict, gain=estimate, low=low, high=high)
