"""File and command line -> one frozen `Config`, with the origin of each value; reads no disk.

`schema` says which keys there are, `value_types` how each is written. `reader` understands the
file, `flags` the command line, which action inputs become a part of; `error_messages` words what is
wrong.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from autoresearch_ci.config.fix import for_fix
from autoresearch_ci.config.proposers import Proposers
from autoresearch_ci.config.reader import Document, Path, dotted, read
from autoresearch_ci.config.schema import Config
from autoresearch_ci.config.security import for_security
from autoresearch_ci.config.validation_errors import Source, explain
from autoresearch_ci.errors import ConfigError

DEFAULT_PATH = ".github/autoresearch.yml"

_AS_TAKEN = {"fix": for_fix, "security": for_security}
"""What a command makes of the file."""
_SHORT = (("publish",), ("confirm",))
"""Sections of which a single word is the mode."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A value that the command line gives to one key."""

    at: Path
    value: object = field(repr=False)
    flag: str
    """`--goal`, or `--set`."""
    text: str | None = field(default=None, repr=False)
    """The value of a `--set`, as it was typed."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A configuration and where it came from."""

    config: Config
    origins: Mapping[str, str]
    """Dotted key -> `FILE:LINE`, `--flag`, `--set`, or `default`."""


def load(
    *,
    text: str | bytes | None,
    path: str = DEFAULT_PATH,
    given: Sequence[Setting] = (),
    command: str = "run",
    defaults: Sequence[Setting] = (),
) -> Resolved:
    """The effective configuration.

    `text` is the content of the file called `path`, `None` when there is none. What is `given` goes
    above it, the last one wins; `defaults` hold for what the file lacks. `command`: for which it
    is. Raises `ConfigError` that lists every problem.
    """
    document = Document(data={}, lines={}) if text is None else read(text, path)
    data = _AS_TAKEN.get(command, dict)(document.data)
    sources = {
        at: Source(label=f"{path}:{line}", at=at, is_file=True)
        for at, line in document.lines.items()
    }
    lacking = [setting for setting in defaults if setting.at[0] not in data]
    for setting in (*lacking, *given):
        _lay(data, sources, setting)
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


def _lay(data: dict[str, Any], sources: dict[Path, Source], setting: Setting) -> None:
    """Sets one key; what was said of it and below it is gone."""
    at = setting.at
    source = Source(label=setting.flag, at=at, is_file=False, text=setting.text)
    here = data
    for depth in range(1, len(at)):
        above = at[:depth]
        inner = here.get(str(above[-1]))
        if inner is None:
            inner = {}
        elif isinstance(inner, str) and above in _SHORT:
            inner = {"mode": inner}
            sources[(*above, "mode")] = sources[above]
        elif not isinstance(inner, dict):
            before = sources[above].name
            raise ConfigError(
                f"{source.name}: {dotted(above)} is no mapping ({before}), set it as a whole"
            )
        here[str(above[-1])] = inner
        here = inner
    here[str(at[-1])] = copy.deepcopy(setting.value)
    for below in [path for path in sources if path[: len(at)] == at]:
        del sources[below]
    sources.update((path, source) for path in _paths(setting.value, at))


def _paths(value: object, at: Path) -> Iterator[Path]:
    """Of a value and of all that is in it."""
    yield at
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, (*at, key))


def _leaves(section: BaseModel, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, about in type(section).model_fields.items():
        value = getattr(section, name)
        path = (*at, about.alias or name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, path)
        else:
            yield path, value


def _origins(
    config: Config, data: Mapping[str, Any], sources: Mapping[Path, Source]
) -> Iterator[tuple[str, str]]:
    for path, _ in _leaves(config):
        short = path[-1] == "mode" and isinstance(data.get(str(path[0])), str)
        at = path[:-1] if short else path
        labels = [sources[at].label] if at in sources else []
        # A flag may have added to a mapping of the file.
        labels += [s.label for p, s in sources.items() if p[: len(at)] == at and not s.is_file]
        yield dotted(path), ", ".join(dict.fromkeys(labels)) or "default"


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
