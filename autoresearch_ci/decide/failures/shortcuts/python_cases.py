"""Cases of Python that answer one input: a comparison that is calculated with or chooses, a branch
that corrects what the rest computes."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from autoresearch_ci.decide.failures.shortcuts.compared_arguments import (
    UNKNOWN,
    Arguments,
    constant,
    constants,
    is_constant,
)
from autoresearch_ci.decide.failures.shortcuts.one_input import NATURAL, TRIVIAL, Case, Value
from autoresearch_ci.decide.python_syntax import parsed

_NUMBERS = frozenset({"int", "float", "complex", "abs", "bool", "pow", "sum", "max", "min"})
_LOGICAL = (ast.BitAnd, ast.BitOr, ast.BitXor)
_CHOICES = (ast.If, ast.IfExp, ast.match_case, ast.boolop, ast.cmpop, ast.Not)
_MOST = 400
"""Choices in one function, each of which is compared with all others."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class TooManyCases(Exception):
    """In the line that it is raised with, more than can be compared with each other."""


def python_cases(text: str, other: str) -> Iterator[Case]:
    """Of the functions that do not stand in the other text as well."""
    stand = {written for written, _ in _functions(other)}
    for written, function in _functions(text):
        with suppress(RecursionError, ValueError):
            if written not in stand:
                yield from _Function(function).cases()


def _functions(
    text: str,
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]]:
    tree = parsed(text)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, _FUNCTIONS):
            with suppress(RecursionError):
                yield ast.unparse(node), node


@dataclass
class _Function:
    """One function, whose arguments are looked for."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)

    def __post_init__(self) -> None:
        told = self.node.args
        given = [*told.posonlyargs, *told.args, *told.kwonlyargs]
        names = {argument.arg for argument in given} - {"self", "cls"}
        body = self.node.body if isinstance(self.node.body, list) else [self.node.body]
        self.inside = [node for part in body for node in _own_nodes(part)]
        for node in self.inside:
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, ast.Assign) and Arguments(names).holds(node.value):
                names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        self.arguments = Arguments(names)

    def cases(self) -> Iterator[Case]:
        if sum(isinstance(node, _CHOICES) for node in self.inside) > _MOST:
            raise TooManyCases(self.node.lineno)
        for node in self.inside:
            pins = self.arguments.pins(node)
            if pins:
                yield from self._as_value(node, pins)
            if isinstance(node, ast.If | ast.While):
                yield from self._branch(node)
            elif isinstance(node, ast.IfExp):
                yield from self._choice(node, node.test, node.body, node.orelse)
            elif isinstance(node, ast.Match):
                yield from self._match(node)

    # --- As numbers -------------------------------------------------------------------------------

    def _as_value(self, node: ast.AST, pins: tuple[Value, ...]) -> Iterator[Case]:
        """Where a comparison is calculated with, or chooses from a list."""
        top = node
        while (parent := self.parents.get(top)) is not None:
            number = isinstance(parent, ast.Call) and ast.unparse(parent.func) in _NUMBERS
            if not number and not _is_logical(parent):
                break
            top = parent
        whole = self._whole(top)
        if whole is not None and _is_text(whole):
            told = tuple(v for n in ast.walk(whole) if isinstance(v := constant(n), str))
            yield Case(
                text=ast.unparse(whole),
                line=_line_of(node),
                asked=pins,
                answers=tuple(v for v in told if v not in pins),
                several=True,
            )
        elif whole is not None:
            yield from self._calculated(whole, node, pins)

    def _whole(self, top: ast.AST) -> ast.AST | None:
        """What is calculated with a truth; `None`: nothing is."""
        parent = self.parents.get(top)
        if isinstance(parent, ast.BinOp | ast.UnaryOp | ast.AugAssign):
            return None if _is_logical(parent) else parent
        if isinstance(parent, ast.Subscript):
            return parent if parent.slice is top else None
        if isinstance(parent, ast.IfExp) and parent.test is top:
            above = self.parents.get(parent)
            numbers = _is_number(parent.body) and _is_number(parent.orelse)
            return above if numbers and isinstance(above, ast.BinOp) else None
        return None

    def _calculated(self, whole: ast.AST, node: ast.AST, pins: tuple[Value, ...]) -> Iterator[Case]:
        inside = {*ast.walk(node)}
        others = (n for n in ast.walk(whole) if n not in inside and isinstance(n, ast.Constant))
        weights = [constant.value for constant in others]
        known = TRIVIAL if "len(" in ast.unparse(node) else NATURAL
        if not (all(pin in known for pin in pins) and all(weight in TRIVIAL for weight in weights)):
            yield Case(text=ast.unparse(whole), line=_line_of(node), asked=pins)

    # --- Choices ----------------------------------------------------------------------------------

    def _all_pins(self, test: ast.expr) -> tuple[Value, ...]:
        """Of a condition that says nothing else; empty: it says something else."""
        parts = (
            test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
        )
        found = [self.arguments.pins(part) for part in parts]
        each = tuple(v for pins in found for v in pins) if all(found) else ()
        return each or self.arguments.pins(test)

    def _choice(
        self, node: ast.expr, test: ast.expr, body: ast.expr, orelse: ast.expr
    ) -> Iterator[Case]:
        asked = self._all_pins(test)
        if not asked:
            asked, body, orelse = self.arguments.negated(test), orelse, body
        if asked:
            yield from self._answered(node, asked, body, [orelse])

    def _branch(self, node: ast.If | ast.While) -> Iterator[Case]:
        asked, here = self._all_pins(node.test), node.body
        if not asked and isinstance(node, ast.If):
            asked, here = self.arguments.negated(node.test), node.orelse or self._after(node)
        if not asked or not here:
            return
        value = _outcome(here[-1])
        if value is not None:
            yield from self._answered(node, asked, value, self._outcomes(here[-1]))
        elif isinstance(last := here[-1], ast.AugAssign) and _is_number(last.value):
            weight = constant(last.value)
            if weight not in TRIVIAL and not any(isinstance(pin, str) for pin in asked):
                yield Case(text=_head(node), line=node.lineno, asked=asked)
        known = {*self.arguments.names}
        pinned = {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)} & known
        if len(known) > 1 and pinned == known and value is not None:
            yield Case(text=_head(node), line=node.lineno, asked=asked, several=True)

    def _after(self, node: ast.AST) -> list[ast.stmt]:
        """What comes next, where a branch leaves the function."""
        if not (isinstance(node, ast.If) and isinstance(node.body[-1], ast.Return)):
            return []
        above = self.parents.get(node)
        block = getattr(above, "body", None) if above else self.node.body
        if not isinstance(block, list) or node not in block:
            return []
        return block[block.index(node) + 1 :][:1]

    def _match(self, node: ast.Match) -> Iterator[Case]:
        plain = (c for c in node.cases if isinstance(c.pattern, ast.MatchValue) and not c.guard)
        for case in plain:
            last, told = case.body[-1], case.pattern.value  # type: ignore[attr-defined]
            asked = self.arguments.pins(ast.Compare(node.subject, [ast.Eq()], [told]))
            if asked and (value := _outcome(last)) is not None:
                yield from self._answered(last, asked, value, self._outcomes(last))

    def _outcomes(self, leaving: ast.stmt) -> list[ast.expr]:
        """What the function comes to elsewhere, in the same way."""
        others = (n for n in self.inside if isinstance(n, ast.stmt) and n is not leaving)
        return [value for n in others if type(n) is type(leaving) and (value := _outcome(n))]

    def _answered(
        self, node: ast.AST, asked: tuple[Value, ...], value: ast.expr, others: list[ast.expr]
    ) -> Iterator[Case]:
        """A constant that a test asks for, or what is computed elsewhere and a constant."""
        told = constants(value)
        text, line = _head(node), _line_of(node)
        if told:
            empty = all(pin in NATURAL for pin in asked)  # that has an answer of its own
            if not empty and not all(is_constant(other) for other in others):
                yield Case(text=text, line=line, asked=asked, answers=told, several=True)
            return
        for other in others:
            if is_constant(other) or (by := _added(value, other)) is None:
                continue
            if by not in TRIVIAL or any(pin not in NATURAL for pin in asked):
                yield Case(text=text, line=line, asked=asked)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Without functions inside, which are looked at by themselves."""
    left = [node]
    while left:
        yield (node := left.pop())
        inside = (n for n in ast.iter_child_nodes(node) if not isinstance(n, _FUNCTIONS))
        left += reversed([*inside])


def _head(node: ast.AST) -> str:
    text = ast.unparse(node)
    return "\n".join(text.splitlines()[:2])


def _line_of(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 1))


def _outcome(statement: ast.stmt) -> ast.expr | None:
    return statement.value if isinstance(statement, ast.Return | ast.Assign) else None


def _added(value: ast.expr, other: ast.expr) -> Any:
    """The constant by which a value differs from another one; `None`: by something else."""
    if not isinstance(value, ast.BinOp):
        return None
    text, wanted = _written(value), _written(other)
    for one, rest in ((value.left, value.right), (value.right, value.left)):
        if _written(one) == wanted and (by := constant(rest)) is not UNKNOWN:
            return by
    # `a - b + 4` is `(a - b) + 4`, and `4 + a - b` is `(4 + a) - b`.
    left = text.removeprefix(wanted) if text.startswith(wanted) else text.removesuffix(wanted)
    found = re.fullmatch(r"\s*[-+*/]*\s*\(?(\d+(?:\.\d+)?)\)?\s*[-+*]?\s*", left)
    return float(found[1]) if found and left != text else None


@functools.lru_cache(maxsize=4096)
def _written(node: ast.expr) -> str:
    return ast.unparse(node)


def _is_logical(node: ast.AST) -> bool:
    """Whether it makes a truth of truths: masks, too."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, _LOGICAL)
    negates = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return negates or isinstance(node, ast.BoolOp)


def _is_number(node: ast.expr) -> bool:
    value = constant(node)
    return isinstance(value, int | float)


def _is_text(node: ast.AST) -> bool:
    """Whether what is calculated is a text: its plural, a sign."""
    parts = (node.left, node.right) if isinstance(node, ast.BinOp) else ()
    return any(
        isinstance(part, ast.JoinedStr)
        or isinstance(getattr(part, "value", None), str)
        or _is_text(part)
        for part in parts
    )
