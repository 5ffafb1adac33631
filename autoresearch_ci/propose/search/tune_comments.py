"""A constant's value as text, and the `# tune:` comment behind it: reading both, writing anew.

Which literal a comment belongs to, and whether it fits, is not decided here. Text is Latin-1, one
byte per character; a new value is written in the style of the old.

    LR = 0.04                # tune: 1e-4..1 log
    optimizer: sgd           # tune: [sgd, adam]
    momentum: 0.9            # tune: 0..0.99 when optimizer == sgd
    const int kBlock = 64;   // tune: skip
"""

from __future__ import annotations

import enum
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from autoresearch_ci.errors import ProposerError

TunedValue = bool | int | float | str

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


def parse(text: str) -> tuple[Kind, TunedValue]:
    """Reads one literal; a bare word is a string. Raises `ValueError` on anything else."""
    if re.fullmatch(BOOL, text):
        return Kind.BOOL, text.lower() == "true"
    if re.fullmatch(QUOTED, text):
        return Kind.STRING, text[1:-1]
    if re.fullmatch(WORD, text):
        return Kind.STRING, text
    return _parse_number(text)


def _parse_number(text: str) -> tuple[Kind, TunedValue]:
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


def write(value: TunedValue, kind: Kind, old: str) -> str:
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


_TUNE = re.compile(r"(?:#+|//+|--+|;+|/\*+)\s*tune:\s*")
_RANGE = re.compile(rf"({NUMBER})\s*\.\.\s*({NUMBER})(?:\s+(log|linear))?")
_CHOICES = re.compile(r"\[(.*)\]")
_CHOICE = re.compile(r"\s*(\"[^\"\\]*\"|'[^'\\]*'|[^\s,\"'\\]+)\s*(?:,|$)")
_CONDITION = re.compile(r"(.*?)\s+when\s+(\S+)\s*(==|!=)\s*(\S+)")
_EXPECTED = (
    "Expected `tune: LOW..HIGH`, `tune: LOW..HIGH log`, `tune: [value, value]` or `tune: skip`, "
    "the first three optionally followed by `when NAME == value`."
)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The constant matters only while another one of the same file has (not) a value."""

    name: str
    value: TunedValue
    equal: bool


@dataclass(frozen=True, kw_only=True)
class TuneComment:
    """What a `tune:` comment says; neither bounds nor choices means `skip`."""

    text: str
    column: int
    """Where the comment starts in its line."""
    bounds: tuple[float, float] | None = None
    """Inclusive."""
    log: bool = False
    choices: tuple[TunedValue, ...] = ()
    condition: Condition | None = None

    @property
    def skip(self) -> bool:
        return self.bounds is None and not self.choices


class _Malformed(Exception):
    """Why an annotation cannot be used; the caller knows where it stands."""


TextSpan = tuple[int, int, int]
"""Line (from 1), start and end (offsets in the text) of a comment."""


def read_annotations(
    path: str, text: str, starts: Sequence[int], comments: Iterable[TextSpan]
) -> dict[int, TuneComment]:
    """Line number to annotation; `starts` are the offsets of the lines.

    Raises `ProposerError` on one that cannot be understood.
    """
    found: dict[int, TuneComment] = {}
    if "tune:" not in text:  # spares going through the comments
        return found
    for line, start, end in comments:
        match = _TUNE.match(text, start, end)
        if match is None:
            continue
        spec = re.sub(r"\s*(?:\*/|-->)?\s*$", "", text[match.end() : end])
        column = start - starts[line - 1]
        alone = not text[starts[line - 1] : start].removeprefix("\xef\xbb\xbf").strip()
        try:
            found[line] = _annotation(spec, column)
        except _Malformed as error:
            if alone:  # alone on its line, `tune:` may just be prose
                continue
            raise refusal(path, line, spec, str(error)) from None
        if alone:
            raise refusal(path, line, spec, "It must stand behind the value, on the same line.")
    return found


def comments_in_lines(text: str, starts: Sequence[int]) -> Iterator[TextSpan]:
    """The last thing of each line that looks like an annotation, in whatever language."""
    for line, (start, end) in enumerate(itertools.pairwise(starts), 1):
        for match in [*_TUNE.finditer(text, start, end)][-1:]:
            yield line, match.start(), end


def refusal(path: str, line: int, spec: str, why: str) -> ProposerError:
    """The error that tells where an annotation is, why it cannot be used, and what could be."""
    reason = f"{why} {_EXPECTED}" if why else _EXPECTED
    return ProposerError(f"{path}:{line}: cannot use the annotation `tune: {spec}`. {reason}")


def _annotation(text: str, column: int) -> TuneComment:
    note = TuneComment(text=text, column=column)
    if text == "skip":
        return note
    spec = text
    if match := _CONDITION.fullmatch(text):
        spec = match[1]
        condition = Condition(name=match[2], value=_value(match[4]), equal=match[3] == "==")
        note = replace(note, condition=condition)
    if match := _RANGE.fullmatch(spec):
        log = match[3] == "log"
        return replace(note, bounds=_bounds(match[1], match[2], log=log), log=log)
    if match := _CHOICES.fullmatch(spec):
        return replace(note, choices=_choices(match[1]))
    raise _Malformed("")


def _bounds(first: str, second: str, *, log: bool) -> tuple[float, float]:
    low, high = _value(first), _value(second)
    assert not isinstance(low, str)
    assert not isinstance(high, str)
    if not low < high:
        raise _Malformed("The first bound must be below the second.")
    if log and low <= 0:
        raise _Malformed("A log range must start above 0.")
    return low, high


def _choices(text: str) -> tuple[TunedValue, ...]:
    values: list[TunedValue] = []
    position = 0
    while position < len(text):
        match = _CHOICE.match(text, position)
        if match is None:
            raise _Malformed("Values may not hold quotes or backslashes.")
        values.append(_value(match[1]))
        position = match.end()
    kinds = {type(value) if isinstance(value, bool | str) else float for value in values}
    if len(values) < 2 or len(kinds) != 1 or len(set(values)) < len(values):
        raise _Malformed("A list needs two or more different values of one type.")
    return tuple(values)


def _value(text: str) -> TunedValue:
    try:
        _, value = parse(text)
        if not isinstance(value, str):
            float(value)  # the optimiser's arithmetic
    except (ValueError, OverflowError):
        raise _Malformed(f"{text} is no usable number, true, false, or text.") from None
    return value
