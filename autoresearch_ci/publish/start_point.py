"""Looks at the forge before a run: which branch, from which commit, and what earlier runs know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autoresearch_ci.errors import StoppedByPerson, WorkspaceError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.publish import old_copy
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.forge.refusals import TRANSIENT, Refused
from autoresearch_ci.publish.forge.settings import Settings
from autoresearch_ci.publish.named_commits import NamedCommits
from autoresearch_ci.publish.publisher import Beginning, Forge, PullRequest, PullState
from autoresearch_ci.publish.start_rules import Relation, Way, Wishes, names, way, wishes
from autoresearch_ci.record import journal_tsv as journal
from autoresearch_ci.record import past_notebooks as memory
from autoresearch_ci.workspace.repository import Repository


class Scout:
    """Decides where a run begins; changes nothing but our own branches."""

    def __init__(
        self,
        forge: Forge,
        remote: Remote,
        repository: Repository,
        settings: Settings,
        observe: Observer,
        *,
        may_write: bool = True,
    ) -> None:
        self._forge = forge
        self._remote = remote
        self._repository = repository
        self._settings = settings
        self._observe = observe
        self._may_write = may_write
        self.base = settings.base
        """Branch to merge into; empty until it is known."""
        self.left: PullRequest | None = None
        """One whose branch cannot be continued."""
        self._fetched: list[str] = []
        """Commits of our branches on the forge."""

    def base_branch(self) -> str:
        """The branch to merge into."""
        self.base = self.base or self._forge.default_branch() or "main"
        return self.base

    def place(self, tag: str, head: str, notebook: str) -> Beginning:
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
        branch = f"refs/heads/{self._settings.branch}"
        return self._remote.refs(branch, f"{branch}-*", f"{memory.NOTEBOOKS}*")

    def begin(self, tag: str) -> Beginning:
        """Where a run begins. Raises `Refused`, or `StoppedByPerson`."""
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
        old_copy.forget(self._repository, self._settings.branch, tag, self._fetched)
        chosen = self._remembering(chosen, wished, books, continued=bool(chosen.base))
        named = NamedCommits(
            remote=self._remote,
            refs=memory.newest(list(refs), tag),
            books=books,
            observe=self._observe,
        )
        return replace(
            chosen,
            ruler=self._settings.ruler,
            past=self._past(books, chosen.branch),
            notebook_ref=_free_notebook(refs, tag),
            unwanted=named.changes(wished.ignore, "ignore"),
            again=named.changes(wished.again, "retry"),
            heard=wished.heard,
        )

    def _remembering(
        self,
        chosen: Beginning,
        wished: Wishes,
        books: Sequence[memory.Notebook],
        *,
        continued: bool,
    ) -> Beginning:
        """The same with what earlier runs wrote down, and people said about it."""
        kept = memory.kept_on(books, chosen.branch) if continued else []
        return replace(
            chosen,
            tried=tuple(memory.sentences(books, wished.ignore)),
            kept="".join(map(journal.format_row, kept)),
            ignored=tuple(memory.described(books, wished.ignore)),
        )

    def _past(self, books: Sequence[memory.Notebook], branch: str) -> tuple[str, ...]:
        """Journals whose numbers compare with ours; their attempts are brought here."""
        found = memory.comparable(books, branch, self._settings.ruler)
        try:
            self._remote.bring([book.ref for book in found])
        except Refused as error:
            self._observe(Warning(message=f"starting without earlier runs' attempts: {error}"))
            return ()
        title = journal.header(self._settings.direction)
        return tuple(
            title + "".join(map(journal.format_row, memory.numbers(book))) for book in found
        )

    def _wishes(self, pulls: Sequence[PullRequest], books: Sequence[memory.Notebook]) -> Wishes:
        said = [word for pull in pulls for word in self._forge.words(pull)]
        return wishes(said, max((book.heard for book in books), default=""))

    def _choose(
        self, refs: Mapping[str, str], head: str, *, may_continue: bool
    ) -> tuple[Beginning, list[PullRequest]]:
        """The first name that may be used, and the newest pull request of each that was seen."""
        seen: list[PullRequest] = []
        replaces = ""
        for name in names(self._settings.branch):
            there = refs.get(f"refs/heads/{name}")
            newest = next(iter(self._forge.pulls(name)), None)
            if newest and newest.state is not PullState.MERGED:  # that cycle is over
                seen.append(newest)
            choice = way(self._relation(name, there, head), newest.state if newest else None)
            if not may_continue and choice in (Way.CONTINUE, Way.MERGE):
                choice = Way.ASIDE
            found = Beginning(branch=name, there=there)
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
            f"{self._settings.branch} and 49 further names are taken on the forge.\n"
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

    def _merged(self, found: Beginning, head: str) -> Beginning | None:
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
        except Refused as error:
            if error.kind in TRANSIENT:
                raise
            self._observe(Warning(message=f"the base could not be merged into {name}: {error}"))
            return None
        now = self._remote.fetch(f"refs/heads/{name}")
        if now is None or not self._remote.is_ancestor(head, now):
            return None
        return replace(found, base=now, there=now)

    def _books(self, refs: Mapping[str, str], tag: str) -> list[memory.Notebook]:
        known = [ref for ref in refs if ref.startswith(memory.NOTEBOOKS)]
        wanted = memory.newest(known, tag)
        files = self._remote.read_tips(wanted, (memory.JOURNAL, memory.FACTS))
        return memory.notebooks(
            {ref: files[ref] for ref in wanted},
            metric=self._settings.metric,
            direction=self._settings.direction,
        )


def _free_notebook(refs: Mapping[str, str], tag: str, notebook: str = "") -> str:
    """A name that nobody uses, or that has this very notebook already."""
    known = names(f"{memory.NOTEBOOKS}{tag}", 10_000)
    return next(name for name in known if refs.get(name, notebook) == notebook)
