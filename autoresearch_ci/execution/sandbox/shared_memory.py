"""What a user leaves in the memory that all share; and folders that outlive their process briefly.

Such a folder outlives its process by a moment only: the next such process deletes it. However a
process ends, the kernel takes its locks away. So a folder of ours with no lock on it is a dead
one's. A name alone says nothing: others can make folders of any name beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from autoresearch_ci.execution.sandbox import kernel
from autoresearch_ci.safety import untrusted_files as beneath

SHARED_MEMORY = Path("/dev/shm")
_SYSTEM_V_LISTS = Path("/proc/sysvipc")
_SYSTEM_V = ("shm", "sem", "msg")
_IPC_RMID = 0


def entries_of(user: int) -> set[str]:
    """What belongs to that user in the memory that all share: names, `shm 3` among them."""
    found = set()
    with contextlib.suppress(OSError), os.scandir(SHARED_MEMORY) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_uid == user:
                found.add(entry.name)
    for kind in _SYSTEM_V:
        with contextlib.suppress(OSError):
            head, *rows = (_SYSTEM_V_LISTS / kind).read_text().splitlines()
            owner = head.split().index("uid")
            fields = [row.split() for row in rows]
            found |= {f"{kind} {row[1]}" for row in fields if row[owner] == str(user)}
    return found


def remove_entries(user: int, known: set[str]) -> None:
    """Delete what that user has in it, but for what is known."""
    system_v = []
    for name in entries_of(user) - known:
        kind, _, number = name.partition(" ")
        if kind in _SYSTEM_V and number.isdigit():
            system_v.append((kind, int(number)))
        else:
            delete(SHARED_MEMORY / name)
    if system_v:
        _remove_system_v(user, system_v)


def _remove_system_v(user: int, found: Sequence[tuple[str, int]]) -> None:
    """By that user, as root may not in a container."""
    import ctypes

    libc = ctypes.CDLL(None)

    def remove() -> str:
        kernel.become(user, user)
        for kind, number in found:
            arguments = (number, 0, _IPC_RMID) if kind == "sem" else (number, _IPC_RMID, None)
            getattr(libc, f"{kind}ctl")(*arguments)
        return ""

    kernel.answer_of_a_child(remove)


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def delete(path: Path) -> None:
    """Never through a link, however deep it is; what cannot be deleted stays."""
    with contextlib.suppress(OSError):
        beneath.remove(path.parent, path.name)


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
