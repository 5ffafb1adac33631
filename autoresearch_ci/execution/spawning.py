"""Starts a process that is confined before it is executed; what confines it is not decided here.

On Linux, what a process may do is a property of each of its threads, and inherited. So a thread
confines itself, starts the command and ends: forking all of our memory only to confine the copy
would take several times as long as everything else.
"""

from __future__ import annotations

import os
import subprocess
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from autoresearch_ci.execution.sandbox.kernel import NotConfined, Start, Within


class Enter(Protocol):
    """What is done to a command before it is executed; prepared by the parent."""

    forks: bool
    """Whether it must be done in a forked child, and is too much for a thread."""

    def __call__(self) -> None:
        """Raises when the command must not be started; calls the kernel and nothing else."""

    start: Start | None
    """Who starts the command instead of us, confined as it shall be."""

    within: Within | None
    """Where it is done, unless any thread will do."""

    end: Callable[[], None] | None
    """Kills all processes of commands that it was done to, whoever their parents are."""

    def own_output(self, descriptor: int) -> None:
        """Hand the pipe that the command prints to over to it."""

    def failure(self) -> str:
        """Why it raised, in the parent."""


class Started(Protocol):
    """What we need of a `subprocess.Popen`, started in a session of its own."""

    pid: int
    returncode: int | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None
    """`None`: it is in stdout."""


@dataclass
class Apart:
    """A process whose end is the end of the command that it waits for, and of all below that."""

    pid: int
    ended: int
    """Readable when the command itself has ended: its exit code, a byte. Who reads it closes it."""
    returncode: int | None = None
    stdout: IO[bytes] | None = None
    stderr: IO[bytes] | None = None


def spawn(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    enter: Enter | None,
    *,
    apart: bool = False,
) -> Started:
    """In a session of its own, with stdout and stderr in one pipe, or in two to be kept `apart`.

    Raises `NotConfined`, and `OSError` or `ValueError` when the command cannot be executed.
    """
    pairs = [os.pipe() for _ in range(1 + apart)]
    outputs = [open(reader, "rb", buffering=0) for reader, _ in pairs]  # noqa: PTH123, SIM115
    writers = [writer for _, writer in pairs]
    try:
        process = _begun(argv, cwd, env, enter, writers)
    except BaseException:
        for output in outputs:
            output.close()
        raise
    finally:
        for writer in writers:
            os.close(writer)
    process.stdout, process.stderr = outputs[0], outputs[1] if apart else None
    return process


def _begun(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    enter: Enter | None,
    writers: Sequence[int],
) -> Started:
    if enter:
        for writer in writers:
            enter.own_output(writer)
    if enter and enter.start:
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor
            streams = (nothing.fileno(), writers[0], writers[-1])
            return Apart(*enter.start(argv, cwd, env, streams))

    def start(confine: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=writers[0],
            stderr=writers[-1],
            start_new_session=True,
            preexec_fn=confine,  # noqa: PLW1509 - it calls the kernel and nothing else
        )

    if enter is None:
        return start()
    return _from_a_fork(enter, start) if enter.forks else _from_a_thread(enter, start)


def _here(act: Callable[[], None]) -> None:
    act()


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

    def in_a_thread() -> None:
        thread = threading.Thread(target=act, name="confined")
        thread.start()
        thread.join()

    (enter.within or _here)(in_a_thread)
    if failed:
        raise failed[0]
    return started[0]
