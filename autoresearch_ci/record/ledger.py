"""Remembers: records, refs, journal and notebook, written in an order that survives a kill.

intent record -> money spent -> candidate commit -> decision record -> branch -> journal row ->
notebook. Recovery reads records and refs only, and repeats whatever step did not happen.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_ci.decide.budget import rows_cost
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.experiment import Experiment, Proposal, Spent, Status
from autoresearch_ci.record import journal_tsv as journal
from autoresearch_ci.record.commit_messages import of_experiment
from autoresearch_ci.record.durable_files import append_line, replace_file
from autoresearch_ci.record.notebook import Notebook, RunFacts, attempt_ref
from autoresearch_ci.record.run_history import (
    Attempt,
    BranchRecord,
    CostRecord,
    History,
    IntentRecord,
    PushRecord,
    Record,
)
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable
from autoresearch_ci.workspace.repository import Changes, Repository
from autoresearch_ci.workspace.signing import Signing
from autoresearch_ci.workspace.store import Store

MOST_ATTEMPTS = 9
"""At least as many as one iteration can make, repairs and reworks included."""


@dataclass(kw_only=True, eq=False, repr=False)
class Ledger:
    """One run's memory on disk."""

    facts: RunFacts
    repository: Repository
    store: Store
    records: Records
    redact: Callable[[str], str] = str
    """Removes secrets from whatever somebody else worded."""
    signing: Signing | None = None
    """Of kept commits."""
    history: History = field(default_factory=History)
    lost: Spent = field(default_factory=Spent)
    """Paid by earlier processes for the iteration that is about to be repeated."""
    resumed_at: int = 0
    """The first iteration that this process begins."""
    confirming: bool = False
    """From now on nothing is spent on an iteration."""
    _rows: list[str] = field(default_factory=list)
    _tried: dict[int, list[str]] = field(default_factory=dict)
    """Commits of each iteration, repairs and reworks included."""

    def __post_init__(self) -> None:
        self._changes: dict[str, Changes] = {self.facts.base: {}}
        self._notebook = Notebook(self.facts, self.repository, self.store)

    @property
    def experiments(self) -> list[Experiment]:
        return self.history.experiments

    @property
    def incumbent(self) -> str:
        """The commit to beat."""
        kept = self.history.kept
        return kept[-1].commit if kept else self.facts.base

    @property
    def spent(self) -> Spent:
        """All that this run has cost, also what stands in no row."""
        return rows_cost(self.history.experiments) + self.outside_rows

    @property
    def outside_rows(self) -> Spent:
        """What was paid for iterations that no row tells of, and beside all iterations."""
        return self.history.unfinished + self.history.aside

    def pay(self, cost: Spent) -> None:
        """Write down at once what was paid: it counts, whatever becomes of the iteration."""
        if cost == Spent():
            return
        iteration = len(self.history.verdicts) - self.confirming
        self._write(CostRecord(iteration=iteration, tokens=cost.tokens, cost_usd=cost.cost_usd))

    def settle(self, before: Spent, proposal: Proposal) -> None:
        """Pay what a proposal cost and its proposer has not paid itself since `before`."""
        paid = self.history.unfinished
        tokens = proposal.tokens - (paid.tokens - before.tokens)
        dollars = proposal.cost_usd - (paid.cost_usd - before.cost_usd)
        # Sums of binary fractions differ in the last digits.
        dollars = dollars if dollars > 1e-9 else 0.0
        self.pay(Spent(tokens=max(tokens, 0), cost_usd=dollars))

    def changes(self, commit: str) -> Changes:
        """How a commit of this run differs from the base commit. Raises `KeyError` for others."""
        return self._changes[commit]

    def tried(self) -> Iterator[tuple[Experiment, Changes, bool]]:
        """Every attempt of the finished iterations, and whether it is the one that counted.

        The latest first, and then the base commit.
        """
        for experiment in reversed(self.experiments[1:]):
            # Without a commit it was none of these: a killed process had tried them.
            tried = self._tried.get(experiment.iteration, []) if experiment.commit else []
            for commit in reversed(tried):
                yield experiment, self.changes(commit), commit == tried[-1]
        yield self.experiments[0], {}, True

    def mend_journal(self) -> None:
        """Write the journal anew if somebody deleted or changed it."""
        if self._rows:
            _make_sure(self.facts.journal, self._journal())

    def recover(self, history: History) -> None:
        """Take over what an earlier process left, finishing the step it was killed in."""
        self.load(history)
        attempts = (attempt_ref(self.facts.tag, n) for n in range(1, MOST_ATTEMPTS + 1))
        for ref in filter(None, (self.facts.branch_ref, self.facts.notebook_ref, *attempts)):
            self.repository.break_lock(ref)
        noted = self._notebook.open()
        self._recover_branch(noted)
        _make_sure(self.facts.journal, self._journal())
        for experiment in self.experiments[noted + 1 :]:
            self._note(experiment)

    def load(self, history: History) -> None:
        """Know what an earlier process knew, without writing anything."""
        self.history = history
        self.lost = history.unfinished
        self.resumed_at = len(history.experiments)
        by_iteration = {attempt.iteration: attempt for attempt in history.attempts}
        for attempt in history.attempts:
            self._learn(attempt)
        for experiment in history.kept:
            self._changes[experiment.commit] = by_iteration[experiment.iteration].changes
        self._rows = [journal.format_row(e) for e in self.experiments]

    def begin(self, iteration: int, attempt: int) -> None:
        """Say that an attempt is about to be made."""
        self._write(IntentRecord(iteration=iteration, attempt=attempt))

    def recall(self) -> Knowledge:
        """What the run had learnt by its last decision. Raises `WorkspaceError`."""
        return self.records.recalled(self.history.verdicts[-1])

    def recall_baseline(self) -> Knowledge:
        """What was known before anything was tried. Raises as `recall` does."""
        return self.records.recalled(self.history.verdicts[0])

    def commit(
        self,
        iteration: int,
        attempt: int,
        proposal: Proposal,
        edits: Mapping[str, tuple[str, bytes] | None],
    ) -> Attempt:
        """Commit a candidate on top of the incumbent."""
        parent = self.incumbent
        proposal = replace(proposal, description=self.redact(proposal.description))
        commit, versions = self.store.commit(
            parents=[parent],
            edits=edits,
            message=self.message(iteration, proposal.description),
            author=self.facts.commit.author,
            timestamp=int(time.time()),
        )
        self.repository.set_ref(attempt_ref(self.facts.tag, attempt), commit)
        record = Attempt(
            iteration=iteration,
            attempt=attempt,
            commit=commit,
            changes={**self.changes(parent), **versions},
            description=proposal.description,
            proposer=proposal.proposer,
            tokens=proposal.tokens,
            cost_usd=proposal.cost_usd,
            next_idea=self.redact(proposal.next_idea),
        )
        self._write(record)
        self._learn(record)
        return record

    def message(
        self,
        iteration: int,
        description: str,
        metric: float | None = None,
        repaired: Sequence[str] = (),
    ) -> str:
        """Of a candidate's commit; with its `metric` and what it `repaired`, once measured."""
        facts, names = self.facts, [*map(self.redact, repaired)]
        style = facts.commit
        return of_experiment(facts.tag, iteration, description, metric, repaired=names, style=style)

    def _learn(self, attempt: Attempt) -> None:
        self._changes[attempt.commit] = attempt.changes
        if attempt.attempt == 1:  # again: what a killed process tried does not count
            self._tried[attempt.iteration] = []
        self._tried.setdefault(attempt.iteration, []).append(attempt.commit)

    def final_commit(self, attempt: Attempt, metric: float, repaired: Sequence[str] = ()) -> str:
        """The candidate as it goes onto the branch: its message carries what was measured."""
        commit = self.store.reword(
            attempt.commit,
            parent=self.incumbent,
            message=self.message(attempt.iteration, attempt.description, metric, repaired),
            author=self.facts.commit.author,
            timestamp=int(time.time()),
            signing=self.signing,
        )
        self.repository.set_ref(attempt_ref(self.facts.tag, attempt.attempt), commit)
        self._changes[commit] = attempt.changes
        return commit

    def decide(self, experiment: Experiment, knowledge: Knowledge) -> Experiment:
        """Write a finished iteration down, everywhere; returns it as every reader will see it.

        Raises `WorkspaceError` when the branch cannot be moved; a resume then finishes the rest.
        """
        before = self.incumbent
        experiment = replace(
            experiment,
            description=self.redact(experiment.description),
            reason=self.redact(experiment.reason),
            doubt=self.redact(experiment.doubt),
        )
        experiment = journal.recorded(experiment)
        self.history = self.history.after(self.records.decided(experiment, knowledge))
        self.lost = Spent()
        if experiment.status is Status.KEEP and self.facts.branch_ref:
            old = before if before != self.facts.base else None
            self.repository.refuse_checked_out(self.facts.branch_ref)
            self.repository.update_ref(self.facts.branch_ref, experiment.commit, old)
        self._rows.append(journal.format_row(experiment))
        if len(self._rows) == 1:
            _make_sure(self.facts.journal, self._journal())
        else:
            append_row(self.facts.journal, self._rows[-1])
        self._note(experiment)
        return experiment

    def illustrate(self, files: Mapping[str, bytes]) -> str | None:
        """One more notebook commit with files beside the journal; the notebook's newest commit.

        `None` before the baseline. The same files again make no commit.
        """
        return self._notebook.illustrate(files, len(self.experiments) - 1)

    def pushed(self, record: PushRecord) -> None:
        """Write down what has been published, so that a resumed run knows."""
        self._write(record)

    def _write(self, record: Record) -> None:
        self.records.append(record)
        self.history = self.history.after(record)

    def _recover_branch(self, noted: int) -> None:
        """Finish the move that a kill prevented; any other difference is a person's decision."""
        kept, branch, ref = self.history.kept, self.facts.branch, self.facts.branch_ref
        another = self.history.branch != branch
        if kept and ref:
            last = kept[-1]
            now = self.repository.ref(ref)
            before = kept[-2].commit if len(kept) > 1 else None
            unmoved = noted < last.iteration and now == before
            # Published elsewhere until now, or nowhere: it may lag behind, or not exist.
            behind = another and now in (None, *(e.commit for e in kept))
            if now != last.commit and not unmoved and not behind:
                raise WorkspaceError(_moved(branch or "", now, last.commit))
            if now != last.commit:
                self.repository.update_ref(ref, last.commit, now)
        if another:
            self._write(BranchRecord(branch=branch))

    def _journal(self, iteration: int | None = None) -> str:
        """Its whole text; up to an iteration, where one is given."""
        last = None if iteration is None else iteration + 1
        return "".join([journal.header(self.facts.direction), *self._rows[:last]])

    def _note(self, experiment: Experiment) -> None:
        iteration = experiment.iteration
        tried = self._tried.get(iteration, [])
        self._notebook.note(experiment, self._journal(iteration), tried)


def _moved(branch: str, now: str | None, ours: str) -> str:
    """A person moved or deleted the branch; what to do about it."""
    if now is None:
        return (
            f"branch {branch} is gone, but this run left it at {ours}.\n"
            "usually: somebody deleted or renamed it.\n"
            f"do: git branch -f {branch} {ours[:12]} (the notebook still holds that commit), then "
            "--resume; to keep it deleted, resume with --publish none, or start another --tag."
        )
    return (
        f"branch {branch} is at {now[:12]}, but this run left it at {ours}.\n"
        "usually: somebody committed to it, rewrote it or moved it.\n"
        f"do: git branch {branch}-mine {now[:12]} && git branch -f {branch} {ours[:12]} to save "
        "what is there and continue from what the run kept with --resume; or start a run with "
        "another --tag."
    )


def append_row(path: Path, line: str) -> None:
    """Add a row durably, see `append_line`."""
    append_line(path, (line.removesuffix("\n") + "\n").encode("utf-8", errors="replace"))


def _make_sure(path: Path, text: str) -> None:
    """The journal holds `text`: written anew only if it does not, and then all or nothing."""
    data = text.encode()
    with contextlib.suppress(OSError, Unreadable):
        if file_bytes(path, len(data)) == data:
            return
    replace_file(path, data)
