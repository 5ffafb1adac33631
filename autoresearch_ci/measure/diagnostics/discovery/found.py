"""The notebook of a search: files that may be read, and what each said about a tool in a folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoresearch_ci.config import reader
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import ReadBytes
from autoresearch_ci.measure.diagnostics.discovery.shell_lines import commands_in

FILES_LIMIT = 400
"""Files that are read."""
BYTES_LIMIT = 256_000
HOOKS = ".pre-commit-config.yaml"
_WHERE = {
    "cargo": ("Cargo.toml",),
    "cargo fmt": ("Cargo.toml",),
    "cargo test": ("Cargo.toml",),
    "go build": ("go.mod",),
    "go vet": ("go.mod",),
    "go test": ("go.mod",),
}
"""Without which a line does not start a tool there."""
_CD = re.compile(r"[\s(]*(?:cd|pushd)\s+[\"']?([\w./-]+)[\"']?\s*")


@dataclass(frozen=True)
class Hint:
    reason: str
    command: str = ""
    """As the repository asks; empty: it only names the tool."""


@dataclass
class FoundHints:
    """`hints` by tool and folder, in the order in which they were found."""

    paths: Sequence[str]
    read: ReadBytes
    hints: dict[tuple[str, str], list[Hint]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    _reads: int = 0

    def __post_init__(self) -> None:
        self.known = frozenset(self.paths)

    def named(self, *names: str) -> Iterator[str]:
        """The paths with such a name."""
        for path in self.paths:
            if posixpath.basename(path) in names:
                yield path

    def text(self, path: str) -> str:
        """Empty where it cannot be read, or should not."""
        if self._reads >= FILES_LIMIT:
            if self._reads == FILES_LIMIT:
                self.unread.append(f"only {FILES_LIMIT} files are read: {path} and others are not")
                self._reads += 1
            return ""
        self._reads += 1
        try:
            content = self.read(path)
        except KeyError:
            return ""
        if len(content) > BYTES_LIMIT:
            self.unread.append(f"{path}: is larger than {BYTES_LIMIT // 1000} kB")
            return ""
        return content.decode("utf-8", errors="replace")

    def below(self, folder: str) -> Iterator[str]:
        """The paths in a folder."""
        return (path for path in self.paths if not folder or path.startswith(f"{folder}/"))

    def is_asked_around(self, tools: Collection[str], folder: str) -> bool:
        """Whether one of the tools is asked there, or in a folder that it is a part of."""
        around = {folder, *folders_above(folder), ""}
        return any(tool in tools and where in around for tool, where in self.hints)

    def add(self, tool: str, folder: str, reason: str, command: str = "") -> None:
        hints = self.hints.setdefault((tool, folder), [])
        hint = Hint(reason, command)
        if hint not in hints:
            hints.append(hint)

    def yaml(self, path: str) -> dict[str, Any]:
        """A mapping; empty where there is none."""
        try:
            return reader.read(self.text(path), path).data
        except ConfigError as error:
            self.unread.append(str(error))
            return {}

    def mentions(self, text: str, path: str, folder: str, rust_flags: str = "") -> None:
        """Tools that lines of one shell start, where its `cd` leads."""
        here = outside = folder
        for part in re.split(r"&&|;|\n", text.replace("\\\n", " ")):
            if part.lstrip().startswith("("):
                outside = here
            if moved := _CD.fullmatch(part):
                there = posixpath.normpath(posixpath.join(here, moved[1]))
                here = there if any(p.startswith(f"{there}/") for p in self.paths) else folder
                continue
            for tool, command in commands_in(part):
                needed = _WHERE.get(tool, ())
                if rust_flags and tool in ("cargo", "cargo test"):
                    command = f"RUSTFLAGS='{rust_flags.strip()}' {command}"
                if not needed or any(posixpath.join(here, n) in self.known for n in needed):
                    self.add(tool, here, f"{path}: {short(' '.join(part.split()))}", command)
            if part.rstrip().endswith(")"):
                here = outside


def short(text: str) -> str:
    """For a reason."""
    return text if len(text) <= 80 else f"{text[:79]}…"


def folders_above(path: str) -> Iterator[str]:
    """From the nearest to the root, which is empty."""
    while path:
        path = posixpath.dirname(path)
        yield path


def depth(path: str) -> tuple[int, str]:
    """What lies higher sorts first."""
    return path.count("/"), path


def topmost(paths: Iterable[str]) -> list[str]:
    """Those without another one above: members of a workspace belong to it."""
    kept: list[str] = []
    for path in sorted(paths, key=depth):
        if not {posixpath.dirname(other) for other in kept} & {*folders_above(path)}:
            kept.append(path)
    return kept
