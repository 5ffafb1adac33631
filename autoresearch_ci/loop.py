"""The experiment loop: propose -> measure -> decide -> remember. Read this first.

The program decides, never the model: a proposer returns an edit and a sentence, and everything
else (measuring, comparing, keeping, rolling back, counting) happens here or below.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from autoresearch_ci.candidate import Evaluator, Outcome
from autoresearch_ci.decide.budget import seconds_to_confirm, stop_reason
from autoresearch_ci.decide.early_stop import Curve
from autoresearch_ci.decide.session import Evidence, Session, Side, next_calibration_run
from autoresearch_ci.errors import BaselineError, ProposerError, WorkspaceError
from autoresearch_ci.events import ExperimentFinished, Note, Observer, StageStarted, Warning
from autoresearch_ci.execution.command import last_lines
from autoresearch_ci.experiment import Decision, Experiment, FileEdit, MetricRun, Proposal, Status
from autoresearch_ci.propose.briefing import Briefing
from autoresearch_ci.propose.proposer import (
    CostlyProposerError,
    EditError,
    ModelRefused,
    Proposer,
    Request,
)

MAX_REPAIRS = 3
"""Attempts that a crashing idea gets in one iteration, the first included."""
MAX_REWORKS = 2
"""Times that an idea which a guard refused may be reworked in one iteration."""


@dataclass(kw_only=True)
class Loop:
    """One run: its collaborators, and what it knows so far."""

    briefing: Briefing
    calibrate: bool
    """Whether the baseline is measured repeatedly to learn the metric's noise."""
    confirm_pairs: int
    """Runs of base and result that follow when anything is kept; of an exact metric one."""
    proposer: Proposer
    proposer_name: str
    evaluator: Evaluator
    observe: Observer
    kept: Callable[[], None] = lambda: None
    """Called after each keep is written down: publishing."""
    deterministic: bool = False
    """Whether the metric is known to give identical values for identical code."""
    curve: Curve | None = None
    """The incumbent's, when early stopping is configured."""
    proposer_lost: str = ""
    """Why the proposer can no longer propose; empty while it can."""

    def run(self) -> str:
        """Iterate until a limit is reached; returns why it stopped."""
        ledger = self.evaluator.ledger
        verdicts = ledger.history.verdicts
        session = self._recalled(verdicts[-1].memory) if verdicts else self._baseline()
        self.deterministic = session.deterministic
        while (reason := self._stop_reason()) is None:
            finished = self._iteration(session)
            if finished is None:
                return self.proposer_lost or "the proposer has nothing more to propose"
            session = finished
            self.deterministic = session.deterministic
        return reason

    def _stop_reason(self) -> str | None:
        ledger, direction = self.evaluator.ledger, self.evaluator.policy.direction
        limits = self.briefing.limits
        pairs = min(1, self.confirm_pairs) if self.deterministic else self.confirm_pairs
        elapsed = self.briefing.elapsed + seconds_to_confirm(limits, ledger.experiments, pairs)
        judge = self.evaluator.bench.judge
        lost = self.proposer_lost or (judge.lost.partition("\n")[0] if judge else "")
        return lost or stop_reason(limits, ledger.experiments, elapsed, direction, ledger.spent)

    def _recalled(self, memory: Mapping[str, Any]) -> Session:
        """What an earlier process had learnt. Raises `WorkspaceError` when that makes no sense."""
        try:
            session = Session.from_json(memory["session"])
            self.evaluator.bench.remember(memory["bench"])
            self.curve = _curve(memory["curve"])
            if self.evaluator.holdout:
                self.evaluator.holdout.remember(memory["holdout"])
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise WorkspaceError(
                f"--resume: what this run had learnt cannot be read ({ascii(str(error))[:200]}).\n"
                "usually: another version of autoresearch-ci wrote it, or it was edited.\n"
                "do: install that version again, or go on from its branch with another --tag."
            ) from error
        return session

    def _baseline(self) -> Session:
        """Iteration 0: measure the unmodified code often enough to know its noise."""
        began = time.monotonic()
        bench, policy = self.evaluator.bench, self.evaluator.policy
        runs = [self._baseline_run()]
        while self.calibrate and next_calibration_run(_values(runs), policy):
            runs.append(self._baseline_run())
        guards = bench.guards.run({}, 0, runs[-1])
        for guard in guards:
            if not guard.passed:
                raise BaselineError(
                    f"a guard fails on the unmodified code: {guard.reason}\n"
                    "usually: it is red already, or it needs a variable or folder that measured "
                    "code does not get (`env`, `pass_env`, `share`, `setup`).\n"
                    f"{bench.confinement_hint()}"
                    f"its last output:\n{last_lines(guard.output)}"
                )
        bench.guards.learn(guards)
        if self.evaluator.holdout:
            self.evaluator.holdout.calibrate()
        session = Session.calibrated(_values(runs), policy)
        seconds = median(run.seconds for run in runs)
        self.observe(Note(message=session.describe(policy, seconds)))
        outcome = Outcome(
            decision=Decision(status=Status.BASELINE),
            runs=tuple(runs),
            own=tuple(runs),
            evidence=Evidence(runs=tuple((Side.CANDIDATE, value) for value in _values(runs))),
            guards=tuple(guards),
        )
        self.curve = _curve(runs[-1].curve)
        unmodified = Proposal(description="the unmodified code", edits=(), proposer="-")
        self._remember(unmodified, [outcome], session, began)
        return session

    def _baseline_run(self) -> MetricRun:
        run = self.evaluator.bench.flaky.of_incumbent({}, 0).run
        if run.failure is None:
            return run
        raise BaselineError(
            f"the unmodified code cannot be measured ({run.failure}): {run.reason}\n"
            "usually: the metric command needs a variable, folder or setup step that the measure "
            "tree lacks, or prints its number in another way than `metric.name` and "
            "`metric.extract` say.\n"
            f"{self.evaluator.bench.confinement_hint()}"
            f"its last output:\n{last_lines(run.output)}"
        )

    def _iteration(self, session: Session) -> Session | None:
        """One journal row: a proposal with its repairs and reworks. `None`: nothing proposed."""
        began = time.monotonic()
        iteration = len(self.evaluator.ledger.experiments)
        outcomes: list[Outcome] = []
        proposal: Proposal | None = None
        request: Request | None = Request.PROPOSE
        while request:
            number = len(outcomes) + 1
            self.evaluator.ledger.begin(iteration, number)
            try:
                found = self._propose(iteration, number, request, proposal, outcomes, session)
                if found is None:
                    break
                proposal = _on_top(proposal, found)
                if outcomes and not found.edits:
                    break  # the fix fixes nothing
                outcome = self.evaluator.try_out(iteration, number, proposal, session, self.curve)
                outcomes.append(outcome)
                if outcome.secret:
                    proposal = replace(proposal, description="withheld")
                # Every attempt was a test of its own, and pays from the run's error budget.
                session = session.after(outcome.evidence, outcome.decision, outcome.candidate_id)
            except (EditError, ModelRefused) as error:
                proposal = _on_top(proposal, error.proposal)
                if outcomes:
                    break  # no fix: what was to be fixed remains the outcome
                outcomes.append(_discarded(error))
            except ProposerError as error:
                if not outcomes and not self._ever_proposed():
                    raise
                self.proposer_lost = f"the proposer can no longer propose: {_first_line(error)}"
                self.observe(Warning(message=str(error)))
                if isinstance(error, CostlyProposerError):
                    proposal = _on_top(proposal, error.proposal)
                    outcomes = outcomes or [_discarded(error)]
                break
            request = _next_request(outcomes)
        if proposal is None:
            return None
        last = outcomes[-1]
        if last.decision.status is Status.KEEP:
            self.curve = _curve(last.curve)
        self._remember(proposal, outcomes, session, began)
        return session

    def _ever_proposed(self) -> bool:
        """Whether a proposer of this run has changed anything yet."""
        idle = (Status.BASELINE, Status.NO_OP)
        return any(e.status not in idle for e in self.evaluator.ledger.experiments)

    def _propose(
        self,
        iteration: int,
        number: int,
        request: Request,
        previous: Proposal | None,
        outcomes: Sequence[Outcome],
        session: Session,
    ) -> Proposal | None:
        stage = StageStarted(iteration=iteration, stage="propose", command=self.proposer_name)
        self.observe(stage)
        context = self.briefing.context(
            request=request,
            attempt=number,
            previous=previous,
            feedback=outcomes[-1].output if outcomes else "",
            promising=None if outcomes else self.evaluator.promising(session),
        )
        ledger = self.evaluator.ledger
        before = ledger.history.unfinished
        try:
            found = self.proposer.propose(context)
        except (EditError, ModelRefused, CostlyProposerError) as error:
            ledger.settle(before, error.proposal)
            raise
        if found:
            ledger.settle(before, found)
        return found

    def _remember(
        self, proposal: Proposal, outcomes: Sequence[Outcome], session: Session, began: float
    ) -> None:
        """Turn what happened into the journal row, and have it written down."""
        ledger, bench, last = self.evaluator.ledger, self.evaluator.bench, outcomes[-1]
        before = ledger.experiments[-1].best if ledger.experiments else None
        metric, status = last.metric, last.decision.status
        rival = last.incumbent_metric if last.incumbent_metric is not None else before
        kept = status in (Status.KEEP, Status.BASELINE)
        commit = last.attempt.commit if last.attempt else ""
        if status is Status.KEEP and last.attempt and metric is not None:
            commit = ledger.final_commit(last.attempt, metric)
        runs = [run for outcome in outcomes for run in outcome.runs]
        peaks = [run.peak_memory_mb for run in last.own if run.peak_memory_mb]
        experiment = Experiment(
            iteration=len(ledger.experiments),
            timestamp=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            commit=commit if status is not Status.BASELINE else ledger.facts.base,
            metric=metric,
            delta=metric - rival if metric is not None and rival is not None else None,
            guard="-" if not last.guards else "fail" if last.guard_failed else "pass",
            guard_metric=next((g.value for g in last.guards if g.value is not None), None),
            status=status,
            description=proposal.description,
            best=metric if kept else before,
            samples=sum(len(outcome.runs) for outcome in outcomes),
            ci_low=last.decision.ci_low,
            ci_high=last.decision.ci_high,
            seconds=time.monotonic() - began,
            tokens=proposal.tokens + sum(run.tokens for run in runs) + ledger.lost.tokens,
            cost_usd=proposal.cost_usd + sum(r.cost_usd for r in runs) + ledger.lost.cost_usd,
            peak_memory_mb=max(peaks, default=None),
            proposer=proposal.proposer,
            attempts=len(outcomes),
            reason=last.decision.reason,
        )
        memory = {
            "session": session.to_json(),
            "bench": bench.memory(),
            "curve": self.curve.points if self.curve else (),
        }
        if self.evaluator.holdout:
            memory["holdout"] = self.evaluator.holdout.memory()
        self.observe(ExperimentFinished(experiment=ledger.decide(experiment, memory)))
        if status is Status.KEEP:
            self.kept()


def _next_request(outcomes: Sequence[Outcome]) -> Request | None:
    """What a failed attempt may still ask of the proposer."""
    crashes = sum(outcome.decision.status is Status.CRASH for outcome in outcomes)
    refusals = sum(outcome.guard_failed for outcome in outcomes)
    if outcomes[-1].decision.status is Status.CRASH and crashes < MAX_REPAIRS:
        return Request.REPAIR
    if outcomes[-1].guard_failed and refusals <= MAX_REWORKS:
        return Request.REWORK
    return None


def _on_top(previous: Proposal | None, fix: Proposal) -> Proposal:
    """The fix contains what it fixes; its price is added to that of the first proposal."""
    if previous is None:
        return fix
    edits: dict[str, FileEdit] = {edit.path: edit for edit in (*previous.edits, *fix.edits)}
    return replace(
        previous,
        edits=tuple(edits.values()),
        tokens=previous.tokens + fix.tokens,
        cost_usd=previous.cost_usd + fix.cost_usd,
    )


def _discarded(error: Exception) -> Outcome:
    return Outcome(decision=Decision(status=Status.DISCARD, reason=_first_line(error)))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _curve(points: Iterable[Sequence[float]]) -> Curve | None:
    known = tuple((progress, value) for progress, value in points)
    return Curve(points=known) if known else None


def _values(runs: Sequence[MetricRun]) -> list[float]:
    return [run.value for run in runs if run.value is not None]
