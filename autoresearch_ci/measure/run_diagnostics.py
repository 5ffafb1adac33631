"""Runs the targets on a state of the code, and reads what is broken; judges nothing.

How a tool's answer is read is diagnostics/' business, whether one set of failures is better than
another decide/failures/objective.py's.
"""

from __future__ import annotations

import posixpath
import shlex
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from autoresearch_ci.config.fix import Fix, FixTarget
from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Failure
from autoresearch_ci.decide.failures.objective import Seen as Diagnoses
from autoresearch_ci.decide.failures.shortcuts.neighbours import NearRuns
from autoresearch_ci.decide.knowledge import Knowledge, Prints
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.measure.commands import EndedCommand, MeasuredCommands, Subject
from autoresearch_ci.measure.diagnostics.adapter import NOT_STARTED, Adapter, ToolOutput
from autoresearch_ci.measure.diagnostics.any_tool import by_pattern
from autoresearch_ci.measure.diagnostics.printed_suites import whole_suite
from autoresearch_ci.measure.diagnostics.printed_tests import ANSI
from autoresearch_ci.measure.diagnostics.registry import TOOLS
from autoresearch_ci.safety.untrusted_values import MetricError

FIRST_TIMEOUT = 600.0
"""Seconds for a target that did not come to its end on the unmodified code, so that nobody knows
how long it takes."""
_PYTEST = "pytest"
REPORT = "autoresearch-report"
"""The file, at the root of the tree, that stands for `{report}` in a command."""


@dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """What targets said of one state of the code."""

    seen: Diagnoses
    knowledge: Knowledge
    doubts: Mapping[str, str] = field(default_factory=dict)
    """By target, what a candidate's tests have lost, or why their report is not believed."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """By target, what it printed: its first and last part, bounded."""
    imported: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By target, the repository's file that each module of its tests came from."""
    seconds: float = 0.0
    peak_memory_mb: float | None = None

    def plus(self, other: Diagnosed) -> Diagnosed:
        """With what other targets said after that."""
        peaks = [peak for peak in (self.peak_memory_mb, other.peak_memory_mb) if peak]
        return Diagnosed(
            seen={**self.seen, **other.seen},
            knowledge=other.knowledge,
            doubts={**self.doubts, **other.doubts},
            outputs={**self.outputs, **other.outputs},
            imported={**self.imported, **other.imported},
            seconds=self.seconds + other.seconds,
            peak_memory_mb=max(peaks, default=None),
        )

    def failures(self) -> Iterator[tuple[str, Failure]]:
        """All of them, each with its target's name."""
        for name, diagnosis in self.seen.items():
            for failure in diagnosis.failures:
                yield name, failure

    @property
    def incomplete(self) -> Mapping[str, str]:
        """The targets that did not tell everything, and why."""
        return {name: d.incomplete for name, d in self.seen.items() if d.incomplete}


class OwnTarget(Protocol):
    """What says what is broken without a command in the measure tree: scanners, or a model."""

    def look(self, subject: Subject, *, whole: bool) -> Diagnosis:
        """`whole`: all of the code, and not only what may have changed."""

    def foul(self, before: Mapping[str, bytes | None], after: Mapping[str, bytes | None]) -> str:
        """What in a change only makes it fall silent; empty: nothing."""


class Diagnostics:
    """The targets of a run."""

    def __init__(
        self,
        commands: MeasuredCommands,
        settings: Fix,
        own: Mapping[str, OwnTarget] | None = None,
    ) -> None:
        """`own`: by the names of targets, those that are asked instead of a command; nothing else
        is repaired then. Raises `ConfigError` for a target that nobody can read.
        """
        self.targets = {target.name: target for target in settings.targets}
        self.own = own or {}
        self._commands = commands
        self._longest_test = settings.test_timeout
        self._adapters = {name: adapter_of(target) for name, target in self.targets.items()}
        self._lasting = set[str]()

    def look(
        self, subject: Subject, knowledge: Knowledge, names: Collection[str] | None = None
    ) -> Diagnosed:
        """What the targets, or those with these `names`, say. Raises `OutOfTime`."""
        found = Diagnosed(seen={}, knowledge=knowledge)
        for name, target in self.targets.items():
            if names is not None and name not in names:
                continue
            if name in self.own:
                found = found.plus(self.own_look(name, subject, found.knowledge, whole=False))
            else:
                found = found.plus(self._asked(target, subject, found.knowledge))
        return found

    def own_look(
        self, name: str, subject: Subject, knowledge: Knowledge, *, whole: bool
    ) -> Diagnosed:
        """What one of `own` says."""
        began = time.monotonic()
        seen = {name: self.own[name].look(subject, whole=whole)}
        return Diagnosed(seen=seen, knowledge=knowledge, seconds=time.monotonic() - began)

    def near(
        self, subject: Subject, knowledge: Knowledge, name: str, tests: Collection[str], seed: int
    ) -> Mapping[str, NearRuns]:
        """What a target's tests of pytest, by the ids of their failures, are answered near their
        own inputs; of others, nothing.
        """
        target, prefix = self.targets[name], f"{_PYTEST}:"
        if name in self.own or self._adapters[name].tool != _PYTEST:
            return {}
        seen = self._commands.near(
            subject,
            self._command(target),
            [test.removeprefix(prefix) for test in tests],
            knowledge,
            seed=seed,
            shown=target.command,
        )
        return {test: runs for name, runs in seen.items() if (test := f"{prefix}{name}") in tests}

    def seconds(self, knowledge: Knowledge) -> float:
        """How long a look usually takes."""
        asked = (target for target in self.targets.values() if target.name not in self.own)
        commands = map(self._command, asked)
        return sum(self._commands.usual(command, knowledge) for command in commands)

    def tells_of(self, name: str) -> Collection[Category]:
        """What kinds of failures a target knows; empty: any."""
        return self._adapters[name].categories

    def _command(self, target: FixTarget) -> str:
        report = str(self._commands.tree.layout.tree / REPORT)
        command = target.command.replace("{report}", shlex.quote(report))
        return f"cd {shlex.quote(target.folder)} && {{ {command}\n}}" if target.folder else command

    def _asked(self, target: FixTarget, subject: Subject, knowledge: Knowledge) -> Diagnosed:
        role, folder = f"target {target.name}", target.folder or ""
        patience = target.timeout or self._patience(target, subject, knowledge)
        ended, diagnosis = self._once(target, subject, knowledge, patience)
        seconds = ended.result.seconds
        if self._may_be_the_machine(target.name, ended, diagnosis):
            longer = FIRST_TIMEOUT if ended.result.timed_out else patience
            ended, diagnosis = self._once(
                target, subject, ended.knowledge, target.timeout or longer
            )
            seconds += ended.result.seconds
            self._lasting.add(target.name)
        if not diagnosis.incomplete:
            self._lasting.discard(target.name)
        knowledge, doubt = ended.knowledge, ""
        seen = Prints(suite=ended.suite, listed=diagnosis.suite)
        if subject.is_candidate:
            found, knowledge = knowledge.doubting(role, seen)
            doubt = found.reason if found else ""
        else:
            knowledge = knowledge.having_seen(role, seen)
        imported = ended.suite.imported if ended.suite else {}
        return Diagnosed(
            seen={target.name: diagnosis},
            knowledge=knowledge,
            doubts={target.name: doubt} if doubt else {},
            outputs={target.name: ANSI.sub("", ended.result.output)},
            imported={
                target.name: {
                    name: posixpath.normpath(f"{folder or '.'}/{path}")
                    for name, path in imported.items()
                }
            },
            seconds=seconds,
            peak_memory_mb=ended.result.peak_memory_mb,
        )

    def _once(
        self, target: FixTarget, subject: Subject, knowledge: Knowledge, timeout: float | None
    ) -> tuple[EndedCommand, Diagnosis]:
        folder = target.folder or ""
        named = REPORT if "{report}" in target.command else target.reports
        ended = self._commands.measured(
            subject,
            "metric",
            self._command(target),
            knowledge,
            timeout=timeout,
            report=f"{folder}/{named}" if folder and named not in (None, REPORT) else named,
            longest_test=self._longest_test,
            shown=f"{folder}: {target.command}" if folder else target.command,
        )
        return ended, self._read(target, ended)

    def _may_be_the_machine(self, name: str, ended: EndedCommand, diagnosis: Diagnosis) -> bool:
        """Whether a tool that crashed or took too long may tell everything the next time.

        Not one that runs the repository's code, which may end so now and then; nor one that is
        missing, or ended twice so before.
        """
        kinds = self._adapters[name].categories
        runs_code = not kinds or Category.TEST in kinds
        missing = ended.result.exit_code in NOT_STARTED
        return bool(diagnosis.incomplete) and not (runs_code or missing or name in self._lasting)

    def _patience(self, target: FixTarget, subject: Subject, knowledge: Knowledge) -> float | None:
        """`None`: as for any command."""
        known = self._commands.redact(self._command(target)) in knowledge.durations
        return None if known or subject.is_unmodified else FIRST_TIMEOUT

    def without_early_ends(self, look: Diagnosed) -> Knowledge:
        """What `look`, at the unmodified code, taught, but for how long a target takes that stopped
        at what is broken: with a build mended, there are tests to run."""
        early = {
            self._commands.redact(self._command(self.targets[name]))
            for name, diagnosis in look.seen.items()
            if _ends_early(diagnosis)
        }
        return look.knowledge.not_knowing_how_long(early)

    def _read(self, target: FixTarget, ended: EndedCommand) -> Diagnosis:
        if isinstance(ended.report, MetricError):
            return Diagnosis(incomplete=str(ended.report))
        said = ToolOutput(
            result=ended.result,
            report=ended.report,
            root=str(self._commands.tree.layout.tree),
            folder=target.folder or "",
        )
        return self._adapters[target.name].read(said)


def _ends_early(diagnosis: Diagnosis) -> bool:
    told = {failure.category for failure in diagnosis.failures}
    unlisted = Category.TEST in told and diagnosis.suite is None
    return bool(diagnosis.incomplete) or Category.BUILD in told or unlisted


def adapter_of(target: FixTarget) -> Adapter:
    """How a target's answer is read. Raises `ConfigError`."""
    known = TOOLS.get(target.tool)
    if known and not target.regex:
        return known
    category = Category(target.category)
    if not target.regex:
        told = tuple(dict.fromkeys((category, Category.TEST)))
        return Adapter(tool=target.tool, parse=whole_suite(target.tool, category), categories=told)
    try:
        parse = by_pattern(target.tool, target.regex, category)
    except ValueError as error:
        raise ConfigError(
            f"fix.targets: the regex of {target.name} {error}\n"
            "do: give it groups such as (?P<path>..), (?P<line>..) and (?P<message>..)."
        ) from error
    return Adapter(tool=target.tool, parse=parse, categories=(category,), levels=True)


def without(seen: Diagnoses, ids: Collection[str]) -> Diagnoses:
    """The same as if there were no failures with these ids."""
    return {
        name: replace(d, failures=tuple(f for f in d.failures if f.id not in ids))
        for name, d in seen.items()
    }
