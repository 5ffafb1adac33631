"""One tunable constant of a file, the values it may take, its new value written into the file.

How constants are found is constant_finder.py's business; which values to try is not decided here.
Every byte outside a literal survives as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.propose.search.tune_comments import (
    NUMBER,
    QUOTED,
    WORD,
    Condition,
    Kind,
    TuneComment,
    TunedValue,
    is_literal,
    parse,
    write,
)

_LARGEST_INT = 2**53  # beyond it a float, and so the optimiser, cannot tell neighbours apart


def annotated(constant: Constant, note: TuneComment) -> Constant | None:
    """`constant` with the annotation's range; `None` when the annotation cannot mean it."""
    kind = _annotated_kind(constant.kind, [*note.choices, *(note.bounds or ())])
    if kind is None:
        return None
    value = float(constant.value) if kind is Kind.FLOAT else constant.value
    constant = replace(constant, kind=kind, value=value, condition=note.condition)
    if note.bounds is None:
        return _with_choices(constant, note.choices)
    return _with_bounds(constant, *note.bounds, log=note.log)


def _annotated_kind(kind: Kind, given: Sequence[TunedValue]) -> Kind | None:
    if not given or isinstance(given[0], bool):
        return Kind.BOOL if kind is Kind.BOOL and given else None
    if isinstance(given[0], str):
        return Kind.STRING if kind is Kind.STRING else None
    whole = all(float(value).is_integer() for value in given)
    if kind is Kind.INT:
        return Kind.INT if whole else Kind.FLOAT  # `dropout: 0  # tune: 0..0.5` means a float
    return kind if kind is Kind.FLOAT or (kind is Kind.POWER and whole) else None


def _with_choices(constant: Constant, given: Sequence[TunedValue]) -> Constant | None:
    choices = tuple(_cast(constant.kind, value) for value in given)
    writable = all(_is_writable(constant, choice) for choice in choices)
    return replace(constant, choices=choices) if writable else None


def _cast(kind: Kind, value: TunedValue) -> TunedValue:
    if kind is Kind.FLOAT:
        return float(value)
    return int(value) if kind in (Kind.INT, Kind.POWER) else value


def _is_writable(constant: Constant, value: TunedValue) -> bool:
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


_LITERAL = re.compile(rf"{QUOTED}|{NUMBER}|{WORD}")


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One literal, where it stands, and the values it may take."""

    path: str
    name: str
    """`LR`, `BETAS[1]`, `OPTIONS['lr']`; `#2` is appended to the second of one name in a file."""
    value: TunedValue
    literal: str
    """As written, Latin-1."""
    start: int
    end: int
    """Byte offsets of the literal."""
    kind: Kind
    low: float | None = None
    high: float | None = None
    """Inclusive; the power's value, not its exponent. `None` when `choices` is what counts."""
    log: bool = False
    choices: tuple[TunedValue, ...] = ()
    condition: Condition | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the constant from one commit to the next."""
        return self.path, self.name

    def written(self, value: TunedValue) -> str:
        """`value` in the style of the present literal."""
        return write(value, self.kind, self.literal)

    def allows(self, value: TunedValue) -> bool:
        """Whether `value` lies in the constant's space."""
        if self.choices:
            return value in self.choices
        assert self.low is not None
        assert self.high is not None
        return not isinstance(value, str) and self.low <= value <= self.high


def rounded(constant: Constant, value: TunedValue) -> TunedValue:
    """`value` as a person would write it: at most four significant digits. Choices stay."""
    if constant.choices or constant.kind is Kind.POWER or isinstance(value, str):
        return value
    short = float(f"{value:.4g}")
    return int(short) if constant.kind is Kind.INT else short


def rewrite(data: bytes, changes: Mapping[Constant, TunedValue]) -> bytes:
    """`data` with each constant's literal replaced; the constants must have been found in it."""
    for constant in sorted(changes, key=lambda constant: constant.start, reverse=True):
        text = constant.written(changes[constant]).encode("latin-1")
        data = data[: constant.start] + text + data[constant.end :]
    return data


def follow(constants: Sequence[Constant], before: bytes, after: bytes) -> list[Constant] | None:
    """The same constants in `after`, when nothing but their literals differs; else `None`.

    A hundred times faster than finding them again, which is what makes a resume cheap.
    """
    text = after.decode("latin-1")
    followed: list[Constant] = []
    old = new = 0
    for constant in constants:
        gap = before[old : constant.start]
        if not after.startswith(gap, new):
            return None
        moved = _moved(constant, text, new + len(gap))
        if moved is None:
            return None
        followed.append(moved)
        old, new = constant.end, moved.end
    return followed if after[new:] == before[old:] else None


def _moved(constant: Constant, text: str, start: int) -> Constant | None:
    """`constant` as it now stands at `start`; `None` when what stands there is of another kind."""
    match = _LITERAL.match(text, start)
    if match is None or not is_literal(match[0]):
        return None
    kind, value = parse(match[0])
    if constant.kind is Kind.FLOAT and kind is Kind.INT:
        kind, value = Kind.FLOAT, float(value)
    if kind is not constant.kind:
        return None
    return replace(constant, value=value, literal=match[0], start=start, end=match.end())
