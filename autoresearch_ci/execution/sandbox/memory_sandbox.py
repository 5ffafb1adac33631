"""The folder that a box's commands see as /dev/shm, and an empty one to cover others with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from autoresearch_ci.execution.sandbox.memory import MortalFolder, delete, sweep
from autoresearch_ci.safety import files as beneath

SHARED_MEMORY = Path("/dev/shm")
_SYSTEM_V_LISTS = Path("/proc/sysvipc")
_SYSTEM_V = ("shm", "sem", "msg")
_IPC_RMID = 0


class Scratch:
    """Made on first use, in the memory it stands for: a disk would be slower."""

    def __init__(self, box: Path, own: Callable[[Path], None]) -> None:
        usable = os.access(SHARED_MEMORY, os.W_OK | os.X_OK)
        above = SHARED_MEMORY if usable else box.parent
        ours = f"autoresearch-ci-shm-{os.geteuid()}-"
        sweep(above, ours)
        self._folder = MortalFolder(above, f"{ours}{box.name}-")
        self.root = self._folder.path
        self.memory = self.root / "shm"
        self.nothing = self.root / "nothing"
        for folder in (self.memory, self.nothing):
            folder.mkdir(mode=0o700)
        own(self.memory)
        self.nothing.chmod(0o555)
        self.root.chmod(0o711)

    def empty(self) -> None:
        """Also where a command took away its permissions, or wrote on the folder itself."""
        for name, _ in beneath.listing(self.memory)[1]:
            delete(self.memory / name)
        beneath.rewrite_notes(self.memory, "", None, 0o700)

    def remove(self) -> None:
        self._folder.remove()


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
    for name in entries_of(user) - known:
        kind, _, number = name.partition(" ")
        if kind in _SYSTEM_V and number.isdigit():
            _remove_system_v(kind, int(number))
        else:
            delete(SHARED_MEMORY / name)


def _remove_system_v(kind: str, number: int) -> None:
    import ctypes

    arguments = (number, 0, _IPC_RMID) if kind == "sem" else (number, _IPC_RMID, None)
    getattr(ctypes.CDLL(None), f"{kind}ctl")(*arguments)
