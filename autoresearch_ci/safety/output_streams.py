"""The streams that we print to: no line of it is a command to a runner, and a reader may leave."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from autoresearch_ci.safety.log_text import defuse


class GuardedStream:
    """A text stream on which no line is a workflow command, whatever is printed: every line passes
    through `defuse` when it is complete."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        *whole, self._begun = f"{self._begun}{text}".split("\n")
        if whole:
            self.stream.write("".join(f"{defuse(line)}\n" for line in whole))
        return len(text)

    def finish(self) -> None:
        """Write what has no end of line, once nothing can follow it."""
        begun, self._begun = self._begun, ""
        if begun:
            self.stream.write(defuse(begun))
        self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)  # flush, isatty, fileno, encoding


def guard_output() -> Callable[[], None]:
    """Put a `GuardedStream` before stdout and stderr, unless they are a person's terminal.

    The answer takes them away again and must be called before the process ends.
    """
    guards = []
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not stream.isatty():
            guards.append(GuardedStream(stream))
            setattr(sys, name, guards[-1])

    def take_away() -> None:
        sys.stdout, sys.stderr = before
        for guard in guards:
            try:
                guard.finish()
            except OSError:  # nobody reads any more: the interpreter would try it once more
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, guard.fileno())
                os.close(nowhere)

    return take_away


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
