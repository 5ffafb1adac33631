"""Guards: commands that must pass, or whose number must not get worse; the user's own git hooks.

And whose fault it is when a command fails now and then. One rule for metric and guards, the same
for both sides: what fails twice fails. Nothing that only a candidate does is forgiven, so none is
kept that made a sound command unsound.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from autoresearch_ci.config.plans import GuardPlan, Plans
from autoresearch_ci.decide.early_stop import Curve
from autoresearch_ci.events import Note, Warning
from autoresearch_ci.experiment import GuardRun, MetricRun, Status
from autoresearch_ci.measure import extract as metrics
from autoresearch_ci.measure.commands import Ended, MeasuredCommands
from autoresearch_ci.measure.suite_observer import Scrutiny, Seen
from autoresearch_ci.measure.suite_standards import Outcomes
from autoresearch_ci.measure.xml_reports import junit_outcomes
from autoresearch_ci.record.durable_records import Attempt
from autoresearch_ci.safety.bounded import MetricError
from autoresearch_ci.workspace.repository import Changes


class Measure(Protocol):
    """`Bench.metric`."""

    def __call__(
        self,
        changes: Changes,
        iteration: int,
        *,
        rival: Curve | None = None,
        incumbent: bool = False,
    ) -> MetricRun: ...


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One measurement, and what it took."""

    run: MetricRun
    """The one that counts."""
    runs: tuple[MetricRun, ...]
    """All of them, the incumbent's included."""
    note: str = ""
    """For the journal: why there was more than one, when that made a difference."""


class FlakyMetric:
    """Measures, a second time where the command failed; knows whether it does so anyhow."""

    def __init__(self, measure: Measure, warn: Callable[[str], None]) -> None:
        self.known = False
        """Whether it has failed and passed on the same code, which was not a candidate's."""
        self._measure = measure
        self._warn = warn

    def of_incumbent(self, changes: Changes, iteration: int) -> Measured:
        """Also of the unmodified code."""
        first = self._measure(changes, iteration, incumbent=True)
        if not crashed(first):
            return Measured(run=first, runs=(first,))
        second = self._measure(changes, iteration, incumbent=True)
        if second.failure is None:
            self._learn()
        return Measured(run=second, runs=(first, second))

    def of_candidate(
        self, changes: Changes, iteration: int, *, incumbent: Changes, rival: Curve | None
    ) -> Measured:
        """`rival`: see `Bench.metric`."""
        first = self._measure(changes, iteration, rival=rival)
        if not crashed(first):
            return Measured(run=first, runs=(first,))
        second = self._measure(changes, iteration, rival=rival)
        runs = [first, second]
        if second.failure is not None:
            return Measured(run=second, runs=tuple(runs))
        for _ in range(TRIES):
            if self.known:
                break
            runs.append(self._measure(incumbent, iteration, incumbent=True))
            if crashed(runs[-1]):
                self._learn()
        if self.known:
            note = f"the metric command failed once ({first.reason})"
            return Measured(run=second, runs=tuple(runs), note=note)
        reason = (
            f"{first.reason} (it passed when it was run again, but never failed in {TRIES} runs "
            "on the incumbent)"
        )
        return Measured(run=replace(first, reason=reason), runs=tuple(runs))

    def _learn(self) -> None:
        if not self.known:
            self.known = True
            self._warn(
                "the metric command fails now and then on code that is not a candidate's: where "
                "it fails it gets a second run"
            )


def crashed(run: MetricRun) -> bool:
    """Whether the same code may do better: not if it took too long, or printed no number."""
    return run.failure is Status.CRASH and not run.timed_out


_ASKED = ("pre-commit", "commit-msg")


def hooks_refusal(
    commands: MeasuredCommands, folder: Path | None, attempt: Attempt, parent: str
) -> GuardRun | None:
    """The first hook in `folder` that refuses the candidate; `None`: none does."""
    hooks = [folder / name for name in _ASKED] if folder else []
    for hook in hooks:
        if os.access(hook, os.X_OK):
            refusal = _refusal(commands, hook, attempt, parent)
            if refusal:
                return refusal
    return None


def _refusal(
    commands: MeasuredCommands, hook: Path, attempt: Attempt, parent: str
) -> GuardRun | None:
    tree = commands.tree
    with commands.placed(attempt.changes):
        tree.pretend_repository(parent, attempt.commit)
        message = tree.layout.temporary / "COMMIT_EDITMSG"
        message.write_text(f"experiment: {attempt.description}\n", encoding="utf-8")
        tree.sandbox.own(message)
        words = [str(hook), *([str(message)] if hook.name == "commit-msg" else [])]
        result = commands.run(attempt.iteration, "guard", shlex.join(words))
    if not result.failure:
        return None
    reason = f"the {hook.name} hook refused it: {result.failure}"
    return GuardRun(command=hook.name, passed=False, reason=reason, output=result.tail)


TRIES = 3
"""Runs that show whether a guard fails now and then on code that nobody blames."""


class Guards:
    """The guards, and what the unmodified code and the incumbents did with them."""

    def __init__(self, commands: MeasuredCommands, plans: Plans, scrutiny: Scrutiny) -> None:
        self._commands = commands
        self._plans = plans.guards
        self._metric_command = plans.metric.command
        self._scrutiny = scrutiny
        self._baselines: dict[int, float] = {}
        self._flaky: set[int] = set()
        """Guards that have failed and passed on the same code, which was not a candidate's."""

    def run(
        self,
        changes: Changes,
        iteration: int,
        measured: MetricRun,
        *,
        incumbent: Changes | None = None,
    ) -> list[GuardRun]:
        """Run the guards in order, up to the first that fails.

        A guard that watches a number of the metric command itself takes it from `measured`: a
        five-minute training run is not repeated to read its peak memory. `incumbent`: what the
        candidate is compared with; `None`: this is the unmodified code.
        """
        runs = []
        for index, plan in enumerate(self._plans):
            number = plan.extract.name if plan.extract and not plan.junit else None
            if number and plan.command == self._metric_command:
                run = _read_off(plan.command, number, measured)
                run = self._compared(index, plan, run)
            else:
                run = self._run(index, plan, changes, iteration)
                if not run.passed:
                    run = self._again(index, plan, changes, iteration, run, incumbent)
            runs.append(run)
            if not run.passed:
                break
        return runs

    def _again(
        self,
        index: int,
        plan: GuardPlan,
        changes: Changes,
        iteration: int,
        failed: GuardRun,
        incumbent: Changes | None,
    ) -> GuardRun:
        """What to make of a guard that failed: it may do so whatever the candidate is.

        What fails twice fails. What then passes is believed when the guard fails now and then on
        the incumbent, too; a candidate that makes a sound guard unsound is refused.
        """
        second = self._run(index, plan, changes, iteration)
        if not second.passed:
            return second
        if incumbent is None:
            self._flaky.add(index)
            message = (
                f"the guard {plan.command!r} fails now and then on the unmodified code: a "
                "candidate that fails it gets a second run"
            )
            self._commands.observe(Warning(message=message))
            return second
        tries = 0
        while index not in self._flaky and tries < TRIES:
            tries += 1
            if not self._run(index, plan, incumbent, iteration, incumbent=True).passed:
                self._flaky.add(index)
        if index in self._flaky:
            return second
        return replace(
            failed,
            reason=f"{failed.reason} (it passed when it was run again, but never failed in {TRIES} "
            "runs on the incumbent)",
        )

    def learn(self, runs: Sequence[GuardRun]) -> None:
        """Take the baseline's numbers as what the tolerances refer to."""
        for index, run in enumerate(runs):
            if run.value is not None:
                self._baselines[index] = run.value

    def memory(self) -> dict[str, Any]:
        """What was learnt, as plain JSON values."""
        return {
            "guards": {str(index): value for index, value in self._baselines.items()},
            "flaky_guards": sorted(self._flaky),
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Inverse of `memory`."""
        self._baselines = {int(index): value for index, value in memory["guards"].items()}
        # A run that an older version began does not know.
        self._flaky = set(memory.get("flaky_guards", ()))

    def _compared(self, index: int, plan: GuardPlan, run: GuardRun) -> GuardRun:
        """`run`, not passed if its number is worse than the baseline's by too much."""
        baseline = self._baselines.get(index)
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
        return replace(run, passed=False, reason=reason)

    def _run(
        self,
        index: int,
        plan: GuardPlan,
        changes: Changes,
        iteration: int,
        *,
        incumbent: bool = False,
    ) -> GuardRun:
        """`incumbent`: what it does is what others must reach; so it is in iteration 0."""
        ended = self._commands.measured(
            changes, iteration, "guard", plan.command, timeout=plan.timeout, report=plan.junit
        )
        result = ended.result
        failure, value = result.failure, None
        if not failure and plan.extract:
            try:
                value = metrics.extract(result.output, plan.extract)
            except MetricError as error:
                failure = str(error)
        judged = bool(iteration) and not incumbent
        loss = self._lost_tests(index, plan, ended, judged=judged, failed=bool(failure))
        if not iteration and not (ended.outcomes or plan.junit or plan.extract or failure):
            self._tell_blindness(plan)
        failure = ": ".join(filter(None, (failure, loss)))
        run = GuardRun(
            command=plan.command,
            passed=not failure,
            value=value,
            reason=failure and f"guard failed: {plan.command}: {failure}",
            seconds=result.seconds,
            output=f"{result.tail}\n{loss}" if loss else result.tail,
        )
        return self._compared(index, plan, run)

    def _lost_tests(
        self, index: int, plan: GuardPlan, ended: Ended, *, judged: bool, failed: bool
    ) -> str:
        """Why the tests of a guard are fewer or worse than before; empty when they are not."""
        listed, problem = _listed(plan, ended.report)
        role, seen = f"guard {index}", Seen(outcomes=ended.outcomes, listed=listed)
        if judged:
            doubt = self._scrutiny.doubt(role, seen)
            return ": ".join(filter(None, (problem, doubt.reason if doubt else "")))
        if not failed:  # else tests that never ran would not be missed later
            self._scrutiny.learn(role, seen)
        return problem

    def _tell_blindness(self, plan: GuardPlan) -> None:
        message = (
            f"no test was seen in the guard {plan.command!r}: only its exit code counts. "
            "With a JUnit report (guards: [{command: …, junit: FILE}]) tests that vanish count"
        )
        self._commands.observe(Note(message=message))


def _read_off(command: str, name: str, measured: MetricRun) -> GuardRun:
    """A guard's number, out of what the metric command has printed."""
    value = measured.numbers.get(name)
    return GuardRun(
        command=command,
        passed=value is not None,
        value=value,
        reason="" if value is not None else f"{name} was not printed",
        output=measured.output,
    )


def _listed(plan: GuardPlan, report: bytes | MetricError | None) -> tuple[Outcomes | None, str]:
    """The tests that a guard's report lists, and what is wrong with it."""
    if isinstance(report, MetricError):
        return None, str(report)
    if not plan.junit:
        return None, ""
    if report is None:
        return None, f"{plan.junit} was not written"
    try:
        return junit_outcomes(report, plan.junit), ""
    except MetricError as error:
        return None, str(error)
