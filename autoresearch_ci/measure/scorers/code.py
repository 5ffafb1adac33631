"""Numbers about source files that need no run of them: docstrings, marks such as TODO."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Documented:
    """How many public names of Python files say what they are."""

    documented: int
    total: int

    @property
    def percent(self) -> float:
        return 100.0 * self.documented / self.total if self.total else 100.0


def documented(sources: Sequence[str]) -> Documented:
    """Modules, classes and functions without `_` in front. Raises `SyntaxError`."""
    told = [bool(ast.get_docstring(node)) for text in sources for node in _public(ast.parse(text))]
    return Documented(documented=sum(told), total=len(told))


_Described = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _public(node: _Described) -> Iterator[_Described]:
    yield node
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if inner.name.startswith("_"):
                continue
            if isinstance(inner, ast.ClassDef):
                yield from _public(inner)
            else:
                yield inner


def marks(text: str, words: Sequence[str]) -> int:
    """How often one of the words stands in the text, written exactly so."""
    return sum(len(re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", text)) for word in words)
