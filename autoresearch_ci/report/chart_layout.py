"""Where things land on the picture: the range of an axis, its ticks, and labels that keep apart.

Geometry only; chart.py draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LARGEST = 1e300
"""What lies beyond is drawn there: the length of a range is a number, too."""
_FLATTENS = 5.0
"""How many times as high a picture may become for one more value."""

FONT_SIZE = 11
_CHARACTER = 0.6 * FONT_SIZE
"""Mean width of a character of a sans-serif font, on the wide side."""
_HEIGHT = 1.3 * FONT_SIZE
_GAP = 9.0
"""Between a point's centre and its label."""
_MAY_COVER = 2
"""Points hidden by one label; else the anchor stays nameless."""
_FULL, _SHORT = 44, 16
"""Characters of a label: never more, and not fewer unless the text itself is shorter."""


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


def robust_range(core: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Holds every value of `core`, and those of `others` but for outliers.

    An outlier would make a picture of all that lies nearer to `core` `_FLATTENS` times as high. At
    most a third of the values are outliers: what is more frequent is what the run was like.
    """
    core, others = _drawable(core), _drawable(others)
    low, high = min(core), max(core)
    near = sorted(others, key=lambda value: max(low - value, value - high))
    surely = len(near) - (len(core) + len(near)) // 3
    for shown, value in enumerate(near):
        wider = min(low, value), max(high, value)
        if (
            shown >= surely
            and not _flat(low, high)
            and wider[1] - wider[0] > _FLATTENS * (high - low)
        ):
            break
        low, high = wider
    if _flat(low, high):
        margin = abs(low) * 0.01 or 1.0
        return low - margin, high + margin
    return low, high


def _flat(low: float, high: float) -> bool:
    """Whether the two differ in the last digits at most, which no tick can name."""
    return high - low <= 1e-9 * max(abs(low), abs(high))


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


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A point that asks for a name."""

    x: float
    y: float
    text: str
    importance: float
    """Who goes first when there is no room for all."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """A name with a place: the text's end, or start, is at the point."""

    x: float
    y: float
    text: str
    ends_at_point: bool


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The rectangle that labels must not leave, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class _Box:
    """A rectangle in the rotated system: `u` along the text, `v` across it."""

    u0: float
    u1: float
    v: float
    half: float

    def meets(self, other: _Box) -> bool:
        apart = abs(self.v - other.v) >= self.half + other.half
        return not apart and self.u0 < other.u1 and other.u0 < self.u1


def place(
    anchors: Sequence[Anchor], points: Sequence[tuple[float, float]], frame: Frame, degrees: float
) -> list[Label]:
    """Labels for as many anchors as fit, the most important first.

    All labels are parallel, so in a system rotated by `degrees` (SVG's sense) they are upright
    boxes and overlap is a comparison. A label that ends at its point lies on the side where, while
    the running best improves, nothing is ever drawn; one that starts there covers as few `points`
    as it can.
    """
    angle = math.radians(degrees)
    dots = [_dot(x, y, angle) for x, y in points]
    taken: list[_Box] = []
    placed = []
    for anchor in sorted(anchors, key=lambda a: -a.importance):
        free = [
            (label, box)
            for label, box in _candidates(anchor, frame, angle)
            if not any(box.meets(other) for other in taken)
        ]
        chosen = min(free, key=lambda pair: _covered(pair[0], pair[1], dots), default=None)
        if chosen is None or _covered(chosen[0], chosen[1], dots) > _MAY_COVER:
            continue
        placed.append(chosen[0])
        taken.append(chosen[1])
    return sorted(placed, key=lambda label: label.x)


def _covered(label: Label, box: _Box, dots: Sequence[_Box]) -> int:
    return 0 if label.ends_at_point else sum(box.meets(dot) for dot in dots)


def _candidates(anchor: Anchor, frame: Frame, angle: float) -> list[tuple[Label, _Box]]:
    u, v = _rotated(anchor.x, anchor.y, angle)
    found = []
    for wanted in (_FULL, _SHORT):
        for ends_at_point in (True, False):
            room = int((_room(anchor, frame, angle, backwards=ends_at_point) - _GAP) / _CHARACTER)
            text = _cut(anchor.text, min(room, wanted))
            if len(text) < min(len(anchor.text), _SHORT if wanted == _SHORT else 24):
                continue
            length = len(text) * _CHARACTER
            u0 = u - _GAP - length if ends_at_point else u + _GAP
            label = Label(x=anchor.x, y=anchor.y, text=text, ends_at_point=ends_at_point)
            found.append((label, _Box(u0=u0 - 5, u1=u0 + length + 5, v=v, half=_HEIGHT / 2)))
    return found


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    return text[: max(0, width - 1)].rstrip() + "…"


def _room(anchor: Anchor, frame: Frame, angle: float, *, backwards: bool) -> float:
    """Pixels from the point to the frame along the text."""
    dx, dy = math.cos(angle), math.sin(angle)
    if backwards:
        dx, dy = -dx, -dy
    across = ((frame.right if dx > 0 else frame.left) - anchor.x) / dx
    down = ((frame.bottom if dy > 0 else frame.top) - anchor.y) / dy
    return max(0.0, min(across, down))


def _dot(x: float, y: float, angle: float) -> _Box:
    u, v = _rotated(x, y, angle)
    return _Box(u0=u - 4, u1=u + 4, v=v, half=3)


def _rotated(x: float, y: float, angle: float) -> tuple[float, float]:
    return (
        x * math.cos(angle) + y * math.sin(angle),
        y * math.cos(angle) - x * math.sin(angle),
    )
