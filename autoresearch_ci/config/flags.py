"""What the command line says: flags for the keys that people type, and `--set` for every key.

Values keep the order in which they were typed, since the last one wins.
"""

from __future__ import annotations

import argparse
import enum
import json
import re
import typing
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from autoresearch_ci.config.proposers import Agent, Proposers
from autoresearch_ci.config.reader import Path, read_value, shown
from autoresearch_ci.config.resolve import Setting
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError

_DEEPEST = 20
"""Parts of a key."""


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A flag that sets one key."""

    name: str
    metavar: str
    kind: Literal["text", "plain", "list", "names"] = "text"
    """`plain`: a number or boolean, read as in a file; `names`: NAME=VALUE, repeatable."""


FLAGS = {
    "goal": Flag(name="--goal", metavar="TEXT"),
    "scope": Flag(name="--scope", metavar="GLOB", kind="list"),
    "metric.command": Flag(name="--metric", metavar="CMD"),
    "metric.name": Flag(name="--metric-name", metavar="NAME"),
    "metric.direction": Flag(name="--direction", metavar="WORD"),
    "metric.repeats.max": Flag(name="--metric-repeats-max", metavar="N", kind="plain"),
    "guards": Flag(name="--guard", metavar="CMD", kind="list"),
    "env": Flag(name="--env", metavar="NAME=VALUE", kind="names"),
    "iterations": Flag(name="--iterations", metavar="N", kind="plain"),
    "budget.minutes": Flag(name="--minutes", metavar="N", kind="plain"),
    "budget.usd": Flag(name="--budget-usd", metavar="N", kind="plain"),
    "proposer": Flag(name="--proposer", metavar="NAME"),
    "claude.model": Flag(name="--claude-model", metavar="NAME"),
    "confirm.mode": Flag(name="--confirm", metavar="WORD"),
    "publish.mode": Flag(name="--publish", metavar="WORD"),
    "publish.branch": Flag(name="--publish-branch", metavar="NAME"),
    "publish.base": Flag(name="--publish-base", metavar="NAME"),
    "publish.draft": Flag(name="--publish-draft", metavar="BOOL", kind="plain"),
}
"""Those that people, workflows and action inputs use; every other key is for `--set`."""


def add_flags(parser: argparse.ArgumentParser, *, besides: Collection[str] = ()) -> None:
    """The flags, and `--set`; `besides`: keys that make no sense here."""
    group = parser.add_argument_group(
        "configuration", "instead of what the file says; the last one wins"
    )
    meanings = dict(every_key())
    for key, flag in FLAGS.items():
        if key in besides:
            continue
        several = flag.kind in ("list", "names")  # --scope a b, or --scope a --scope b
        group.add_argument(
            flag.name,
            dest=key,
            action=_Typed,
            nargs="+" if several else "?" if key == "publish.draft" else None,
            const="true" if key == "publish.draft" else None,
            metavar=flag.metavar,
            help=meanings[key].replace("%", "%%"),
        )
    group.add_argument(
        "--set",
        action=_Typed,
        metavar="KEY=VALUE",
        help="any key, as often as you like; the value is read as in the file, as in "
        "--set metric.timeout=10m --set 'setup=[make deps]'. All keys: docs/configuration.md",
    )


class _Typed(argparse.Action):
    """Keeps what was typed, in its order."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        namespace.typed = [*getattr(namespace, "typed", []), (self.dest, values)]


def given(namespace: argparse.Namespace) -> list[Setting]:
    """What was typed, in its order. Raises `ConfigError`."""
    settings: list[Setting] = []
    lists: dict[str, list[str]] = {}
    for key, words in getattr(namespace, "typed", []):
        if key == "set":
            settings.append(_assigned(words))
            continue
        flag, at = FLAGS[key], tuple(key.split("."))
        value: object = words
        # A name with a comma or a colon in it is a name; what begins like a mapping is none.
        written = key == "proposer" and words.lstrip().startswith(("{", "["))
        if flag.kind == "plain" or written:
            value = read_value(words, flag.name, at)
        elif flag.kind != "text":  # each time that it is given adds to it
            words = lists[key] = [*lists.get(key, []), *words]
            value = (
                dict(_named(flag.name, word) for word in words) if flag.kind == "names" else words
            )
        settings.append(Setting(at=at, value=value, flag=flag.name))
    return settings


def _assigned(text: str) -> Setting:
    """Of one `--set`."""
    key, equals, value = text.partition("=")
    if not equals:
        # The text is not shown, here and below: it may be a secret that was typed without its name.
        raise ConfigError("--set: expected KEY=VALUE, there is no '='")
    at: Path = tuple(key.split("."))
    name = f"--set {shown(key, limit=100)}"
    if not all(at) or not key.isprintable() or len(at) > _DEEPEST:
        raise ConfigError(
            f"{name}: no key is called like that, expected one such as metric.timeout"
        )
    return Setting(at=at, value=_as_meant(value, name, at), flag="--set", text=value)


_QUOTED_OR_NULL = re.compile(r"\s*(?:[\"'|>]|(?:[Nn]ull|NULL|~)?\s*$)")


def _as_meant(text: str, name: str, at: Path) -> object:
    """As a file has it; but where a key holds text, it is the text itself, whatever it is to YAML,
    as nobody quotes a command line twice."""
    kinds = _kinds_at(at)
    is_text = str in kinds and kinds <= {str, tuple}
    try:
        value = read_value(text, name, at)
    except ConfigError:
        if is_text:
            return text.strip()
        raise
    if not is_text or (tuple in kinds and isinstance(value, list)):
        return value
    quoted = _QUOTED_OR_NULL.match(text) and (value is None or isinstance(value, str))
    return value if quoted else text.strip()


def _kinds_at(at: Path) -> set[type]:
    """Of what a key may hold, also one of a section whose name is free, as `env.NAME`."""
    found: list[Any] = [Config]
    for part in at:
        found = [inner for each in found for inner in _inside(each, str(part))]
    return {kind for each in found for kind in _kinds(each)}


def _inside(annotation: Any, part: str) -> Iterator[Any]:
    for each in _flat(annotation):
        section = Agent if each is Proposers else each
        if isinstance(section, type) and issubclass(section, BaseModel):
            fields = section.model_fields.items()
            yield from (f.annotation for name, f in fields if part == (f.alias or name))
        elif typing.get_origin(each) is Mapping:
            yield typing.get_args(each)[1]


def _named(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{flag}: expected NAME=VALUE, there is no '='")
    return name, value


def fields_of_flags() -> dict[str, tuple[str, FieldInfo]]:
    """`--metric-timeout` and so on: every key's name as a flag, the key, and what it holds."""
    return {f"--{re.sub('[._]', '-', key)}": (key, field) for key, field in _leaves(Config)}


def spelled_out(words: Sequence[str]) -> list[str]:
    """The same command line with `--set` for each flag that is the name of a key without a flag.

    The help does not list them, but they are the first guess of who knows the key. As in the other
    flags, texts are taken as they are and need no quoting for YAML. Raises `ConfigError`.
    """
    fields, known = fields_of_flags(), {flag.name for flag in FLAGS.values()}
    left, written = deque(words), []
    while left:
        word = left.popleft()
        name, equals, value = word.partition("=")
        if name in known or name not in fields:
            written.append(word)
            continue
        key, field = fields[name]
        kinds = set(_kinds(field.annotation))
        several = bool(kinds & {tuple, dict})
        values = [value] if equals else []
        while left and not left[0].startswith("--") and (several or not values):
            values.append(left.popleft())
        if not values and kinds != {bool}:
            raise ConfigError(f"{name}: expected a value")
        written += ["--set", f"{key}={_as_in_a_file(name, values, kinds)}"]
    return written


def _as_in_a_file(name: str, values: Sequence[str], kinds: set[type]) -> str:
    if not values:
        return "true"
    if values[0].startswith(("[", "{")):
        return values[0]
    if dict in kinds and tuple not in kinds:
        return json.dumps(dict(_named(name, value) for value in values))
    if tuple in kinds and not (str in kinds and len(values) == 1):  # `share: auto`
        return json.dumps(values)
    return json.dumps(values[0]) if kinds <= {str, tuple} else values[0]


def _kinds(annotation: Any) -> Iterator[type]:
    """The Python types of a value, `dict` for mappings; `None` is left out."""
    for part in _flat(annotation):
        origin = typing.get_origin(part)
        if origin is typing.Literal:
            yield from (type(choice) for choice in typing.get_args(part))
        elif origin is not None:
            yield tuple if origin is tuple else dict
        elif isinstance(part, type) and part is not type(None):
            yield part


def every_key() -> Iterator[tuple[str, str]]:
    """Every dotted key with its meaning, choices and default, in the model's order."""
    return ((key, _meaning(field)) for key, field in _leaves(Config))


def _meaning(field: FieldInfo) -> str:
    """Description, choices and default."""
    told = " ".join((field.description or "").split())
    choices = _choices(field.annotation)
    if choices:
        told += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    default = _default(field)
    return f"{told} Default: `{default}`." if default else told


def _choices(annotation: Any) -> list[str]:
    """Empty where other values are allowed, too."""
    found: list[str] = []
    for part in _flat(annotation):
        if typing.get_origin(part) is typing.Literal:
            found += [str(choice) for choice in typing.get_args(part) if choice is not True]
        elif isinstance(part, type) and issubclass(part, enum.Enum):
            found += [str(choice) for choice in part]
        elif part is not type(None):
            return []
    return found


def _default(field: FieldInfo) -> str:
    """As a file would say it; empty where there is none, or nothing."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value == () or value == {}:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        section = _section(field.annotation)
        if section is None:
            yield key, field
        else:
            yield from _leaves(section, f"{key}.")


def _section(annotation: Any) -> type[BaseModel] | None:
    """The one model that `annotation` allows, when it allows one."""
    models = [a for a in _flat(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
    return models[0] if models else None


def _flat(annotation: Any) -> Iterator[Any]:
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from _flat(typing.get_args(annotation)[0])
    elif origin is typing.Union or isinstance(annotation, UnionType):
        for part in typing.get_args(annotation):
            yield from _flat(part)
    else:
        yield annotation
