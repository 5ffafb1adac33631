"""Measures the metric of one state of the code; judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoresearch_ci.config.plans import MetricPlan, Plans, report_path
from autoresearch_ci.decide.early_stop import Curve, Point, behind, extend
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.events import (
    MetricMeasured,
    Note,
    Observer,
    Side,
    Stage,
    StageStarted,
    Warning,
)
from autoresearch_ci.execution.command import Stop, last_lines
from autoresearch_ci.execution.environment import clean_environment
from autoresearch_ci.experiment import GuardRun, MetricRun, Status
from autoresearch_ci.measure import extract as metrics
from autoresearch_ci.measure.commands import Ended, MeasuredCommands, RunLogs
from autoresearch_ci.measure.guards import FlakyMetric, Guards, hooks_refusal
from autoresearch_ci.measure.judge import Judge, judged_paths
from autoresearch_ci.measure.suite_observer import Scrutiny, Seen, SuiteObserver
from autoresearch_ci.measure.xml_reports import junit_outcomes
from autoresearch_ci.record.durable_records import Attempt
from autoresearch_ci.safety.bounded import MetricError
from autoresearch_ci.workspace.measure_tree import MeasureTree
from autoresearch_ci.workspace.repository import Changes


class Bench:
    """All that is measured on a state of the code: the metric here, the guards beside it."""

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
        layout = tree.layout
        self.judge = judge
        self.tree = tree
        self.plans = plans
        self.witness = SuiteObserver(
            folder=layout.scratch / "witness",
            temporary=layout.temporary,
            store=private_logs.parent / "outcomes",
        )
        self._commands = MeasuredCommands(
            tree=tree,
            environment=clean_environment(
                environment, home=layout.home, tmp=layout.temporary, inherit=inherit
            ),
            redact=redact,
            stop=stop,
            observe=observe,
            logs=RunLogs(logs, private_logs),
            witness=self.witness,
        )
        self._scrutiny = Scrutiny(self.witness)
        self.guards = Guards(self._commands, plans, self._scrutiny)
        self.flaky = FlakyMetric(self.metric, lambda text: observe(Warning(message=text)))

    def set_up(self, commands: Sequence[str]) -> None:
        """Run the setup commands. Raises `BaselineError` when one fails."""
        self._tell_protection()
        for command in commands:
            result = self._commands.run(0, "setup", command)
            self._commands.logs.write()
            if result.exit_code:
                raise BaselineError(
                    f"the setup command failed with exit code {result.exit_code}: {command}\n"
                    "usually: it needs a variable or a folder that measured code does not get; "
                    "see `env`, `pass_env` and `share` in the configuration.\n"
                    f"{self.confinement_hint(setup=True)}"
                    f"its last output:\n{last_lines(result.tail)}"
                )
        self.tree.seal()

    def _tell_protection(self) -> None:
        found, observe = self.tree.sandbox.protection, self._commands.observe
        if found.on:
            observe(Note(message=f"measured code {', '.join(found.on)}"))
        for missing in found.off:
            observe(Warning(message=str(missing)))

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
        incumbent = incumbent or iteration == 0
        run = self._metric(changes, iteration, stage, plan, rival, incumbent)
        if stage != "holdout":
            side: Side = "" if stage == "confirm" else "incumbent" if incumbent else "candidate"
            self._commands.observe(
                MetricMeasured(
                    iteration=iteration,
                    stage=stage,
                    side=side,
                    value=run.value,
                    reason=run.reason,
                    seconds=run.seconds,
                )
            )
        return run

    def _metric(
        self,
        changes: Changes,
        iteration: int,
        stage: Stage,
        plan: MetricPlan | None,
        rival: Curve | None,
        incumbent: bool,
    ) -> MetricRun:
        plan = plan or self.plans.metric
        if self.judge and plan is self.plans.metric:
            return self._judgement(self.judge, changes, iteration, stage)
        pattern = self.plans.curve if plan is self.plans.metric else None
        points: list[Point] = []

        def hopeless(line: str) -> bool:
            news = pattern is not None and extend(points, line, pattern)
            return news and rival is not None and behind(rival, points, plan.direction)

        ended = self._commands.measured(
            changes,
            iteration,
            stage,
            plan.command,
            timeout=plan.timeout,
            report=report_path(plan.extract),
            line=hopeless,
        )
        run = _interpreted(ended, plan, points)
        if stage == "confirm" or ended.result.stopped:
            return run
        role = "holdout" if stage == "holdout" else "metric"
        seen = _seen(ended, plan, run)
        if incumbent:
            if not run.failure:
                self._scrutiny.learn(role, seen)
            return run
        doubt = self._scrutiny.doubt(role, seen)
        if doubt is None:
            return run
        reason = f"{run.reason}: {doubt.reason}" if run.reason else doubt.reason
        return replace(run, value=None, failure=run.failure or doubt.status, reason=reason)

    def _judgement(self, judge: Judge, changes: Changes, iteration: int, stage: Stage) -> MetricRun:
        command, redact = self.plans.metric.command, self._commands.redact
        self._commands.observe(StageStarted(iteration=iteration, stage=stage, command=command))
        try:
            files = self.tree.contents(
                changes, lambda paths: judged_paths(self.plans.judged, paths)
            )
        except MetricError as error:
            return MetricRun(value=None, failure=Status.METRIC_ERROR, reason=str(error))
        run = judge.measure(files)
        run = replace(run, reason=redact(run.reason), output=redact(run.output))
        self._commands.logs.judged(iteration, stage, run)
        return run

    def hooks_refusal(self, attempt: Attempt, parent: str) -> GuardRun | None:
        """The first of the user's own hooks that refuses the candidate, or `None`."""
        return hooks_refusal(self._commands, self.plans.hooks, attempt, parent)

    def memory(self) -> dict[str, Any]:
        """What was learnt on the baseline, as plain JSON values."""
        return {
            "durations": dict(self._commands.durations),
            **self.guards.memory(),
            "flaky_metric": self.flaky.known,
            "scrutiny": self._scrutiny.memory(),
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Inverse of `memory`."""
        self._commands.durations = dict(memory["durations"])
        self.guards.remember(memory)
        self.flaky.known = memory.get("flaky_metric", False)
        if "scrutiny" in memory:  # a run that an older version began knows of no tests
            self._scrutiny.remember(memory["scrutiny"])


def _interpreted(ended: Ended, plan: MetricPlan, points: Sequence[Point]) -> MetricRun:
    result, report = ended.result, ended.report
    value, failure, reason = None, None, result.failure
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
        timed_out=result.timed_out,
        seconds=result.seconds,
        peak_memory_mb=result.peak_memory_mb,
        numbers=metrics.named_numbers(result.output),
        output=result.tail,
        curve=tuple(points),
    )


def _seen(ended: Ended, plan: MetricPlan, run: MetricRun) -> Seen:
    """What there is to hold against other runs; of a failed run, only its tests."""
    if run.failure:
        return Seen(outcomes=ended.outcomes)
    content = ended.report if isinstance(ended.report, bytes) else None
    junit = plan.extract.junit
    return Seen(
        outcomes=ended.outcomes,
        listed=junit_outcomes(content or b"", junit) if junit else None,
        times=metrics.occurrences(ended.result.output, plan.extract, content),
    )
