"""Runs one user command: timeout, killed as a tree, bounded output, clean environment.

What the command is for, and what its output means, is not decided here.

A command gets a session of its own, so a terminal's Ctrl-C reaches only us and arrives as `Stop`.
On Linux we are also its "child subreaper" (`man 2 PR_SET_CHILD_SUBREAPER`): a descendant that
daemonizes becomes our child instead of init's, so nothing that a command starts outlives it.
Elsewhere only its process group is killed.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import resource
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from autoresearch_ci import errors

HEAD_BYTES = TAIL_BYTES = 1 << 20
"""What is kept of a command's output, in memory and in its log: the first and the last mebibyte."""
LINE_BYTES = 8192
"""`on_line` sees at most this much of a line."""

_CHUNK = 1 << 16
_GRACE = 0.3
"""Seconds from SIGTERM to SIGKILL; with `_PATIENCE_STOPPING` it keeps a stop under one second."""
_PATIENCE = 10.0
"""Seconds to wait for processes that were sent SIGKILL. None can ignore it, but the kernel may take
seconds to reclaim a GPU context or 100 GB of memory, and the next measurement must not overlap."""
_PATIENCE_STOPPING = 0.4
_LINGER, _LINGER_IDLE = 0.5, 0.1
"""Seconds, in all and between two reads, for output that comes after the command's own exit."""
_TICK = 0.01
"""Seconds between looks at the child where there is no pidfd."""


class Stop:
    """Asked by a signal handler, obeyed by whatever is running."""

    def __init__(self) -> None:
        self._requested = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        for descriptor in (self._reader, self._writer):
            weakref.finalize(self, os.close, descriptor)

    @property
    def requested(self) -> bool:
        return self._requested

    def request(self) -> None:
        """Safe in a signal handler and any number of times: the byte written is never read."""
        if not self._requested:
            self._requested = True
            os.write(self._writer, b"!")

    def check(self) -> None:
        """Raises `Interrupted` once a stop was requested."""
        if self._requested:
            raise errors.Interrupted(
                "Interrupted: SIGINT or SIGTERM arrived. The running command was killed and "
                "finished work is saved; start again with --resume to continue."
            )

    def fileno(self) -> int:
        """Readable from the first request on: wakes a selector."""
        return self._reader


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """What one command did. A failure is a result too; only `Interrupted` is an exception."""

    command: str
    exit_code: int
    """Negative: killed by that signal. 127: not found, 126: cannot be executed, as in a shell."""
    timed_out: bool
    """Whatever `exit_code` says: a command may catch SIGTERM and exit with 0."""
    stopped: bool
    """Killed because `on_line` asked for it."""
    output: str
    """First and last `HEAD_BYTES` and `TAIL_BYTES`, with a marker line between if more came."""
    tail: str
    """The last `TAIL_BYTES`."""
    output_bytes: int
    """All that was printed, kept or not."""
    seconds: float
    """From start to the exit of the command itself; killing what it left behind is not counted."""
    peak_memory_mb: float | None
    """MiB, of the largest single process. `None` when it stayed below our own peak: Linux counts
    the memory of the process that started a program as the program's (exec_mmap in fs/exec.c)."""


def run_command(
    command: str | Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float | None = None,
    stop: Stop | None = None,
    log: Path | None = None,
    on_line: Callable[[str], bool | None] | None = None,
) -> CommandResult:
    """Runs `command` to its end, and every process it started to theirs.

    A string is the user's own shell line: `bash -c` where there is bash, as in a `run:` step, else
    `/bin/sh -c`. We add no options: without the user's own `set -o pipefail` the status of `a | b`
    is that of b. A sequence is an argv. stdin is empty; stdout and stderr are one stream.

    `on_line` gets each non-empty line as it arrives (`\\n` and `\\r` both end one), cut at
    `LINE_BYTES`; `True` kills the command. `log` receives the raw bytes: the first `HEAD_BYTES` as
    they come, the marker and the last `TAIL_BYTES` at the end; its folder must exist.

    Raises `Interrupted` within a second of a stop request, and `OSError` when the log cannot be
    written; in both cases, as in any other, everything has been killed before.
    """
    if stop is not None:
        stop.check()
    argv = [_shell(), "-c", command] if isinstance(command, str) else list(command)
    with _Output(log, on_line) as output:
        ended = _run(argv, cwd=cwd, env=env, timeout=timeout, stop=stop, output=output)
    if stop is not None:
        stop.check()
    return CommandResult(
        command=command if isinstance(command, str) else shlex.join(command),
        exit_code=ended.exit_code,
        timed_out=ended.timed_out,
        stopped=ended.stopped,
        output=output.text(),
        tail=output.tail_text(),
        output_bytes=output.total,
        seconds=ended.seconds,
        peak_memory_mb=ended.peak_memory_mb,
    )


@functools.cache
def _shell() -> str:
    return shutil.which("bash") or "/bin/sh"


# --- the environment ------------------------------------------------------------------------------

_ALLOWED = re.compile(
    r"""
    PATH | LANG | LANGUAGE | LC_\w+ | TZ | USER | LOGNAME | SHELL
    | LD_LIBRARY_PATH | PKG_CONFIG_PATH | CC | CXX | SOURCE_DATE_EPOCH
    | VIRTUAL_ENV | PIP_\w+ | UV_\w+ | CONDA_PREFIX | CONDA_DEFAULT_ENV | PYENV_(ROOT|VERSION)
    | NVM_DIR | JAVA_HOME\w* | GOROOT | GOPATH | GOPROXY | GOTOOLCHAIN | DOTNET_ROOT | ANDROID_HOME
    | CARGO_HOME | RUSTUP_(HOME|TOOLCHAIN)
    | CUDA_\w+ | NVIDIA_\w+ | (ROCR|HIP)_VISIBLE_DEVICES | (OMP|MKL|OPENBLAS)_NUM_THREADS
    | SSL_CERT_(FILE|DIR) | REQUESTS_CA_BUNDLE | CURL_CA_BUNDLE | NODE_EXTRA_CA_CERTS
    | (HTTP|HTTPS|ALL|NO)_PROXY | (http|https|all|no)_proxy
    """,
    re.VERBOSE,
)
_SECRET_NAME = re.compile(
    r"TOKEN|KEY|SECRET|PASSW|CREDENTIAL|AUTH|^(ACTIONS|GITHUB|INPUT|RUNNER)_", re.IGNORECASE
)
_SECRET_VALUE = re.compile(r"://[^/\s]*@")
"""A URL with a login, the usual way to reach a private package index or a proxy."""


def clean_environment(
    extra: Mapping[str, str], *, home: Path, tmp: Path, inherit: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a measured command: what finds the toolchain, and nothing secret.

    `inherit` is filtered by name against an allow list, then by what looks secret in a name or a
    value. `extra` is passed as it is: the caller vouches for it. `home` and `tmp` must exist.
    """
    toolchain = {name: value for name, value in inherit.items() if _is_harmless(name, value)}
    folders = {"HOME": str(home), "TMPDIR": str(tmp), "TMP": str(tmp), "TEMP": str(tmp)}
    return {"PATH": os.defpath, **toolchain, "CI": "true", **folders, **extra}


def _is_harmless(name: str, value: str) -> bool:
    looks_secret = _SECRET_NAME.search(name) or _SECRET_VALUE.search(value)
    return _ALLOWED.fullmatch(name) is not None and not looks_secret


# --- the output -----------------------------------------------------------------------------------


class _Output:
    """Head and tail of a stream of any length, and its lines as they arrive."""

    def __init__(self, log: Path | None, on_line: Callable[[str], bool | None] | None) -> None:
        self.total = 0
        self.asked_to_stop = False
        self._head = bytearray()
        self._tail = bytearray()
        """May hold twice TAIL_BYTES, so that it is trimmed once per mebibyte and not per read."""
        self._line = b""
        self._on_line = on_line
        self._log: BinaryIO | None = None if log is None else log.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._log is not None:
            with self._log:
                self._log.write(self._marker() + self._kept_tail())

    def feed(self, chunk: bytes) -> None:
        self.total += len(chunk)
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            if self._log is not None:
                self._log.write(chunk[:room])
                self._log.flush()
        self._tail += chunk[max(room, 0) :]
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        if self._on_line is not None:
            self._feed_lines(chunk)

    def feed_last_line(self) -> None:
        """The stream has ended: what follows the last newline is a line too."""
        if self._on_line is not None:
            self._feed_lines(b"\n")

    def _feed_lines(self, chunk: bytes) -> None:
        *ended, rest = re.split(rb"[\r\n]", chunk)
        for piece in ended:
            line, self._line = (self._line + piece[:LINE_BYTES])[:LINE_BYTES], b""
            if line and not self.asked_to_stop and self._on_line is not None:
                self.asked_to_stop = bool(self._on_line(line.decode(errors="replace")))
        self._line = (self._line + rest[:LINE_BYTES])[:LINE_BYTES]

    def text(self) -> str:
        return (self._head + self._marker() + self._kept_tail()).decode(errors="replace")

    def tail_text(self) -> str:
        return (self._head + self._kept_tail())[-TAIL_BYTES:].decode(errors="replace")

    def _kept_tail(self) -> bytes:
        return bytes(self._tail[-TAIL_BYTES:])

    def _marker(self) -> bytes:
        dropped = self.total - HEAD_BYTES - TAIL_BYTES
        return b"\n[... %d bytes not kept ...]\n" % dropped if dropped > 0 else b""


# --- the processes --------------------------------------------------------------------------------


class _Process(NamedTuple):
    pid: int
    started: int
    """Clock ticks since boot: with the pid, it names one process for good."""
    group: int
    session: int


class _Commands:
    """Which commands run now (slots run several), and which of our children belong to none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leaders: set[int] = set()
        self._bystanders: frozenset[tuple[int, int]] = frozenset()

    def start(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> _Child:
        # Under the lock, so that no other thread's sweep meets a command it has not heard of.
        with self._lock:
            if not self._leaders:
                self._bystanders = frozenset((p.pid, p.started) for p in _children(os.getpid()))
            popen = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
            )
            self._leaders.add(popen.pid)
            return _Child(popen, self)

    def forget(self, leader: int) -> None:
        with self._lock:
            self._leaders.discard(leader)

    def descendants(self, leader: int) -> list[_Process]:
        """Every living or unreaped process of that command but the leader, parents first.

        A session is entered by birth or by founding it, so what is in ours was never below a
        command: another thread started it (and must not give it a session). While other commands
        run, a daemon with its own session cannot be attributed; the last to end takes it down.
        """
        ours = os.getsid(0)
        with self._lock:
            alone = self._leaders == {leader}
            found = [
                child
                for child in _children(os.getpid())
                if child.session != ours
                and (alone or child.session == leader)
                and (child.pid, child.started) not in self._bystanders
            ]
        for process in found:  # grows while we walk it
            found += _children(process.pid)
        return [process for process in found if process.pid != leader]


_commands = _Commands()


def _children(pid: int) -> Iterator[_Process]:
    """The direct children of `pid`, zombies included. None where /proc cannot tell."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - strings, hot path
            with contextlib.suppress(OSError):
                for child in _read(f"/proc/{pid}/task/{thread}/children").split():
                    with contextlib.suppress(OSError):
                        yield _process(int(child))


def _process(pid: int) -> _Process:
    """`man 5 proc_pid_stat`; the name may hold spaces and parentheses, so we count from its end."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return _Process(pid, int(fields[19]), int(fields[2]), int(fields[3]))


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path costs more than the read
        return file.read()


@functools.cache
def _adopt_orphans() -> None:
    """Makes us the parent of every descendant that loses its own; without it the group must do."""
    if sys.platform == "linux":
        import ctypes

        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, *map(ctypes.c_ulong, (1, 0, 0, 0)))


class _Child:
    """A started command and all below it."""

    def __init__(self, popen: subprocess.Popen[bytes], commands: _Commands) -> None:
        self.pid = popen.pid
        self.exit_code: int | None = None
        self.peak_kb = 0
        self._popen = popen
        self._commands = commands
        self._swept = False
        assert popen.stdout is not None
        self.pipe = popen.stdout.fileno()
        os.set_blocking(self.pipe, False)
        self.pidfd = _pidfd(popen.pid)
        """Readable once the command itself has exited, whoever still holds the pipe."""

    def reap(self) -> bool:
        """Whether the command itself has exited."""
        if self.exit_code is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                # Told to Popen, too, or it would wait for a process that is not there.
                self.exit_code = self._popen.returncode = os.waitstatus_to_exitcode(status)
                self.peak_kb = max(self.peak_kb, usage.ru_maxrss)
        return self.exit_code is not None

    def terminate(self) -> None:
        """Asks the group to end; a process that left it is not asked, only killed."""
        if self.exit_code is None:
            _signal(os.killpg, self.pid, signal.SIGTERM)

    def kill_all(self, patience: float) -> int:
        """Kills the command and all below it, waits until they are gone, returns the exit code."""
        self._swept = True
        _signal(os.killpg, self.pid, signal.SIGKILL)
        give_up = time.monotonic() + patience
        known: set[int] = set()
        immune: set[int] = set()
        pause = 0.0002
        while True:
            gone = self.reap() or not _signal(os.kill, self.pid, signal.SIGKILL)
            found = {p.pid: p for p in self._commands.descendants(self.pid)}
            # What may stay: another user's (sudo), and what is stuck in the kernel.
            if (gone and found.keys() <= immune) or time.monotonic() > give_up:
                break
            immune |= {p.pid for p in found.values() if not self._kill(p)}
            if found.keys() <= known:  # else look again at once: the new ones may be forking still
                time.sleep(pause)
                pause = min(2 * pause, 0.02)
            known |= found.keys()
        if self.exit_code is None:
            self.exit_code = self._popen.returncode = -signal.SIGKILL
        return self.exit_code

    def _kill(self, process: _Process) -> bool:
        """False when we may not. A group dies in one step, even one that keeps forking."""
        if process.group > 1:  # killpg(1) would be kill(-1): everyone
            _signal(os.killpg, process.group, signal.SIGKILL)
        allowed = _signal(os.kill, process.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # not adopted yet: its parent goes first
            pid, _, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                self.peak_kb = max(self.peak_kb, usage.ru_maxrss)
        return allowed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left running, also when `on_line` or the log raised."""
        try:
            if not self._swept:
                self.kill_all(_PATIENCE_STOPPING)
        finally:
            self._commands.forget(self.pid)
            assert self._popen.stdout is not None
            self._popen.stdout.close()
            if self.pidfd is not None:
                os.close(self.pidfd)


def _signal(send: Callable[[int, int], None], target: int, number: signal.Signals) -> bool:
    """False when we may not; a target that is gone already is fine."""
    try:
        send(target, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _pidfd(pid: int) -> int | None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # before Linux 5.3, or a strict seccomp profile
            return os.pidfd_open(pid)
    return None


# --- the run --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Ended:
    exit_code: int
    timed_out: bool = False
    stopped: bool = False
    seconds: float = 0.0
    peak_memory_mb: float | None = None


def _run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float | None,
    stop: Stop | None,
    output: _Output,
) -> _Ended:
    _adopt_orphans()
    our_peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    try:
        child = _commands.start(argv, cwd, env)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the command
        output.feed(f"cannot start the command: {error}\n".encode(errors="replace"))
        output.feed_last_line()
        missing = isinstance(error, OSError) and error.errno == errno.ENOENT
        return _Ended(exit_code=127 if missing else 126)
    with child:
        watch = _Watch(child, output, stop, None if timeout is None else started + timeout)
        watch.until_exit()
        seconds = time.monotonic() - started
        watch.linger()
        in_a_hurry = stop is not None and stop.requested
        exit_code = child.kill_all(_PATIENCE_STOPPING if in_a_hurry else _PATIENCE)
        watch.drain()
        output.feed_last_line()
    return _Ended(
        exit_code=exit_code,
        timed_out=watch.timed_out,
        stopped=watch.stopped,
        seconds=seconds,
        peak_memory_mb=_peak_memory_mb(child.peak_kb, our_peak_kb),
    )


def _peak_memory_mb(kb: int, ours_kb: int) -> float | None:
    if sys.platform == "darwin":  # bytes there, and a new program starts from zero
        return kb / 2**20
    return kb / 2**10 if kb > ours_kb * 1.05 else None  # the kernel's counters are approximate


class _Watch:
    """Reads a running command's output, and decides when it has had its time."""

    def __init__(
        self, child: _Child, output: _Output, stop: Stop | None, deadline: float | None
    ) -> None:
        self.timed_out = self.stopped = False
        self._child = child
        self._output = output
        self._stop = stop
        self._deadline = deadline
        self._kill_at: float | None = None
        """When SIGTERM's grace ends; `None` while the command has not been told to go."""
        self._open = True

    def until_exit(self) -> None:
        """Returns when the command itself has exited, or must now be killed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.pipe, selectors.EVENT_READ)
            if self._child.pidfd is not None:
                selector.register(self._child.pidfd, selectors.EVENT_READ)
            if self._stop is not None:
                selector.register(self._stop, selectors.EVENT_READ)
            while not self._child.reap():
                now = time.monotonic()
                if self._kill_at is None and self._must_end(now):
                    self._kill_at = now + _GRACE
                    self._child.terminate()
                    if self._stop is not None:  # its descriptor stays readable and would spin
                        selector.unregister(self._stop)
                if self._kill_at is not None and now >= self._kill_at:
                    return
                for key, _ in selector.select(self._wait(now)):
                    if key.fd == self._child.pipe and not self._read_chunk():
                        selector.unregister(self._child.pipe)

    def _must_end(self, now: float) -> bool:
        self.timed_out = self._deadline is not None and now >= self._deadline
        self.stopped = self._output.asked_to_stop
        requested = self._stop is not None and self._stop.requested
        return self.timed_out or self.stopped or requested

    def _wait(self, now: float) -> float | None:
        """Seconds until something must happen even if nothing is heard."""
        due = self._deadline if self._kill_at is None else self._kill_at
        wait = None if due is None else max(0.0, due - now)
        if self._child.pidfd is None:
            return _TICK if wait is None else min(wait, _TICK)
        return wait

    def _read_chunk(self) -> bool:
        """False at the end of the stream."""
        try:
            chunk = os.read(self._child.pipe, _CHUNK)
        except BlockingIOError:
            return True
        self._open = bool(chunk)
        if chunk:
            self._output.feed(chunk)
        return self._open

    def linger(self) -> None:
        """Lets helpers that outlive the command, as in `exec > >(tee log)`, hand over the rest.

        One that says nothing for `_LINGER_IDLE` is a daemon, and will be killed.
        """
        if not self._open or not self._child.reap():
            return
        until = time.monotonic() + _LINGER if self._kill_at is None else self._kill_at
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.pipe, selectors.EVENT_READ)
            while (left := until - time.monotonic()) > 0:
                if not selector.select(min(left, _LINGER_IDLE)) or not self._read_chunk():
                    return

    def drain(self) -> None:
        """Takes what the dead left in the pipe: bounded, as one may have survived (sudo)."""
        for _ in range(HEAD_BYTES // _CHUNK):
            if not self._open:
                return
            self._read_chunk()
