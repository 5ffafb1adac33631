"""Comparisons that say which values arguments have: `a == 1`, `not a - 1`, `str(a) == "1"`.

Of Python's syntax, calculated for the values that stand in it: what holds for one of them, and for
nothing far off, asks for that one. What is made of it is python_cases.py's business.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from autoresearch_ci.decide.failures.shortcuts.one_input import Value

UNKNOWN = object()


def _is_in(one: Any, held: Any) -> bool:
    return isinstance(held, tuple) and one in held


_OPERATORS: Mapping[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
    ast.BitXor: operator.xor,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ANY_TYPE: Mapping[type, Callable[..., Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.eq,
    ast.IsNot: operator.ne,
    ast.In: _is_in,
    ast.Not: operator.not_,
}
"""Those that take other things than numbers."""
_CALLED: Mapping[str, Callable[..., Any]] = {
    "str": str,
    "repr": repr,
    "int": int,
    "float": float,
    "abs": abs,
    "round": lambda value, *places: round(float(value), *places) if places else round(value),
    "bool": bool,
    "eq": operator.eq,
    "__eq__": operator.eq,
    **dict.fromkeys(("len", "list", "tuple"), lambda value: value),
    "sorted": lambda value: tuple(sorted(value)) if isinstance(value, tuple) else value,
    **dict.fromkeys(
        ("count", "__contains__"), lambda held, one: isinstance(held, tuple) and one in held
    ),
}
"""Functions that leave an argument recognisable; of a length, how long it is."""
_FAR = (1_000_003, -999_983)
_SIDES = 4
"""Arguments of which each may be far off on a side of its own: `a < 0 < b`."""
_MANY = 60_000
"""Steps in which combinations of values are tried."""
_LONG = 1_000
"""Characters of a text, bits of a number: a literal can say more than memory holds."""
_FEW = 6
"""Numbers in a comparison of which sums and differences are tried, too."""


@dataclass(frozen=True)
class Arguments:
    """Names that stand for what a function is given."""

    names: Collection[str]

    def pins(self, node: ast.AST) -> tuple[Value, ...]:
        """The values with which a comparison says that arguments are equal; empty: it does not."""
        compares = isinstance(node, ast.Compare | ast.Call | ast.BoolOp) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        )
        return self._pinned(node) if compares or _is_power(node) else ()

    def negated(self, node: ast.expr) -> tuple[Value, ...]:
        """Of `a != 1`, or `a - 1` by itself."""
        return self._pinned(ast.UnaryOp(ast.Not(), node))

    def _pinned(self, node: ast.AST) -> tuple[Value, ...]:
        given = sorted(self._given(node))
        sides = itertools.product(_FAR, repeat=len(given)) if len(given) <= _SIDES else ()
        far = {constant(node, dict.fromkeys(given, value)) for value in _FAR}
        far |= {constant(node, dict(zip(given, chosen, strict=True))) for chosen in sides}
        if not given or UNKNOWN in far or any(far):
            return ()
        values = [*dict.fromkeys(_candidates(node))]
        if len(values) ** len(given) * len([*ast.walk(node)]) > _MANY:
            return ()
        of_few = isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In)
        most = 3 if of_few else 1
        found: dict[str, Any] = {}
        for chosen in itertools.product(values, repeat=len(given)):
            if constant(node, dict(zip(given, chosen, strict=True))) not in (False, 0, UNKNOWN):
                # Once, whether `1` or `"1"`.
                found[str([*_flat(chosen)]).replace("'", "")] = chosen
                if len(found) > most:
                    return ()
        return tuple(_flat(next(iter(found.values()), ())))

    def _given(self, node: ast.AST) -> set[str]:
        told = {ast.unparse(n) for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)}
        return {name for name in told if name in self.names or re.fullmatch(r"self\.\w+", name)}

    def holds(self, node: ast.AST) -> bool:
        """Whether it is an argument, several of them, or one that is still recognisable."""
        given = self._given(node)
        plain = not any(isinstance(n, ast.BinOp | ast.Compare | ast.IfExp) for n in ast.walk(node))
        return plain and bool(given) and constant(node, dict.fromkeys(given, 1)) is not UNKNOWN


def _is_power(node: ast.AST) -> bool:
    """`0 ** abs(a - 1)`."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and constant(node.left) == 0


def _candidates(node: ast.AST) -> Iterator[Any]:
    """Values that may make a comparison hold: those in it, and what lies next to them."""
    found = [v for n in ast.walk(node) if (v := constant(n)) is not UNKNOWN]
    for text in (value for value in found if isinstance(value, str)):
        parts = re.findall(r"-?\d{1,15}(?:\.\d{1,15})?", text)
        found += [float(part) if "." in part else int(part) for part in parts[:9]]
    yield from found
    numbers = {value for value in found if isinstance(value, int)}
    if len(numbers) <= _FEW:
        near = {n + by for n in numbers for m in numbers for by in (1, -1, m, -m)}
        yield from sorted(near)


def constant(node: ast.AST, given: Mapping[str, Any] | None = None) -> Any:
    """Of a literal, and of what is calculated of literals and what is `given`; `UNKNOWN` for
    anything else."""
    try:
        return _calculated(node, given or {})
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        return UNKNOWN


def _calculated(node: ast.AST, given: Mapping[str, Any]) -> Any:
    value = _result(node, given)
    long = value.bit_length() if isinstance(value, int) else isinstance(value, str) and len(value)
    if long > _LONG:
        raise OverflowError
    return value


def _result(node: ast.AST, given: Mapping[str, Any]) -> Any:
    def each(nodes: list[ast.expr]) -> list[Any]:
        return [_calculated(inner, given) for inner in nodes]

    match node:
        case ast.Constant(value=int() | float() | str() | None as value):
            return value
        case ast.Name() | ast.Attribute():
            return given[ast.unparse(node)]
        case ast.Tuple(elts=inner) | ast.List(elts=inner) | ast.Set(elts=inner):
            return tuple(each(inner))
        case ast.JoinedStr(values=inner):
            return "".join(map(str, each(inner)))
        case ast.FormattedValue(value=one, format_spec=None):
            return _calculated(one, given)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _calculated(body if _calculated(test, given) else orelse, given)
        case ast.UnaryOp(op=does, operand=one):
            return _applied(does, *each([one]))
        case ast.BinOp(left=one, op=does, right=other):
            return _applied(does, *each([one, other]))
        case ast.BoolOp(op=does, values=inner):
            return (all if isinstance(does, ast.And) else any)(each(inner))
        case ast.Compare(left=one, ops=ops, comparators=others):
            sides = each([one, *others])
            pairs = zip(ops, sides, sides[1:], strict=False)
            return all(_applied(does, a, b) for does, a, b in pairs)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _CALLED[name](*each(args))
        case ast.Call(func=ast.Attribute(value=held, attr=name), args=args, keywords=[]):
            of = [] if name == "eq" else [held]
            return _CALLED[name](*each([*of, *args]))
    raise LookupError


def _applied(does: ast.AST, *values: Any) -> Any:
    if type(does) in _ANY_TYPE:
        return _ANY_TYPE[type(does)](*values)
    if not all(isinstance(value, int | float) for value in values):
        raise TypeError
    return _OPERATORS[type(does)](*values)


def _flat(value: Any) -> Iterator[Value]:
    if isinstance(value, tuple):
        for inner in value:
            yield from _flat(inner)
    else:
        yield value


def constants(node: ast.AST) -> tuple[Value, ...]:
    """Those of a literal, of a tuple or a list of them; empty: it is no such thing."""
    value = constant(node)
    return () if value is UNKNOWN else tuple(_flat(value))


def is_constant(node: ast.AST) -> bool:
    if isinstance(node, ast.IfExp):
        return is_constant(node.body) and is_constant(node.orelse)
    return bool(constants(node)) or (isinstance(node, ast.Name) and node.id.isupper())
