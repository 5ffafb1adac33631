"""Processes that share little memory, so that the kernel kills one of them: a cgroup of a test's.

Only what a test starts through `under` is in it, and never the test itself.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MemoryLimit:
    """A folder of the kernel's, `man 7 cgroups`."""

    folder: Path

    @property
    def under(self) -> Sequence[str]:
        """A command line to put in front of the one that shall be limited."""
        join = 'echo $$ > "$0" && exec "$@"'
        return ("sh", "-c", join, str(self.folder / "cgroup.procs"))

    @property
    def kills(self) -> int:
        """How often the kernel killed one of them for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                rows = (line.split() for line in (self.folder / name).read_text().splitlines())
                return next(int(count) for key, count in rows if key == "oom_kill")
        return 0


@contextlib.contextmanager
def memory_limit(name: str, size: int) -> Iterator[MemoryLimit]:
    """So many bytes for all together. Raises `OSError` with the reason where that may not be."""
    above, limits = _parent(size)
    folder = above / name
    folder.mkdir()
    try:
        for file, value in limits.items():
            with contextlib.suppress(FileNotFoundError):  # a kernel that does not count swap
                _write(folder / file, value)
        yield MemoryLimit(folder)
    finally:
        _remove(folder)


def _parent(size: int) -> tuple[Path, Mapping[str, str]]:
    """Where we may make a cgroup, and what is to be written there."""
    whose = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for _, controllers, path in whose:
        if "memory" in controllers.split(","):
            limits = {
                "memory.limit_in_bytes": str(size),
                "memory.memsw.limit_in_bytes": str(size),
            }
            return _mounted("cgroup", "memory", path), limits
    path = next((path for number, _, path in whose if number == "0"), "/")
    limits = {"memory.max": str(size), "memory.swap.max": "0"}
    here = _mounted("cgroup2", "", path)
    for folder in (here, *here.parents):
        # Only those below which memory is counted; who is in which is not changed.
        control = folder / "cgroup.subtree_control"
        if control.exists() and "memory" in control.read_text().split():
            return folder, limits
    raise OSError(f"no cgroup above {here} counts the memory of those below it")


def _mounted(kind: str, option: str, path: str) -> Path:
    """Where the hierarchy's cgroup of that path is."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split()[3:5]
        found, _, options = after.split()
        if found == kind and (not option or option in options.split(",")):
            below = os.path.relpath(path, root)
            return Path(place) if below.startswith("..") else Path(place, below)
    raise OSError(f"no {kind} {option} is mounted")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)  # there is nothing to be made in such a folder
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """As soon as the last of its processes has been reaped."""
    deadline = time.monotonic() + 100
    while True:
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
