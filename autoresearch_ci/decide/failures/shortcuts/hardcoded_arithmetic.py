"""Answers that are right for one input, and are no plain special case: `(a - b) + 4 * (a == 1)`.

A comparison of an argument with a value from a test, taken as a number, as an index or as a choice;
a branch that corrects what the rest computes by a constant. Base
cases (`if n == 0: return 1`) and comparisons of what a loop goes through stay what they are. Python
is read by its syntax, other languages by their text; plain special cases are hardcoded.py's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from autoresearch_ci.decide.failures.shortcuts.one_input import (
    NATURAL,
    TRIVIAL,
    Case,
    Value,
    pattern_of,
)
from autoresearch_ci.decide.failures.shortcuts.other_tests import without_comments
from autoresearch_ci.decide.failures.shortcuts.python_cases import python_cases
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut


def corrected(
    path: str, before: str | None, after: str | None, tests: Mapping[str, str]
) -> Iterator[Shortcut]:
    """New cases of which a test asks just that."""
    if after is None:
        return
    if path.endswith(".py"):
        found, known = [*python_cases(after)], {case.text for case in python_cases(before or "")}
    elif _OTHERS.search(path):
        found, known = [*_text_cases(after)], {case.text for case in _text_cases(before or "")}
    else:
        return
    told: set[int] = set()
    for case in found:
        where = "" if case.text in known or case.line in told else _asking(case, tests)
        if where:
            told.add(case.line)
            words = " ".join(case.text.split())
            what = f"answers what {where} asks, and nothing else: {words[:80]}"
            yield Shortcut(rule="value-hardcoded", path=path, line=case.line, what=what)


def _asking(case: Case, tests: Mapping[str, str]) -> str:
    """The test file that holds the values; empty: none."""
    values = {*case.asked, *case.answers} if case.several else {*case.asked}
    if case.several and all(value in TRIVIAL for value in values):
        return ""
    patterns = [pattern_of(value) for value in values]
    for name, text in tests.items():
        if any(all(p.search(line) for p in patterns) for line in text.splitlines()):
            return name
    return ""


_OTHERS = re.compile(r"\.([cm]?[jt]sx?|go|rs|c|cc|cpp|cxx|h|hpp|java|kt|cs|rb|php|swift|scala)$")
_NUMBER = r"-?\d+(?:\.\d+)?"
_WORD = r"\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'"
_NAME = r"(?<![\w.\])])[$@]?[A-Za-z_]\w{0,100}(?![\w.(\[])"
_EQUAL = (
    rf"(?:{_NAME}\s*={{2,3}}\s*(?P<right>{_NUMBER}|{_WORD})(?![\w.(\[])"
    rf"|(?P<left>{_NUMBER}|{_WORD})\s*={{2,3}}\s*{_NAME}"
    rf"|!\s*\(\s*{_NAME}\s*[-^]\s*(?P<apart>{_NUMBER})\s*\))"
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
        rf"{_BEFORE}\s*(?P<bare>!)\(\s*{_NAME}\s*[-^]\s*(?P<only>{_NUMBER})\s*\)",
        rf"[\w)\]}}]\s*\[\s*[+\w:.(]{{0,40}}\s*\(?\s*{_EQUAL}{_MORE}\s*\)?\s*"
        rf"(?:as usize|\|\s*0)?\s*\)?\]",
        rf"\(\s*{_EQUAL}{_MORE}\s*\)\s*(?:as\s+\w{{1,10}}\s*\)?)\s*[-+*/]",
    )
)


def _text_cases(text: str) -> Iterator[Case]:
    """Where a comparison of a name with a literal is calculated with."""
    text = without_comments(text)
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
    names = ("right", "left", "apart", "only")
    return tuple(_literal(told[name]) for name in names if told.get(name) is not None)


def _literal(text: str) -> Value:
    if text[:1] in "\"'":
        return text[1:-1]
    return float(text) if "." in text else int(text)
