"""A command's output, or the file it wrote -> one number, as the configuration describes it.

Running the command, and reading its files, is measurement's job. Everything here fails closed: a
measurement that is not exactly one finite number, written plainly, is a `MetricError`, never a
guess.
"""

from __future__ import annotations

import itertools
import math
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

from autoresearch_ci.config.metric import ExtractRule
from autoresearch_ci.measure.number import json_reports, xml_reports
from autoresearch_ci.measure.number.xml_reports import Reports
from autoresearch_ci.safety.untrusted_values import NUMBER, MetricError, NotFound, parse_number

OUTPUT_LIMIT = 4 * 2**20
"""Characters of output looked at; of more, the tail. Bounds what a user's regex can cost."""

PICKS: dict[str, Callable[[Sequence[float]], float]] = {
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "min": min,
    "max": max,
    "mean": statistics.fmean,
    "median": statistics.median,
}
_ANY = ExtractRule.model_construct()
"""Looks for no place in particular."""
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_CODES = (
    r"(?:"
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, erasing
    r"|\x1b\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)"  # OSC: titles, links, progress
    r"|\x1b[()*+][0-9A-Za-z]|\x1b[=>78DEHMNOZc]|\x07"
    r")+"
)
# A code around a number is decoration; one inside it (`0.<red>98`) is left there, to be refused.
_CODE = re.compile(rf"(?<![0-9.eE+-]){_CODES}|{_CODES}(?![0-9.eE+-])")
_CODE_MARKS = ("\x1b", "\x9b", "\x07")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_BETWEEN_WORDS = re.compile(r"[\s=|()\[\]{}<>\"'`]+|(?<=[^\W\d]):")
_STARTS_LIKE_A_NUMBER = re.compile(r"\W*\d")
_BEHIND = re.compile(r"[ \t]{0,2}(%|[^\W\d_]+)")
UNITS = {
    spelt: spellings.split()[0]
    for spellings in (
        *("ns nsec nsecs nanosecond nanoseconds", "us µs μs usec usecs microsecond microseconds"),
        *("ms msec msecs millisecond milliseconds", "s sec secs second seconds", "d day days"),
        *("min m mins minute minutes", "h hr hrs hour hours", "B byte bytes Byte Bytes", "%"),
        *(f"{k}{b}" for k in ("k", "K", "M", "G", "T", "Ki", "ki", "Mi", "Gi", "Ti") for b in "Bb"),
        *("kb", "mb", "gb", "k", "K", "M", "G", "T", "b", "Hz", "kHz", "MHz", "GHz", "ps"),
        *(f"{k}{n}" for k in ("", "k", "K", "M", "G") for n in ("ops", "elem")),
    )
    for spelt in spellings.split()
}
"""What tools scale their numbers to, by every spelling; any other word behind one is prose."""


def report_path(rule: ExtractRule | None) -> str | None:
    """The file that the caller must read for `extract`; `None`: what is printed is enough."""
    return (rule.junit or rule.coverage or rule.file) if rule else None


def extract(
    output: str, name: str | None, rule: ExtractRule | None, report: Reports | None = None
) -> float:
    """The number called `name`, or the one that `rule` describes. Raises `MetricError`.

    With neither, the output's only `METRIC name=value` line, or else its only bare number. Codes
    for a terminal are dropped. A carriage return ends a line as a newline does, and what is looked
    for and follows it overwrites what stood in that line.
    """
    rule, path = rule or _ANY, report_path(rule)
    if path is not None and report is None:
        raise MetricError(f"{path} was not written by the metric command")
    if rule.junit is not None:
        return xml_reports.junit_number(report or b"", rule.junit, rule.count or "failures")
    if rule.coverage is not None:
        return xml_reports.coverage_percent(_whole(report or b""), rule.coverage)
    text = output if report is None else _decode(report)
    if rule.json_path is not None:
        return json_reports.json_number(_plain(text), rule.json_path)
    return _text_number(_tail(text), name, rule)


def mentions(
    output: str, name: str | None, rule: ExtractRule | None, report: Reports | None = None
) -> tuple[int, int]:
    """How often what is looked for occurs, anywhere in a line: before the first that counts, and
    from it on. Twice 0 where there is no telling.

    Who puts a text before the ruler's line hides it from `extract`, and not from here.
    """
    rule = rule or _ANY
    if rule.junit or rule.coverage:
        return 0, 0
    text = output if report is None else _decode(report)
    found = _mentions(text, name, rule)
    plain = _plain(text)
    if plain == text:
        return found
    # What looks like a code could hide a part of the line as well.
    return tuple(map(max, found, _mentions(plain, name, rule)))  # type: ignore[return-value]


def unit(output: str, rule: ExtractRule | None, report: Reports | None = None) -> str | None:
    """Which of `UNITS` stands right behind the number; empty: none. `None`: there is no telling,
    as where a number has a place of its own."""
    if rule is None or rule.junit or rule.coverage or rule.json_path is not None:
        return None
    text = _tail(output if report is None else _decode(report))
    if rule.regex is not None:
        found = _written_last(text, rule.regex)
        one = {"first": found[:1], "last": found[-1:]}.get(rule.many or "", found)
        units = {_unit(text[match.end(1) : match.end(1) + _UNIT_LENGTH]) for match in one}
        return ", ".join(sorted(units))
    return _unit(_last_number(text)[1]) if rule.last_number else None


_UNIT_LENGTH = 20
"""Characters, blanks included."""


def _unit(behind: str) -> str:
    found = _BEHIND.match(behind)
    return UNITS.get(found[1], "") if found else ""


def _mentions(text: str, name: str | None, rule: ExtractRule) -> tuple[int, int]:
    if rule.json_path is not None:
        return json_reports.mentions(text, rule.json_path)
    if rule.regex is not None:
        text = text[-OUTPUT_LIMIT:]
        counts = [match.start() for match in _matches(text, rule.regex)]
        loose = [match.start() for match in _matches(text, _unanchored(rule.regex))]
        if len(loose) < len(counts):  # without its anchors it means something else
            loose = counts
        return _split(loose, counts)
    if rule.last_number:
        numbers = [match.start() for match in _ENDS_IN_A_NUMBER.finditer(text)]
        return _split(numbers, numbers[-1:])
    if name is not None:
        return _split(*_places(text, name))
    if names := {name for name, _ in _named_lines(text, only_metric=True)}:
        return _split(*_places(text, min(names)))
    bare = [match.start() for match in _BARE.finditer(text)]
    return _split([match.start() for match in _ENDS_IN_A_NUMBER.finditer(text)], bare)


def _split(found: Sequence[int], counts: Sequence[int]) -> tuple[int, int]:
    before = sum(place < counts[0] for place in found) if counts else 0
    return before, max(len(found) - before, len(counts))


_ENDS_IN_A_NUMBER = re.compile(r"^(?=[^\r\n]*[0-9][\0-\t\v\f\x0e- ]*+(?:[\r\n]|\Z))", re.MULTILINE)
_BARE = re.compile(rf"^[ \t]*+(?:{NUMBER.pattern})[ \t]*+(?=[\r\n]|\Z)", re.MULTILINE)


def _places(text: str, name: str) -> tuple[list[int], list[int]]:
    """Where the name stands before a mark, and where that begins a line."""
    word = re.escape(name)
    anywhere = re.compile(rf"METRIC[ \t]++{word}[ \t]*+=|{word}[ \t]*+:")
    found = [match.start() for match in anywhere.finditer(text)]
    lines = re.compile(rf"(?:^|(?<=\r))[ \t]*+(?:{anywhere.pattern})", re.MULTILINE)
    return found, [match.start() for match in lines.finditer(text)]


def _unanchored(regex: str) -> str:
    """Without what ties it to the ends of a line or word; lookarounds stay."""
    kept, in_class, place = [], False, 0
    while place < len(regex):
        piece = regex[place : place + 2] if regex[place] == "\\" else regex[place]
        place += len(piece)
        if piece == "[":
            in_class = True
        elif piece == "]":
            in_class = False
        if in_class or piece not in ("^", "$", r"\A", r"\Z", r"\b", r"\B"):
            kept.append(piece)
    return "".join(kept)


def named_numbers(output: str) -> dict[str, float]:
    """Every `name: value` or `METRIC name=value` line whose name occurs once, with a number."""
    found: dict[str, float | None] = {}
    for name, text in _named_lines(_tail(output)):
        try:
            found[name] = None if name in found else parse_number(text)
        except MetricError:
            found[name] = None
    return {name: value for name, value in found.items() if value is not None}


def _text_number(text: str, name: str | None, rule: ExtractRule) -> float:
    if rule.regex is not None:
        found = [match.group(1) or "" for match in _written_last(text, rule.regex)]
        return _pick(found, rule.many, f"regex {rule.regex}")
    if rule.last_number:
        return parse_number(_last_number(text)[0])
    if name is not None:
        values = list(_values_of(text, name))
        return _pick(values, rule.many, name, seen=named_numbers(text))
    return _only_number(text, rule.many)


def _pick(texts: Sequence[str], many: str | None, what: str, seen: Iterable[str] = ()) -> float:
    if not texts:
        others = ", ".join(list(seen)[:5])
        raise NotFound(f"{what} was not printed" + (f"; seen: {others}" if others else ""))
    pick = PICKS[many] if many else None
    if len(texts) > 1 and pick is None:
        values = ", ".join(text[:20] for text in texts[:4]) + (", …" if len(texts) > 4 else "")
        raise MetricError(f"{what} printed {len(texts)} times ({values})")
    try:
        numbers = [parse_number(text) for text in texts]
        value = pick(numbers) if pick else numbers[0]
    except MetricError as error:
        raise MetricError(f"{what}: {error}") from error
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise MetricError(f"{what}: the {many} is too large for a number")
    return value


def _only_number(text: str, many: str | None) -> float:
    """The number when the configuration says nothing about where it is."""
    metrics = list(_named_lines(text, only_metric=True))
    names = sorted({name for name, _ in metrics})
    if len(names) > 1:
        raise MetricError(
            f"several METRIC lines; set metric.name to one of: {', '.join(names[:5])}"
        )
    if metrics:
        return _pick([value for _, value in metrics], many, names[0])
    if bare := _bare_numbers(text):
        return _pick(bare, many, "a bare number (set metric.name or metric.extract)")
    seen = ", ".join(list(named_numbers(text))[:5])
    raise NotFound(
        f"no number found; set metric.name to one of: {seen}"
        if seen
        else "no number found; print `METRIC name=value` or set metric.extract"
    )


def _bare_numbers(text: str) -> list[str]:
    found = []
    for line in text.split("\n"):
        words = [word.strip(" \t") for word in line.split("\r")]
        numbers = [word for word in words if NUMBER.fullmatch(word) or _NOT_FINITE.fullmatch(word)]
        found += numbers[-1:]  # what a carriage return overwrites is not there any more
    return found


def _lines(text: str) -> Iterator[str]:
    for line in _NEWLINE.split(text):
        yield line.strip(" \t")


def _named_lines(text: str, *, only_metric: bool = False) -> Iterator[tuple[str, str]]:
    if only_metric and "METRIC" not in text:
        return
    for line in _lines(text):
        keyword, _, rest = line.partition(" ")
        if keyword == "METRIC":
            name, found, value = rest.partition("=")
        elif only_metric:
            continue
        else:
            name, found, value = line.partition(":")
        name = name.strip(" \t")
        if found and 0 < len(name) <= 100:
            yield name, value.strip(" \t")


def _values_of(text: str, name: str) -> Iterator[str]:
    """The text after every `name:` or `METRIC name=`, whether or not it is a number.

    A line `loss: diverged` is a match too: next to `loss: 0.98` it must not go unnoticed.
    """
    if name not in text:
        return
    for line in text.split("\n"):
        if name not in line:
            continue
        value = None
        for part in line.split("\r"):
            part = part.strip(" \t")
            keyword, _, rest = part.partition(" ")
            body, mark = (rest.strip(" \t"), "=") if keyword == "METRIC" else (part, ":")
            after = body.removeprefix(name).lstrip(" \t")
            if body.startswith(name) and after.startswith(mark):
                value = after[1:].strip(" \t")  # overwrites what stood in this line
        if value is not None:
            yield value


def _written_last(text: str, regex: str) -> list[re.Match[str]]:
    """The matches, without those that another one in the same line has overwritten."""
    pattern = _compiled(regex)
    if not pattern.groups:
        raise MetricError(f"regex {regex} has no group; put parentheses around the number")
    found = list(pattern.finditer(text.replace("\r", "\n")))
    return [
        match
        for match, after in itertools.zip_longest(found, found[1:])
        if after is None or not _overwrites(text[match.start() : after.start()])
    ]


def _overwrites(between: str) -> bool:
    return "\r" in between and "\n" not in between


def _matches(text: str, regex: str) -> list[re.Match[str]]:
    try:
        return list(_compiled(regex).finditer(text.replace("\r", "\n")))
    except MetricError:
        return []


def _compiled(regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex, re.MULTILINE)
    except re.error as error:
        raise MetricError(f"regex {regex} is not valid: {error}") from error


def _last_number(text: str) -> tuple[str, str]:
    """The number, and what stands behind it in its line."""
    for line in reversed(_NEWLINE.split(text)):
        end = len(line)
        for between in (*reversed([*_BETWEEN_WORDS.finditer(line)]), None):
            begin = between.end() if between else 0
            word = line[begin:end].rstrip(".,:;!%")
            if _STARTS_LIKE_A_NUMBER.match(word) or _NOT_FINITE.fullmatch(word):
                return word, line[begin + len(word) :]
            end = between.start() if between else 0
    raise NotFound("no number was printed")


def _tail(text: str) -> str:
    if len(text) > OUTPUT_LIMIT:
        text = text[-OUTPUT_LIMIT:].partition("\n")[2]
    return _plain(text)


def _plain(text: str) -> str:
    """As a terminal would show it, but for what carriage returns overwrite."""
    if any(mark in text for mark in _CODE_MARKS):
        text = _CODE.sub("", text)
    if "\b" in text:
        text = _without_backspaces(text)
    return re.sub(r"\r+\n", "\n", text) if "\r\n" in text else text


def _without_backspaces(text: str) -> str:
    shown: list[str] = []
    for piece in re.findall(r"[\b]|[^\b]", text):
        if piece != "\b":
            shown.append(piece)
        elif shown and shown[-1] not in "\r\n":
            shown.pop()
    return "".join(shown)


def _decode(report: Reports) -> str:
    return _whole(report).decode("utf-8-sig", errors="replace")


def _whole(report: Reports) -> bytes:
    return report if isinstance(report, bytes) else b"\n".join(report)
