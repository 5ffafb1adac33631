"""Calls git: always with a git directory that we name and a configuration of our own.

So no hook, filter, alias or index flag that a proposer or a test plants in the user's repository is
ever consulted. What git is asked, workspace.py and store.py know.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import git

from autoresearch_ci.errors import WorkspaceError

_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.quotePath": "false",
    "core.fsync": "committed,loose-object,reference",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
}
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
    **{f"GIT_CONFIG_KEY_{i}": key for i, key in enumerate(_SETTINGS)},
    **{f"GIT_CONFIG_VALUE_{i}": value for i, value in enumerate(_SETTINGS.values())},
}

_CANNOT_WRITE = re.compile(
    "No space left|out of disk ?space|quota exceeded|couldn't write|write error"
    "|Read-only file system|Permission denied",
    re.IGNORECASE,
)


class GitDirectory:
    """One git directory, called with our configuration; raises `WorkspaceError`."""

    def __init__(self, cwd: Path, git_dir: Path, **environment: str) -> None:
        self._git = git.Git(str(cwd))
        # safe.directory: in a container the checkout belongs to another uid than ours.
        self._prefix = ["git", "-c", "safe.directory=*"]
        self._git.update_environment(**_ENVIRONMENT, GIT_DIR=str(git_dir), **environment)
        self._reader: git.Git.AutoInterrupt | None = None

    def __call__(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> bytes:
        code, out, err = self.attempt(*arguments, stdin=stdin, env=env)
        if code:
            raise failure(arguments, code, err)
        return out

    def attempt(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> tuple[int, bytes, str]:
        """Exit code, stdout and stderr. `pass_fds`: open files that git and its helpers inherit."""
        with contextlib.ExitStack() as stack:
            source = None
            if stdin is not None:
                source = stack.enter_context(tempfile.TemporaryFile())
                source.write(stdin)
                source.seek(0)
            stack.enter_context(_signals_held())
            code, out, err = self._git.execute(
                [*self._prefix, *arguments],
                istream=source,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                env=env,
                pass_fds=tuple(pass_fds),
            )
        return code, out, err if isinstance(err, str) else err.decode(errors="replace")

    def blob(self, name: str) -> bytes:
        """Content of a blob, through one long-lived `git cat-file --batch`."""
        # GitPython's own reader understands SHA-1 names only.
        if self._reader is None:
            with _signals_held():
                self._reader = self._git.cat_file(
                    "--batch", istream=subprocess.PIPE, as_process=True
                )
        self._reader.stdin.write(name.encode() + b"\n")
        self._reader.stdin.flush()
        header = self._reader.stdout.readline().split()
        if len(header) != 3:
            raise WorkspaceError(
                f"object {name} is missing from the repository: {b' '.join(header).decode()}\n"
                "usually: a partial clone (--filter) or a pruned object.\n"
                "do: clone in full, or git fetch --refetch --no-filter."
            )
        data: bytes = self._reader.stdout.read(int(header[2]))
        self._reader.stdout.read(1)
        if header[1] != b"blob":
            raise WorkspaceError(f"object {name} is a {header[1].decode()}, not a file")
        return data

    def close(self) -> None:
        if self._reader is not None:
            self._reader.stdin.close()
            self._reader.wait()
            self._reader = None


def failure(arguments: Sequence[str], code: int, err: str) -> WorkspaceError:
    """What a failed call of git means; GitPython makes git speak English."""
    message = f"git {arguments[0]} failed with exit code {code}: {err.strip() or 'no message'}\n"
    if _CANNOT_WRITE.search(err):
        return WorkspaceError(
            f"{message}usually: the disk is full, or the checkout is read-only.\n"
            "do: make room or make it writable, then start again with --resume; nothing that was "
            "kept is lost."
        )
    return WorkspaceError(f"{message}command: git {' '.join(arguments)}")


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
    code, out, _ = git.Git(str(folder)).execute(
        ["git", "-c", "safe.directory=*", "rev-parse", "--path-format=absolute", *questions],
        with_extended_output=True,
        with_exceptions=False,
    )
    return [] if code else str(out).split("\n")
