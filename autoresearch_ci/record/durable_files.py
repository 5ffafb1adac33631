"""Writes that survive a power cut: a line or a file is there whole, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def append_line(path: Path, line: bytes, mode: int = 0o644) -> None:
    """Add `line` in one write; a torn last line of an earlier crash is cut off first.

    `mode`: of a file that is new. Raises `OSError` (a full disk, a link in the file's place); the
    file then ends as before.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, mode)
    try:
        size = os.fstat(descriptor).st_size
        end = _end_of_last_line(descriptor, size)
        if end < size:
            os.ftruncate(descriptor, end)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(descriptor)
            if size == 0:
                _sync_folder(path.parent)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """The file holds `content`, and nothing else ever stood at its name."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def write_out(path: Path, content: bytes) -> None:
    """Likewise where a person says; what is no file there (`/dev/stdout`, a pipe) gets it instead,
    and stays what it is.

    A link is replaced, unless the system has it: a checkout could say which file it leads to.
    """
    system = path.is_relative_to("/dev") and not path.is_relative_to("/dev/shm")
    if system or (not path.is_symlink() and (path.is_char_device() or path.is_fifo())):
        path.write_bytes(content)
    else:
        replace_file(path, content)


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


def _sync_folder(folder: Path) -> None:
    """Make a new file's name as durable as its content."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
