"""Lock files of git on a ref of ours: whose they are, and when one may be removed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from autoresearch_ci.errors import WorkspaceError

STALE_AFTER = 1.0
"""Seconds that a lock must have lain there while no git worked in the repository."""
PATIENCE = 15.0
"""Seconds to wait for a git that is alive."""


def wait_or_break(lock: Path, places: Sequence[Path], patience: float = PATIENCE) -> None:
    """Return once `lock` is gone: a living git gives it back, a killed one's is removed.

    `places`: folders in one of which such a git has its working folder. Raises `WorkspaceError`.
    """
    began = idle_since = time.monotonic()
    while os.path.lexists(lock):  # false, too, for a name that no file can have
        now = time.monotonic()
        if _git_alive(places):
            idle_since = now
        elif now - idle_since >= STALE_AFTER:
            lock.unlink(missing_ok=True)
            return
        if now - began > patience:
            raise refusal(lock)
        time.sleep(0.1)


def refusal(lock: Path) -> WorkspaceError:
    """Somebody else's git holds a ref of ours."""
    return WorkspaceError(
        f"{lock} exists: another git process works on that ref.\n"
        "usually: a git command or an editor of yours is still running in this repository, or was "
        "killed.\n"
        "do: let it finish (ps -C git), then --resume, which removes a lock that nobody holds; "
        "nothing is lost."
    )


def _git_alive(places: Iterable[Path]) -> bool:
    """Whether a git that we did not start has its working folder in one of `places`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if not (process / "comm").read_text(errors="replace").startswith("git"):
                continue
            parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            folder = (process / "cwd").readlink()
        except OSError:  # it has ended, or is another user's
            continue
        if int(parent) != os.getpid() and any(folder.is_relative_to(place) for place in places):
            return True
    return False
