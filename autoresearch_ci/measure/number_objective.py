"""The objective that is one number: candidate and incumbent in turns, until the keep rule knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from autoresearch_ci.decide.budget import Pace
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.credibility import told_by_output, unlikely_numbers
from autoresearch_ci.decide.metric.decision import NoWorse, judge
from autoresearch_ci.decide.metric.early_stop import Progress
from autoresearch_ci.decide.metric.run_statistics import (
    DecisionRuns,
    Policy,
    RunStatistics,
    Side,
    next_calibration_run,
)
from autoresearch_ci.events import Warning
from autoresearch_ci.experiment import Decision, MetricRun, Status
from autoresearch_ci.measure.baseline import measure_baseline
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.measure.outcome import Objective, Outcome, identity
from autoresearch_ci.record.run_history import Attempt


@dataclass(frozen=True, kw_only=True)
class NumberObjective(Objective):
    """Candidate and incumbent in turns, until the keep rule knows."""

    bench: Bench
    policy: Policy
    no_worse: NoWorse | None = None
    """The rule in place of the keep rule, where nobody expects a gain."""

    def baseline(self, *, calibrate: bool, until: float | None) -> Outcome:
        found = measure_baseline(self.bench, self.policy, calibrate=calibrate, until=until)
        return Outcome(
            decision=Decision(status=Status.BASELINE),
            knowledge=found.knowledge,
            runs=found.runs,
            own=found.runs,
            evidence=DecisionRuns(runs=tuple((Side.CANDIDATE, value) for value in found.values)),
            guards=found.guards,
        )

    def describe(self, baseline: Outcome) -> str:
        seconds = median(run.seconds for run in baseline.runs)
        return baseline.knowledge.session.describe(self.policy, seconds)

    def compared(self, attempt: Attempt, subject: Subject, knowledge: Knowledge) -> Outcome:
        """Candidate and incumbent, measured until the keep rule has its answer."""
        session = knowledge.session
        evidence = DecisionRuns() if self.no_worse else session.begin(identity(attempt.changes))
        rule = self.no_worse.judge if self.no_worse else judge
        runs: list[MetricRun] = []
        own: list[MetricRun] = []
        notes: list[str] = []
        output = ""
        curve: tuple[Progress, ...] = ()
        while isinstance(step := rule(evidence, session, self.policy), Side):
            side = subject if step is Side.CANDIDATE else subject.rival
            # Once it has a result, that counts: some curves lag and end well.
            rival = None if evidence.values(Side.CANDIDATE) else knowledge.curve
            found = self.bench.measure(side, knowledge, rival=rival)
            knowledge = found.knowledge
            runs += found.runs
            if found.forgiven:
                notes.append(f"the metric command failed once ({found.forgiven})")
            if found.run.value is None:
                step, output = _failed(found.run, step), found.run.output
                break
            evidence = evidence.plus(step, found.run.value)
            if step is Side.CANDIDATE:
                own.append(found.run)
        else:
            step = replace(step, reason="; ".join(filter(None, [step.reason, *notes])))
            curve = own[-1].curve
        return Outcome(
            decision=step,
            knowledge=knowledge,
            attempt=attempt,
            runs=tuple(runs),
            own=tuple(own),
            evidence=evidence,
            output=output,
            curve=curve,
        )

    def measured(self, subject: Subject, knowledge: Knowledge) -> tuple[MetricRun, Knowledge]:
        found = self.bench.measure(subject, knowledge)
        return found.run, found.knowledge

    def resumed(self, kept: Subject, knowledge: Knowledge) -> Knowledge:
        """An exact number is never measured again beside a candidate, so here it is."""
        session, values = knowledge.session, list[float]()
        if not session.deterministic:
            return knowledge
        while not values or next_calibration_run(values, self.policy):
            run, found = self.measured(kept, knowledge)
            if run.value is None or (not values and run.value == session.incumbent[-1]):
                return knowledge  # a failure that lasts is told by the next candidates
            knowledge, values = found, [*values, run.value]
        self.bench.observe(
            Warning(
                message=f"what was kept measures {values[-1]:g} now and {session.incumbent[-1]:g} "
                "before this run was resumed: the machine or its tools are others, and candidates "
                "are compared with the new number"
            )
        )
        new = RunStatistics.calibrated(values, self.policy)
        return replace(knowledge, session=replace(new, tests=session.tests, keeps=session.keeps))

    def pace(self, knowledge: Knowledge) -> Pace:
        return self.bench.pace(knowledge)

    def signs(self, outcome: Outcome) -> list[str]:
        knowledge, direction = outcome.knowledge, self.policy.direction
        found = unlikely_numbers(outcome.evidence, knowledge.session, direction)
        return [*found, *told_by_output(knowledge.missing)]


def _failed(run: MetricRun, side: Side) -> Decision:
    if side is Side.CANDIDATE and run.failure:
        return Decision(status=run.failure, reason=run.reason)
    return Decision(
        status=Status.DISCARD, reason=f"the incumbent could not be measured again: {run.reason}"
    )
