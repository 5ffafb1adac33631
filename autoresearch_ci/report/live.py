"""The live display of a run on a terminal; `console.py` chooses it, and it alone needs rich."""

from __future__ import annotations

import time
from collections.abc import Callable
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
    OutputLine,
    RunFinished,
    RunStarted,
    StageStarted,
    Warning,
)
from autoresearch_ci.experiment import Experiment, Status
from autoresearch_ci.report.event_lines import event_lines, measured
from autoresearch_ci.report.run_summary import relative_change, run_summary
from autoresearch_ci.safety.log_text import clipped, defuse
from autoresearch_ci.safety.output_streams import QuietStream
from autoresearch_ci.safety.wording import number, percent, shortened, signed

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
        self._console = Console(file=cast(TextIO, stream), highlight=False)
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
            Text(f"iteration {min(done, run.iterations)}/{run.iterations}", style="bold"),
            ProgressBar(total=max(1, run.iterations), completed=done, width=30),
            Text(_clock_face(self._clock() - self._begun), style="dim"),
        )
        return row

    def _incumbent(self, run: RunStarted) -> RenderableType:
        result = run_summary(self._experiments)
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
