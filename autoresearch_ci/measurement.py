"""Runs the metric command and the guards on one state of the code; judges nothing."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autoresearch_ci import metrics
from autoresearch_ci.command import CommandResult, Stop, run_command
from autoresearch_ci.command.environment import clean_environment
from autoresearch_ci.early_stop import Curve, Point, behind, extend
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.events import Note, Observer, OutputLine, Stage, StageStarted, Warning
from autoresearch_ci.experiment import Direction, GuardRun, MetricRun, Status
from autoresearch_ci.measure_tree import MeasureTree
from autoresearch_ci.metrics import Extract
from autoresearch_ci.metrics.plain_number import MetricError
from autoresearch_ci.metrics.xml_reports import junit_outcomes
from autoresearch_ci.outcomes import Outcomes
from autoresearch_ci.records import Attempt
from autoresearch_ci.rubric import Judge, judged_paths
from autoresearch_ci.scrutiny import Scrutiny, Seen
from autoresearch_ci.untrusted import Refused, file_bytes
from autoresearch_ci.witness import Witness
from autoresearch_ci.workspace import Changes

BASELINE_TIMEOUT = 3600.0
"""Seconds the unmodified code may take when no timeout is configured."""
TIMEOUT_FACTOR = 3.0
"""Without a configured timeout a candidate may take this many times the baseline's duration."""
SHORTEST_TIMEOUT = 10.0
"""Seconds; start-up noise must not time out a command that takes milliseconds."""
_REPORT_BYTES = 64 * 2**20


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


class Bench:
    """The measure tree with the commands that run in it."""

    def __init__(
        self,
        *,
        tree: MeasureTree,
        plans: Plans,
        environment: Mapping[str, str],
        inherit: Mapping[str, str],
        redact: Callable[[str], str],
        stop: Stop,
        observe: Observer,
        logs: Path,
        private_logs: Path,
        judge: Judge | None = None,
    ) -> None:
        """`redact`: removes secrets from what commands print.

        `judge`: gives the metric's number instead of the metric command.
        """
        self.judge = judge
        self.tree = tree
        self.plans = plans
        self._metric = plans.metric
        self._guards = plans.guards
        self._private_logs = private_logs
        layout = tree.layout
        self._environment = clean_environment(
            environment, home=layout.home, tmp=layout.temporary, inherit=inherit
        )
        self._redact = redact
        self._stop = stop
        self._observe = observe
        self._logs = logs
        self._durations: dict[str, float] = {}
        self._guard_baselines: dict[int, float] = {}
        self.witness = Witness(
            folder=layout.box / "witness",
            temporary=layout.temporary,
            store=private_logs.parent / "outcomes",
        )
        self._scrutiny = Scrutiny(self.witness)
        self._unlogged: list[tuple[int, Stage, CommandResult]] = []

    def set_up(self, commands: Sequence[str]) -> None:
        """Run the setup commands. Raises `BaselineError` when one fails."""
        self._tell_protection()
        for command in commands:
            result = self._run(0, "setup", command, timeout=None)
            self._write_logs()
            if result.exit_code:
                raise BaselineError(
                    f"the setup command failed with exit code {result.exit_code}: {command}\n"
                    "usually: it needs a variable or a folder that measured code does not get; "
                    "see `env`, `pass_env` and `share` in the configuration.\n"
                    f"{self.confinement_hint(setup=True)}"
                    f"its last output:\n{_last_lines(result.tail)}"
                )
        self.tree.seal()

    def _tell_protection(self) -> None:
        found = self.tree.sandbox.protection
        if found.on:
            self._observe(Note(message=f"measured code {', '.join(found.on)}"))
        for missing in found.off:
            self._observe(Warning(message=str(missing)))

    def confinement_hint(self, *, setup: bool = False) -> str:
        """What a command that fails may have missed: a line, or nothing."""
        found = self.tree.sandbox.protection
        hint = found.setup_hint if setup else found.hint
        return f"note: {hint}.\n" if hint else ""

    def metric(
        self,
        changes: Changes,
        iteration: int,
        *,
        stage: Stage = "metric",
        plan: MetricPlan | None = None,
        rival: Curve | None = None,
        incumbent: bool = False,
    ) -> MetricRun:
        """Measure one state of the code once. A failure of the code is a value, not an error.

        `rival`: the curve to keep up with; a run that is clearly behind it is killed.
        `incumbent`: the state is what candidates are compared with; so is all of iteration 0.
        """
        plan = plan or self._metric
        if self.judge and plan is self._metric:
            return self._judgement(self.judge, changes, iteration, stage)
        pattern = self.plans.curve if plan is self._metric else None
        points: list[Point] = []

        def hopeless(line: str) -> bool:
            news = pattern is not None and extend(points, line, pattern)
            return news and rival is not None and behind(rival, points, plan.direction)

        self.tree.place(changes)
        report = metrics.report_path(plan.extract)
        try:
            self._forget_report(report)
            result, outcomes = self._watched(
                iteration, stage, plan.command, timeout=plan.timeout, line=hopeless
            )
            if iteration == 0 and not changes:
                self._learn_duration(result)
            found = self._read(report)
        finally:
            self._clean_up()
        run = _interpret(result, plan, found, points)
        if stage == "confirm" or result.stopped:
            return run
        role = "holdout" if stage == "holdout" else "metric"
        junit = plan.extract.junit if not run.failure else None
        content = found if isinstance(found, bytes) else None
        seen = Seen(
            outcomes=outcomes,
            listed=junit_outcomes(content or b"", junit) if junit else None,
            times=0 if run.failure else metrics.occurrences(result.output, plan.extract, content),
        )
        if incumbent or iteration == 0:
            if not run.failure:
                self._scrutiny.learn(role, seen)
            return run
        doubt = self._scrutiny.doubt(role, seen)
        if doubt is None:
            return run
        reason = f"{run.reason}: {doubt.reason}" if run.reason else doubt.reason
        return replace(run, value=None, failure=run.failure or doubt.status, reason=reason)

    def _judgement(self, judge: Judge, changes: Changes, iteration: int, stage: Stage) -> MetricRun:
        self._observe(StageStarted(iteration=iteration, stage=stage, command=self._metric.command))
        try:
            files = self.tree.contents(
                changes, lambda paths: judged_paths(self.plans.judged, paths)
            )
        except MetricError as error:
            return MetricRun(value=None, failure=Status.METRIC_ERROR, reason=str(error))
        run = judge.measure(files)
        run = replace(run, reason=self._redact(run.reason), output=self._redact(run.output))
        with (self._logs / f"{iteration}.log").open("a", encoding="utf-8") as file:
            file.write(f"[{stage}] rubric: {run.reason or run.value}\n{run.output}\n\n")
        return run

    def guards(self, changes: Changes, iteration: int, measured: MetricRun) -> list[GuardRun]:
        """Run the guards in order, up to the first that fails.

        A guard that watches a number of the metric command itself takes it from `measured`: a
        five-minute training run is not repeated to read its peak memory.
        """
        runs = []
        for index, plan in enumerate(self._guards):
            run = self._guard(index, plan, changes, iteration, measured)
            runs.append(run)
            if not run.passed:
                break
        return runs

    def hooks_refusal(self, attempt: Attempt, parent: str) -> GuardRun | None:
        """The first of the user's own hooks that refuses the candidate, or `None`."""
        folder = self.plans.hooks
        for name in ("pre-commit", "commit-msg") if folder else ():
            hook = Path(folder or "") / name
            if not os.access(hook, os.X_OK):
                continue
            self.tree.place(attempt.changes)
            try:
                self.tree.pretend_repository(parent, attempt.commit)
                message = self.tree.layout.temporary / "COMMIT_EDITMSG"
                message.write_text(f"experiment: {attempt.description}\n", encoding="utf-8")
                self.tree.sandbox.own(message)
                command = shlex.join([str(hook), *([str(message)] if name == "commit-msg" else [])])
                result = self._run(attempt.iteration, "guard", command, timeout=None)
            finally:
                self._clean_up()
            failure = _failure(result)
            if failure:
                reason = f"the {name} hook refused it: {failure}"
                return GuardRun(command=name, passed=False, reason=reason, output=result.tail)
        return None

    def learn_guards(self, runs: Sequence[GuardRun]) -> None:
        """Take the baseline's numbers as what the tolerances refer to."""
        for index, run in enumerate(runs):
            if run.value is not None:
                self._guard_baselines[index] = run.value

    def memory(self) -> dict[str, Any]:
        """What was learnt on the baseline, as plain JSON values."""
        return {
            "durations": dict(self._durations),
            "guards": {str(index): value for index, value in self._guard_baselines.items()},
            "scrutiny": self._scrutiny.memory(),
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Inverse of `memory`."""
        self._durations = dict(memory["durations"])
        self._guard_baselines = {int(index): value for index, value in memory["guards"].items()}
        if "scrutiny" in memory:  # a run that an older version began knows of no tests
            self._scrutiny.remember(memory["scrutiny"])

    def _guard(
        self, index: int, plan: GuardPlan, changes: Changes, iteration: int, measured: MetricRun
    ) -> GuardRun:
        if plan.extract and plan.extract.name and plan.command == self._metric.command:
            value = measured.numbers.get(plan.extract.name)
            run = GuardRun(
                command=plan.command,
                passed=value is not None,
                value=value,
                reason="" if value is not None else f"{plan.extract.name} was not printed",
                output=measured.output,
            )
        else:
            run = self._run_guard(index, plan, changes, iteration)
        baseline = self._guard_baselines.get(index)
        if run.value is None or baseline is None:
            return run
        loss = -plan.direction.gain(baseline, run.value)
        if loss <= plan.tolerance * abs(baseline):
            return run
        name = plan.extract.name if plan.extract else ""
        reason = (
            f"{name} {run.value:g} is worse than {baseline:g} by more than "
            f"{100 * plan.tolerance:.3g} %"
        )
        return GuardRun(
            command=run.command,
            passed=False,
            value=run.value,
            reason=reason,
            seconds=run.seconds,
            output=run.output,
        )

    def _run_guard(self, index: int, plan: GuardPlan, changes: Changes, iteration: int) -> GuardRun:
        self.tree.place(changes)
        try:
            self._forget_report(plan.junit)
            result, outcomes = self._watched(iteration, "guard", plan.command, timeout=plan.timeout)
            if iteration == 0:
                self._learn_duration(result)
            report = self._read(plan.junit)
        finally:
            self._clean_up()
        failure = _failure(result)
        value = None
        if not failure and plan.extract:
            try:
                value = metrics.extract(result.output, plan.extract)
            except MetricError as error:
                failure = str(error)
        loss = self._guarded_tests(index, plan, iteration, failure, outcomes, report)
        failure = ": ".join(filter(None, (failure, loss)))
        return GuardRun(
            command=plan.command,
            passed=not failure,
            value=value,
            reason=failure and f"guard failed: {plan.command}: {failure}",
            seconds=result.seconds,
            output=f"{result.tail}\n{loss}" if loss else result.tail,
        )

    def _guarded_tests(
        self,
        index: int,
        plan: GuardPlan,
        iteration: int,
        failure: str,
        outcomes: Outcomes | None,
        report: bytes | MetricError | None,
    ) -> str:
        """Why the tests of a guard are fewer or worse than before; empty when they are not."""
        listed, problem = None, ""
        if plan.junit and report is None:
            problem = f"{plan.junit} was not written"
        elif isinstance(report, MetricError):
            problem = str(report)
        elif plan.junit and report is not None:
            try:
                listed = junit_outcomes(report, plan.junit)
            except MetricError as error:
                problem = str(error)
        role, seen = f"guard {index}", Seen(outcomes=outcomes, listed=listed)
        if iteration:
            doubt = self._scrutiny.doubt(role, seen)
            return ": ".join(filter(None, (problem, doubt.reason if doubt else "")))
        self._scrutiny.learn(role, seen)
        if not (outcomes or listed or plan.extract or failure):
            message = (
                f"no test was seen in the guard {plan.command!r}: only its exit code counts. "
                "With a JUnit report (guards: [{command: …, junit: FILE}]) tests that vanish count"
            )
            self._observe(Note(message=message))
        return problem

    def _watched(
        self,
        iteration: int,
        stage: Stage,
        command: str,
        *,
        timeout: float | None,
        line: Callable[[str], bool] | None = None,
    ) -> tuple[CommandResult, Outcomes | None]:
        """`_run`, and how the tests ended when the command runs pytest."""
        with self.witness.watch(command, self._environment) as watch:
            result = self._run(
                iteration, stage, command, timeout=timeout, line=line, env=watch.environment
            )
        if iteration == 0 and self.witness.is_in_the_way(command, result.exit_code, result.output):
            message = (
                f"the tests in {command!r} cannot be watched, only exit code and number count: it "
                "sets PYTHONPATH itself or isolates Python. Set PYTHONPATH in `env` instead"
            )
            self._observe(Note(message=message))
            return self._watched(iteration, stage, command, timeout=timeout, line=line)
        return result, watch.outcomes

    def _run(
        self,
        iteration: int,
        stage: Stage,
        command: str,
        *,
        timeout: float | None,
        line: Callable[[str], bool] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CommandResult:
        self._observe(StageStarted(iteration=iteration, stage=stage, command=command))

        def on_line(text: str) -> bool:
            if stage != "holdout":
                self._observe(OutputLine(text=text))
            return bool(line and line(text))

        result = run_command(
            command,
            cwd=self.tree.layout.tree,
            env=self._environment if env is None else env,
            timeout=timeout or self._default_timeout(command),
            stop=self._stop,
            on_line=on_line,
            enter=self.tree.sandbox.enter(network=stage == "setup"),
        ).redacted(self._redact)
        self.tree.sandbox.sweep()
        self._unlogged.append((iteration, stage, result))
        return result

    def _clean_up(self) -> None:
        """Only then is there room for a log, if it was the command that filled the disk."""
        self.tree.restore()
        self._write_logs()

    def _write_logs(self) -> None:
        while self._unlogged:
            self._log(*self._unlogged.pop(0))

    def _learn_duration(self, result: CommandResult) -> None:
        """The unmodified code's; without a configured timeout, others get a multiple of it."""
        known = self._durations.get(result.command, 0.0)
        self._durations[result.command] = max(result.seconds, known)

    def _default_timeout(self, command: str) -> float:
        known = self._durations.get(self._redact(command))
        return max(TIMEOUT_FACTOR * known, SHORTEST_TIMEOUT) if known else BASELINE_TIMEOUT

    def _log(self, iteration: int, stage: Stage, result: CommandResult) -> None:
        ending = _failure(result) or "exit code 0"
        # What the holdout prints must not lie where a proposer can read it.
        folder = self._private_logs if stage == "holdout" else self._logs
        with (folder / f"{iteration}.log").open("a", encoding="utf-8") as file:
            file.write(
                f"[{stage}] $ {result.command}\n{result.output.rstrip()}\n"
                f"[{stage}] {ending} after {result.seconds:.2f} s\n\n"
            )

    def _forget_report(self, name: str | None) -> None:
        """What lies there before the run is not this run's report."""
        path = self._report_file(name) if name else None
        if path and (path.is_symlink() or not path.is_dir()):
            path.unlink()

    def _read(self, report: str | None) -> bytes | MetricError | None:
        """What the command wrote, or why that is no report."""
        try:
            return self._report(report)
        except MetricError as error:
            return error

    def _report(self, name: str | None) -> bytes | None:
        """What the command wrote. Raises `MetricError` when that is no plain file, or too large."""
        if name is None:
            return None
        path = self._report_file(name)
        if path is None:
            return None
        try:
            return file_bytes(path, _REPORT_BYTES, follow=False)
        except (Refused, PermissionError) as error:
            why = error if isinstance(error, Refused) else "is not readable"
            raise MetricError(f"{name} {why}") from error

    def _report_file(self, name: str) -> Path | None:
        """Where the report lies; `None` when nothing is there, or a link leads out of the tree."""
        tree = self.tree.layout.tree
        path = tree / name
        inside = path.parent.resolve().is_relative_to(tree.resolve())
        return path if inside and os.path.lexists(path) else None


def _interpret(
    result: CommandResult,
    plan: MetricPlan,
    report: bytes | MetricError | None,
    points: Sequence[Point],
) -> MetricRun:
    value, failure, reason = None, None, _failure(result)
    if result.stopped:
        failure = Status.DISCARD
        reason = f"stopped early at progress {points[-1][0]:.2g}: clearly behind the incumbent"
    elif reason:
        failure = Status.CRASH
    else:
        try:
            if isinstance(report, MetricError):
                raise report
            value = metrics.extract(result.output, plan.extract, report)
        except MetricError as error:
            failure, reason = Status.METRIC_ERROR, str(error)
    return MetricRun(
        value=value,
        failure=failure,
        reason=reason,
        seconds=result.seconds,
        peak_memory_mb=result.peak_memory_mb,
        numbers=metrics.named_numbers(result.output),
        output=result.tail,
        curve=tuple(points),
    )


def _failure(result: CommandResult) -> str:
    if result.timed_out:
        return f"timed out after {result.seconds:.0f} s"
    if result.exit_code < 0:
        return f"killed by signal {-result.exit_code}"
    return f"exit code {result.exit_code}" if result.exit_code else ""


def _last_lines(text: str, count: int = 20) -> str:
    return "\n".join(text.strip().splitlines()[-count:]) or "(it printed nothing)"
