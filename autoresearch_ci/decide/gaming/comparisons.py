"""Finds objects whose comparisons please every assertion, whatever they are compared with."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autoresearch_ci.decide.gaming import names
from autoresearch_ci.decide.gaming.detect import Ruler
from autoresearch_ci.decide.gaming.imports import Imports, text_of


def equals_everything(node: ast.AST, imported: Imports, ruler: Ruler) -> Iterator[str]:
    methods = dict(_methods(node, imported))
    answers = {name: _constant_answer(method) for name, method in methods.items()}
    for name, pleasing in names.CONSTANT_METHODS.items():
        if answers.get(name) is pleasing:
            yield f"compares equal to everything ({name})"
            return
    for first, second in names.OPPOSITES:
        if answers.get(first) is True and answers.get(second) is True:
            yield f"is both smaller and larger than everything ({first}, {second})"


def _methods(node: ast.AST, imported: Imports) -> Iterator[tuple[str, ast.AST]]:
    """The functions that become methods here, by name."""
    if isinstance(node, ast.Dict):
        yield from ((text_of(k), v) for k, v in zip(node.keys, node.values, strict=True) if k)
    elif isinstance(node, ast.ClassDef):
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                yield item.name, item
            elif isinstance(item, ast.Assign):
                yield from ((t.id, item.value) for t in item.targets if isinstance(t, ast.Name))
    elif isinstance(node, ast.Call) and imported.dotted(node.func) == "setattr":
        if len(node.args) == 3:
            yield text_of(node.args[1]), node.args[2]
    elif isinstance(node, ast.Assign):
        yield from ((t.attr, node.value) for t in node.targets if isinstance(t, ast.Attribute))


def _constant_answer(method: ast.AST) -> bool | None:
    """What a comparison says whatever it is compared with; `None` when it looks."""
    if isinstance(method, ast.Lambda):
        returned: list[ast.expr | None] = [method.body]
    elif isinstance(method, ast.FunctionDef):
        returned = [n.value for n in ast.walk(method) if isinstance(n, ast.Return)]
    else:
        return None
    parameters = method.args
    own = {a.arg for a in (*parameters.posonlyargs, *parameters.args)[1:]}
    own |= {a.arg for a in (parameters.vararg,) if a}
    if any(isinstance(n, ast.Name) and n.id in own for n in ast.walk(method)):
        return None
    values = {_literal(value) for value in returned}
    return values.pop() if len(values) == 1 else None


def _literal(value: ast.expr | None) -> bool | None:
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not):
        inner = _literal(value.operand)
        return None if inner is None else not inner
    if isinstance(value, ast.Compare) and isinstance(value.left, ast.Constant):
        return True if isinstance(value.ops[0], ast.Eq | ast.Is) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, bool | int):
        return bool(value.value)
    return None
