"""Commands in namespaces: mounts that bubblewrap makes once, and what is new for each of them.

As root, or in a namespace of users as anybody else. What they see is bubblewrap.py's business, and
starting them within.py's.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from autoresearch_ci.execution.sandbox.bubblewrap import View, program
from autoresearch_ci.execution.sandbox.kernel import KEPT_CAPABILITIES, Confinement, NotConfined
from autoresearch_ci.execution.sandbox.starter import Starter
from autoresearch_ci.execution.sandbox.users import User

_NEW = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--cap-drop", "ALL")
_TOOLS = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
_CLEAN = {"LC_ALL": "C", **_TOOLS}
_WAIT = ("--", "sh", "-c", "echo; read _")
_TOLD_BYTES = 4096
_OWNER = 0xB701
"""NS_GET_USERNS (`man 2 ioctl_ns`)."""


class Namespaces:
    """Mounts that were made for many commands, and who starts them there."""

    def __init__(self, view: View) -> None:
        """Raises `NotConfined` or `OSError`."""
        self._mounts = _Mounts(view)
        self._starter = starter() if self._mounts.users is None else Starter(self._mounts.users)

    def confinement(
        self, user: User | None, *, network: bool, scoped: bool, filtered: bytes
    ) -> Confinement:
        kept = 0 if user or os.geteuid() else sum(1 << number for number in KEPT_CAPABILITIES)
        always = {
            "fresh": self._mounts.fresh,
            "network": network,
            "scoped": scoped,
            "filter": filtered.hex(),
            "user": [user.uid, user.gid] if user else None,
            "capabilities": kept,
            "itself": [os.geteuid(), os.getegid()] if os.geteuid() else None,
        }

        def start(
            argv: Sequence[str], cwd: Path, environment: Mapping[str, str], streams: Sequence[int]
        ) -> tuple[int, int]:
            what = {"argv": list(argv), "folder": str(cwd), "environment": dict(environment)}
            if not self._starter.alive and self._mounts.users is None:
                self._starter = starter()
            return self._starter.start(always | what, self._mounts.descriptor, streams)

        return Confinement([], forks=False, own=user.take if user else None, start=start)

    def close(self) -> None:
        if self._mounts.users is not None:
            self._starter.close()
        self._mounts.close()


_ours: list[Starter] = []


def starter() -> Starter:
    """One for all commands that root has started; a fork of us gets its own."""
    if not (_ours and _ours[-1].alive):
        _close()
        _ours.append(Starter())
    return _ours[-1]


@atexit.register
def _close() -> None:
    while _ours:
        _ours.pop().close()


def why_not(user: User | None, filtered: bytes = b"") -> str:
    """Why it does not work here, tried as a whole; empty: it does."""
    if not program()[0]:
        return "there is no bubblewrap (bwrap) 0.8 or newer"
    try:
        with contextlib.closing(Namespaces(View())) as place, _nothing() as nothing:
            made = place.confinement(user, network=False, scoped=False, filtered=filtered)
            assert made.start
            first, ended = made.start(["true"], Path("/"), _TOOLS, [nothing.fileno()] * 3)
            status = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
            os.close(ended)
    except (OSError, NotConfined) as error:
        return str(error)
    return f"a command in it ended with status {status}" if status else ""


def _nothing() -> IO[bytes]:
    return Path(os.devnull).open("r+b", buffering=0)


class _Mounts:
    """Of a view, as they are now: kept by the kernel until they are closed."""

    def __init__(self, view: View) -> None:
        """Raises `NotConfined` or `OSError`."""
        self.fresh = view.fresh()
        self.users: int | None = None
        """The namespace of users that they belong to, unless it is ours."""
        own_users = ["--unshare-user"] if os.geteuid() else []
        with contextlib.ExitStack() as once_started:

            def give(content: bytes) -> int:
                descriptor = _readable(content)
                once_started.callback(os.close, descriptor)
                given.append(descriptor)
                return descriptor

            given: list[int] = []
            words = [*own_users, *_NEW, *view.arguments(give)]
            arguments = give(os.fsencode("\0".join([*words, ""])))
            reader, told = os.pipe()
            once_started.callback(os.close, told)
            info = open(reader, "rb", buffering=0)  # noqa: PTH123, SIM115 - closed below
            holder = subprocess.Popen(
                [program()[0], "--args", str(arguments), "--info-fd", str(told), *_WAIT],
                pass_fds=[*given, told],
                cwd="/",
                env=_CLEAN,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        with info, holder:
            self._hold(holder, info)

    def _hold(self, holder: subprocess.Popen[bytes], info: IO[bytes]) -> None:
        assert holder.stdin
        assert holder.stdout
        ready = holder.stdout.readline()
        if ready != b"\n":
            why = (ready + holder.stdout.read(_TOLD_BYTES)).decode(errors="replace").strip()
            raise NotConfined(why or f"bubblewrap ended with status {holder.wait()}")
        child = json.loads(info.read(_TOLD_BYTES))["child-pid"]
        try:
            self.descriptor = os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY)
            if os.geteuid():
                # Not that of the command, which bubblewrap maps back from root's number.
                self.users = fcntl.ioctl(self.descriptor, _OWNER)
        finally:
            holder.stdin.close()
            holder.wait()
            with contextlib.suppress(ChildProcessError):  # ours, once bubblewrap has ended
                os.waitpid(child, 0)

    def close(self) -> None:
        os.close(self.descriptor)
        if self.users is not None:
            os.close(self.users)


def _readable(content: bytes) -> int:
    descriptor = os.memfd_create("given")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
