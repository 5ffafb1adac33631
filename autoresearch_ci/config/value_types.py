"""The kinds of value that a configuration holds: how each is written, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from autoresearch_ci.experiment import Direction
from autoresearch_ci.safety.untrusted_values import MetricError

FILE_BYTES = 120_000
"""Of files that a model is shown whole, when nobody says how many."""

_N = r"\d+(?:\.\d+)?"
# A bare number is seconds only on its own: `1h30` would be read as 1h30m by most people.
_DURATION = re.compile(rf"({_N})|(?:({_N})h)?(?:({_N})m)?(?:({_N})s)?", re.A)
_DURATION_SCHEMA = f"^({_N}|({_N}h)?({_N}m)?({_N}s)?)$"
_DURATION_WORDS = "a duration such as 90s, 10m or 1h30m"
# Longer ones overflow the timers of the operating system; nobody waits that long either.
_LONGEST = 30 * 24 * 3600.0

_PERCENT = re.compile(rf"({_N}) ?%", re.A)
_FRACTION_SCHEMA = f"^{_N} ?%$"
_FRACTION_WORDS = "a percentage such as 0.2%, or a fraction such as 0.002"

_DIRECTIONS = {
    "minimize": Direction.MINIMIZE,
    "min": Direction.MINIMIZE,
    "lower": Direction.MINIMIZE,
    "lower_is_better": Direction.MINIMIZE,
    "maximize": Direction.MAXIMIZE,
    "max": Direction.MAXIMIZE,
    "higher": Direction.MAXIMIZE,
    "higher_is_better": Direction.MAXIMIZE,
}


def refusal(wrong: str, expected: str, *, show: bool = True) -> PydanticCustomError:
    """What a validator raises; `show=False` when the message is better without the value."""
    return PydanticCustomError(
        "refused", "{wrong}", {"wrong": wrong, "expected": expected, "show": show}
    )


def _duration(value: object) -> float:
    """Seconds of `90`, `90s`, `10m` or `1h30m`."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if not value or not match:
            raise refusal("is not a duration", _DURATION_WORDS)
        bare, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        value = bare + hours * 3600 + minutes * 60 + seconds
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal("is not a duration", _DURATION_WORDS)
    if not 0 < value <= _LONGEST:
        raise refusal("is out of range", "a duration above zero and up to 720h")
    return float(value)


def _fraction(value: object) -> float:
    """The fraction of `0.2%` or `0.002`; a bare number above 1 is taken for a forgotten `%`."""
    if isinstance(value, str):
        match = _PERCENT.fullmatch(value)
        if not match:
            raise refusal("is not a percentage", _FRACTION_WORDS)
        return float(match[1]) / 100
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal("is not a percentage", _FRACTION_WORDS)
    if not 0 <= value <= 1:
        raise refusal("is not between 0 and 1", "a fraction; ten percent is 0.1 or 10%")
    return float(value)


def _direction(value: object) -> Direction:
    if isinstance(value, str) and value in _DIRECTIONS:
        return _DIRECTIONS[value]
    raise refusal("is not a direction", "minimize (lower is better) or maximize (higher is better)")


def _passable(value: str) -> str:
    """Text that can reach a command line and a report."""
    if "\0" in value or re.search("[\ud800-\udfff]", value):
        raise refusal("holds a NUL character or is not Unicode", "plain text")
    return value


def _command(value: str) -> str:
    if not value.strip():
        raise refusal("is empty", "a command line for the shell")
    return value


def _some(value: str) -> str:
    if not value.strip():
        raise refusal("is empty", "some text")
    return value


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise refusal("leaves the repository", "a path relative to the repository's root")
    return value


def _held_out(value: str) -> str:
    """A glob of the repository, or an absolute path."""
    if re.match("/|~(/|$)", value):
        return value
    from autoresearch_ci.safety.gitignore_globs import gitignore_spec  # takes a while

    try:
        globs = gitignore_spec([value]).patterns
    except ValueError:
        globs = []
    if not any(glob.include for glob in globs):
        raise refusal("selects nothing", "a glob, or an absolute path")
    return _inside(value)


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise refusal("is not a variable name", "letters, digits and _")
    return value


def _value_regex(value: str) -> str:
    if _groups(value) == 0:
        raise refusal("has no group", "parentheses around the number")
    return value


def _curve_regex(value: str) -> str:
    groups = _groups(value)
    if groups != 2:
        raise refusal(
            f"has {groups or 'no'} group{'s' * (groups != 1)}",
            "two: the progress from 0 to 1, then the metric",
        )
    return value


def _groups(value: str) -> int:
    try:
        return re.compile(value).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise refusal(f"does not compile: {error}", "a Python regular expression") from error


def _json_path(value: str) -> str:
    # Few have such a path, and everybody waits for what a command imports at its start.
    from autoresearch_ci.safety.untrusted_values import MetricError

    try:
        steps = list(json_steps(value))
    except MetricError:
        steps = []
    if not value.startswith("$") or not steps:
        raise refusal("is not a JSON path", "something like $.results[0].p95")
    return value


def _branch(value: str) -> str:
    """The part of git's own rules (git-check-ref-format) that a template can break."""
    filled = value.replace("{tag}", "tag")
    if "{" in filled or "}" in filled:
        raise refusal("has an unknown placeholder", "{tag} and no other")
    parts = filled.split("/")
    bad_part = any(not p or p.startswith(".") or p.endswith((".", ".lock")) for p in parts)
    if (
        bad_part
        or filled.startswith("-")
        or re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{", filled)
    ):
        raise refusal("is not a branch name", "something like autoresearch/{tag}")
    return value


def _author(value: str) -> str:
    """As git writes it; what could end the line or the address is no part of a name."""
    if not re.fullmatch(r"[^<>\n\0]*[^<>\s\0] <[^<>\s\0]+>", value) or len(value) > 200:
        raise refusal("is not an author", "Name <address>, such as Perf Bot <bot@example.org>")
    return value


def _key(value: str) -> str:
    """As `user.signingKey`; programs get it as a word of its own."""
    if not value or value.startswith("-") or "\n" in value:
        raise refusal("is not a key", "true, a GPG key's id, or an SSH key's file", show=False)
    return value


def _message(value: str) -> str:
    """One line around the description, which is somebody else's words."""
    names = re.findall(r"\{(\w*)\}", value)
    unknown = [name for name in names if name not in ("description", "tag", "iteration")]
    bare = re.sub(r"\{\w*\}", "", value)
    if names.count("description") != 1 or unknown or re.search(r"[{}\n\0]", bare):
        raise refusal(
            "is not a message",
            "one line with {description}, and perhaps {tag} and {iteration}, such as "
            "'perf: {description}'",
        )
    if len(bare) > 60:
        raise refusal("is too long", "at most 60 characters around the description")
    return value


Text = Annotated[str, AfterValidator(_passable)]
Name = Annotated[Text, AfterValidator(_some)]
Command = Annotated[Text, AfterValidator(_command)]
RelativePath = Annotated[Text, AfterValidator(_some), AfterValidator(_inside)]
HeldOut = Annotated[Text, AfterValidator(_some), AfterValidator(_held_out)]
Variable = Annotated[str, AfterValidator(_variable)]
ValueRegex = Annotated[Text, AfterValidator(_value_regex)]
JsonPath = Annotated[Text, AfterValidator(_json_path)]
CurveRegex = Annotated[Text, AfterValidator(_curve_regex)]
BranchTemplate = Annotated[Text, AfterValidator(_branch)]
Author = Annotated[Text, AfterValidator(_author)]
SigningKey = Annotated[Text, AfterValidator(_key)]
MessageTemplate = Annotated[Text, AfterValidator(_message)]

Duration = Annotated[
    float,
    BeforeValidator(
        _duration,
        json_schema_input_type=Annotated[float, Field(gt=0, le=_LONGEST)]
        | Annotated[str, Field(pattern=_DURATION_SCHEMA, min_length=1)],
    ),
]
"""Seconds."""

Fraction = Annotated[
    float,
    BeforeValidator(
        _fraction,
        json_schema_input_type=Annotated[float, Field(ge=0, le=1)]
        | Annotated[str, Field(pattern=_FRACTION_SCHEMA)],
    ),
]
"""0.01 is 1 %."""

DirectionWord = Annotated[
    Direction,
    BeforeValidator(
        _direction,
        json_schema_input_type=Literal[
            "minimize",
            "maximize",
            "min",
            "max",
            "lower",
            "higher",
            "lower_is_better",
            "higher_is_better",
        ],
    ),
]


_STEP = re.compile(r"\.([^.\[\]'\"*]+)|\[(-?[0-9]+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


def json_steps(path: str) -> Iterator[str | int]:
    """Keys and indices of `$.a.b[0]`. Raises `MetricError`."""
    rest = path.removeprefix("$") if path.startswith("$") else f".{path}"
    while rest:
        step = _STEP.match(rest)
        if step is None:
            raise MetricError(f"{path}: only steps like $.a.b[0]['c'] are understood")
        key, index, *quoted = step.groups()
        yield int(index) if index is not None else next(k for k in (key, *quoted) if k is not None)
        rest = rest[step.end() :]
