"""A folder that outlives its process by a moment only: the next such process deletes it.

However a process ends, the kernel takes its locks away. So a folder of ours with no lock on it is
a dead one's. A name alone says nothing: others can make folders of any name beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from autoresearch_ci.safety import files as beneath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class MortalFolder:
    """Made new, with a name that begins with `prefix`; only its owner may enter it."""

    def __init__(self, above: Path, prefix: str) -> None:
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=above))
            try:
                self.lock = locked(self.path)
                """The kernel lets go of it with this process; `None`: there are no locks here."""
                return
            except (BlockingIOError, FileNotFoundError):
                delete(self.path)  # as one who sweeps does, who was faster to lock it

    def remove(self) -> None:
        delete(self.path)
        if self.lock is not None:
            os.close(self.lock)


def sweep(above: Path, prefix: str) -> None:
    """Delete what dead processes of this user have left there."""
    for path in _named(above, prefix):
        with contextlib.suppress(OSError):
            lock = locked(path)
            if lock is None:
                continue
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    delete(path)
            finally:
                os.close(lock)


def delete(path: Path) -> None:
    """Never through a link, however deep it is; what cannot be deleted stays."""
    with contextlib.suppress(OSError):
        beneath.remove(path.parent, path.name)


def _named(above: Path, prefix: str) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(above) as entries:
        yield from [Path(entry.path) for entry in entries if entry.name.startswith(prefix)]


def locked(path: Path) -> int | None:
    """The folder, opened and locked; `None`: this file system has no locks for folders.

    Raises:
        BlockingIOError: another process has locked it.
        FileNotFoundError: it is not there any more.
        OSError: it is no folder, or cannot be opened.
    """
    descriptor = os.open(path, _FOLDER)
    with contextlib.ExitStack() as unless_ours:
        unless_ours.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return None
        if not os.path.samestat(os.fstat(descriptor), path.lstat()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        unless_ours.pop_all()
    return descriptor
