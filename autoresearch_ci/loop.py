"""The experiment loop: propose -> measure -> decide -> remember. Read this first.

The program decides, never the model: a proposer returns an edit and a sentence, and everything
else (measuring, comparing, keeping, rolling back, counting) happens here or below.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from autoresearch_ci.candidate import Evaluator
from autoresearch_ci.decide.budget import (
    runs_to_keep,
    seconds_to_confirm,
    stop_reason,
    time_used_up,
)
from autoresearch_ci.decide.failures.failure import journal_id, mended_cell
from autoresearch_ci.decide.failures.repair_order import Aim, Left
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.credibility import fools_guards, no_witness
from autoresearch_ci.errors import AutoresearchError, ProposerError
from autoresearch_ci.events import ExperimentFinished, Note, Observer, StageStarted, Warning
from autoresearch_ci.experiment import Experiment, FileEdit, Proposal, Spent, Status
from autoresearch_ci.measure.commands import OutOfTime
from autoresearch_ci.measure.outcome import Outcome, discarded
from autoresearch_ci.propose.briefing import Briefing
from autoresearch_ci.propose.proposer import (
    Context,
    CostlyProposerError,
    EditError,
    ModelRefused,
    NothingLeft,
    Proposer,
    Request,
)
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.report.evaluation import checkpoint

MAX_REPAIRS = 3
"""Attempts that a crashing idea gets in one iteration, the first included."""
MAX_REWORKS = 2
"""Times that an idea which a guard refused may be reworked in one iteration."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a proposer came up with when it was asked."""

    proposal: Proposal
    problem: str = ""
    """Why nothing can be tried, though its price must be counted."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One attempt of an iteration: a proposal, or a fix of it."""

    proposal: Proposal
    """All that was proposed so far: a fix contains what it fixes."""
    outcome: Outcome | None = None
    """`None`: the fix fixes nothing; what was to be fixed remains the outcome."""


@dataclass(kw_only=True)
class Loop:
    """One run: its collaborators, and what it knows so far."""

    briefing: Briefing
    checkpoints: int
    """Experiments after which it is said where the run stands; 0: never."""
    calibrate: bool
    """Whether the baseline is measured repeatedly to learn the metric's noise."""
    confirm_pairs: int
    """Runs of base and result that follow when anything is kept."""
    confirm_pairs_exact: int
    """The same of an exact metric."""
    proposer: Proposer
    proposer_name: str
    evaluator: Evaluator
    ledger: Ledger
    observe: Observer
    earlier: Sequence[Experiment] = ()
    """What earlier runs kept below the base and no holdout of this run vouches for."""
    kept: Callable[[], None] = lambda: None
    """Called after each keep is written down: publishing."""
    knowledge: Knowledge = field(default_factory=Knowledge)
    """What was learnt up to the last row."""
    proposer_lost: str = ""
    """Why the proposer can no longer propose; empty while it can."""
    nothing_left: str = "the proposer has nothing more to propose"
    """Why it proposes nothing, while it can."""
    broken: AutoresearchError | None = None
    """A failure that lasts: the run stopped because of it, and is no success."""

    def run(self) -> str:
        """Iterate until a limit is reached; returns why it stopped."""
        if self.ledger.experiments:
            self.knowledge = self.ledger.recall()
            if self._stop_reason() is None:
                self.knowledge = self.evaluator.resumed(self.knowledge, until=self._until())
        else:
            self._baseline()
        while (reason := self._stop_reason()) is None:
            try:
                proposed = self._iteration()
            except OutOfTime:  # as if the iteration had not begun
                used_up = time_used_up(self.briefing.limits.seconds or 0.0)
                number = len(self.ledger.experiments)
                return f"{used_up} before experiment {number} was decided; --resume tries it again"
            if not proposed:
                return self.proposer_lost or self.nothing_left
            if self.broken is None:
                self.broken = self.evaluator.lasting_failure(self.knowledge)
            if self.broken:
                return self.proposer_lost or _first_line(self.broken)
        return reason

    def _unvouched(self) -> str:
        """Why nothing may build upon what was kept last; empty: it may."""
        fooled = any(fools_guards(e.doubt) for e in self.earlier[-1:])
        vouched = self.evaluator.vouches(self.knowledge, fooled=fooled)
        return no_witness(self.ledger.experiments, () if vouched else self.earlier)

    def _stop_reason(self) -> str | None:
        briefing, session = self.briefing, self.knowledge.session
        runs = runs_to_keep(session, self.evaluator.policy)
        to_keep = self.evaluator.objective.pace(self.knowledge).to_keep(runs)
        return (
            self.proposer_lost
            or self.evaluator.lost
            or self._reached()
            or self._unvouched()
            or stop_reason(
                briefing.limits,
                self.ledger.experiments,
                briefing.elapsed,
                briefing.direction,
                self.ledger.spent,
                needed=(to_keep, self._seconds_to_confirm()),
            )
        )

    def _reached(self) -> str:
        """Why nothing is left to propose; empty: there is."""
        left = self.left() if self.ledger.experiments else None
        return left.end if left else ""

    def left(self) -> Left | None:
        """What is broken in the incumbent, where that is what is measured."""
        incumbent = self.ledger.changes(self.ledger.incumbent)
        return self.evaluator.objective.left(incumbent, self.ledger.experiments, self.knowledge)

    def _seconds_to_confirm(self) -> float:
        """What is kept back of the time."""
        exact = self.knowledge.session.deterministic
        return seconds_to_confirm(
            self.briefing.limits,
            self.evaluator.objective.pace(self.knowledge),
            pairs=self.confirm_pairs_exact if exact else self.confirm_pairs,
            rounds=self.confirm_pairs,
            kept=len(self.ledger.history.kept),
        )

    def _until(self) -> float | None:
        """When measuring a candidate must be over."""
        seconds = self.briefing.limits.seconds
        if seconds is None:
            return None
        return self.briefing.started + seconds - self._seconds_to_confirm()

    def _baseline(self) -> None:
        """Iteration 0: the unmodified code."""
        began = time.monotonic()
        outcome = self.evaluator.baseline(calibrate=self.calibrate, until=self._until())
        self.observe(Note(message=self.evaluator.objective.describe(outcome)))
        unmodified = Proposal(description="the unmodified code", edits=(), proposer="-")
        self.remember(unmodified, [outcome], began)

    def _iteration(self) -> bool:
        """One journal row: a proposal with its repairs and reworks. False: nothing proposed.

        A proposer that has nothing for what is to be mended first is asked about the next.
        """
        began = time.monotonic()
        passed_over: set[str] = set()
        while True:
            aim = self._aim(passed_over)
            if aim is None and passed_over:
                return False
            tried = list(self._attempts(aim))
            if tried:
                break
            if aim is None or self.proposer_lost:
                return False
            passed_over.add(aim.failure.id)
        outcomes = [attempt.outcome for attempt in tried if attempt.outcome]
        self.remember(tried[-1].proposal, outcomes, began, aim)
        return True

    def _aim(self, besides: Collection[str]) -> Aim | None:
        """What is to be mended next; `None`: anything that helps, or nothing is left."""
        ledger = self.ledger
        incumbent = ledger.changes(ledger.incumbent)
        objective = self.evaluator.objective
        return objective.aim(incumbent, ledger.experiments, self.knowledge, besides)

    def _attempts(self, aim: Aim | None) -> Iterator[Tried]:
        """An idea, then what its failures ask for: repairs after crashes, reworks for guards."""
        iteration, knowledge = len(self.ledger.experiments), self.knowledge
        proposal: Proposal | None = None
        outcomes: list[Outcome] = []
        request: Request | None = Request.PROPOSE
        while request:
            number = len(outcomes) + 1
            self.ledger.begin(iteration, number)
            self.observe(
                StageStarted(iteration=iteration, stage="propose", command=self.proposer_name)
            )
            context = self.briefing.context(
                request=request,
                aim=aim,
                attempt=number,
                previous=proposal,
                feedback=outcomes[-1].output if outcomes else "",
                promising=None if outcomes else self.evaluator.promising(knowledge.session),
                kept_back=self._seconds_to_confirm(),
            )
            answer = self._ask(context)
            if answer is None:
                return
            before, proposal = proposal, on_top(proposal, answer.proposal)
            if answer.problem and not outcomes:
                yield Tried(proposal=proposal, outcome=discarded(answer.problem, knowledge))
                return
            if answer.problem or (before and proposal.edits == before.edits):
                yield Tried(proposal=proposal)
                return
            outcome = self.evaluator.try_out(
                iteration, number, proposal, knowledge, until=self._until()
            )
            yield Tried(proposal=proposal, outcome=outcome)
            outcomes.append(outcome)
            knowledge = outcome.knowledge
            request = next_request(outcomes)

    def _ask(self, context: Context) -> Answer | None:
        """The proposer's answer; `None`: it has nothing to say, now or ever again.

        Raises `ProposerError` when it has never been able to propose.
        """
        before = self.ledger.history.unfinished
        lost: ProposerError | None = None
        try:
            found = self.proposer.propose(context)
            answer = Answer(proposal=found) if found else None
        except (EditError, ModelRefused) as error:
            answer = Answer(proposal=error.proposal, problem=_first_line(error))
        except CostlyProposerError as error:
            answer, lost = Answer(proposal=error.proposal, problem=_first_line(error)), error
        except ProposerError as error:
            answer, lost = None, error
        except NothingLeft as reason:
            answer, self.nothing_left = None, str(reason)
        if answer:
            self.ledger.settle(before, answer.proposal)
        if lost:
            self._give_up(lost, context)
        return answer

    def _give_up(self, error: ProposerError, context: Context) -> None:
        """The proposer is lost. Raises the error when nothing has ever come of it."""
        idle = (Status.BASELINE, Status.NO_OP)
        if context.attempt == 1 and all(e.status in idle for e in self.ledger.experiments):
            raise error
        self.proposer_lost = f"the proposer can no longer propose: {_first_line(error)}"
        if not self.ledger.history.kept:
            self.broken = error
        self.observe(Warning(message=str(error)))

    def remember(
        self,
        proposal: Proposal,
        outcomes: Sequence[Outcome],
        began: float,
        aim: Aim | None = None,
    ) -> None:
        """Turn what happened into the journal row, and have it written down."""
        last, ledger, session = outcomes[-1], self.ledger, self.knowledge.session
        row = row_of(
            proposal,
            outcomes,
            iteration=len(ledger.experiments),
            timestamp=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            commit=self._commit(last),
            best=ledger.experiments[-1].best if ledger.experiments else None,
            seconds=time.monotonic() - began,
            lost=ledger.lost,
            known=session.incumbent[-1] if session.deterministic else None,
            failure=journal_id(aim.failure.id) if aim else "",
        )
        self.knowledge = last.knowledge
        self.observe(ExperimentFinished(experiment=ledger.decide(row, last.knowledge)))
        if row.status is Status.KEEP:
            self.kept()
        if said := checkpoint(ledger.experiments, self.briefing.direction, self.checkpoints):
            self.observe(Note(message=said))

    def _commit(self, outcome: Outcome) -> str:
        """What the row names: the attempt, and once it is kept, its commit on the branch."""
        status, attempt, metric = outcome.decision.status, outcome.attempt, outcome.metric
        if status is Status.BASELINE:
            return self.ledger.facts.base
        if attempt is None:
            return ""
        if status is Status.KEEP and metric is not None:
            return self.ledger.final_commit(attempt, metric, outcome.decision.gone)
        return attempt.commit


def row_of(
    proposal: Proposal,
    outcomes: Sequence[Outcome],
    *,
    iteration: int,
    timestamp: str,
    commit: str,
    best: float | None,
    seconds: float,
    lost: Spent,
    known: float | None = None,
    failure: str = "",
) -> Experiment:
    """The journal row of one iteration; the last outcome is the one that counts.

    `best`: the incumbent's metric before it. `known`: what it is by now, on another machine.
    `lost`: paid by earlier processes that were killed.
    `failure`: what it was to mend, as the journal names it.
    """
    last = outcomes[-1]
    metric, status = last.metric, last.decision.status
    kept = status in (Status.KEEP, Status.BASELINE)
    rivals = (last.incumbent_metric, known, best)
    rival = next((value for value in rivals if value is not None), None)
    runs = [run for outcome in outcomes for run in outcome.runs]
    peaks = [run.peak_memory_mb for run in last.own if run.peak_memory_mb]
    return Experiment(
        iteration=iteration,
        timestamp=timestamp,
        commit=commit,
        metric=metric,
        delta=metric - rival if metric is not None and rival is not None else None,
        guard="-" if not last.guards else "fail" if last.guard_failed else "pass",
        guard_metric=next((g.value for g in last.guards if g.value is not None), None),
        status=status,
        description="withheld" if last.secret else proposal.description,
        best=metric if kept else best,
        samples=len(runs),
        ci_low=last.decision.ci_low,
        ci_high=last.decision.ci_high,
        seconds=seconds,
        tokens=proposal.tokens + sum(run.tokens for run in runs) + lost.tokens,
        cost_usd=proposal.cost_usd + sum(run.cost_usd for run in runs) + lost.cost_usd,
        peak_memory_mb=max(peaks, default=None),
        proposer=proposal.proposer,
        attempts=len(outcomes),
        reason=last.decision.reason,
        expected=proposal.expected,
        holdout=last.holdout,
        doubt=last.doubt,
        failure=mended_cell(last.decision.gone) if status is Status.KEEP else failure,
    )


def next_request(outcomes: Sequence[Outcome]) -> Request | None:
    """What a failed attempt may still ask of the proposer."""
    crashes = sum(outcome.decision.status is Status.CRASH for outcome in outcomes)
    refusals = sum(outcome.guard_failed for outcome in outcomes)
    if outcomes[-1].decision.status is Status.CRASH and crashes < MAX_REPAIRS:
        return Request.REPAIR
    if outcomes[-1].guard_failed and refusals <= MAX_REWORKS:
        return Request.REWORK
    return None


def on_top(previous: Proposal | None, fix: Proposal) -> Proposal:
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


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
