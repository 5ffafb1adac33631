"""Remembers: records, refs, journal and notebook, written in an order that survives a kill.

intent record -> money spent -> candidate commit -> decision record -> branch -> journal row ->
notebook. Recovery reads records and refs only, and repeats whatever step did not happen.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autoresearch_ci import journal
from autoresearch_ci.budget import rows_cost
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.experiment import Direction, Experiment, Proposal, Status
from autoresearch_ci.prices import Spent
from autoresearch_ci.proposers import ReasonedProposal
from autoresearch_ci.records import Attempt, History, Records, Verdict
from autoresearch_ci.report.inert import subject as inert_subject
from autoresearch_ci.scope import Scope
from autoresearch_ci.store import Store
from autoresearch_ci.untrusted import Refused, file_bytes
from autoresearch_ci.workspace import Changes, FileVersion, Repository

SUBJECT_LENGTH = 100
"""Characters of a description that go into a commit subject; the rest goes into the body."""
MOST_ATTEMPTS = 9
"""At least as many as one iteration can make, repairs and reworks included."""
ITERATION_TRAILER = "Autoresearch-Iteration"


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What identifies a run and never changes while it lasts."""

    tag: str
    branch: str | None
    """Branch for kept commits; `None` publishes none."""
    base: str
    """Commit that the run starts from."""
    direction: Direction
    folder: Path
    """The run folder that the user reads."""

    @property
    def branch_ref(self) -> str | None:
        return f"refs/heads/{self.branch}" if self.branch else None

    @property
    def notebook_ref(self) -> str:
        return notebook_ref(self.tag)

    @property
    def journal(self) -> Path:
        return self.folder / "results.tsv"


def notebook_ref(tag: str) -> str:
    """The ref that keeps every attempt of a run and its journal.

    Not `refs/autoresearch/TAG`: git looks there before it looks for the branch `autoresearch/TAG`.
    """
    return f"refs/autoresearch/notebook/{tag}"


def attempt_ref(tag: str, attempt: int) -> str:
    """Keeps a candidate that is in no notebook yet from the user's `git gc --prune=now`.

    The next iteration's takes its place. Never deleted: git would lock the user's packed-refs, and
    a kill would leave that lock.
    """
    return f"refs/autoresearch/attempt/{tag}/{attempt}"


@dataclass(frozen=True)
class CommitTree:
    """The in-scope files of one commit, as proposers see them."""

    files: Mapping[str, FileVersion]
    changes: Changes
    scope: Scope
    store: Store

    def version(self, path: str) -> FileVersion | None:
        """What is at `path`, also when it is not a regular file."""
        return self.changes[path] if path in self.changes else self.files.get(path)

    def all_paths(self) -> Sequence[str]:
        """Every regular file of the commit, in scope or not, sorted."""
        return sorted(n for n in {*self.files, *self.changes} if self._regular(n))

    def _regular(self, path: str) -> bool:
        version = self.version(path)
        return version is not None and version.regular

    def is_folder(self, path: str) -> bool:
        """Whether some file lies below `path`."""
        below = f"{path}/"
        names = (p for p in (*self.files, *self.changes) if p.startswith(below))
        return any(self.version(name) is not None for name in names)

    def read(self, path: str) -> bytes:
        version = self.version(path)
        if version is None or not version.regular:
            raise KeyError(path)
        return self.store.read(version)

    def size(self, path: str) -> int:
        version = self.version(path)
        if version is None or not version.regular:
            raise KeyError(path)
        return self.store.size(version)

    def paths(self) -> Sequence[str]:
        names = {p for p, v in self.files.items() if v.regular} | self.changes.keys()
        return sorted(self.scope.select(n for n in names if self.version(n) is not None))


class Ledger:
    """One run's memory on disk."""

    def __init__(
        self,
        *,
        facts: RunFacts,
        repository: Repository,
        store: Store,
        records: Records,
        redact: Callable[[str], str] = str,
    ) -> None:
        """`redact` removes secrets from whatever somebody else worded."""
        self.facts = facts
        self._repository = repository
        self._store = store
        self._records = records
        self._redact = redact
        self.history = History()
        self.lost = Spent()
        """Paid by earlier processes for the iteration that is about to be repeated."""
        self.confirming = False
        """From now on nothing is spent on an iteration."""
        self._changes: dict[str, Changes] = {facts.base: {}}
        self._rows: list[str] = []
        self._tried: dict[int, list[str]] = {}
        """Commits of each iteration, repairs and reworks included."""
        self._notebook: str | None = None

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
        history = self.history
        return rows_cost(history.experiments) + history.unfinished + history.aside

    def pay(self, cost: Spent) -> None:
        """Write down at once what was paid: it counts, whatever becomes of the iteration."""
        if cost == Spent():
            return
        history, done = self.history, len(self.history.verdicts)
        if self.confirming:
            self._records.spent(done - 1, cost)
            self.history = replace(history, aside=history.aside + cost)
        else:
            self._records.spent(done, cost)
            self.history = replace(history, unfinished=history.unfinished + cost)

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

    def recover(self, history: History) -> None:
        """Take over what an earlier process left, finishing the step it was killed in."""
        self.load(history)
        attempts = (attempt_ref(self.facts.tag, n) for n in range(1, MOST_ATTEMPTS + 1))
        for ref in filter(None, (self.facts.branch_ref, self.facts.notebook_ref, *attempts)):
            self._repository.break_lock(ref)
        noted = self._noted()
        self._recover_branch(noted)
        self._write_journal()
        for experiment in self.experiments[noted + 1 :]:
            self._note(experiment)

    def load(self, history: History) -> None:
        """Know what an earlier process knew, without writing anything."""
        self.history = history
        self.lost = history.unfinished
        by_iteration = {attempt.iteration: attempt for attempt in history.attempts}
        for attempt in history.attempts:
            self._learn(attempt)
        for experiment in history.kept:
            self._changes[experiment.commit] = by_iteration[experiment.iteration].changes
        self._rows = [journal.format_row(e) for e in self.experiments]

    def begin(self, iteration: int, attempt: int) -> None:
        self._records.intent(iteration, attempt)

    def commit(
        self,
        iteration: int,
        attempt: int,
        proposal: Proposal,
        edits: Mapping[str, tuple[str, bytes] | None],
    ) -> Attempt:
        """Commit a candidate on top of the incumbent."""
        parent = self.incumbent
        proposal = replace(proposal, description=self._redact(proposal.description))
        commit, versions = self._store.commit(
            parents=[parent],
            edits=edits,
            message=self._message(proposal.description, iteration),
            ref=f"refs/attempts/{iteration}-{attempt}",
            timestamp=int(time.time()),
        )
        self._repository.set_ref(attempt_ref(self.facts.tag, attempt), commit)
        next_idea = proposal.next_idea if isinstance(proposal, ReasonedProposal) else ""
        record = Attempt(
            iteration=iteration,
            attempt=attempt,
            commit=commit,
            changes={**self.changes(parent), **versions},
            description=proposal.description,
            proposer=proposal.proposer,
            tokens=proposal.tokens,
            cost_usd=proposal.cost_usd,
            next_idea=self._redact(next_idea),
        )
        self._records.attempt(record)
        self.history = replace(self.history, attempts=(*self.history.attempts, record))
        self._learn(record)
        return record

    def _learn(self, attempt: Attempt) -> None:
        self._changes[attempt.commit] = attempt.changes
        if attempt.attempt == 1:  # again: what a killed process tried does not count
            self._tried[attempt.iteration] = []
        self._tried.setdefault(attempt.iteration, []).append(attempt.commit)

    def final_commit(self, attempt: Attempt, metric: float) -> str:
        """The candidate as it goes onto the branch: its message carries the measured metric."""
        commit = self._store.reword(
            attempt.commit,
            parent=self.incumbent,
            message=self._message(attempt.description, attempt.iteration, metric),
            timestamp=int(time.time()),
        )
        self._repository.set_ref(attempt_ref(self.facts.tag, attempt.attempt), commit)
        self._changes[commit] = attempt.changes
        return commit

    def decide(self, experiment: Experiment, memory: dict[str, Any]) -> Experiment:
        """Write a finished iteration down, everywhere; returns it as every reader will see it.

        Raises `WorkspaceError` when the branch cannot be moved; a resume then finishes the rest.
        """
        before = self.incumbent
        experiment = replace(
            experiment,
            description=self._redact(experiment.description),
            reason=self._redact(experiment.reason),
        )
        experiment = journal.recorded(experiment)
        verdict = Verdict(experiment=experiment, memory=memory)
        self._records.verdict(verdict)
        self.history = replace(
            self.history, verdicts=(*self.history.verdicts, verdict), unfinished=Spent()
        )
        self.lost = Spent()
        if experiment.status is Status.KEEP and self.facts.branch_ref:
            old = before if before != self.facts.base else None
            self._repository.refuse_checked_out(self.facts.branch_ref)
            self._repository.update_ref(self.facts.branch_ref, experiment.commit, old)
        self._rows.append(journal.format_row(experiment))
        if len(self._rows) == 1:
            self._write_journal()
        else:
            journal.append(self.facts.journal, self._rows[-1])
        self._note(experiment)
        return experiment

    def illustrate(self, files: Mapping[str, bytes]) -> str | None:
        """One more notebook commit with files beside the journal; the notebook's newest commit.

        `None` before the baseline. The same files again make no commit.
        """
        tip = self._notebook
        if tip is None:
            return None
        changed = {
            path: ("100644", content)
            for path, content in files.items()
            if self._repository.content(tip, path) != content
        }
        if changed:
            run, iteration = self.facts.tag, len(self.experiments) - 1
            commit, _ = self._store.commit(
                parents=[tip],
                edits=changed,
                message=_trailers(
                    f"report: {', '.join(sorted(changed))}",
                    {"Autoresearch-Run": run, ITERATION_TRAILER: iteration},
                ),
                ref="refs/notebook",
                timestamp=int(time.time()),
            )
            self._repository.update_ref(self.facts.notebook_ref, commit, tip)
            self._notebook = commit
        return self._notebook

    def pushed(self, facts: Mapping[str, Any]) -> None:
        """Write down what has been published, so that a resumed run knows."""
        self._records.pushed(facts)
        self.history = replace(self.history, pushed=dict(facts))

    def _recover_branch(self, noted: int) -> None:
        """Finish the move that a kill prevented; any other difference is a person's decision."""
        kept, branch, ref = self.history.kept, self.facts.branch, self.facts.branch_ref
        another = self.history.branch != branch
        if kept and ref:
            last = kept[-1]
            now = self._repository.ref(ref)
            before = kept[-2].commit if len(kept) > 1 else None
            unmoved = noted < last.iteration and now == before
            # Published elsewhere until now, or nowhere: it may lag behind, or not exist.
            behind = another and now in (None, *(e.commit for e in kept))
            if now != last.commit and not unmoved and not behind:
                raise WorkspaceError(_moved(branch or "", now, last.commit))
            if now != last.commit:
                self._repository.update_ref(ref, last.commit, now)
        if another:
            self._records.branch(branch)
            self.history = replace(self.history, branch=branch)

    def _write_journal(self) -> None:
        text = "".join([journal.header(self.facts.direction), *self._rows])
        path = self.facts.journal
        with contextlib.suppress(OSError, Refused):
            if file_bytes(path, len(text.encode())) == text.encode():
                return
        temporary = path.with_suffix(".tsv.new")
        with temporary.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def _noted(self) -> int:
        """Highest iteration that the notebook holds; -1 when there is no notebook."""
        tip = self._notebook = self._repository.ref(self.facts.notebook_ref)
        if tip is None:
            return -1
        for line in self._repository.message(tip).splitlines():
            name, _, value = line.partition(": ")
            if name == ITERATION_TRAILER and value.strip().isdigit():
                return int(value)
        raise WorkspaceError(
            f"{self.facts.notebook_ref} does not hold a notebook of ours.\ndo: use another --tag."
        )

    def _note(self, experiment: Experiment) -> None:
        """One notebook commit: the journal as of now; the attempt as second parent.

        Attempts that were repaired or reworked follow, so that git keeps them too.
        """
        tip = self._notebook
        text = "".join(
            [journal.header(self.facts.direction), *self._rows[: experiment.iteration + 1]]
        )
        parents = [tip] if tip else []
        if tip:
            tried = self._tried.get(experiment.iteration, [])
            parents += [experiment.commit, *tried[:-1]] if experiment.commit else tried
        commit, _ = self._store.commit(
            parents=parents,
            edits={"results.tsv": ("100644", text.encode())},
            message=_trailers(
                f"{experiment.status}: {experiment.description}",
                {"Autoresearch-Run": self.facts.tag, ITERATION_TRAILER: experiment.iteration},
            ),
            ref="refs/notebook",
            timestamp=int(time.time()),
        )
        self._repository.update_ref(self.facts.notebook_ref, commit, tip)
        self._notebook = commit

    def _message(self, description: str, iteration: int, metric: float | None = None) -> str:
        trailers: dict[str, object] = {
            "Autoresearch-Run": self.facts.tag,
            ITERATION_TRAILER: iteration,
        }
        if metric is not None:
            trailers["Autoresearch-Metric"] = repr(metric)
        return _trailers(f"experiment: {description}", trailers)


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


def _trailers(text: str, trailers: Mapping[str, object]) -> str:
    line = inert_subject(text)
    subject = line
    body = ""
    if len(line) > SUBJECT_LENGTH:
        subject = line[: SUBJECT_LENGTH - 1] + "…"
        body = f"{line}\n\n"
    return f"{subject}\n\n{body}" + "".join(f"{k}: {v}\n" for k, v in trailers.items())
