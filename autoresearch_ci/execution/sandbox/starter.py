"""Has commands started in namespaces of their own: by a small process, see starter_process.py."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoresearch_ci.execution.sandbox.kernel import NotConfined
from autoresearch_ci.execution.sandbox.starter_process import (
    MAKE_FRESH,
    NOT_EXECUTED,
    START,
    STARTED,
)

_TOLD_BYTES = 4096
_PROGRAM = """import os, sys
sys.path.append(os.environ.pop('WHERE'))
import starter_process
starter_process.main()"""


class Starter:
    """One process; may be asked by several threads."""

    def __init__(self, *namespaces: int) -> None:
        """`namespaces`: see `starter_process.serve`. Raises `OSError`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given = [theirs.fileno(), *namespaces]
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

        `request`: see `starter_process._start`. `mounts`: of a namespace of mounts, a descriptor.
        `streams`: its input and outputs. Raises `NotConfined`, and `OSError` where there is no
        program that could be executed.
        """
        pid, _, reader = self._asked(START, request, [mounts, *streams])
        if os.read(reader, 1) == STARTED:
            os.set_blocking(reader, False)
            return pid, reader
        why = os.read(reader, _TOLD_BYTES)
        os.close(reader)
        if pid > 0:
            os.waitpid(pid, 0)
        raise _failure(why)

    def make_fresh(self, request: Mapping[str, Any], mounts: int) -> tuple[int, int]:
        """Of one measurement: a namespace of mounts, and the folder in it that `request` names.

        `request`: see `starter_process._make_fresh`. Raises `NotConfined`.
        """
        _, made, reader = self._asked(MAKE_FRESH, request, [mounts])
        with open(reader, "rb", buffering=0) as told:  # noqa: PTH123 - a descriptor
            if not made:
                raise _failure(told.read(_TOLD_BYTES)[1:])
        return made[0], made[1]

    def _asked(
        self, what: bytes, request: Mapping[str, Any], given: Sequence[int]
    ) -> tuple[int, list[int], int]:
        """The answer, what came with it, and where more is told. Raises `NotConfined`."""
        words = os.memfd_create("request")
        reader, told = os.pipe()
        try:
            os.write(words, json.dumps(request).encode())
            return *self._ask(what, [words, *given, told]), reader
        except OSError as error:
            os.close(reader)
            raise NotConfined(f"{error.strerror or error}") from error
        finally:
            os.close(words)
            os.close(told)

    def _ask(self, what: bytes, given: Sequence[int]) -> tuple[int, list[int]]:
        """What is negative has told why."""
        with self._lock:
            socket.send_fds(self._channel, [what], given)
            # Not `recv_fds`, which takes no flags, whatever it is given.
            room = socket.CMSG_SPACE(2 * array("i").itemsize)
            answer, sent, _, _ = self._channel.recvmsg(4, room, socket.MSG_CMSG_CLOEXEC)
        if not answer:
            raise OSError("who starts commands has ended")
        made = [number for _, _, raw in sent for number in array("i", raw)]
        return int.from_bytes(answer, sys.byteorder, signed=True), made

    def close(self) -> None:
        if self._of == os.getpid():
            self._channel.close()
            self._process.wait()
        else:  # a fork may have closed what it inherited, and have opened something else instead
            self._channel.detach()
            self._process.returncode = 0


def _failure(told: bytes) -> Exception:
    if not told:
        return NotConfined("it was killed at once")
    what, number, place = json.loads(told)
    error = OSError(number, os.strerror(number), *([place] if place else ()))
    return error if what == NOT_EXECUTED else NotConfined(str(error))
