"""Starts a process that is confined before it is executed; what confines it is not decided here.

On Linux, what a process may do is a property of each of its threads, and inherited. So a thread
confines itself, starts the command and ends: forking all of our memory only to confine the copy
would take several times as long as everything else.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from autoresearch_ci.execution.sandbox.kernel import Launch

_HALF_OF_ALL, _ALL = 500, 1000
"""Memory that a command shall seem to use beside its own (`man 5 proc_pid_oom_score_adj`)."""


class Enter(Protocol):
    """What is done to a command before it is executed; prepared by the parent."""

    forks: bool
    """Whether it must be done in a forked child, and is too much for a thread."""

    def __call__(self) -> None:
        """Raises when the command must not be started; calls the kernel and nothing else."""

    end: Callable[[], None] | None
    """Kills all processes of commands that it was done to, whoever their parents are."""

    def launch(self, argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Launch:
        """What is executed to have the command executed, in that folder."""

    def own_output(self, descriptor: int) -> None:
        """Hand the pipe that the command prints to over to it."""

    def failure(self) -> str:
        """Why it raised, in the parent."""


class Wrapped(subprocess.Popen[bytes]):
    """A program that confines the command which it then starts."""

    status: int
    """See `Launch.status`; closed by who reads it."""


class NotConfined(Exception):
    """The command was not started; the text is the reason."""


def spawn(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    enter: Enter | None,
    *,
    apart: bool = False,
) -> subprocess.Popen[bytes]:
    """In a session of its own, with stdout and stderr in one pipe, or in two to be kept `apart`.

    Raises `NotConfined`, and `OSError` or `ValueError` when the command cannot be executed.
    """
    launch = enter.launch(argv, cwd, env) if enter else Launch(argv=argv, environment=env)
    pairs = [os.pipe() for _ in range(1 + apart)]
    outputs = [open(reader, "rb", buffering=0) for reader, _ in pairs]  # noqa: PTH123, SIM115
    writers = [writer for _, writer in pairs]
    try:
        if enter:
            for writer in writers:
                enter.own_output(writer)

        def start(confine: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
            kind = subprocess.Popen if launch.status is None else Wrapped
            return kind(
                launch.argv,
                cwd=cwd,
                env=launch.environment,
                stdin=subprocess.DEVNULL,
                stdout=writers[0],
                stderr=writers[-1],
                start_new_session=True,
                preexec_fn=confine,
                pass_fds=launch.given,
            )

        if enter is None:
            process = start()
        elif enter.forks:
            process = _from_a_fork(enter, start)
        else:
            process = _from_a_thread(enter, start)
    except BaseException:
        for output in outputs:
            output.close()
        if launch.status is not None:
            os.close(launch.status)
        raise
    finally:
        for descriptor in (*writers, *launch.given):
            os.close(descriptor)
    if isinstance(process, Wrapped) and launch.status is not None:
        process.status = launch.status
    process.stdout, process.stderr = outputs[0], outputs[1] if apart else None
    _goes_first(process.pid)
    return process


def _goes_first(pid: int) -> None:
    """When memory runs out the kernel kills the command or what it starts, rather than us.

    It looks at who uses most, and that may be us: what a command writes to /dev/shm is nobody's.
    """
    with contextlib.suppress(OSError):  # gone already; or no Linux
        ours = int(Path("/proc/self/oom_score_adj").read_text())
        worse = min(ours + _HALF_OF_ALL, _ALL)
        Path(f"/proc/{pid}/oom_score_adj").write_text(f"{worse}")


def _from_a_fork(
    enter: Enter, start: Callable[[Callable[[], None]], subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    with warnings.catch_warnings():
        # Python 3.12 warns of locks that other threads may hold: `enter` takes none.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return start(enter)
        except subprocess.SubprocessError as error:
            raise NotConfined(enter.failure()) from error


def _from_a_thread(
    enter: Enter, start: Callable[[], subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    started: list[subprocess.Popen[bytes]] = []
    failed: list[BaseException] = []

    def act() -> None:
        try:
            try:
                enter()
            except OSError as error:
                raise NotConfined(enter.failure()) from error
            started.append(start())
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            failed.append(error)

    thread = threading.Thread(target=act, name="confined")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return started[0]
