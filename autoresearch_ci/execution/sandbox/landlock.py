"""Landlock: which files a process and all below it may write and read (`man 7 landlock`).

Rules only ever allow, and a rule on a folder holds for all below it. What is to be allowed is
places.py's business.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable

from autoresearch_ci.execution.sandbox.kernel import LINUX, no_new_privileges, syscall

# The same numbers on every architecture.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_AND_REMOVE = sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = _WRITE_FILE | _MAKE_AND_REMOVE | _REFER | _TRUNCATE | _IOCTL_DEV
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""What a rule on something that is no folder may hold."""

_ABSTRACT_SOCKETS, _SIGNALS = 1, 2

REFER_ABI, TRUNCATE_ABI, IOCTL_ABI, SCOPE_ABI = 2, 3, 5, 6
"""The versions that brought: moves between folders, truncation, ioctls of devices, scopes."""


def abi() -> int:
    """The kernel's version of Landlock; 0: it has none, or it is switched off."""
    if not LINUX:
        return 0
    try:
        return syscall("landlock_create_ruleset", _CREATE, None, 0, _VERSION)
    except OSError:
        return 0


class Ruleset:
    """Built by the parent, once for many commands; `enter` is all that a child calls."""

    def __init__(
        self,
        writable: Iterable[str],
        readable: Iterable[str],
        *,
        handled: int = ~0,
        scopes: int = _ABSTRACT_SOCKETS | _SIGNALS,
    ) -> None:
        """Raises `OSError`; paths that are not there, or not anymore, are passed over.

        `handled`: rights that nobody has but by the rules. `scopes`: who of others is out of reach.
        """
        version = abi()
        self._handled = handled & _handled(version)
        # The kernel wants to be told no more fields than it knows.
        fields = 3 if version >= SCOPE_ABI else 2 if version >= 4 else 1
        attributes = (ctypes.c_uint64 * 3)(self._handled, 0, scopes)
        size = fields * ctypes.sizeof(ctypes.c_uint64)
        self._fd = syscall("landlock_create_ruleset", _CREATE, ctypes.byref(attributes), size, 0)
        os.set_inheritable(self._fd, False)
        for path in readable:
            self._allow(path, _READ)
        for path in writable:
            self._allow(path, _READ | _WRITE)

    def _allow(self, path: str, rights: int) -> None:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENXIO):
                return
            raise
        try:
            kind = os.fstat(place).st_mode
            if stat.S_ISLNK(kind):  # what it leads to has a rule of its own, or shall have none
                return
            if not stat.S_ISDIR(kind):
                rights &= _OF_FILES
            # struct landlock_path_beneath_attr
            rule = struct.pack("=Qi", rights & self._handled, place)
            syscall("landlock_add_rule", _ADD, self._fd, 1, rule, 0)
        except OSError as error:
            if error.errno != errno.EBADFD:  # the kernel's own, such as /proc/PID/ns/net
                raise OSError(error.errno, f"landlock rule for {path}: {error.strerror}") from error
        finally:
            os.close(place)

    def enter(self) -> None:
        """For good, for this process and all it starts. Raises `OSError`."""
        syscall("landlock_restrict_self", _RESTRICT, self._fd, 0)

    def close(self) -> None:
        os.close(self._fd)


def enter_scope() -> None:
    """For good, this thread and all it starts can signal each other, and nobody else.

    Raises `OSError`.
    """
    no_new_privileges()
    # Who says nothing of moves between folders denies them, once another ruleset is about files.
    scope = Ruleset(["/"], (), handled=_REFER, scopes=_SIGNALS)
    try:
        scope.enter()
    finally:
        scope.close()


def _handled(version: int) -> int:
    handled = _READ | _WRITE_FILE | _MAKE_AND_REMOVE
    for since, right in ((REFER_ABI, _REFER), (TRUNCATE_ABI, _TRUNCATE), (IOCTL_ABI, _IOCTL_DEV)):
        if version >= since:
            handled |= right
    return handled
