"""Starts over with an empty environment, so that no process can read our secrets from /proc.

What a process was given by execve stays readable in /proc/<pid>/environ, whatever it deletes later;
and in a container action we are process 1, beside commands that may run as the same user.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

_HANDOVER = "AUTORESEARCH_HANDOVER"
_HARMLESS = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


def take_environment(arguments: Sequence[str]) -> dict[str, str]:
    """The environment this process was started with; from here on it exists only in our memory.

    Replaces the process once by itself (the process id stays), isolated from the current folder:
    what is checked out there must not be imported.
    """
    handed = os.environ.pop(_HANDOVER, None)
    if handed is None:
        _start_over(arguments)
    with open(int(handed or ""), encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        environment: dict[str, str] = json.load(file)
    _be_undumpable()
    return environment


def _start_over(arguments: Sequence[str]) -> None:
    reader = _readable(json.dumps(dict(os.environ)).encode("utf-8", "surrogateescape"))
    harmless = {name: os.environ[name] for name in _HARMLESS if name in os.environ}
    argv = [sys.executable, "-I", "-m", "autoresearch_ci.job", *arguments]
    os.execve(argv[0], argv, {**harmless, _HANDOVER: str(reader)})


def _readable(content: bytes) -> int:
    """A descriptor that survives execve and has no name in any folder."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("environment", 0)
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
        os.set_inheritable(descriptor, True)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _be_undumpable() -> None:
    """/proc/<pid>/environ and mem become unreadable, for root without CAP_SYS_PTRACE as well."""
    if sys.platform == "linux":
        import ctypes

        pr_set_dumpable = 4
        ctypes.CDLL(None).prctl(pr_set_dumpable, *map(ctypes.c_ulong, (0, 0, 0, 0)))
