"""One commit of a run, as proposers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.scope import Scope
from autoresearch_ci.workspace.store import Store


@dataclass(frozen=True)
class CommitTree:
    """The in-scope files of one commit, as proposers see them."""

    files: Mapping[str, FileVersion]
    changes: Changes
    scope: Scope
    store: Store

    def version(self, path: str) -> FileVersion | None:
        """What is at `path`, also when it is not a regular file."""
        return self.changes[path] if path in self.changes else self.files.get(path)

    def all_paths(self) -> Sequence[str]:
        """Every regular file of the commit, in scope or not, sorted."""
        return sorted(n for n in {*self.files, *self.changes} if self._regular(n))

    def _regular(self, path: str) -> bool:
        version = self.version(path)
        return version is not None and version.regular

    def is_folder(self, path: str) -> bool:
        """Whether some file lies below `path`."""
        below = f"{path}/"
        names = (p for p in (*self.files, *self.changes) if p.startswith(below))
        return any(self.version(name) is not None for name in names)

    def read(self, path: str) -> bytes:
        version = self.version(path)
        if version is None or not version.regular:
            raise KeyError(path)
        return self.store.read(version)

    def size(self, path: str) -> int:
        version = self.version(path)
        if version is None or not version.regular:
            raise KeyError(path)
        return self.store.size(version)

    def paths(self) -> Sequence[str]:
        names = {p for p, v in self.files.items() if v.regular} | self.changes.keys()
        return sorted(self.scope.select(n for n in names if self.version(n) is not None))
