"""What pydantic found wrong -> sentences with place, key, value and what was expected."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    """`FILE:LINE`, or the flag."""
    at: Path
    """The key that was set there."""
    is_file: bool
    text: str | None = field(default=None, repr=False)
    """The value of a `--set`, as it was typed."""

    @property
    def is_set(self) -> bool:
        return self.text is not None

    @property
    def name(self) -> str:
        """For a message."""
        return f"--set {shown(dotted(self.at), limit=100)}" if self.is_set else self.label

    def is_about(self, path: Path, *, unknown: bool) -> bool:
        """Whether what is wrong at `path` is what this flag says as a whole."""
        if self.is_set:
            return path == (self.at[: len(path)] if unknown else self.at)
        return not self.is_file

    def typed(self, value: str | None) -> str:
        """As it was typed, as far as it fits and may be shown."""
        if value is None:
            return self.name
        if self.text is not None:
            return f"{self.name}={shlex.quote(shown(self.text))}"
        return f"{self.name} {shlex.quote(value)}"


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
    # Of several values that do not fit together, the flags are what was typed just now.
    whole = path[:-1] if error["type"] == "missing" else path
    flags = [s for at, s in sources.items() if at[: len(whole)] == whole and not s.is_file]
    if flags and error["type"] == "extra_forbidden":
        source = flags[0]  # it may be a part in the middle of a key that nobody knows
    problem = _problem(error, path, model, source)
    tail = f", expected {problem.expected}" if problem.expected else ""
    if source and source.is_about(path, unknown=error["type"] == "extra_forbidden"):
        return f"{source.typed(problem.value)}: {problem.wrong}{tail}"
    place = ", ".join(dict.fromkeys(s.name for s in flags)) or (source.name if source else file)
    quote = "'" if isinstance(error["input"], str) else ""
    value = "" if problem.value is None else f" ({quote}{problem.value}{quote})"
    return f"{place}: {shown(dotted(path), limit=100)}: {problem.wrong}{value}{tail}"


@dataclass(frozen=True, kw_only=True)
class _Problem:
    wrong: str
    expected: str = ""
    value: str | None = None
    """As it may be shown; `None`: it may not, or there is none."""


def _problem(
    error: ErrorDetails, path: Path, model: type[BaseModel], source: Source | None
) -> _Problem:
    kind, context, given = error["type"], error.get("ctx", {}), error["input"]
    secret = not {"env", "headers"}.isdisjoint(path)
    value = None if secret else _value(given)
    match kind:
        case "refused":
            value = value if context["show"] else None
            return _Problem(wrong=context["wrong"], expected=context["expected"], value=value)
        case "missing":
            return _Problem(wrong="is missing")
        case "extra_forbidden":
            return _Problem(wrong=f"unknown key{_suggestion(path, model, source)}")
        case "too_short":
            return _Problem(wrong="is empty", expected="at least one entry")
        case "literal_error":
            choices = str(context["expected"]).replace("'", "").replace("True", "true")
            return _Problem(wrong="is not one of the choices", expected=choices, value=value)
        case "greater_than" | "greater_than_equal" | "less_than_equal":
            name, words = _BOUNDS[kind]
            bound = f"{words} {context[name]:.12g}"
            return _Problem(wrong="is out of range", expected=bound, value=value)
    expected = _expected(kind, given, _section(path, model))
    if expected is None:
        return _Problem(wrong=shown(error["msg"], limit=200), value=value)
    wrong = "is empty" if given is None else "has the wrong type"
    return _Problem(wrong=wrong, expected=expected, value=value)


def _expected(kind: str, given: object, section: type[BaseModel]) -> str | None:
    """The type that was expected; `None`: the problem is another one."""
    if kind == "tuple_type":
        return f"a list, such as [{shown(given)}]" if isinstance(given, str) else "a list"
    if kind == "model_type":
        return f"a mapping with keys such as {', '.join(_keys(section)[:3])}"
    if kind == "string_type":
        return "text (put it in quotes)" if isinstance(given, int | float) else "text"
    return _TYPES.get(kind)


def _value(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else shown(value)


def _suggestion(path: Path, model: type[BaseModel], source: Source | None) -> str:
    wrong = str(path[-1])
    siblings = _keys(_section(path[:-1], model))
    everywhere = [dotted((*at, key)) for at, keys in _walk(model) if at for key in keys]
    close = difflib.get_close_matches(wrong, siblings, 1, 0.8)
    typed = ""
    if source and source.is_set and source.is_about(path, unknown=True):
        typed = dotted(source.at)  # and so is the answer: as a whole
        close = difflib.get_close_matches(typed, [*siblings, *everywhere], 1, 0.8)
    near = (
        close
        or [key for key in everywhere if key.endswith(f".{wrong}")]
        or difflib.get_close_matches(wrong, siblings, 1, 0.6)
        or difflib.get_close_matches(wrong, everywhere, 1, 0.8)
        or difflib.get_close_matches(typed, everywhere, 1, 0.6)
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
    return [about.alias or name for name, about in section.model_fields.items()]


def _sections(section: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The sections inside a section, by key; that of a list is the section of its entries."""
    found = {}
    for name, about in section.model_fields.items():
        inner = _model_in(about.annotation)
        if inner:
            found[about.alias or name] = inner
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
