"""Makes room for a branch whose name all runs share, in a checkout that an earlier run used.

A self-hosted runner keeps its checkout, and with it the last night's branch. It is only a name for
commits that are safe elsewhere; a branch with anything else on it is somebody's work and stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoresearch_ci.record.notebook import notebook_ref
from autoresearch_ci.record.past_notebooks import NOTEBOOKS
from autoresearch_ci.workspace.repository import Repository


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
