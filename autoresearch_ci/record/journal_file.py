"""The file that holds the journal: appended to, row by row, and no row is ever changed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from autoresearch_ci.experiment import Direction
from autoresearch_ci.record import journal_tsv as journal
from autoresearch_ci.safety.bounded import Unreadable
from autoresearch_ci.safety.files import file_bytes


def append(path: Path, line: str) -> None:
    """Add `line` durably, in one write; a torn last line of an earlier crash is cut off first.

    Raises `OSError` (a full disk, a link in the file's place); the file then ends as before.
    """
    data = (line.removesuffix("\n") + "\n").encode("utf-8", errors="replace")
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        end = _end_of_last_line(descriptor, size)
        if end < size:
            os.ftruncate(descriptor, end)
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError(f"{path}: no room for a whole row; free some disk space")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)
    if size == 0:
        _sync_directory(path.parent)


def is_ours(path: Path) -> bool:
    """Whether a run of this program wrote the file, and not another tool or a person."""
    beginnings = [journal.header(direction).encode() for direction in Direction]
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(max(map(len, beginnings))).startswith(tuple(beginnings))
    return False


def make_sure(path: Path, text: str) -> None:
    """The journal holds `text`: written anew only if it does not, and then all or nothing."""
    data = text.encode()
    with contextlib.suppress(OSError, Unreadable):
        if file_bytes(path, len(data)) == data:
            return
    temporary = path.with_suffix(".tsv.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _end_of_last_line(descriptor: int, size: int) -> int:
    """The offset after the last newline; 0 when there is none."""
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _sync_directory(directory: Path) -> None:
    """Make a new file's name as durable as its content."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
