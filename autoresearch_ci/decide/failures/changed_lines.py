"""Which lines a change touched, which lines a trace names, and where the two meet; pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from autoresearch_ci.decide.line_map import MOST_COMPARED, alike_at_the_ends

SPOTS_LIMIT = 200


def changed_lines(before: str, after: str) -> frozenset[int]:
    """Lines of `after`, 1-based, that `before` does not have; where some were removed, the one that
    now stands in their place."""
    old, new = before.splitlines(), after.splitlines()
    first, last = alike_at_the_ends(old, new)
    before_lines, after_lines = old[first : len(old) - last], new[first : len(new) - last]
    if max(len(before_lines), len(after_lines)) > MOST_COMPARED:
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
    r"|\bat (?P<method>[\w.$/@]{1,400})\((?P<source>\w{1,200}\.\w{1,8}):(?P<of>[0-9]{1,8})\)"
    r"|(?P<path>[\w./@+-]{1,400}\.\w{1,8}):(?P<at>[0-9]{1,8})\b"
)


def traced(output: str, files: Collection[str], root: str = "") -> list[tuple[str, int]]:
    """Places of the repository that an output names, in its order, each once.

    `root`: where the tree lay when the command ran. A path that some tools tell from where they
    stand, as Go does its tests' and Java its classes', counts where only one file can be meant.
    """
    ends = suffixes(files)
    found: dict[tuple[str, int], None] = {}
    for match in _FRAME.finditer(output):
        told = match["python"] or match["path"] or _source(match["method"], match["source"])
        path = resolved(told, files, ends, root)
        if path:
            found[path, int(match["line"] or match["at"] or match["of"])] = None
    return list(found)


def _source(method: str, name: str) -> str:
    """`com/shop/Cart.java` of a frame `at com.shop.Cart.total(Cart.java:5)`."""
    package = method.rpartition("/")[2].split(".")[:-2]
    return "/".join([*package, name])


def suffixes(files: Collection[str]) -> Mapping[str, Sequence[str]]:
    """Files by their last part."""
    found: dict[str, list[str]] = {}
    for file in files:
        found.setdefault(file.rpartition("/")[2], []).append(file)
    return found


def resolved(
    told: str, files: Collection[str], ends: Mapping[str, Sequence[str]], root: str = ""
) -> str:
    """The file of the repository that a tool means; empty: none, or it cannot be told which."""
    path = f"/{told.lstrip('/')}" if told.startswith("//") else told  # what is left of `file://`
    path = path.removeprefix(f"{root.rstrip('/')}/") if root else path
    path = path.removeprefix("./")
    if path in files:
        return path
    if path.startswith(("/", "..")):
        return ""
    alike = [f for f in ends.get(path.rpartition("/")[2], ()) if f.endswith(f"/{path}")]
    return alike[0] if len(alike) == 1 else ""


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
