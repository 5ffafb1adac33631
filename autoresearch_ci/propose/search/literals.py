"""The text of a constant's value: reads one literal, writes a new value in the style of the old.

Where literals stand in a file, and which of them are constants, is not known here. Text is Latin-1,
one byte per character.
"""

from __future__ import annotations

import enum
import math
import re
from decimal import Decimal

Value = bool | int | float | str

BOOL = r"(?:[Tt]rue|[Ff]alse|TRUE|FALSE)"
QUOTED = r"(?:\"[^\"\\\n]*\"|'[^'\\\n]*')"
WORD = r"[A-Za-z_][\w./-]*"
_POWER = r"2\s*\*\*\s*\d{1,3}"
_DIGITS = r"\d+(?:_\d+)*"
_UNSIGNED = rf"(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][-+]?\d+)?"
MAGNITUDE = rf"(?:{_POWER}|{_UNSIGNED})"
NUMBER = rf"[-+]?{MAGNITUDE}"


class Kind(enum.Enum):
    """How a literal is written, which is how its new value must be written."""

    BOOL = "bool"
    INT = "int"
    POWER = "power"
    """`2**k`: the exponent moves, the value is the power."""
    FLOAT = "float"
    STRING = "string"


def parse(text: str) -> tuple[Kind, Value]:
    """Reads one literal; a bare word is a string. Raises `ValueError` on anything else."""
    if re.fullmatch(BOOL, text):
        return Kind.BOOL, text.lower() == "true"
    if re.fullmatch(QUOTED, text):
        return Kind.STRING, text[1:-1]
    if re.fullmatch(WORD, text):
        return Kind.STRING, text
    return _parse_number(text)


def _parse_number(text: str) -> tuple[Kind, Value]:
    if re.fullmatch(_POWER, text):
        return Kind.POWER, int(2 ** int(text.split("**")[1]))
    if not re.fullmatch(rf"[-+]?{_UNSIGNED}", text):
        raise ValueError(text)
    if re.fullmatch(r"[-+]?[\d_]+", text):
        return Kind.INT, int(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return Kind.FLOAT, value


def is_literal(text: str) -> bool:
    """Whether `parse` can read it: not so 0x10, r"", a triple-quoted string, 1j, ..."""
    try:
        parse(text)
    except ValueError:
        return False
    return True


def write(value: Value, kind: Kind, old: str) -> str:
    """`value` as a literal of that kind, in the style of `old`; `parse` gives it back unchanged."""
    match kind:
        case Kind.STRING:
            return f"{old[0]}{value}{old[0]}" if old[0] in "\"'" else str(value)
        case Kind.BOOL:
            text = "true" if value else "false"
            return text.upper() if old.isupper() else text.title() if old[0].isupper() else text
        case Kind.POWER:
            return re.sub(r"\d+$", str(int(value).bit_length() - 1), old)
        case Kind.INT:
            return f"{value:_}" if "_" in old else str(value)
        case Kind.FLOAT:
            return _write_float(float(value), old)


def _write_float(value: float, old: str) -> str:
    number = Decimal(repr(value))
    exponent = number.adjusted()
    scientific = "e" in old.lower() or abs(exponent) > 15
    if scientific and value and not -3 < exponent < 4:
        return _write_scientific(number, old)
    text = format(number, "f")
    return text if "." in text else f"{text}.0"


def _write_scientific(number: Decimal, old: str) -> str:
    sign, digits, _ = number.as_tuple()
    significant = "".join(map(str, digits)).rstrip("0")
    # PyYAML reads `3e-4` and `3.0e2` as strings: the point and the plus of the old text stay.
    fraction = significant[1:] or ("0" if "." in old or "e" not in old.lower() else "")
    plus = "" if number.adjusted() < 0 or re.search(r"[eE]\d", old) else "+"
    mark = "E" if "E" in old else "e"
    point = "." if fraction else ""
    return f"{'-' * sign}{significant[0]}{point}{fraction}{mark}{plus}{number.adjusted()}"
