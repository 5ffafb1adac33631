"""A network, a shared memory and mounts of a command's own (`man 7 namespaces`).

As root with CAP_SYS_ADMIN directly, else within a user namespace that maps us to ourselves. What
can hold nothing of a command's is made once and joined by each; what can is new for every command,
so that none meets what another one left behind.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from autoresearch_ci.execution.sandbox.kernel import (
    LINUX,
    MACHINE,
    PR_SET_DUMPABLE,
    answer_of_a_child,
    mount,
    prctl,
    syscall,
)

Kind = Literal["", "root", "user"]
"""How namespaces are made: not at all, as root, or within a user namespace."""

_UNSHARE = {"x86_64": 272, "aarch64": 97}
_SETNS = {"x86_64": 308, "aarch64": 268}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_OWN_FOLDERS, _NEW_MOUNTS, _NEW_IPC = 0x200, 0x20000, 0x08000000
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_BIND, _RECURSIVE, _PRIVATE = 1 << 12, 1 << 14, 1 << 18
_HERE, _BELOW, _CLONE, _THE_DESCRIPTOR = -100, 0x8000, 1, 4
_READ_ONLY = 1
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
    """`make` them here, or `prepare` them in the parent for all that then `enter`."""

    def __init__(
        self,
        kind: Kind,
        *,
        network: bool,
        loopback: bool = False,
        covers: Sequence[Cover] = (),
        writable: Sequence[str] | None = None,
    ) -> None:
        """`network`: a network of its own, which has no address; `loopback`: but 127.0.0.1.

        `writable`: everything else is mounted read-only; `None`: nothing is.
        """
        self._own_user = kind == "user"
        self._loopback = network and loopback
        # A connection leaves traces for a minute; a network without an address has none.
        self._new = _NEW_IPC | (_NEW_NET if self._loopback else 0)
        self._kept = _NEW_MOUNTS | (_NEW_USER if self._own_user else 0)
        self._kept |= _NEW_NET if network and not loopback else 0
        self._covers = [(os.fsencode(c.shown), os.fsencode(c.instead_of)) for c in covers]
        self._writable = None if writable is None else [os.fsencode(path) for path in writable]
        self._unshare, self._setns = _UNSHARE[MACHINE], _SETNS[MACHINE]
        self._ioctl = _IOCTL[MACHINE]
        # struct ifreq: the interface's name, its flags, and room.
        self._up = ctypes.create_string_buffer(
            b"lo".ljust(16, b"\0") + _UP_AND_RUNNING.to_bytes(2, "little"), 40
        )
        self._descriptors: list[int] = []

    def make(self) -> None:
        """In a child. Raises `OSError`; nothing of the machine's own is changed, also then."""
        user, group = os.geteuid(), os.getegid()
        if self._own_user:  # otherwise /proc/self belongs to root, and cannot be written
            prctl(PR_SET_DUMPABLE, 1)
        syscall("unshare", self._unshare, self._kept)
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
        if self._writable is not None:
            _seal(self._writable)

    def prepare(self, become: Callable[[], None] | None = None) -> None:
        """`become`: makes the child who will enter. Raises `OSError`."""
        names = ["mnt"]
        names = ["user", *names] if self._own_user else names
        names += ["net"] if self._kept & _NEW_NET else []
        ours, theirs = socket.socketpair()
        with ours, theirs:

            def act() -> str:
                if become:
                    become()
                self.make()
                made = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in names]
                socket.send_fds(theirs, [b"."], made)
                return ""

            why = answer_of_a_child(act)
            if why:
                raise OSError(errno.EPERM, f"namespaces: {why}")
            found = socket.recv_fds(ours, 1, len(names), socket.MSG_CMSG_CLOEXEC)[1]
        self._descriptors = list(found)

    def enter(self) -> None:
        """In a thread or child that has been prepared for. Raises `OSError`."""
        descriptors, here = self._descriptors, os.getcwd()  # noqa: PTH109
        if self._own_user:
            self._join(descriptors[0])
            descriptors = descriptors[1:]
        # Threads share their working folder, and mounts cannot be one thread's before it has one.
        syscall("unshare", self._unshare, self._new | _OWN_FOLDERS)
        for descriptor in descriptors:
            self._join(descriptor)
        os.chdir(here)  # the same place, among these mounts
        if self._loopback:
            self._bring_up()

    def close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _join(self, descriptor: int) -> None:
        syscall("setns", self._setns, descriptor, 0)

    def _bring_up(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            syscall("ioctl lo up", self._ioctl, any_socket.fileno(), _SET_FLAGS, self._up)


def _seal(writable: Sequence[bytes]) -> None:
    """Landlock rules content and names; this also the modes, times and attributes of files."""
    present = [path for path in writable if os.path.exists(path)]  # noqa: PTH110 - bytes
    # Copies made before, put back after: what was read-only already stays so.
    copies = [
        syscall("open_tree", _OPEN_TREE, _HERE, path, _CLONE | _BELOW | os.O_CLOEXEC)
        for path in present
    ]
    # struct mount_attr: to be set, to be cleared, and two that stay as they are.
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    syscall("mount_setattr", _MOUNT_SETATTR, _HERE, b"/", _BELOW, ctypes.byref(attributes), size)
    for copy, path in zip(copies, present, strict=True):
        syscall("move_mount", _MOVE_MOUNT, copy, b"", _HERE, path, _THE_DESCRIPTOR)
        os.close(copy)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
