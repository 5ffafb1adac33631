"""Shows the loop's events while they happen: live on a terminal, lines or JSON elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TextIO

from autoresearch_ci.events import (
    Event,
    MetricMeasured,
    Observer,
    OutputLine,
    StageStarted,
    to_json,
)
from autoresearch_ci.report.event_lines import EventLines
from autoresearch_ci.safety.log_text import clipped, json_text
from autoresearch_ci.safety.output_streams import QuietStream


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
    return contextlib.nullcontext(ConsoleLines(quiet))


def _write_json(stream: QuietStream, event: Event) -> None:
    if isinstance(event, OutputLine):
        return
    stream.write(json_text(to_json(event)) + "\n")
    stream.flush()


class ConsoleLines:
    """One readable line per stage, measurement and experiment; no cursor movement."""

    def __init__(self, stream: QuietStream) -> None:
        self._stream = stream
        self._lines = EventLines()

    def __call__(self, event: Event) -> None:
        if lines := self._lines.about(event):  # most are of what a command prints, and say nothing
            self._stream.write("".join(f"{clipped(line)}\n" for line in lines))
            self._stream.flush()


def say(lines: Iterable[str], stream: TextIO) -> None:
    """Print them, which are harmless already; at a terminal with the colour of their first word."""
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        from autoresearch_ci.report.live import paint

        paint(stream, lines)
        return
    for line in lines:
        print(line, file=stream)


@contextmanager
def stages_shown(stream: TextIO) -> Iterator[Observer]:
    """At a terminal, what is run at the moment and for how long; nothing of it stays."""
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda event: None
        return
    with _live(QuietStream(stream)) as observe:
        passing = (StageStarted, OutputLine, MetricMeasured)
        yield lambda event: observe(event) if isinstance(event, passing) else None


@contextmanager
def _live(stream: QuietStream) -> Iterator[Observer]:
    # rich costs more to import than a plain run needs
    from autoresearch_ci.report.live import Display

    with Display(stream) as observer:
        yield observer
