"""What a run's records say, one type for each kind, and what they add up to.

What an earlier process wrote is believed only as far as types, scope and git confirm it: records
may come back from a cache or an artifact that others could write to. They are data, and whatever
they claim must be what a run of ours could have done: changes inside the scope, kept commits that
hold exactly these changes, one upon the other, beginning at the base commit. Nobody vouches for
earlier runs, so a journal of theirs that cannot be read is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias

from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.experiment import Experiment, PastRun, Spent, Status, Tree
from autoresearch_ci.record.journal_tsv import parse_rows
from autoresearch_ci.workspace.repository import FileVersion, Repository
from autoresearch_ci.workspace.scope import Scope

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def is_commit(name: object) -> bool:
    """Whether this is the full name of a git object, and so no option or expression of git."""
    return isinstance(name, str) and _COMMIT.fullmatch(name) is not None


@dataclass(frozen=True, kw_only=True)
class StartRecord:
    """Facts of the run; the first record."""

    record: Literal["start"] = "start"
    base: str
    """Commit that the run starts from."""
    tag: str
    branch: str | None
    ruler: dict[str, Any]
    """What must stay the same for numbers to compare."""
    version: str
    """Of autoresearch-ci."""
    publish: dict[str, Any]
    """Where the run started for its publisher, which reads it."""


@dataclass(frozen=True, kw_only=True)
class BranchRecord:
    """Kept commits go there from now on."""

    record: Literal["branch"] = "branch"
    branch: str | None


@dataclass(frozen=True, kw_only=True)
class IntentRecord:
    """An attempt begins."""

    record: Literal["intent"] = "intent"
    iteration: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class CostRecord:
    """Money is gone when it is spent, whatever becomes of the iteration."""

    record: Literal["spent"] = "spent"
    iteration: int
    tokens: int
    cost_usd: float


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A candidate as committed: enough to measure it again, or to show it to a proposer."""

    record: Literal["attempt"] = "attempt"
    iteration: int
    attempt: int
    commit: str
    changes: dict[str, FileVersion | None]
    """Relative to the base commit."""
    description: str
    proposer: str
    tokens: int
    cost_usd: float
    next_idea: str = ""
    """What its author would try after it."""


@dataclass(frozen=True, kw_only=True)
class DecisionRecord:
    """A finished iteration and what the run knew after it."""

    record: Literal["verdict"] = "verdict"
    experiment: Experiment
    knowledge: Knowledge = field(default_factory=Knowledge)
    """For the process that resumes; its `standards` are in files."""
    standards: dict[str, str] = field(default_factory=dict)
    """The names of those files, by role."""


@dataclass(frozen=True, kw_only=True)
class PushRecord:
    """What was published last, and where."""

    record: Literal["pushed"] = "pushed"
    branch: str
    replaces: str
    """Address of the pull request that this one follows; empty: none."""
    refs: dict[str, str]
    """Commits by ref."""
    because: str = ""
    """Why that one is not ours any more, as publisher.StartPoint says it."""


Record: TypeAlias = (
    StartRecord | BranchRecord | IntentRecord | CostRecord | Attempt | DecisionRecord | PushRecord
)


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything the records say."""

    start: StartRecord | None = None
    branch: str | None = None
    """Where kept commits went last; `None` when they were not published."""
    attempts: tuple[Attempt, ...] = ()
    verdicts: tuple[DecisionRecord, ...] = ()
    pushed: PushRecord | None = None
    """`None`: nothing yet."""
    unfinished: Spent = field(default_factory=Spent)
    """Paid for the iteration that has no verdict yet."""
    aside: Spent = field(default_factory=Spent)
    """Paid outside of iterations: for confirming the result."""

    @property
    def experiments(self) -> list[Experiment]:
        return [verdict.experiment for verdict in self.verdicts]

    @property
    def kept(self) -> list[Experiment]:
        """Kept experiments, in order; the baseline is not one."""
        return [e for e in self.experiments if e.status is Status.KEEP]

    def after(self, record: Record) -> History:
        """With one more record. Raises `ValueError` for one that does not belong there."""
        done = len(self.verdicts)
        match record:
            case StartRecord():
                return replace(self, start=record, branch=record.branch)
            case BranchRecord():
                return replace(self, branch=record.branch)
            case CostRecord():
                cost = Spent(tokens=record.tokens, cost_usd=record.cost_usd)
                if record.iteration < done:
                    return replace(self, aside=self.aside + cost)
                return replace(self, unfinished=self.unfinished + cost)
            case Attempt():
                return replace(self, attempts=(*self.attempts, record))
            case DecisionRecord():
                if record.experiment.iteration != done:
                    raise ValueError(f"iteration {record.experiment.iteration} follows {done - 1}")
                verdicts = (*self.verdicts, record)
                return replace(self, verdicts=verdicts, unfinished=Spent())
            case PushRecord():
                return replace(self, pushed=record)
        return self


class Git(Protocol):
    """What `Repository` answers."""

    def ref(self, name: str) -> str | None: ...

    def files(self, commit: str) -> Mapping[str, FileVersion]: ...


def check_history(history: History, *, base: str, scope: Scope, git: Git) -> None:
    """Raises `WorkspaceError` for records that no run of ours can have written."""
    problem = next(_problems(history, base, scope, git), "")
    if problem:
        raise WorkspaceError(
            f"the records of the earlier run are not believed: {problem}.\n"
            "usually: the file was edited, came from a cache or an artifact that others can write "
            "to, or another version of autoresearch-ci wrote it.\n"
            "do: start a run with another --tag; what the earlier one kept stays on its branch."
        )


def _problems(history: History, base: str, scope: Scope, git: Git) -> Iterator[str]:
    if history.start is None or history.start.base != base:
        yield "they do not say which run they belong to"
    last_of: dict[int, Attempt] = {}
    for attempt in history.attempts:
        if not is_commit(attempt.commit):
            yield f"attempt {attempt.iteration} names no commit"
        yield from _bad_changes(attempt.changes, scope)
        last_of[attempt.iteration] = attempt
    for experiment in history.experiments:
        if experiment.commit and not is_commit(experiment.commit):
            yield f"experiment {experiment.iteration} names no commit"
    if history.verdicts:
        yield from _bad_knowledge(history.verdicts[-1].knowledge)
    if history.kept:
        yield from _bad_commits(history, base, last_of, git)


def _bad_knowledge(known: Knowledge) -> Iterator[str]:
    session = known.session
    if not session.incumbent:
        yield "they know of no measurement"
    if min(session.keeps, default=0) < 0 or max(session.keeps, default=0) > session.tests:
        yield "they kept in a test that was never made"
    seconds = (*known.durations.values(), *known.lately.values())
    if session.tests < 0 or min(seconds, default=0.0) < 0:
        yield "they count less than nothing"


def _bad_changes(changes: Mapping[str, FileVersion | None], scope: Scope) -> Iterator[str]:
    for path, version in changes.items():
        if (refusal := scope.refusal(path)) is not None:
            yield f"they change {refusal!a}"
        if version is not None and not (version.regular and is_commit(version.blob)):
            yield f"{path!a} is not a plain file in them"


def _bad_commits(
    history: History, base: str, last_of: Mapping[int, Attempt], git: Git
) -> Iterator[str]:
    files, parent = dict(git.files(base)), base
    for kept in history.kept:
        attempt = last_of.get(kept.iteration)
        if attempt is None:
            yield f"experiment {kept.iteration} was kept, but never tried"
            return
        if git.ref(f"{kept.commit}^1") != parent or git.ref(f"{kept.commit}^2") is not None:
            yield f"commit {kept.commit[:12]} does not follow {parent[:12]}"
            return
        expected = {**files, **attempt.changes}
        if git.files(kept.commit) != {path: v for path, v in expected.items() if v is not None}:
            yield f"commit {kept.commit[:12]} holds other changes than they say"
        parent = kept.commit


# --- Earlier runs, as proposers see them ----------------------------------------------------------


@dataclass(frozen=True)
class PastTree(Tree):
    """Files of one commit of an earlier run."""

    repository: Repository
    commit: str

    def read(self, path: str) -> bytes:
        found = self.repository.content(self.commit, path) if is_commit(self.commit) else None
        if found is None:
            raise KeyError(path)
        return found

    def paths(self) -> Sequence[str]:
        """None: whoever asks knows what to read; a listing would be of the whole repository."""
        return ()


def past_runs(journals: Sequence[str], repository: Repository) -> tuple[PastRun, ...]:
    """The runs behind the journals, oldest first."""
    found = []
    for text in journals:
        try:
            rows = parse_rows(text)
        except ValueError:
            continue
        found.append(PastRun(history=rows, at=lambda commit: PastTree(repository, commit)))
    return tuple(found)
