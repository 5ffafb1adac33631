"""Whether a test still tests what it tested: names that it took from elsewhere and now makes
itself.

All its assertions may stand there, and hold: of a function that the test brings along.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import PurePosixPath

from autoresearch_ci.decide.failures.shortcuts.other_tests import (
    blanked,
    tests_in,
    without_comments,
)
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.decide.python_syntax import parsed


def replaced(
    path: str, was: str | None, now: str | None, changed: Collection[str]
) -> Iterator[Shortcut]:
    """Of a file with tests. `changed`: paths of the change, one of which may be the new subject."""
    if was is None or now is None:
        return
    stems = {PurePosixPath(other).stem for other in changed}
    if path.endswith(".py"):
        found = _in_python(was, now, stems)
    else:
        found = _in_text(tests_in(path, was), tests_in(path, now), path.endswith(".rs"))
        known = {match[1] for match in _TAKEN.finditer(was)}
        found = chain(
            found,
            (
                (match[1], now.count("\n", 0, match.start()) + 1)
                for match in _TAKEN.finditer(now)
                if match[1] not in known and PurePosixPath(match[1]).stem in stems
            ),
        )
    for name, line in found:
        what = f"{name} is not what it was: the test makes one of its own"
        yield Shortcut(rule="subject-replaced", path=path, line=line, what=what)


# --- Python ---------------------------------------------------------------------------------------


def _in_python(was: str, now: str, changed: Collection[str]) -> Iterator[tuple[str, int]]:
    before, after = parsed(was), parsed(now)
    if before is None or after is None:
        return
    taken, takes = _imported(before), _imported(after)
    own, owns = _made(before), _made(after)
    for name, line in owns.items():
        # Below a module too: `figures.mean = lambda values: 5`.
        top = name.partition(".")[0]
        if name not in own and (top in taken or (top != name and top in takes)):
            yield name, line
    for name, (source, line) in takes.items():
        stem = source.rpartition(".")[2]
        if name in taken and taken[name][0] != source and stem in changed:
            yield name, line


def _imported(tree: ast.AST) -> dict[str, tuple[str, int]]:
    """Where each name is from, and the line that says so."""
    found: dict[str, tuple[str, int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found.setdefault(name, (module or alias.name, node.lineno))
    return found


def _made(tree: ast.AST) -> dict[str, int]:
    """What a file defines or sets, and in which line."""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = ast.unparse(node)
        if name:
            found.setdefault(name, node.lineno)  # type: ignore[attr-defined]
    return found


# --- Other languages ------------------------------------------------------------------------------

_TAKEN = re.compile(r"(?:\bfrom\s*|\brequire\(\s*|#\s*include\s*|\bmod\s*)[\"']([^\"'\n]+)[\"']")
_CALLED = re.compile(r"(?<![\w.:])(?:new\s+)?(?P<name>[A-Za-z_]\w*)\s*(?:<[^<>\n]*>)?!?\s*[(.]")
_MADE = re.compile(
    r"\b(?:function\s*\*?|class|const|let|var|fn|func|struct|enum|interface|record|mod)\s+(?:mut\s+)?"
    r"(?P<name>[A-Za-z_]\w*)|(?m:^[ \t]*#[ \t]*define[ \t]+(?P<macro>\w+))"
    r"|(?m:^(?:(?:static|inline|const|unsigned)\s+)*[\w*]+[ \t*]+(?P<plain>\w+)\s*\([^;{}()]*\)\s*"
    r"\{)"
)


def _in_text(was: str, now: str, rust: bool) -> Iterator[tuple[str, int]]:
    before = without_comments(was, rust=rust)
    after = without_comments(now, rust=rust)
    own = {_name(match) for match in _MADE.finditer(blanked(before, rust))}
    used = {match["name"] for match in _CALLED.finditer(blanked(before, rust))} - own
    seen: set[str] = set()
    for match in _MADE.finditer(blanked(after, rust)):
        name = _name(match)
        if name in used and name not in seen:
            seen.add(name)
            yield name, after.count("\n", 0, match.start()) + 1


def _name(match: re.Match[str]) -> str:
    return match["name"] or match["macro"] or match["plain"]
