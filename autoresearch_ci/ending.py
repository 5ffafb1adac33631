"""What follows the search: the honest headline, and the smallest diff that earns it.

How the two are measured, confirmation.py and candidate.py know; which changes do nothing,
ablation.py does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from autoresearch_ci.ablation import (
    ablates_unasked,
    ablation_runs,
    idle_commits,
    least_gain,
    without,
)
from autoresearch_ci.config.schema import Config
from autoresearch_ci.confirmation import PAIRS, PairedComparison, confirm, exact_pairs
from autoresearch_ci.decide import budget
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric import taken_back
from autoresearch_ci.decide.metric.decision import NoWorse
from autoresearch_ci.events import Note, Warning
from autoresearch_ci.experiment import Experiment, FileEdit, Proposal, Status
from autoresearch_ci.loop import Loop
from autoresearch_ci.measure.commands import OutOfTime
from autoresearch_ci.measure.number_objective import NumberObjective
from autoresearch_ci.measure.outcome import Outcome
from autoresearch_ci.report.run_folder import Finished
from autoresearch_ci.report.run_summary import Confirmation
from autoresearch_ci.workspace.repository import Changes
from autoresearch_ci.workspace.store import CommitTree, Store


@dataclass(kw_only=True)
class Ending:
    """Of one run that has kept something; what it finds is told to `finished`."""

    config: Config
    finished: Finished
    loop: Loop
    store: Store
    origin: Changes | None
    """What leads from the run's base to the branch's own; `None`: they are the same."""

    def conclude(self) -> None:
        """Measure base and head afresh, and make do with fewer changes where fewer do."""
        ledger = self.finished.ledger
        ledger.confirming = True
        paired, late = self._paired(self.loop.knowledge), ""
        try:
            found = self._confirmed(
                paired, ledger.changes(ledger.incumbent), ledger.experiments[-1].best
            )
        except OutOfTime:
            found, late = None, budget.time_used_up(self._seconds or 0.0)
        if found is None:
            why = late or self._nothing_left() or "base or result can no longer be measured"
            self.loop.observe(Warning(message=f"the gain could not be confirmed: {why}"))
        if self._ablates(paired, found):
            self._ablate(paired, exact=found is not None and found.deterministic)
        if found is not None and found.holds:
            self._take_back(exact=found.deterministic)
        for experiment in self.finished.idle:
            message = f"kept but does nothing: {experiment.commit[:7]} {experiment.description}"
            self.loop.observe(Warning(message=message))

    @property
    def _seconds(self) -> float | None:
        return self.loop.briefing.limits.seconds

    @cached_property
    def _paid(self) -> bool:
        return self.loop.evaluator.bench.judge is not None

    def _nothing_left(self) -> str | None:
        if not self._paid:  # measuring is free
            return None
        return budget.nothing_left(self.loop.briefing.limits, self.finished.ledger.spent)

    def _paired(self, knowledge: Knowledge) -> PairedComparison:
        seconds = self._seconds
        return PairedComparison(
            bench=self.loop.evaluator.bench,
            direction=self.config.metric.direction,
            iteration=len(self.finished.ledger.experiments) - 1,
            knowledge=knowledge,
            nothing_left=self._nothing_left,
            until=None if seconds is None else self.loop.briefing.started + seconds,
        )

    def _confirmed(
        self, paired: PairedComparison, head: Changes, metric: float | None
    ) -> Confirmation | None:
        """Raises `OutOfTime`. `metric`: what the run has measured of `head`."""
        found = confirm(
            paired,
            head,
            deterministic=self.loop.knowledge.session.deterministic,
            pairs=self.config.confirm.repeats,
            known=(self.finished.ledger.experiments[0].metric, metric),
            base=self.origin,
            watched={g.metric: g.direction for g in self.config.guards if g.metric},
        )
        if found is not None:
            self.finished.confirmations.append((head, found))
        return found

    def _ablates(self, paired: PairedComparison, found: Confirmation | None) -> bool:
        asked = self.config.confirm.ablate
        if asked != "auto":
            return asked
        return ablates_unasked(
            self.finished.ledger.experiments,
            deterministic=found is not None and found.deterministic,
            pairs=self.config.confirm.repeats,
            paid=self._paid,
            late=paired.is_late(self.loop.knowledge),
            confirmed=found is not None,
        )

    def _ablate(self, paired: PairedComparison, *, exact: bool) -> None:
        loop = self.loop
        idle, entangled = idle_commits(
            paired,
            self.finished.ledger,
            loop.evaluator.files,
            self.store,
            deterministic=exact,
            pairs=self.config.confirm.repeats,
        )
        tried = self._tried()
        idle = [e for e in idle if (e.commit[:12],) not in tried]  # something needs it after all
        self.finished.idle = tuple(idle)
        over = self._seconds is not None and loop.briefing.elapsed >= self._seconds
        if over or paired.is_late(loop.knowledge):
            message = "there was no time to leave each kept commit out in turn"
            loop.observe(Note(message=message))
        for experiment in entangled:
            message = f"not ablated, later changes build upon it: {experiment.description}"
            loop.observe(Note(message=message))

    def _take_back(self, *, exact: bool) -> None:
        """What does nothing leaves the diff, once the result without it has proved itself."""
        for gone in self._choices():
            if not self._affords(exact=exact):
                self.loop.observe(Note(message="there was no time or money to take them back"))
                return
            known = len(self.finished.ledger.experiments)
            taken = self._try_without(gone, exact=exact)
            refused = len(gone) == 1 and len(self.finished.ledger.experiments) > known
            if taken or refused:  # something needs it after all
                self.finished.idle = tuple(e for e in self.finished.idle if e not in gone)
            if taken:
                return

    def _choices(self) -> Iterator[Sequence[Experiment]]:
        """All of them together; of two that do the same, one must stay: then the newest alone.

        A choice that was tried since the last keep is not tried again.
        """
        idle, tried = self.finished.idle, self._tried()
        for gone in [idle, idle[-1:]][: len(idle)]:
            if tuple(e.commit[:12] for e in gone) not in tried:
                yield gone

    def _tried(self) -> set[tuple[str, ...]]:
        """What could not be taken back since the last keep."""
        tried: set[tuple[str, ...]] = set()
        for experiment in self.finished.ledger.experiments:
            known = taken_back.named(experiment)
            tried = {*tried, known} if experiment.status is not Status.KEEP else set()
        return tried

    def _affords(self, *, exact: bool) -> bool:
        until = self._until(exact=exact)
        runs = 2 * ablation_runs(deterministic=exact, pairs=self.config.confirm.repeats)
        needed = self.loop.evaluator.bench.pace(self.loop.knowledge).to_keep(runs)
        late = until is not None and time.monotonic() + needed > until
        return not late and self._nothing_left() is None

    def _until(self, *, exact: bool) -> float | None:
        """When a smaller result must have been judged, so that it can be confirmed, too."""
        if self._seconds is None:
            return None
        asked = self.config.confirm.repeats
        pairs = exact_pairs(continued=self.origin is not None) if exact else PAIRS
        pace = self.loop.evaluator.bench.pace(self.loop.knowledge)
        kept_back = pace.to_confirm(pairs=asked or pairs, rounds=asked or PAIRS)
        return self.loop.briefing.started + self._seconds - kept_back

    def _try_without(self, gone: Sequence[Experiment], *, exact: bool) -> bool:
        """Judge the result without these as a candidate of its own; whether it is the new one."""
        loop, ledger, began = self.loop, self.finished.ledger, time.monotonic()
        edits, margin = self._edits(gone), least_gain(gone, self.config.metric.direction) / 2
        objective = loop.evaluator.objective
        if not edits or not isinstance(objective, NumberObjective):
            return False
        number = len(ledger.experiments)
        pairs = ablation_runs(deterministic=exact, pairs=self.config.confirm.repeats)
        objective = replace(objective, no_worse=NoWorse(pairs=pairs, margin=margin))
        judge = replace(loop.evaluator, objective=objective, reducing=True)
        words = "; ".join(e.description for e in gone)
        proposal = Proposal(
            description=f"take back: {words}", edits=edits, proposer=taken_back.PROPOSER
        )
        ledger.confirming = False
        try:
            ledger.begin(number, 1)
            until = self._until(exact=exact)
            outcome = judge.try_out(number, 1, proposal, loop.knowledge, until=until)
        except OutOfTime:
            return False
        finally:
            ledger.confirming = True
        outcome = self._proved(outcome)
        reason = taken_back.reason(gone, outcome.decision.reason)
        outcome = replace(outcome, decision=replace(outcome.decision, reason=reason))
        loop.remember(proposal, [outcome], began)
        return outcome.decision.status is Status.KEEP

    def _edits(self, gone: Sequence[Experiment]) -> tuple[FileEdit, ...]:
        """What makes the result without these of the result; nothing: no edit can."""
        ledger, judge = self.finished.ledger, self.loop.evaluator
        wanted = without(gone, ledger, judge.files, self.store)
        if wanted is None:
            return ()
        now = judge.tree(ledger.incumbent)
        then = CommitTree(judge.files, wanted, judge.scope, self.store)
        edits = []
        for path in sorted(wanted.keys() | now.changes.keys()):
            old, new = now.version(path), then.version(path)
            if new and new.mode != (old.mode if old else "100644"):
                return ()  # an edit keeps the mode that it finds
            if old != new:
                edits.append(FileEdit(path=path, content=then.read(path) if new else None))
        return tuple(edits)

    def _proved(self, outcome: Outcome) -> Outcome:
        """The same, refused unless base and this result were measured again, and the gain holds."""
        known = self.loop.knowledge
        if outcome.decision.status is not Status.KEEP or outcome.attempt is None:
            return outcome
        if self._misses_target(outcome.metric):
            return replace(outcome.refused("the target is not reached"), knowledge=known)
        try:
            found = self._confirmed(
                self._paired(outcome.knowledge), outcome.attempt.changes, outcome.metric
            )
        except OutOfTime:
            found = None
        if found is None or not found.holds:
            why = "the gain did not hold" if found else "the gain could not be confirmed"
            return replace(outcome.refused(why), knowledge=known)
        # It was no test of a new idea, and has earned the search no further error.
        session = replace(
            outcome.knowledge.session, tests=known.session.tests, keeps=known.session.keeps
        )
        return replace(outcome, knowledge=replace(outcome.knowledge, session=session))

    def _misses_target(self, metric: float | None) -> bool:
        """Whether a run that has reached its target would not have with this result."""
        limits, best = self.loop.briefing.limits, self.finished.ledger.experiments[-1].best
        if limits.target is None or metric is None or best is None:
            return False
        better = self.config.metric.direction.better
        return better(limits.target, metric) and not better(limits.target, best)
