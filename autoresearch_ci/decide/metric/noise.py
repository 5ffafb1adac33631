"""Is this difference real? Robust statistics for few, noisy, drifting measurements.

Everything works on *relative differences* between runs made next to each other. Which runs to make,
and what follows for the candidate, is decision.py's business.
"""

from __future__ import annotations

import enum
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, median

from autoresearch_ci.experiment import Direction

NORMAL = NormalDist()
CLIP = 2.5
"""No single difference counts for more than this many scales: one outlier cannot decide."""
FAR = 6.0
"""A machine that jumps from one state to another makes differences of more than so many scales."""
LARGEST = 1e300
"""Gain that is told: all numbers of a record are finite."""
CLIPPED_VARIANCE = (
    2 * NORMAL.cdf(CLIP) - 1 - 2 * CLIP * NORMAL.pdf(CLIP) + 2 * CLIP**2 * NORMAL.cdf(-CLIP)
)
"""Variance of a standard normal value clipped at `CLIP`."""


def difference(direction: Direction, before: float, after: float, size: float = 0.0) -> float:
    """How much better `after` is, relative to the mean size of the two, or to `size` if larger.

    Antisymmetric (swapping the two flips the sign) and within -2..2, so it is defined for negative
    metrics, for metrics around zero (`size` is then their typical absolute value) and for exact
    zeros: 0 against 0 is 0.
    """
    unit = max((abs(before) + abs(after)) / 2, size)
    return direction.gain(before, after) / unit if unit else 0.0


def gain(relative: float, before: float, after: float, size: float = 0.0) -> float:
    """A `difference` as people say it, relative to `before`: from 1.0 down to 0.5 is 50 %.

    From exactly 0 every change is 100 % of what it led to; around zero, `size` is the 100 %.
    """
    whole = max(abs(before), size) or abs(after)
    found = relative * max((abs(before) + abs(after)) / 2, size) / whole if whole else 0.0
    return max(-LARGEST, min(LARGEST, found))  # of nearly nothing, everything is too much to say


def possible(found: float, direction: Direction, values: Sequence[float]) -> float:
    """A `gain`, or an end of its interval, where `values` lie on one side of zero and stay there.

    What cannot fall below zero cannot fall by more than 100 %.
    """
    if min(values) < 0 < max(values):
        return found
    return max(-1.0, found) if _up(direction, values) > 0 else min(1.0, found)


def _up(direction: Direction, values: Sequence[float]) -> float:
    """1 where growing away from zero is better, -1 where shrinking towards it is."""
    return direction.gain(0.0, -1.0 if max(values) <= 0 else 1.0)


def scale(values: Sequence[float], far: float = math.inf) -> float:
    """Standard deviation of values around zero, outliers bounded; 0 only when all are 0.

    Huber's proposal 2 (1964): the unit in which the values, clipped at `CLIP`, have the variance
    that clipped normal values have. So a sum of clipped values has a known variance whatever the
    distribution is, and more than a seventh of outliers make the unit grow: the safe side.

    `far`: values of more units count as 0, unless that would be most, or all that are not 0.
    """
    sizes = [abs(value) for value in values]
    largest = max(sizes, default=0.0)
    if not largest:
        return 0.0
    unit = 1.4826 * median(sizes)
    if not unit:  # most are 0: no telling what is far
        unit, far = largest / CLIP, math.inf
    for _ in range(30):
        near = [size for size in sizes if size <= far * unit]
        variance = sum(min(CLIP, size / unit) ** 2 for size in near) / len(sizes)
        if 2 * len(near) < len(sizes) or not variance:
            far = math.inf
            continue
        factor = math.sqrt(variance / CLIPPED_VARIANCE)
        unit = max(unit * factor, sys.float_info.min)
        if abs(factor - 1) < 1e-3:
            break
    return unit


def clipped(value: float, unit: float, clip: float = CLIP) -> float:
    """`value` in units of `unit`, at most `clip` from zero; with unit 0 only its sign counts."""
    if not unit:
        return math.copysign(clip, value) if value else 0.0
    return max(-clip, min(clip, value / unit))


def exact(values: Sequence[float]) -> bool:
    """Equal, and that is no coincidence: two values with six or more digits, or three others."""
    digits = len(f"{abs(values[0]):.15e}".partition("e")[0].replace(".", "").rstrip("0"))
    return len(set(values)) == 1 and len(values) >= (2 if digits >= 6 else 3)


def middle(values: Sequence[float]) -> float:
    """Median of all pairwise means (Hodges and Lehmann 1963): a mean that outliers hardly move."""
    return median(
        (values[i] + values[j]) / 2 for i in range(len(values)) for j in range(i, len(values))
    )


def normal_score(t: float, dof: float) -> float:
    """The standard normal value that is as surprising as Student's `t` (Wallace 1959)."""
    shrink = (8 * dof + 1) / (8 * dof + 3)
    return math.copysign(shrink * math.sqrt(dof * math.log1p(t * t / dof)), t)


def student_quantile(p: float, dof: float) -> float:
    """Inverse of `normal_score`: Student's quantile, for 3 to 5 degrees up to 4 % too wide."""
    z = NORMAL.inv_cdf(p) * (8 * dof + 3) / (8 * dof + 1)
    return math.copysign(math.sqrt(dof * math.expm1(z * z / dof)), z)


def boundary(alpha: float, looks: int) -> float:
    """How high a sum of unit-variance steps must climb, within `looks` steps, to be no accident.

    A random walk without drift reaches it at any of the looks with probability `alpha` at most:
    the reflection principle for Brownian motion, which is the flat boundary of O'Brien and Fleming
    (1979), less 0.583 because we look at whole steps only (Siegmund 1985, chapter 10.2).
    """
    return math.sqrt(looks) * NORMAL.inv_cdf(1 - alpha / 2) - 0.583


def chance_to_reach(
    bound: float, climbed: float, *, left: int, step: float, variance: float
) -> float:
    """Predictive power: chance that the sum, now at `climbed`, is past `bound` after `left` steps.

    Each coming step has variance 1 and a mean that we believe to be `step`, with `variance`.
    """
    if left <= 0:
        return float(climbed >= bound)
    spread = math.sqrt(left + left * left * variance)
    return NORMAL.cdf((climbed + left * step - bound) / spread)


def confirm_interval(
    base_values: Sequence[float], head_values: Sequence[float], direction: Direction
) -> tuple[float, float, float]:
    """(estimate, low, high) of head's relative gain over base, 95 % confidence; 0.01 is 1 % better.

    `base_values[k]` and `head_values[k]` were measured next to each other, the order alternating.
    The estimate is the pairs' `middle`, the width Student's: exact for normal differences, rather
    too wide for heavy tails. One pair has an interval without ends. What cannot fall below zero
    cannot fall by more than 100 %.
    """
    pairs, as_gain = _paired(base_values, head_values, direction)
    estimate, reach = middle(pairs), _half_width(pairs)
    return as_gain(estimate), as_gain(estimate - reach), as_gain(estimate + reach)


def _paired(
    base_values: Sequence[float], head_values: Sequence[float], direction: Direction
) -> tuple[list[float], Callable[[float], float]]:
    """How much better each pair's head is, and what such a difference, or a mean, is as a gain.

    Logarithms of ratios where all values have one sign: there the noise of a large gain is like
    that of a small one. Otherwise relative differences.
    """
    both = [*base_values, *head_values]
    pairs = list(zip(base_values, head_values, strict=True))
    up = _up(direction, both)
    if min(map(abs, both)) > 0 and min(both) * max(both) > 0:
        steps = [up * _log_ratio(abs(b), abs(h)) for b, h in pairs]
        return steps, lambda step: up * _grown(up * step)
    size, base, head = median(map(abs, base_values)), median(base_values), median(head_values)

    def as_gain(step: float) -> float:
        return possible(gain(step, base, head, size), direction, both)

    return [difference(direction, b, h, size) for b, h in pairs], as_gain


def _log_ratio(before: float, after: float) -> float:
    change = (after - before) / before
    # Exact to the last digit where the two are near, and for the largest numbers there are.
    return math.log1p(change) if abs(change) < 0.5 else math.log(after) - math.log(before)


def _grown(log_ratio: float) -> float:
    return math.expm1(log_ratio) if log_ratio < 700 else math.inf


def _half_width(values: Sequence[float]) -> float:
    n = len(values)
    if n < 2:
        return math.inf
    if len(set(values)) == 1:
        return 0.0
    mean = fmean(values)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in values) / (n - 1))
    return student_quantile(0.975, n - 1) * deviation / math.sqrt(n)


class ComparisonResult(enum.StrEnum):
    """What two commits, measured interleaved, are to each other."""

    IMPROVED = "improved"
    REGRESSED = "regressed"
    NO_DIFFERENCE = "no detectable difference"
    NOTHING = "nothing in scope to compare"
    """Not measured."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The answer of `compare`."""

    verdict: ComparisonResult
    gain: float
    """Head's relative gain over base; negative is worse."""
    low: float
    high: float
    """95 % confidence interval of `gain`."""


def compare(
    base_values: Sequence[float],
    head_values: Sequence[float],
    direction: Direction,
    *,
    pairs_max: int = 10,
    alpha: float = 0.05,
    may_be_exact: bool = True,
) -> Comparison | None:
    """Base against head, pairs measured next to each other; `None` asks for one more pair.

    Equal code is called improved or regressed with probability `alpha` at most, over all the looks
    that the sequence of pairs allows, if the two runs of a pair are exchangeable.
    """
    n = len(base_values)
    if n < min(2, pairs_max):
        return None
    pairs, _ = _paired(base_values, head_values, direction)
    estimate, low, high = confirm_interval(base_values, head_values, direction)
    certain = may_be_exact and exact(base_values) and exact(head_values)
    # Both directions share alpha. From three pairs on: two say nothing about their own spread.
    clear = certain or (n > 2 and abs(_climb(pairs)) >= boundary(alpha / 2, pairs_max))
    if n < pairs_max and not clear:
        return None
    verdict = ComparisonResult.NO_DIFFERENCE
    if clear and abs(estimate) > 0:
        verdict = ComparisonResult.IMPROVED if estimate > 0 else ComparisonResult.REGRESSED
    return Comparison(verdict=verdict, gain=estimate, low=low, high=high)


def _climb(pairs: Sequence[float]) -> float:
    """The sum of the pairs in units of their own spread, as a random walk with unit steps."""
    n, mean = len(pairs), fmean(pairs)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in pairs) / (n - 1))
    if not deviation:
        return math.copysign(math.inf, mean) if mean else 0.0
    return normal_score(mean / deviation * math.sqrt(n), n - 1) * math.sqrt(n)
