"""Answers where a run begins: which branch, from which commit, and what earlier runs know.

What to do with a branch, start_rules.py decides. A job that may read the forge and not write looks
as well, for the job that publishes. A self-hosted runner keeps its checkout, and with it the last
night's branch: it is only a name for commits that are safe elsewhere, so room is made for the new
one; a branch with anything else on it is somebody's work and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import TypeVar

from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.metric.taken_back import standing, taken_back
from autoresearch_ci.errors import ConfigError, StoppedByPerson, WorkspaceError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.publish.comment_commands import (
    CommentCommand,
    Requests,
    lifted,
    standing_requests,
)
from autoresearch_ci.publish.forge.choose import Sleep, make_forge
from autoresearch_ci.publish.forge.forge import Forge, PullRequest, PullState
from autoresearch_ci.publish.forge.forge_refusals import TRANSIENT, ForgeRefused
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.named_changes import NamedChanges
from autoresearch_ci.publish.publisher import StartPoint
from autoresearch_ci.publish.run_identity import RunIdentity, run_identity
from autoresearch_ci.publish.start_rules import BranchUse, Relation, branch_use, numbered
from autoresearch_ci.record import journal_tsv as journal
from autoresearch_ci.record import remote_notebooks
from autoresearch_ci.record.notebook import notebook_ref
from autoresearch_ci.record.remote_notebooks import NOTEBOOKS, PastNotebook, Rejected
from autoresearch_ci.record.run_history import is_commit
from autoresearch_ci.workspace.repository import Repository

T = TypeVar("T")


def resolve_start_without_writing(
    tag: str,
    *,
    config: Config,
    repository: Repository,
    environment: Mapping[str, str],
    observe: Observer,
    sleep: Sleep,
) -> StartPoint:
    """Of a run that another job publishes: the branch that it will continue, and what is known.

    Where the forge says nothing, a run begins from HEAD, knowing nothing. Raises `StoppedByPerson`.
    """
    branch = config.publish.branch_name(tag)
    try:
        forge = make_forge(config.publish, repository, environment, observe, sleep)
        remote = Remote(
            forge.address,
            repository,
            token=forge.token,
            sleep=sleep,
            author=config.publish.commit.author,
        )
        run = run_identity(config, tag, environment)
        try:
            start = StartResolver(forge, remote, repository, run, observe, may_write=False)
            return start.resolve(tag)
        finally:
            remote.close()
    except ConfigError as error:
        first = str(error).splitlines()[0]
        observe(Note(message=f"starting from HEAD, without a look at the forge: {first}"))
    except ForgeRefused as error:
        observe(
            Warning(
                message="starting from HEAD, without what earlier runs know, so the second "
                f"job may open another pull request: {error}"
            )
        )
    forget_branch(repository, branch, tag)
    return StartPoint(branch=branch)


def forget_branch(
    repository: Repository, branch: str, tag: str, published: Sequence[str] = ()
) -> None:
    """Remove the local branch of an earlier run, when all of it is elsewhere.

    `published`: commits that the forge has. What other runs kept is in their notebooks here.
    """
    ref = f"refs/heads/{branch}"
    commit = repository.ref(ref)
    if commit is None or repository.worktree_of(ref) or repository.ref(notebook_ref(tag)):
        return  # the last: this tag's own run, which is refused or resumed
    safe = ("HEAD", *published)
    if any(repository.is_ancestor(commit, known) for known in safe) or repository.refs(
        NOTEBOOKS, containing=commit
    ):
        repository.delete_ref(ref, commit)


@dataclass(eq=False, repr=False)
class StartResolver:
    """Answers where a run begins; changes nothing but our own branches."""

    forge: Forge
    remote: Remote
    repository: Repository
    run: RunIdentity
    observe: Observer
    _: KW_ONLY
    may_write: bool = True
    passed_over: tuple[str, PullRequest] | None = None
    """The last one whose branch could not be used, after the branch."""
    found: PullRequest | None = None
    """The open one from the branch that the run goes to."""
    _closed: list[tuple[str, PullRequest]] = field(default_factory=list)
    """Those that people closed, by branch."""
    _silent: bool = False
    """The forge's API does not answer, though git does."""
    _said: dict[str, Sequence[CommentCommand]] = field(default_factory=dict)
    """What people asked for, by the pull request's address."""
    _fetched: list[str] = field(default_factory=list)
    """Commits of our branches on the forge."""
    _books: Sequence[PastNotebook] | None = None
    """What all that were looked at say, once they were."""

    def __post_init__(self) -> None:
        self.base = self.run.into
        self._names = frozenset(numbered(self.run.branch))

    def base_branch(self) -> str:
        """The branch to merge into."""
        self.base = self.base or self.forge.default_branch() or "main"
        return self.base

    def resolve(self, tag: str) -> StartPoint:
        """Where a run begins. Raises `ForgeRefused`, or `StoppedByPerson`."""
        refs = self._refs()
        start, pulls = self._usable(refs, self.repository.head(), may_continue=True)
        books = self._notebooks(refs, tag)
        asked = self._requests(pulls, books)
        if asked.stop:
            raise StoppedByPerson(
                f"{asked.stop.author} asked to stop on {pulls[-1].url}, so nothing was run.\n"
                "do: comment `/autoresearch retry` there, or take the label away, to go on."
            )
        if start.base:
            self.observe(Note(message=f"continuing {start.branch} at {start.base[:12]}"))
        forget_branch(self.repository, self.run.branch, tag, self._fetched)
        rejected = self._rejected(books, asked)
        refused = [*asked.ignore, *(change.commit for change in rejected)]
        start = _remembering(start, books, refused, continued=bool(start.base))
        start = replace(start, ignored=tuple(remote_notebooks.described(books, asked.ignore)))
        if start.base:
            lineage = replace(start.lineage, origin=self.repository.head())
            start = replace(start, lineage=lineage)
        named = NamedChanges(
            remote=self.remote,
            refs=[book.ref for book in books],
            books=books,
            observe=self.observe,
        )
        anew = self._conflicting(start, books)
        return replace(
            start,
            ruler=self.run.ruler,
            past=self._comparable_journals(books, start.branch),
            notebook_ref=_free_notebook(refs, tag),
            unwanted=(
                *named.found(asked.ignore, "ignore"),
                *named.rejected(rejected),
                *named.idle(self._idle(books, asked)),
            ),
            again=(
                *named.found(asked.retry, "retry"),
                *named.rebuilt(anew, self.repository.head()),
            ),
            rejected=rejected,
            heard=asked.heard,
        )

    def resolve_finished(self, tag: str, head: str, notebook: str) -> StartPoint:
        """Where a finished run goes whose newest commits these are, of branch and notebook."""
        refs = self._refs()
        start, pulls = self._usable(refs, head, may_continue=False)
        there = start.there
        continued = bool(there and not self.remote.is_ancestor(there, self.repository.head()))
        books = self._notebooks(refs, tag)
        asked = self._requests(pulls, books)
        start = _remembering(start, books, asked.ignore, continued=continued)
        start = replace(start, rejected=self._rejected(books, asked))
        return replace(start, notebook_ref=_free_notebook(refs, tag, notebook))

    def others(self, tag: str) -> list[str]:
        """Branches of other names that are there, and whose runs measured in the very same way."""
        if self._books is None:
            self._notebooks(self._refs(), tag)
        books = [book for book in self._books or () if book.ruler == self.run.ruler]
        names = {book.branch for book in books} - self._names
        there = self.remote.refs("refs/heads/*") if names else {}  # so names are no patterns
        return sorted(name for name in names if f"refs/heads/{name}" in there)

    def _refs(self) -> dict[str, str]:
        branch = f"refs/heads/{self.run.branch}"
        return self.remote.refs(branch, f"{branch}-*", f"{NOTEBOOKS}*")

    def _usable(
        self, refs: Mapping[str, str], head: str, *, may_continue: bool
    ) -> tuple[StartPoint, list[PullRequest]]:
        """The first branch that may be used, and the pull requests that were met until then."""
        met: list[PullRequest] = []
        passed_over: tuple[str, PullRequest] | None = None
        because = ""
        for name in numbered(self.run.branch):
            newest = self._newest(name)
            state = newest.state if newest else None
            if newest and state is not PullState.MERGED:  # that cycle is over
                met.append(newest)
            there = refs.get(f"refs/heads/{name}")
            use = branch_use(self._relation(name, there, head), state, may_continue=may_continue)
            start = self._used(use, StartPoint(branch=name, there=there), head)
            if start is not None:
                self.passed_over = passed_over
                self.found = newest if state is PullState.OPEN else None
                url = passed_over[1].url if passed_over else ""
                return replace(start, replaces=url, because=because), met
            if newest and state is not PullState.MERGED:
                passed_over, because = (name, newest), _BECAUSE.get(newest.state, "moved")
                if use is BranchUse.MERGE:
                    because = "conflict"
                if state is PullState.CLOSED:
                    self._closed.append((name, newest))
        raise WorkspaceError(
            f"{self.run.branch} and 49 further names are taken on the forge.\n"
            "do: delete old branches there, or set another publish.branch."
        )

    def _newest(self, branch: str) -> PullRequest | None:
        """The newest pull request from it; none where the forge's API does not answer.

        What git knows is enough to go on, and a push must not wait for what can be asked later.
        """
        return next(iter(self._answered(partial(self.forge.pull_requests, branch))), None)

    def _answered(self, ask: Callable[[], Sequence[T]]) -> Sequence[T]:
        if self._silent:
            return ()
        try:
            return ask()
        except ForgeRefused as error:
            if error.kind not in TRANSIENT:
                raise
            self._silent = True
            first = str(error).splitlines()[0]
            self.observe(
                Warning(
                    message="starting without what earlier runs know of their pull requests, and "
                    f"what people say on them: {first}"
                )
            )
            return ()

    def _rejected(self, books: Sequence[PastNotebook], asked: Requests) -> tuple[Rejected, ...]:
        """What people refused by closing, and nobody has asked to retry since."""
        ours = [book for book in books if book.branch in self._names]
        found = {change.commit: change for change in (ours[-1].rejected if ours else ())}
        for name, pull in self._closed:
            nights = remote_notebooks.nights_on(books, name)
            for night in nights:
                for kept in night.keeps:
                    found[kept.commit] = Rejected(
                        commit=kept.commit,
                        description=kept.description,
                        notebook=night.notebook,
                        pull_request=pull.url,
                    )
        back = {
            pull.url for _, pull in self._closed if lifted(self._said[pull.url], pull.closed_at)
        }
        return tuple(
            change
            for change in found.values()
            if is_commit(change.commit)
            and change.pull_request not in back
            and not any(change.commit.startswith(name) for name in asked.lifted)
        )

    def _idle(self, books: Sequence[PastNotebook], asked: Requests) -> list[str]:
        """What the last night took back, unless somebody wants to see it again."""
        last = [book for book in books if book.branch in self._names][-1:]
        return [
            e.commit
            for book in last
            for e in taken_back(book.experiments)
            if not any(e.commit.startswith(name) for name in asked.lifted)
        ]

    def _conflicting(self, start: StartPoint, books: Sequence[PastNotebook]) -> list[str]:
        """What was kept on the branch that conflicts with the base, to be made again on it."""
        if start.because != "conflict" or not self.passed_over:
            return []
        nights = remote_notebooks.nights_on(books, self.passed_over[0])
        return [kept.commit for kept in standing(remote_notebooks.kept_in(nights))]

    def _used(self, use: BranchUse, start: StartPoint, head: str) -> StartPoint | None:
        """The start with its base; `None`: it cannot be this branch."""
        match use:
            case BranchUse.FRESH:
                return start
            case BranchUse.CONTINUE:
                return replace(start, base=start.there)
            case BranchUse.MERGE:
                return self._merged(start, head)
            case BranchUse.LEAVE:
                return None

    def _relation(self, name: str, there: str | None, head: str) -> Relation:
        if there is None:
            return Relation.ABSENT
        self.remote.fetch(f"refs/heads/{name}")
        self._fetched.append(there)
        if self.remote.is_ancestor(there, head):
            return Relation.CONTAINED
        ahead = self.remote.is_ancestor(head, there)
        return Relation.AHEAD if ahead else Relation.DIVERGED

    def _merged(self, start: StartPoint, head: str) -> StartPoint | None:
        """The branch with the commit that we were started on; `None`: it cannot be."""
        name, there = start.branch, start.there or ""
        if merge := self.remote.merge(there, head):
            return replace(start, base=merge, merges=(there, head))
        shallow = not self.remote.have_met(there, head)
        if not (shallow and self.may_write):
            self.observe(Warning(message=f"{name} conflicts with the base branch"))
            return None
        # The forge knows the history that a shallow clone does not.
        try:
            if not self.forge.merge_base_into(name, self.base_branch()):
                self.observe(Warning(message=f"{name} conflicts with the base branch"))
                return None
        except ForgeRefused as error:
            if error.kind in TRANSIENT:
                raise
            self.observe(Warning(message=f"the base could not be merged into {name}: {error}"))
            return None
        now = self.remote.fetch(f"refs/heads/{name}")
        if now is None or not self.remote.is_ancestor(head, now):
            return None
        return replace(start, base=now, there=now)

    def _notebooks(self, refs: Mapping[str, str], tag: str) -> list[PastNotebook]:
        known = [ref for ref in refs if ref.startswith(NOTEBOOKS)]
        wanted = remote_notebooks.newest(known, tag)
        files = self.remote.read_tips(wanted, (remote_notebooks.JOURNAL, remote_notebooks.FACTS))
        self._books = remote_notebooks.notebooks(
            {ref: files[ref] for ref in wanted},
            metric=self.run.metric,
            direction=self.run.direction,
        )
        return remote_notebooks.told_of(self._books, self._names)

    def _requests(self, pulls: Sequence[PullRequest], books: Sequence[PastNotebook]) -> Requests:
        for pull in pulls:
            self._said[pull.url] = self._answered(partial(self.forge.comment_commands, pull))
        commands = [c for pull in pulls for c in self._said[pull.url]]
        return standing_requests(commands, max((book.heard for book in books), default=""))

    def _comparable_journals(self, books: Sequence[PastNotebook], branch: str) -> tuple[str, ...]:
        """Of earlier runs whose numbers compare with ours; their attempts are brought here."""
        found = remote_notebooks.comparable(books, branch, self.run.ruler)
        try:
            self.remote.bring([book.ref for book in found])
        except ForgeRefused as error:
            self.observe(Warning(message=f"starting without earlier runs' attempts: {error}"))
            return ()
        title = journal.header(self.run.direction)
        return tuple(
            title + "".join(map(journal.format_row, remote_notebooks.numbers(book)))
            for book in found
        )


_BECAUSE = {PullState.CLOSED: "closed", PullState.SUPERSEDED: "superseded"}


def _remembering(
    start: StartPoint, books: Sequence[PastNotebook], ignored: Sequence[str], *, continued: bool
) -> StartPoint:
    """The same with what earlier runs wrote down, and people asked about it."""
    nights = remote_notebooks.nights_on(books, start.branch) if continued else []
    kept = remote_notebooks.kept_in(nights)
    return replace(
        start,
        lineage=replace(start.lineage, nights=tuple(nights)),
        tried=tuple(remote_notebooks.sentences(books, ignored)),
        kept="".join(map(journal.format_row, kept)),
        ignored=tuple(remote_notebooks.described(books, ignored)),
    )


def _free_notebook(refs: Mapping[str, str], tag: str, notebook: str = "") -> str:
    """A name that nobody uses, or that has this very notebook already."""
    known = numbered(f"{NOTEBOOKS}{tag}", 10_000)
    return next(name for name in known if refs.get(name, notebook) == notebook)
