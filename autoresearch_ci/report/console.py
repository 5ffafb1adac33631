"""Shows the loop's events while they happen: live on a terminal, as lines or JSON elsewhere.

Only the live display needs rich, which is imported where it is chosen.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autoresearch_ci.events import (
    Event,
    ExperimentFinished,
    MetricMeasured,
    Note,
    Observer,
    OutputLine,
    RunFinished,
    RunStarted,
    StageStarted,
    Warning,
    to_json,
)
from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.report.table import outcome, relative_change
from autoresearch_ci.safety.log import QuietStream, clipped, defuse, json_text
from autoresearch_ci.safety.wording import duration, number, percent, shortened, signed


class EventLines:
    """Feed it a run's events in order; says what a reader of a log is told, not yet defused."""

    def __init__(self) -> None:
        self._metric, self._last = "metric", 0
        self._stage: StageStarted | None = None

    def about(self, event: Event) -> list[str]:
        """Lines; a stage that begins again, as for one more run of the metric, has none."""
        if isinstance(event, RunStarted):
            self._metric, self._last = event.metric, event.iterations
        if isinstance(event, StageStarted):
            again, self._stage = event == self._stage, event
            if again:
                return []
        return event_lines(event, self._metric, self._last)


def event_lines(event: Event, metric: str, last: int) -> list[str]:
    """What is said of one event, whatever came before."""
    match event:
        case RunStarted():
            return _started(event)
        case Note():
            return event.message.splitlines()
        case Warning():
            return [f"warning: {line}" for line in event.message.splitlines()]
        case StageStarted():
            return [f"[{event.iteration}/{last}] {event.stage}: {shortened(event.command, 200)}"]
        case MetricMeasured():
            return [f"[{event.iteration}/{last}] {event.stage}: {measured(event)}"]
        case ExperimentFinished():
            return [f"[{event.experiment.iteration}/{last}] {_decided(event.experiment, metric)}"]
        case RunFinished():
            return _finished(event, metric)
        case OutputLine():
            return []


def _started(event: RunStarted) -> list[str]:
    better = "lower" if event.direction is Direction.MINIMIZE else "higher"
    resumed = f", resumed after iteration {event.resumed_from}" if event.resumed_from else ""
    lines = [
        f"run {event.tag}: {event.metric}, {better} is better, up to {event.iterations} "
        f"iterations from {event.base_commit[:12]}{_on(event.branch)}{resumed}"
    ]
    return [*lines, f"goal: {shortened(event.goal, 300)}"] if event.goal else lines


def measured(event: MetricMeasured) -> str:
    """`candidate 0.98, 12 s`, or why there is no number."""
    found = shortened(event.reason, 120) if event.value is None else number(event.value)
    return f"{event.side} {found}, {duration(event.seconds)}".lstrip()


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


def _on(branch: str) -> str:
    return f" on {branch}" if branch else ""


def _finished(event: RunFinished, metric: str) -> list[str]:
    """How it ended, in words that need nothing above them."""
    change = relative_change(event.baseline, event.best)
    if event.kept:
        share = "" if change is None else f" ({percent(change)})"
        meanwhile = f"{metric} {number(event.baseline)} -> {number(event.best)}{share}"
        told = f"{event.confirmed or meanwhile}; {event.kept} kept{_on(event.branch)}"
    elif event.baseline is None:
        told = "nothing was measured"
    else:
        told = f"no improvement found, {metric} stays at {number(event.baseline)}"
    return [f"done: {told}", f"stopped: {event.stop_reason}", f"report: {event.report_dir}"]


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


def _write_json(stream: QuietStream, event: Event) -> None:
    if isinstance(event, OutputLine):
        return
    stream.write(json_text(to_json(event)) + "\n")
    stream.flush()


class Lines:
    """One readable line per stage, measurement and experiment; no cursor movement."""

    def __init__(self, stream: QuietStream) -> None:
        self._stream = stream
        self._lines = EventLines()

    def __call__(self, event: Event) -> None:
        for line in self._lines.about(event):
            self._stream.write(clipped(line) + "\n")
        self._stream.flush()


@contextmanager
def _live(stream: QuietStream) -> Iterator[Observer]:
    from autoresearch_ci.report.console import (
        Display,  # rich costs more to import than a plain run needs
    )

    with Display(stream) as observer:
        yield observer


SHOWN = 6
"""Decisions on screen."""
RUNS = 4
"""Measurements of the next one on screen."""

_STYLES = {
    Status.BASELINE: "bold",
    Status.KEEP: "bold green",
    Status.CRASH: "red",
    Status.METRIC_ERROR: "red",
    Status.HOOK_BLOCKED: "yellow",
}


class Display:
    """An observer whose picture is redrawn by rich's own thread, so that elapsed time ticks.

    That thread reads what events write: every attribute is replaced, none is changed in place.
    """

    def __init__(self, stream: QuietStream, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._run: RunStarted | None = None
        self._stage: StageStarted | None = None
        self._stage_begun = 0.0
        self._output = ""
        self._measured: tuple[MetricMeasured, ...] = ()
        self._experiments: tuple[Experiment, ...] = ()
        self._console = Console(file=cast("TextIO", stream), highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Display:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        match event:
            case OutputLine():
                self._output = event.text
            case StageStarted():
                self._stage, self._stage_begun, self._output = event, self._clock(), ""
            case MetricMeasured():
                self._measured = (*self._measured, event)[-RUNS:]
                self._live.refresh()
            case ExperimentFinished():
                self._measured = ()
                self._experiments = (*self._experiments, event.experiment)
                self._stage = None
                self._live.refresh()  # a decision is seen even when the next one comes at once
            case _:
                self._say(event)

    def _say(self, event: Event) -> None:
        """What stays above the picture."""
        if isinstance(event, RunStarted):
            self._run = event
        style = "yellow" if isinstance(event, Warning) else ""
        metric = self._run.metric if self._run else "metric"
        for line in event_lines(event, metric, 0):
            self._console.print(Text(clipped(line), style=style))
        if isinstance(event, RunFinished):
            self._run = None  # the picture has nothing to add

    def _picture(self) -> RenderableType:
        run = self._run
        if run is None:
            return Text("")
        parts = [self._bar(run), self._incumbent(run)]
        if self._stage is not None:
            parts += self._running(self._stage)
        if self._measured:
            told = " | ".join(map(measured, self._measured))
            parts.append(Text(defuse(told), style="dim", no_wrap=True, overflow="ellipsis"))
        if self._experiments:
            parts.append(self._decisions(run))
        return Group(*parts)

    def _bar(self, run: RunStarted) -> RenderableType:
        done = max((e.iteration for e in self._experiments), default=run.resumed_from)
        row = Table.grid(padding=(0, 1))
        row.add_row(
            Text(f"iteration {done}/{run.iterations}", style="bold"),
            ProgressBar(total=max(1, run.iterations), completed=done, width=30),
            Text(_clock_face(self._clock() - self._begun), style="dim"),
        )
        return row

    def _incumbent(self, run: RunStarted) -> RenderableType:
        result = outcome(self._experiments)
        # a resumed run knows its past from the run's first event only
        baseline = run.baseline if result.baseline is None else result.baseline
        best = run.best if result.best is None else result.best
        if best is None:
            return Text(f"{defuse(run.metric)}: not measured yet", style="dim")
        text = Text(f"{defuse(run.metric)} ")
        change = relative_change(baseline, best)
        text.append(number(best), style="bold green" if change else "bold")
        if change:
            text.append(f" ({percent(change)} from {number(baseline)})")
        return text

    def _running(self, stage: StageStarted) -> list[RenderableType]:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(_clock_face(self._clock() - self._stage_begun), style="cyan")
        text.append(f" {stage.stage}: ", style="bold")
        text.append(defuse(shortened(stage.command, 200)))
        output = defuse(shortened(self._output, 300))
        return [text, Text(f"  {output}", style="dim", no_wrap=True, overflow="ellipsis")]

    def _decisions(self, run: RunStarted) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("#", justify="right")
        table.add_column("decision")
        table.add_column(Text(defuse(shortened(run.metric, 20))), justify="right")
        table.add_column("delta", justify="right")
        table.add_column("change", no_wrap=True, overflow="ellipsis")
        for experiment in self._experiments[-SHOWN:]:
            table.add_row(
                str(experiment.iteration),
                Text(str(experiment.status), style=_STYLES.get(experiment.status, "dim")),
                number(experiment.metric),
                signed(experiment.delta),
                Text(defuse(shortened(experiment.description, 160))),
            )
        return table


def _clock_face(seconds: float) -> str:
    """`0:07`, `12:30`, `3:05:00`."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
