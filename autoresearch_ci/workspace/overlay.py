"""A state of the code, written above the tree that setup left; no command is running there yet.

What is above is new for each measurement, so nothing has to be undone. Making it, and deciding what
is measured, is not done here.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pathspec

from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.git_view import GitView
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.snapshot import remove

Own = Callable[[Path, str], None]
"""Hands what we have just made to the one who runs the commands: below a folder, a path."""
_FOLDER = re.compile(r"(?!.*\.\.)[^!#*?\[\]\\]+/")
_OF_BASE = FileVersion("", "")
"""Stands for whatever the base commit has."""


class Overlay:
    """Remembers when it wrote which version of a file, and nothing else."""

    def __init__(
        self,
        *,
        base: Path,
        stage: Path,
        files: Mapping[str, FileVersion],
        content: Callable[[str, FileVersion, Path | None], bytes],
        own: Own,
    ) -> None:
        """`base`: the tree below. `stage`: a folder to make and use for a moment.

        `files`: of the base commit. `content`: of a file, as the .gitattributes in a folder say;
        `None`: in the tree below.
        """
        self._base = base
        self._stage = stage
        self._files = files
        self.kept: Sequence[str] = ()
        """Folders in which what is written stays."""
        self._content = content
        self._own = own
        self._dated: dict[str, tuple[FileVersion | None, int]] = {}
        """The last version, and its time of change in ns."""

    def write(self, tree: Path, changes: Changes, view: GitView | None) -> None:
        """Make `tree` the base commit with `changes`; for `view`, too."""
        filters = self._filters(changes)
        stayed = [path for path in self._dated if self._kept(path)]
        written = {**{path: self._files.get(path) for path in stayed}, **changes}
        contents = {p: self._content(p, v, filters) for p, v in written.items() if v}
        for path in written:  # a folder may take the place of a file, and the other way round
            beneath.remove(tree, path)
        for path in filter(self._kept, written):
            _clear_way(tree, path)
        for path, version in written.items():
            if version is None:  # what is kept is mounted: it would be so no more
                kept = self._kept(path)
                beneath.drop_empty_parents(tree / kept, path.removeprefix(f"{kept}/"))
            else:
                self._put(tree, path, contents[path], 0o755 if version.mode == "100755" else 0o644)
        dated = self._date(tree, changes)
        if view and dated:
            for path, content in view.differing(changes, self._files, tree, dated).items():
                beneath.remove(tree, path)
                self._put(tree, path, content, 0o644)

    def _kept(self, path: str) -> str:
        """The folder that holds it and in which what is written stays; empty: none."""
        return next((folder for folder in self.kept if path.startswith(f"{folder}/")), "")

    def _put(self, tree: Path, path: str, content: bytes, mode: int) -> None:
        _make_folders(tree, path.rpartition("/")[0], self._own)
        beneath.write(tree, path, content, mode)
        self._own(tree, path)

    def _filters(self, changes: Changes) -> Path | None:
        """Where .gitattributes lie as this state has them."""
        if not any(map(is_attributes, changes)):
            return None
        remove(self._stage)
        self._stage.mkdir(mode=0o700, parents=True)
        for path, version in {**self._files, **changes}.items():
            if is_attributes(path) and version and version.regular:
                _make_folders(self._stage, path.rpartition("/")[0], lambda root, path: None)
                (self._stage / path).write_bytes(self._content(path, version, None))
        return self._stage

    def _date(self, tree: Path, changes: Changes) -> set[str]:
        """Give what is new another second of change than its other versions had; returns which.

        Tools trust it: Python's with the size, builds by what is newer. What they have built may be
        kept, so the base commit's files are new, too, where others were in their place.
        """
        back = self._dated.keys() - changes.keys() if self.kept else ()
        dated = {**changes, **dict.fromkeys(back, _OF_BASE)}
        for path, version in dated.items():
            known, time_ns = self._dated.get(path, (_OF_BASE, 0))
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                time_ns = time_ns or beneath.status(self._base, path).st_mtime_ns
            if known != version:
                time_ns = max((time_ns // 10**9 + 1) * 10**9, time.time_ns())
                self._dated[path] = (version, time_ns)
            with (
                contextlib.suppress(FileNotFoundError, NotADirectoryError),
                beneath.place(tree, path) as (at, name),
            ):
                os.utime(name, ns=(time_ns, time_ns), dir_fd=at, follow_symlinks=False)
        return set(dated)


def is_attributes(path: str) -> bool:
    """Whether the file says how others are checked out."""
    return path.rpartition("/")[2] == ".gitattributes"


def names_folder(pattern: str) -> bool:
    """Whether a pattern of gitignore names a folder outright, so that it can be there before."""
    return bool(_FOLDER.fullmatch(pattern))


def make_cache_folders(tree: Path, patterns: Sequence[str], own: Own) -> list[str]:
    """Those that `patterns` match, wherever they lie; one where a pattern says it is made."""
    for pattern in patterns:
        with contextlib.suppress(FileExistsError, NotADirectoryError):  # the repository's own file
            _make_folders(tree, pattern.strip("/"), own)
    wanted = pathspec.GitIgnoreSpec.from_lines(patterns)
    found = []
    for folder, names, _ in os.walk(tree) if patterns else ():
        below = os.path.relpath(folder, tree)
        paths = {name: os.path.normpath(f"{below}/{name}") for name in names}
        real = {name: path for name, path in paths.items() if not (tree / path).is_symlink()}
        kept = {name for name, path in real.items() if wanted.match_file(f"{path}/")}
        names[:] = [name for name in names if name not in kept]
        found += [paths[name] for name in sorted(kept)]
    return found


def _clear_way(root: Path, path: str) -> None:
    """Remove what measured code has left where a folder must be."""
    for above in Path(path).parents[-2::-1]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if not stat.S_ISDIR(beneath.status(root, above.as_posix()).st_mode):
                beneath.unlink(root, above.as_posix())


def _make_folders(root: Path, path: str, own: Own) -> None:
    for folder in [*Path(path).parents[-2::-1], Path(path)] if path else ():
        beneath.make_folder(root, folder.as_posix())
        own(root, folder.as_posix())
