"""Starts a process that is confined before it is executed; what confines it is not decided here.

On Linux, what a process may do is a property of each of its threads, and inherited. So a thread
confines itself, starts the command and ends: forking all of our memory only to confine the copy
would take several times as long as everything else.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from autoresearch_ci.execution.sandbox.kernel import Confinement


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
    enter: Confinement | None,
    *,
    apart: bool = False,
) -> Started:
    """In a session of its own, with stdout and stderr in one pipe, or in two to be kept `apart`.

    Raises `NotConfined`, and `OSError` or `ValueError` when the command cannot be executed.
    """
    pairs = [os.pipe() for _ in range(1 + apart)]
    outputs = [open(reader, "rb", buffering=0) for reader, _ in pairs]  # noqa: PTH123, SIM115
    writers = [writer for _, writer in pairs]
    process: Started
    try:
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor
            streams = (nothing.fileno(), writers[0], writers[-1])
            if enter:
                for writer in writers:
                    enter.own_output(writer)
            if enter and enter.start:
                process = Apart(*enter.start(argv, cwd, env, streams))
            elif enter:
                process = _confined(enter, lambda: _begun(argv, cwd, env, streams, enter.user))
            else:
                process = _begun(argv, cwd, env, streams)
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
    streams: Sequence[int],
    user: tuple[int, int] | None = None,
) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = streams
    uid, gid = user or (None, None)
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        user=uid,
        group=gid,
        extra_groups=() if user else None,
    )


def _confined(
    enter: Confinement, start: Callable[[], subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    started: list[subprocess.Popen[bytes]] = []
    failed: list[BaseException] = []

    def act() -> None:
        try:
            enter()
            started.append(start())
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            failed.append(error)

    def in_a_thread() -> None:
        thread = threading.Thread(target=act, name="confined")
        thread.start()
        thread.join()

    if enter.within:
        enter.within(in_a_thread)
    else:
        in_a_thread()
    if failed:
        raise failed[0]
    return started[0]
