"""The effective configuration: found for every command, printed by `autoresearch-ci config`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from autoresearch_ci.cli.terminal import redacted
from autoresearch_ci.config.flags import given
from autoresearch_ci.config.reader import LARGEST
from autoresearch_ci.config.resolve import (
    DEFAULT_PATH,
    Resolved,
    Setting,
    describe,
    json_schema,
    load,
)
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.safety.log_text import defuse, json_text
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable
from autoresearch_ci.workspace.repository import Repository


def main(options: argparse.Namespace) -> int:
    """Print it, or its schema."""
    if options.schema:
        print(json_text(json_schema(), indent=2))
        return 0
    resolved, _ = effective(options)
    rows = describe(resolved)
    if options.json:
        values = {key: {"value": v, "origin": o} for key, v, o in rows}
        print(redacted(json_text(values, indent=2), options.environment))
        return 0
    width = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        text = f"{key:{width}}  {json_text(value, readable=True)}  # {origin}"
        print(defuse(redacted(text, options.environment)))
    return 0


def effective(
    options: argparse.Namespace,
    *,
    commit: str | None = None,
    only: bool = False,
    command: str = "run",
    defaults: Sequence[Setting] = (),
    forced: Sequence[Setting] = (),
) -> tuple[Resolved, str | None]:
    """From file and command line; and the file's path from the repository's root.

    With `commit`, the file as that commit has it, so that a head cannot bring its own metric, nor a
    link to another file. With `only`, not even where that commit has none. `command`: for which it
    is. `defaults`: of a command, for what the file lacks. `forced`: what it cannot be told
    otherwise.
    """
    repository = Repository.open(Path.cwd())
    root = repository.root
    typed = [*typed_from(options, root), *forced]
    loaded = partial(load, given=typed, command=command, defaults=defaults)
    path = _named(options.config, root) if options.config else root / DEFAULT_PATH
    place = _within(Path(os.path.normpath(Path.cwd() / path)), root) if commit else path.resolve()
    inside = place.is_relative_to(root)
    shown = str(place.relative_to(root)) if inside else str(path)
    committed = repository.followed(commit, shown) if commit and inside else None
    if committed is not None:
        return loaded(text=committed, path=shown), shown
    if commit and inside and only:
        try:
            return loaded(text=None, path=shown), shown
        except ConfigError as error:
            if not path.exists():
                raise
            raise ConfigError(
                f"{shown} is not in {commit[:12]}, whose rules hold: what is judged brings none of "
                "its own.\ndo: merge it first, or name metric and scope by flags."
            ) from error
    try:
        text = file_bytes(path, LARGEST)
    except Unreadable as error:
        raise ConfigError(f"{path} {error}; expected a short YAML file.") from error
    except (NotADirectoryError, PermissionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    except FileNotFoundError as error:
        if options.config:
            raise ConfigError(_no_file(path, root)) from error
        return loaded(text=None, path=DEFAULT_PATH), None
    return loaded(text=text, path=shown), shown if inside else None


def typed_from(options: argparse.Namespace, root: Path) -> list[Setting]:
    """What was typed: files of ours that it names are relative to where one stands, and those of
    the configuration to the root."""
    return [replace(one, value=_from_root(one.value, one.at, root)) for one in given(options)]


def _from_root(value: object, at: Sequence[object], root: Path) -> object:
    """The same, its files named as from the root."""
    if isinstance(value, Mapping):
        return {
            _from_root(key, at, root): _from_root(inner, (*at, key), root)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_from_root(item, at, root) for item in value]
    script = "script:" if at[0] == "proposer" else ""
    if not isinstance(value, str) or not value.startswith(script):
        return value
    name = value.removeprefix(script)
    if Path.cwd() == root or not (script or tuple(at) == ("fix", "from_debug")) or not name:
        return value
    return script + (name if Path(name).is_absolute() else os.path.relpath(name, root))


def _within(place: Path, root: Path) -> Path:
    """The same as seen from the root, also where a link outside of it leads there."""
    if place.is_relative_to(root):
        return place
    tops = (top for top in place.parents if top.exists() and top.samefile(root))
    return next((root / place.relative_to(top) for top in tops), place)


def _named(name: str, root: Path) -> Path:
    """From the current folder; else from the repository's root, as all paths in it are."""
    here = Path(name)
    return here if here.exists() or not (root / name).exists() else root / name


def _no_file(path: Path, root: Path) -> str:
    places = dict.fromkeys(str(place / path) for place in (Path.cwd(), root))
    return f"--config {path}: there is no such file, looked for {' and '.join(places)}."
