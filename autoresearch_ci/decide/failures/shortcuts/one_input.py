"""The nouns that the readings of cases share: a value, and one input that is answered by itself."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

Value = int | float | str | bool | None

TRIVIAL: tuple[Value, ...] = (0, 1, -1, "", "0", "1", None)
NATURAL: tuple[Value, ...] = (0, "", None)
"""What arguments are compared with for reasons of their own: a sum that is empty, a text."""

_FROM_FIRST: Mapping[Value, tuple[Value, ...]] = {
    0: (6, 9, 11, 23, 59, 255, 359),
    1: (7, 12, 53, 365, 366),
    2: (28, 29),
    "a": ("z",),
    "A": ("Z",),
    "0": ("9", "f", "F"),
}
"""Where digits, hours, months or letters begin and end, and a month with an end of its own."""


def is_turn(asked: Collection[Value], answers: Collection[Value]) -> bool:
    """Whether one is asked for, and what begins anew there is the answer: 1 of month 12."""
    one = {value for value in asked if value != 0} or {*asked}  # `year % 4 == 0` stands beside it
    if not len(one) == 1 == len({*answers}):
        return False
    both = {*one, *answers}
    return any(both == {first, last} for first, lasts in _FROM_FIRST.items() for last in lasts)


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


_OF_INPUT = re.compile(
    r"\b(?:(?P<digest>sum|hash\w*|crc32|adler32|md5|sha\d*|(?:hex)?digest)|len|length|size|count"
    r"|strlen|sizeof|max|min)\b|\[\s*(?:-?\d+|\w+\s*-\s*1|\.length[^\]]*)\s*\]|\w\s*%\s*(?P<by>\d{1,300})"
    r"|\.(?:at|charAt|charCodeAt|first|last|front|back|get)\b|(?i:starts_?with|ends_?with)\b"
    r"|\bHas(?:Pre|Suf)fix\b|\b(?:includes|[cC]ontains|strstr|strncmp|indexOf)\("
)
_LABEL = re.compile(r"(?:[^\W\d]|-)+\d?")
"""A word that may name a kind of input."""
_LISTS = re.compile(r"[\[({]([^\[\](){}\n]*)[\])}]")
_NUMBERS = re.compile(r"(?<![\w.])-?\d{1,300}(?:\.\d{1,300})?(?![\w.]*\w)")
_TEXTS = re.compile(r"\"([^\"\n]{1,200})\"|'([^'\n]{1,200})'")
CHOOSES = re.compile(r"\s*+(?:if|for|foreach|while|switch|match|case|when|unless|try)\b")
"""Starts of lines under which code runs in some cases only."""
NEAR = 3
"""Lines of a test in which an input and what is expected of it stand together."""


def _spaced(pattern: str) -> re.Pattern[str]:
    """With `N` for a name, `K` for a number and a blank for any that may stand there."""
    for short, long in (
        (" ", r"\s{0,9}"),
        ("N", r"\b([A-Za-z_]\w{0,100})"),
        ("K", r"(-?\d{1,300})"),
    ):
        pattern = pattern.replace(short, long)
    return re.compile(pattern)


_IS = (
    _spaced(r"(?:!|\bnot\b) \( N (?:[-^]|!==?) K(\.\d{1,300})? \)"),
    _spaced(r"\( N [-^] K(\.\d{1,300})? \) ===? 0\b(?!\.)"),
    _spaced(r"\b(?:Math\.|f)?abs\( N - K() \) < 1\b(?!\.)"),
)
_AND = r" (?:&&|\band\b) "
_WITHIN = (
    (_spaced(rf"N (>=?) K{_AND}N (<=?) K\b(?!\.)"), (0, 1, 2, 4, 5)),
    (_spaced(rf"N (<=?) K{_AND}N (>=?) K\b(?!\.)"), (0, 4, 5, 1, 2)),
    (_spaced(r"K (<=?) N (<=?) K\b(?!\.)"), (2, 1, 0, 3, 4)),
    (_spaced(r"N in (range)\( K (,) K \)"), (0, 1, 2, 3, 4)),
    (_spaced(r"\( K(\.\.)(=?) K \)\.contains\( &?N \)"), (4, 1, 0, 2, 3)),
)
"""Limits on both sides, and where in them name, sign and number of the lower and the upper are."""


def as_equal(text: str) -> str:
    """With comparisons in other words as what they are: `!(n ^ 10)`, `9 < n < 11`."""
    for pattern in _IS:
        text = pattern.sub(r"(\1 == \2\3)", text)
    for pattern, places in _WITHIN:
        text = pattern.sub(functools.partial(_one_of, places), text)
    return text


def _one_of(places: Sequence[int], match: re.Match[str]) -> str:
    """The number that is within both limits; what stands there, where there are several."""
    told = match.groups()
    name, above, lower, below, upper = (told[place] for place in places)
    least = int(lower) + (above in ("<", ">"))
    most = int(upper) - (below not in ("<=", ">=", "="))
    same = len({word for word in told if re.match(r"[^\W\d]", word)} - {"range"}) == 1
    return f"{name} == {least}" if least == most and same else match[0]


_FORM = re.compile(r"[\"'`](?:[^\"'`\n%{]|%(?!\w))*(?:%\w|\{)[^\"'`\n]*+[\"'`]")


def is_form(asked: Collection[Value], answers: Collection[Value], before: str) -> bool:
    """Whether it says the input in the words of what is said of others: `12 pm`, `1 item`."""
    said = " ".join(map(str, answers))
    numbers, words = re.findall(r"\d+", said), re.findall(r"[^\W\d]+", said)
    if not (numbers and words and {*numbers} <= {*map(spelled, asked)}):
        return False
    forms = " ".join(match[0] for match in _FORM.finditer(before))
    return all(re.search(rf"\b{word}", forms) for word in words)


def is_of_input(condition: str) -> bool:
    """Whether it asks for what an input has, and not which one it is: its length, its sum."""
    return _OF_INPUT.search(condition) is not None


def asked_by_what_it_has(
    condition: str,
    asked: Collection[Value],
    answers: Collection[Value],
    tests: Mapping[str, str],
    several: bool = False,
) -> str:
    """The test file that expects an answer of an input that has what a condition asks for; empty:
    none, or one that has it by its nature.

    A number that stands nowhere by chance is no answer to anything else, whatever number is asked
    for, nor is what the input says in other letters; a word by itself may name a kind of input,
    and `several` that tests expect, each chosen by a length or by letters of it, do not.
    """
    found = _OF_INPUT.search(condition)
    divisors = [int(m["by"]) for m in _OF_INPUT.finditer(condition) if int(m["by"] or 0) > 1]
    told = [value for value in answers if value not in TRIVIAL]
    if not told or not (divisors or any(value not in TRIVIAL for value in asked)):
        return ""
    words = any(isinstance(value, str) for value in told)
    (word, *more) = told
    labels = not more and isinstance(word, str) and bool(_LABEL.fullmatch(word))
    kinds = any(isinstance(value, str) for value in (*told, *asked))
    certain = not kinds and all(map(is_telling, told)) and not {*told} & {*asked}
    kind = labels and (not several or bool(divisors))
    by_nature = not found or (kind and not found["digest"])
    for name, text in tests.items():
        lines = text.splitlines()
        for number in _expecting(told, lines):
            near = "\n".join(lines[max(number - NEAR + 1, 0) : number + 1])
            if (
                certain
                or (words and all(_says_again(value, lines[number]) for value in told))
                or (not by_nature and {*asked} <= {*had(near, divisors, asked), *TRIVIAL})
            ):
                return name
    return ""


def _says_again(value: Value, line: str) -> bool:
    """Whether a text says what another one in the line says, in other letters."""
    said = [re.sub(r"\W|_", "", one or other).lower() for one, other in _TEXTS.findall(line)]
    own = re.sub(r"\W|_", "", str(value)).lower()
    return sum(len(other) > 1 and (other in own or own in other) for other in said) > 1


def _expecting(values: Collection[Value], lines: Sequence[str]) -> list[int]:
    """The lines in which these are what a call is compared with; empty: one of them is not."""
    found = [
        [n for n, line in enumerate(lines) if spelled(v) in line and _in_place(v).search(line)]
        for v in values
    ]
    return sorted({*chain(*found)}) if all(found) else []


@functools.lru_cache(maxsize=256)
def _in_place(value: Value) -> re.Pattern[str]:
    """Behind the sign or the words that compare, or last in a row."""
    told = rf"[\"'`]{re.escape(value)}[\"'`]" if isinstance(value, str) else spelled(value)
    if not isinstance(value, str):
        told = rf"{re.escape(told)}(?:\.0+)?(?![\w.]*\w)"
    compares = r"[=!]=|\bis\b|,|\":|\b(?:to[A-Z]\w*|[eE]qual\w*|eq|be)\("
    return re.compile(
        rf"(?:{compares})\s*{told}\s*(?=[)\]}};:{{]|,?\s*(?:#.*|//.*)?$)"
        rf"|\b[aA]ssert\w*!?\(\s*(?:\w+,\s*)?{told}\s*,"
    )


def listed_in(
    values: Collection[Value], tests: Mapping[str, str], fewest: int = 2, *, telling: bool = False
) -> str:
    """The test file that expects these one by one, in so many lines or rows; empty: none.

    `telling`: that they stand together is so already, whatever they are."""
    told = [value for value in dict.fromkeys(values) if value not in TRIVIAL]
    if len(told) < fewest or not (telling or any(map(is_telling, told))):
        return ""
    for name, text in tests.items():
        lines = text.splitlines()
        expecting = _expecting(told, lines)
        rows = max(
            (sum(bool(_row(v).search(lines[n])) for v in told) for n in expecting), default=0
        )
        if max(len(expecting), rows) >= fewest:
            return name
    return ""


def _row(value: Value) -> re.Pattern[str]:
    """Last in a row, of several in a line: `("a", 1), ("b", 2)`."""
    return re.compile(
        rf"[(\[{{][^()\[\]{{}}]*,\s*[\"'`]?{re.escape(spelled(value))}[\"'`]?\s*[)\]}}]\s*[,\])}}]"
    )


def had(
    text: str, divisors: Collection[int] = (), asked: Collection[Value] = ()
) -> Iterator[Value]:
    """What can be said of the literals in a text; `asked`: which parts of words may be."""
    groups = [match[1].split(",") for match in _LISTS.finditer(text)]
    for items in (group for group in groups if any(map(str.strip, group))):
        yield len(items)
        numbers = [float(n) for item in items for n in _NUMBERS.findall(item)]
        if numbers:
            yield from (sum(numbers), max(numbers), min(numbers), numbers[0], numbers[-1])
    for told in (one or other for one, other in _TEXTS.findall(text)):
        yield from (len(told), told[0], told[-1], ord(told[0]))
        yield from (part for part in asked if _is_cut(part, told))
    for number in _NUMBERS.findall(text):
        yield len(number.removeprefix("-"))
        yield from (float(number) % divisor for divisor in divisors)


def _is_cut(part: Value, told: str) -> bool:
    """Whether letters stand in a text without a sign that would make them a part of its own."""
    part = str(part)
    if not part.isalnum() or part == told or (len(part) == 1 and part.isdigit()):
        return False
    return re.search(rf"(?:^|[\w\s]){re.escape(part)}(?:[\w\s]|$)", told) is not None


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
    # A date or a version is read as it is written: `01` is no `1`, nor is `1.10.0` a `1.1`.
    if not re.search(r"(?<![\d.])0\d|\d\.\d+\.\d", text) and re.fullmatch(
        r"[\d\s.,:;()\[\]{}|/_#-]*\d[\d\s.,:;()\[\]{}|/_#-]*", text
    ):
        return tuple(float(n) if "." in n else int(n) for n in re.findall(r"\d+(?:\.\d+)?", text))
    return (text,)


def spelled(value: Value) -> str:
    """What every way of writing it holds."""
    if isinstance(value, str) or value is None:
        return value or ""
    return repr(int(value)) if float(value).is_integer() else repr(value)


@functools.lru_cache(maxsize=256)
def pattern_of(value: Value) -> re.Pattern[str]:
    """As a test writes it, in whatever language."""
    if isinstance(value, str):
        return re.compile(rf"(?m)(?:[\"'`/,]|^)\s*{re.escape(value)}\s*(?:[\"'`/,]|$)")
    if value is None:
        return re.compile(r"\b(None|null|nil)\b")
    return re.compile(rf"(?<![\w.]){re.escape(spelled(value))}(?:\.0+)?(?![\w.]*\w)")


_ASSERTS = re.compile(r"assert|expect|should|[=!]=|\bequal", re.IGNORECASE)
_ROW = re.compile(r"\s*(?:(?:\w[\w.]*)?[(\[{].*[)\]}],?|[\"'][^\n]*[\"'\w]:.*,)\s*(?:#.*|//.*)?$")
"""A line of a table of cases."""


def expected(values: Collection[Value], tests: Mapping[str, str]) -> list[str]:
    """The test files of which lines that assert something, or list a case, hold each of these."""
    return [name for name, text in tests.items() if all(_asks_for(v, text) for v in values)]


def _asks_for(value: Value, text: str) -> bool:
    return any(
        pattern_of(value).search(line) and (_ASSERTS.search(line) or _ROW.match(line))
        for line in text.splitlines()
        if spelled(value) in line
    )


def together(values: Sequence[Value], tests: Mapping[str, str], height: int = 1) -> str:
    """The test file that holds the values within so many lines; empty: none."""
    told = sorted(dict.fromkeys(values), key=lambda value: -len(spelled(value)))
    words = {word for value in told for word in re.findall(r"\w+", spelled(value))}
    for name, text in tests.items():
        if not all(spelled(value) in text for value in told):
            continue
        lines, places = _indexed(text)
        fewest = min((places.get(word, ()) for word in words), key=len, default=range(len(lines)))
        for start in sorted({n for at in fewest for n in range(max(at - height + 1, 0), at + 1)}):
            near = "\n".join(lines[start : start + height])
            if _holds(near, told):
                return name
    return ""


def _holds(text: str, told: Sequence[Value]) -> bool:
    """Whether it holds each by itself, and not the one within the other: `css` of `text/css`."""
    for value in told:
        text, often = pattern_of(value).subn('""', text)
        if not often:
            return False
    return True


@functools.lru_cache(maxsize=32)
def _indexed(text: str) -> tuple[list[str], dict[str, list[int]]]:
    """Its lines, and in which of them each word stands: a file may ask for thousands."""
    lines, places = text.splitlines(), dict[str, list[int]]()
    for number, line in enumerate(lines):
        for word in {*re.findall(r"\w+", line)}:
            places.setdefault(word, []).append(number)
    return lines, places
