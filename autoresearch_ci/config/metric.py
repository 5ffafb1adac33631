"""The sections of the configuration about what is measured: metric, guards, holdout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from autoresearch_ci.config.value_types import (
    FILE_BYTES,
    Command,
    CurveRegex,
    DirectionWord,
    Duration,
    Fraction,
    HeldOut,
    JsonPath,
    Name,
    RelativePath,
    ValueRegex,
    refusal,
)
from autoresearch_ci.experiment import Direction

RUBRIC = "(rubric)"
"""Stands for the command of a metric that a judge measures."""


class Section(BaseModel):
    """A mapping whose keys are all known, whose types are exact, and that never changes."""

    model_config = ConfigDict(
        defer_build=True,  # most sections are only read as a part of the whole
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class ExtractRule(Section):
    """Where the number is found, when it is not the only one or a `name: value` line."""

    regex: ValueRegex | None = None
    """Python regular expression over the output; its first group is the number."""
    json_path: JsonPath | None = Field(default=None, alias="json")
    """Path such as `$.results[0].p95` into JSON output."""
    file: RelativePath | None = None
    """Read this file, which the command writes, instead of its output."""
    junit: RelativePath | None = None
    """JUnit or TRX report to count in; with `*`, `?` or `**` all that the command wrote."""
    count: (
        Literal["failures", "errors", "failed", "skipped", "passed", "tests", "seconds"] | None
    ) = None
    """With `junit`: what is counted; without it, failures."""
    coverage: RelativePath | None = None
    """Cobertura or JaCoCo XML report; the number is its line rate in percent."""
    last_number: Literal[True] | None = None
    """The last number that is printed."""
    many: Literal["first", "last", "min", "max", "mean", "median"] | None = None
    """Which of several matches counts; without it, several are an error."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """One kind at most, and only what has an effect on it."""
        kinds = {
            "regex": self.regex,
            "json": self.json_path,
            "junit": self.junit,
            "coverage": self.coverage,
            "last_number": self.last_number,
        }
        given = [kind for kind, value in kinds.items() if value is not None]
        if len(given) > 1:
            raise refusal(f"has {' and '.join(given)} at once", "one of them", show=False)
        kind = given[0] if given else None
        if self.count is not None and kind != "junit":
            raise refusal("has count without junit", "junit: FILE next to it", show=False)
        if kind is None and self.file is None and self.many is None:
            raise refusal("is empty", f"one of {', '.join(kinds)}", show=False)
        if self.file is not None and kind in ("junit", "coverage"):
            raise refusal(f"has file and {kind}", f"only {kind}: it names the file", show=False)
        if self.many is not None and kind not in (None, "regex"):
            raise refusal(f"has many and {kind}", f"only {kind}: it is one number", show=False)
        return self


class Repeats(Section):
    """How many runs of the metric one decision may spend."""

    min: int = Field(default=1, ge=1, le=1000)
    """Even a clear answer takes that many."""
    max: int = Field(default=7, ge=1, le=1000)
    """After that many, an unclear answer is a discard."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise refusal(f"has min {self.min} above max {self.max}", "min <= max", show=False)
        return self


class EarlyStop(Section):
    """Kill a run that is clearly behind the incumbent at the same progress."""

    regex: CurveRegex
    """Two groups: the progress from 0 to 1, then the metric so far."""


class JudgeModel(Section):
    """Who judges a rubric."""

    model: Name | None = None
    """Model to ask, better another than the proposer's; without it, `claude.model`."""
    votes: int = Field(default=3, ge=1, le=9)
    """Independent answers; a criterion is met when more than half say yes."""
    file_bytes: int = Field(default=FILE_BYTES, ge=1000, le=5_000_000)
    """What the files may take; more is refused, since half a text is another text."""

    @model_validator(mode="after")
    def _odd(self) -> Self:
        if self.votes % 2 == 0:
            raise refusal("has an even number of votes", "an odd one, for a majority", show=False)
        return self


def _command_or_rubric(schema: dict[str, Any]) -> None:
    schema.pop("required", None)
    schema["anyOf"] = [{"required": ["command"]}, {"required": ["rubric", "files"]}]


class Metric(Section):
    """The one number."""

    model_config = ConfigDict(json_schema_extra=_command_or_rubric)

    command: Command
    """Shell command line that prints or writes the number, run at the repository's root."""
    name: Name | None = None
    """The number is the printed line `name: value` or `METRIC name=value`."""
    direction: DirectionWord = Direction.MINIMIZE
    """Which way is better."""
    extract: ExtractRule | None = None
    """Another way to find the number."""
    timeout: Duration | None = None
    """Per run; without it, three times the baseline's duration."""
    repeats: Repeats = Repeats()
    """How many runs a decision may spend."""
    min_effect: Fraction = 0.0
    """Smaller relative gains are not worth a diff."""
    target: float | None = None
    """Stop when the incumbent is at least this good."""
    early_stop: EarlyStop | None = None
    """When to give up on a run that is still going."""
    rubric: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Instead of a command: 3 to 6 yes/no criteria; the number is the percentage that is met."""
    files: Annotated[tuple[RelativePath, ...], Field(strict=False)] = ()
    """With `rubric`: globs of the files that are judged."""
    judge: JudgeModel = JudgeModel()
    """With `rubric`: who judges."""

    @model_validator(mode="before")
    @classmethod
    def _stand_in(cls, value: Any) -> Any:
        """A rubric needs no command, and more criteria met are better."""
        if not isinstance(value, Mapping) or "rubric" not in value:
            return value
        if "command" in value:
            raise refusal("has command and rubric at once", "one of them", show=False)
        return {"direction": "maximize", "name": "criteria_met", **value, "command": RUBRIC}

    @model_validator(mode="after")
    def _whole_rubric(self) -> Self:
        given = self.model_fields_set
        if not self.rubric:
            idle = sorted({"rubric", "files", "judge"} & given)
            if idle:
                raise refusal(
                    f"has {idle[0]} without a rubric", "rubric: [CRITERIA] with it", show=False
                )
            return self
        wrong = sorted({"extract", "early_stop", "timeout"} & given)
        if not 3 <= len(self.rubric) <= 6:
            raise refusal(f"has {len(self.rubric)} criteria", "3 to 6 yes/no criteria", show=False)
        if len(set(self.rubric)) < len(self.rubric):
            raise refusal("has a criterion twice", "each criterion once", show=False)
        if not self.files:
            raise refusal("has rubric without files", "files: [PATHS] next to it", show=False)
        if wrong:
            raise refusal(f"has rubric and {wrong[0]}", "only the rubric", show=False)
        if self.direction is not Direction.MAXIMIZE:
            raise refusal("has rubric and direction minimize", "maximize", show=False)
        if self.repeats.max == 1:
            raise refusal(
                "has rubric and repeats.max 1", "2 or more: a judge is never exact", show=False
            )
        return self


class Guard(Section):
    """A command that must keep passing, or whose `metric` must stay within a tolerance."""

    command: Command
    """Shell command line; a non-zero exit refuses the candidate."""
    metric: Name | None = None
    """Name of a number that the command prints; without it only the exit code counts."""
    direction: DirectionWord = Direction.MINIMIZE
    """Which way `metric` is better."""
    tolerance: Fraction = 0.0
    """How much worse than the baseline `metric` may be, relatively; the result of several nights,
    than where its branch began."""
    junit: RelativePath | None = None
    """JUnit or TRX report (with `*`, `**`: all) that the command writes: each test that passed must
    still be there and pass."""
    timeout: Duration | None = None
    """Without it, three times its duration on the baseline."""

    @model_validator(mode="after")
    def _a_number_has_a_name(self) -> Self:
        idle = sorted({"direction", "tolerance"} & self.model_fields_set)
        if idle and self.metric is None:
            raise refusal(f"has {' and '.join(idle)} but no metric", "metric: NAME", show=False)
        return self


class Holdout(Section):
    """A metric the proposer never sees, measured only on candidates that would be kept."""

    command: Command
    """Shell command line that prints or writes the number."""
    name: Name | None = None
    """The number is the printed line `name: value` or `METRIC name=value`."""
    direction: DirectionWord | None = None
    """Without it, the metric's."""
    extract: ExtractRule | None = None
    """Another way to find the number."""
    timeout: Duration | None = None
    """Per run; without it, three times its duration on the baseline."""
    must: Literal["gain", "hold"] = "gain"
    """Of a candidate that would be kept: be better by it, too, or be no worse."""
    read: Annotated[tuple[HeldOut, ...], Field(strict=False)] = ()
    """What no other command sees: globs of committed files, absolute or `~` paths elsewhere."""

    def direction_beside(self, metric: Metric) -> Direction:
        """Which way the number is better."""
        return self.direction or metric.direction

    @property
    def globs(self) -> tuple[str, ...]:
        """Of what it alone reads in the repository; what else is in `read` lies elsewhere."""
        return tuple(entry for entry in self.read if entry[0] not in "/~")
