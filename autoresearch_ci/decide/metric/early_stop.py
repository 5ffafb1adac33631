"""Is a running candidate clearly behind the incumbent's curve at the same progress? Pure.

Killing the process is the loop's business. The rule would rather let a loser finish than kill a
winner: a late learning-rate decay, for example, makes good candidates look bad for a long time.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median

from autoresearch_ci.experiment import Direction

Progress = tuple[float, float]
"""(progress, value)."""

WARM_UP = 1 / 3
"""Share of the incumbent's progress before which nothing is judged."""
WINDOW = 5
"""Points that are smoothed over; the last this many smoothed points must all be behind."""
NOISES = 4.0
"""How many standard deviations of the incumbent's own smoothed curve count as clearly."""
LAG = 0.5
"""Besides, the candidate must be where the incumbent was at this share of the progress."""
CATCH_UP = 1.0
"""Besides, the gap must exceed this share of what the incumbent itself still gained from there."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a finished run printed on its way; progress strictly rises."""

    points: tuple[Progress, ...]

    @cached_property
    def smooth(self) -> tuple[Progress, ...]:
        """Each point with the mean of itself and up to `WINDOW - 1` points before it."""
        return tuple(smoothed(self.points))

    @cached_property
    def noise(self) -> float:
        """Standard deviation of a smoothed point, from second differences: a trend has none."""
        values = [value for _, value in self.points]
        bends = [
            abs(before - 2 * value + after)
            for before, value, after in zip(values, values[1:], values[2:], strict=False)
        ]
        if not bends:
            return math.inf
        return 1.4826 * median(bends) / math.sqrt(6 * WINDOW)

    def at(self, progress: float) -> float:
        """The smoothed value at `progress`, straight lines between points, flat outside."""
        place = bisect_left(self.smooth, progress, key=lambda point: point[0])
        if place == 0:
            return self.smooth[0][1]
        if place == len(self.smooth):
            return self.smooth[-1][1]
        (x0, y0), (x1, y1) = self.smooth[place - 1 : place + 1]
        return y0 + (y1 - y0) * (progress - x0) / (x1 - x0)


def smoothed(points: Sequence[Progress]) -> list[Progress]:
    """Trailing mean over `WINDOW` points."""
    return [
        (progress, fmean(value for _, value in points[max(0, k - WINDOW + 1) : k + 1]))
        for k, (progress, _) in enumerate(points)
    ]


def behind(incumbent: Curve, candidate_points: Sequence[Progress], direction: Direction) -> bool:
    """Whether the candidate is so far behind that it will hardly win; `False` when in doubt.

    Its last `WINDOW` smoothed points must all be worse than the incumbent's at the same progress by
    a gap that is clear against the incumbent's own noise, larger than all that the incumbent
    still gained from there, and at a level that the incumbent had left behind long before.
    """
    if len(incumbent.points) < 2 * WINDOW:
        return False
    end = incumbent.points[-1][0]
    recent = smoothed(candidate_points)[-WINDOW:]
    if len(candidate_points) < 2 * WINDOW or recent[0][0] < WARM_UP * end or recent[-1][0] >= end:
        return False
    final = incumbent.at(end)

    def clearly(progress: float, value: float) -> bool:
        rival = incumbent.at(progress)
        gap = direction.gain(value, rival)
        to_come = max(0.0, direction.gain(rival, final))
        return (
            gap > max(NOISES * incumbent.noise * math.sqrt(2), CATCH_UP * to_come)
            and direction.gain(value, incumbent.at(LAG * progress)) > 0
        )

    return all(clearly(progress, value) for progress, value in recent)


def extend(points: list[Progress], text: str, pattern: re.Pattern[str]) -> bool:
    """Add the points in `text`, by the groups `progress` and `value`, or else 1 and 2.

    Lines with anything but two finite numbers are skipped. When progress falls (the program trains
    twice), only the last stretch counts; of two points with equal progress, the later one.
    Returns whether there was any.
    """
    names = pattern.groupindex
    first, second = ("progress", "value") if {"progress", "value"} <= set(names) else (1, 2)
    found = False
    for match in pattern.finditer(text):
        try:
            point = float(match[first]), float(match[second])
        except (TypeError, ValueError):
            continue
        if not all(map(math.isfinite, point)):
            continue
        found = True
        if points and point[0] < points[-1][0]:
            points.clear()
        elif points and point[0] == points[-1][0]:
            points.pop()
        points.append(point)
    return found
