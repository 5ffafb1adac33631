"""What pydantic found wrong -> sentences with place, key, value and what was expected."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from autoresearch_ci.config.reader import Path, dotted, shown

_MOST = 20

_MINIMAL = """\
A minimal configuration:

  goal: Make the benchmark faster
  scope: [src/]
  metric:
    command: python bench.py
    name: seconds
    direction: minimize

The same by flags:

autoresearch-ci run --scope src/ --metric 'python bench.py' --metric-name seconds
"""

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "mapping_type": "a mapping of names to values",
    "finite_number": "a finite number",
    "string_unicode": "valid Unicode text",
    "int_parsing_size": "a smaller number",
}
_BOUNDS = {
    "greater_than": ("gt", "a number above"),
    "greater_than_equal": ("ge", "a number of at least"),
    "less_than_equal": ("le", "a number of at most"),
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a value came from."""

    label: str
    """`FILE:LINE`, or the name of a flag or input."""
    is_file: bool


def explain(
    errors: Sequence[ErrorDetails],
    *,
    data: Mapping[str, Any],
    sources: Mapping[Path, Source],
    file: str,
    exists: bool,
    model: type[BaseModel],
) -> str:
    """One line per problem in the order of the file; then, if a key is missing, an example."""
    missing: list[str] = []
    found: list[tuple[int, Path, ErrorDetails]] = []
    for error in errors:
        path = _path(error, data)
        if error["type"] == "missing" and path in (("metric",), ("metric", "command"), ("scope",)):
            missing.append("metric.command" if path[0] == "metric" else "scope")
        elif error["type"] != "too_short" or not error["input"]:  # else: its entries are wrong
            found.append((_line_number(path, sources), path, error))
    found.sort(key=lambda problem: problem[0])
    lines = [_line(error, path, sources, file, model) for _, path, error in found[:_MOST]]
    if len(found) > _MOST:
        lines.append(f"... and {len(found) - _MOST} more")
    if missing:
        lines.append(_what_is_missing(sorted(missing), file, exists))
    return "\n".join(lines).rstrip()


def _what_is_missing(keys: list[str], file: str, exists: bool) -> str:
    names = " and ".join(keys)
    verb = "is" if len(keys) == 1 else "are"
    if exists:
        return f"{file}: {names} {verb} missing.\n{_MINIMAL}"
    return f"{file} does not exist, and {names} {verb} not given by a flag.\n{_MINIMAL}"


def _line(
    error: ErrorDetails,
    path: Path,
    sources: Mapping[Path, Source],
    file: str,
    model: type[BaseModel],
) -> str:
    source = _source(path, sources)
    key = shown(dotted(path), limit=100)
    wrong, expected, value = _sentence(error, path, model)
    if source and not source.is_file:
        flag = source.label if value is None else f"{source.label} {shlex.quote(value)}"
        return f"{flag}: {wrong}, expected {expected}" if expected else f"{flag}: {wrong}"
    # Of several values that do not fit together, the flags are what was typed just now.
    whole = path[:-1] if error["type"] == "missing" else path
    flags = [s.label for at, s in sources.items() if at[: len(whole)] == whole and not s.is_file]
    place = ", ".join(flags) or (source.label if source else file)
    problem = wrong if value is None else f"{wrong} ({_quoted(error['input'], value)})"
    tail = f", expected {expected}" if expected else ""
    return f"{place}: {key}: {problem}{tail}"


def _sentence(
    error: ErrorDetails, path: Path, model: type[BaseModel]
) -> tuple[str, str, str | None]:
    """What is wrong, what was expected, and the value when it may be shown."""
    kind = error["type"]
    context = error.get("ctx", {})
    value = _value(error["input"]) if path[:1] != ("env",) else None
    if kind == "refused":
        return context["wrong"], context["expected"], value if context["show"] else None
    if kind == "extra_forbidden":
        return f"unknown key{_suggestion(path, model)}", "", None
    if kind == "missing":
        return "is missing", "", None
    if kind == "literal_error":
        expected = str(context["expected"]).replace("'", "").replace("True", "true")
        return "is not one of the choices", expected, value
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return "is out of range", f"{words} {context[name]:.12g}", value
    if kind == "too_short":
        return "is empty", "at least one entry", None
    wrong = "is empty" if error["input"] is None else "has the wrong type"
    if kind == "tuple_type":
        example = f", such as [{shown(error['input'])}]" if isinstance(error["input"], str) else ""
        return wrong, f"a list{example}", value
    if kind == "model_type":
        keys = _keys(_section(path, model))
        return wrong, f"a mapping with keys such as {', '.join(keys[:3])}", value
    if kind in _TYPES:
        quote = kind == "string_type" and isinstance(error["input"], int | float)
        return wrong, f"{_TYPES[kind]}{' (put it in quotes)' if quote else ''}", value
    return shown(error["msg"], limit=200), "", value


def _value(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else shown(value)


def _quoted(value: object, text: str) -> str:
    return f"'{text}'" if isinstance(value, str) else text


def _suggestion(path: Path, model: type[BaseModel]) -> str:
    wrong = str(path[-1])
    siblings = _keys(_section(path[:-1], model))
    everywhere = [dotted((*at, key)) for at, keys in _walk(model) if at for key in keys]
    near = (
        difflib.get_close_matches(wrong, siblings, 1, 0.8)
        or [key for key in everywhere if key.endswith(f".{wrong}")]
        or difflib.get_close_matches(wrong, siblings, 1, 0.6)
        or difflib.get_close_matches(wrong, everywhere, 1, 0.8)
    )
    if near:
        return f", did you mean `{near[0]}`?"
    return f"; the keys here are {', '.join(siblings)}"


def _section(path: Path, model: type[BaseModel]) -> type[BaseModel]:
    for part in path:
        if isinstance(part, str):
            # A name that the user chose (a server's) leads no further into the model.
            model = _sections(model).get(part, model)
    return model


def _keys(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _sections(section: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The sections inside a section, by key; that of a list is the section of its entries."""
    found = {}
    for name, field in section.model_fields.items():
        inner = _model_in(field.annotation)
        if inner:
            found[field.alias or name] = inner
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _walk(section: type[BaseModel], at: Path = ()) -> list[tuple[Path, list[str]]]:
    inner = [found for key, sub in _sections(section).items() for found in _walk(sub, (*at, key))]
    return [(at, _keys(section)), *inner]


def _path(error: ErrorDetails, data: Mapping[str, Any]) -> Path:
    """Where the error is in `data`: `loc` without the names of union members and short forms."""
    path: list[str | int] = []
    here: Any = data
    for part in error["loc"]:
        inside = isinstance(here, dict) and part in here
        inside = inside or (isinstance(here, list) and isinstance(part, int) and part < len(here))
        if inside:
            here = here[part]
            path.append(part)
    return (*path, error["loc"][-1]) if error["type"] == "missing" else tuple(path)


def _source(path: Path, sources: Mapping[Path, Source]) -> Source | None:
    ends = (sources.get(path[:end]) for end in range(len(path), 0, -1))
    return next(filter(None, ends), None)


def _line_number(path: Path, sources: Mapping[Path, Source]) -> int:
    source = _source(path, sources)
    return int(source.label.rpartition(":")[2]) if source and source.is_file else 0
