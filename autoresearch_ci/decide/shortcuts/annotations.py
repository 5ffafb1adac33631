"""Functions of Python that lose all their annotations: mypy then checks nothing inside of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autoresearch_ci.decide.shortcuts.suite import Shortcut

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
