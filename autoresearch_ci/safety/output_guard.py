"""The guard before our own output: no line of it is a command to a runner."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

from autoresearch_ci.safety.log import defuse


class Guarded:
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
    """Put a `Guarded` before stdout and stderr, unless they are a person's terminal.

    The answer takes them away again and must be called before the process ends.
    """
    guards = []
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not stream.isatty():
            guards.append(Guarded(stream))
            setattr(sys, name, guards[-1])

    def take_away() -> None:
        for guard in guards:
            guard.finish()
        sys.stdout, sys.stderr = before

    return take_away
