"""A state of the code, written above what setup left; no command is running there yet.

Whatever is written is gone after the measurement, so nothing has to be undone here. Making the
folders, and deciding what is measured, is not done here either.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.store import Edits

Own = Callable[[Path, str], None]
"""Hands what we have just made to the one who runs the commands: below a folder, a path."""


def write(tree: Path, edits: Edits, own: Own) -> None:
    """Make `tree`, which is the base commit, another state of the code."""
    times = {path: _next(tree, path) for path, edit in edits.items() if edit}
    for path in edits:  # a folder may take the place of a file, and the other way round
        _clear_way(tree, path)
        beneath.remove(tree, path)
    for path, edit in edits.items():
        if edit is None:
            beneath.drop_empty_parents(tree, path)
        else:
            put(tree, path, edit[1], 0o755 if edit[0] == "100755" else 0o644, own)
            with beneath.place(tree, path) as (at, name):
                os.utime(name, ns=(times[path], times[path]), dir_fd=at, follow_symlinks=False)


def put(tree: Path, path: str, content: bytes, mode: int, own: Own) -> None:
    """A file, and the folders above it."""
    make_folders(tree, path.rpartition("/")[0], own)
    beneath.write(tree, path, content, mode)
    own(tree, path)


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
