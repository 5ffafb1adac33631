"""Where a value lands on the picture: robust ranges, round ticks, pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LARGEST = 1e300
"""What lies beyond is drawn there: the length of a range is a number, too."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A linear map from values to pixels."""

    low: float
    high: float
    start: float
    """Pixel of `low`."""
    end: float
    """Pixel of `high`."""

    def pixel(self, value: float) -> float:
        """Values beyond the range land on its edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether `value` is drawn where it is, not on the edge."""
        return self.low <= value <= self.high


def robust_range(
    core: Sequence[float], others: Sequence[float], best: float
) -> tuple[float, float]:
    """Holds every value of `core`, and those of `others` that do not flatten it.

    As in karpathy's picture the kept points set the scale; a far outlier is drawn on the edge. But
    when nothing or little was kept, the bulk of the others must stay inside, so twice the distance
    of their 60th percentile counts too, up to four times the span of `core`.
    """
    core, others, [best] = map(_drawable, (core, others, [best]))
    span = max(core) - min(core)
    distances = sorted(abs(value - best) for value in others)
    bulk = distances[int(0.6 * (len(distances) - 1))] if distances else 0.0
    reach = max(1.15 * span, min(2 * bulk, 4 * span) if span else 2 * bulk)
    inside = [*core, *(value for value in others if abs(value - best) <= reach)]
    low, high = min(inside), max(inside)
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # the last digits: no tick can name them
        margin = abs(low) * 0.01 or 1.0
        return low - margin, high + margin
    return low, high


def _drawable(values: Sequence[float]) -> list[float]:
    return [min(max(value, -_LARGEST), _LARGEST) for value in values]


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """About `wanted` round numbers (1, 2 or 5 times a power of ten apart) inside the range."""
    raw = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """With exactly the decimals that the distance between ticks needs."""
    if len(values) < 2 or max(abs(value) for value in values) >= 1e7:
        return [f"{value:.6g}" for value in values]
    decimals = max(0, -math.floor(math.log10(values[1] - values[0]) + 1e-9))
    if decimals > 9:
        return [f"{value:.6g}" for value in values]
    return [f"{value:.{decimals}f}" for value in values]
