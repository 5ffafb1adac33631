"""A commit's files as proposers see them, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoresearch_ci.experiment import Tree


@dataclass(frozen=True)
class Files(Tree):
    files: Mapping[str, bytes]

    def read(self, path: str) -> bytes:
        return self.files[path]

    def paths(self) -> Sequence[str]:
        return sorted(self.files)
