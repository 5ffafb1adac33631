"""What readers of printed test results share: tests by name, how they ended, and where."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from autoresearch_ci.decide.failures.failure import Category, Problem
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput, line_number

ANSI = re.compile(r"\x1b\[[0-?]{0,99}[ -/]{0,9}[@-~]")
_FRAME = re.compile(
    r"(?P<path>(?:file://)?[^\s():'\"]{1,300}\.\w{1,5}):(?P<line>\d{1,9})(?::\d+)?"
    r"|fileName: (?P<file>\S{1,300})\s+lineNumber: (?P<at>\d{1,9})"
)
_THEIRS = re.compile(r"(^|/)(node_modules|node:internal|internal)(/|$)")


@dataclass(kw_only=True)
class Listed:
    """What a runner printed of its tests."""

    outcomes: dict[str, str] = field(default_factory=dict)
    """Test -> how it ended, in the words of lost_tests.py."""
    problems: list[Problem] = field(default_factory=list)
    incomplete: str = ""
    """Why there are more that it does not tell of."""
    _times: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, end: str) -> str:
        """Its name, or what tells it from others that are called so."""
        self._times[name] += 1
        number = self._times[name]
        told = f"{name} #{number}" if number > 1 else name
        self.outcomes[told] = end
        return told


def failing(said: ToolOutput, name: str, place: tuple[str, int], message: str) -> Problem:
    """A test that fails; `place`: as `own_frame` says it."""
    path, line, words = *place, said.words(message)
    return Problem(category=Category.TEST, path=path, line=line, message=words, name=name)


def own_frame(said: ToolOutput, trace: str) -> tuple[str, int]:
    """The first place of a trace that is in the tree, and is not of what is installed there."""
    for match in _FRAME.finditer(trace[:20_000]):
        path = said.path(match["path"] or match["file"])
        if not path.startswith(("/", "..")) and not _THEIRS.search(path):
            return path, line_number(match["line"] or match["at"])
    return "", 0
