"""How far apart two values of a constant are, and which values lie a step away.

The unit is a quarter of the constant's range, in which its author has said how unsure they are:
twice or half the value where nobody wrote a range. Factors count where the range is logarithmic,
the distance to 1 for a share near 1, places in a list of sizes. Which step to take is not decided
here.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator

from autoresearch_ci.propose.search.constants import Constant, rounded
from autoresearch_ci.propose.search.tune_comments import Kind, TunedValue

STEPS = (0.16, 0.32, 0.58, 1.0, 1.58, 2.0, 3.0, 4.0)
"""Where a unit is a factor of 2: x1.1, x1.25, x1.5, x2, x3, x4, x8, x16."""
_UNITS = 4.0
"""Per range. With octaves as units, wide ranges are searched too timidly: 16 instead of 12 % are
left of what there was to gain in untuned constants (benchmarks/search.py)."""
_GRID = 9  # values of a large range once no step is new


def is_ordered(constant: Constant) -> bool:
    """Whether one value can lie between two others."""
    if constant.choices:
        return len(constant.choices) > 2 and constant.kind not in (Kind.BOOL, Kind.STRING)
    return True


def position(constant: Constant, value: TunedValue) -> float:
    """Where an ordered constant's value lies, in units."""
    if constant.choices:
        return float(bisect_left(sorted(constant.choices), value))
    low, high = _bent(constant, constant.low), _bent(constant, constant.high)
    return (_bent(constant, value) - low) / (high - low or 1.0) * _UNITS


def neighbours(constant: Constant, radius: float, stretch: float = 1.0) -> Iterator[TunedValue]:
    """Values a step of up to `radius` units away, nearest first; all others of a list.

    `stretch`: a factor of all steps, so that there are always new ones.
    """
    here = position(constant, constant.value) if is_ordered(constant) else 0.0
    if constant.choices:
        for choice in constant.choices:
            away = abs(position(constant, choice) - here) if is_ordered(constant) else 1.0
            if choice != constant.value and away <= max(radius, 1.0):
                yield choice
        return
    seen = {constant.value}
    for step in STEPS:
        if step > radius:
            break
        size = step * stretch
        for sign in (1, -1):
            value = _value_at(constant, here + sign * size, sign)
            if value not in seen:
                seen.add(value)
                yield value


def grid(constant: Constant) -> list[TunedValue]:
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


def _value_at(constant: Constant, place: float, sign: int) -> TunedValue:
    """The value nearest to a place, at least one away for whole numbers, within the range."""
    low, high = constant.low, constant.high
    assert low is not None
    assert high is not None
    first, last = _bent(constant, low), _bent(constant, high)
    bent = min(max(first + place / _UNITS * (last - first), first), last)
    if constant.kind is Kind.POWER:
        here = _exponent(constant.value)
        away = round(bent) if round(bent) != here else here + sign
        return int(2 ** min(max(away, _exponent(low)), _exponent(high)))
    if _by_factors(constant):
        value = 2**bent
    elif _counts_from_one(constant):
        value = 1 - 2**-bent
    else:
        value = bent
    value = min(max(value, low), high)
    if constant.kind is not Kind.INT:
        short = rounded(constant, value)
        return short if constant.allows(short) else value
    assert not isinstance(constant.value, str)
    whole = round(value)
    if whole == constant.value:
        whole += sign
    short = rounded(constant, whole)
    whole = int(short) if constant.allows(short) else whole
    return min(max(whole, math.ceil(low)), math.floor(high))


def _bent(constant: Constant, value: TunedValue | None) -> float:
    """The value as a number of which equal differences count alike."""
    assert value is not None
    assert not isinstance(value, str)
    if constant.low is not None and constant.high is not None:
        value = min(max(value, constant.low), constant.high)
    if _by_factors(constant):
        return math.log2(value)
    return -math.log2(1 - value) if _counts_from_one(constant) else value


def _by_factors(constant: Constant) -> bool:
    return constant.log or constant.kind is Kind.POWER


def _counts_from_one(constant: Constant) -> bool:
    """A share near 1, such as a momentum."""
    high = constant.high
    assert high is not None
    return (
        constant.kind is Kind.FLOAT
        and not constant.log
        and high < 1
        and not isinstance(constant.value, str)
        and 0.5 < constant.value < 1
    )


def _exponent(value: TunedValue) -> int:
    return int(value).bit_length() - 1
