"""A commit's files as proposers see them, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Files:
    files: Mapping[str, bytes]

    def read(self, path: str) -> bytes:
        return self.files[path]

    def paths(self) -> Sequence[str]:
        return sorted(self.files)
