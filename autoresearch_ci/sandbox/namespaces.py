"""A network, a shared memory and sockets of the command's own (`man 7 namespaces`).

As root with CAP_SYS_ADMIN directly, else within a user namespace that maps us to ourselves. New
for every command: that takes a millisecond, and no command meets what another one left behind.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autoresearch_ci.sandbox.syscalls import LINUX, MACHINE, PR_SET_DUMPABLE, mount, prctl, syscall

Kind = Literal["", "root", "user"]
"""How namespaces are made: not at all, as root, or within a user namespace."""

_UNSHARE = {"x86_64": 272, "aarch64": 97}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_NET = 0x20000, 0x08000000, 0x10000000, 0x40000000
_BIND, _RECURSIVE, _PRIVATE = 1 << 12, 1 << 14, 1 << 18
_SET_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41


def supported() -> bool:
    """Whether we know the calls of this machine."""
    return LINUX and MACHINE in _UNSHARE


@dataclass(frozen=True)
class Cover:
    """A folder or file that a command finds in place of another."""

    instead_of: str
    shown: str


class Namespaces:
    """Prepared by the parent; `enter` is all that a child calls."""

    def __init__(
        self, kind: Kind, *, network: bool, loopback: bool = False, covers: Sequence[Cover] = ()
    ) -> None:
        """`network`: a network of its own, which has no address; `loopback`: but 127.0.0.1."""
        self._own_user = kind == "user"
        self._loopback = network and loopback
        self._flags = _NEW_MOUNTS | _NEW_IPC
        self._flags |= (_NEW_USER if self._own_user else 0) | (_NEW_NET if network else 0)
        self._covers = [(os.fsencode(c.shown), os.fsencode(c.instead_of)) for c in covers]
        self._unshare, self._ioctl = _UNSHARE[MACHINE], _IOCTL[MACHINE]
        # struct ifreq: the interface's name, its flags, and room.
        self._up = ctypes.create_string_buffer(
            b"lo".ljust(16, b"\0") + _UP_AND_RUNNING.to_bytes(2, "little"), 40
        )

    def enter(self) -> None:
        """Raises `OSError`; nothing of the machine's own is changed, also then."""
        user, group = os.geteuid(), os.getegid()
        if self._own_user:  # otherwise /proc/self belongs to root, and cannot be written
            prctl(PR_SET_DUMPABLE, 1)
        syscall("unshare", self._unshare, self._flags)
        if self._own_user:
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
        # Only now, among mounts of our own: nothing that follows reaches the machine's.
        mount(None, b"/", _RECURSIVE | _PRIVATE)
        for shown, instead_of in self._covers:
            try:
                mount(shown, instead_of, _BIND)
            except OSError as error:
                # What is gone by now, or out of this user's reach, needs no cover.
                if error.errno not in (errno.ENOENT, errno.EACCES):
                    raise
        if self._loopback:
            self._bring_up()

    def _bring_up(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            syscall("ioctl lo up", self._ioctl, any_socket.fileno(), _SET_FLAGS, self._up)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
