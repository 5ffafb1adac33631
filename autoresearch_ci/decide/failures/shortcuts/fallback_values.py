"""A value that a test expects, given as the answer wherever something fails: `except KeyError:
return 512`.

Such an answer may be a default that the test is there for, and it may be what hides that nothing
was mended. It is certainly the latter where the test gives the code that very value to find, and
where what is caught is a mistake in the code. Else a person has to look.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autoresearch_ci.decide.failures.shortcuts.compared_arguments import constants
from autoresearch_ci.decide.failures.shortcuts.one_input import (
    TRIVIAL,
    Value,
    expected,
    pattern_of,
)
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.decide.python_syntax import parsed

_MISTAKES = frozenset({"NameError", "UnboundLocalError", "AssertionError", "NotImplementedError"})
"""What only code that is wrong raises."""
_LITERAL = r"(-?\d+(?:\.\d+)?|\"[^\"\\\n]{1,200}\"|'[^'\\\n]{1,200}')"
_BRACES = rf"\bcatch\s*(?:\([^()]*\))?\s*\{{[^{{}}]*?\breturn\s+{_LITERAL}\s*;?\s*\}}"
_OTHERS = {
    r"\.([cm]?[jt]sx?|java|kt|scala|cs|php|swift)$": _BRACES,
    r"\.go$": rf"\bif\s+err\s*!=\s*nil\s*\{{\s*return\s+{_LITERAL}\s*(?:,\s*nil)?\s*\}}",
    r"\.rs$": rf"\.unwrap_or\(\s*{_LITERAL}\s*\)|\bErr\(\w+\)\s*=>\s*{_LITERAL}",
    r"\.rb$": rf"\brescue\b[^\n]{{0,200}}\n\s*(?:return\s+)?{_LITERAL}\s*$",
}
"""How other languages answer an error with a literal, by the names of files."""


@dataclass(frozen=True, kw_only=True)
class _Fallback:
    line: int
    words: str
    """What makes two of them the same."""
    values: tuple[Value, ...]
    caught: frozenset[str] = frozenset()


def fallback_values(
    path: str, before: str | None, after: str | None, tests: Mapping[str, str]
) -> Iterator[tuple[Shortcut, bool]]:
    """New answers to an error that a test expects, and whether they are certainly a shortcut."""
    known = {fallback.words for fallback in _fallbacks(path, before or "")}
    for fallback in _fallbacks(path, after or ""):
        values = [value for value in fallback.values if value not in TRIVIAL]
        if not values or fallback.words in known:
            continue
        if not (asking := expected(values, tests)):
            continue
        given = next((n for n in asking if all(_given(v, n, tests[n]) for v in values)), "")
        why = f"answers what {given or asking[0]} asks wherever it fails"
        if given:
            why += ", though the test gives it that to find"
        what = f"{why}: {fallback.words[:80]}"
        shortcut = Shortcut(rule="value-hardcoded", path=path, line=fallback.line, what=what)
        yield shortcut, bool(given) or bool(fallback.caught & _MISTAKES)


def _fallbacks(path: str, text: str) -> Iterator[_Fallback]:
    if path.endswith(".py"):
        yield from _of_python(text)
        return
    for files, pattern in _OTHERS.items():
        if not re.search(files, path):
            continue
        for match in re.finditer(pattern, text, re.MULTILINE):
            told = next(filter(None, match.groups()))
            yield _Fallback(
                line=text.count("\n", 0, match.start()) + 1,
                words=" ".join(match[0].split()),
                values=(ast.literal_eval(told),),
            )


def _of_python(text: str) -> Iterator[_Fallback]:
    for handler in (node for node in _nodes(text) if isinstance(node, ast.ExceptHandler)):
        last = handler.body[-1]
        answer = last.value if isinstance(last, ast.Return | ast.Assign) else None
        values = constants(answer) if answer else ()
        if values:
            caught = handler.type
            parts = caught.elts if isinstance(caught, ast.Tuple) else [caught] if caught else []
            yield _Fallback(
                line=last.lineno,
                words=" ".join(ast.unparse(handler).split()),
                values=values,
                caught=frozenset(ast.unparse(part).rpartition(".")[2] for part in parts),
            )


def _nodes(text: str) -> Iterator[ast.AST]:
    tree = parsed(text)
    return ast.walk(tree) if tree else iter(())


def _given(value: Value, path: str, text: str) -> bool:
    """Whether a test that expects it also hands it over."""
    if not path.endswith(".py"):
        pattern = pattern_of(value)
        return any(len(pattern.findall(line)) > 1 for line in text.splitlines())
    tests = (n for n in _nodes(text) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(_hands_over(test, value) for test in tests)


def _hands_over(test: ast.FunctionDef | ast.AsyncFunctionDef, value: Value) -> bool:
    body = [node for part in test.body for node in ast.walk(part)]
    asked = {id(node) for part in body for node in _wanted(part)}
    same = [node for node in body if _is(node, value)]
    wanted = [node for node in same if id(node) in asked]
    if wanted and len(same) > len(wanted):
        return True
    # Of a case in a table, the last value is what is expected.
    inside = (node for part in test.decorator_list for node in ast.walk(part))
    rows = (node.elts for node in inside if isinstance(node, ast.Tuple) and node.elts)
    return any(
        _is(row[-1], value) and any(_is(n, value) for part in row[:-1] for n in ast.walk(part))
        for row in rows
    )


def _wanted(node: ast.AST) -> Iterator[ast.AST]:
    """The sides of a comparison, and arguments of an assertion, that are values themselves."""
    sides: list[ast.expr] = []
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
    elif isinstance(node, ast.Call) and "assert" in ast.unparse(node.func).lower():
        sides = node.args
    for side in sides:
        if constants(side):
            yield from ast.walk(side)


def _is(node: ast.AST, value: Value) -> bool:
    if not isinstance(node, ast.Constant):
        return False
    return type(node.value) is type(value) and node.value == value
