"""What earlier runs left in git, as proposers see it: their journals, and what each attempt held.

Nobody vouches for them: a journal that cannot be read is skipped, and so is an attempt whose
objects are not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_ci.experiment import PastRun, Tree
from autoresearch_ci.record.journal_tsv import parse_rows
from autoresearch_ci.record.run_history import is_commit
from autoresearch_ci.workspace.repository import Repository


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
