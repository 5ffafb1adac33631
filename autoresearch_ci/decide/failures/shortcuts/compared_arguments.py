"""Comparisons that say which values arguments have: `a == 1`, `not a - 1`, `str(a) == "1"`.

Of Python's syntax; what is made of such a comparison is python_cases.py's business.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from autoresearch_ci.decide.failures.shortcuts.one_input import Value

_SAME = frozenset({"str", "repr", "int", "float", "abs", "tuple", "list", "round", "bool", "eq"})
"""Functions that leave an argument recognisable."""


@dataclass(frozen=True)
class Arguments:
    """Names that stand for what a function is given."""

    names: Collection[str]

    def pins(self, node: ast.AST) -> tuple[Value, ...] | None:
        """The values with which a comparison says that arguments are equal; `None`: it does not."""
        if isinstance(node, ast.Compare):
            return self._compared(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.difference(node.operand)
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Pow)
            and constant(node.left) == 0
        ):
            return self.difference(node.right)
        if isinstance(node, ast.Call) and not node.keywords:
            return self._called(node)
        return None

    def _compared(self, node: ast.Compare) -> tuple[Value, ...] | None:
        sides = [node.left, *node.comparators]
        if len(sides) == 3:
            return self._between(node, sides)
        if len(sides) > 3:
            return None
        one, other = sides
        if isinstance(node.ops[0], ast.In):
            if isinstance(other, ast.Tuple | ast.List | ast.Set) and len(other.elts) <= 3:
                pairs = [self._equal(one, element) for element in other.elts]
                return next((found for found in pairs if found), None)
            return None
        if isinstance(node.ops[0], ast.Eq | ast.Is):
            return self._equal(one, other)
        return None

    def _between(self, node: ast.Compare, sides: list[ast.expr]) -> tuple[Value, ...] | None:
        """`0 < a < 2` leaves one."""
        low, high = constant(sides[0]), constant(sides[2])
        if not (type(low) is int and type(high) is int and self.holds(sides[1])):
            return None
        if not all(isinstance(op, ast.Lt | ast.LtE) for op in node.ops):
            return None
        low += isinstance(node.ops[0], ast.Lt)
        high -= isinstance(node.ops[1], ast.Lt)
        return (low,) if low == high else None

    def _equal(self, one: ast.expr, other: ast.expr) -> tuple[Value, ...] | None:
        for side, told in ((one, other), (other, one)):
            values = constants(told)
            if not values or not self.holds(side):
                continue
            if isinstance(side, ast.BinOp) and (moved := self._moved(side, values[0])):
                return moved
            texts = isinstance(side, ast.JoinedStr | ast.Call) and isinstance(values[0], str)
            return _within_text(str(values[0])) if texts else values
        return None

    def _moved(self, side: ast.BinOp, value: Value) -> tuple[Value, ...] | None:
        """`a - 1 == 0` asks for 1."""
        by = constant(side.right)
        if type(by) is not int or type(value) is not int:
            return None
        return (value + by if isinstance(side.op, ast.Sub) else value - by,)

    def difference(self, node: ast.expr) -> tuple[Value, ...] | None:
        """`not a - 1`, `not a ^ 1`, `0 ** abs(a - 1)`."""
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "abs" and node.args:
            node = node.args[0]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.BitXor):
            return self._equal(node.left, node.right)
        if (
            isinstance(node, ast.Compare)
            and isinstance(node.ops[0], ast.NotEq | ast.IsNot)
            and len(node.comparators) == 1
        ):
            return self._equal(node.left, node.comparators[0])
        return None

    def _called(self, node: ast.Call) -> tuple[Value, ...] | None:
        """`(1).__eq__(a)`, `operator.eq(a, 1)`, `[1].count(a)`."""
        name = ast.unparse(node.func).rpartition(".")[2]
        if name == "eq" and len(node.args) == 2:
            return self._equal(*node.args)
        if not isinstance(node.func, ast.Attribute) or len(node.args) != 1:
            return None
        held, given = node.func.value, node.args[0]
        if name == "__eq__":
            return self._equal(held, given)
        if name in ("count", "__contains__") and isinstance(held, ast.Tuple | ast.List | ast.Set):
            return self._equal(given, held.elts[0]) if len(held.elts) == 1 else None
        return None

    def holds(self, node: ast.AST) -> bool:
        """Whether it is an argument, several of them, or one that is still recognisable."""
        if isinstance(node, ast.Name):
            return node.id in self.names
        if isinstance(node, ast.Attribute):
            return isinstance(node.value, ast.Name) and node.value.id == "self"
        if isinstance(node, ast.Tuple | ast.List):
            return bool(node.elts) and all(map(self.holds, node.elts))
        if isinstance(node, ast.UnaryOp):
            return self.holds(node.operand)
        if isinstance(node, ast.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            return bool(parts) and all(map(self.holds, parts))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            return self.holds(node.left) and constant(node.right) is not UNKNOWN
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return (
                node.func.id in (*_SAME, "len")
                and bool(node.args)
                and all(map(self.holds, node.args))
            )
        return False


UNKNOWN = object()


_OPERATORS: Mapping[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def constant(node: ast.AST, name: float | None = None) -> Value | object:
    """Of a literal, and of what is calculated of literals, where names stand for `name`; `UNKNOWN`
    for anything else."""
    match node:
        case ast.Constant(value=int() | float() | str() | None as value):
            return value
        case ast.Name() if name is not None:
            return name
        case ast.IfExp():
            chosen = constant(node.test, name)
            chosen = chosen is not UNKNOWN and (node.body if chosen else node.orelse)
            return constant(chosen, name) if isinstance(chosen, ast.AST) else UNKNOWN
        case ast.UnaryOp(op=does, operand=one):
            sides = [one]
        case ast.BinOp(left=one, op=does, right=other):
            sides = [one, other]
        case ast.Compare(left=one, ops=[does], comparators=[other]):
            sides = [one, other]
        case _:
            return UNKNOWN
    values = [constant(side, name) for side in sides]
    known = type(does) in _OPERATORS and all(isinstance(v, int | float) for v in values)
    try:
        return _OPERATORS[type(does)](*values) if known else UNKNOWN
    except (ArithmeticError, ValueError):
        return UNKNOWN


def constants(node: ast.AST) -> tuple[Value, ...]:
    """Those of a literal, of a tuple or a list of them; empty: it is no such thing."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        found = [constants(element) for element in node.elts]
        return tuple(v for values in found for v in values) if all(found) else ()
    value = constant(node)
    return () if value is UNKNOWN else (value,)  # type: ignore[return-value]


def is_constant(node: ast.AST) -> bool:
    if isinstance(node, ast.IfExp):
        return is_constant(node.body) and is_constant(node.orelse)
    return bool(constants(node)) or (isinstance(node, ast.Name) and node.id.isupper())


def _within_text(text: str) -> tuple[Value, ...]:
    """`str((a, b)) == "(1, 2)"` asks for 1 and 2."""
    found = re.findall(r"-?\d+(?:\.\d+)?", text)
    return tuple(float(n) if "." in n else int(n) for n in found[:20]) or (text,)
