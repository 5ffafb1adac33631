"""Runs one child to its end as process 1 should: passes signals on, reaps orphans, keeps time.

A runner that cancels a step sends SIGINT, 7.5 s later SIGTERM, 2.5 s later it kills
(actions/runner, ProcessInvoker.cs). The child gets the first and saves its work; what is not done
after `PATIENCE` is killed, so that there is time left to say what happened.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Literal

from autoresearch_ci.execution import processes
from autoresearch_ci.execution.processes import ProcessTree
from autoresearch_ci.execution.watch import StreamLines, Watch

Channel = Literal["out", "err"]
Begin = Callable[..., "subprocess.Popen[bytes]"]
"""Begins a child, given what `Popen` is given."""

PATIENCE = 4.0
"""Seconds from the first signal until the child is killed; summary and outputs are due at 6."""
_SWEEP = 0.5
"""Seconds to wait for what was left behind and killed."""
_TICK = 0.1
"""Seconds between looks at the signals that arrived and at the orphans that ended."""
_LINE = 1 << 20
"""Bytes after which a line is cut."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopping:
    """From its creation on, signals no longer end this process: they are remembered.

    Process 1 has no default action for them at all.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        """When the first one arrived, on the monotonic clock."""
        self._send: Callable[[int], None] | None = None
        for number in _SIGNALS:
            signal.signal(number, self._arrived)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        if self.since is None:
            self.since = time.monotonic()
        if self._send is not None:
            self._send(number)

    def watch(self, send: Callable[[int], None] | None) -> None:
        """What passes signals on from now on; one that arrived before is passed on at once."""
        self._send = send
        if send is not None and self.since is not None:
            send(signal.SIGINT)


def supervise(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stopping: Stopping,
    on_line: Callable[[Channel, str], None],
    whole_group: bool = False,
    begin: Begin = subprocess.Popen,
) -> int:
    """Run `argv` in a session of its own; nothing that it started outlives it.

    Its exit code, as a shell has it: 128 + N for signal N, 127 where it could not be started.
    `whole_group`: a shell does not pass signals on, and goes on after a SIGINT when its command
    did not die of it; so it and all that it started get SIGTERM.
    """
    if stopping.since is not None:
        return 130
    try:
        tree = processes.start(
            lambda: begin(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        )
    except OSError as error:
        on_line("err", f"{argv[0]}: {error.strerror}")
        return 127
    out, err = (StreamLines(partial(on_line, stream), _LINE) for stream in ("out", "err"))
    with tree:
        stopping.watch((lambda _: tree.terminate()) if whole_group else tree.send)
        try:
            watch = Watch(tree, dict(zip(tree.pipes, (out.feed, err.feed), strict=True)))
            watch.until_exit(_Limit(tree, stopping))
            if tree.reap():
                watch.linger()
        finally:
            stopping.watch(None)
        code = tree.kill_all(_SWEEP)
        watch.drain()
        for lines in (out, err):
            lines.end()
    return code if code >= 0 else 128 - code


class _Limit:
    """The child may take any time, until somebody wants it to end."""

    def __init__(self, tree: ProcessTree, stopping: Stopping) -> None:
        self._tree = tree
        self._stopping = stopping

    def look(self, now: float) -> float:
        self._tree.reap_orphans()
        since = self._stopping.since
        return now + _TICK if since is None else since + PATIENCE
