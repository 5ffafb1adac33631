"""How long something may take that is promised in seconds: a promise about an idle machine."""

from __future__ import annotations

import os
import subprocess
import time

_LOADED = 10
_IDLE = 0.05
"""Seconds that ten starts of git take a machine of two cores that does nothing else."""


def promptly(seconds: float) -> float:
    """`seconds`, or much more where other processes, or other tests, want the processors too."""
    busy = os.getloadavg()[0] > (os.cpu_count() or 1) / 2 or "PYTEST_XDIST_WORKER" in os.environ
    return seconds * (_LOADED if busy else 1)


def slowdown() -> float:
    """How many times as long as an idle machine this one takes just now to start processes."""
    began = time.monotonic()
    for _ in range(10):
        subprocess.run(["git", "--version"], check=True, capture_output=True)
    return max(1.0, (time.monotonic() - began) / _IDLE)
