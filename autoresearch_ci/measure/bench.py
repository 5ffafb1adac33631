"""Measures the metric of one state of the code; judges nothing, and remembers nothing.

What a measurement teaches is part of what it returns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from autoresearch_ci.config.fix import Fix
from autoresearch_ci.config.metric import Guard, Holdout, Metric
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.budget import Pace
from autoresearch_ci.decide.knowledge import Knowledge, Prints
from autoresearch_ci.decide.metric.early_stop import Curve, Progress, behind, extend
from autoresearch_ci.decide.metric.printed_lines import PrintedLines
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.events import (
    MeasuredSide,
    MetricMeasured,
    Note,
    Observer,
    Stage,
    StageStarted,
    Warning,
)
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.execution.environment import clean_environment
from autoresearch_ci.execution.telling_line import last_lines
from autoresearch_ci.experiment import MetricRun, Status
from autoresearch_ci.measure.commands import (
    EndedCommand,
    MeasuredCommands,
    RunLogs,
    Subject,
)
from autoresearch_ci.measure.cures import cures, unseen, unwritable
from autoresearch_ci.measure.guards import Guards
from autoresearch_ci.measure.hooks import Hooks
from autoresearch_ci.measure.judge import Judge, judged_paths
from autoresearch_ci.measure.number import extract as metrics
from autoresearch_ci.measure.number.streams import Reading, read_number
from autoresearch_ci.measure.number.xml_reports import junit_suite
from autoresearch_ci.measure.ruler.absolute_paths import AbsolutePaths
from autoresearch_ci.measure.ruler.provenance import Provenance
from autoresearch_ci.measure.run_diagnostics import Diagnostics, OwnTarget
from autoresearch_ci.measure.second_chance import Measured, with_second_chance
from autoresearch_ci.measure.suite_observer import SuiteObserver
from autoresearch_ci.safety.untrusted_values import MetricError
from autoresearch_ci.workspace.measure_tree import MeasureTree, relocated
from autoresearch_ci.workspace.repository import FileVersion

MetricStage = Literal["metric", "holdout", "confirm"]
_BEHIND = 50
"""Lines at the end among which the number's own is looked for."""
_NOT_PUT_BACK = (
    "{} is a file of the commit in a folder of `cache`: what the unmodified code writes to it "
    "stays for all that are measured. List folders that hold nothing but what is built"
)
_FLAKY = (
    "the metric command fails now and then on code that is not a candidate's: where it fails it "
    "gets a second run"
)


_NOT_WITHHELD = (
    "holdout.read keeps nothing from the other commands here, as the sandbox holds nothing: they "
    "can read it where it lies. See sandbox.require"
)


class SetupFailed(BaselineError):
    """Before anything was measured: no other metric helps."""


class Bench:
    """All that is measured on a state of the code: the metric here, the guards beside it."""

    def __init__(
        self,
        *,
        tree: MeasureTree,
        metric: Metric,
        guards: Sequence[Guard],
        holdout: Holdout | None,
        hooks: Path | None,
        environment: Mapping[str, str],
        inherit: Mapping[str, str],
        redact: Callable[[str], str],
        stop: Stop,
        observe: Observer,
        logs: Path,
        private_logs: Path,
        judge: Judge | None = None,
        absent: Sequence[str] = (),
        repairs: Fix | None = None,
        own: Mapping[str, OwnTarget] | None = None,
    ) -> None:
        """`hooks`: folder of the user's own git hooks, when they are to be honoured.

        `redact`: removes secrets from what commands print.

        `judge`: gives the metric's number instead of the metric command.

        `absent`: what the commands name and the tree lacks, in words.

        `repairs`: what says what is broken, in a run that repairs; `own`: which of that is no
        command. Raises `ConfigError` for a target that nobody can read.
        """
        layout = tree.layout
        self.judge = judge
        self._absent = absent
        self._user_home = inherit.get("HOME", "")
        self._own_search = "PATH" in environment
        self._search = environment.get("PATH") or inherit.get("PATH", os.defpath)
        self.tree = tree
        self.metric = metric
        self.holdout = holdout
        self.observe = observe
        # Others run commands of their own with it, in the same tree.
        self.commands = MeasuredCommands(
            tree=tree,
            environment=relocated(
                clean_environment(
                    environment, home=layout.home, tmp=layout.temporary, inherit=inherit
                ),
                layout,
            ),
            redact=redact,
            stop=stop,
            observe=observe,
            logs=RunLogs(logs, private_logs),
            suites=SuiteObserver(folder=layout.scratch / "site", temporary=layout.temporary),
        )
        self.hooks = Hooks(self.commands, hooks)
        self.guards = Guards(self.commands, guards, metric.command)
        self.diagnostics = Diagnostics(self.commands, repairs or Fix(), own)

    def set_up(self, commands: Sequence[str]) -> None:
        """Run the setup commands. Raises `SetupFailed` when one does."""
        self._tell_protection()
        for command in commands:
            result = self.commands.run(0, "setup", command)
            self.commands.logs.write()
            if result.exit_code:
                raise SetupFailed(
                    f"the setup command failed with {result.reason} ({command})\n"
                    "usually: it needs a variable or a folder that measured code does not get; "
                    "see `env`, `pass_env` and `share` in the configuration.\n"
                    f"{self.hints(result.tail, setup=True)}"
                    f"its last output:\n{last_lines(result.tail)}"
                )
        self.commands.add_downloads(self._user_home)
        self.tree.seal()

    def prove(
        self,
        tracked: Mapping[str, FileVersion],
        editable: Iterable[str],
        config: Config,
        *,
        fixed: bool = False,
    ) -> None:
        """What its commands use of the repository comes from the tree. Raises `BaselineError`.

        `tracked` and `editable`: all its files, and the paths of those in scope. `fixed`: nothing
        changes after setup.
        """
        layout = self.tree.layout
        folders = (str(p) for path in tracked for p in PurePosixPath(path).parents[:-1])
        paths = AbsolutePaths(
            tree=layout.tree,
            checkout=layout.checkout,
            tracked=frozenset((*tracked, *folders)),
            links=tuple(path for path, version in tracked.items() if version.mode == "120000"),
            share=layout.share,
        )
        provenance = Provenance(
            paths=paths,
            editable=frozenset(editable),
            measured=config.measured,
            setup=config.setup,
            fixed=fixed,
            folder=layout.scratch / "imports",
        )
        if not self._own_search:
            self.commands.activate(provenance.tracked, config.setup)
        self.commands.prove(provenance, config.commands)

    def _tell_protection(self) -> None:
        found = self.tree.sandbox.protection
        if found.on:
            told = f"sandbox: {found.holds}; measured code {', '.join(found.on)}"
            self.observe(Note(message=told))
        if tracked := self.tree.kept_files:
            self.observe(Warning(message=_NOT_PUT_BACK.format(tracked[0])))
        for missing in found.off:
            self.observe(Warning(message=str(missing)))
        if self.tree.withholds and found.holds == "none":
            self.observe(Warning(message=_NOT_WITHHELD))

    def hints(self, output: str, *, setup: bool = False) -> str:
        """What a command that fails may have missed, and its cure: lines, or nothing."""
        found = self.tree.sandbox.protection
        hint = found.setup_hint if setup else found.hint
        network = "allow" if setup else found.network
        if network == "deny" and not found.loopback:
            network = "loopback"  # which is no cure here
        lines = [f"note: {hint}."] if hint else []
        lines += [f"note: {words}" for words in self._absent]
        lines += cures(output, network=network, noexec=self.tree.noexec)
        lines += unseen(output, self.tree.sandbox.sees, self._search)
        if not self.tree.sandbox.full:
            lines += unwritable(output, self.tree.sandbox.sees)
        return "".join(f"{line}\n" for line in lines)

    def pace(self, knowledge: Knowledge) -> Pace:
        """How long measuring usually takes."""
        once = self.commands.usual(self.holdout.command, knowledge) if self.holdout else 0.0
        looks = 4 if knowledge.holdout_spread else 2
        return Pace(
            metric=self.commands.usual(self.metric.command, knowledge),
            guards=self.guards.seconds(knowledge),
            holdout=looks * once,
        )

    def measure(
        self, subject: Subject, knowledge: Knowledge, *, rival: Curve | None = None
    ) -> Measured[MetricRun]:
        """The metric of one state of the code; a second time where the command failed.

        `rival`: the curve that a candidate has to keep up with; a run that is clearly behind it is
        killed.
        """
        found = with_second_chance(
            "metric",
            lambda subject, knowledge: self.run(subject, knowledge, rival=rival),
            subject,
            knowledge,
            may_pass=crashed,
        )
        if "metric" in found.knowledge.flaky - knowledge.flaky:
            self.observe(Warning(message=_FLAKY))
        return found

    def run(
        self,
        subject: Subject,
        knowledge: Knowledge,
        *,
        stage: MetricStage = "metric",
        rival: Curve | None = None,
        believed: bool = False,
    ) -> tuple[MetricRun, Knowledge]:
        """Measure one state of the code once. A failure of the code is a value, not an error.

        `believed`: whatever it prints and tests is not held against what others did. Raises
        `OutOfTime`, as all that measures a subject does.
        """
        if self.judge and stage != "holdout":
            subject.refuse_late(knowledge.usual(self.metric.command))
            run = self._judgement(self.judge, subject, stage)
            if not (subject.is_candidate or run.failed):
                knowledge = knowledge.having_taken_lately(self.metric.command, run.seconds)
        else:
            run, knowledge = self._measured(subject, knowledge, stage, rival, believed=believed)
        if stage != "holdout":
            side: MeasuredSide = "candidate" if subject.is_candidate else "incumbent"
            self.observe(
                MetricMeasured(
                    iteration=subject.iteration,
                    stage=stage,
                    side="" if stage == "confirm" else side,
                    value=run.value,
                    reason=run.reason,
                    seconds=run.seconds,
                    agreement=run.output.partition("\n")[0] if self.judge else "",
                )
            )
        return run, knowledge

    def _measured(
        self,
        subject: Subject,
        knowledge: Knowledge,
        stage: MetricStage,
        rival: Curve | None,
        *,
        believed: bool,
    ) -> tuple[MetricRun, Knowledge]:
        section = (stage == "holdout" and self.holdout) or self.metric
        progress = _Progress(self.metric, rival if subject.is_candidate else None)
        ended = self.commands.measured(
            subject,
            stage,
            section.command,
            knowledge,
            timeout=section.timeout,
            report=metrics.report_path(section.extract),
            line=progress.is_hopeless if stage != "holdout" else None,
        )
        role = "holdout" if stage == "holdout" else "metric"
        strict = subject.is_candidate and not believed
        read = _read(ended, section, role, strict=strict)
        run = _interpreted(ended, read, progress.points)
        if ended.result.stopped:
            return run, ended.knowledge
        seen = _seen(ended, section, read)
        if believed:
            return _in_its_unit(run, role, seen, ended.knowledge), ended.knowledge
        if not subject.is_candidate and self.commands.has_helpers(section.command, subject.changes):
            seen = replace(seen, handed_over=True)
        return _believed(run, subject, role, seen, ended.knowledge)

    def _judgement(self, judge: Judge, subject: Subject, stage: Stage) -> MetricRun:
        command, redact = self.metric.command, self.commands.redact
        self.observe(StageStarted(iteration=subject.iteration, stage=stage, command=command))
        try:
            files = self.tree.contents(
                subject.changes, lambda paths: judged_paths(self.metric.files, paths)
            )
        except MetricError as error:
            return MetricRun(value=None, failure=Status.METRIC_ERROR, reason=str(error))
        run = judge.measure(files)
        run = replace(run, reason=redact(run.reason), output=redact(run.output))
        self.commands.logs.judged(subject.iteration, stage, run)
        return run


class _Progress:
    """What a run prints on its way, and whether it is clearly behind its rival."""

    def __init__(self, metric: Metric, rival: Curve | None) -> None:
        self.points: list[Progress] = []
        self._pattern = re.compile(metric.early_stop.regex) if metric.early_stop else None
        self._direction = metric.direction
        self._rival = rival

    def is_hopeless(self, line: str) -> bool:
        news = self._pattern is not None and extend(self.points, line, self._pattern)
        if not news or self._rival is None:
            return False
        return behind(self._rival, self.points, self._direction)


def crashed(run: MetricRun) -> bool:
    """Whether the same code may do better: not if it took too long, or printed no number."""
    return run.failure is Status.CRASH and not run.timed_out


def _in_its_unit(run: MetricRun, role: str, seen: Prints, knowledge: Knowledge) -> MetricRun:
    """Without its value where that was printed in another unit."""
    if run.failed or not (why := knowledge.other_unit(role, seen)):
        return run
    return replace(run, value=None, failure=Status.METRIC_ERROR, reason=why)


def _believed(
    run: MetricRun, subject: Subject, role: str, seen: Prints, knowledge: Knowledge
) -> tuple[MetricRun, Knowledge]:
    """The run, without its value where it cannot be one of this metric's; and what it teaches."""
    if not subject.is_candidate:
        run = _in_its_unit(run, role, seen, knowledge)
        return run, knowledge if run.failed else knowledge.having_seen(role, seen)
    doubt, knowledge = knowledge.doubting(role, seen)
    if doubt is None:
        return run, knowledge
    reason = f"{run.reason}: {doubt.reason}" if run.reason else doubt.reason
    return (
        replace(run, value=None, failure=run.failure or doubt.status, reason=reason),
        knowledge,
    )


def _read(
    ended: EndedCommand, section: Metric | Holdout, role: str, *, strict: bool
) -> Reading | MetricError:
    """What a run that did not fail has printed, or why that is no number."""
    if isinstance(ended.report, MetricError):
        return ended.report
    usual = ended.knowledge.streams(role)
    try:
        return read_number(
            ended.result, section.name, section.extract, ended.report, usual=usual, strict=strict
        )
    except MetricError as error:
        return error


def _interpreted(
    ended: EndedCommand, read: Reading | MetricError, points: Sequence[Progress]
) -> MetricRun:
    result = ended.result
    value, failure, reason = None, None, result.reason
    if result.stopped:
        failure = Status.DISCARD
        reason = f"stopped early at progress {points[-1][0]:.2g}: clearly behind the incumbent"
    elif reason:
        failure = Status.CRASH
    elif isinstance(read, MetricError):
        failure, reason = Status.METRIC_ERROR, str(read)
    else:
        value = read.value
    return MetricRun(
        value=value,
        failure=failure,
        reason=reason,
        timed_out=result.timed_out,
        seconds=result.seconds,
        peak_memory_mb=result.peak_memory_mb,
        numbers=metrics.named_numbers(f"{result.stdout.text}\n{result.stderr.text}"),
        output=result.tail,
        curve=tuple(points),
    )


def _printed(ended: EndedCommand, section: Metric | Holdout, value: float | None) -> PrintedLines:
    """What stands in its output: on the other stream are warnings, which may get fewer, and what
    some runners say of tests."""
    out, errors = ended.result.stdout.text, ended.result.stderr.text
    text, aside = (out, errors) if out.strip() else (errors, "")
    return PrintedLines.of(text, behind=_behind_number(text, section), value=value, aside=aside)


def _behind_number(text: str, section: Metric | Holdout) -> str:
    """What was printed behind the number's line; empty where that is no line of its own."""
    rule = section.extract
    if rule and (metrics.report_path(rule) or rule.json_path or rule.last_number):
        return ""
    lines = text.rstrip().split("\n")
    for at in range(len(lines) - 1, max(-1, len(lines) - 1 - _BEHIND), -1):
        try:
            metrics.extract(lines[at], section.name, rule)
        except MetricError:
            continue
        return "\n".join(lines[at + 1 :])
    return ""


def _seen(ended: EndedCommand, section: Metric | Holdout, read: Reading | MetricError) -> Prints:
    """What there is to hold against other runs; of a failed run, only its tests."""
    if ended.result.reason or isinstance(read, MetricError):
        return Prints(suite=ended.suite)
    junit = section.extract.junit if section.extract else None
    content = None if isinstance(ended.report, MetricError) else ended.report
    listed = junit_suite(content or b"", junit) if junit else None
    printed = _printed(ended, section, read.value)
    return replace(read.seen, suite=ended.suite, listed=listed, output=printed)
