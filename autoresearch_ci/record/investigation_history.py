"""What an investigation's records say, one type for each kind, and what they add up to; pure.

    start -> {ran | paid | step}... -> item | iteration -> {paid | reviewed}... -> ... -> end

What an item means is investigation.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from autoresearch_ci.decide.investigation.finding import Evidence, Execution
from autoresearch_ci.experiment import Spent


@dataclass(frozen=True, kw_only=True)
class InvestigationStarted:
    """What is asked, and of which commit."""

    record: Literal["start"] = "start"
    base: str
    """The audited commit."""
    tag: str
    program: str
    """Name of the program."""
    digest: str
    """Of the program's file."""
    version: str
    asked: Mapping[str, str] = field(default_factory=dict)
    """What the command line asks, by flag; a resumed investigation must be asked the same."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A command was run on a commit, and has ended."""

    record: Literal["ran"] = "ran"
    number: int
    """1-based."""
    iteration: int
    """0: before the first one."""
    purpose: str
    """`reproduce`, `bisect`, `experiment`, `control`, ..."""
    commit: str
    command: str
    exit_code: int
    timed_out: bool = False
    failure: str = ""
    """How it failed, in words; empty when it did not."""
    seconds: float = 0.0
    failing: tuple[str, ...] = ()
    """Tests that failed, where it ran tests that we could watch."""
    passing: tuple[str, ...] = ()
    """Those that passed, of the failing tests that are looked at."""
    unfit: tuple[str, ...] = ()
    """Tests that could not be collected."""
    tail: str = ""
    """The end of its output."""
    script: str = ""
    """What the script held that it started."""
    known: bool = False
    """It shows the symptom itself, whose failing is known."""
    broken: bool = False
    """It failed before it could show anything."""
    control_of: int = 0
    """The run that it repeats where what was to be shown is gone; 0: it is no control."""
    mended: str = ""
    """The file in which it is gone."""

    def execution(self, control: Ran | None = None) -> Execution:
        """As evidence; `control`: what was run beside it."""
        return Execution(
            command=self.command,
            exit_code=self.exit_code,
            timed_out=self.timed_out,
            symptom=self.known or self.purpose != "experiment",
            broken=self.broken,
            controlled=not self.script or bool(control and not control.execution().failed),
        )


@dataclass(frozen=True, kw_only=True)
class Paid:
    """What an answer cost, as soon as it is known."""

    record: Literal["paid"] = "paid"
    iteration: int
    tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """Something that needs no model is finished, and what it found."""

    record: Literal["step"] = "step"
    name: str
    """`inventory`, `bisect`, `differential`, ..."""
    found: Mapping[str, Any]
    """As JSON knows it."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A finished iteration."""

    record: Literal["item"] = "item"
    iteration: int
    timestamp: str
    """UTC, ISO 8601."""
    status: str
    """What code says it is."""
    claimed: str = ""
    """What the model says it is."""
    overruled: str = ""
    """Why it is not that."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """What the program's schema names."""
    evidence: tuple[Evidence, ...] = ()
    """What stands."""
    dropped: tuple[str, ...] = ()
    """Why the rest does not."""
    malformed: int = 0
    """What was said besides in no form that could be read, and may have been something."""
    fingerprint: str = ""
    path: str = ""
    """A file that is there at the audited commit; empty: none is named."""
    line: int = 0
    runs: tuple[int, ...] = ()
    """Numbers of the experiments."""
    role: str = ""
    """Who looked; empty: nobody in particular."""
    read: tuple[str, ...] = ()
    """Files that were read for it."""
    seconds: float = 0.0
    tokens: int = 0
    cost_usd: float = 0.0
    reviewed: str = ""
    """What somebody else made of it, in a word and a sentence; empty: nobody was asked."""


@dataclass(frozen=True, kw_only=True)
class Iteration:
    """A finished iteration that found several things: all of them are known, or none."""

    record: Literal["iteration"] = "iteration"
    items: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """An item was looked at by somebody else, who did not know what was said of it."""

    record: Literal["reviewed"] = "reviewed"
    fingerprint: str
    status: str
    """Which it has from now on."""
    judgement: str
    why: str
    evidence: tuple[Evidence, ...] = ()
    """What stands."""
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InvestigationEnded:
    """Why no further iteration was started."""

    record: Literal["end"] = "end"
    reason: str


InvestigationRecord: TypeAlias = (
    InvestigationStarted | Ran | Paid | StepDone | Item | Iteration | Reviewed | InvestigationEnded
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """All of it, folded."""

    start: InvestigationStarted | None = None
    runs: Mapping[int, Ran] = field(default_factory=dict)
    items: tuple[Item, ...] = ()
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)
    """Paid so far, also for what came to nothing."""
    end: str = ""

    def after(self, record: InvestigationRecord) -> Known:
        match record:
            case InvestigationStarted():
                return replace(self, start=record)
            case Ran():
                return replace(self, runs={**self.runs, record.number: record})
            case Paid():
                cost = Spent(tokens=record.tokens, cost_usd=record.cost_usd)
                return replace(self, spent=self.spent + cost)
            case StepDone():
                return replace(self, steps={**self.steps, record.name: record.found})
            case Item():
                return replace(self, items=(*self.items, record))
            case Iteration():
                return replace(self, items=(*self.items, *record.items))
            case Reviewed():
                return replace(self, items=_reviewed(self.items, record))
            case InvestigationEnded():
                return replace(self, end=record.reason)

    def ran(self, purpose: str, commit: str) -> list[Ran]:
        """What was run for a purpose on a commit, in order."""
        runs = self.runs.values()
        return [run for run in runs if (run.purpose, run.commit) == (purpose, commit)]

    @property
    def executions(self) -> dict[int, Execution]:
        controls = {run.control_of: run for run in self.runs.values() if run.control_of}
        return {n: run.execution(controls.get(n)) for n, run in self.runs.items()}


def _reviewed(items: tuple[Item, ...], review: Reviewed) -> tuple[Item, ...]:
    """The latest one of that fingerprint is meant."""
    at = max((n for n, i in enumerate(items) if i.fingerprint == review.fingerprint), default=None)
    if at is None:
        return items
    item = items[at]
    words = f"{review.judgement}: {review.why}" if review.why else review.judgement
    overruled = words if review.status != item.status else item.overruled
    told = replace(item, status=review.status, overruled=overruled, reviewed=words)
    return (*items[:at], told, *items[at + 1 :])
