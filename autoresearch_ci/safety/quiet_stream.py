"""A text stream that falls silent when nobody reads it any more."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class QuietStream:
    """A text stream that stops writing when its reader is gone, and can write any character."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        if not self._gone:
            # what a terminal's encoding cannot say is written out, as defuse() does
            sayable = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
            with self._until_gone():
                self._stream.write(sayable)
        return len(text)

    def flush(self) -> None:
        if not self._gone:
            with self._until_gone():
                self._stream.flush()

    def isatty(self) -> bool:
        try:
            return self._stream.isatty()
        except ValueError:  # closed
            return False

    def fileno(self) -> int:
        return self._stream.fileno()

    @contextmanager
    def _until_gone(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):  # the reader is gone, or the stream was closed
            self._gone = True
            # else the interpreter meets the same error when it flushes at exit, and says so:
            # https://docs.python.org/3/library/signal.html#note-on-sigpipe
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
