"""A folder's state remembered and returned to; what the right content is, its owner knows."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

import pathspec

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.safety import untrusted_files as beneath

Fingerprint = tuple[int, int, int, int, int]
"""Mode, inode, size, mtime and ctime in ns. ctime cannot be set back without setting the clock,
so an equal fingerprint means equal content (git's index relies on the same)."""

MTIME = 3
_LONGEST = 4096
"""Characters of a path by which a program can reach something in one step (PATH_MAX)."""
_NOTHING: Fingerprint = (0, 0, 0, 0, 0)
"""No file has it."""


class Snapshot:
    """Files and folders below `root` as they were when last learnt."""

    def __init__(
        self,
        root: Path,
        ignore: Sequence[str] = (),
        own: Callable[[Path, str], None] = lambda root, path: None,
    ) -> None:
        """`own`: what is to be done to everything that is made anew, such as giving it away."""
        self.root = root
        self._own = own
        self.files: dict[str, Fingerprint] = {}
        self.folders: dict[str, int] = {}
        """Permissions; the root's name is empty."""
        self._notes: dict[str, beneath.Notes] = {}
        self._ctimes: dict[str, int] = {}
        """Of folders, in ns: a folder with another one must have its notes rewritten."""
        self._ignore = pathspec.GitIgnoreSpec.from_lines(ignore) if ignore else None

    def take(self) -> dict[str, Fingerprint]:
        """Remember everything as it is now; returns what was remembered before."""
        before = self.files
        with undisturbed(self.root):
            self.files, found = self._scan()
            self.folders = {path: stat.S_IMODE(was.st_mode) for path, was in found.items()}
            with beneath.Cursor(self.root) as cursor:
                self._notes = {path: cursor.notes(path) for path in found}
            self._ctimes = {path: was.st_ctime_ns for path, was in found.items()}
            self._close(found)
        return before

    def undo(self, rewrite: Callable[[Sequence[str]], None]) -> list[str]:
        """Delete what is new and have `rewrite` restore what was changed or removed.

        Returns the paths that were changed or removed.
        """
        with undisturbed(self.root):
            found, folders = self._scan(self.folders)
            self._delete(found.keys() - self.files.keys(), folders.keys() - self.folders.keys())
            for folder in sorted(self.folders.keys() - folders.keys(), key=len):
                beneath.make_folder(self.root, folder)
                self._own(self.root, folder)
            altered = [path for path, known in self.files.items() if found.get(path) != known]
            rewrite(altered)
            self._close(folders)
        return altered

    def learn(self, path: str, previous: Fingerprint | None = None) -> None:
        """Remember one file as it is now."""
        self._own(self.root, path)
        found = _fingerprint(beneath.status(self.root, path))
        # Caches such as __pycache__ trust (size, whole second of mtime): never repeat a second.
        if previous and found[MTIME] // 10**9 <= previous[MTIME] // 10**9:
            seconds = previous[MTIME] // 10**9 + 1
            with beneath.place(self.root, path) as (at, name):
                os.utime(name, (seconds, seconds), dir_fd=at, follow_symlinks=False)
            found = _fingerprint(beneath.status(self.root, path))
        self.files[path] = found

    def doubt(self, paths: Iterable[str]) -> None:
        """Have the next `undo` rewrite what could not be written and so is not remembered."""
        for path in paths:
            self.files.setdefault(path, _NOTHING)

    def make_parents(self, path: str) -> None:
        """Create and remember the folders above `path`."""
        for folder in reversed(Path(path).parents[:-1]):
            mode = beneath.make_folder(self.root, folder.as_posix())
            self._own(self.root, folder.as_posix())
            self.folders.setdefault(folder.as_posix(), mode)

    def forget_folder(self, path: str) -> None:
        """A file takes the place of a folder: nothing below is known any more."""
        if path in self.folders:
            below = f"{path}/"
            for known in [f for f in self.folders if f == path or f.startswith(below)]:
                del self.folders[known]

    def drop_empty_parents(self, path: str) -> None:
        """Delete and forget the folders above `path` that hold nothing, as git would."""
        for folder in beneath.drop_empty_parents(self.root, path):
            self.folders.pop(folder, None)

    def _close(self, found: Mapping[str, os.stat_result]) -> None:
        """Give folders back what they were, also those that the scan had to open.

        Permissions, times and attributes of folders are a store like any other: what one
        measurement leaves there, the next must not find.
        """
        for folder, mode in reversed(self.folders.items()):  # what is below cannot be reached later
            was = found.get(folder)
            changed = was is None or was.st_ctime_ns != self._ctimes.get(folder)
            if changed or mode & 0o700 != 0o700:
                notes = self._notes.get(folder)
                self._ctimes[folder] = beneath.rewrite_notes(self.root, folder, notes, mode)

    def _delete(self, files: Set[str], folders: Set[str]) -> None:
        """Remove what is new."""
        if self._ignore is None:
            for path in (*files, *folders):  # none lies in another
                beneath.remove(self.root, path)
            return
        for path in files:
            beneath.unlink(self.root, path)
        for folder in sorted(folders, key=len, reverse=True):
            try:
                if len(folder) > _LONGEST:
                    beneath.remove(self.root, folder)
                else:
                    beneath.rmdir(self.root, folder)
            except OSError as error:  # it holds ignored files, which may stay
                if error.errno != errno.ENOTEMPTY:
                    raise

    def _scan(
        self, known: Container[str] | None = None
    ) -> tuple[dict[str, Fingerprint], dict[str, os.stat_result]]:
        """`known`: folders that are looked into; another one is deleted as a whole, as far as
        nothing in it may stay. What no path leads to is looked at by nobody: the paths of folders
        in each other take memory with the square of their depth.
        """
        if not self.root.is_dir() or self.root.is_symlink():
            raise WorkspaceError(
                f"the folder {self.root} was deleted by a command that ran in it.\n"
                "do: fix the command that removes its own working folder, then --resume."
            )
        files: dict[str, Fingerprint] = {}
        folders: dict[str, os.stat_result] = {}
        pending = [""]
        with beneath.Cursor(self.root) as cursor:
            while pending:
                folder = pending.pop()
                folders[folder], found = cursor.listing(folder)
                for name, status in found:
                    path = f"{folder}/{name}" if folder else name
                    if self._ignore and self._ignore.match_file(path):
                        continue
                    if not stat.S_ISDIR(status.st_mode):
                        files[path] = _fingerprint(status)
                    elif len(path) <= _LONGEST and (known is None or self._ignore or path in known):
                        pending.append(path)
                    elif known is not None:
                        folders[path] = status
        return files, folders


@contextlib.contextmanager
def undisturbed(root: Path) -> Iterator[None]:
    """Say what it means when a step fails because the folder changes under our hands."""
    try:
        yield
    except OSError as error:
        if error.errno not in beneath.MOVING:
            raise
        raise WorkspaceError(
            f"{error.filename!r} in {root} was changed while it was being put back in order.\n"
            "usually: a process that a command left behind is still writing there.\n"
            "do: end that process, make the command wait for what it starts, then --resume."
        ) from error


def remove(path: Path) -> None:
    """Delete a file or a whole folder, also when a command took away its permissions."""
    if path.parent.is_dir():
        with undisturbed(path.parent):
            beneath.remove(path.parent.resolve(), path.name)


def _fingerprint(status: os.stat_result) -> Fingerprint:
    return (
        status.st_mode,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
