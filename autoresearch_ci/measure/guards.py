"""Guards: commands that must pass, or whose number must not get worse."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.config.metric import Guard
from autoresearch_ci.decide.failures.lost_tests import SuiteResult, some
from autoresearch_ci.decide.knowledge import Knowledge, Prints
from autoresearch_ci.decide.metric.credibility import is_witness
from autoresearch_ci.decide.metric.printed_lines import PrintedLines
from autoresearch_ci.events import Note, Stage, Warning
from autoresearch_ci.experiment import Direction, GuardRun, MetricRun
from autoresearch_ci.measure.commands import EndedCommand, MeasuredCommands, Subject
from autoresearch_ci.measure.number.extract import mentions
from autoresearch_ci.measure.number.streams import Reading, read_number
from autoresearch_ci.measure.number.xml_reports import Reports, junit_suite
from autoresearch_ci.measure.second_chance import Measured, with_second_chance
from autoresearch_ci.safety.untrusted_values import MetricError


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """What the guards said."""

    runs: tuple[GuardRun, ...]
    """Up to the first that failed, or, where all were asked for, one of each guard."""
    knowledge: Knowledge
    unsteady: bool = False
    """The one that failed passed when it was run again, which did not save it."""


@dataclass(eq=False, repr=False)
class Guards:
    """Runs the guards on a state of the code."""

    commands: MeasuredCommands
    guards: Sequence[Guard]
    metric_command: str

    def run(
        self,
        subject: Subject,
        knowledge: Knowledge,
        measured: MetricRun,
        *,
        stage: Stage = "guard",
        numbers: bool = True,
        every: bool = False,
        besides: Collection[int] = (),
    ) -> Guarded:
        """Run the guards in order, up to the first that fails; with `every`, also those behind it.

        A guard that watches a number of the metric command itself takes it from `measured`: a
        five-minute training run is not repeated to read its peak memory.

        `numbers`: also those that watch a number. It varies, so the more often one looks, the more
        often it is beyond its tolerance.

        `besides`: places, from 0, of guards that are left out.
        """
        runs = []
        unsteady = False
        for index, guard in enumerate(self.guards):
            role = f"guard {index}"
            if index in besides or (guard.metric and not numbers):
                continue
            if guard.metric and not guard.junit and guard.command == self.metric_command:
                run, knowledge = _read_off(role, guard, guard.metric, subject, knowledge, measured)
            else:
                found = self._patiently(role, guard, subject, knowledge, stage)
                run, knowledge = found.run, found.knowledge
                unsteady = run.failed and not found.runs[1].failed
            if subject.is_unmodified and run.value is not None:
                knowledge = knowledge.having_numbered(role, run.value)
            runs.append(run)
            if run.failed and not every:
                break
        return Guarded(runs=tuple(runs), knowledge=knowledge, unsteady=unsteady)

    @property
    def numeric(self) -> Mapping[str, tuple[str, Direction]]:
        """The numbers that are watched, by role: name, and which way it is better."""
        return {
            f"guard {index}": (guard.metric, guard.direction)
            for index, guard in enumerate(self.guards)
            if guard.metric
        }

    def numbers(
        self, subject: Subject, knowledge: Knowledge, measured: MetricRun, stage: Stage
    ) -> dict[str, float]:
        """Those of a state of the code, by role, where it has them."""
        found: dict[str, float] = {}
        for index, guard in enumerate(self.guards):
            if not guard.metric:
                continue
            role = f"guard {index}"
            if not guard.junit and guard.command == self.metric_command:
                run, _ = _read_off(role, guard, guard.metric, subject, knowledge, measured)
            else:
                run = self._patiently(role, guard, subject, knowledge, stage).run
            if run.value is not None:
                found[role] = run.value
        return found

    @property
    def independent(self) -> bool:
        """Whether one of them runs by itself, and does not read the metric's own output."""
        return is_witness((guard.command for guard in self.guards), self.metric_command)

    def see_tests(self, knowledge: Knowledge) -> bool:
        """Whether single tests are seen of one that runs by itself."""
        return any(
            knowledge.sees_tests(f"guard {index}")
            for index, guard in enumerate(self.guards)
            if is_witness([guard.command], self.metric_command)
        )

    def seconds(self, knowledge: Knowledge) -> float:
        """How long one round of the guards takes, the metric's own command left out."""
        commands = {guard.command for guard in self.guards} - {self.metric_command}
        return sum(self.commands.usual(command, knowledge) for command in commands)

    def _patiently(
        self, role: str, guard: Guard, subject: Subject, knowledge: Knowledge, stage: Stage
    ) -> Measured[GuardRun]:
        found = with_second_chance(
            role,
            lambda subject, knowledge: self._run(role, guard, subject, knowledge, stage),
            subject,
            knowledge,
            may_pass=lambda run: run.failed,
        )
        if subject.is_unmodified and not found.run.failed and len(found.runs) == 1:
            found = self._again(role, guard, subject, found, stage)
        if subject.is_unmodified and role in found.knowledge.flaky:
            message = (
                f"the guard {guard.command!r} fails now and then on the unmodified code: a "
                "candidate that fails it gets a second run"
            )
            self.commands.observe(Warning(message=message))
        return found

    def _again(
        self,
        role: str,
        guard: Guard,
        subject: Subject,
        found: Measured[GuardRun],
        stage: Stage,
    ) -> Measured[GuardRun]:
        """Once more on the unmodified code, where the ids of tests may be other ones each time."""
        if not found.knowledge.may_be_unsteady(role):
            return found
        run, knowledge = self._run(role, guard, subject, found.knowledge, stage)
        if run.failed:
            knowledge = knowledge.failing_now_and_then(role)
        if gone := knowledge.left_out(role, found.knowledge):
            self.commands.observe(Note(message=unsteady(guard.command, gone)))
        return replace(found, runs=(*found.runs, run), knowledge=knowledge)

    def _run(
        self, role: str, guard: Guard, subject: Subject, knowledge: Knowledge, stage: Stage
    ) -> tuple[GuardRun, Knowledge]:
        ended = self.commands.measured(
            subject, stage, guard.command, knowledge, timeout=guard.timeout, report=guard.junit
        )
        result = ended.result
        read, failure = _number(role, guard, subject, ended)
        printed = PrintedLines.of(f"{result.stdout.text}\n{result.stderr.text}")
        found = replace(read.seen if read else Prints(), output=printed)
        loss, knowledge = self._lost_tests(
            role, guard, subject, ended, found, stage, failed=bool(failure)
        )
        told = ended.suite or guard.junit or guard.metric or printed.ran or printed.names_tests
        if subject.iteration == 0 and not (told or failure):
            self._tell_blindness(guard)
        # What is lost says more than the exit code, and where there is no room the end is cut.
        failure = "; ".join(filter(None, (loss, failure)))
        run = GuardRun(
            command=guard.command,
            passed=not failure,
            value=read.value if read else None,
            reason=failure and f"guard failed: {failure} ({guard.command})",
            seconds=result.seconds,
            output=f"{result.tail}\n{loss}" if loss else result.tail,
        )
        return _compared(run, role, guard, knowledge), knowledge

    def _lost_tests(
        self,
        role: str,
        guard: Guard,
        subject: Subject,
        ended: EndedCommand,
        seen: Prints,
        stage: Stage,
        *,
        failed: bool,
    ) -> tuple[str, Knowledge]:
        """Why the tests of a guard are fewer or worse than before, or its number is not believed;
        empty when all is well."""
        listed, problem = _listed(guard, ended.report)
        seen = replace(seen, suite=ended.suite, listed=listed)
        knowledge = ended.knowledge
        if subject.is_candidate:
            if news := knowledge.reran_newly(role, seen):
                message = f"tests in {guard.command!r} were run again, as never before: {news}"
                self.commands.observe(Note(message=message))
            doubt, knowledge = knowledge.doubting(role, seen)
            lost = doubt.reason if doubt else ""
            if not (problem or lost or failed) and knowledge.named_test_gone(role, seen):
                # Names may be other ones each time: then the incumbent shows it, too.
                _, knowledge = self._run(role, guard, subject.rival, knowledge, stage)
                lost = knowledge.named_test_gone(role, seen)
            return ": ".join(filter(None, (problem, lost))), knowledge
        if self.commands.has_helpers(guard.command, subject.changes):
            seen = replace(seen, handed_over=True)
        if not failed:  # else tests that never ran would not be missed later
            knowledge = knowledge.having_seen(role, seen)
        return problem, knowledge

    def _tell_blindness(self, guard: Guard) -> None:
        message = (
            f"no test was seen in the guard {guard.command!r}: only its exit code counts. "
            "With a JUnit report (guards: [{command: …, junit: FILE}]) tests that vanish count"
        )
        self.commands.observe(Warning(message=message))


def unsteady(command: str, gone: Sequence[str]) -> str:
    """A note, for people."""
    return (
        f"{len(gone)} test(s) in {command!r} are not found again when the unmodified code is run "
        f"once more (a random id, or one that runs now and then): left out: {some(gone)}"
    )


def _number(
    role: str, guard: Guard, subject: Subject, ended: EndedCommand
) -> tuple[Reading | None, str]:
    """The number of a guard that has one, and why the command failed; empty: it did not."""
    failure = ended.result.reason
    if failure or guard.metric is None:
        return None, failure
    try:
        usual = ended.knowledge.streams(role)
        read = read_number(
            ended.result, guard.metric, None, usual=usual, strict=subject.is_candidate
        )
    except MetricError as error:
        return None, str(error)
    return read, ""


def _compared(run: GuardRun, role: str, guard: Guard, knowledge: Knowledge) -> GuardRun:
    """`run`, not passed if its number is worse than the baseline's by too much."""
    baseline = knowledge.baselines.get(role)
    if run.value is None or baseline is None:
        return run
    loss = -guard.direction.gain(baseline, run.value)
    if loss <= guard.tolerance * abs(baseline):
        return run
    reason = (
        f"{guard.metric} {run.value:g} is worse than {baseline:g} by more than "
        f"{100 * guard.tolerance:.3g} %"
    )
    return replace(run, passed=False, reason=reason)


def _read_off(
    role: str,
    guard: Guard,
    name: str,
    subject: Subject,
    knowledge: Knowledge,
    measured: MetricRun,
) -> tuple[GuardRun, Knowledge]:
    """A guard's number, out of what the metric command has printed."""
    value = measured.numbers.get(name)
    reason = "" if value is not None else f"{name} was not printed"
    before, times = mentions(measured.output, name, None)
    seen = Prints(times=times, before=before)
    if subject.is_candidate:
        doubt, knowledge = knowledge.doubting(role, seen)
        reason = reason or (f"{name}: {doubt.reason}" if doubt else "")
    elif value is not None:
        knowledge = knowledge.having_seen(role, seen)
    run = GuardRun(
        command=guard.command,
        passed=not reason,
        value=value,
        reason=reason,
        output=measured.output,
    )
    return _compared(run, role, guard, knowledge), knowledge


def _listed(guard: Guard, report: Reports | MetricError | None) -> tuple[SuiteResult | None, str]:
    """The tests that a guard's report lists, and what is wrong with it."""
    if isinstance(report, MetricError):
        return None, str(report)
    if not guard.junit:
        return None, ""
    if report is None:
        return None, f"{guard.junit} was not written"
    try:
        return junit_suite(report, guard.junit), ""
    except MetricError as error:
        return None, str(error)
