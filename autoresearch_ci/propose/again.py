"""Proposes once more what people asked to have measured again, before anybody else's ideas.

What has been proposed again stands in the journal, so a resumed run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autoresearch_ci.experiment import Proposal
from autoresearch_ci.propose.proposer import Context, EditError, Proposer, Request
from autoresearch_ci.workspace.changes import EarlierChange, Tree, again

NAME = "retry"
"""In the journal's `proposer` column."""


class AgainProposer:
    """The changes first, then whatever its own proposer has; repairs are that one's business."""

    def __init__(self, inner: Proposer, changes: Sequence[EarlierChange]) -> None:
        self._inner = inner
        self._changes = tuple(changes)

    def propose(self, context: Context) -> Proposal | None:
        """Raises `EditError` when the code has changed too much for the next one."""
        change = self._next([row.description for row in context.history if row.proposer == NAME])
        if change is None or context.request is not Request.PROPOSE:
            return self._inner.propose(context)
        description = f"{_mark(change)} {change.description}".strip()
        edits = again(change, _reading(context.incumbent))
        if edits is None:
            raise EditError(
                "the code around it has changed since", description=description, proposer=NAME
            )
        return Proposal(description=description, edits=edits, proposer=NAME)

    def _next(self, done: Sequence[str]) -> EarlierChange | None:
        """The first that has not been proposed. One with a secret left a row without its words."""
        marks = tuple(_mark(change) for change in self._changes)
        withheld = sum(not words.startswith(marks) for words in done)
        left = [c for c in self._changes if not any(words.startswith(_mark(c)) for words in done)]
        return next(iter(left[withheld:]), None)


def _mark(change: EarlierChange) -> str:
    return f"again, as asked ({change.commit[:12]}):"


def _reading(tree: Tree) -> Callable[[str], bytes | None]:
    def read(path: str) -> bytes | None:
        try:
            return tree.read(path)
        except KeyError:
            return None

    return read
