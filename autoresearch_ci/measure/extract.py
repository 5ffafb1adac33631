"""A command's output, or the file it wrote -> one number, as the configuration describes it.

Running the command, and reading its files, is measurement's job. Everything here fails closed: a
measurement that is not exactly one finite number, written plainly, is a `MetricError`, never a
guess.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

from autoresearch_ci.config.metric import ExtractRule
from autoresearch_ci.measure import json_reports, xml_reports
from autoresearch_ci.safety.bounded import NUMBER, MetricError, parse_number

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
_SGR = r"(?:\x1b\[[0-9;:]*m)+"
# A colour around a number is decoration; one inside it (`0.<red>98`) is left there, to be refused.
_COLOUR = re.compile(rf"(?<![0-9.eE+-]){_SGR}|{_SGR}(?![0-9.eE+-])")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_BETWEEN_WORDS = re.compile(r"[\s=|()\[\]{}<>\"'`]+|(?<=[^\W\d]):")
_STARTS_LIKE_A_NUMBER = re.compile(r"\W*\d")


def report_path(rule: ExtractRule | None) -> str | None:
    """The file that the caller must read for `extract`; `None`: what is printed is enough."""
    return (rule.junit or rule.coverage or rule.file) if rule else None


def extract(
    output: str, name: str | None, rule: ExtractRule | None, report: bytes | None = None
) -> float:
    """The number called `name`, or the one that `rule` describes. Raises `MetricError`.

    With neither, the output's only `METRIC name=value` line, or else its only bare number. Colour
    codes around words are dropped, and a carriage return ends a line as a newline does.
    """
    rule, path = rule or _ANY, report_path(rule)
    if path is not None and report is None:
        raise MetricError(f"{path} was not written by the metric command")
    if rule.junit is not None:
        return xml_reports.junit_number(report or b"", rule.junit, rule.count or "failures")
    if rule.coverage is not None:
        return xml_reports.coverage_percent(report or b"", rule.coverage)
    text = output if report is None else _decode(report)
    if rule.json_path is not None:
        return json_reports.json_number(text, rule.json_path)
    return _text_number(_tail(text), name, rule)


def occurrences(
    output: str, name: str | None, rule: ExtractRule | None, report: bytes | None = None
) -> int:
    """How often the text holds what is looked for; 0 where there is no telling."""
    rule = rule or _ANY
    if rule.junit or rule.coverage or rule.last_number:
        return 0
    text = output if report is None else _decode(report)
    if rule.json_path is not None:
        return json_reports.documents(text)
    text = _tail(text)
    if rule.regex is not None:
        return len(_regex_matches(text, rule.regex))
    if name is not None:
        return len(list(_values_of(text, name)))
    return len(list(_named_lines(text, only_metric=True))) or len(_bare_numbers(text))


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
        return _pick(_regex_matches(text, rule.regex), rule.many, f"regex {rule.regex}")
    if rule.last_number:
        return parse_number(_last_number(text))
    if name is not None:
        values = list(_values_of(text, name))
        return _pick(values, rule.many, name, seen=named_numbers(text))
    return _only_number(text, rule.many)


def _pick(texts: Sequence[str], many: str | None, what: str, seen: Iterable[str] = ()) -> float:
    if not texts:
        others = ", ".join(list(seen)[:5])
        raise MetricError(f"{what} was not printed" + (f"; seen: {others}" if others else ""))
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
    raise MetricError(
        f"no number found; set metric.name to one of: {seen}"
        if seen
        else "no number found; print `METRIC name=value` or set metric.extract"
    )


def _bare_numbers(text: str) -> list[str]:
    return [line for line in _lines(text) if NUMBER.fullmatch(line) or _NOT_FINITE.fullmatch(line)]


def _lines(text: str) -> Iterator[str]:
    for line in _NEWLINE.split(text):
        yield line.strip(" \t")


def _named_lines(text: str, *, only_metric: bool = False) -> Iterator[tuple[str, str]]:
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
    for line in _lines(text):
        if name not in line:
            continue
        keyword, _, rest = line.partition(" ")
        body, mark = (rest.strip(" \t"), "=") if keyword == "METRIC" else (line, ":")
        after = body.removeprefix(name).lstrip(" \t")
        if body.startswith(name) and after.startswith(mark):
            yield after[1:].strip(" \t")


def _regex_matches(text: str, regex: str) -> list[str]:
    try:
        pattern = re.compile(regex, re.MULTILINE)
    except re.error as error:
        raise MetricError(f"regex {regex} is not valid: {error}") from error
    if not pattern.groups:
        raise MetricError(f"regex {regex} has no group; put parentheses around the number")
    return [match.group(1) or "" for match in pattern.finditer(text)]


def _last_number(text: str) -> str:
    for line in reversed(_NEWLINE.split(text)):
        for word in reversed(_BETWEEN_WORDS.split(line)):
            word = word.rstrip(".,:;!%")
            if _STARTS_LIKE_A_NUMBER.match(word) or _NOT_FINITE.fullmatch(word):
                return word
    raise MetricError("no number was printed")


def _tail(text: str) -> str:
    if len(text) > OUTPUT_LIMIT:
        text = text[-OUTPUT_LIMIT:].partition("\n")[2]
    return _COLOUR.sub("", text) if "\x1b" in text else text


def _decode(report: bytes) -> str:
    return report.decode("utf-8-sig", errors="replace")
