"""A state of the code, written above what setup left; no command is running there yet.

Whatever is written is gone after the measurement, so nothing has to be undone here. Making the
folders, and deciding what is measured, is not done here either.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.git_view import GitView
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.snapshot import remove

Own = Callable[[Path, str], None]
"""Hands what we have just made to the one who runs the commands: below a folder, a path."""


class Overlay:
    """Writes states of one base commit; remembers nothing."""

    def __init__(
        self,
        *,
        stage: Path,
        files: Mapping[str, FileVersion],
        content: Callable[[str, FileVersion, Path | None], bytes],
        own: Own,
    ) -> None:
        """`stage`: a folder to make and use for a moment. `files`: of the base commit.

        `content`: of a file, as the .gitattributes in a folder say; `None`: in the tree as it is.
        """
        self._stage = stage
        self._files = files
        self._content = content
        self._own = own

    def write(self, tree: Path, changes: Changes, view: GitView | None) -> None:
        """Make `tree`, which is the base commit, the one with `changes`; for `view`, too."""
        filters = self._filters(changes)
        contents = {p: self._content(p, v, filters) for p, v in changes.items() if v}
        times = {path: _next(tree, path) for path in contents}
        for path in changes:  # a folder may take the place of a file, and the other way round
            _clear_way(tree, path)
            beneath.remove(tree, path)
        for path, version in changes.items():
            if version is None:
                beneath.drop_empty_parents(tree, path)
            else:
                self._put(tree, path, contents[path], 0o755 if version.mode == "100755" else 0o644)
                with beneath.place(tree, path) as (at, name):
                    os.utime(name, ns=(times[path], times[path]), dir_fd=at, follow_symlinks=False)
        if view:
            for path, content in view.differing(changes, tree).items():
                beneath.remove(tree, path)
                self._put(tree, path, content, 0o644)

    def _put(self, tree: Path, path: str, content: bytes, mode: int) -> None:
        make_folders(tree, path.rpartition("/")[0], self._own)
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
                make_folders(self._stage, path.rpartition("/")[0], lambda root, path: None)
                (self._stage / path).write_bytes(self._content(path, version, None))
        return self._stage


def is_attributes(path: str) -> bool:
    """Whether the file says how others are checked out."""
    return path.rpartition("/")[2] == ".gitattributes"


def make_folders(root: Path, path: str, own: Own) -> None:
    """All of the way to `path`, which is one."""
    for folder in [*Path(path).parents[-2::-1], Path(path)] if path else ():
        beneath.make_folder(root, folder.as_posix())
        own(root, folder.as_posix())


def _next(tree: Path, path: str) -> int:
    """A time of change, in ns, in another second than that of the file that is there.

    Tools trust it: Python's with the size, builds by what is newer.
    """
    known = 0
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        known = beneath.status(tree, path).st_mtime_ns
    return max((known // 10**9 + 1) * 10**9, time.time_ns())


def _clear_way(root: Path, path: str) -> None:
    """Remove what the unmodified code has left in a folder of the cache where a folder must be."""
    for above in Path(path).parents[-2::-1]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if not stat.S_ISDIR(beneath.status(root, above.as_posix()).st_mode):
                beneath.unlink(root, above.as_posix())
