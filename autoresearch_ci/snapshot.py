"""A folder's state remembered and returned to; what the right content is, its owner knows."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pathspec

from autoresearch_ci.errors import WorkspaceError

Fingerprint = tuple[int, int, int, int, int]
"""Mode, inode, size, mtime and ctime in ns. ctime cannot be set back without setting the clock,
so an equal fingerprint means equal content (git's index relies on the same)."""

MTIME = 3


class Snapshot:
    """Files and folders below `root` as they were when last learnt."""

    def __init__(
        self,
        root: Path,
        ignore: Sequence[str] = (),
        own: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """`own`: what is to be done to everything that is made anew, such as giving it away."""
        self.root = root
        self._own = own
        self.files: dict[str, Fingerprint] = {}
        self.folders: dict[str, int] = {}
        """Permissions; the root's name is empty."""
        self._ignore = pathspec.GitIgnoreSpec.from_lines(ignore) if ignore else None

    def take(self) -> dict[str, Fingerprint]:
        """Remember everything as it is now; returns what was remembered before."""
        before = self.files
        self.files, self.folders = self._scan()
        self._close(self.folders)
        return before

    def undo(self, rewrite: Callable[[Sequence[str]], None]) -> list[str]:
        """Delete what is new and have `rewrite` restore what was changed or removed.

        Returns the paths that were changed or removed.
        """
        found, folders = self._scan()
        for path in found.keys() - self.files.keys():
            (self.root / path).unlink()
        for folder in sorted(folders.keys() - self.folders.keys(), key=len, reverse=True):
            try:
                (self.root / folder).rmdir()
            except OSError as error:  # it holds ignored files, which may stay
                if error.errno != errno.ENOTEMPTY or self._ignore is None:
                    raise
        for folder in sorted(self.folders.keys() - folders.keys(), key=len):
            (self.root / folder).mkdir()
            self._own(self.root / folder)
        altered = [path for path, known in self.files.items() if found.get(path) != known]
        rewrite(altered)
        self._close(folders)
        return altered

    def learn(self, path: str, previous: Fingerprint | None = None) -> None:
        """Remember one file as it is now."""
        target = self.root / path
        self._own(target)
        found = _fingerprint(target.lstat())
        # Caches such as __pycache__ trust (size, whole second of mtime): never repeat a second.
        if previous and found[MTIME] // 10**9 <= previous[MTIME] // 10**9:
            seconds = previous[MTIME] // 10**9 + 1
            os.utime(target, (seconds, seconds), follow_symlinks=False)
            found = _fingerprint(target.lstat())
        self.files[path] = found

    def make_parents(self, path: str) -> None:
        """Create and remember the folders above `path`."""
        for folder in reversed(Path(path).parents[:-1]):
            (self.root / folder).mkdir(exist_ok=True)
            self._own(self.root / folder)
            mode = _permissions((self.root / folder).lstat())
            self.folders.setdefault(folder.as_posix(), mode)

    def forget_folder(self, path: str) -> None:
        """A file takes the place of a folder: nothing below is known any more."""
        if path in self.folders:
            below = f"{path}/"
            for known in [f for f in self.folders if f == path or f.startswith(below)]:
                del self.folders[known]

    def drop_empty_parents(self, path: str) -> None:
        """Delete and forget the folders above `path` that hold nothing, as git would."""
        for folder in Path(path).parents[:-1]:
            target = self.root / folder
            if not target.is_dir() or any(target.iterdir()):
                return
            target.rmdir()
            self.folders.pop(folder.as_posix(), None)

    def _close(self, found: Mapping[str, int]) -> None:
        """Give folders their permissions back, also those that the scan had to open."""
        for folder, mode in self.folders.items():
            if found.get(folder) != mode or mode & 0o700 != 0o700:
                (self.root / folder).chmod(mode)

    def _scan(self) -> tuple[dict[str, Fingerprint], dict[str, int]]:
        if not self.root.is_dir() or self.root.is_symlink():
            raise WorkspaceError(
                f"the folder {self.root} was deleted by a command that ran in it.\n"
                "do: fix the command that removes its own working folder, then --resume."
            )
        files: dict[str, Fingerprint] = {}
        folders: dict[str, int] = {}
        pending = [""]
        while pending:
            folder = pending.pop()
            place = self.root / folder if folder else self.root
            folders[folder] = _open_up(place)
            for entry in _entries(place):
                path = f"{folder}/{entry.name}" if folder else entry.name
                if self._ignore and self._ignore.match_file(path):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                else:
                    files[path] = _fingerprint(entry.stat(follow_symlinks=False))
        return files, folders


def remove(path: Path) -> None:
    """Delete a file or a whole folder, also when a command took away its permissions."""
    try:
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return
    if not is_folder:
        path.unlink()
        return
    folders = [path]
    for folder in folders:  # grows while we walk it: a recursion would end at a thousand levels
        _open_up(folder)
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            else:
                os.unlink(entry.path)  # noqa: PTH108 - never through a link
    for folder in reversed(folders):
        folder.rmdir()


def copy_file(source: Path, target: Path) -> bool:
    """Copy a regular file or a link; pipes, sockets and devices are not worth restoring.

    Returns whether there was something to copy.
    """
    try:
        kind = source.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind)):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    return True


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _open_up(folder: Path) -> int:
    """Make a folder ours to list and change; returns the permissions that it had."""
    mode = _permissions(folder.lstat())
    if mode & 0o700 != 0o700:
        folder.chmod(mode | 0o700)
    return mode


def _permissions(status: os.stat_result) -> int:
    return stat.S_IMODE(status.st_mode)


def _fingerprint(status: os.stat_result) -> Fingerprint:
    return (
        status.st_mode,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
