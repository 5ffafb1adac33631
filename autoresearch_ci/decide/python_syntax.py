"""What the text of Python says of names: which are given what, which are looked at, who is called.

CORE: pure.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

_DEPTH = 20_000
"""Calls; text that is joined of 400 parts takes 1,200."""
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef)
LookedAt = Callable[[ast.Call], Iterable[ast.expr]]
"""Of a call, the arguments that the function which is called has a look at."""


@functools.lru_cache(maxsize=2)  # of one file much may be said, one thing after the other
def parsed(content: str | bytes) -> ast.Module | None:
    """`None`: it is no Python of this version."""
    try:
        return ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@contextlib.contextmanager
def deep() -> Iterator[None]:
    """Within the block code that nests deeper than Python's own limit can be gone through."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def other_code(content: bytes, text: str) -> str:
    """The encoding that a file names, where Python reads other code there than `text`, which is
    what everybody else reads; empty: it is the same, or none that Python reads."""
    try:
        lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        encoding, _ = tokenize.detect_encoding(io.BytesIO(lines).readline)
        read = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError):
        return ""
    same = read.encode("ascii", "ignore") == text.encode("ascii", "ignore")
    return "" if encoding.startswith("utf-8") or same else encoding


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """What belongs to a function itself, and not to another in it."""
    for child in ast.iter_child_nodes(function):
        yield child
        if not isinstance(child, (*_DEFINED, ast.ClassDef)):
            yield from own_nodes(child)


_GIVES = (
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr),
    *(ast.For, ast.AsyncFor, ast.comprehension),
)
_Gift = tuple[str, ast.expr, bool]
"""A name, what it is given, and whether that is all of it, rather than put to its end."""


def gifts_in(own: Iterable[ast.AST]) -> list[_Gift]:
    """In the order of the file; those within a statement before those of it."""
    found: list[tuple[tuple[int, bool], _Gift]] = []
    for node in own:
        if isinstance(node, _GIVES):
            value = getattr(node, "value", None) or getattr(node, "iter", None)
            whole = not isinstance(node, ast.AugAssign)
            outer = not isinstance(node, (ast.comprehension, ast.NamedExpr))
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                gifts = _gifts(target, value) if value else ()
                place = (getattr(value, "end_lineno", 0), outer)
                found += [(place, (name, part, whole)) for name, part in gifts]
    return [gift for _, gift in sorted(found, key=lambda one: one[0])]


def _gifts(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """One by one, where several names are given several values."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple):
        values = value.elts if isinstance(value, ast.Tuple) else []
        if len(values) != len(target.elts):
            values = [value] * len(target.elts)
        for one, other in zip(target.elts, values, strict=True):
            yield from _gifts(one, other)


def asked_in(own: Sequence[ast.AST], given: Sequence[_Gift], looked_at: LookedAt) -> set[str]:
    """Names and texts of expressions that are looked at on the way, and names that such ones are
    made of."""
    asked = {name for node in own for name in _asked_about(node, looked_at)}
    for name, value, _ in reversed(given):
        if name in asked:
            asked |= {part.id for part in ast.walk(value) if isinstance(part, ast.Name)}
    return asked


_THERE = frozenset({"exists", "is_file", "is_dir", "isfile", "isdir"})
_CHECKS = re.compile(
    r"(?i)relative_to|valid|check|ensure|assert|verif|allow|sanit|clean|safe|requir|abort|permi"
)


def _asked_about(node: ast.AST, looked_at: LookedAt) -> Iterator[str]:
    """What a condition or a check looks at, other than whether it is there."""
    looked: list[ast.expr] = []
    match node:
        case (
            ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Assert(test=test)
        ) if not _is_there(test):
            looked.append(test)
        case ast.Match(subject=subject):
            looked.append(subject)
        case ast.comprehension(ifs=tests):
            looked += (test for test in tests if not _is_there(test))
        case ast.Expr(value=told) | ast.Assign(value=told) | ast.NamedExpr(value=told):
            if isinstance(told, ast.Compare):
                looked.append(told)
            elif isinstance(told, ast.Call):
                known = _CHECKS.search(last_name(told.func))
                looked += [told] if known else looked_at(told)
    for part in (part for one in looked for part in ast.walk(one)):
        if isinstance(part, ast.Name):
            yield part.id
        elif key := taken_from(part):
            yield key


def taken_from(node: ast.AST) -> str:
    """One word for `request.args["a"]` and `request.args.get("a")`; empty: it is nothing such."""
    match node:
        case (
            ast.Subscript(value=ast.Attribute(attr=kind), slice=ast.Constant(value=name))
            | ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr=kind), attr="get"),
                args=[ast.Constant(value=name), *_],
            )
        ):
            return f"{kind}[{name!r}]"
    return ""


def _is_there(test: ast.expr) -> bool:
    """Whether it asks no more than that."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=one) | ast.NamedExpr(target=one):
            return _is_there(one)
        case ast.Name() | ast.Subscript(slice=ast.Constant()):
            return True
        case ast.Compare(comparators=[ast.Constant(value=None), *_]):
            return True
        case ast.Call(func=func, args=[ast.Constant(), *_]) if last_name(func) == "get":
            return True
        case ast.Call(func=func):
            return last_name(func) in _THERE
    return False


def methods_of(kind: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [method for method in kind.body if isinstance(method, _DEFINED)]


def by_name(functions: Iterable[Function]) -> dict[str, Function]:
    """Those of which there is only one."""
    named = [f for f in functions if isinstance(f, _DEFINED)]
    names = Counter(f.name for f in named)
    return {f.name: f for f in named if names[f.name] == 1}


def bound(call: ast.Call, helper: Function) -> Iterator[tuple[str, ast.expr]]:
    """By the names of its arguments, what a function is given."""
    names = [a.arg for a in arguments_of(helper)]
    yield from zip(names[names[:1] in (["self"], ["cls"]) :], call.args, strict=False)
    yield from ((k.arg, k.value) for k in call.keywords if k.arg in names)


def arguments_of(function: Function) -> list[ast.arg]:
    given = function.args
    return [*given.posonlyargs, *given.args, *given.kwonlyargs]


def says(node: ast.expr | None, value: object) -> bool:
    return (
        isinstance(node, ast.Constant) and type(node.value) is type(value) and node.value == value
    )


def last_name(node: ast.AST | None) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def texts_and_names(nodes: Iterable[ast.expr]) -> tuple[list[str], set[str]]:
    parts = [part for node in nodes for part in ast.walk(node)]
    texts = [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
    return [*dict.fromkeys(texts)], {part.id for part in parts if isinstance(part, ast.Name)}
