"""Files that commands name and that only the user's checkout has: told before anything is run.

A run's tree holds the commit, and commands start at its root. A script that was never committed, or
that is named as seen from the folder below where somebody stands, would only be "not found" there.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.workspace.command_files import command_files
from autoresearch_ci.workspace.repository import FileVersion, Repository

_SCRIPTS = (".py", ".sh", ".bash", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".php", ".R", ".jl")
"""What is written to be run, not by a run."""


def absent_files(
    commands: Sequence[str],
    below: str,
    repository: Repository,
    files: Mapping[str, FileVersion],
    share: tuple[str, ...],
) -> Iterator[str]:
    """A sentence for each, with what to do.

    `files`: the commit's. `below`: see `folder_below`. `share`: what the tree has besides.
    """
    yield from _uncommitted(commands, repository, files, share)
    yield from _named_from_here(commands, below, repository, files, share)


@dataclass(frozen=True)
class _OnlyInCheckout:
    """Container of the files that the checkout has and a run's tree lacks."""

    root: Path
    files: Mapping[str, FileVersion]
    share: tuple[str, ...]

    def __contains__(self, path: object) -> bool:
        name = str(path)
        shared = any(name.startswith(f"{folder}/") for folder in self.share)
        inside = not name.startswith(("/", "../")) and name not in self.files and not shared
        try:
            return inside and (self.root / name).is_file()
        except OSError:  # a word of a command may be longer than any name of a file
            return False


def folder_below(start: Path, root: Path) -> str:
    """Where the command was called: empty at the root, else a folder's path and a slash."""
    here = start.resolve()
    if here == root.resolve() or not here.is_relative_to(root.resolve()):
        return ""
    return f"{here.relative_to(root.resolve())}/"


def _named_from_here(
    commands: Sequence[str],
    below: str,
    repository: Repository,
    files: Mapping[str, FileVersion],
    share: tuple[str, ...],
) -> Iterator[str]:
    """Files that commands name as seen from the folder where the run is started."""
    if not below:
        return
    here = _OnlyInCheckout(repository.root / below, files, share)
    found = (path for command in commands for path in command_files(command, here))
    for path in dict.fromkeys(found):
        yield (
            f"{path} is in {below}, where you are, but commands are run at the repository's root: "
            f"name it {below}{path}, or begin the command with: cd {shlex.quote(below)} &&"
        )


def _uncommitted(
    commands: Sequence[str],
    repository: Repository,
    files: Mapping[str, FileVersion],
    share: tuple[str, ...],
) -> Iterator[str]:
    """Scripts that the commands name and that only the checkout has."""
    absent = _OnlyInCheckout(repository.root, files, share)
    found = (path for command in commands for path in command_files(command, absent))
    for path in dict.fromkeys(found):
        if path.endswith(_SCRIPTS) or os.access(repository.root / path, os.X_OK):
            ignored = bool(repository.ignored([path]))
            how = "git add -f" if ignored else "git add"
            yield (
                f"{path} is in your checkout but not committed, so the command that names it will "
                f"not find it: {how} {shlex.quote(path)} && git commit, or add it to `share`"
            )
