"""The changes that people name in comments: a commit's first letters -> what it did.

An attempt that was discarded is on no branch, only in a notebook, which is fetched when one is
named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_ci.earlier_change import EarlierChange
from autoresearch_ci.publish import memory
from autoresearch_ci.remote import Remote


@dataclass(frozen=True, kw_only=True)
class Named:
    """Looks them up."""

    remote: Remote
    refs: Sequence[str]
    """Notebooks on the remote, the most telling last."""
    books: Sequence[memory.Notebook]
    """What is known of them."""

    def change(self, name: str) -> EarlierChange | None:
        """`None` for what is no small change of text that we know of."""
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
