"""What git tells of a file's past: who touched the lines in question, and which commit of ours
mended what. Bounded, asked once, and empty where git cannot say: a clone may be shallow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from autoresearch_ci.decide.failures.failure import journal_id
from autoresearch_ci.decide.failures.past_changes import REPAIRED, PastChange
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.workspace.git import GitDirectory

_AROUND = 2
"""Lines above and below the one that is asked about."""
_CHANGES = 5
"""Of one place; older ones are not told."""
_HUNK = 700
"""Characters of one change's lines."""
_FORMAT = "--format=%x00%h%x1f%ad%x1f%s%x1f"
_ASKED = (f"--max-count={_CHANGES}", "--date=short", "--abbrev=7", _FORMAT)
_PLAIN = ("--no-show-signature", "--no-ext-diff", "--no-textconv", "--no-color", "--no-notes")
"""Nothing that the repository configures runs."""


@dataclass(frozen=True, kw_only=True)
class FileHistory:
    """The history of the commit `base`."""

    git: GitDirectory
    base: str
    _known: dict[tuple[str, ...], tuple[PastChange, ...]] = field(default_factory=dict)

    def of_lines(self, path: str, line: int) -> tuple[PastChange, ...]:
        """The last commits that touched these lines, newest first, with what they did to them.

        `line`: 1-based, in the base's version of the file; 0: the whole file, without lines.
        """
        if not line:
            return self._once("rev-list", *_ASKED, self.base, "--", f":(literal){path}")
        lines = f"-L{max(1, line - _AROUND)},{line + _AROUND}:{path}"
        return self._once("log", *_ASKED, *_PLAIN, lines, self.base)

    def mending(self, failure: str) -> tuple[PastChange, ...]:
        """Commits whose message says that they repaired this failure, by id, newest first."""
        words = f"--grep={REPAIRED}: {journal_id(failure)}"
        return self._once("rev-list", *_ASKED, "--fixed-strings", words, self.base)

    def _once(self, *arguments: str) -> tuple[PastChange, ...]:
        if arguments not in self._known:
            try:
                told = self.git(*arguments)
            except WorkspaceError:  # no such line, or no such object
                told = b""
            self._known[arguments] = tuple(_changes(told.decode(errors="replace")))
        return self._known[arguments]


def _changes(told: str) -> Iterator[PastChange]:
    for part in told.split("\0")[1:]:
        commit, date, subject, rest = part.split("\x1f", 3)
        at = rest.find("\n@@")
        hunk = rest[at + 1 :].rstrip() if at >= 0 else ""
        if len(hunk) > _HUNK:
            hunk = f"{hunk[:_HUNK].rpartition(chr(10))[0]}\n(cut)"
        yield PastChange(commit=commit, date=date, subject=subject, hunk=hunk)
