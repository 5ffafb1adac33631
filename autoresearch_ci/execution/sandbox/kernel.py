"""Calls the kernel where `os` cannot: prepared in the parent, called between fork and exec.

Everything is resolved on import, so that a forked child only makes the calls. What a machine
allows is found out in such a child, so that whatever it does to a process is undone.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

_ANSWER_BYTES = 4096


def answer_of_a_child(act: Callable[[], str]) -> str:
    """What `act` returns, or the words of the `OSError` that it raises."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of other threads' locks: `act` only makes system calls.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        _tell(writer, act)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123 - a descriptor
        answer = pipe.read(_ANSWER_BYTES)
    _, status = os.waitpid(child, 0)
    if status:
        return f"ended with status {status}"
    return answer.decode(errors="replace")


def _tell(writer: int, act: Callable[[], str]) -> None:
    """Never returns: what runs after it is the parent's business."""
    code = 1
    try:
        try:
            answer = act()
        except OSError as error:
            answer = error.strerror or str(error)
        os.write(writer, answer.encode(errors="replace")[:_ANSWER_BYTES])
        code = 0
    finally:
        os._exit(code)


_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_prctl = getattr(_libc, "prctl", None)

LINUX = sys.platform == "linux"
MACHINE = platform.machine().replace("arm64", "aarch64")

_SET_GROUPS = {"x86_64": 116, "aarch64": 159}
_SET_GID = {"x86_64": 119, "aarch64": 149}
_SET_UID = {"x86_64": 117, "aarch64": 147}
_OF_IO = {"x86_64": (251, 252), "aarch64": (30, 31)}
"""Set and get its priority."""

PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 3, 4, 24, 38
PR_CAPBSET_READ, PR_SET_CHILD_SUBREAPER = 23, 36
PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_CAP_KILL = 5


def syscall(name: str, number: int, *arguments: object) -> int:
    """The system call's result. Raises `OSError` that names it."""
    words = [
        ctypes.c_long(value) if isinstance(value, int) else value for value in (number, *arguments)
    ]
    result = int(_syscall(*words))
    if result == -1:
        raise _failed(name)
    return result


def prctl(option: int, value: int) -> None:
    """`man 2 prctl`. Raises `OSError`."""
    if _call_prctl(option, value):
        raise _failed("prctl")


def dumpable() -> bool:
    """Whether processes of the same user may look into this one."""
    return bool(_call_prctl(PR_GET_DUMPABLE, 0))


def _call_prctl(option: int, value: int) -> int:
    assert _prctl is not None, "only Linux has it"
    return int(_prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))))


def threads_have_users() -> bool:
    """Whether `become` leaves other threads alone."""
    return LINUX and MACHINE in _SET_UID


def become(uid: int, gid: int) -> None:
    """This thread, for good, and without other groups. Raises `OSError`.

    libc would have all threads follow; the kernel has users of threads only.
    """
    if not threads_have_users():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        return
    shut = not dumpable()
    syscall("setgroups", _SET_GROUPS[MACHINE], 0, None)
    syscall("setresgid", _SET_GID[MACHINE], gid, gid, gid)
    syscall("setresuid", _SET_UID[MACHINE], uid, uid, uid)
    # Of the whole process, and set anew by each of these, to what fs.suid_dumpable says.
    prctl(PR_SET_DUMPABLE, 0 if shut else 1)


def may_kill_others() -> bool:
    """As root; some containers' root may not."""
    return _call_prctl(PR_CAPBSET_READ, _CAP_KILL) == 1


def _failed(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service: what root
# needs to work on its own files. Not tracing, mounting, loading, raw devices, the clock.
KEPT_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10})


@functools.cache
def ends_with_us() -> bool:
    """Whether / is a layer of the container that we run in, which is gone when that ends."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            if line.split()[4] == "/":
                return line.partition(" - ")[2].split()[0] == "overlay"
    return False


Step = tuple[str, Callable[[], object]]
"""What is being done, for a message, and the doing."""


Start = Callable[[Sequence[str], Path, Mapping[str, str], Sequence[int]], tuple[int, int]]
"""Given what to execute, in which folder, with which environment, input and outputs: the process
whose end is the end of all of it, and where the exit code of the command comes, a byte. Raises
`NotConfined` or `OSError`."""


Within = Callable[[Callable[[], None]], None]
"""Does that in a thread whose children can be ended together."""


class NotConfined(Exception):
    """The command was not started; the text is the reason."""


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What is done to a command before it is executed; for any number of commands."""

    steps: Sequence[Step] = ()
    """In a thread of its own, which then starts the command."""
    own: Callable[[int], None] | None = None
    """Hands a pipe that it prints to over to it; it may open that again."""
    start: Start | None = None
    """Who starts the command instead of us, confined as it shall be."""
    within: Within | None = None
    """Where it is done, unless any thread will do."""
    end: Callable[[], None] | None = None
    """Kills all processes of commands that it was done to, whoever their parents are."""
    user: tuple[int, int] | None = None
    """Who the command becomes after all steps, where no thread can."""

    def __call__(self) -> None:
        """Raises `NotConfined`: then nothing may be executed."""
        for name, step in self.steps:
            try:
                step()
            except OSError as error:
                raise NotConfined(f"{name}: {error.strerror or error}") from error

    def own_output(self, descriptor: int) -> None:
        if self.own:
            self.own(descriptor)


def no_new_privileges() -> None:
    """From here on no set-user-id program gives any."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def as_scheduled() -> Callable[[], None]:
    """A step that gives a thread the processors and priorities that we had when it was first asked.

    Whoever is us may have changed those of any thread of ours. What only root could give back
    (priority), or nobody (processors), all that is asked later lacks alike.
    """
    return _as_first_asked_in(os.getpid())


@functools.cache
def _as_first_asked_in(_process: int) -> Callable[[], None]:
    """Once for each process: a forked one has priorities of its own."""
    pairs: list[tuple[Callable[[], Any], Callable[[Any], object]]] = [
        (partial(os.sched_getaffinity, 0), partial(os.sched_setaffinity, 0)),
        (
            lambda: (os.sched_getscheduler(0), os.sched_getparam(0)),
            lambda policy: os.sched_setscheduler(0, *policy),
        ),
        (partial(os.getpriority, os.PRIO_PROCESS, 0), partial(os.setpriority, os.PRIO_PROCESS, 0)),
    ]
    if MACHINE in _OF_IO:
        give, get = _OF_IO[MACHINE]
        pairs.append((partial(syscall, "io", get, 1, 0), partial(syscall, "io", give, 1, 0)))
    begun: list[list[Any]] = []
    for pair in pairs:
        with contextlib.suppress(OSError):  # a filter, or musl, refuses it
            begun.append([*pair, pair[0]()])

    def restore() -> None:
        for known in begun:
            told, restored, value = known
            if told() != value:
                try:
                    restored(value)
                except OSError:  # so it is for all commands from now on, and none has an advantage
                    known[2] = told()

    return restore


def give_up_ambient_capabilities() -> None:
    """Who is not root may have been given some, as users of containers are, and passes them on."""
    prctl(PR_CAP_AMBIENT, _CLEAR_ALL)


def weaker_root() -> Callable[[], None]:
    """A step that leaves root only the capabilities that work on files and ports needs."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    dropped = [number for number in range(last + 1) if number not in KEPT_CAPABILITIES]

    def drop() -> None:
        for number in dropped:
            try:
                prctl(PR_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno != errno.EPERM:  # it has not even the capability to drop others
                    raise
                return

    return drop
