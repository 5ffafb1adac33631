"""Files that others wrote, read within bounds: kind and size are looked at before the bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from autoresearch_ci.safety.bounded import MIB, Refused, shown_size


def file_bytes(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """A regular file's content, `limit` bytes at most; no pipe is waited for, no device opened.

    `follow`: whether `path` itself may be a link. Raises `Refused`, or `OSError` where there is
    nothing or nothing readable.
    """
    _check(path.stat(follow_symlinks=follow), limit)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 (a Path knows no flags)
        _check(os.fstat(descriptor), limit)  # what was opened may not be what was looked at
        parts = []
        left = limit + 1  # a file may grow, and those of /proc say that they are empty
        while left > 0 and (part := file.read(min(left, MIB))):
            parts.append(part)
            left -= len(part)
    if left <= 0:
        raise Refused(f"is larger than {shown_size(limit)}")
    return b"".join(parts)


def _check(status: os.stat_result, limit: int) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise Refused("is a link")
    if stat.S_ISDIR(status.st_mode):
        raise Refused("is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise Refused("is a pipe, socket or device, not a file")
    if status.st_size > limit:
        raise Refused(f"is larger than {shown_size(limit)}")
