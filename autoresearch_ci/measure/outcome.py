"""What one attempt came to, and what an objective is asked; judges nothing itself."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Protocol

from autoresearch_ci.decide.budget import Pace
from autoresearch_ci.decide.failures.repair_order import Aim, Left
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.early_stop import Progress
from autoresearch_ci.decide.metric.run_statistics import DecisionRuns, Side
from autoresearch_ci.experiment import (
    Decision,
    Experiment,
    GuardRun,
    HoldoutVerdict,
    MetricRun,
    Status,
    Texts,
)
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.record.run_history import Attempt
from autoresearch_ci.workspace.repository import Changes


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one attempt came to."""

    decision: Decision
    knowledge: Knowledge
    """What the run knows after it."""
    attempt: Attempt | None = None
    """`None` when there is nothing new that could be committed."""
    runs: tuple[MetricRun, ...] = ()
    """Every run of the metric command, the incumbent's included."""
    own: tuple[MetricRun, ...] = ()
    """The candidate's runs among them."""
    evidence: DecisionRuns = field(default_factory=DecisionRuns)
    guards: tuple[GuardRun, ...] = ()
    holdout: HoldoutVerdict = HoldoutVerdict.NONE
    doubt: str = ""
    """What makes the gain of a keep look unlikely."""
    output: str = ""
    """What a repair or rework is told."""
    curve: tuple[Progress, ...] = ()
    """The candidate's last complete curve."""
    secret: bool = False
    """Nothing of the proposal may be repeated, its description included."""

    @property
    def metric(self) -> float | None:
        """The candidate's value: the median of its runs."""
        return _median(self.evidence.values(Side.CANDIDATE))

    @property
    def incumbent_metric(self) -> float | None:
        """The incumbent's value, when it was measured beside the candidate."""
        return _median(self.evidence.values(Side.INCUMBENT))

    @property
    def guard_failed(self) -> bool:
        return bool(self.guards) and self.guards[-1].failed

    @property
    def candidate_id(self) -> str:
        """The same for identical code."""
        return identity(self.attempt.changes) if self.attempt else ""

    def refused(self, reason: str) -> Outcome:
        """The same, discarded after all."""
        decision = replace(self.decision, status=Status.DISCARD, reason=reason)
        return replace(self, decision=decision)


class Objective(Protocol):
    """What a candidate must improve."""

    def baseline(self, *, calibrate: bool, until: float | None) -> Outcome:
        """The unmodified code. Raises `BaselineError` when it cannot be measured."""

    def describe(self, baseline: Outcome) -> str:
        """What the baseline has taught, for people."""

    def compared(self, attempt: Attempt, subject: Subject, knowledge: Knowledge) -> Outcome:
        """Candidate and incumbent, measured until there is an answer. Raises `OutOfTime`."""

    def measured(self, subject: Subject, knowledge: Knowledge) -> tuple[MetricRun, Knowledge]:
        """One state of the code, by itself."""

    def resumed(self, kept: Subject, knowledge: Knowledge) -> Knowledge:
        """What is known, once a run goes on that ended on what may be another machine."""
        return knowledge

    def pace(self, knowledge: Knowledge) -> Pace:
        """How long measuring usually takes."""

    def foul(self, before: Texts, after: Texts) -> str:
        """Why a change may not count whatever it is measured at; empty: it may."""
        return ""

    def signs(self, outcome: Outcome) -> list[str]:
        """What makes the gain of a keep look unlikely."""
        return []

    def to_look_at(self, before: Texts, after: Texts) -> list[str]:
        """What in a kept change may be right, and a person should look at."""
        return []

    def aim(
        self,
        incumbent: Changes,
        experiments: Sequence[Experiment],
        knowledge: Knowledge,
        besides: Collection[str] = (),
    ) -> Aim | None:
        """What the next proposal is asked to mend; `None`: anything that helps.

        `besides`: ids of failures that nobody has a proposal for.
        """
        return None

    def left(
        self, incumbent: Changes, experiments: Sequence[Experiment], knowledge: Knowledge
    ) -> Left | None:
        """What is still broken in it; `None`: that is not what is measured."""
        return None


def discarded(reason: str, knowledge: Knowledge) -> Outcome:
    """Discarded before anything was measured."""
    return Outcome(decision=Decision(status=Status.DISCARD, reason=reason), knowledge=knowledge)


def identity(changes: Changes) -> str:
    """A name for the code that `changes` make of the base commit."""
    lines = [f"{path}\0{version}" for path, version in sorted(changes.items())]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def _median(values: list[float]) -> float | None:
    return median(values) if values else None
