"""Runs one user command: with a timeout, killed as a tree, watched by a `Stop`, bounded in output.

What the command is for, and what its output means, is not decided here. It gets a session of its
own, so a terminal's Ctrl-C reaches only us and arrives as `Stop`. Of its output the head and the
tail are kept, in bounded memory, and lines are handed out as they arrive (watch.py).
"""

from __future__ import annotations

import errno
import functools
import os
import shlex
import shutil
import signal
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_ci import errors
from autoresearch_ci.execution import processes
from autoresearch_ci.execution.processes import PATIENCE, PATIENCE_STOPPING, ProcessTree
from autoresearch_ci.execution.sandbox.kernel import Confinement, NotConfined
from autoresearch_ci.execution.spawning import spawn
from autoresearch_ci.execution.telling_line import telling_line
from autoresearch_ci.execution.watch import LINGER, StreamLines, Watch
from autoresearch_ci.safety.prompt_text import line as plain

HEAD_BYTES = TAIL_BYTES = 1 << 20
"""What is kept of a command's output: the first and the last mebibyte."""
LINE_BYTES = 8192
"""`on_line` sees at most this much of a line."""
_NAMED = 20
"""Processes, in a message."""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What came on one stream."""

    text: str = ""
    """Like `CommandResult.output`."""
    in_time: str = ""
    """What there was when the command itself had ended."""
    late: int = 0
    """Bytes that came after that."""
    dropped: int = 0
    """Bytes that are not in `text`."""
    handed_over: bool = False
    """Something outlived the command, held the stream, and ended by itself: a helper that passes
    the output on, as in `command > >(tee log)`. What goes on until it is killed does not count."""

    def redacted(self, redact: Callable[[str], str]) -> Printed:
        """The same, its texts passed through `redact`."""
        text = redact(self.text)
        same = self.in_time == self.text
        return replace(self, text=text, in_time=text if same else redact(self.in_time))


class Output:
    """Head and tail of a stream of any length, and its lines as they arrive."""

    def __init__(
        self, on_line: Callable[[str], bool | None] | None, line_bytes: int = LINE_BYTES
    ) -> None:
        self._total = 0
        self.asked_to_stop = False
        self._head = bytearray()
        self._tail = bytearray()
        """May hold twice TAIL_BYTES, so that it is trimmed once per mebibyte and not per read."""
        self._on_line = on_line
        self._lines = StreamLines(self._hear, line_bytes) if on_line else None
        self._in_time: tuple[str, int] | None = None

    def feed(self, chunk: bytes) -> None:
        self._total += len(chunk)
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += chunk[:room]
        self._tail += chunk[max(room, 0) :]
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]
        if self._lines:
            self._lines.feed(chunk)

    def end(self) -> None:
        """The stream has ended."""
        if self._lines:
            self._lines.end()

    def _hear(self, line: str) -> None:
        if self._on_line and not self.asked_to_stop:
            self.asked_to_stop = bool(self._on_line(line))

    def command_ended(self) -> None:
        """What comes from now on is late."""
        self._in_time = self.text(), self._total

    def printed(self, handed_over: bool) -> Printed:
        """All of it, when everything has come."""
        in_time, count = self._in_time or (self.text(), self._total)
        late = self._total - count
        return Printed(
            text=self.text() if late else in_time,
            in_time=in_time,
            late=late,
            dropped=self.dropped,
            handed_over=handed_over,
        )

    @property
    def dropped(self) -> int:
        """Bytes that are not kept."""
        return max(0, self._total - HEAD_BYTES - TAIL_BYTES)

    def text(self) -> str:
        return (self._head + self._marker() + self._kept_tail()).decode(errors="replace")

    def tail_text(self) -> str:
        return (self._head + self._kept_tail())[-TAIL_BYTES:].decode(errors="replace")

    def _kept_tail(self) -> bytes:
        return bytes(self._tail[-TAIL_BYTES:])

    def _marker(self) -> bytes:
        dropped = self.dropped
        return b"\n[... %d bytes not kept ...]\n" % dropped if dropped else b""


class Streams:
    """What a command prints: all of it as it arrives, and each stream by itself where it has two.

    A line that one stream leaves open is ended when the other one writes.
    """

    def __init__(self, whole: Output, on_line: Callable[[str], bool | None] | None) -> None:
        self._whole = whole
        self.out = Output(on_line, HEAD_BYTES)
        self.err = Output(on_line, HEAD_BYTES)
        self._open: Output | None = None
        """Whose line is not ended."""

    @property
    def asked_to_stop(self) -> bool:
        return self.out.asked_to_stop or self.err.asked_to_stop

    def feed_out(self, chunk: bytes) -> None:
        self._feed(self.out, chunk)

    def feed_err(self, chunk: bytes) -> None:
        self._feed(self.err, chunk)

    def command_ended(self) -> None:
        """What comes from now on is late."""
        self.out.command_ended()
        self.err.command_ended()

    def end(self) -> None:
        self.out.end()
        self.err.end()

    def _feed(self, stream: Output, chunk: bytes) -> None:
        if self._open not in (None, stream):
            self._whole.feed(b"\n")
        self._whole.feed(chunk)
        self._open = None if chunk.endswith((b"\n", b"\r")) else stream
        stream.feed(chunk)


_GRACE = 0.3
"""Seconds from SIGTERM to SIGKILL; with `PATIENCE_STOPPING` it keeps a stop under one second."""
_ABSENT = 1.0
"""Seconds past its deadline in which nobody looked at a command: we, or all of the machine, stood
still. What it had left when it was last looked at is given to it again."""
_SIGNALS: dict[int, str] = {
    signal.SIGSEGV: "SIGSEGV, a bad memory access",
    signal.SIGABRT: "SIGABRT, it gave up by itself",
    signal.SIGBUS: "SIGBUS, a bad memory access or no room in /dev/shm",
    signal.SIGILL: "SIGILL, an instruction that this processor does not have",
    signal.SIGFPE: "SIGFPE, a division by zero",
    signal.SIGXCPU: "SIGXCPU, out of processor time",
    signal.SIGSYS: "SIGSYS, a system call that is not allowed",
    signal.SIGTERM: "SIGTERM",
}
_NO_MEMORY = " (usually: memory ran out)"
"""Of signal 9: what we kill ourselves is said to have timed out."""


class Stop:
    """Asked by a signal handler, obeyed by whatever is running."""

    def __init__(self) -> None:
        self._requested = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        for descriptor in (self._reader, self._writer):
            weakref.finalize(self, os.close, descriptor)

    @property
    def requested(self) -> bool:
        return self._requested

    def request(self) -> None:
        """Safe in a signal handler and any number of times: the byte written is never read."""
        if not self._requested:
            self._requested = True
            os.write(self._writer, b"!")

    def check(self) -> None:
        """Raises `Interrupted` once a stop was requested."""
        if self._requested:
            raise errors.Interrupted(
                "Interrupted: SIGINT or SIGTERM arrived. The running command was killed and "
                "finished work is saved; the same command with --resume goes on."
            )

    def fileno(self) -> int:
        """Readable from the first request on: wakes a selector."""
        return self._reader


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """What one command did. A failure is a result too; only `Interrupted` is an exception."""

    command: str
    exit_code: int
    """Negative: killed by that signal. 127: not found, 126: cannot be executed, as in a shell."""
    timed_out: bool = False
    """Whatever `exit_code` says: a command may catch SIGTERM and exit with 0."""
    stopped: bool = False
    """Killed because `on_line` asked for it."""
    output: str
    """First and last `HEAD_BYTES` and `TAIL_BYTES`, with a marker line between if more came."""
    tail: str
    """The last `TAIL_BYTES`."""
    stdout: Printed = Printed()
    """Standard output alone, where it was asked for."""
    stderr: Printed = Printed()
    seconds: float = 0.0
    """From start to the exit of the command itself; killing what it left behind is not counted."""
    peak_memory_mb: float | None = None
    """MiB, of the largest single process; `None` when it stayed below our own peak."""

    @property
    def failure(self) -> str:
        """How it failed, for people; empty when it did not."""
        if self.timed_out:
            return f"timed out after {self.seconds:.0f} s"
        told = f"exit code {self.exit_code}" if self.exit_code else ""
        if self.exit_code < 0:
            told = f"killed by signal {-self.exit_code}"
        # A shell says 128 and the signal of the last command that it ran.
        number = -self.exit_code if self.exit_code < 0 else self.exit_code - 128
        if number == signal.SIGKILL:
            return f"{told}{_NO_MEMORY}"
        name = _SIGNALS.get(number, "")
        return f"{told} ({name})" if name else told

    @property
    def reason(self) -> str:
        """`failure`, and what the output says about it; empty when it did not fail."""
        words = "" if self.timed_out or not self.failure else telling_line(self.tail)
        return f"{self.failure}: {words}" if words else self.failure

    def redacted(self, redact: Callable[[str], str]) -> CommandResult:
        """The same, its texts passed through `redact`."""
        return replace(
            self,
            command=redact(self.command),
            output=redact(self.output),
            tail=redact(self.tail),
            stdout=self.stdout.redacted(redact),
            stderr=self.stderr.redacted(redact),
        )


def run_command(
    command: str | Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float | None = None,
    stop: Stop | None = None,
    on_line: Callable[[str], bool | None] | None = None,
    enter: Confinement | None = None,
    apart: bool = False,
) -> CommandResult:
    """Runs `command` to its end, and every process it started to theirs.

    A string is the user's own shell line: `bash -c` where there is bash, as in a `run:` step, else
    `/bin/sh -c`. We add no options: without the user's own `set -o pipefail` the status of `a | b`
    is that of b. A sequence is an argv. stdin is empty; stdout and stderr are one stream, unless
    they are kept `apart`: then `output` has them as they arrived, which is nearly their order.

    `on_line` gets each non-empty line as it arrives (`\\n` and `\\r` both end one), cut at
    `LINE_BYTES`, of streams that are kept apart at `HEAD_BYTES`; `True` kills the command.

    `enter` confines the command; when it cannot, nothing is started and `WorkspaceError` is raised.

    Raises `Interrupted` within a second of a stop request; then, as in any other case, everything
    has been killed before. Where the system starts no further process or thread, that is the
    machine's refusal and not the command's failure: `OSError`, `RuntimeError`.
    """
    if stop is not None:
        stop.check()
    argv = [_shell(), "-c", command] if isinstance(command, str) else list(command)
    shown = command if isinstance(command, str) else shlex.join(command)
    started = time.monotonic()
    output = Output(None if apart else on_line)
    streams = Streams(output, on_line) if apart else None
    try:
        tree = processes.start(
            lambda: spawn(argv, cwd, env, enter, apart=apart), enter.end if enter else None
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the command
        if isinstance(error, OSError) and error.errno in errors.NO_ROOM_TO_START:
            raise
        result = _not_started(shown, output, streams, error)
    except NotConfined as error:
        raise errors.WorkspaceError(
            f"the command was not started, because it could not be confined: {error}\n"
            "usually: this machine stopped allowing what it allowed when the run began.\n"
            "do: autoresearch-ci doctor says what is possible here; see `sandbox` in the "
            "configuration."
        ) from error
    else:
        result = _watched(shown, output, streams, tree, stop, started, timeout)
    if stop is not None:
        stop.check()
    return result


@functools.cache
def _shell() -> str:
    return shutil.which("bash") or "/bin/sh"


def _not_started(
    command: str, output: Output, streams: Streams | None, error: OSError | ValueError
) -> CommandResult:
    told = f"cannot start the command: {error}\n".encode(errors="replace")
    (streams.feed_err if streams else output.feed)(told)
    (streams or output).end()
    missing = isinstance(error, OSError) and error.errno == errno.ENOENT
    return _result(command, output, 127 if missing else 126)


def _watched(
    command: str,
    output: Output,
    streams: Streams | None,
    tree: ProcessTree,
    stop: Stop | None,
    started: float,
    timeout: float | None,
) -> CommandResult:
    with tree:
        tree.go_first()
        deadline = None if timeout is None else started + timeout
        limit = _Limit(tree, streams or output, stop, started, deadline)
        readers = [streams.feed_out, streams.feed_err] if streams else [output.feed]
        watch = Watch(tree, dict(zip(tree.pipes, readers, strict=True)))
        watch.until_exit(limit, wake=None if stop is None else stop.fileno())
        held = watch.open_pipes()  # by what has outlived the command
        if streams:
            streams.command_ended()
        now = time.monotonic()
        seconds = now - started
        if tree.reap():
            watch.linger(LINGER if limit.kill_at is None else limit.kill_at - now)
        passed_on = held - watch.open_pipes()
        handed_over = [pipe in passed_on for pipe in tree.pipes]
        in_a_hurry = stop is not None and stop.requested
        exit_code = tree.kill_all(PATIENCE_STOPPING if in_a_hurry else PATIENCE)
        watch.drain()
        (streams or output).end()
    if tree.survivors and not in_a_hurry:
        raise errors.WorkspaceError(
            f"processes that {plain(command, 200)!r} had started could not be ended within "
            f"{PATIENCE:.0f} s, so what it measured counts for nothing.\n"
            "usually: they wait for a disk, a network drive or a GPU that does not answer.\n"
            f"do: end them (ps {' '.join(map(str, tree.survivors[:_NAMED]))} shows them; restart "
            "the machine if they cannot be killed), then --resume."
        )
    result = _result(command, output, exit_code)
    if streams:
        result = replace(
            result,
            stdout=streams.out.printed(handed_over[0]),
            stderr=streams.err.printed(handed_over[-1]),
        )
    return replace(
        result,
        timed_out=limit.timed_out,
        stopped=limit.stopped,
        seconds=seconds,
        peak_memory_mb=tree.peak_memory_mb,
    )


def _result(command: str, output: Output, exit_code: int) -> CommandResult:
    return CommandResult(
        command=command,
        exit_code=exit_code,
        output=output.text(),
        tail=output.tail_text(),
    )


@dataclass(eq=False)
class _Limit:
    """When a command has had its time, or is not wanted any more."""

    tree: ProcessTree
    output: Output | Streams
    stop: Stop | None
    looked: float
    """When it was last asked; at first, when the command was started."""
    deadline: float | None
    timed_out: bool = False
    stopped: bool = False
    kill_at: float | None = None
    """When SIGTERM's grace ends; `None` while the command has not been told to go."""

    def look(self, now: float) -> float | None:
        if self.deadline is not None and now > self.deadline + _ABSENT:
            self.deadline += now - self.looked
        self.looked = now
        if self.kill_at is None and self._must_end(now):
            self.kill_at = now + _GRACE
            self.tree.terminate()
        return self.deadline if self.kill_at is None else self.kill_at

    def _must_end(self, now: float) -> bool:
        self.timed_out = self.deadline is not None and now >= self.deadline
        self.stopped = self.output.asked_to_stop
        requested = self.stop is not None and self.stop.requested
        return self.timed_out or self.stopped or requested
