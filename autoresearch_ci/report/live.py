"""The live display of a run on a terminal; `console.py` chooses it, and it alone needs rich."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
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

RUNS = 4
"""Measurements of the next one on screen."""
_BAR = 30
_TICK = 0.25
"""Seconds between two pictures."""

_STYLES = {
    Status.BASELINE: "bold",
    Status.KEEP: "bold green",
    Status.CRASH: "red",
    Status.METRIC_ERROR: "red",
    Status.HOOK_BLOCKED: "yellow",
}
_WORDS = {
    **dict.fromkeys(("pass", "passed", "green", "kept", "ok"), "bold green"),
    **dict.fromkeys(("fail", "failed", "critical", "high", "broken", "build", "test"), "bold red"),
    **dict.fromkeys(("medium", "incomplete", "warning", "type", "flaky"), "yellow"),
    **dict.fromkeys(("low", "info", "old", "lint", "next", "report", "page", "reports"), "cyan"),
}
"""Styles of a line's first word."""
_FIRST = re.compile(r"(?:security |gate )?(?P<word>[a-z]+)\b")


class Display:
    """An observer whose picture is redrawn meanwhile, so that elapsed time ticks.

    By a thread of our own: rich's writes between the moves of the cursor of another and its text.
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
        self._waiting = ""
        self._console = Console(file=cast(TextIO, stream), highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._drawing = threading.RLock()  # whoever draws may be interrupted by what tells
        self._over = threading.Event()
        self._ticks = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Display:
        self._live.__enter__()
        self._ticks.start()
        return self

    def _tick(self) -> None:
        while not self._over.wait(_TICK):
            with self._drawing:
                self._live.refresh()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._ticks.join()
        self._live.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        with self._drawing:
            self._show(event)

    def _show(self, event: Event) -> None:
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
                line = _decided(event.experiment)
                line.truncate(self._console.width, overflow="ellipsis")
                self._console.print(line)
                self._live.refresh()  # what is counted is seen even when the next comes at once
            case _:
                self._say(event)

    def _say(self, event: Event) -> None:
        """What stays above the picture."""
        if isinstance(event, RunStarted):
            self._run = event
        if isinstance(event, Note):
            self._waiting, self._stage_begun = event.message, self._clock()
        style = "yellow" if isinstance(event, Warning) else ""
        metric = self._run.metric if self._run else "metric"
        for line in event_lines(event, metric, 0):
            text = Text(clipped(line), style=style or _style_of(event, line))
            self._console.print(text, soft_wrap=": /" in line)  # a path stays whole to be copied
        if isinstance(event, RunFinished):
            self._run, self._stage, self._waiting = None, None, ""  # there is nothing to add

    def _picture(self) -> RenderableType:
        run = self._run
        if not (run or self._stage):
            return self._still_there()
        parts = [self._bar(run), self._incumbent(run)] if run else []
        if self._stage is not None:
            parts += self._running(self._stage)
        if self._measured:
            told = " | ".join(map(measured, self._measured))
            parts.append(Text(defuse(told), style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def _still_there(self) -> Text:
        """Of a command that counts no iterations: how long it has been at what it said last."""
        if not self._waiting:
            return Text("")
        return Text(_clock_face(self._clock() - self._stage_begun), style="cyan")

    def _bar(self, run: RunStarted) -> RenderableType:
        done = max((e.iteration for e in self._experiments), default=run.resumed_from)
        row = Table.grid(padding=(0, 1))
        row.add_row(
            Text(f"iteration {min(done, run.iterations)}/{run.iterations}", style="bold"),
            ProgressBar(
                total=max(1, run.iterations),
                completed=done,
                width=_BAR,
                complete_style="cyan",  # what is red has gone wrong
                finished_style="cyan",
            ),
            Text(_clock_face(self._clock() - self._begun), style="dim"),
            Text(self._left(run, done), style="dim"),
        )
        return row

    def _left(self, run: RunStarted, done: int) -> str:
        """By what iterations have taken until now, and by the clock that ends them."""
        mine = [e.seconds for e in self._experiments if e.iteration]
        left = [sum(mine) / len(mine) * max(0, run.iterations - done)] if mine else []
        if run.minutes is not None:
            left.append(max(0.0, run.minutes * 60 - (self._clock() - self._begun)))
        if not left:
            return ""
        return f"{'about' if mine else 'at most'} {_clock_face(min(left))} left"

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


def _decided(e: Experiment) -> Text:
    """The one line that stays of it; what does not fit is in the records."""
    style = _STYLES.get(e.status, "dim")
    text = Text(f"{e.iteration:>3} ")
    text.append(f"{e.status:<12} ", style=style)
    text.append(f"{number(e.metric):>9} {signed(e.delta) if e.delta is not None else '':>9}  ")
    text.append(defuse(shortened(e.description, 160)), style="" if e.status in _STYLES else "dim")
    if e.reason and e.status is not Status.KEEP:
        text.append(f"  {defuse(shortened(e.reason, 120))}", style="dim")
    if e.doubt:
        text.append(f"  {defuse(shortened(e.doubt, 120))}", style="yellow")
    return text


def _style_of(event: Event, line: str) -> str:
    if isinstance(event, RunFinished):
        if line.startswith("done: "):
            return "bold red" if event.failed else "bold green" if event.kept else "bold"
        return "" if line.startswith("stopped") else "dim"
    return "bold" if isinstance(event, RunStarted) else ""


def paint(stream: TextIO, lines: Iterable[str]) -> None:
    """Lines whose first word says how good or bad they are, for people at a terminal.

    A row of a table, whose cells are two blanks apart, is cut at the terminal's edge.
    """
    console = Console(file=stream, highlight=False)
    for line in lines:
        text = Text(line)
        word = _FIRST.match(line)
        if word and (style := _WORDS.get(word["word"])):
            text.stylize(style, word.start("word"), word.end("word"))
        if "  " in line.strip() and not line.startswith("next: "):
            text.truncate(console.width, overflow="ellipsis")
        console.print(text, soft_wrap=True)


def _clock_face(seconds: float) -> str:
    """`0:07`, `12:30`, `3:05:00`."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
