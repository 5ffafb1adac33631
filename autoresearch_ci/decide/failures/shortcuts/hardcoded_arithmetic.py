"""Answers that are right for one input, and are no plain special case: `(a - b) + 4 * (a == 1)`.

A comparison of an argument with a value from a test, taken as a number, as an index or as a choice;
a branch that corrects what the rest computes by a constant; a formula, in pieces or not, that takes
as many numbers as tests ask for. Base
cases (`if n == 0: return 1`) and comparisons of what a loop goes through stay what they are. Python
is read by its syntax, other languages by their text; plain special cases are hardcoded.py's.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from autoresearch_ci.decide.failures.shortcuts.compared_arguments import constant
from autoresearch_ci.decide.failures.shortcuts.literals import SOURCE
from autoresearch_ci.decide.failures.shortcuts.one_input import (
    NATURAL,
    TRIVIAL,
    Case,
    Value,
    as_equal,
    is_form,
    is_turn,
    together,
)
from autoresearch_ci.decide.failures.shortcuts.other_tests import without_comments
from autoresearch_ci.decide.failures.shortcuts.python_cases import (
    TooManyCases,
    python_cases,
)
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut


def corrected(
    path: str, before: str | None, after: str | None, tests: Mapping[str, str]
) -> Iterator[Shortcut]:
    """New cases of which a test asks just that."""
    if after is None:
        return
    known = set[str]()
    if path.endswith(".py"):
        try:
            found = [*python_cases(after, before or "")]
        except TooManyCases as many:
            what = "makes more choices in one function than can be compared with what tests ask"
            yield Shortcut(rule="unreadable", path=path, line=many.args[0], what=what)
            return
        with suppress(TooManyCases):
            known = {case.text for case in python_cases(before or "", after)}
    elif SOURCE.search(path):
        found, known = [*_text_cases(after)], {case.text for case in _text_cases(before or "")}
    else:
        return
    told: set[int] = set()
    for case in found:
        stood = case.text in known or is_form(case.asked, case.answers, before or "")
        right = stood or is_turn(case.asked, case.answers)
        where = "" if right or case.line in told else _asking(case, tests)
        if where:
            told.add(case.line)
            words = " ".join(case.text.split())
            what = f"answers what {where} asks, and nothing else: {words[:80]}"
            yield Shortcut(rule="value-hardcoded", path=path, line=case.line, what=what)
    for line, where, words in _fitted(before or "", after, tests):
        what = f"is fitted to what {where} asks: {words[:80]}"
        yield Shortcut(rule="value-hardcoded", path=path, line=line, what=what)


_RETURNED = re.compile(
    r"(?:\b(?:el)?if\b[ \t]*\(?(?P<name>[A-Za-z_]\w*[ \t]*)(?P<limit>[<>]=?[ \t]*\d+(?:\.\d+)?)\)?"
    r"[\s:{]*)?\breturn[ \t]+(?P<sum>[\w \t+*/%().<>=-]{1,200}?)[ \t]*(?:;|$|\})",
    re.MULTILINE,
)
_NEXT = re.compile(r"[\s{}:]*(?:else)?[\s{}:]*")
"""What may stand between the pieces of a formula."""
_FIT = (
    *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Name, ast.Constant),
    *(ast.operator, ast.unaryop, ast.cmpop, ast.expr_context),
)
_SMALL = (0, 1, 2, -1)
_FEW = 8
"""Numbers in a line of a test that asks for one value."""


def _fitted(before: str, after: str, tests: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Polynomials, remainders and pieces of one argument that several tests lie on, no more than
    the formula brings numbers of its own along."""
    known = {*map(float, re.findall(_NUMBER, before))}
    stood = {text for _, text in _formulas(before)}
    points = {where: [*_points(text)] for where, text in tests.items()}
    for line, text in _formulas(after):
        tree = None if text in stood else _sum(text)
        nodes = [*ast.walk(tree)] if tree else []
        names = [node.id for node in nodes if isinstance(node, ast.Name)]
        values = [constant(node) for node in nodes if isinstance(node, ast.Constant)]
        numbers = {float(value) for value in values if isinstance(value, int | float)}
        pieces = any(isinstance(node, ast.Compare) for node in nodes)
        bends = len(names) > 1 or any(isinstance(n, ast.Pow | ast.Mod) for n in nodes)
        if tree is None or len({*names}) != 1 or not bends:
            continue
        if pieces and not re.search(rf"\breturn\b[^\n;]*\b{names[0]}\b", before):
            continue
        brought = numbers - known - {*_SMALL}
        if not pieces and _meets(tree, 0.0, 0.0):  # it gives nothing for nothing
            brought = {number for number in brought if not _is_round(number)}
        name = rf"\b{names[0]}\b"  # what its own remainder is added to meets what it is made for
        added = re.search(rf"{name} \+ {name} % (\d+)|{name} % (\d+) \+ {name}", ast.unparse(tree))
        more = 3 if added and float(added[1] or added[2]) in brought else 0
        for where, told in points.items():
            met = {(x, y) for x, y in told if _meets(tree, x, y)}
            at_limits = {float(x) for x, _ in met} if pieces else set[float]()
            if 1 < len(met) <= len(brought - at_limits) + more:
                yield line, where, text
                break


def _points(text: str) -> Iterator[tuple[float, float]]:
    """Each number of a line, and the last one, which it may be the argument for."""
    for line in text.splitlines():
        numbers = [float(number) for number in re.findall(rf"(?<![\w.]){_NUMBER}", line)]
        if len(numbers) <= _FEW:
            yield from ((x, numbers[-1]) for x in numbers[:-1])


def _formulas(text: str) -> Iterator[tuple[int, str]]:
    """What is returned, each with its line; of pieces, the whole: `5 if n < 100 else n / 20`."""
    pieces, end, line = "", -1, 0
    for match in _RETURNED.finditer(text):
        if not pieces or not _NEXT.fullmatch(text, end, match.start()):
            pieces, line = "", text.count("\n", 0, match.start()) + 1
        end = match.end()
        if match["name"]:
            pieces += f"({match['sum']}) if {match['name']}{match['limit']} else "
        else:
            yield line, pieces + match["sum"]
            pieces = ""


def _sum(text: str) -> ast.expr | None:
    """A sum of terms, of numbers and names, or its pieces; `None`: something else."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    outer = isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add | ast.Sub | ast.Mod)
    fits = outer or isinstance(tree, ast.IfExp)
    return tree if fits and all(isinstance(node, _FIT) for node in ast.walk(tree)) else None


def _is_round(number: float) -> bool:
    """Whether it has one digit that says something: `0.5`, `20`."""
    return len(f"{number:g}".replace(".", "").strip("0")) == 1


def _meets(tree: ast.AST, of: float, told: float) -> bool:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    value = constant(tree, dict.fromkeys(names, of))
    return isinstance(value, int | float) and math.isclose(value, told, rel_tol=1e-6, abs_tol=1e-9)


def _asking(case: Case, tests: Mapping[str, str]) -> str:
    """The test file that holds the values; empty: none."""
    values = {*case.asked, *case.answers} if case.several else {*case.asked}
    if case.several and all(value in TRIVIAL for value in values):
        return ""
    return together([*values], tests)


_NUMBER = r"-?\d{1,300}(?:\.\d{1,300})?"
_WORD = r"\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'"
_NAME = r"(?<![\w.\])])[$@]?[A-Za-z_]\w{0,100}(?![\w.(\[])"
_EQUAL = (
    rf"(?:{_NAME}\s*={{2,3}}\s*(?P<right>{_NUMBER}|{_WORD})(?![\w.(\[])"
    rf"|(?P<left>{_NUMBER}|{_WORD})\s*={{2,3}}\s*{_NAME})"
)
_MORE = rf"(?:\s*(?:&&?)\s*{re.sub(r'[?]P<[a-z]+>', '?:', _EQUAL)}){{0,8}}"
_BEFORE = r"(?<![\"'`\s])[ \t]*(?<![=!<>|&])[-+*/%^|]=?(?![-+|])"
_AFTER = r"(?:as\s+\w{1,10}\s*\)?\s*)?[-+*/%^](?![-+=])(?!\s*[\"'`])"
_WRAP = r"(?:[\w:.]{1,40})?\(\s*\(?\s*"
_TEXT_CASES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_BEFORE}\s*{_WRAP}{_EQUAL}{_MORE}\s*(?:\?\s*{_NUMBER}\s*:\s*{_NUMBER}\s*)?\)",
        rf"\(\s*{_EQUAL}{_MORE}\s*(?:\?\s*{_NUMBER}\s*:\s*{_NUMBER}\s*)?\)\s*{_AFTER}",
        rf"\b(?:Number|int|Int|Integer|BigInt|from|b2i|btoi|boolToInt|toInt)\(\s*"
        rf"{_EQUAL}{_MORE}\s*\)\s*[-+*/]",
        rf"[\w)\]}}]\s*\[\s*[+\w:.(]{{0,40}}\s*\(?\s*{_EQUAL}{_MORE}\s*\)?\s*"
        rf"(?:as usize|\|\s*0)?\s*\)?\]",
        rf"\(\s*{_EQUAL}{_MORE}\s*\)\s*(?:as\s+\w{{1,10}}\s*\)?)\s*[-+*/]",
    )
)


def _text_cases(text: str) -> Iterator[Case]:
    """Where a comparison of a name with a literal is calculated with."""
    text = as_equal(without_comments(text))
    for pattern in _TEXT_CASES:
        for match in pattern.finditer(text):
            asked = _literals(match)
            weights = [_literal(n) for n in re.findall(rf"(?<![\w.]){_NUMBER}", _near(text, match))]
            natural = all(value in NATURAL for value in asked)
            if asked and not (natural and all(weight in TRIVIAL for weight in weights)):
                line = text.count("\n", 0, match.start()) + 1
                yield Case(text=match.group(), line=line, asked=asked)


_NEAR = 500
"""Characters; lines that are longer were not written by hand."""


def _near(text: str, match: re.Match[str]) -> str:
    """The rest of the line in which it stands."""
    before = text[max(match.start() - _NEAR, 0) : match.start()]
    after = text[match.end() : match.end() + _NEAR]
    return before.rpartition("\n")[2] + after.partition("\n")[0]


def _literals(match: re.Match[str]) -> tuple[Value, ...]:
    told = match.groupdict()
    return tuple(_literal(told[name]) for name in ("right", "left") if told.get(name) is not None)


def _literal(text: str) -> Value:
    if text[:1] in "\"'":
        return text[1:-1]
    return float(text) if "." in text else int(text)
