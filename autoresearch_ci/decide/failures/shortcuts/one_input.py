"""The nouns that the readings of cases share: a value, and one input that is answered by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

Value = int | float | str | bool | None

TRIVIAL: tuple[Value, ...] = (0, 1, -1, "", "0", "1", None)
NATURAL: tuple[Value, ...] = (0, "", None)
"""What arguments are compared with for reasons of their own: a sum that is empty, a text."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One input that is answered by itself."""

    text: str
    line: int
    asked: tuple[Value, ...]
    """What arguments are compared with."""
    answers: tuple[Value, ...] = ()
    """Constants that the answer holds, where it must stand beside the input in a test."""
    several: bool = False
    """Whether the values must stand in one line of a test, and one of them be telling."""


def is_telling(value: Value) -> bool:
    """Whether it stands nowhere by chance."""
    if isinstance(value, str):
        return len(value) > 1
    return value is not None and (abs(value) >= 10 or not float(value).is_integer())


def values_of(literal: str) -> tuple[Value, ...]:
    """What a number or a text says; a text of numbers, as `"[1, 2]"`, says them."""
    if literal[:1] not in "\"'/":
        return (float(literal) if "." in literal else int(literal),)
    text = literal[1:-1].removeprefix("^").removesuffix("$")  # `/^bob$/`
    if re.fullmatch(r"[\d\s.,:;()\[\]{}-]*\d[\d\s.,:;()\[\]{}-]*", text):
        return tuple(float(n) if "." in n else int(n) for n in re.findall(r"\d+(?:\.\d+)?", text))
    return (text,)


def spelled(value: Value) -> str:
    """What every way of writing it holds."""
    if isinstance(value, str) or value is None:
        return value or ""
    return repr(int(value)) if float(value).is_integer() else repr(value)


def pattern_of(value: Value) -> re.Pattern[str]:
    """As a test writes it, in whatever language."""
    if isinstance(value, str):
        return re.compile(rf"(?m)(?:[\"'`/,]|^)\s*{re.escape(value)}\s*(?:[\"'`/,]|$)")
    if value is None:
        return re.compile(r"\b(None|null|nil)\b")
    return re.compile(rf"(?<![\w.]){re.escape(spelled(value))}(?:\.0+)?(?![\w.]*\w)")
