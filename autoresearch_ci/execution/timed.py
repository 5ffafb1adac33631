"""Runs one command as it is, its streams untouched, and says what it cost."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

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
    """MiB, of the largest single process; `None` when it stayed below our own peak, which a process
    that we start inherits."""


def timed(argv: Sequence[str]) -> Timed:
    """Runs it to its end. Raises `OSError` when it cannot be started."""
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    process = os.posix_spawnp(argv[0], list(argv), os.environ)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    code = os.waitstatus_to_exitcode(status)
    return Timed(
        exit_code=code if code >= 0 else 128 - code,
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_memory_mb=usage.ru_maxrss / _UNIT if usage.ru_maxrss > ours else None,
    )
