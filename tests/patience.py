"""How long something may take that is promised in seconds: a promise about an idle machine."""

from __future__ import annotations

import os

_LOADED = 10


def promptly(seconds: float) -> float:
    """`seconds`, or much more where other processes, or other tests, want the processors too."""
    busy = os.getloadavg()[0] > (os.cpu_count() or 1) / 2 or "PYTEST_XDIST_WORKER" in os.environ
    return seconds * (_LOADED if busy else 1)
