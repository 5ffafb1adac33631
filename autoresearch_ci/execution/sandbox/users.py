"""Which user runs measured code, and what must belong to that user.

As root we give it a user of its own where that one can reach the programs; nothing protects root's
files, processes and sockets better.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import re
import signal
import socket
import stat
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.execution.sandbox import kernel
from autoresearch_ci.execution.sandbox.kernel import answer_of_a_child
from autoresearch_ci.safety import untrusted_files as beneath

_TRIES = 100
NOBODY = 65534
"""No account's own files belong to it, by convention on every Unix."""


@dataclass(frozen=True)
class User:
    """Numbers; no other groups."""

    uid: int
    gid: int
    exclusive: bool = False
    """Nobody else's: whatever belongs to it was started by a command of ours."""

    def kill_all(self) -> None:
        """In one step that no fork escapes: the kernel holds all processes while it looks.

        They may do the same to who comes for them, and not for long.
        """

        def kill() -> str:
            self.become()
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left
                os.kill(-1, signal.SIGKILL)
            return ""

        any(not answer_of_a_child(kill) for _ in range(_TRIES))

    def may(self, status: os.stat_result, way: int) -> bool:
        """By its permissions alone. `way`: `os.R_OK`, `os.W_OK` or `os.X_OK`."""
        of_owner, of_group = status.st_uid == self.uid, status.st_gid == self.gid
        return bool(status.st_mode >> (6 if of_owner else 3 if of_group else 0) & way)

    def become(self) -> None:
        """For good; called in a child, or in a thread that starts one. Raises `OSError`."""
        kernel.become(self.uid, self.gid)

    def take(self, output: int) -> None:
        """Some shell lines open our pipe again, as /dev/stderr."""
        os.fchown(output, self.uid, self.gid)

    def own(self, root: Path, path: str) -> None:
        """Hand over what we have just made; never what it made, a hard link to ours included.

        `""` is `root` itself.
        """
        with beneath.place(root if path else root.parent, path or root.name) as (at, name):
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
            one_name = stat.S_ISDIR(found.st_mode) or found.st_nlink == 1
            if found.st_uid == os.geteuid() and one_name:
                os.chown(name, self.uid, self.gid, dir_fd=at, follow_symlinks=False)

    def own_all(self, folder: Path) -> None:
        """A whole folder that we have made, in which none of the commands has run yet."""
        os.chown(folder, self.uid, self.gid)
        pending = [folder]
        while pending:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    os.chown(entry.path, self.uid, self.gid, follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))


def named(word: str) -> User:
    """The user of a number or a name. Raises `ConfigError`."""
    if re.fullmatch(r"[0-9]{1,9}", word):
        with contextlib.suppress(KeyError):
            return User(int(word), pwd.getpwuid(int(word)).pw_gid)
        return User(int(word), int(word))
    try:
        entry = pwd.getpwnam(word)
    except KeyError as error:
        raise ConfigError(
            f"sandbox.user: there is no user {word!r} on this machine.\n"
            "do: name one of /etc/passwd, give a number, or use auto or keep."
        ) from error
    return User(entry.pw_uid, entry.pw_gid)


def nobody() -> User:
    """The user that `auto` drops to."""
    with contextlib.suppress(KeyError):
        return User(NOBODY, pwd.getpwuid(NOBODY).pw_gid)
    return User(NOBODY, NOBODY)


_FIRST, _COUNT = 60706, 478
"""Numbers that neither accounts have nor systemd gives to services
(https://systemd.io/UIDS-GIDS/); rootless containers map none above 65535."""


@functools.cache
def spare(name: str) -> User | None:
    """A user for one run alone; `name`: of the run. `None`: this machine maps too few.

    Two runs take different ones: the kernel gives a name to one socket, and takes it back with us.
    """
    first = zlib.crc32(name.encode(errors="replace"))
    for number in range(16):
        uid = _FIRST + (first + number) % _COUNT
        user = User(uid, uid, exclusive=True)
        if unreachable(user, []):
            return None
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0tmpwork-user-{user.uid}")
        except OSError:
            held.close()
            continue
        _held.append(held)
        return user
    return None


_held: list[socket.socket] = []


def unreachable(user: User, needed: Iterable[str], writable: Iterable[str] = ()) -> str:
    """The first place on the way to one of these that stops this user; empty: none.

    Where we cannot become this user at all, words that say so.
    """
    paths = [*((path, os.X_OK) for path in needed), *((path, os.W_OK) for path in writable)]

    def look() -> str:
        try:
            user.become()
        except OSError as error:  # a container that maps but a few users
            return f"anything: setuid: {error.strerror}"
        return next((stop for path, way in paths if (stop := _obstacle(path, way))), "")

    return answer_of_a_child(look)


def connectable(socket: str, user: User | None) -> bool:
    """Whether that user may connect to a socket; `None`: we ourselves. A folder counts, too."""

    def look() -> str:
        if user:
            user.become()
        return "" if os.access(socket, os.W_OK) else "no"

    return not answer_of_a_child(look)


def _obstacle(path: str, way: int) -> str:
    for place in (path, os.path.realpath(path)):
        for parent in reversed(Path(place).parents):
            if not os.access(parent, os.X_OK):
                return str(parent)
        if not os.access(place, way):
            return place
    return ""
