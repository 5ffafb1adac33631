"""Runs one child to its end as process 1 should: passes signals on, reaps orphans, keeps time.

A runner that cancels a step sends SIGINT, 7.5 s later SIGTERM, 2.5 s later it kills
(actions/runner, ProcessInvoker.cs). The child gets the first and saves its work; what is not done
after `PATIENCE` is killed, so that there is time left to say what happened.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Literal

Stream = Literal["out", "err"]

PATIENCE = 4.0
"""Seconds from the first signal until the child is killed; summary and outputs are due at 6."""
_LINGER = 0.5
"""Seconds for output that comes after the child's own exit."""
_SWEEP = 0.5
"""Seconds to wait for what was left behind and killed."""
_TICK = 0.1
_CHUNK = 1 << 16
_LINE = 1 << 20
"""Bytes after which a line is cut."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopping:
    """From its creation on, signals no longer end this process: they are remembered.

    Process 1 has no default action for them at all.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        """When the first one arrived, on the monotonic clock."""
        self._send: Callable[[int], None] | None = None
        for number in _SIGNALS:
            signal.signal(number, self._arrived)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        if self.since is None:
            self.since = time.monotonic()
        self._pass_on(number)

    def watch(self, send: Callable[[int], None] | None) -> None:
        """What passes signals on from now on; one that arrived before is passed on at once."""
        self._send = send
        if self.since is not None:
            self._pass_on(signal.SIGINT)

    def _pass_on(self, number: int) -> None:
        if self._send is not None:
            with contextlib.suppress(ProcessLookupError):
                self._send(number)

    @property
    def overdue(self) -> bool:
        return self.since is not None and time.monotonic() > self.since + PATIENCE


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the child ended."""

    code: int
    """As a shell has it: 128 + N for signal N, 127: could not be started."""
    killed: bool = False
    """It was not done in time after a signal."""


def supervise(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stopping: Stopping,
    on_line: Callable[[Stream, str], None],
    whole_group: bool = False,
) -> Ended:
    """Run `argv` in a session of its own; nothing that it started outlives it.

    `whole_group`: a shell does not pass signals on, and goes on after a SIGINT when its command
    did not die of it; so it and all that it started get SIGTERM.
    """
    if stopping.since is not None:
        return Ended(code=130)
    _adopt_orphans()
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        on_line("err", f"{argv[0]}: {error.strerror}")
        return Ended(code=127)
    if whole_group:
        stopping.watch(lambda _: os.killpg(process.pid, signal.SIGTERM))
    else:
        stopping.watch(lambda number: os.kill(process.pid, number))
    try:
        ended = _Watch(process, on_line).until_ended(stopping)
    finally:
        stopping.watch(None)
        kill_the_rest()
    return ended


@dataclass
class _Lines:
    """Bytes of one stream, cut into lines."""

    stream: Stream
    rest: bytearray = field(default_factory=bytearray)


class _Watch:
    def __init__(
        self, process: subprocess.Popen[bytes], on_line: Callable[[Stream, str], None]
    ) -> None:
        self._process = process
        self._on_line = on_line
        self._selector = selectors.DefaultSelector()
        for pipe, stream in ((process.stdout, "out"), (process.stderr, "err")):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, _Lines(stream))  # type: ignore[arg-type]
        self._killed = False

    def until_ended(self, stopping: Stopping) -> Ended:
        with self._selector:
            while not self._reap():
                if stopping.overdue and not self._killed:
                    self._killed = True
                    self._kill()
                self._read(_TICK)
            until = time.monotonic() + (0.0 if self._killed else _LINGER)
            while self._selector.get_map() and (left := until - time.monotonic()) > 0:
                self._read(left)
            for key in list(self._selector.get_map().values()):
                self._tell(key.data, b"\n")
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        code = self._process.returncode
        return Ended(code=code if code >= 0 else 128 - code, killed=self._killed)

    def _reap(self) -> bool:
        """Whether the child has ended; orphans that were handed to us are put to rest as well."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self._process.pid:  # told to Popen, or it would wait for it again
                self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode is not None

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self, timeout: float) -> None:
        if not self._selector.get_map():
            time.sleep(min(timeout, _TICK))
            return
        for key, _ in self._selector.select(timeout):
            try:
                chunk = os.read(key.fd, _CHUNK)
            except BlockingIOError:
                continue
            self._tell(key.data, chunk or b"\n")
            if not chunk:
                self._selector.unregister(key.fileobj)

    def _tell(self, lines: _Lines, chunk: bytes) -> None:
        lines.rest += chunk.replace(b"\r", b"\n")
        *whole, rest = lines.rest.split(b"\n")
        if len(rest) > _LINE:
            whole, rest = [*whole, rest], bytearray()
        lines.rest = bytearray(rest)
        for line in whole:
            if line:
                self._on_line(lines.stream, bytes(line[:_LINE]).decode(errors="replace"))


def kill_the_rest() -> None:
    """Kill and reap every descendant that is left, whatever session it fled into."""
    give_up = time.monotonic() + _SWEEP
    while children := _children():
        for child in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)
        if time.monotonic() > give_up:
            return
        time.sleep(0.005)


def _children() -> list[int]:
    """Our direct children, to which the kernel hands those of whoever dies."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    try:  # another process namespace's /proc has other numbers
        return [int(pid) for pid in path.read_text().split()]
    except OSError:
        return []


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, *map(ctypes.c_ulong, (1, 0, 0, 0)))
