"""Which user runs measured code, and what must belong to that user.

As root we give it a user of its own where that one can reach the programs; nothing protects root's
files, processes and sockets better.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
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


def programs(commands: Sequence[str], search: str, root: Path) -> list[str]:
    """The programs that shell lines begin with, and those that scripts among them are run by."""
    found: dict[str, None] = {}
    known = set[str]()
    lines = [*commands, *(line for ln in commands for line in _script_lines(ln, root, known))]
    for word in (word for command in lines for word in first_words(command)):
        if "/" in word and not word.startswith("/"):
            # Of the repository: only what runs it lies elsewhere.
            found.update(dict.fromkeys(_interpreters(root / word, search)))
            real = (root / word).resolve()
            if real.is_file() and not real.is_relative_to(root):  # the Python of a shared .venv
                found[str(real)] = None
        elif program := shutil.which(word, path=search):
            found[program] = None
            found.update(dict.fromkeys(_interpreters(Path(program), search)))
    return list(found)


_STARTERS = frozenset({"env", "exec", "time", "nice", "nohup", "then", "do", "!", "command", "npx"})
_RUNNERS = frozenset({"uv", "poetry", "pipenv", "pdm", "hatch", "rye", "bundle", "pnpm", "conda"})
"""Followed by `run` or `exec`, they start what comes next."""
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_MAKEFILES = ("Makefile", "makefile", "GNUmakefile")
_SCRIPT = 1 << 16
"""Characters of a script that are looked at."""


def first_words(command: str) -> Iterator[str]:
    """Of each simple command, as far as a line can be understood without being a shell."""
    first, before = True, ""
    for word in _words(command):
        if set(word) <= set("();<>|&"):
            first, before = not set(word) & set("<>"), ""
            continue
        name = before.rpartition("/")[2]
        if first and not re.match(r"[A-Za-z_]\w*=", word) and not word.startswith("-"):
            yield word
            first, before = word in _STARTERS, word
        elif name in _RUNNERS and word in ("run", "exec"):
            first, before = True, ""
        elif name in _SHELLS and re.fullmatch("-[a-z]*c", word):
            before = "-c"
        elif before == "-c":  # of a shell: a line of its own
            yield from first_words(word)
            before = ""


@functools.lru_cache(maxsize=4096)
def _words(command: str) -> tuple[str, ...]:
    """Of the same lines of scripts before each command."""
    try:
        lexer = shlex.shlex(command.replace("\n", ";"), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        return tuple(lexer)
    except ValueError:
        return tuple(command.split())


def _script_lines(command: str, root: Path, known: set[str]) -> Iterator[str]:
    """Of the shell scripts and makefiles that a command starts: their programs are its own."""
    words = _words(command)
    names = [*_given(words), *(name for name in words if name.endswith((".sh", ".bash")))]
    names += [name for name in first_words(command) if _is_shells(root, name)]
    names += _MAKEFILES if "make" in words else ()
    for before, line in itertools.pairwise(words):
        if re.fullmatch("-[a-z]*c", before) and line != command:  # of a shell: a line of its own
            yield from _script_lines(line, root, known)
    for name in names:
        lines = [] if name in known else _text(root / name).splitlines()
        known.add(name)
        recipes = (line[1:].lstrip("@-+") for line in lines if line.startswith("\t"))
        code = (line for line in lines if not line.lstrip().startswith("#"))
        for line in recipes if name in _MAKEFILES else code:
            yield line
            yield from _script_lines(line, root, known)


def _given(words: Sequence[str]) -> Iterator[str]:
    """What shells are told to read, whatever it is called."""
    reads = False
    for word in words:
        if set(word) <= set("();<>|&"):
            reads = reads and bool(set(word) & set("<>"))
        elif word.rpartition("/")[2] in _SHELLS | {".", "source"}:
            reads = True
        elif reads and not word.startswith(("-", "+")):
            yield word
            reads = False


def _is_shells(root: Path, name: str) -> bool:
    """Whether a program of the repository is a shell script by its first line."""
    within = "/" in name and not name.startswith("/")
    words = _text(root / name).partition("\n")[0].removeprefix("#!").split() if within else []
    return any(word.rpartition("/")[2] in _SHELLS for word in words)


def _text(path: Path) -> str:
    """Its beginning; empty for what no shell reads, and for a pipe, which would have us wait."""
    with contextlib.suppress(OSError, ValueError):
        if path.is_file():
            with path.open(errors="replace") as file:
                text = file.read(_SCRIPT)
            return "" if "\0" in text else text
    return ""


def _interpreters(script: Path, search: str) -> Iterator[str]:
    line = b""
    with contextlib.suppress(OSError):
        if script.is_file():
            with script.open("rb") as file:
                line = file.readline(256)
    if not line.startswith(b"#!"):
        return
    words = os.fsdecode(line[2:]).split()
    if words:
        yield words[0]
    if len(words) > 1 and words[0].endswith("/env"):
        name = next((word for word in words[1:] if not word.startswith("-")), "")
        if program := shutil.which(name, path=search):
            yield program
