"""What code asks of its checkers itself, and no longer does: a lint that is denied, strict types;
and functions of Python that lose all their annotations, since mypy then checks nothing inside.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut

_ASKED = re.compile(
    r"#!?\[(?:deny|forbid)\((?P<lints>[^\]\n]{1,300})\)\]|\bdeclare\(\s?strict_types\s?=\s?1\s?\)"
    r"|(?m:^[ \t]*(?:#[ \t]?(?:mypy|pyright|typed):[ \t]?(?:strict|true)\w*|//[ \t]?@ts-check\b"
    r"|#nullable enable\b|use (?:strict|warnings);))"
)
"""How code asks for a check itself."""


def asks_less(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """Of any file, in whatever language."""
    if path.endswith((".py", ".pyi")):
        yield from unannotated(path, before, after)
    gone = _asked(before)
    for asked in sorted(gone.keys() - _asked(after).keys()):
        what = f"no longer asks for {asked[:60]}"
        yield Shortcut(rule="strictness-lowered", path=path, line=gone[asked], what=what)


def _asked(text: str) -> dict[str, int]:
    """By what it asks for, the line."""
    found: dict[str, int] = {}
    for match in _ASKED.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        for lint in (match["lints"] or "").split(","):
            words = f"deny({lint.strip()})" if match["lints"] else "".join(match[0].split())
            found.setdefault(words, line)
    return found


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def unannotated(path: str, before: str, after: str) -> Iterator[Shortcut]:
    """Those that are there in both, by their names."""
    try:
        was, now = dict(_functions(ast.parse(before), "")), dict(_functions(ast.parse(after), ""))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # what does not parse is broken, and told as that
    for name, function in now.items():
        if name in was and _is_annotated(was[name]) and not _is_annotated(function):
            what = f"{name} has no annotation any more, so nothing in it is checked"
            yield Shortcut(rule="strictness-lowered", path=path, line=function.lineno, what=what)


def _functions(node: ast.AST, above: str) -> Iterator[tuple[str, _Function]]:
    for inner in ast.iter_child_nodes(node):
        name = above
        if isinstance(inner, _Function | ast.ClassDef):
            name = f"{above}.{inner.name}" if above else inner.name
        if isinstance(inner, _Function):
            yield name, inner
        yield from _functions(inner, name)


def _is_annotated(function: _Function) -> bool:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return function.returns is not None or any(arg and arg.annotation for arg in every)
