"""What the loop says while it works; how that is shown or stored is not its business."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias

from autoresearch_ci.experiment import Direction, Experiment

Stage: TypeAlias = Literal[
    "setup", "propose", "metric", "guard", "holdout", "confirm", "experiment"
]
MeasuredSide: TypeAlias = Literal["incumbent", "candidate", ""]
"""Whose run it is; empty in a confirmation, which compares other states."""


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """Preflight has passed; emitted once, before setup."""

    tag: str
    branch: str
    base_commit: str
    goal: str
    metric: str
    """The metric's name."""
    direction: Direction
    iterations: int
    """The last iteration this run may reach."""
    resumed_from: int
    """The last iteration that an earlier process finished; 0 for a fresh run."""
    baseline: float | None = None
    """What an earlier process measured; `None` for a fresh run."""
    best: float | None = None
    """The incumbent's metric that a resumed run starts from; `None` for a fresh run."""
    minutes: float | None = None
    """Wall clock that this process may take; `None`: as long as it needs."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something worth knowing, such as what calibration found."""

    message: str


@dataclass(frozen=True, kw_only=True)
class Warning:
    """Something the user should act on, though the run goes on."""

    message: str


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A stage of one iteration begins; the next event of the run ends it."""

    iteration: int
    """0 is the baseline; the confirmation carries the last iteration's number."""
    stage: Stage
    command: str
    """The command that runs, or the proposer's name."""


@dataclass(frozen=True, kw_only=True)
class MetricMeasured:
    """One run of the metric command has ended; never told of the holdout."""

    iteration: int
    stage: Stage
    side: MeasuredSide
    value: float | None
    """`None` when the run gave no number."""
    reason: str
    """Why it gave none, or why that does not count."""
    seconds: float
    agreement: str = ""
    """How far the votes of a rubric's judge agree, in words."""


@dataclass(frozen=True, kw_only=True)
class OutputLine:
    """One line printed by the running command: for a display that may drop it, never a record."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ExperimentFinished:
    """An iteration, the baseline included, is decided and written down."""

    experiment: Experiment


@dataclass(frozen=True, kw_only=True)
class RunFinished:
    """Everything is saved; emitted last."""

    stop_reason: str
    kept: int
    """Kept experiments, the baseline not counted."""
    baseline: float | None
    best: float | None
    branch: str
    report_dir: str
    confirmed: str = ""
    """What base and result came to, measured again at the end; empty when they were not."""
    failed: bool = False
    """`stop_reason` is something that is broken."""
    pushed: str = ""
    """The branch on the forge, whoever pushed it last; empty: there is none."""
    pull_request: str = ""
    """Address of the pull request from it."""
    repaired: str = ""
    """What a run of repairs came to, in a line; empty: it was none."""


Event: TypeAlias = (
    RunStarted
    | Note
    | Warning
    | StageStarted
    | MetricMeasured
    | OutputLine
    | ExperimentFinished
    | RunFinished
)
Observer: TypeAlias = Callable[[Event], None]


def redacted(observe: Observer, redact: Callable[[str], str]) -> Observer:
    """Tells `observe` everything without what `redact` removes."""
    return lambda event: observe(_without(event, redact))


def _without(event: Event, redact: Callable[[str], str]) -> Event:
    clean: dict[str, Any] = {}
    for name, value in vars(event).items():
        if type(value) is str:
            if (text := redact(value)) != value:
                clean[name] = text
        elif isinstance(value, Experiment):
            clean[name] = replace(
                value,
                description=redact(value.description),
                reason=redact(value.reason),
                doubt=redact(value.doubt),
            )
    return replace(event, **clean) if clean else event


def to_json(event: Event) -> dict[str, Any]:
    """The event as plain JSON values: `event` (kebab-case name) first, then its fields."""
    values = {f.name: _plain(getattr(event, f.name)) for f in fields(event)}
    return {"event": to_json_name(type(event)), **values}


def to_json_name(kind: type) -> str:
    """What a kind of event is called in JSON: `run-started`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def _plain(value: Any) -> Any:
    """Enums as their words, non-finite numbers as null, an experiment as a mapping."""
    if isinstance(value, Experiment):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    return str(value) if isinstance(value, str) else value
