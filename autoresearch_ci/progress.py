"""Shows the loop's events while they happen: live on a terminal, lines or JSON elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TextIO

from autoresearch_ci.actions import clipped, json_text
from autoresearch_ci.events import (
    Event,
    ExperimentFinished,
    Note,
    Observer,
    OutputLine,
    RunFinished,
    RunStarted,
    StageStarted,
    Warning,
    to_json,
)
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.report.outcome import relative_change
from autoresearch_ci.report.wording import duration, number, percent, shortened, signed


def make_progress(stream: TextIO, *, json: bool) -> AbstractContextManager[Observer]:
    """An observer that never raises: when nobody reads `stream` any more it falls silent.

    On a terminal the context keeps a live display and leaves nothing but the notes and the final
    lines behind. Only that display shows output lines; the records have them all.
    """
    quiet = QuietStream(stream)
    if json:
        return contextlib.nullcontext(lambda event: _write_json(quiet, event))
    if quiet.isatty() and os.environ.get("TERM") != "dumb":
        return _live(quiet)
    return contextlib.nullcontext(Lines(quiet))


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


def _write_json(stream: QuietStream, event: Event) -> None:
    if isinstance(event, OutputLine):
        return
    stream.write(json_text(to_json(event)) + "\n")
    stream.flush()


class Lines:
    """One readable line per stage and per experiment; no cursor movement."""

    def __init__(self, stream: QuietStream) -> None:
        self._stream = stream
        self._last = 0
        self._metric = "metric"

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._last, self._metric = event.iterations, event.metric
        for line in event_lines(event, self._metric, self._last):
            self._stream.write(clipped(line) + "\n")
        self._stream.flush()


def event_lines(event: Event, metric: str, last: int) -> list[str]:
    """What a reader of a log is told about `event`; not yet defused."""
    match event:
        case RunStarted():
            return _started(event)
        case Note():
            return event.message.splitlines()
        case Warning():
            return [f"warning: {line}" for line in event.message.splitlines()]
        case StageStarted():
            return [f"[{event.iteration}/{last}] {event.stage}: {shortened(event.command, 200)}"]
        case ExperimentFinished():
            return [f"[{event.experiment.iteration}/{last}] {_decided(event.experiment, metric)}"]
        case RunFinished():
            return finished_lines(event, metric)
        case OutputLine():
            return []


def _started(event: RunStarted) -> list[str]:
    better = "lower" if event.direction is Direction.MINIMIZE else "higher"
    resumed = f", resumed after iteration {event.resumed_from}" if event.resumed_from else ""
    lines = [
        f"run {event.tag}: {event.metric}, {better} is better, up to {event.iterations} "
        f"iterations from {event.base_commit[:12]} on {event.branch}{resumed}"
    ]
    return [*lines, f"goal: {shortened(event.goal, 300)}"] if event.goal else lines


def _decided(experiment: Experiment, metric: str) -> str:
    delta = "" if experiment.delta is None else f" ({signed(experiment.delta)})"
    parts = [
        str(experiment.status),
        f"{metric} {number(experiment.metric)}{delta}",
        shortened(experiment.description, 120),
        duration(experiment.seconds),
    ]
    if experiment.reason:
        parts.append(shortened(experiment.reason, 120))
    return " | ".join(part for part in parts if part)


def finished_lines(event: RunFinished, metric: str) -> list[str]:
    """How it ended, in words that need nothing above them."""
    change = relative_change(event.baseline, event.best)
    if event.kept:
        share = "" if change is None else f" ({percent(change)})"
        told = f"{metric} {number(event.baseline)} -> {number(event.best)}{share}, "
        told += f"{event.kept} kept on {event.branch}"
    else:
        told = f"no improvement found, {metric} stays at {number(event.baseline)}"
    return [f"done: {told}", f"stopped: {event.stop_reason}", f"report: {event.report_dir}"]


@contextmanager
def _live(stream: QuietStream) -> Iterator[Observer]:
    from autoresearch_ci.live import Display  # rich costs more to import than a plain run needs

    with Display(stream) as observer:
        yield observer
