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
from autoresearch_ci.events import Observer, OutputLine, Stage, StageStarted
from autoresearch_ci.experiment import Direction, GuardRun, MetricRun, Status
from autoresearch_ci.measure_tree import MeasureTree
from autoresearch_ci.metrics import Extract
from autoresearch_ci.metrics.plain_number import MetricError
from autoresearch_ci.records import Attempt
from autoresearch_ci.rubric import Judge, judged_paths
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

    def set_up(self, commands: Sequence[str]) -> None:
        """Run the setup commands. Raises `BaselineError` when one fails."""
        for command in commands:
            result = self._run(0, "setup", command, timeout=None)
            if result.exit_code:
                raise BaselineError(
                    f"the setup command failed with exit code {result.exit_code}: {command}\n"
                    "usually: it needs a variable or a folder that measured code does not get; "
                    "see `env`, `pass_env` and `share` in the configuration.\n"
                    f"its last output:\n{_last_lines(result.tail)}"
                )
        self.tree.seal()

    def metric(
        self,
        changes: Changes,
        iteration: int,
        *,
        stage: Stage = "metric",
        plan: MetricPlan | None = None,
        rival: Curve | None = None,
    ) -> MetricRun:
        """Measure one state of the code once. A failure of the code is a value, not an error.

        `rival`: the curve to keep up with; a run that is clearly behind it is killed.
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
            if report and (path := self._report_file(report)):
                # A report that lies there before the run is not this run's report.
                path.unlink()
            result = self._run(iteration, stage, plan.command, timeout=plan.timeout, line=hopeless)
            return _interpret(result, plan, self._report(report), points)
        finally:
            self.tree.restore()

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
                command = shlex.join([str(hook), *([str(message)] if name == "commit-msg" else [])])
                result = self._run(attempt.iteration, "guard", command, timeout=None)
            finally:
                self.tree.restore()
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
        guards = {str(index): value for index, value in self._guard_baselines.items()}
        return {"durations": dict(self._durations), "guards": guards}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Inverse of `memory`."""
        self._durations = dict(memory["durations"])
        self._guard_baselines = {int(index): value for index, value in memory["guards"].items()}

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
            run = self._run_guard(plan, changes, iteration)
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

    def _run_guard(self, plan: GuardPlan, changes: Changes, iteration: int) -> GuardRun:
        self.tree.place(changes)
        try:
            result = self._run(iteration, "guard", plan.command, timeout=plan.timeout)
        finally:
            self.tree.restore()
        failure = _failure(result)
        value = None
        if not failure and plan.extract:
            try:
                value = metrics.extract(result.output, plan.extract)
            except MetricError as error:
                failure = str(error)
        return GuardRun(
            command=plan.command,
            passed=not failure,
            value=value,
            reason=failure and f"guard failed: {plan.command}: {failure}",
            seconds=result.seconds,
            output=result.tail,
        )

    def _run(
        self,
        iteration: int,
        stage: Stage,
        command: str,
        *,
        timeout: float | None,
        line: Callable[[str], bool] | None = None,
    ) -> CommandResult:
        self._observe(StageStarted(iteration=iteration, stage=stage, command=command))

        def on_line(text: str) -> bool:
            if stage != "holdout":
                self._observe(OutputLine(text=text))
            return bool(line and line(text))

        result = run_command(
            command,
            cwd=self.tree.layout.tree,
            env=self._environment,
            timeout=timeout or self._default_timeout(command),
            stop=self._stop,
            on_line=on_line,
        ).redacted(self._redact)
        if iteration == 0 and stage not in ("setup", "confirm"):
            known = self._durations.get(result.command, 0.0)
            self._durations[result.command] = max(result.seconds, known)
        self._log(iteration, stage, result)
        return result

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

    def _report(self, name: str | None) -> bytes | None:
        """The report file that the command was to write, when it is a plain file."""
        if name is None:
            return None
        path = self._report_file(name)
        if path is None or path.is_symlink() or path.stat().st_size > _REPORT_BYTES:
            return None
        return path.read_bytes()

    def _report_file(self, name: str) -> Path | None:
        """Where the report lies; `None` when no file is there, or a link leads out of the tree."""
        tree = self.tree.layout.tree
        path = tree / name
        inside = path.parent.resolve().is_relative_to(tree.resolve())
        return path if inside and (path.is_symlink() or path.is_file()) else None


def _interpret(
    result: CommandResult, plan: MetricPlan, report: bytes | None, points: Sequence[Point]
) -> MetricRun:
    value, failure, reason = None, None, _failure(result)
    if result.stopped:
        failure = Status.DISCARD
        reason = f"stopped early at progress {points[-1][0]:.2g}: clearly behind the incumbent"
    elif reason:
        failure = Status.CRASH
    else:
        try:
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
