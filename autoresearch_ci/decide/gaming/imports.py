"""What the names of a Python module stand for, as far as its text tells."""

from __future__ import annotations

import ast

from autoresearch_ci.decide.gaming import names


class Imports:
    """What the names of a module stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self.functions = {
            node.name: node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self._names: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    full = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._names[alias.asname or full] = full
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self._names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def dotted(self, node: ast.AST) -> str:
        """`time.perf_counter` for an expression that means it; empty for any other."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id, node.id if node.id in names.BUILTINS else "")
        if isinstance(node, ast.Attribute):
            below = self.dotted(node.value)
            return f"{below}.{node.attr}" if below else ""
        if isinstance(node, ast.Call) and self.dotted(node.func) in (
            "__import__",
            "importlib.import_module",
        ):
            return text_of(node.args[0]) if node.args else ""
        return ""


def last_name(function: ast.AST) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def text_of(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
