"""Looks at the forge before a run: which branch, from which commit, and what earlier runs know.

What to do about a branch, start_rules.py decides. A job that may read the forge and not write looks
as well, for the second job. A self-hosted runner keeps its checkout, and with it the last night's
branch: it is only a name for commits that are safe elsewhere, so room is made for the new one; a
branch with anything else on it is somebody's work and stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.config.resolve import Config
from autoresearch_ci.errors import ConfigError, StoppedByPerson, WorkspaceError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.publish.comment_commands import Wishes, wishes
from autoresearch_ci.publish.forge.choose import Sleep, make_forge
from autoresearch_ci.publish.forge.forge import Forge, PullRequest, PullState
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.forge.refusals import TRANSIENT, ForgeRefused
from autoresearch_ci.publish.publisher import StartPoint
from autoresearch_ci.publish.run_identity import RunIdentity, run_identity
from autoresearch_ci.publish.start_rules import Relation, Way, names, way
from autoresearch_ci.record import journal_tsv as journal
from autoresearch_ci.record import past_notebooks as memory
from autoresearch_ci.record.notebook import notebook_ref
from autoresearch_ci.record.past_notebooks import NOTEBOOKS
from autoresearch_ci.workspace.changes import EarlierChange
from autoresearch_ci.workspace.repository import Repository


@dataclass(frozen=True, kw_only=True)
class Look:
    """Called with a tag: the branch that the second job will continue, and what is known of it.

    Where the forge says nothing, a run begins from HEAD, knowing nothing. Raises `StoppedByPerson`.
    """

    config: Config
    repository: Repository
    environment: Mapping[str, str]
    observe: Observer
    sleep: Sleep

    def __call__(self, tag: str) -> StartPoint:
        branch = self.config.publish.branch_name(tag)
        try:
            return self._looked(tag)
        except ConfigError as error:
            first = str(error).splitlines()[0]
            self.observe(Note(message=f"starting from HEAD, without a look at the forge: {first}"))
        except ForgeRefused as error:
            self.observe(
                Warning(
                    message="starting from HEAD, without what earlier runs know, so the second "
                    f"job may open another pull request: {error}"
                )
            )
        forget(self.repository, branch, tag)
        return StartPoint(branch=branch)

    def _looked(self, tag: str) -> StartPoint:
        forge = make_forge(
            self.config.publish, self.repository, self.environment, self.observe, self.sleep
        )
        remote = Remote(forge.address, self.repository, token=forge.token, sleep=self.sleep)
        run = run_identity(self.config, tag, self.environment)
        try:
            scout = Scout(forge, remote, self.repository, run, self.observe, may_write=False)
            return scout.begin(tag)
        finally:
            remote.close()


def forget(
    repository: Repository, branch: str, tag: str, published: Sequence[str | None] = ()
) -> None:
    """Remove the local branch of an earlier run, when all of it is elsewhere.

    `published`: commits that the forge has. What other runs kept is in their notebooks here.
    """
    ref = f"refs/heads/{branch}"
    commit = repository.ref(ref)
    if commit is None or repository.worktree_of(ref) or repository.ref(notebook_ref(tag)):
        return  # the last: this tag's own run, which is refused or resumed
    known = ("HEAD", *filter(None, published))
    if any(repository.is_ancestor(commit, safe) for safe in known) or repository.refs(
        NOTEBOOKS, containing=commit
    ):
        repository.delete_ref(ref, commit)


_ROOM = 2_000_000
"""Characters of all changes of one verb: a run's records hold them."""


@dataclass(frozen=True, kw_only=True)
class NamedCommits:
    """Looks them up; what cannot be is told, and left out."""

    remote: Remote
    refs: Sequence[str]
    """Notebooks on the remote, the most telling last."""
    books: Sequence[memory.PastNotebook]
    """What is known of them."""
    observe: Observer

    def changes(self, names: Sequence[str], verb: str) -> tuple[EarlierChange, ...]:
        """In the order in which they were named; where room lacks, the last ones."""
        found: list[EarlierChange] = []
        room = _ROOM
        for name in reversed(names):
            change = self._change(name)
            if change and change.size <= room:
                room -= change.size
                found.insert(0, change)
                continue
            why = "unknown, ambiguous, a merge, no text, or too large beside the others"
            self.observe(
                Warning(message=f"/autoresearch {verb} {name}: no change to look up ({why})")
            )
        return tuple(found)

    def _change(self, name: str) -> EarlierChange | None:
        known = memory.named(self.books, name)
        commit = self._commit(known.commit if known else name)
        files = self.remote.change(commit) if commit else None
        if commit is None or files is None:
            return None
        return EarlierChange(
            commit=commit, description=known.description if known else "", files=files
        )

    def _commit(self, name: str) -> str | None:
        found = self.remote.resolve(name)
        for ref in () if found else reversed(self.refs):
            self.remote.fetch(ref)
            if found := self.remote.resolve(name):
                break
        return found


class Scout:
    """Decides where a run begins; changes nothing but our own branches."""

    def __init__(
        self,
        forge: Forge,
        remote: Remote,
        repository: Repository,
        run: RunIdentity,
        observe: Observer,
        *,
        may_write: bool = True,
    ) -> None:
        self._forge = forge
        self._remote = remote
        self._repository = repository
        self._run = run
        self._observe = observe
        self._may_write = may_write
        self.base = run.into
        """Branch to merge into; empty until it is known."""
        self.left: PullRequest | None = None
        """One whose branch cannot be continued."""
        self._fetched: list[str] = []
        """Commits of our branches on the forge."""

    def base_branch(self) -> str:
        """The branch to merge into."""
        self.base = self.base or self._forge.default_branch() or "main"
        return self.base

    def place(self, tag: str, head: str, notebook: str) -> StartPoint:
        """Where a finished run goes whose newest commits these are, of branch and notebook."""
        refs = self._refs()
        chosen, pulls = self._choose(refs, head, may_continue=False)
        there = chosen.there
        continued = bool(there and not self._remote.is_ancestor(there, self._repository.head()))
        books = self._books(refs, tag)
        wished = self._wishes(pulls, books)
        chosen = self._remembering(chosen, wished, books, continued=continued)
        return replace(chosen, notebook_ref=_free_notebook(refs, tag, notebook))

    def _refs(self) -> dict[str, str]:
        branch = f"refs/heads/{self._run.branch}"
        return self._remote.refs(branch, f"{branch}-*", f"{memory.NOTEBOOKS}*")

    def begin(self, tag: str) -> StartPoint:
        """Where a run begins. Raises `ForgeRefused`, or `StoppedByPerson`."""
        refs = self._refs()
        head = self._repository.head()
        chosen, pulls = self._choose(refs, head, may_continue=True)
        books = self._books(refs, tag)
        wished = self._wishes(pulls, books)
        if wished.stop:
            raise StoppedByPerson(
                f"{wished.stop.author} asked to stop on {pulls[-1].url}, so nothing was run.\n"
                "do: comment `/autoresearch retry` there, or take the label away, to go on."
            )
        if chosen.base:
            self._observe(Note(message=f"continuing {chosen.branch} at {chosen.base[:12]}"))
        forget(self._repository, self._run.branch, tag, self._fetched)
        chosen = self._remembering(chosen, wished, books, continued=bool(chosen.base))
        named = NamedCommits(
            remote=self._remote,
            refs=memory.newest(list(refs), tag),
            books=books,
            observe=self._observe,
        )
        return replace(
            chosen,
            ruler=self._run.ruler,
            past=self._past(books, chosen.branch),
            notebook_ref=_free_notebook(refs, tag),
            unwanted=named.changes(wished.ignore, "ignore"),
            again=named.changes(wished.again, "retry"),
            heard=wished.heard,
        )

    def _remembering(
        self,
        chosen: StartPoint,
        wished: Wishes,
        books: Sequence[memory.PastNotebook],
        *,
        continued: bool,
    ) -> StartPoint:
        """The same with what earlier runs wrote down, and people said about it."""
        kept = memory.kept_on(books, chosen.branch) if continued else []
        return replace(
            chosen,
            tried=tuple(memory.sentences(books, wished.ignore)),
            kept="".join(map(journal.format_row, kept)),
            ignored=tuple(memory.described(books, wished.ignore)),
        )

    def _past(self, books: Sequence[memory.PastNotebook], branch: str) -> tuple[str, ...]:
        """Journals whose numbers compare with ours; their attempts are brought here."""
        found = memory.comparable(books, branch, self._run.ruler)
        try:
            self._remote.bring([book.ref for book in found])
        except ForgeRefused as error:
            self._observe(Warning(message=f"starting without earlier runs' attempts: {error}"))
            return ()
        title = journal.header(self._run.direction)
        return tuple(
            title + "".join(map(journal.format_row, memory.numbers(book))) for book in found
        )

    def _wishes(self, pulls: Sequence[PullRequest], books: Sequence[memory.PastNotebook]) -> Wishes:
        said = [word for pull in pulls for word in self._forge.words(pull)]
        return wishes(said, max((book.heard for book in books), default=""))

    def _choose(
        self, refs: Mapping[str, str], head: str, *, may_continue: bool
    ) -> tuple[StartPoint, list[PullRequest]]:
        """The first name that may be used, and the newest pull request of each that was seen."""
        seen: list[PullRequest] = []
        replaces = ""
        for name in names(self._run.branch):
            there = refs.get(f"refs/heads/{name}")
            newest = next(iter(self._forge.pulls(name)), None)
            if newest and newest.state is not PullState.MERGED:  # that cycle is over
                seen.append(newest)
            choice = way(self._relation(name, there, head), newest.state if newest else None)
            if not may_continue and choice in (Way.CONTINUE, Way.MERGE):
                choice = Way.ASIDE
            found = StartPoint(branch=name, there=there)
            if choice is Way.CONTINUE:
                found = replace(found, base=there)
            elif choice is Way.MERGE:
                found = self._merged(found, head) or found
                choice = Way.CONTINUE if found.base else Way.ASIDE
            if choice is not Way.ASIDE:
                return replace(found, replaces=replaces), seen
            if newest is not None and newest.state is not PullState.MERGED:
                replaces, self.left = newest.url, newest
        raise WorkspaceError(
            f"{self._run.branch} and 49 further names are taken on the forge.\n"
            "do: delete old branches there, or set another publish.branch."
        )

    def _relation(self, name: str, there: str | None, head: str) -> Relation:
        if there is None:
            return Relation.ABSENT
        self._remote.fetch(f"refs/heads/{name}")
        self._fetched.append(there)
        if self._remote.is_ancestor(there, head):
            return Relation.CONTAINED
        ahead = self._remote.is_ancestor(head, there)
        return Relation.AHEAD if ahead else Relation.DIVERGED

    def _merged(self, found: StartPoint, head: str) -> StartPoint | None:
        """The branch with the commit that we were started on; `None`: it cannot be."""
        name, there = found.branch, found.there or ""
        if merge := self._remote.merge(there, head):
            return replace(found, base=merge, merges=(there, head))
        if self._remote.have_met(there, head) or not self._may_write:
            self._observe(Warning(message=f"{name} conflicts with the base branch"))
            return None
        # A shallow clone: the forge knows the history that we do not.
        try:
            if not self._forge.merge_base_into(name, self.base_branch()):
                self._observe(Warning(message=f"{name} conflicts with the base branch"))
                return None
        except ForgeRefused as error:
            if error.kind in TRANSIENT:
                raise
            self._observe(Warning(message=f"the base could not be merged into {name}: {error}"))
            return None
        now = self._remote.fetch(f"refs/heads/{name}")
        if now is None or not self._remote.is_ancestor(head, now):
            return None
        return replace(found, base=now, there=now)

    def _books(self, refs: Mapping[str, str], tag: str) -> list[memory.PastNotebook]:
        known = [ref for ref in refs if ref.startswith(memory.NOTEBOOKS)]
        wanted = memory.newest(known, tag)
        files = self._remote.read_tips(wanted, (memory.JOURNAL, memory.FACTS))
        return memory.notebooks(
            {ref: files[ref] for ref in wanted},
            metric=self._run.metric,
            direction=self._run.direction,
        )


def _free_notebook(refs: Mapping[str, str], tag: str, notebook: str = "") -> str:
    """A name that nobody uses, or that has this very notebook already."""
    known = names(f"{memory.NOTEBOOKS}{tag}", 10_000)
    return next(name for name in known if refs.get(name, notebook) == notebook)
