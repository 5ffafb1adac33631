"""Has commands started in namespaces of their own: by a small process, see within.py."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoresearch_ci.execution.sandbox.kernel import NotConfined
from autoresearch_ci.execution.sandbox.within import NOT_EXECUTED, STARTED

_TOLD_BYTES = 4096
_PROGRAM = "import os, sys; sys.path.append(os.environ.pop('WHERE')); import within; within.main()"


class Starter:
    """One process; may be asked by several threads."""

    def __init__(self, users: int | None = None) -> None:
        """`users`: the namespace of users that all of its commands are in; `None`: ours.

        Raises `OSError`.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given = [theirs.fileno(), *(() if users is None else (users,))]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, *map(str, given)],
                pass_fds=given,
                # Commands see its arguments, and not its environment.
                env={"WHERE": str(Path(__file__).parent)},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,  # as ours may be killed as one, and it is to end after us
            )
        self._channel = ours
        self._lock = threading.Lock()
        self._of = os.getpid()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it is there, and ours: a fork of us needs its own."""
        return self._of == os.getpid() and self._process.poll() is None

    def start(
        self, request: Mapping[str, Any], mounts: int, streams: Sequence[int]
    ) -> tuple[int, int]:
        """The first process of a command, a child of ours; and where its exit code comes, a byte.

        When that process has ended, so has all that was started; killing it ends all.

        `request`: see `within._start`. `mounts`: a descriptor of the namespace of its mounts.
        `streams`: its input and outputs. Raises `NotConfined`, and `OSError` where there is no
        program that could be executed.
        """
        words = os.memfd_create("request")
        reader, told = os.pipe()
        try:
            os.write(words, json.dumps(request).encode())
            pid = self._ask([words, mounts, *streams, told])
        except OSError as error:
            os.close(reader)
            raise NotConfined(f"{error.strerror or error}") from error
        finally:
            os.close(words)
            os.close(told)
        if os.read(reader, 1) == STARTED:
            os.set_blocking(reader, False)
            return pid, reader
        why = os.read(reader, _TOLD_BYTES)
        os.close(reader)
        if pid > 0:
            os.waitpid(pid, 0)
        raise _failure(*json.loads(why)) if why else NotConfined("it was killed at once")

    def _ask(self, given: Sequence[int]) -> int:
        """What is negative has told why."""
        with self._lock:
            socket.send_fds(self._channel, [b"."], given)
            answer = self._channel.recv(4)
        if not answer:
            raise OSError("who starts commands has ended")
        return int.from_bytes(answer, sys.byteorder, signed=True)

    def close(self) -> None:
        if self._of == os.getpid():
            self._channel.close()
            self._process.wait()
        else:  # a fork may have closed what it inherited, and have opened something else instead
            self._channel.detach()
            self._process.returncode = 0


def _failure(what: str, number: int, place: str) -> Exception:
    error = OSError(number, os.strerror(number), *([place] if place else ()))
    return error if what == NOT_EXECUTED else NotConfined(str(error))
