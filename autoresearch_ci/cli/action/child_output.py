"""What the command line says while it runs, heard by the step that started it.

The events that `run --json` prints are retold as a runner's log; what outputs and summary need is
remembered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from autoresearch_ci import events
from autoresearch_ci.cli.action.inputs import LOOPS
from autoresearch_ci.cli.action.runner_io import Log
from autoresearch_ci.events import (
    Event,
    ExperimentFinished,
    MetricMeasured,
    RunFinished,
    RunStarted,
    StageStarted,
    Warning,
)
from autoresearch_ci.execution.supervisor import Channel, Stopping
from autoresearch_ci.experiment import Direction, Experiment, HoldoutVerdict, Status
from autoresearch_ci.report.event_lines import EventLines

_TAIL = 400
"""Lines of each stream that are remembered."""


@dataclass(kw_only=True)
class StepOutput:
    """Filled as the step goes on; read when it is over."""

    environment: Mapping[str, str]
    workspace: Path
    log: Log
    stopping: Stopping
    narrator: Narrator
    since: float
    """When it began, in seconds since the epoch."""
    reason: str = ""
    error: str = ""
    printed: list[str] = field(default_factory=list)
    """Standard output of a command that tells no events."""
    complaints: list[str] = field(default_factory=list)
    """The last lines of standard error."""
    command: str = ""
    gate: bool = False
    """Whether it says what is broken, and repairs nothing."""

    def hear(self, stream: Channel, line: str) -> None:
        if stream == "err":
            self.complaints = [*self.complaints[1 - _TAIL :], line]
            self.log.line(line)
        elif self.command in LOOPS and not self.gate:
            self.narrator.feed(line)
        else:
            self.printed = [*self.printed[1 - _TAIL :], line]
            # These print JSON for us alone.
            if self.command not in ("compare", "debug") and not self.gate:
                self.log.line(line)


_ERROR = '{"event": "error", '
"""Standard error says the same for people."""
_EVENTS = {
    events.to_json_name(kind): kind
    for kind in (
        RunStarted,
        events.Note,
        Warning,
        StageStarted,
        MetricMeasured,
        ExperimentFinished,
        RunFinished,
    )
}


class Narrator:
    """Feed it the lines that a run prints; folds each iteration into a group."""

    def __init__(self, log: Log) -> None:
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.experiments: list[Experiment] = []
        self.warnings: list[str] = []
        self._log = log
        self._lines = EventLines()

    def feed(self, line: str) -> None:
        """A line that is no event is shown as it is."""
        event = parse(line)
        if event is None:
            if not line.startswith(_ERROR):
                self._log.line(line)
            return
        match event:
            case RunStarted():
                self.started = event
            case StageStarted():
                name = "baseline" if event.iteration == 0 else f"iteration {event.iteration}"
                self._log.group("confirmation" if event.stage == "confirm" else name)
            case ExperimentFinished():
                self.experiments.append(event.experiment)
                self._log.end_group()
            case Warning():
                self.warnings.append(event.message)
                self._log.annotate("warning", event.message)
                return
            case RunFinished():
                self.finished = event
                self._log.end_group()
            case _:
                pass
        for text in self._lines.about(event):
            self._log.line(text)


def parse(line: str) -> Event | None:
    """The event that `events.to_json` wrote; `None` for any other text."""
    try:
        found = json.loads(line)
        kind = _EVENTS[found.pop("event")]
        return _build(kind, found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _build(kind: Any, found: dict[str, Any]) -> Event:
    if kind is RunStarted:
        found["direction"] = Direction(found["direction"])
    if kind is ExperimentFinished:
        found = {"experiment": _experiment(found["experiment"])}
    known = {field.name for field in fields(kind)}
    event: Event = kind(**{name: value for name, value in found.items() if name in known})
    return event


def _experiment(found: Mapping[str, Any]) -> Experiment:
    words = {"status": Status(found["status"]), "holdout": HoldoutVerdict(found["holdout"])}
    return Experiment(**{**found, **words})
