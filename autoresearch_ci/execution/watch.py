"""Listens to a running command until it has exited or must be killed; what it says is not judged.

When its time is up, and what is done then, the `Limit` knows. `StreamLines` cuts what it prints.
"""

from __future__ import annotations

import os
import re
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from autoresearch_ci.execution.processes import ProcessTree

_CHUNK = 1 << 16
LINGER, _LINGER_IDLE = 0.5, 0.25
"""Seconds, in all and between two reads, for output that comes after the command's own exit."""
_TICK = 0.01
"""Seconds between looks at the child where there is no pidfd."""
_DRAINED = 16
"""Chunks that are read of what the dead have left: bounded, as one may have survived (sudo)."""


class Limit(Protocol):
    """Decides how long a command may run."""

    def look(self, now: float) -> float | None:
        """When to look again at the latest, whatever happens; `now` or before: kill it."""


class Watch:
    """Of one started command."""

    def __init__(self, tree: ProcessTree, readers: Mapping[int, Callable[[bytes], object]]) -> None:
        """`readers`: who is given what arrives in each of the command's pipes."""
        self._tree = tree
        self._open = dict(readers)

    def until_exit(self, limit: Limit, wake: int | None = None) -> None:
        """Returns when the command itself has exited, or must now be killed.

        `wake`: readable once `limit` has to look at once.
        """
        with self._selector() as selector:
            for descriptor in (self._tree.pidfd, wake):
                if descriptor is not None:
                    selector.register(descriptor, selectors.EVENT_READ)
            while not self._tree.reap():
                now = time.monotonic()
                due = limit.look(now)
                if due is not None and due <= now:
                    return
                for ready in self._ready(selector, None if due is None else due - now):
                    if ready in self._open:
                        self._read(ready, selector)
                    elif ready == self._tree.pidfd:
                        # While it can still be seen by others: what comes later is not its own.
                        self._take(selector)
                    elif ready == wake:  # it stays readable, and would spin
                        selector.unregister(wake)
            self._take(selector)  # it may have printed and ended since we last looked

    def linger(self, seconds: float = LINGER) -> None:
        """Lets helpers that outlive the command, as in `exec > >(tee log)`, hand over the rest.

        One that says nothing for `_LINGER_IDLE` is a daemon, and will be killed.
        """
        until = time.monotonic() + seconds
        with self._selector() as selector:
            while self._open and (left := until - time.monotonic()) > 0:
                ready = selector.select(min(left, _LINGER_IDLE))
                if not ready:
                    return
                for key, _ in ready:
                    self._read(key.fd, selector)

    def open_pipes(self) -> frozenset[int]:
        """Those that somebody may still write to, as far as has been read."""
        return frozenset(self._open)

    def drain(self) -> None:
        """Takes what the dead left in the pipes."""
        if not self._open:
            return
        with self._selector() as selector:
            self._take(selector)

    def _take(self, selector: selectors.BaseSelector) -> None:
        for _ in range(_DRAINED):
            for pipe in list(self._open):
                self._read(pipe, selector)

    def _selector(self) -> selectors.BaseSelector:
        selector = selectors.DefaultSelector()
        for pipe in self._open:
            selector.register(pipe, selectors.EVENT_READ)
        return selector

    def _ready(self, selector: selectors.BaseSelector, wait: float | None) -> list[int]:
        if self._tree.pidfd is None:
            wait = _TICK if wait is None else min(wait, _TICK)
        return [key.fd for key, _ in selector.select(wait)]

    def _read(self, pipe: int, selector: selectors.BaseSelector) -> None:
        try:
            chunk = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return
        if chunk:
            self._open[pipe](chunk)
        else:
            selector.unregister(pipe)
            del self._open[pipe]


class StreamLines:
    """A stream cut into lines; `\\n` and `\\r` both end one, empty ones are left out."""

    def __init__(self, on_line: Callable[[str], object], limit: int) -> None:
        """`limit`: bytes of a line; the rest of it is dropped."""
        self._on_line = on_line
        self._limit = limit
        self._begun = bytearray()

    def feed(self, chunk: bytes) -> None:
        *ended, rest = re.split(rb"[\r\n]", chunk)
        for piece in ended:
            self._begin(piece)
            line, self._begun = self._begun, bytearray()
            if line:
                self._on_line(line.decode(errors="replace"))
        self._begin(rest)

    def end(self) -> None:
        """The stream has ended: what follows the last line end is a line, too."""
        self.feed(b"\n")

    def _begin(self, piece: bytes) -> None:
        self._begun += piece[: self._limit - len(self._begun)]
