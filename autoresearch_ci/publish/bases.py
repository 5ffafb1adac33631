"""Which commits a bundle may start from: those that the second job knows from elsewhere.

The base decides what is allowed. So it is part of the checkout, or of a branch that the forge
itself has, or the merge of two such commits, which is made again here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.publish.bundle import Manifest
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.start_rules import names
from autoresearch_ci.workspace.repository import Repository


def is_checked_out(repository: Repository, commit: str) -> bool:
    """Whether the checkout holds that commit."""
    return repository.ref(commit) == commit and repository.contains(commit)


@dataclass(frozen=True, kw_only=True)
class Bases:
    """Looks a base up; what is fetched goes into the repository's object folder, as any fetch."""

    repository: Repository
    remote: Remote
    branch: str
    """The first name of ours; `-2` and so on may follow."""
    into: str
    """The branch to merge into; empty: unknown."""

    def require(self, manifest: Manifest) -> None:
        """Raises `WorkspaceError` for a base that nobody but the bundle vouches for."""
        if not self._is_merge(manifest) and not self._is_known(manifest.base):
            raise WorkspaceError(
                f"the bundle starts from {manifest.base[:12]}, which is neither part of this "
                f"checkout nor of {self.branch} on the forge.\n"
                "usually: this job checked out another branch, the clone is shallow, or the branch "
                "was merged and deleted while the first job ran.\n"
                "do: actions/checkout with `ref:` set to the commit of the first job (an output of "
                "it) and fetch-depth: 0; if the branch is gone, run both jobs again."
            )

    def _is_merge(self, manifest: Manifest) -> bool:
        if len(manifest.merges) != 2 or not all(map(self._is_known, manifest.merges)):
            return False
        ours, theirs = manifest.merges
        return self.remote.merge(ours, theirs) == manifest.base

    def _is_known(self, commit: str) -> bool:
        return is_checked_out(self.repository, commit) or any(
            self.remote.is_ancestor(commit, tip) for tip in self._tips()
        )

    def _tips(self) -> Iterator[str]:
        """Newest commits of our branches on the forge, and of the one to merge into."""
        ours = f"refs/heads/{self.branch}"
        found = self.remote.refs(ours, f"{ours}-*", f"refs/heads/{self.into or self.branch}")
        for name in (*names(self.branch), self.into):
            if f"refs/heads/{name}" in found and (tip := self.remote.fetch(f"refs/heads/{name}")):
                yield tip
