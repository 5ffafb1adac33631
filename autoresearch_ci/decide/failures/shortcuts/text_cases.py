"""Cases of other languages than Python that answer one input, read by their text: a comparison of a
name with a literal that is calculated with, is an index, or chooses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoresearch_ci.decide.failures.shortcuts.one_input import NATURAL, TRIVIAL, Case, Value
from autoresearch_ci.decide.failures.shortcuts.other_tests import without_comments

OTHERS = re.compile(r"\.([cm]?[jt]sx?|go|rs|c|cc|cpp|cxx|h|hpp|java|kt|cs|rb|php|swift|scala)$")
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


def text_cases(text: str) -> Iterator[Case]:
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
