"""Looks at the forge before a run: which branch, from which commit, and what earlier runs know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autoresearch_ci import journal
from autoresearch_ci.errors import StoppedByPerson, WorkspaceError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.publish import Beginning, Forge, PullRequest, PullState, memory
from autoresearch_ci.publish.refusals import TRANSIENT, Refused
from autoresearch_ci.publish.settings import Settings
from autoresearch_ci.publish.start import Relation, Way, names, way, wishes
from autoresearch_ci.remote import Remote
from autoresearch_ci.workspace import Repository


class Scout:
    """Decides where a run begins; changes nothing but our own branches."""

    def __init__(
        self,
        forge: Forge,
        remote: Remote,
        repository: Repository,
        settings: Settings,
        observe: Observer,
    ) -> None:
        self._forge = forge
        self._remote = remote
        self._repository = repository
        self._settings = settings
        self._observe = observe
        self.base = settings.base
        """Branch to merge into; empty until it is known."""
        self.left: PullRequest | None = None
        """One whose branch cannot be continued."""

    def base_branch(self) -> str:
        """The branch to merge into."""
        self.base = self.base or self._forge.default_branch() or "main"
        return self.base

    def place(self, tag: str, head: str) -> Beginning:
        """Where a finished run goes whose newest commit is `head`."""
        refs = self._refs()
        chosen, _ = self._choose(refs, head, may_continue=False)
        return replace(chosen, notebook_ref=_free_notebook(refs, tag))

    def _refs(self) -> dict[str, str]:
        branch = f"refs/heads/{self._settings.branch}"
        return self._remote.refs(branch, f"{branch}-*", f"{memory.NOTEBOOKS}*")

    def begin(self, tag: str) -> Beginning:
        """Where a run begins. Raises `Refused`, or `StoppedByPerson`."""
        refs = self._refs()
        chosen, pulls = self._choose(refs, self._repository.head(), may_continue=True)
        words = [word for pull in pulls for word in self._forge.words(pull)]
        wished = wishes(words)
        if wished.stop:
            raise StoppedByPerson(
                f"{wished.stop.author} asked to stop on {pulls[-1].url}, so nothing was run.\n"
                "do: comment `/autoresearch retry` there, or take the label away, to go on."
            )
        books = self._books(refs, tag)
        kept = memory.kept_on(books, chosen.branch) if chosen.base else []
        return replace(
            chosen,
            notebook_ref=_free_notebook(refs, tag),
            tried=tuple(memory.sentences(books, wished.ignore)),
            kept="".join(map(journal.format_row, kept)),
            ignored=tuple(memory.described(books, wished.ignore)),
        )

    def _choose(
        self, refs: dict[str, str], head: str, *, may_continue: bool
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
            if choice is Way.MERGE:
                choice = Way.CONTINUE if self._merged(name) else Way.ASIDE
                there = self._remote.fetch(f"refs/heads/{name}")
            if choice is Way.ASIDE:
                if newest is not None and newest.state is not PullState.MERGED:
                    replaces, self.left = newest.url, newest
                continue
            base = there if choice is Way.CONTINUE else None
            if base:
                self._forget_local(name, base)
                self._observe(Note(message=f"continuing {name} at {base[:12]}"))
            return Beginning(branch=name, base=base, there=there, replaces=replaces), seen
        raise WorkspaceError(
            f"{self._settings.branch} and 49 further names are taken on the forge.\n"
            "do: delete old branches there, or set another publish.branch."
        )

    def _relation(self, name: str, there: str | None, head: str) -> Relation:
        if there is None:
            return Relation.ABSENT
        self._remote.fetch(f"refs/heads/{name}")
        if self._remote.is_ancestor(there, head):
            return Relation.CONTAINED
        ahead = self._remote.is_ancestor(head, there)
        return Relation.AHEAD if ahead else Relation.DIVERGED

    def _merged(self, name: str) -> bool:
        """Whether the branch now holds the commit that we start from, and its own."""
        try:
            if not self._forge.merge_base_into(name, self.base_branch()):
                self._observe(Warning(message=f"{name} conflicts with the base branch"))
                return False
        except Refused as error:
            if error.kind in TRANSIENT:
                raise
            self._observe(Warning(message=f"the base could not be merged into {name}: {error}"))
            return False
        there = self._remote.fetch(f"refs/heads/{name}")
        return there is not None and self._remote.is_ancestor(self._repository.head(), there)

    def _forget_local(self, name: str, base: str) -> None:
        """Our own old copy of a branch that is continued; all of it is on the forge."""
        ref = f"refs/heads/{self._settings.branch}"
        local = self._repository.ref(ref)
        if (
            local
            and not self._repository.worktree_of(ref)
            and self._remote.is_ancestor(local, base)
        ):
            self._repository.delete_ref(ref, local)

    def _books(self, refs: dict[str, str], tag: str) -> list[memory.Notebook]:
        known = [ref for ref in refs if ref.startswith(memory.NOTEBOOKS)]
        wanted = memory.newest(known, tag)
        files = self._remote.read_tips(wanted, (memory.JOURNAL, memory.FACTS))
        return memory.notebooks(
            [files[ref] for ref in wanted],
            metric=self._settings.metric,
            direction=self._settings.direction,
        )


def _free_notebook(refs: Mapping[str, str], tag: str) -> str:
    return next(name for name in names(f"{memory.NOTEBOOKS}{tag}", 10_000) if name not in refs)
