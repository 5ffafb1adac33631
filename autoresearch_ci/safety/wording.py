"""How figures are written, and how words are shortened, in every report."""

from __future__ import annotations

import math

NOTHING = "-"
"""Stands where a figure is missing."""


def number(value: float | None) -> str:
    """Six significant digits, whole numbers in full."""
    if value is None:
        return NOTHING
    if math.isfinite(value) and 1e6 <= abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.6g}"


def signed(value: float | None) -> str:
    """A difference: three significant digits and its sign."""
    return NOTHING if value is None else f"{value:+.3g}"


def percent(fraction: float | None) -> str:
    """`-0.056` is `-5.6 %`; small changes keep two significant digits, and 99.99 % is not all."""
    if fraction is None or not math.isfinite(fraction):
        return NOTHING
    size = abs(fraction * 100)
    decimals = 1 if size >= 1 or size == 0 else min(4, 1 - math.floor(math.log10(size)))
    if 99.95 <= size < 99.99995:
        decimals = min(4, -math.floor(math.log10(100 - size) + 1e-9))
    return f"{fraction * 100 + 0.0:+.{decimals}f} %"  # -0.0 + 0.0 is 0.0


def share(part: float) -> str:
    """Of a whole: `0.2` is `20 %`."""
    return f"{part * 100:.0f} %"


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `7 h 05 min`."""
    if not math.isfinite(seconds):
        return NOTHING
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def shortened(text: str, width: int) -> str:
    """One line of at most `width` characters, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def commit_name(commit: str) -> str:
    """The usual seven characters."""
    return commit[:7] or NOTHING
