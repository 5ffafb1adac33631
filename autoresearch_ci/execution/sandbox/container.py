"""The mechanism `container`, without namespaces: Landlock, seccomp, as root a user of its own."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import signal
import struct
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.sandbox import places
from autoresearch_ci.execution.sandbox.abilities import Abilities, enforced_network
from autoresearch_ci.execution.sandbox.kernel import (
    LINUX,
    Confinement,
    Step,
    as_scheduled,
    give_up_ambient_capabilities,
    may_kill_others,
    no_new_privileges,
    threads_have_users,
    weaker_root,
)
from autoresearch_ci.execution.sandbox.landlock import SCOPE_ABI, Ruleset, enter_scope
from autoresearch_ci.execution.sandbox.loopback import Loopback
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.execution.sandbox.seccomp import (
    LOCAL_FAMILIES,
    NEVER_NEEDED,
    OF_ATTRIBUTES,
    OF_DEBUGGERS,
    OF_QUEUES,
    Filter,
)
from autoresearch_ci.execution.sandbox.users import User

T = TypeVar("T")
_LIST = "system.posix_acl_access"
_OF_OWNER, _OF_A_USER, _OF_GROUP, _LIMIT, _OF_OTHERS = 1, 2, 4, 16, 32
_OF_A_MODE = {_OF_OWNER, _OF_GROUP, _LIMIT, _OF_OTHERS}
_ANYBODY = 0xFFFFFFFF
_LEFT = ("/dev", "/etc", "/proc", "/sys")
"""Of the system, or without such lists."""
_THREADS = 50
"""That a filter may name; a command is started by one of the first."""


def ruleset(wanted: Places, user: User | None) -> Ruleset:
    """Of all its commands. Raises `OSError`."""
    uid = user.uid if user else os.geteuid()
    writable = [*map(str, wanted.own), *wanted.write, *places.devices(uid), *wanted.memory]
    return Ruleset(writable, readable(wanted))


def readable(wanted: Places) -> list[str]:
    """What lies on the way to it can neither be listed nor read."""
    listed = (*wanted.read, *wanted.shown, *wanted.write)
    return _readable(wanted, tuple(filter(os.path.lexists, listed)))


@functools.lru_cache(maxsize=16)
def _readable(wanted: Places, listed: Sequence[str]) -> list[str]:
    """Looked for once: folders of a command are made anew for each, and lie where they lay."""
    shown = [*places.system(), *wanted.memory, *listed, *map(str, wanted.own)]
    return places.visible(["/", *_hidden(wanted)], shown)


def _hidden(wanted: Places) -> list[str]:
    return [*wanted.hidden, str(wanted.scratch.parent)]


def opened(wanted: Places) -> list[str]:
    """What is hidden, and lies in a folder that may be written to: all of that is open."""
    write = [os.path.realpath(path) for path in wanted.write]
    hidden = filter(os.path.lexists, map(os.path.realpath, _hidden(wanted)))
    return [path for path in hidden if any(str(p) in write for p in Path(path).parents)]


def confinement(
    asked: Sandbox,
    found: Abilities,
    user: User | None,
    rules: Ruleset | None,
    *,
    folder: Path,
    network: bool,
) -> Confinement:
    """`rules`: `None` where Landlock is not wanted, or missing. `folder`: of the commands."""
    scoped = rules and found.landlock >= SCOPE_ABI and (user is None or may_kill_others())
    scope = _scope(os.getpid(), folder) if scoped else None  # first: it is one of our threads
    steps: list[Step] = [("scheduling", as_scheduled())] if LINUX else []
    becomes = user is not None and threads_have_users()
    if user and becomes:
        steps.append(("user", user.become))
    elif LINUX and not user:
        given_up = give_up_ambient_capabilities if os.geteuid() else weaker_root()
        steps.append(("capabilities", given_up))
    if LINUX:
        steps.append(("no new privileges", no_new_privileges))
    if rules:
        steps.append(("Landlock", rules.enter))
    if not found.filters:
        refuse = (*NEVER_NEEDED, *(OF_QUEUES if rules else OF_DEBUGGERS))
        refuse = refuse if user else (*refuse, *OF_ATTRIBUTES)
        given = "allow" if network else enforced_network(asked, found)
        if given == "loopback":
            steps.append(("loopback", Loopback(refuse, _ourselves()).enter))
        else:
            families = LOCAL_FAMILIES if given == "deny" else None
            steps.append(("seccomp", Filter(families, refuse=refuse, spare=_ourselves()).enter))
    return Confinement(
        steps=steps,
        own=user.take if user else None,
        within=scope.run if scope else None,
        end=scope.kill_all if scope else user.kill_all if user and user.exclusive else None,
        user=(user.uid, user.gid) if user and not becomes else None,
    )


class Closed:
    """Folders and sockets that one user cannot get through, and everybody else as before.

    An entry in the list of each says so (`man 5 acl`), for a number that nobody else has.
    """

    def __init__(self, user: User, wanted: Places) -> None:
        """Passes over what has no such lists."""
        ours, closed = (_OF_A_USER, 0, user.uid), list[str]()
        with _alone():
            for place in _elsewhere(wanted):
                with contextlib.suppress(OSError):
                    entries = [entry for entry in _list_of(place) if entry != ours]
                    if not any(kind == _LIMIT for kind, *_ in entries):
                        group = next(may for kind, may, _ in entries if kind == _OF_GROUP)
                        entries.insert(-1, (_LIMIT, group, _ANYBODY))
                    _set_list(place, [entries[0], ours, *entries[1:]])
                    closed.append(place)
        self.open = weakref.finalize(self, _open_again, ours, closed, os.getpid())
        """For that user, too."""


def _open_again(ours: tuple[int, int, int], closed: Sequence[str], of: int) -> None:
    if of != os.getpid():  # a fork ends
        return
    with _alone():
        for place in closed:
            with contextlib.suppress(OSError):  # gone
                entries = [entry for entry in _list_of(place) if entry != ours]
                if {kind for kind, *_ in entries} <= _OF_A_MODE:
                    os.removexattr(place, _LIST, follow_symlinks=False)
                else:
                    _set_list(place, entries)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """No other run changes a list meanwhile."""
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(root, fcntl.LOCK_EX)
        yield
    finally:
        os.close(root)


def _list_of(place: str) -> list[tuple[int, int, int]]:
    """Kind, permissions and whose."""
    try:
        return list(
            struct.iter_unpack("<HHI", os.getxattr(place, _LIST, follow_symlinks=False)[4:])
        )
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
    mode = os.lstat(place).st_mode
    kinds = ((_OF_OWNER, 6), (_OF_GROUP, 3), (_OF_OTHERS, 0))
    return [(kind, mode >> bits & 7, _ANYBODY) for kind, bits in kinds]


def _set_list(place: str, entries: Iterable[tuple[int, int, int]]) -> None:
    packed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(place, _LIST, struct.pack("<I", 2) + packed, follow_symlinks=False)


def _elsewhere(wanted: Places) -> Iterator[str]:
    """The outermost folders, sockets and pipes that lead to nothing which a command needs.

    Nothing of a repository, which is left as it is, nor of the machine.
    """
    for path in places.sockets(wanted, wanted.shown):
        if all(may_close(str(place)) for place in (path, *list(Path(path).parents)[:-1])):
            yield path
    shown = [*_LEFT, *places.system(), *wanted.read, *wanted.shown, *wanted.write, *wanted.needed]
    shown += wanted.apart
    needed = {step for path in (*shown, *map(str, wanted.own)) for step in _passed(path)}
    way = {str(parent) for path in needed for parent in Path(path).parents}
    pending = ["/"]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.path in needed or entry.is_symlink() or not may_close(entry.path):
                    continue
                if entry.path not in way:
                    if not entry.is_file():
                        yield entry.path
                elif not any(Path(entry, name).exists() for name in (".git", "HEAD")):
                    pending.append(entry.path)


def may_close(path: str) -> bool:
    """Whether what we change there ends with the container: what is mounted is the machine's."""
    return not os.path.ismount(path)


def _passed(path: str) -> Iterator[str]:
    """It, and where the links on the way to it lead."""
    if not os.path.exists(path):  # noqa: PTH110
        return
    yield path
    for place in (*Path(path).parents, Path(path)):
        if place.is_symlink():
            rest = Path(path).relative_to(place)
            yield from _passed(os.path.normpath(place.parent / place.readlink() / rest))


class CommandThread:
    """A thread of ours that has commands started, and can end all that they start, and no more.

    In one step that no fork escapes: the kernel holds all processes while it looks, and passes over
    our own.
    """

    def __init__(self) -> None:
        """Raises `OSError`."""
        self._thread = ThreadPoolExecutor(1, "scope")  # it ends with us
        self.run(enter_scope)

    def run(self, act: Callable[[], T]) -> T:
        return self._thread.submit(act).result()

    def kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # there is nobody in it
            self.run(lambda: os.kill(-1, signal.SIGKILL))


@functools.lru_cache(maxsize=16)
def _scope(_of: int, _folder: Path) -> CommandThread:
    """It lasts: commands may not change how our threads are scheduled, and know which there are."""
    return CommandThread()


def _ourselves() -> list[int]:
    """This process, its group and its threads; the group is 0 where a container does not see it."""
    threads = [int(name) for name in os.listdir("/proc/self/task")][:_THREADS]  # noqa: PTH208
    return [number for number in {os.getpid(), os.getpgrp(), *threads} if number > 0]
