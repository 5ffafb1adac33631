"""A folder that outlives its process by a moment only: the next such process deletes it.

However a process ends, the kernel takes its locks away. So a folder of ours with no lock on it is
a dead one's. A name alone says nothing: others can make folders of any name beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from autoresearch_ci import beneath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 5


class MortalFolder:
    """Made new, with a name that begins with `prefix`; only its owner may enter it."""

    def __init__(self, above: Path, prefix: str) -> None:
        for _ in range(_TRIES):
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=above))
            self.lock = _locked(self.path)
            """The kernel lets go of it with this process; `None`: there are no locks here."""
            if self.lock is not None:
                return
            delete(self.path)  # as one who sweeps does, who was faster to lock it
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=above))

    def remove(self) -> None:
        delete(self.path)
        if self.lock is not None:
            os.close(self.lock)


def sweep(above: Path, prefix: str) -> None:
    """Delete what dead processes of this user have left there."""
    for path in _named(above, prefix):
        lock = _locked(path)
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


def _locked(path: Path) -> int | None:
    """The folder, opened and locked; `None`: it is somebody else's, or is not there any more."""
    try:
        descriptor = os.open(path, _FOLDER)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
