"""Calls git: always with a git directory that we name and a configuration of our own.

So no hook, filter, alias or index flag that a proposer or a test plants in the user's repository is
ever consulted. GitPython is used for one thing, its careful start of the git program
(`git.Git.execute`); its object model reads the user's configuration, and is not. What git is asked,
repository.py and store.py know. Lock files that a killed git leaves on our refs are removed here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from autoresearch_ci.errors import WorkspaceError

try:
    import git
except ImportError as error:  # it looks for the program when it is imported
    if shutil.which("git"):
        raise
    raise WorkspaceError(
        "there is no git on the PATH.\ndo: install git, or add its folder to PATH."
    ) from error

STALE_AFTER = 1.0
"""Seconds that a lock must have lain there while no git worked in the repository."""
PATIENCE = 15.0
"""Seconds to wait for a git that is alive."""
_US = b"autoresearch-ci"
"""Why a ref was moved, in the log of those that have one."""


def wait_or_break(lock: Path, places: Sequence[Path], patience: float = PATIENCE) -> None:
    """Return once `lock` is gone: a living git gives it back, a killed one's is removed.

    `places`: folders in one of which such a git has its working folder. Raises `WorkspaceError`.
    """
    began = idle_since = time.monotonic()
    while os.path.lexists(lock):  # false, too, for a name that no file can have
        now = time.monotonic()
        if _git_alive(places):
            idle_since = now
        elif now - idle_since >= STALE_AFTER:
            lock.unlink(missing_ok=True)
            return
        if now - began > patience:
            raise refusal(lock)
        time.sleep(0.1)


def refusal(lock: Path) -> WorkspaceError:
    """Somebody else's git holds a ref of ours."""
    return WorkspaceError(
        f"{lock} exists: another git process works on that ref.\n"
        "usually: a git command or an editor of yours is still running in this repository, or was "
        "killed.\n"
        "do: let it finish (ps -C git), then --resume, which removes a lock that nobody holds; "
        "nothing is lost."
    )


def _git_alive(places: Iterable[Path]) -> bool:
    """Whether a git that we did not start has its working folder in one of `places`.

    Not one that only waits for another run of ours: what that has to move is no ref of this one.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if not (process / "comm").read_text(errors="replace").startswith("git"):
                continue
            parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            folder = (process / "cwd").readlink()
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        if b"cat-file" in words or _US in words:
            continue
        if int(parent) != os.getpid() and any(folder.is_relative_to(place) for place in places):
            return True
    return False


_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.quotePath": "false",
    "advice.graftFileDeprecated": "false",
    # Somebody else's git may hold a ref of ours for a moment.
    "core.filesRefLockTimeout": "10000",
    "core.fsync": "committed,loose-object,reference",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
}
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    # A missing object of a partial clone is not fetched: what a remote's configuration starts
    # (`uploadpack`, `ext::`) is code. `protocol.allow` alone gives way to `protocol.NAME.allow`.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
}
_ABOUT_DISCOVERY = frozenset(
    {
        *("GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"),
        *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    }
)
"""Variables of the user's that say where a repository and its settings are looked for."""
_CANNOT_WRITE = re.compile(
    "No space left|out of disk ?space|quota exceeded|couldn't write|write error"
    "|Read-only file system|Permission denied",
    re.IGNORECASE,
)

_COMMIT = re.compile(rb"([0-9a-f]{40,64}) commit [0-9]+\n")


class GitDirectory:
    """One git directory, called with our configuration; raises `WorkspaceError`."""

    def __init__(self, cwd: Path, git_dir: Path, **environment: str) -> None:
        self._git = git.Git(str(cwd))
        self._environment = {**_ENVIRONMENT, "GIT_DIR": str(git_dir), **environment}
        self._readers: dict[str, git.Git.AutoInterrupt] = {}
        weakref.finalize(self, _end, self._readers).atexit = False  # who forgets to close it
        self._turn = threading.Lock()
        """Who asks what a name means: the answer is the next line."""
        self._writer: tuple[git.Git.AutoInterrupt, Mapping[str, str]] | None = None
        """Moves refs, and the settings that it was started with."""

    def __call__(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> bytes:
        """What git printed. `settings`: configuration for this call, above the repository's."""
        code, out, err = self.attempt(*arguments, stdin=stdin, env=env, settings=settings)
        if code:
            raise failure(arguments, code, err)
        return out

    def attempt(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> tuple[int, bytes, str]:
        """Exit code, stdout and stderr. `pass_fds`: open files that git and its helpers inherit."""
        environment = {**self._environment, **_configuration(settings or {}), **(env or {})}
        with contextlib.ExitStack() as stack:
            source = None
            if stdin is not None:
                source = stack.enter_context(tempfile.TemporaryFile())
                source.write(stdin)
                source.seek(0)
            stack.enter_context(_signals_held())
            code, out, err = self._git.execute(
                [*_program(environment), *arguments],
                istream=source,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                env=environment,
                pass_fds=tuple(pass_fds),
            )
        return code, out, err if isinstance(err, str) else err.decode(errors="replace")

    def move_ref(
        self, name: str, new: str, old: str | None, settings: Mapping[str, str]
    ) -> tuple[int, str]:
        """As `git update-ref`, through one long-lived process: exit code and stderr.

        `old`: what must be there now, zeros: nothing; `None`: anything. A symbolic ref is not
        followed: it must not lead to somebody else's branch.
        """
        writer = self._moving(settings)
        told = f"start\0update {name}\0{new}\0{old or ''}\0commit\0"
        try:
            writer.stdin.write(os.fsencode(told))
            writer.stdin.flush()
            answers = [writer.stdout.readline() for _ in range(2)]
        except BrokenPipeError:
            answers = []
        if answers == [b"start: ok\n", b"commit: ok\n"]:
            return 0, ""
        self._writer = None  # it has said why, and ended
        err = writer.stderr.read().decode(errors="replace")
        with contextlib.suppress(BrokenPipeError):
            writer.stdin.close()
        return _ended(writer) or 1, err

    def _moving(self, settings: Mapping[str, str]) -> git.Git.AutoInterrupt:
        """The process that moves refs; another one when the settings are others."""
        if self._writer and (self._writer[1] != settings or _is_gone(self._writer[0])):
            self._end_writer()
        if self._writer is None:
            environment = {**self._environment, **_configuration(settings)}
            words = ("update-ref", "--no-deref", "-m", os.fsdecode(_US), "-z", "--stdin")
            with _signals_held():
                process = self._git.execute(
                    [*_program(environment), *words],
                    istream=subprocess.PIPE,
                    as_process=True,
                    env=environment,
                )
            self._writer = process, dict(settings)
        return self._writer[0]

    def _end_writer(self) -> None:
        if self._writer:
            process, self._writer = self._writer[0], None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            _ended(process)

    @property
    def reading(self) -> bool:
        """Whether the process that tells contents has been started."""
        return "--batch" in self._readers

    def blob(self, name: str) -> bytes:
        """Content of a blob, through one long-lived `git cat-file --batch`."""
        return self.content(name, "blob")

    def content(self, name: str, wanted: str) -> bytes:
        """Of an object of any kind, in the same way."""
        reader, kind, size = self._asked("--batch", name)
        data: bytes = reader.stdout.read(size)
        reader.stdout.read(1)
        if kind != wanted:
            raise WorkspaceError(f"object {name} is a {kind}, not a {wanted}")
        # Git checks what it fetches, not what it reads.
        if name_of(data, len(name), kind) != name:
            raise WorkspaceError(
                f"object {name} in {self._environment['GIT_DIR']} has another content.\n"
                "usually: a broken disk, or a program that wrote into .git/objects.\n"
                "do: git fsck, then fetch or clone again."
            )
        return data

    def blob_size(self, name: str) -> int:
        """Bytes of a blob, without reading it."""
        with self._turn:
            return self._asked("--batch-check", name)[2]

    def commit(self, name: str) -> str | None:
        """The commit that a name of any kind means, through the same process; `None`: none."""
        asked = f"{name}^{{commit}}"
        if name.startswith("-") or "\n" in name or "\0" in name:
            return None
        with self._turn:
            _, told = self._answer("--batch-check", asked)
        found = _COMMIT.fullmatch(told)
        return found[1].decode() if found else None

    def _asked(self, mode: str, name: str) -> tuple[git.Git.AutoInterrupt, str, int]:
        """The process that answers, the object's kind and its size."""
        reader, told = self._answer(mode, name)
        header = told.split()
        if len(header) != 3:
            raise WorkspaceError(
                f"object {name} is missing from the repository: {b' '.join(header).decode()}\n"
                "usually: a partial clone (--filter) or a pruned object.\n"
                "do: clone in full, or git fetch --refetch --no-filter."
            )
        return reader, header[1].decode(), int(header[2])

    def _answer(self, mode: str, name: str) -> tuple[git.Git.AutoInterrupt, bytes]:
        """The process that answers, and its first line."""
        reader = self._reader(mode)
        with contextlib.suppress(BrokenPipeError):  # somebody kills it right now
            reader.stdin.write(os.fsencode(f"{name}\n"))
            reader.stdin.flush()
        told = reader.stdout.readline()
        if not told:
            raise failure(("cat-file", mode), _ended(reader), "it ended while it was asked")
        return reader, told

    def _reader(self, mode: str) -> git.Git.AutoInterrupt:
        # GitPython's own reader understands SHA-1 names only.
        if mode not in self._readers or _is_gone(self._readers[mode]):
            with _signals_held():
                environment = {**self._environment, **_configuration({})}
                self._readers[mode] = self._git.execute(
                    [*_program(environment), "cat-file", mode],
                    istream=subprocess.PIPE,
                    as_process=True,
                    env=environment,
                )
            os.set_blocking(self._readers[mode].stderr.fileno(), False)
        # What it warns of nobody wants, and a pipe that is full stops it.
        self._readers[mode].stderr.read()
        return self._readers[mode]

    def close(self) -> None:
        _end(self._readers)
        self._end_writer()


def _end(readers: dict[str, git.Git.AutoInterrupt]) -> None:
    while readers:
        _, reader = readers.popitem()
        with contextlib.suppress(BrokenPipeError):
            reader.stdin.close()
        _ended(reader)


def _is_gone(process: git.Git.AutoInterrupt) -> bool:
    """Whether somebody has ended it while it had nothing to do."""
    return process.proc is None or process.proc.poll() is not None


def _ended(process: git.Git.AutoInterrupt) -> int:
    """The exit code, once there is one."""
    return process.proc.wait() if process.proc else 0


def failure(arguments: Sequence[str], code: int, err: str) -> WorkspaceError:
    """What a failed call of git means; GitPython makes git speak English."""
    message = f"git {arguments[0]} failed with exit code {code}: {err.strip() or 'no message'}\n"
    if _CANNOT_WRITE.search(err):
        return WorkspaceError(
            f"{message}usually: the disk is full (df -h, df -i), or the checkout is read-only.\n"
            "do: make room or make it writable, then start again with --resume; nothing that was "
            "kept is lost."
        )
    message += f"command: git {' '.join(arguments)}"
    if "not a git repository" in err:
        message += (
            "\nusually: .git was moved or damaged while we ran.\n"
            "do: put it back, then start again with --resume."
        )
    return WorkspaceError(message)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal; git, which inherits this mask, shall finish."""
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def locate(folder: Path, *questions: str) -> list[str]:
    """What `git rev-parse` answers in a folder whose repository is not known yet."""
    told = _told_anywhere(folder, "rev-parse", "--path-format=absolute", *questions)
    return [] if told is None else told.split("\n")


def user_settings(folder: Path, names: str) -> dict[str, str]:
    """The user's own configuration of git in a folder, where a name matches.

    For what only the user's configuration can say. Names are in lower case but for their middle.
    """
    told = _told_anywhere(folder, "config", "--null", "--get-regexp", names) or ""
    entries = told.split("\0")[:-1]
    pairs = (entry.partition("\n") for entry in entries)
    return {name: value for name, _, value in pairs}


def _told_anywhere(folder: Path, *arguments: str) -> str | None:
    """What git says where nobody knows whose repository it is; `None`: it refuses.

    That it need not care about (`safe.directory`): such a question runs nothing. So the user's own
    configuration may speak here (`core.hooksPath`), and the caller judges before it trusts the
    answer.
    """
    environment = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    program = _program(environment, _ABOUT_DISCOVERY)
    with _signals_held():
        code, out, _ = git.Git(str(folder)).execute(
            [*program, *arguments],
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            env=environment,
        )
    return None if code else os.fsdecode(out)


def _program(environment: Mapping[str, str], welcome: Container[str] = ()) -> list[str]:
    """The start of an argv: git without the variables that would steer it from outside."""
    foreign = [
        name
        for name in os.environ
        if name.startswith("GIT_") and name not in environment and name not in welcome
    ]
    unset = [word for name in foreign for word in ("-u", name)]
    return ["env", *unset, "git"] if unset else ["git"]


def _configuration(settings: Mapping[str, str]) -> dict[str, str]:
    """Our settings as variables: stronger than any file, and a name may hold any character."""
    pairs = {**_SETTINGS, **settings}
    return {
        "GIT_CONFIG_COUNT": str(len(pairs)),
        **{f"GIT_CONFIG_KEY_{i}": key for i, key in enumerate(pairs)},
        **{f"GIT_CONFIG_VALUE_{i}": value for i, value in enumerate(pairs.values())},
    }


def name_of(content: bytes, length: int, kind: str = "blob") -> str:
    """The name that git gives an object, in `length` hexadecimal digits."""
    algorithm = "sha1" if length == 40 else "sha256"
    header = b"%s %d\0" % (kind.encode(), len(content))
    digest = hashlib.new(algorithm, header, usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()
