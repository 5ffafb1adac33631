"""What is to be measured, and how: the metric, the guards, the holdout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.experiment import Direction


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


@dataclass(frozen=True, kw_only=True)
class Extract:
    """Where the number is. The first that is set counts: junit, coverage, json, regex, last_number,
    name; with none set, the output's only `METRIC name=value` line or else its only bare number.
    """

    name: str | None = None
    """As in `name: value` or `METRIC name=value`, alone on a line."""
    regex: str | None = None
    """Its first group is the number; `^` and `$` match at line ends."""
    json: str | None = None
    """`$.a.b[0]['c']` into the whole text, or else into its last line that is a JSON object."""
    file: str | None = None
    """Read this file instead of the output."""
    junit: str | None = None
    """Path of a JUnit XML report."""
    count: str = "failures"
    """One of `xml_reports.COUNTS`."""
    coverage: str | None = None
    """Path of a Cobertura XML report; the number is its line rate in percent."""
    last_number: bool = False
    """The last thing that looks like a number; a `%` or punctuation after it is dropped."""
    many: str = "error"
    """What several matches mean: `error`, or one of `PICKS`."""


def report_path(spec: Extract) -> str | None:
    """The file that the caller must read for `extract`; a glob is the caller's to expand."""
    return spec.junit or spec.coverage or spec.file
