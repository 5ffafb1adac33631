"""A folder's state remembered and returned to; what the right content is, its owner knows."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.safety import untrusted_files as beneath

Fingerprint = tuple[int, int, int, int, int]
"""Mode, inode, size, mtime and ctime in ns. ctime cannot be set back without setting the clock,
so an equal fingerprint means equal content (git's index relies on the same)."""

_MTIME, _CTIME = 3, 4
_MOST_TICKS = 2000
_LONGEST = 4096
"""Characters of a path by which a program can reach something in one step (PATH_MAX)."""


class Snapshot:
    """Files and folders below `root` as they were when last learnt."""

    def __init__(
        self, root: Path, own: Callable[[Path, str], None] = lambda root, path: None
    ) -> None:
        """`own`: what is to be done to everything that is made anew, such as giving it away."""
        self.root = root
        self._own = own
        self.files: dict[str, Fingerprint] = {}
        self.folders: dict[str, tuple[int, int]] = {"": (0o755, 0)}
        """Permissions, and mtime in ns or 0 for whichever; the root's name is empty. Each comes
        after the one that holds it."""
        self._shut: dict[str, Fingerprint] = {}
        """Folders when they were last given these."""

    def take(self, *, shut: bool = True) -> None:
        """Remember everything as it is now. `shut`: also again what had to be opened for it.

        What no path leads to is looked at by nobody: the paths of folders in each other take memory
        with the square of their depth.
        """
        if not self.root.is_dir() or self.root.is_symlink():
            raise WorkspaceError(
                f"the folder {self.root} was deleted by a command that ran in it.\n"
                "do: fix the command that removes its own working folder, then --resume."
            )
        self.files, self.folders = {}, {}
        pending = [""]
        with undisturbed(self.root), beneath.Cursor(self.root) as cursor:
            while pending:
                folder = pending.pop()
                was, found = cursor.listing(folder)
                self.folders[folder] = stat.S_IMODE(was.st_mode), was.st_mtime_ns
                for name, status in found:
                    path = f"{folder}/{name}" if folder else name
                    if not stat.S_ISDIR(status.st_mode):
                        self.files[path] = _fingerprint(status)
                    elif len(path) <= _LONGEST:
                        pending.append(path)
        if shut:
            self.shut(lambda mode: mode & 0o700 != 0o700)

    def undo(self, rewrite: Callable[[Sequence[str]], None]) -> None:
        """Put back what was touched; `rewrite` is given the files that have to be written again.

        A folder is a store in its size, times and attributes: one in which anything was touched is
        made anew, as are those that it lies in, with what else was in it.
        """
        old = self.root.with_name(f"{self.root.name}.old")
        with undisturbed(self.root.parent):
            beneath.remove(old.parent, old.name)
            kept, touched = self._looked_through()
            for folder in reversed(self.folders):  # from the inside
                if folder in touched:
                    touched.add(folder.rpartition("/")[0])
            if touched:
                with contextlib.suppress(FileNotFoundError):
                    self.root.rename(old)
                self.root.mkdir()
                self._own(self.root, "")
            rewrite(self._moved(old, kept, touched))
            self.shut()
            beneath.remove(old.parent, old.name)

    def shut(self, wanted: Callable[[int], bool] = lambda mode: True) -> None:
        """Give folders their permissions and times. `wanted`: those that are to have these."""
        for folder, (mode, time_ns) in reversed(self.folders.items()):  # from the inside
            if wanted(mode):
                with beneath.folder(self.root, folder) as descriptor:
                    if time_ns:
                        os.utime(descriptor, ns=(time_ns, time_ns))
                    os.fchmod(descriptor, mode)
                    self._shut[folder] = _fingerprint(os.fstat(descriptor))

    def learn(self, path: str) -> None:
        """Remember one file as it is now."""
        self._own(self.root, path)
        self.files[path] = _fingerprint(beneath.status(self.root, path))

    def make_parents(self, path: str) -> None:
        """Create and remember the folders above `path`."""
        for folder in reversed(Path(path).parents[:-1]):
            mode = beneath.make_folder(self.root, folder.as_posix())
            self._own(self.root, folder.as_posix())
            self.folders.setdefault(folder.as_posix(), (mode, 0))

    def drop_empty_parents(self, path: str) -> None:
        """Delete and forget the folders above `path` that hold nothing, as git would."""
        for folder in beneath.drop_empty_parents(self.root, path):
            self.folders.pop(folder, None)

    def _looked_through(self) -> tuple[dict[str, list[str]], set[str]]:
        """The files of each folder that are as they were, and the folders that are not.

        What else is found goes, to make room.
        """
        kept: dict[str, list[str]] = {}
        touched = set[str]()
        with beneath.Cursor(self.root) as cursor:
            for folder in self.folders:
                try:
                    was, found = cursor.listing(folder)
                except OSError as error:
                    if error.errno not in beneath.MOVING:
                        raise
                    touched.add(folder)
                    continue
                names = kept[folder] = []
                same = self._shut.get(folder) == _fingerprint(was)
                for name, status in found:
                    path = f"{folder}/{name}" if folder else name
                    if self.files.get(path) == _fingerprint(status):
                        names.append(name)
                    elif not stat.S_ISDIR(status.st_mode):
                        same = False
                        os.unlink(name, dir_fd=cursor.folder(folder))
                    elif path not in self.folders:
                        same = False
                        beneath.remove(self.root, path)
                if not same:
                    touched.add(folder)
        return kept, touched

    def _moved(self, old: Path, kept: Mapping[str, list[str]], touched: set[str]) -> list[str]:
        """Move there what is kept of folders that were touched; returns which files are not kept.

        All that is kept is as if unread, and changed last at the same time, whether it was or not.
        """
        files, missing = self.files, set(self.files)
        with beneath.Cursor(old) as was, beneath.Cursor(self.root) as new:
            for folder in self.folders:
                above, _, name = folder.rpartition("/")
                if folder and folder in touched:
                    os.mkdir(name, dir_fd=new.folder(above))
                    self._own(self.root, folder)
                elif folder and above in touched:
                    source, target = was.folder(above), new.folder(above)
                    os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
                if not kept.get(folder):
                    continue
                target = new.folder(folder)
                source = was.folder(folder) if folder in touched else target
                for name in kept[folder]:
                    path = f"{folder}/{name}" if folder else name
                    if source != target:
                        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
                    known = files[path]
                    times = known[_MTIME], known[_MTIME]
                    try:
                        os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)
                    except PermissionError:  # it is somebody else's, and will be ours
                        os.unlink(name, dir_fd=target)
                        continue
                    now = _fingerprint(os.stat(name, dir_fd=target, follow_symlinks=False))
                    if now[:_CTIME] != known[:_CTIME]:
                        raise _still_there(name, self.root)
                    files[path] = now
                    missing.remove(path)
        return [path for path in files if path in missing]


def settle(folder: Path, others: Sequence[Path]) -> None:
    """Wait until what is changed in `others` gets a time of change that nothing there has yet.

    Before Linux 6.13 all that happens in one tick of the clock has the same. `folder`: of our own.
    """
    newest = max(other.stat().st_ctime_ns for other in others)
    for _ in range(_MOST_TICKS):
        was = folder.stat()
        os.utime(folder, ns=(was.st_atime_ns, was.st_mtime_ns))
        if folder.stat().st_ctime_ns != newest:  # if it is earlier, the clock was set back
            return
        time.sleep(0.001)


@contextlib.contextmanager
def undisturbed(root: Path) -> Iterator[None]:
    """Say what it means when a step fails because the folder changes under our hands."""
    try:
        yield
    except OSError as error:
        if error.errno not in beneath.MOVING:
            raise
        raise _still_there(error.filename, root) from error


def _still_there(name: str, root: Path) -> WorkspaceError:
    return WorkspaceError(
        f"{name!r} in {root} was changed while it was being put back in order.\n"
        "usually: a process that a command left behind is still writing there.\n"
        "do: end that process, make the command wait for what it starts, then --resume."
    )


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
