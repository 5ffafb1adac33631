"""The changes that people named in comments, as `ignore COMMIT` and `retry COMMIT` mean them.

A name may be of a commit that is on the branch, or only in an earlier run's notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.events import Observer, Warning
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.record import remote_notebooks
from autoresearch_ci.record.remote_notebooks import PastNotebook, Rejected
from autoresearch_ci.workspace.earlier_change import EarlierChange, again

_ROOM = 2_000_000
"""Characters of all changes of one verb: a run's records hold them."""
_TAKEN_BACK = "the last night kept it at first, and took it back since it did nothing"


@dataclass(frozen=True, kw_only=True)
class NamedChanges:
    """Looks them up; what cannot be is told, and left out."""

    remote: Remote
    refs: Sequence[str]
    """Notebooks on the remote, the most telling last."""
    books: Sequence[PastNotebook]
    """What is known of them."""
    observe: Observer

    def found(self, names: Sequence[str], verb: str) -> tuple[EarlierChange, ...]:
        """In the order in which they were named; where room lacks, the last ones."""
        changes: list[EarlierChange] = []
        room = _ROOM
        for name in reversed(names):
            change = self._change(name)
            if change and change.size <= room:
                room -= change.size
                changes.insert(0, change)
                continue
            why = "unknown, ambiguous, a merge, no text, or too large beside the others"
            self.observe(
                Warning(message=f"/autoresearch {verb} {name}: no change to look up ({why})")
            )
        return tuple(changes)

    def rejected(self, changes: Sequence[Rejected]) -> tuple[EarlierChange, ...]:
        """Each that a closed pull request held, and all of one together."""
        found: list[EarlierChange] = []
        room = _ROOM
        for url in dict.fromkeys(change.pull_request for change in reversed(changes)):
            listed = [change for change in changes if change.pull_request == url]
            why = f"a person closed {url}, which held this change"
            here = [r for r in listed if self._commit(r.commit, (r.notebook,))]
            spans = [("", r) for r in here]
            if len(here) > 1:
                spans.append((f"{here[0].commit}^", here[-1]))
            for since, r in spans:
                files = self.remote.change(r.commit, since)
                change = files and EarlierChange(
                    commit=r.commit, description=r.description, files=files, because=why
                )
                if change and change.size <= room:
                    room -= change.size
                    found.append(change)
            if len(here) < len(listed):
                left = len(listed) - len(here)
                self.observe(Warning(message=f"{left} of the changes of {url} are not found"))
        return tuple(found)

    def idle(self, commits: Sequence[str]) -> tuple[EarlierChange, ...]:
        """What a run took back. One that is not found costs a measurement, and nobody named it."""
        found, room = [], _ROOM
        for change in filter(None, map(self._change, commits)):
            if change.size <= room:
                room -= change.size
                found.append(replace(change, because=_TAKEN_BACK))
        return tuple(found)

    def rebuilt(self, commits: Sequence[str], onto: str) -> tuple[EarlierChange, ...]:
        """Those that still fit, one after the other, when they are made again on another base."""
        made: dict[str, bytes | None] = {}

        def read(path: str) -> bytes | None:
            return made[path] if path in made else self.remote.read(onto, path)

        found = []
        for name in commits:
            change = self._change(name)
            edits = again(change, read) if change else None
            if change and edits:
                made |= {edit.path: edit.content for edit in edits}
                found.append(replace(change, because="on the new base"))
        return tuple(found)

    def _change(self, name: str) -> EarlierChange | None:
        known = remote_notebooks.named(self.books, name)
        commit = self._commit(known.commit if known else name)
        files = self.remote.change(commit) if commit else None
        if commit is None or files is None:
            return None
        return EarlierChange(
            commit=commit, description=known.description if known else "", files=files
        )

    def _commit(self, name: str, refs: Sequence[str] = ()) -> str | None:
        found = self.remote.resolve(name)
        for ref in () if found else reversed(refs or self.refs):
            self.remote.fetch(ref)
            if found := self.remote.resolve(name):
                break
        return found
