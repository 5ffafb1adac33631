"""Values that others wrote, taken in within bounds: JSON by size and depth, plain numbers only.

Nothing here runs, follows or expands what it reads: state that comes back from a cache or an
artifact is data, and JSON is the only form it has. What a value means is the caller's business;
the files that it comes from are untrusted_files.py's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
LARGEST = 1e300
"""Metric that can still be compared: twice as much, or the sum of some, must be a number, too."""


class MetricError(Exception):
    """The output holds no trustworthy number; `str(error)` is the journal's reason cell.

    Not an `AutoresearchError`: a candidate without a number is a row, and the run goes on.
    """


class NotFound(MetricError):
    """What is looked for is not there at all."""


def parse_number(text: str, largest: float = LARGEST) -> float:
    """A number up to `largest` in plain ASCII: sign, digits, fraction, exponent, and nothing else.

    Raises `MetricError` for `nan`, `inf`, `1e400`, `1,234.5`, `1_000`, `0x1F`, `١٢`, and ``.
    """
    if len(text) > 1000 or not NUMBER.fullmatch(text):
        raise MetricError(f"{_shown(text)} is not a plain finite number")
    value = float(text)
    if abs(value) > largest:
        raise MetricError(f"{_shown(text)} is too large for a number")
    return value


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:39] + "…")


MIB = 1 << 20
JSON_DEPTH = 64
"""Brackets in brackets; no report that we know of needs ten."""
JSON_ITEMS = 1_000_000
"""Values of one text: each takes some hundred bytes of memory, however short it is written."""
_LONGEST_NUMBER = 400
"""Characters. A float takes 25; Python refuses to convert an integer of more than 4300."""

# Possessive, so that neither a broken string nor a run of quotes is looked at twice.
_STRING = re.compile(r'"[^"\\]*+(?>(?:\\.[^"\\]*+)*)"?', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[{\]}]++")

ToNumber = Callable[[str], Any]


class Unreadable(ValueError):
    """Why something is not taken in; `str(error)` completes a sentence: `FILE is a folder`."""


def shown_size(size: int) -> str:
    """`64 MiB`, `256 kB`."""
    if size >= MIB and size % MIB == 0:
        return f"{size // MIB} MiB"
    return f"{size // 1000} kB" if size >= 1000 else f"{size} bytes"


def json_value(text: str | bytes, *, limit: int, number: ToNumber | None = None) -> Any:
    """The value of one JSON text of at most `limit` characters.

    Unreadable are also nesting, key twice in one object, and what JSON has no word for (NaN,
    Infinity, 1e999). `number` is given each number's own text. Raises `Unreadable`, or `ValueError`
    for what is not JSON.
    """
    if len(text) > limit:
        raise Unreadable(f"is more than {shown_size(limit)} of JSON")
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    _check_structure(text)
    return json.loads(
        text,
        parse_int=number or _integer,
        parse_float=number or _float,
        parse_constant=number or _not_a_number,
        object_pairs_hook=_distinct,
    )


def _check_structure(text: str) -> None:
    """Before parsing: the parser recurses, and makes an object of every value."""
    opened = text.count("[") + text.count("{")
    if opened + text.count(",") > JSON_ITEMS:
        raise Unreadable(f"holds more than {JSON_ITEMS} JSON values")
    if opened <= JSON_DEPTH:
        return
    level = 0
    for mark in _NO_BRACKET.sub("", _STRING.sub("", text)):
        if mark in "[{":
            level += 1
            if level > JSON_DEPTH:
                raise Unreadable(f"is nested too deeply, in more than {JSON_DEPTH} levels")
        else:
            level -= 1


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("has the same key twice in one JSON object")
    return found


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise Unreadable("holds a number with too many digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable(f"holds {text[:20]}, which is too large for a number")
    return value


def _not_a_number(text: str) -> float:
    raise Unreadable(f"holds {text}, which is not a number")
