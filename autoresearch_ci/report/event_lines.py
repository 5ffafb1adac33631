"""Words events: what a reader of a log is told. How it is shown is console.py's business."""

from __future__ import annotations

import shlex

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
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.report.run_summary import relative_change
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
            first, *rest = event.message.splitlines() or [""]
            return [first, *(f"  {line}" for line in rest)]  # a name in it begins no line of ours
        case Warning():
            return [f"warning: {line}" for line in event.message.splitlines()]
        case StageStarted():
            told = shortened(event.command, 200)
            return [f"{_number(event.iteration, last)} {event.stage}: {told}"]
        case MetricMeasured():
            return [f"{_number(event.iteration, last)} {event.stage}: {measured(event)}"]
        case ExperimentFinished():
            number = _number(event.experiment.iteration, last)
            return [f"{number} {_decided(event.experiment, metric)}"]
        case RunFinished():
            return _finished(event, metric)
        case OutputLine():
            return []


def _number(iteration: int, last: int) -> str:
    """What takes kept changes back comes after the last."""
    return f"[{iteration}/{max(iteration, last)}]"


def _started(event: RunStarted) -> list[str]:
    better = "lower" if event.direction is Direction.MINIMIZE else "higher"
    resumed = f", resumed after iteration {event.resumed_from}" if event.resumed_from else ""
    lines = [
        f"run {event.tag}: {event.metric}, {better} is better, up to {event.iterations} "
        f"iteration{'s' if event.iterations != 1 else ''} from {event.base_commit[:12]}"
        f"{_on(event.branch)}{resumed}"
    ]
    return [*lines, f"goal: {shortened(event.goal, 300)}"] if event.goal else lines


def measured(event: MetricMeasured) -> str:
    """`candidate 0.98, 12 s`, or why there is no number; of a judge how far its votes agree."""
    found = shortened(event.reason, 120) if event.value is None else number(event.value)
    told = (f"{event.side} {found}", duration(event.seconds), event.agreement)
    return ", ".join(filter(None, told)).lstrip()


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
    if experiment.doubt:
        parts.append(f"**{shortened(experiment.doubt, 200)}**")
    return " | ".join(part for part in parts if part)


def _on(branch: str) -> str:
    return f" on {branch}" if branch else ""


def next_steps(event: RunFinished, base: str, head: str, *, command: str = "run") -> list[str]:
    """What to type after a run; `base`: where its branch began, `head`: the newest kept commit."""
    named = shlex.quote(event.branch or head[:12])
    steps = []
    if event.pull_request:
        steps.append(f"review {event.pull_request}")
    elif event.kept:
        steps.append(f"git log -p {base[:12]}..{named}   # what was kept")
        steps.append(f"git merge {named}   # take it")
    steps.append("autoresearch-ci report --open   # every attempt, with its diff")
    if command == "run" and not event.kept and not event.failed:
        steps.append("autoresearch-ci evals   # what to change before another night")
    return [f"next: {step}" for step in steps]


def _finished(event: RunFinished, metric: str) -> list[str]:
    """How it ended, in words that need nothing above them."""
    change = relative_change(event.baseline, event.best)
    if event.repaired:
        told = f"{event.repaired}; {event.kept} kept{_on(event.branch) if event.kept else ''}"
    elif event.kept:
        share = "" if change is None else f" ({percent(change)})"
        meanwhile = f"{metric} {number(event.baseline)} -> {number(event.best)}{share}"
        told = f"{event.confirmed or meanwhile}; {event.kept} kept{_on(event.branch)}"
    elif event.baseline is None:
        told = "nothing was measured"
    elif event.failed:
        told = f"ended by a failure, {metric} stays at {number(event.baseline)}"
    else:
        told = f"no improvement found, {metric} stays at {number(event.baseline)}"
    return [
        f"done: {told}",
        f"stopped: {event.stop_reason}",
        f"report: {event.report_dir}/summary.md",
        f"page: {event.report_dir}/report.html",
    ]
