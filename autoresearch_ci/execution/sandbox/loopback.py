"""A network that is the machine's loopback and no more, where no namespaces can be made.

Each socket of a command is made by a thread of ours, bound to `lo`, and hears 127.0.0.1 and ::1
(`man 2 seccomp_unotify`, `man 7 socket`). It is TCP: what is sent by UDP to a resolver on the
loopback, such as Docker's or systemd's, would leave the machine.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable

from autoresearch_ci.execution.sandbox.bpf import (
    BpfProgram,
    Instruction,
    answer,
    any_bit,
    different,
    load,
)
from autoresearch_ci.execution.sandbox.kernel import no_new_privileges
from autoresearch_ci.execution.sandbox.seccomp import LOCAL_FAMILIES, NEVER_NEEDED, Filter

_REQUEST_BYTES, _ARGUMENTS = 80, 32
_RECEIVE, _SEND, _ADD = 0xC0502100, 0xC0182101, 0x40182103
_AND_SEND = 2
_ATTACH_FILTER, _LOCK_FILTER = 26, 44
_HEADER = 0xFFF00000
"""SKF_NET_OFF (linux/filter.h): where a packet's own header begins."""
_IPV6 = 0x20000000
"""Where its version is 6; where that is 4, this bit is 0."""
_DROP, _HEAR = answer(0), answer(0xFFFFFFFF)


def _sent_by(address: str, offset: int) -> list[Instruction]:
    """Hears what has this address at this offset of its header, and nothing else."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    lines = []
    for number, (word,) in enumerate(struct.iter_unpack("!I", socket.inet_pton(family, address))):
        lines += [load(_HEADER + offset + 4 * number), *different(word, _DROP)]
    return [*lines, _HEAR]


_FILTER = BpfProgram(
    [load(_HEADER), *any_bit(_IPV6, *_sent_by("::1", 8)), *_sent_by("127.0.0.1", 12)]
)


class Loopback:
    """Its `enter` is done to a command last; prepared by the parent."""

    def __init__(self, refuse: Iterable[str] = NEVER_NEEDED, spare: Iterable[int] = ()) -> None:
        """See `Filter`."""
        asked = (socket.AF_INET, socket.AF_INET6)
        self._filter = Filter(LOCAL_FAMILIES, refuse=refuse, spare=spare, asked=asked)
        self._asking = _supervised(os.getpid())

    def enter(self) -> None:
        """For good. Raises `OSError`."""
        self._asking.register(self._filter.enter(), select.EPOLLIN)


@functools.cache
def why_not() -> str:
    """Why it does not work here, tried as a whole; empty: it does."""
    told: list[str] = []
    argv = [sys.executable, "-I", "-S", "-c", "import _socket; _socket.socket(2, 1).listen()"]

    def act() -> None:
        try:
            no_new_privileges()
            trial.enter()
            subprocess.run(argv, capture_output=True, check=True)
        except subprocess.CalledProcessError as error:
            told.append(error.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        except OSError as error:
            told.append(str(error))

    try:
        _made(socket.AF_INET, socket.SOCK_STREAM, 0).close()
    except OSError as error:
        return f"a socket cannot be kept to the loopback: {error.strerror or error}"
    trial = Loopback()
    thread = threading.Thread(target=act, name="confined")
    thread.start()
    thread.join()
    return "".join(told)


@functools.cache
def _supervised(_of: int) -> select.epoll:
    """Who asks there for a socket is answered by a thread that nothing confines."""
    asking = select.epoll()
    threading.Thread(target=_answer, args=(asking,), name="loopback", daemon=True).start()
    return asking


def _answer(asking: select.epoll) -> None:
    while True:
        for listener, events in asking.poll():
            if events & select.EPOLLIN:
                with contextlib.suppress(OSError):  # who asked has ended
                    _give(listener)
            else:  # all have
                asking.unregister(listener)
                os.close(listener)


def _give(listener: int) -> None:
    request = bytearray(_REQUEST_BYTES)
    fcntl.ioctl(listener, _RECEIVE, request)
    (number,) = struct.unpack_from("=Q", request)
    family, kind, protocol = struct.unpack_from("=I4xI4xI", request, _ARGUMENTS)
    try:
        made = _made(family, kind & ~socket.SOCK_CLOEXEC, protocol)
    except OSError as error:
        refused = -(error.errno or errno.EACCES)
        fcntl.ioctl(listener, _SEND, struct.pack("=QqiI", number, 0, refused, 0))
        return
    with made:
        kept = os.O_CLOEXEC if kind & socket.SOCK_CLOEXEC else 0
        fcntl.ioctl(listener, _ADD, struct.pack("=Q4I", number, _AND_SEND, made.fileno(), 0, kept))


def _made(family: int, kind: int, protocol: int) -> socket.socket:
    if kind & ~socket.SOCK_NONBLOCK != socket.SOCK_STREAM:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    if protocol not in (0, socket.IPPROTO_TCP):
        raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        made.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, _FILTER.pointed_to)
        made.setsockopt(socket.SOL_SOCKET, _LOCK_FILTER, 1)
    except OSError:
        made.close()
        raise
    return made
