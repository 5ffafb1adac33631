"""What was done to a place before, and how often the same was mended there: its cause may be open.

CORE: commits and rows of journals in, labels out. Reading git is workspace/file_history.py's
business; what a prompt says of it, propose/repair_prompt.py's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoresearch_ci.decide.failures.failure import journal_id, mended_ids
from autoresearch_ci.experiment import Experiment, Status

REPAIRED = "Autoresearch-Repaired"
"""The trailer of a commit of ours that names a failure which is gone with it."""
_FIX = re.compile(
    r"\b(bug ?fix|fix(e[sd])?|hot-?fix|bug|repair(s|ed)?|regression|correct(s|ed)?|crash(es)?"
    r"|resolve[sd]?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class PastChange:
    """A commit of the base's history."""

    commit: str
    """Abbreviated."""
    date: str
    """`2026-01-31`."""
    subject: str
    hunk: str = ""
    """What it did to the lines in question, as a diff without file names; empty: not asked."""

    @property
    def is_fix(self) -> bool:
        """Whether its author called it one."""
        return bool(_FIX.search(self.subject))

    @property
    def label(self) -> str:
        return f"{self.commit} of {self.date}"


class Past(Protocol):
    """Whoever can be asked for the base's history: git, see workspace/file_history.py."""

    def of_lines(self, path: str, line: int) -> tuple[PastChange, ...]:
        """The last commits that touched these lines, newest first."""
        ...

    def mending(self, failure: str) -> tuple[PastChange, ...]:
        """Commits that say they repaired this failure, by id, newest first."""
        ...


def mended_before(
    failure: str, rows: Iterable[Experiment], past: Iterable[Experiment], commits: Sequence[str]
) -> list[str]:
    """When a failure, by id, was mended: labels, oldest first.

    `rows`: the journal of this run. What runs before it kept stands in their notebooks (`past`) and
    in the base's own history (`commits`, labels); after a squash nobody can say which is which, so
    whichever tells of more is believed.
    """
    of_past = [f"{row.commit[:7]}" for row in _mending(failure, past)]
    of_git = [*commits][::-1]
    before = of_git if len(of_git) >= len(of_past) else of_past
    return [*before, *(f"#{row.iteration}" for row in _mending(failure, rows))]


def _mending(failure: str, rows: Iterable[Experiment]) -> list[Experiment]:
    name = journal_id(failure)
    return [row for row in rows if row.status is Status.KEEP and name in mended_ids(row.failure)[0]]
