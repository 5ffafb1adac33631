"""What identifies a run, and the names of its refs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.experiment import Direction


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What identifies a run and never changes while it lasts."""

    tag: str
    branch: str | None
    """Branch for kept commits; `None` publishes none."""
    base: str
    """Commit that the run starts from."""
    direction: Direction
    folder: Path
    """The run folder that the user reads."""

    @property
    def branch_ref(self) -> str | None:
        return f"refs/heads/{self.branch}" if self.branch else None

    @property
    def notebook_ref(self) -> str:
        return notebook_ref(self.tag)

    @property
    def journal(self) -> Path:
        return self.folder / "results.tsv"


def notebook_ref(tag: str) -> str:
    """The ref that keeps every attempt of a run and its journal.

    Not `refs/autoresearch/TAG`: git looks there before it looks for the branch `autoresearch/TAG`.
    """
    return f"refs/autoresearch/notebook/{tag}"


def attempt_ref(tag: str, attempt: int) -> str:
    """Keeps a candidate that is in no notebook yet from the user's `git gc --prune=now`.

    The next iteration's takes its place. Never deleted: git would lock the user's packed-refs, and
    a kill would leave that lock.
    """
    return f"refs/autoresearch/attempt/{tag}/{attempt}"
