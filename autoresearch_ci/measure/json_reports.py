"""JSON, in a file or among a command's output -> one number.

Fails closed: a path that leads to no plain number, or a key that is there twice, is an error.
"""

from __future__ import annotations

import re
from typing import Any

from autoresearch_ci.config.value_types import json_steps
from autoresearch_ci.safety.bounded import MetricError, Unreadable, json_value, parse_number

TEXT_LIMIT = 8 * 2**20
"""Characters of JSON; Python objects take some twenty times that."""


class _Number(str):
    """A number's own text, so that `parse_number` judges it and not the JSON parser."""

    __slots__ = ()


def json_number(text: str, path: str) -> float:
    """The number at `path`, as in `$.a.b[0]['c']`. Raises `MetricError`."""
    value = _load(text)
    for step in json_steps(path):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError) as error:
            raise MetricError(f"{path}: the JSON has no {step!r} there") from error
    if not isinstance(value, _Number):
        raise MetricError(f"{path} is a JSON {type(value).__name__}, not a number")
    return parse_number(value)


def documents(text: str) -> int:
    """How many JSON texts there are: the whole, or else the lines that are one."""
    if len(text) > TEXT_LIMIT:
        return 0
    return 1 if _is_json(text) else sum(_is_json(line) for line in re.split(r"[\r\n]", text))


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
    for line in reversed(re.split(r"[\r\n]", text)):
        if line.lstrip().startswith(("{", "[")):
            try:
                return _parse(line)
            except ValueError:
                continue
    raise MetricError("no JSON in the output")


def _parse(text: str) -> Any:
    try:
        return json_value(text, limit=TEXT_LIMIT, number=_Number)
    except Unreadable as error:
        raise MetricError(f"the JSON {error}") from error
