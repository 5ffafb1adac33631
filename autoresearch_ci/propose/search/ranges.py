"""Decides which values a constant may take: as annotated, or around the one it has.

Where the constant stands, and which of those values to try, is not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from autoresearch_ci.propose.search.annotations import Annotation, Kind, Value, is_literal, parse
from autoresearch_ci.propose.search.constants import Constant

_LARGEST_INT = 2**53  # beyond it a float, and so the optimiser, cannot tell neighbours apart


def annotated(constant: Constant, note: Annotation) -> Constant | None:
    """`constant` with the annotation's range; `None` when the annotation cannot mean it."""
    kind = _annotated_kind(constant.kind, [*note.choices, *(note.bounds or ())])
    if kind is None:
        return None
    value = float(constant.value) if kind is Kind.FLOAT else constant.value
    constant = replace(constant, kind=kind, value=value, condition=note.condition)
    if note.bounds is None:
        return _with_choices(constant, note.choices)
    return _with_bounds(constant, *note.bounds, log=note.log)


def _annotated_kind(kind: Kind, given: Sequence[Value]) -> Kind | None:
    if not given or isinstance(given[0], bool):
        return Kind.BOOL if kind is Kind.BOOL and given else None
    if isinstance(given[0], str):
        return Kind.STRING if kind is Kind.STRING else None
    whole = all(float(value).is_integer() for value in given)
    if kind is Kind.INT:
        return Kind.INT if whole else Kind.FLOAT  # `dropout: 0  # tune: 0..0.5` means a float
    return kind if kind is Kind.FLOAT or (kind is Kind.POWER and whole) else None


def _with_choices(constant: Constant, given: Sequence[Value]) -> Constant | None:
    choices = tuple(_cast(constant.kind, value) for value in given)
    writable = all(_is_writable(constant, choice) for choice in choices)
    return replace(constant, choices=choices) if writable else None


def _cast(kind: Kind, value: Value) -> Value:
    if kind is Kind.FLOAT:
        return float(value)
    return int(value) if kind in (Kind.INT, Kind.POWER) else value


def _is_writable(constant: Constant, value: Value) -> bool:
    """Whether `value` is read back as itself once written in the literal's style."""
    text = constant.written(value)
    return is_literal(text) and parse(text) == (constant.kind, value)


def _with_bounds(constant: Constant, low: float, high: float, *, log: bool) -> Constant | None:
    if constant.kind is Kind.POWER:
        low = 2 ** math.ceil(math.log2(max(low, 1)))
        high = 2 ** math.floor(math.log2(max(high, 1)))
        return replace(constant, low=low, high=high, log=True) if low < high else None
    if constant.kind is Kind.INT and max(-low, high) > _LARGEST_INT:
        return None
    return replace(constant, low=low, high=high, log=log)


def by_default(constant: Constant) -> Constant | None:
    """`constant` with a range that nobody had to write; `None` when none is sensible."""
    if constant.kind is Kind.BOOL:
        return replace(constant, choices=(True, False))
    if isinstance(constant.value, str):
        return None
    if constant.kind is Kind.INT and constant.value >= 16 and int(constant.value).bit_count() == 1:
        return _sizes(constant, int(constant.value))
    low, high, log = _default_range(constant.kind, constant.value)
    if not low < high or not math.isfinite(high) or (log and low <= 0):
        return None
    return _with_bounds(constant, low, high, log=log)


def _sizes(constant: Constant, value: int) -> Constant | None:
    # A batch, a width, a block: sizes between powers of two mostly crash or crawl.
    choices = tuple(value // 4 * factor for factor in (1, 2, 4, 8, 16))
    return replace(constant, choices=choices) if choices[-1] <= _LARGEST_INT else None


def _default_range(kind: Kind, value: float) -> tuple[float, float, bool]:
    if kind is Kind.POWER:
        exponent = int(value).bit_length() - 1
        return 2 ** max(0, exponent - 2), 2 ** (exponent + 2), True
    if kind is Kind.INT:
        smallest, largest = sorted((int(value) // 4, int(value) * 4))
        return (max(1, smallest) if value >= 1 else smallest), largest, value >= 1
    if value == 0:
        return 0.0, 0.1, False
    if 0.5 < value < 1:
        # A fraction near 1, like a momentum: its distance to 1 is what matters; 1 is excluded.
        return _short(max(value / 4, 1 - 4 * (1 - value))), _short(1 - (1 - value) / 4), False
    low, high = sorted((_short(value / 4), _short(value * 4)))
    return low, min(high, 1.0) if value < 1 else high, value > 0


def _short(value: float) -> float:
    # A bound of four digits: no sampled value leaves the range by being rounded.
    return float(f"{value:.4g}")
