"""Which lines a change touched, which lines a trace names, and where the two meet; pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_LINES = 20_000
"""Of a file; a longer one is data, and comparing it takes too long."""
SPOTS_LIMIT = 200


def changed_lines(before: str, after: str) -> frozenset[int]:
    """Lines of `after`, 1-based, that `before` does not have; where some were removed, the one that
    now stands in their place."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > _LINES:
        return frozenset()
    found: set[int] = set()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, _, _, start, end in matcher.get_opcodes():
        if kind == "delete":
            found.add(min(start + 1, max(len(new), 1)))
        elif kind != "equal":
            found.update(range(start + 1, end + 1))
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


def ranges(lines: Iterable[int]) -> str:
    """`3, 7-9`."""
    return ", ".join(
        str(first) if first == last else f"{first}-{last}" for first, last in _runs(sorted(lines))
    )


def _runs(lines: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = previous = None
    for line in lines:
        if previous is not None and line == previous + 1:
            previous = line
            continue
        if start is not None and previous is not None:
            yield start, previous
        start = previous = line
    if start is not None and previous is not None:
        yield start, previous
