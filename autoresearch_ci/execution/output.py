"""Keeps the head and the tail of a stream of any length, and hands out its lines as they arrive.

Bounded in memory and on disk. Where the bytes come from, and what they mean, is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Self

HEAD_BYTES = TAIL_BYTES = 1 << 20
"""What is kept of a command's output, in memory and in its log: the first and the last mebibyte."""
LINE_BYTES = 8192
"""`on_line` sees at most this much of a line."""


class Output:
    """Head and tail of a stream of any length, and its lines as they arrive."""

    def __init__(self, log: Path | None, on_line: Callable[[str], bool | None] | None) -> None:
        self.total = 0
        self.asked_to_stop = False
        self._head = bytearray()
        self._tail = bytearray()
        """May hold twice TAIL_BYTES, so that it is trimmed once per mebibyte and not per read."""
        self._line = b""
        self._on_line = on_line
        self._log: BinaryIO | None = None if log is None else log.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._log is not None:
            with self._log:
                self._log.write(self._marker() + self._kept_tail())

    def feed(self, chunk: bytes) -> None:
        self.total += len(chunk)
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            if self._log is not None:
                self._log.write(chunk[:room])
                self._log.flush()
        self._tail += chunk[max(room, 0) :]
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        if self._on_line is not None:
            self._feed_lines(chunk)

    def feed_last_line(self) -> None:
        """The stream has ended: what follows the last newline is a line too."""
        if self._on_line is not None:
            self._feed_lines(b"\n")

    def _feed_lines(self, chunk: bytes) -> None:
        *ended, rest = re.split(rb"[\r\n]", chunk)
        for piece in ended:
            line, self._line = (self._line + piece[:LINE_BYTES])[:LINE_BYTES], b""
            if line and not self.asked_to_stop and self._on_line is not None:
                self.asked_to_stop = bool(self._on_line(line.decode(errors="replace")))
        self._line = (self._line + rest[:LINE_BYTES])[:LINE_BYTES]

    def text(self) -> str:
        return (self._head + self._marker() + self._kept_tail()).decode(errors="replace")

    def tail_text(self) -> str:
        return (self._head + self._kept_tail())[-TAIL_BYTES:].decode(errors="replace")

    def _kept_tail(self) -> bytes:
        return bytes(self._tail[-TAIL_BYTES:])

    def _marker(self) -> bytes:
        dropped = self.total - HEAD_BYTES - TAIL_BYTES
        return b"\n[... %d bytes not kept ...]\n" % dropped if dropped > 0 else b""


def last_lines(text: str, count: int = 20) -> str:
    """How a command's output ended, for an error message."""
    return "\n".join(text.strip().splitlines()[-count:]) or "(it printed nothing)"
