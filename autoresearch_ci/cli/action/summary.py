"""Retells the events that `run --json` prints as a runner's log; parts of the step summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from autoresearch_ci import events
from autoresearch_ci.cli.action.runner import Log
from autoresearch_ci.events import (
    Event,
    ExperimentFinished,
    MetricMeasured,
    RunFinished,
    RunStarted,
    StageStarted,
    Warning,
)
from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.report.event_lines import EventLines
from autoresearch_ci.safety.markdown import block, inline
from autoresearch_ci.safety.wording import number, percent

_ROOM = 20_000
"""Characters of an error that are shown."""
_WARNINGS = 50


def error_part(message: str) -> str:
    """What stopped the step."""
    return f"**Stopped by an error.**\n\n{block(message, _ROOM)}" if message else ""


def reason_part(reason: str) -> str:
    """Why the step did less than it was asked for."""
    return f"> [!NOTE]\n> {inline(reason, 1000)}" if reason else ""


def warnings_part(warnings: Sequence[str]) -> str:
    """What somebody should act on."""
    if not warnings:
        return ""
    listed = "\n".join(f"- {inline(warning, 500)}" for warning in warnings[:_WARNINGS])
    return f"### Warnings\n\n{listed}"


def printed_part(lines: Sequence[str]) -> str:
    """What a command said that has no report of its own."""
    text = "\n".join(lines)[-_ROOM:]
    return block(text, _ROOM) if text else ""


def comparison_part(result: Mapping[str, Any], values: Sequence[float], code: int) -> str:
    """What `compare` found, and what the gate made of it."""
    found = result["comparison"]
    runs = len(result["base_values"])
    gate = {0: "passed", 1: "failed"}.get(code, "incomplete")
    return (
        f"**{inline(str(result['metric']))} {number(values[0])} → {number(values[1])}: "
        f"{inline(str(found['verdict']))}**, gain {percent(found['gain'])} "
        f"[95 % CI {percent(found['low'])[:-2]}, {percent(found['high'])[:-2]}], n={runs}+{runs}, "
        f"measured in turns on this runner. Gate: {gate}."
    )


def unfinished_part(branch: str) -> str:
    """The step was ended by force."""
    where = f" on {inline(branch)}" if branch else ""
    return (
        f"**Ended by force** before it could report. What was kept is saved{where}, and nothing "
        "half-done is part of it. Run it again with `resume: true` to continue."
    )


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
    return Experiment(**{**found, "status": Status(found["status"])})
