"""Runs one command as it is, its streams untouched, and says what it cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_SMALL = """\
import json, os, sys, time
floor = os.wait4(os.posix_spawnp("true", ["true"], os.environ), 0)[2].ru_maxrss
began = time.perf_counter()
try:
    process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
except OSError as error:
    found = {"errno": error.errno}
else:
    _, status, usage = os.wait4(process, 0)
    found = {
        "seconds": time.perf_counter() - began,
        "code": os.waitstatus_to_exitcode(status),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        # The kernel's counters are approximate, and this interpreter has grown since.
        "peak": usage.ru_maxrss if usage.ru_maxrss > floor * 1.05 else None,
    }
os.write(int(sys.argv[1]), json.dumps(found).encode())
"""
"""A process that is started begins with the memory of whoever starts it as its peak, so that is
done by an interpreter with nothing in it: some 10 MiB, and not our own 100."""
_UNIT = 1 << 20 if sys.platform == "darwin" else 1 << 10
"""Of `ru_maxrss`, in MiB."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What the kernel counted for a command and all that it waited for."""

    exit_code: int
    """As a shell says it: 128 and the signal that ended it."""
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float | None
    """MiB, of the largest single process; `None` when it takes no more than one that does nothing,
    which begins with what its parent has."""


def timed(argv: Sequence[str], stdout: int | None = None) -> Timed:
    """Runs it to its end. `stdout`: where what it prints goes, else where ours does.

    Raises `OSError` when it cannot be started.
    """
    reader, writer = os.pipe()
    small = [sys.executable, "-I", "-S", "-c", _SMALL, str(writer), *argv]
    with (
        os.fdopen(reader, "rb") as told,
        os.fdopen(writer, "wb") as ours,
        subprocess.Popen(small, pass_fds=(writer,), stdout=stdout) as process,
    ):
        ours.close()
        said = told.read()
    if not said:
        raise OSError(process.returncode, "the command was killed with what timed it")
    found = json.loads(said)
    if "errno" in found:
        raise OSError(found["errno"], os.strerror(found["errno"]))
    code, peak = found["code"], found["peak"]
    return Timed(
        exit_code=code if code >= 0 else 128 - code,
        seconds=found["seconds"],
        cpu_seconds=found["cpu_seconds"],
        peak_memory_mb=None if peak is None else peak / _UNIT,
    )
