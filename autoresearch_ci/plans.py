"""What is to be measured, and how: the metric, the guards, the holdout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.experiment import Direction
from autoresearch_ci.metrics import Extract


@dataclass(frozen=True, kw_only=True)
class MetricPlan:
    """How one number is measured."""

    command: str
    extract: Extract
    direction: Direction
    timeout: float | None
    """Seconds; `None`: three times the baseline's duration."""


@dataclass(frozen=True, kw_only=True)
class GuardPlan:
    """A command that must pass, or whose number must stay within a tolerance of the baseline's."""

    command: str
    extract: Extract | None
    """`None`: only the exit code counts."""
    direction: Direction
    tolerance: float
    """Fraction of the baseline's value."""
    timeout: float | None
    junit: str | None = None
    """Report in which the command says how each test ended."""


@dataclass(frozen=True, kw_only=True)
class Plans:
    """Everything that may run on a state of the code."""

    metric: MetricPlan
    guards: Sequence[GuardPlan] = ()
    holdout: MetricPlan | None = None
    """A metric that no proposer ever sees."""
    judged: Sequence[str] = ()
    """Globs of the files that a rubric judges."""
    hooks: Path | None = None
    """Folder of the user's own git hooks, when they are to be honoured."""
    curve: re.Pattern[str] | None = None
    """Finds progress and value in the metric command's lines, to stop clear losers early."""
