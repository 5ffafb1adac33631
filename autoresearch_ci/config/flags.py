"""One command-line flag per configuration key, generated from the model so that none can drift."""

from __future__ import annotations

import argparse
import enum
import typing
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from autoresearch_ci.config.resolve import Config, flag_name
from autoresearch_ci.errors import ConfigError


def add_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every key of the configuration; only those given appear in the namespace."""
    group = parser.add_argument_group(
        "configuration", "each overrides the configuration file's key of the same name"
    )
    for key, field in _leaves(Config):
        kinds = set(_kinds(field.annotation))
        extra: dict[str, Any] = {}
        if kinds & {tuple, dict}:
            extra = {"action": "extend", "nargs": "+"}  # --scope a b, or --scope a --scope b
        elif kinds == {bool}:
            extra = {"nargs": "?", "const": "true"}
        group.add_argument(
            flag_name(key),
            dest=key,
            default=argparse.SUPPRESS,
            metavar=_metavar(key, kinds),
            help=_meaning(field).replace("%", "%%"),
            **extra,
        )


def given(namespace: argparse.Namespace) -> dict[str, object]:
    """Dotted key -> value of the flags that were given. Raises `ConfigError`."""
    values = {}
    for key, field in _leaves(Config):
        if key in namespace:
            values[key] = _value(key, getattr(namespace, key), set(_kinds(field.annotation)))
    return values


def configuration_keys() -> list[tuple[str, str]]:
    """Every dotted key with what it means, in the model's order."""
    return [(key, _meaning(field)) for key, field in _leaves(Config)]


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
        if key == "mcp":
            continue  # a mapping of mappings: only a file can hold it
        if section is None or key == "guards":
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


def _metavar(key: str, kinds: set[type]) -> str:
    if kinds & {int, float}:
        return "N"
    if kinds == {bool}:
        return "BOOL"
    last = key.rsplit(".", 1)[-1]
    singular = {"scope": "GLOB", "guards": "CMD", "command": "CMD", "setup": "CMD"}
    return singular.get(last, "NAME=VALUE" if dict in kinds else last.upper())


def _value(key: str, text: Any, kinds: set[type]) -> object:
    if isinstance(text, list):
        if dict in kinds:
            return dict(_assignment(key, item) for item in text)
        return text[0] if kinds & {str} and text[0] in ("auto", "none") else text
    if bool in kinds and text in ("true", "false"):
        return bool(text == "true")
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def _assignment(key: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        # The text is not shown: it may be a secret that was typed without its name.
        raise ConfigError(f"{flag_name(key)}: expected NAME=VALUE, there is no '='")
    return name, value
