"""The changes that people named in comments, as `ignore COMMIT` and `retry COMMIT` mean them.

A name may be of a commit that is on the branch, or only in an earlier run's notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_ci.events import Observer, Warning
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.record import past_notebooks
from autoresearch_ci.record.past_notebooks import PastNotebook
from autoresearch_ci.workspace.earlier_change import EarlierChange

_ROOM = 2_000_000
"""Characters of all changes of one verb: a run's records hold them."""


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

    def _change(self, name: str) -> EarlierChange | None:
        known = past_notebooks.named(self.books, name)
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
