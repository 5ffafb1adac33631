"""JSON, in a file or among a command's output -> one number.

Fails closed: a path that leads to no plain number, or a key that is there twice, is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from autoresearch_ci.config.value_types import json_steps
from autoresearch_ci.safety.untrusted_values import (
    JSON_DEPTH,
    MetricError,
    NotFound,
    Unreadable,
    json_value,
    parse_number,
)

TEXT_LIMIT = 8 * 2**20
"""Characters of JSON; Python objects take some twenty times that."""


class _Number(str):
    """A number's own text, so that `parse_number` judges it and not the JSON parser."""

    __slots__ = ()


def json_number(text: str, path: str) -> float:
    """The number at `path`, as in `$.a.b[0]['c']`. Raises `MetricError`.

    One with an error beside it is none: it is what an evaluator answers that has failed.
    """
    value = _load(text)
    for step in json_steps(path):
        if told := _error(value, step):
            raise MetricError(f"{path} has an error beside it: {told}")
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError) as error:
            raise MetricError(f"{path}: the JSON has no {step!r} there") from error
    if not isinstance(value, _Number):
        raise MetricError(f"{path} is a JSON {type(value).__name__}, not a number")
    return parse_number(value)


def mentions(text: str, path: str) -> tuple[int, int]:
    """How many JSON texts lead to something at `path`, wherever in a line they begin: before the
    one that counts, and from it on."""
    if len(text) > TEXT_LIMIT:
        return 0, 0
    steps = list(json_steps(path))
    if _is_json(text):
        return 0, 1
    starts, gave_up = [], 0
    for start, value in _values(text, _ANYWHERE):
        if start < 0:
            gave_up = _MANY
        elif _leads(value, steps):
            starts.append(start)
    last = max((start for start, _ in _values(text, _AT_LINE_START)), default=0)
    before = sum(start < last for start in starts)
    return before + gave_up, len(starts) - before


_ERRORS = ("error", "error_message", "exception", "traceback")
_SUCCESS = ("success", "succeeded", "valid", "is_valid", "correct")
_FAILURE = ("timed_out", "timedout", "crashed", "is_error")
_STATUS = ("status", "state", "outcome")
_ENDS = ("error", "errored", "fail", "failed", "failure", "invalid", "crash", "crashed", "timeout")


def _error(value: Any, step: str | int) -> str:
    """What is said to have gone wrong; an error that is a number may be a measure of its own."""
    if not isinstance(value, dict):
        return ""
    for key, told in value.items():
        name = key.lower()
        if (name in _SUCCESS and told is False) or (name in _FAILURE and told is True):
            return f"{key}: {str(told).lower()}"
        if name in _STATUS and isinstance(told, str) and told.strip().lower() in _ENDS:
            return f"{key}: {told.strip()}"
        if name not in _ERRORS or key == step or isinstance(told, _Number):
            continue
        words = told.strip() if isinstance(told, str) else told
        if words and str(words).lower() not in ("none", "null", "false", "ok"):
            return f"{key}: {str(words)[:200]}"
    return ""


def _leads(value: Any, steps: list[str | int]) -> bool:
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        _parse(text)
    except (ValueError, MetricError):
        return False
    return True


def _load(text: str) -> Any:
    if len(text) > TEXT_LIMIT:
        raise MetricError(f"more than {TEXT_LIMIT >> 20} MiB of JSON")
    try:
        return _parse(text)
    except ValueError:
        pass
    last = (-1, 0)
    for start, end in _spans(text, _AT_LINE_START):
        if start < 0:
            raise MetricError("too much in the output begins like JSON and is none")
        last = (start, end)
    if last[0] < 0:
        raise NotFound("no JSON in the output")
    return _parse(text[slice(*last)])


_AT_LINE_START = re.compile(r"(?:^|(?<=[\r\n]))[ \t]*(?=[\[{])")
_ANYWHERE = re.compile(r"(?=[\[{])")
_MANY = 1000
_PATIENCE = 2 * 2**20
"""Characters that may be looked at in vain."""


def _values(text: str, begin: re.Pattern[str]) -> Iterator[tuple[int, Any]]:
    for start, end in _spans(text, begin):
        try:
            yield start, (_parse(text[start:end]) if start >= 0 else None)
        except (ValueError, MetricError):
            yield start, None


def _spans(text: str, begin: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Where JSON objects and arrays stand that begin there, the outermost; negative at the end
    when the search was given up."""
    place, wasted = 0, 0
    while wasted < _PATIENCE and (match := begin.search(text, place)):
        start = match.end()
        end, whole = _end(text, start)
        if whole and _is_sound(text[start:end]):
            place = end
            yield start, end
        else:
            wasted += end - start + 1
            place = start + 1
    if wasted >= _PATIENCE:
        yield -1, -1


_TOKEN = re.compile(
    r'[\s,:]*+("[^"\\\n]*+(?>(?:\\.[^"\\\n]*+)*)"|[\[\]{}]|[-+0-9.eE]++|true|false|null|NaN|-?Infinity)'
)


def _end(text: str, start: int) -> tuple[int, bool]:
    """Where the brackets that open at `start` are closed, or what is no JSON any more."""
    level, place = 0, start
    while match := _TOKEN.match(text, place):
        place = match.end()
        if match[1] in ("[", "{"):
            level += 1
        elif match[1] in ("]", "}"):
            level -= 1
        if level == 0 or level > JSON_DEPTH:
            return place, level == 0
    return place, False


def _is_sound(text: str) -> bool:
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except ValueError:
        return False
    return True


def _parse(text: str) -> Any:
    try:
        return json_value(text, limit=TEXT_LIMIT, number=_Number)
    except Unreadable as error:
        raise MetricError(f"the JSON {error}") from error
