"""Which lines a change touched, which lines a trace names, and where the two meet; pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

_LINES = 2_000
"""Between the first and the last changed one; of more, all count as changed."""
SPOTS_LIMIT = 200


def changed_lines(before: str, after: str) -> frozenset[int]:
    """Lines of `after`, 1-based, that `before` does not have; where some were removed, the one that
    now stands in their place."""
    old, new = before.splitlines(), after.splitlines()
    most = min(len(old), len(new))
    same = (n for n in range(most) if old[n] != new[n])
    first = next(same, most)  # most of a file is as it was: comparing that takes longest
    left = most - first
    last = next((n for n in range(left) if old[-1 - n] != new[-1 - n]), left)
    before_lines, after_lines = old[first : len(old) - last], new[first : len(new) - last]
    if max(len(before_lines), len(after_lines)) > _LINES:
        return frozenset(range(first + 1, first + len(after_lines) + 1))
    found: set[int] = set()
    matcher = difflib.SequenceMatcher(None, before_lines, after_lines, autojunk=False)
    for kind, _, _, start, end in matcher.get_opcodes():
        if kind == "delete":
            found.add(min(first + start + 1, max(len(new), 1)))
        elif kind != "equal":
            found.update(range(first + start + 1, first + end + 1))
    return frozenset(found)


_FRAME = re.compile(
    r'File "(?P<python>[^"\n]{1,400})", line (?P<line>[0-9]{1,8})'
    r"|(?P<path>[\w./@+-]{1,400}\.\w{1,8}):(?P<at>[0-9]{1,8})\b"
)


def traced(output: str, files: Container[str], root: str = "") -> list[tuple[str, int]]:
    """Places of the repository that an output names, in its order, each once.

    `root`: where the tree lay when the command ran.
    """
    found: dict[tuple[str, int], None] = {}
    for match in _FRAME.finditer(output):
        told = match["python"] or match["path"]
        path = told.removeprefix(f"{root.rstrip('/')}/") if root else told
        path = path.removeprefix("./")
        if path in files:
            found[path, int(match["line"] or match["at"])] = None
    return list(found)


@dataclass(frozen=True, kw_only=True)
class LinesOfTest:
    """What one test executed."""

    failed: bool
    lines: Mapping[str, frozenset[int]]


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A changed line that a failing test executes."""

    path: str
    line: int
    text: str
    failing: int
    """Failing tests that execute it."""
    passing: int
    """Passing tests that execute it, too: the fewer, the more it is suspect."""


def spots(
    changed: Mapping[str, frozenset[int]],
    tests: Sequence[LinesOfTest],
    text: Mapping[str, Sequence[str]],
) -> list[Spot]:
    """The most suspicious first. `text`: lines of each changed file, as it is now."""
    found = [
        Spot(
            path=path,
            line=line,
            text=_at(text.get(path, ()), line),
            failing=sum(t.failed and line in t.lines.get(path, ()) for t in tests),
            passing=sum(not t.failed and line in t.lines.get(path, ()) for t in tests),
        )
        for path, lines in changed.items()
        for line in sorted(lines)
    ]
    hit = [spot for spot in found if spot.failing]
    return sorted(hit, key=lambda s: (s.passing, -s.failing, s.path, s.line))[:SPOTS_LIMIT]


def _at(lines: Sequence[str], line: int) -> str:
    return lines[line - 1] if 0 < line <= len(lines) else ""
