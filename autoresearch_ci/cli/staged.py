"""`fix --check --staged`: what is about to be committed, for a hook that runs before it is.

It becomes a commit of its own that no ref names; index and checkout stay as they are. Tests are
left to the gate for pull requests, and a tool that nothing staged concerns is not asked; both is
said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.cli.compared import Compared
from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.decide.failures import Category
from autoresearch_ci.measure.diagnosis import adapter_of
from autoresearch_ci.measure.diagnostics.concerned import concerned
from autoresearch_ci.workspace.repository import Repository

INDEX = "AUTORESEARCH_CI_INDEX"
"""Where git keeps what `git commit -a` or `git commit FILE` is about to commit, if elsewhere."""
DEFAULT = ("new",)
"""What fails it, where nobody says: a repository that is red already can still be committed to."""


@dataclass(frozen=True, kw_only=True)
class Staged:
    """What would be committed, against HEAD."""

    pair: Compared
    paths: tuple[str, ...]
    words: Collection[str]
    """Of `--fail-on`."""

    def asks(self, target: FixTarget) -> bool:
        """Whether it is asked before a commit."""
        tests = Category.TEST in adapter_of(target).categories and "test" not in self.words
        return not tests and concerned(target.tool, self.paths)


def staged(start: Path, environment: Mapping[str, str], words: Collection[str]) -> Staged:
    """Raises `WorkspaceError` where nothing could be committed, as in the middle of a merge."""
    index = environment.get(INDEX)
    with closing(Repository.open(start)) as repository:
        head = repository.head()
        commit = repository.staged(Path(index) if index else None)
        paths = tuple(repository.touched([commit]).get(commit, ()))
    return Staged(pair=Compared(head=commit, base=head), paths=paths, words=words)
