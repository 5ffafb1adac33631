"""The noun that the readings of cases share: one input that is answered by itself."""

from __future__ import annotations

from dataclasses import dataclass

Value = int | float | str | bool | None

TRIVIAL: tuple[Value, ...] = (0, 1, -1, "", None)
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
