"""What Python's own grammar says of a file: the literals of its constants, and its comments.

Needs no annotation: module-level UPPER_CASE numbers, booleans and strings, elements of tuples,
lists and dictionaries included. Which values to try is not decided here.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoresearch_ci.propose.search.annotations import Span, is_literal

# Words that mark a name as identity, reporting or the ruler itself: tuning those would game the
# metric or move nothing. An annotation overrides the list.
_NOT_TUNABLE = frozenset(
    {"SEED", "VERSION", "PORT", "FLOPS", "EVAL", "LOG", "DEBUG", "VERBOSE", "TIMEOUT", "BUDGET"}
)
_TABLE = 8  # a longer container is data, not a set of knobs
_ASSIGNMENT = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n;])[ \t\f]*_*[A-Z][A-Z0-9_]*[ \t]*[:=]")


@dataclass(frozen=True, kw_only=True)
class PythonLiteral:
    """A literal that is all of a constant's value, or an element of it."""

    name: str
    start: int
    end: int
    """Offsets in the text."""
    line: int
    statement: tuple[int, int]
    """First and last line of the assignment."""
    plain: bool
    """Tunable without an annotation."""


def may_hold_constants(data: bytes) -> bool:
    """False spares a parse: most files of a wide scope hold nothing."""
    return _ASSIGNMENT.search(data) is not None


def parse_python(text: str) -> ast.Module | None:
    """The tree of a file read as Latin-1; `None` when it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the measured project's invalid escapes
            return ast.parse(_ascii(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def comments_in_python(text: str, starts: Sequence[int]) -> Iterator[Span]:
    """The comments of text that `parse_python` has read; its strings may show some, too."""
    readline = io.StringIO(_ascii(text), newline="").readline
    for token in tokenize.generate_tokens(readline):
        if token.type == tokenize.COMMENT:
            start = starts[token.start[0] - 1] + token.start[1]
            yield token.start[0], start, start + len(token.string)


def python_literals(tree: ast.Module, text: str, starts: Sequence[int]) -> Iterator[PythonLiteral]:
    """The literals of every constant that is assigned once, in file order."""
    stored = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    )
    for statement, name, value in _assignments(tree):
        if stored[name] > 1:
            continue
        for literal in _literals_of(statement, name, value, starts):
            if is_literal(text[literal.start : literal.end]):
                yield literal


def _ascii(text: str) -> str:
    # One ASCII letter per byte keeps offsets in bytes and foreign identifiers whole. Form feeds
    # stand in for a byte order mark: Python ignores them at the start of a line.
    if text.startswith("\xef\xbb\xbf"):
        text = "\f\f\f" + text[3:]
    return re.sub(r"[\x80-\xff]", "x", text)


def _assignments(tree: ast.Module) -> Iterator[tuple[ast.stmt, str, ast.expr]]:
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if re.fullmatch(r"_*[A-Z][A-Z0-9_]*", name):
                yield statement, name, value


def _literals_of(
    statement: ast.stmt, name: str, value: ast.expr, starts: Sequence[int]
) -> Iterator[PythonLiteral]:
    leaves = list(_leaves(value, name))
    plain = len(leaves) <= _TABLE and not _NOT_TUNABLE.intersection(name.split("_"))
    for leaf, node in leaves:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        yield PythonLiteral(
            name=leaf,
            start=starts[node.lineno - 1] + node.col_offset,
            end=starts[node.end_lineno - 1] + node.end_col_offset,
            line=node.end_lineno,
            statement=(statement.lineno, statement.end_lineno or statement.lineno),
            plain=plain,
        )


def _leaves(node: ast.expr, name: str) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for index, element in enumerate(elements):
                yield from _leaves(element, f"{name}[{index}]")
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant):
                    yield from _leaves(value, f"{name}[{key.value!r}]")
        case ast.Constant(value=bool() | int() | float() | str()):
            yield name, node
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            yield name, node
        case ast.BinOp(op=ast.Pow(), left=ast.Constant(value=2), right=ast.Constant(value=int())):
            yield name, node
        case _:
            pass
