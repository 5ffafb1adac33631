"""File, inputs and flags -> one frozen `Config`, with the origin of each value; reads no disk.

`model` says which keys there are, `values` how each is written, `reader` understands the file, and
`problems` words the errors. Precedence: flag > action input > file > default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from autoresearch_ci.config.metric import ExtractRule, Guard, Holdout, Metric
from autoresearch_ci.config.problems import Source, explain
from autoresearch_ci.config.proposers import Proposers
from autoresearch_ci.config.reader import Document, Path, dotted, read
from autoresearch_ci.config.schema import Config, Publish
from autoresearch_ci.errors import ConfigError

__all__ = [
    "DEFAULT_PATH",
    "Config",
    "ExtractRule",
    "Guard",
    "Holdout",
    "Metric",
    "Proposers",
    "Publish",
    "Resolved",
    "describe",
    "flag_name",
    "json_schema",
    "load",
]

DEFAULT_PATH = ".github/autoresearch.yml"

_FLAGS = {
    "metric.command": "--metric",
    "metric.direction": "--direction",
    "guards": "--guard",
    "holdout.command": "--holdout",
    "budget.minutes": "--minutes",
    "publish.mode": "--publish",
    "confirm.mode": "--confirm",
}

Overlay = tuple[Callable[[str], str], Mapping[str, object]]
"""How a dotted key is called where the values come from, and the values that were given there."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A configuration and where it came from."""

    config: Config
    origins: Mapping[str, str]
    """Dotted key -> `FILE:LINE`, `--flag`, or `default`."""


def flag_name(key: str) -> str:
    """The flag that sets `key` (`metric.min_effect` -> `--metric-min-effect`)."""
    return _FLAGS.get(key) or f"--{key.replace('.', '-').replace('_', '-')}"


def load(
    *,
    text: str | bytes | None,
    path: str = DEFAULT_PATH,
    flags: Mapping[str, object],
    overlays: Sequence[Overlay] = (),
) -> Resolved:
    """The effective configuration.

    `text` is the content of the file called `path`, `None` when there is none. `overlays` go above
    the file, the last one wins; `flags` (dotted key -> value, only those given) go above all.
    Raises `ConfigError` that lists every problem.
    """
    document = Document(data={}, lines={}) if text is None else read(text, path)
    data = document.data
    sources = {
        at: Source(label=f"{path}:{line}", is_file=True) for at, line in document.lines.items()
    }
    for label, values in (*overlays, (flag_name, flags)):
        for key, value in values.items():
            _lay(data, sources, key, value, Source(label=label(key), is_file=False))
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        message = explain(
            error.errors(),
            data=data,
            sources=sources,
            file=path,
            exists=text is not None,
            model=Config,
        )
        raise ConfigError(message) from error
    return Resolved(config=config, origins=dict(_origins(config, data, sources)))


def describe(resolved: Resolved) -> list[tuple[str, Any, str]]:
    """Key, effective value (as JSON knows it; times in seconds) and origin, in the model's order.

    Of the environment only the names: a value may be a secret.
    """
    return [
        (dotted(path), _plain(path, value), resolved.origins[dotted(path)])
        for path, value in _leaves(resolved.config)
    ]


def json_schema() -> dict[str, Any]:
    """The JSON schema of the file, generated from the model."""
    schema = Config.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "autoresearch-ci configuration",
    }


def _lay(
    data: dict[str, Any], sources: dict[Path, Source], key: str, value: object, source: Source
) -> None:
    """Sets one dotted key; what the file said below it is gone."""
    *parents, last = key.split(".")
    path: Path = (*parents, last)
    here = data
    for depth, part in enumerate(parents, 1):
        inner = here.get(part)
        if inner is None:
            inner = {}
        elif isinstance(inner, str):  # `publish: none` is short for `publish: {mode: none}`
            inner = {"mode": inner}
            sources[(*path[:depth], "mode")] = sources[path[:depth]]
        elif not isinstance(inner, dict):
            return  # the file is wrong here, and validation says so
        here[part] = inner
        here = inner
    here[last] = list(value) if isinstance(value, tuple) else value
    for below in [at for at in sources if at[: len(path)] == path]:
        del sources[below]
    sources[path] = source


def _leaves(section: BaseModel, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        path = (*at, field.alias or name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, path)
        else:
            yield path, value


def _origins(
    config: Config, data: Mapping[str, Any], sources: Mapping[Path, Source]
) -> Iterator[tuple[str, str]]:
    for path, _ in _leaves(config):
        source = sources.get(path)
        if source is None and path[-1] == "mode" and isinstance(data.get(str(path[0])), str):
            source = sources.get(path[:-1])  # the short form
        yield dotted(path), source.label if source else "default"


def _plain(path: Path, value: Any) -> Any:
    if path in (("env",), ("claude", "headers"), ("mcp",)):
        return sorted(value)
    if isinstance(value, Proposers):
        return str(value)
    if isinstance(value, tuple):
        return [
            entry.model_dump(mode="json", exclude_unset=True)
            if isinstance(entry, BaseModel)
            else entry
            for entry in value
        ]
    return value
