"""Iteration 0: the unmodified code, measured often enough to know the metric's noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.early_stop import Curve
from autoresearch_ci.decide.metric.run_statistics import (
    CALIBRATION,
    Policy,
    RunStatistics,
    next_calibration_run,
)
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.events import Note
from autoresearch_ci.execution.telling_line import last_lines
from autoresearch_ci.experiment import GuardRun, MetricRun, Status
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.commands import OutOfTime, Subject
from autoresearch_ci.measure.guards import unsteady
from autoresearch_ci.measure.holdout import calibrated


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What the unmodified code did."""

    runs: tuple[MetricRun, ...]
    """Each gave a value."""
    guards: tuple[GuardRun, ...]
    """All passed."""
    knowledge: Knowledge

    @property
    def values(self) -> list[float]:
        return _values(self.runs)


class RedGuard(BaselineError):
    """A guard fails on the unmodified code: no other metric helps."""


def measure_baseline(
    bench: Bench,
    policy: Policy,
    *,
    calibrate: bool,
    until: float | None = None,
    at_most: int = CALIBRATION,
) -> Baseline:
    """The metric, the guards, the holdout. Raises `BaselineError`.

    `calibrate`: whether the metric is measured repeatedly to learn its noise. `until`: when no run
    for that is begun any more, but for the second. `at_most`: so many runs are enough.
    """
    unmodified = Subject(changes={}, iteration=0)
    knowledge = Knowledge()
    runs: list[MetricRun] = []
    while not runs or (
        calibrate and len(runs) < at_most and next_calibration_run(_values(runs), policy)
    ):
        try:
            found = bench.measure(
                replace(unmodified, until=until if len(runs) > 1 else None), knowledge
            )
        except OutOfTime:  # equal values are no proof yet
            policy = replace(policy, exact=False)
            break
        if gone := found.knowledge.left_out("metric", knowledge):
            bench.observe(Note(message=unsteady(bench.metric.command, gone)))
        knowledge = found.knowledge
        _refuse_failed(found.run, bench)
        runs.append(found.run)
    guarded = bench.guards.run(unmodified, knowledge, runs[-1])
    for guard in guarded.runs:
        _refuse_red(guard, bench)
    knowledge = calibrated(bench, guarded.knowledge)
    points = runs[-1].curve
    return Baseline(
        runs=tuple(runs),
        guards=guarded.runs,
        knowledge=replace(
            knowledge,
            session=RunStatistics.calibrated(_values(runs), policy),
            curve=Curve(points=points) if points else None,
        ),
    )


_USUALLY = {
    False: "the metric command needs a variable, folder or setup step that the measure tree lacks.",
    True: "it prints its number in another way than `metric.name` and `metric.extract` say: beside "
    "a unit, for example, `--metric-extract-regex 'took ([0-9.]+) ms'` finds it.",
}
"""By whether the command itself ended well."""


def _values(runs: list[MetricRun] | tuple[MetricRun, ...]) -> list[float]:
    return [run.value for run in runs if run.value is not None]


def _refuse_failed(run: MetricRun, bench: Bench) -> None:
    if run.failed:
        raise BaselineError(
            f"the unmodified code cannot be measured ({run.failure}): {run.reason}\n"
            f"usually: {_USUALLY[run.failure is Status.METRIC_ERROR]}\n"
            f"{bench.hints(run.output)}"
            f"its last output:\n{last_lines(run.output)}"
        )


def _refuse_red(guard: GuardRun, bench: Bench) -> None:
    if guard.failed:
        raise RedGuard(
            f"a guard fails on the unmodified code: {guard.reason}\n"
            "usually: it is red already, or it needs a variable or folder that measured "
            "code does not get (`env`, `pass_env`, `share`, `setup`).\n"
            f"{bench.hints(guard.output)}"
            f"its last output:\n{last_lines(guard.output)}"
        )
