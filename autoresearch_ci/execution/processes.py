"""A running command and all below it: knows who belongs to it, and kills them all.

Starting the command, its output and its deadline are not the business of this module.

On Linux we are a "child subreaper" (`man 2 PR_SET_CHILD_SUBREAPER`): a descendant that daemonizes
becomes our child instead of init's, so nothing that a command starts outlives it. Elsewhere only
its process group is killed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from autoresearch_ci.execution.sandbox.kernel import LINUX, PR_SET_CHILD_SUBREAPER, prctl
from autoresearch_ci.execution.spawning import Apart, Started
from autoresearch_ci.execution.survivor import Survivor

PATIENCE = 10.0
"""Seconds to wait for processes that were sent SIGKILL. None can ignore it, but the kernel may take
seconds to reclaim a GPU context or 100 GB of memory, and the next measurement must not overlap."""
_HALF_OF_ALL, _ALL = 500, 1000
"""Memory that a command shall seem to use beside its own (`man 5 proc_pid_oom_score_adj`)."""
PATIENCE_STOPPING = 0.4
"""The same when a person waits for us to end."""


def kill_with_variable(name: str, value: str) -> int:
    """Kill every process whose environment has `name=value`; how many there were.

    Commands of a killed run live on, as nobody watches them any more; what they were given tells
    them apart. Without /proc this does nothing.
    """
    wanted, killed = os.fsencode(f"{name}={value}"), 0
    everybody: list[str] = []
    with contextlib.suppress(OSError):
        everybody = os.listdir("/proc")  # noqa: PTH208 - hot path
    for process in filter(str.isdigit, everybody):
        with contextlib.suppress(OSError):
            environment = _read(f"/proc/{process}/environ")
            if wanted in environment and wanted in environment.split(b"\0"):
                os.kill(int(process), signal.SIGKILL)
                killed += 1
    return killed


class _Process(NamedTuple):
    pid: int
    started: int
    """Clock ticks since boot: with the pid, it names one process for good."""
    group: int
    session: int


End = Callable[[], None]
"""Ends all that a command has started, and perhaps what others have, that are given the same."""


class _Commands:
    """Which commands run now (slots run several), and which of our children belong to none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leaders: dict[int, End | None] = {}
        self._bystanders: frozenset[tuple[int, int]] = frozenset()
        self._survivor = Survivor()

    def start(self, spawn: Callable[[], Started], end: End | None) -> ProcessTree:
        # Under the lock, so that no other thread's sweep meets a command it has not heard of.
        with self._lock:
            self._survivor.start()
            if not self._leaders:
                self._bystanders = frozenset((p.pid, p.started) for p in _children(os.getpid()))
            leader = spawn()
            self._leaders[leader.pid] = end
            self._survivor.tell("+", leader.pid)
            return ProcessTree(leader, self)

    def forget(self, leader: int) -> None:
        with self._lock:
            self._leaders.pop(leader, None)
            self._survivor.tell("-", leader)

    def end(self, leader: int) -> None:
        """As it was given; unless that would end another command, too."""
        with self._lock:
            end = self._leaders.get(leader)
            if end and list(self._leaders.values()).count(end) == 1:
                end()

    def descendants(self, leader: int) -> list[_Process]:
        """Every living or unreaped process of that command but the leader, parents first.

        A session is entered by birth or by founding it, so what is in ours was never below a
        command: another thread started it (and must not give it a session). While other commands
        run, a daemon with its own session cannot be attributed; the last to end takes it down.
        """
        ours = os.getsid(0)
        with self._lock:
            alone = self._leaders.keys() == {leader}
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


def start(spawn: Callable[[], Started], end: End | None = None) -> ProcessTree:
    """The command that `spawn` starts, to be used in a `with`; what `spawn` raises passes.

    `end`: see `Confinement`.
    """
    _adopt_orphans(os.getpid())
    return _commands.start(spawn, end)


class ProcessTree:
    """A started command and all below it."""

    def __init__(self, leader: Started, commands: _Commands) -> None:
        self.pid = leader.pid
        self.exit_code: int | None = None
        self._peak_kb = 0
        self._our_peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._leader = leader
        self._commands = commands
        self._swept = False
        self._ended = leader.ended if isinstance(leader, Apart) else None
        self.survivors: list[int] = []
        """What of it could not be ended."""
        self._streams = [stream for stream in (leader.stdout, leader.stderr) if stream]
        self.pipes = [stream.fileno() for stream in self._streams]
        """What the command prints: one, or stdout and stderr."""
        for pipe in self.pipes:
            os.set_blocking(pipe, False)
        self.pidfd = _pidfd(leader.pid) if self._ended is None else self._ended
        """Readable once the command itself has exited, whoever still holds the pipes."""

    def go_first(self) -> None:
        """When memory runs out the kernel kills the command or what it starts, rather than us.

        It looks at who uses most, which may be us: what a command writes to /dev/shm is nobody's.
        """
        if self._ended is not None:  # it did so itself, before anything else
            return
        with contextlib.suppress(OSError):  # no Linux
            ours = int(_read("/proc/self/oom_score_adj"))
            worse = min(ours + _HALF_OF_ALL, _ALL)
            for _ in range(2):  # as a fork that goes on just now is seen a moment later
                pending = [self.pid]
                while pending:
                    process = pending.pop()
                    with contextlib.suppress(OSError):  # gone already
                        Path(f"/proc/{process}/oom_score_adj").write_text(f"{worse}")
                        # What is forked from now on is told, what was before is seen.
                        pending += [child.pid for child in _children(process)]

    def reap(self) -> bool:
        """Whether the command itself has exited."""
        if not self._gone() and self.exit_code is None and self._ended is not None:
            with contextlib.suppress(BlockingIOError):
                told = os.read(self._ended, 1)
                self.exit_code = told[0] if told else None
        return self.exit_code is not None

    def _gone(self) -> bool:
        """Whether the leader has."""
        if self._leader.returncode is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                # Told to Popen, too, or it would wait for a process that is not there.
                self._leader.returncode = os.waitstatus_to_exitcode(status)
                self._peak_kb = max(self._peak_kb, usage.ru_maxrss)
                if self.exit_code is None:
                    self.exit_code = self._leader.returncode
        return self._leader.returncode is not None

    def reap_orphans(self) -> None:
        """Whatever else of ours has ended, as process 1 must; for who has no other children."""
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid == self.pid:  # for `reap`, which comes next
                    return
                os.waitpid(ended.si_pid, os.WNOHANG)

    def terminate(self) -> None:
        """Asks the group to end; a process that left it is not asked, only killed."""
        if self.exit_code is None:
            _signal(os.killpg, self._group(), signal.SIGTERM)

    def _group(self) -> int:
        """Of the command itself, which is not who waits for it."""
        if self._ended is not None:
            for command in _children(self.pid):
                return command.group
        return self.pid

    def send(self, number: int) -> None:
        """A signal for the command itself."""
        if self.exit_code is None:
            _signal(os.kill, self.pid, number)

    def kill_all(self, patience: float) -> int:
        """Kills the command and all below it, waits until they are gone, returns the exit code."""
        self._swept = True
        _signal(os.killpg, self.pid, signal.SIGKILL)
        ended = False
        give_up = time.monotonic() + patience
        known: set[int] = set()
        pause = 0.0002
        while True:
            if not ended:
                with contextlib.suppress(BlockingIOError):  # they have taken every process there is
                    self._commands.end(self.pid)
                    ended = True
            if not (gone := self._gone()):
                _signal(os.kill, self.pid, signal.SIGKILL)
            found = {p.pid: p for p in self._commands.descendants(self.pid)}
            self.survivors = [*([] if gone and ended else [self.pid]), *found]
            if not self.survivors or time.monotonic() > give_up:
                break
            for process in found.values():
                self._kill(process)
            if found.keys() <= known:  # else look again at once: the new ones may be forking still
                self._wait(0 if gone else self.pid, pause)
                pause = min(2 * pause, 0.02)
            known |= found.keys()
        if self._leader.returncode is None:
            self._leader.returncode = -signal.SIGKILL
        if self.exit_code is None:
            self.exit_code = self._leader.returncode
        return self.exit_code

    @staticmethod
    def _wait(leader: int, seconds: float) -> None:
        """So long, or until that process has ended; 0: it has."""
        pidfd = _pidfd(leader) if leader else None
        if pidfd is None:
            time.sleep(seconds)
            return
        try:
            ended = select.poll()
            ended.register(pidfd, select.POLLIN)
            ended.poll(1000 * seconds)
        finally:
            os.close(pidfd)

    def _kill(self, process: _Process) -> None:
        """A group dies in one step, even one that keeps forking."""
        if process.group > 1:  # killpg(1) would be kill(-1): everyone
            _signal(os.killpg, process.group, signal.SIGKILL)
        _signal(os.kill, process.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # not adopted yet: its parent goes first
            pid, _, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                self._peak_kb = max(self._peak_kb, usage.ru_maxrss)

    @property
    def peak_memory_mb(self) -> float | None:
        """MiB, of the largest single process; `None` when it stayed below our own peak.

        Linux counts the memory of the process that started a program as the program's (exec_mmap
        in fs/exec.c).
        """
        if sys.platform == "darwin":  # bytes there, and a new program starts from zero
            return self._peak_kb / 2**20
        # The kernel's counters are approximate.
        return self._peak_kb / 2**10 if self._peak_kb > self._our_peak_kb * 1.05 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left running, also when something raised before `kill_all`."""
        try:
            if not self._swept:
                self.kill_all(PATIENCE_STOPPING)
        finally:
            self._commands.forget(self.pid)
            for stream in self._streams:
                stream.close()
            if self.pidfd is not None:
                os.close(self.pidfd)


def _children(pid: int) -> Iterator[_Process]:
    """The direct children of `pid`, zombies included. None where /proc cannot tell."""
    if not _proc_is_ours():
        return
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - strings, hot path
            with contextlib.suppress(OSError):
                for child in _read(f"/proc/{pid}/task/{thread}/children").split():
                    with contextlib.suppress(OSError):
                        yield _process(int(child))


@functools.cache
def _proc_is_ours() -> bool:
    """Whether /proc has our numbers for processes; another namespace's has not."""
    try:
        return str(Path("/proc/self").readlink()) == str(os.getpid())
    except OSError:
        return False


def _process(pid: int) -> _Process:
    """`man 5 proc_pid_stat`; the name may hold spaces and parentheses, so we count from its end."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return _Process(pid, int(fields[19]), int(fields[2]), int(fields[3]))


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path costs more than the read
        return file.read()


@functools.cache
def _adopt_orphans(_of: int) -> None:
    """Makes us the parent of every descendant that loses its own; without it the group must do.

    A fork of us must ask for itself.
    """
    if LINUX:
        with contextlib.suppress(OSError):
            prctl(PR_SET_CHILD_SUBREAPER, 1)


def _pidfd(pid: int) -> int | None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # before Linux 5.3, or a strict seccomp profile
            return os.pidfd_open(pid)
    return None


def _signal(send: Callable[[int, int], None], target: int, number: int) -> None:
    """If it is there, and we may; else whoever waits for its end sees that."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(target, number)
