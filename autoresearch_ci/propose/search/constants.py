"""One tunable constant of a file, its new value written into the file, its place in the next one.

How constants are found is the business of `finder`; which values to try is not decided here. Every
byte outside a literal survives as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.propose.search.annotations import (
    NUMBER,
    QUOTED,
    WORD,
    Condition,
    Kind,
    Value,
    is_literal,
    parse,
    write,
)

_LITERAL = re.compile(rf"{QUOTED}|{NUMBER}|{WORD}")


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One literal, where it stands, and the values it may take."""

    path: str
    name: str
    """`LR`, `BETAS[1]`, `OPTIONS['lr']`; `#2` is appended to the second of one name in a file."""
    value: Value
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
    choices: tuple[Value, ...] = ()
    condition: Condition | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the constant from one commit to the next."""
        return self.path, self.name

    def written(self, value: Value) -> str:
        """`value` in the style of the present literal."""
        return write(value, self.kind, self.literal)

    def allows(self, value: Value) -> bool:
        """Whether `value` lies in the constant's space."""
        if self.choices:
            return value in self.choices
        assert self.low is not None
        assert self.high is not None
        return not isinstance(value, str) and self.low <= value <= self.high


def rounded(constant: Constant, value: Value) -> Value:
    """`value` as a person would write it: at most four significant digits. Choices stay."""
    if constant.choices or constant.kind is Kind.POWER or isinstance(value, str):
        return value
    short = float(f"{value:.4g}")
    return int(short) if constant.kind is Kind.INT else short


def rewrite(data: bytes, changes: Mapping[Constant, Value]) -> bytes:
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
