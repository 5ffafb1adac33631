"""What a user leaves in the memory that all share."""

from __future__ import annotations

import contextlib
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


def delete(path: Path) -> None:
    """Never through a link, however deep it is; what cannot be deleted stays."""
    with contextlib.suppress(OSError):
        beneath.remove(path.parent, path.name)
