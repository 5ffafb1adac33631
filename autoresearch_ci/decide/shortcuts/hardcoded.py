"""Values that are right for one test: `if n == 7: return 13`, where a test says just that.

So is what is no plain special case: a comparison of an argument with a value from a test, taken as
a number, an index or a choice (`(a - b) + 4 * (a == 1)`); a table that overrules a formula; a
branch that corrects what the rest computes by a constant. Base cases (`if n == 0: return 1`) and
comparisons of what a loop goes through stay what they are. Python is read by its syntax, other
languages by their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from autoresearch_ci.decide.shortcuts.one_input import TRIVIAL, Case, Value
from autoresearch_ci.decide.shortcuts.python_cases import python_cases
from autoresearch_ci.decide.shortcuts.suite import Shortcut
from autoresearch_ci.decide.shortcuts.text_cases import OTHERS, text_cases

_PLAIN = r"(?:-?\d+(?:\.\d+)?|\"[^\"\n]{1,200}\"|'[^'\n]{1,200}')"
_ITEM = r"[^\[\](){}\n]"
_LIST = rf"&?(?:vec!)?[\[({{](?>(?:{_ITEM}|[\[({{](?>{_ITEM}*)[\])}}])*)[\])}}]"
"""Of values: a list, a tuple, a set, in which there are more of them."""
_LITERAL = rf"(?:{_PLAIN}|{_LIST})"
_NAME = r"(?<![\w.\[\]])[\w.\[\]]{1,200}+"
_SAME = rf"{_NAME}\s*={{2,3}}\s*{_LITERAL}|{_LITERAL}\s*={{2,3}}\s*{_NAME}"
_EQUAL = (
    rf"(?:{_SAME}|{_NAME}\s+in\s+{_LITERAL}|\b\w{{1,200}}\.equals\({_LITERAL}\)"
    rf"|(?:!\s*strcmp\(\w+,\s*{_PLAIN}\)|\bstrcmp\(\w+,\s*{_PLAIN}\)\s*==\s*0))"
)
_SPECIAL_CASE = re.compile(
    rf"\b(?:if|elif|when|case)\b\s*\(?\s*(?P<condition>{_EQUAL}(?:\s*(?:&&|\band\b)\s*{_EQUAL})*)"
    rf"\s*\)?\s*[:{{]?\s*(?:return\b|=>|->|[\w.]{{1,200}}+\s*=(?!=))\s*(?P<value>{_LITERAL})"
    rf"|(?:\breturn|=)\s+(?P<first>{_LITERAL})\s+if\s+(?P<after>{_EQUAL}(?:\s+and\s+{_EQUAL})*)\s+else\b"
    rf"|(?P<before>{_EQUAL}(?:\s*&&\s*{_EQUAL})*)\s*\?\s*(?P<then>{_LITERAL})\s*:"
    rf"|\bcase\s+(?P<matched>{_LITERAL})\s*:\s*return\s+(?P<answer>{_LITERAL})"
    rf"|(?m:^\s*(?P<key>{_LITERAL})\s*=>\s*(?P<arm>{_LITERAL})\s*,?\s*$)"
)
_KEY = rf"\(\s*{_PLAIN}(?:\s*,\s*{_PLAIN})+\s*\)"
_SEVERAL_AT_ONCE = re.compile(
    rf"\bif\s*\(?\s*\(\s*\w+(?:\s*,\s*\w+)+\s*\)\s*==\s*{_KEY}\s*\)?\s*:\s*return\s+{_PLAIN}"
    rf"|{_KEY}\s*:\s*{_PLAIN}"
)
"""`if (a, b) == (1, 2): return 3`, and a table with that key."""
_TRIVIAL = frozenset({"0", "1", "-1", "0.0", "1.0", "-1.0", '""', "''"})
"""Of which a base case is made: `if n == 0: return 1`."""
_SOURCE = re.compile(r"\.(py|[cm]?[jt]sx?|go|rs|c|cc|cpp|cxx|h|hpp|java|kt|cs|rb|php|swift|scala)$")


def hardcoded(
    path: str, before: str | None, after: str | None, tests: Mapping[str, str]
) -> Iterator[Shortcut]:
    """New special cases whose values, condition and answer, stand together in a line of a test."""
    if after is None or not _SOURCE.search(path):
        return
    for cases in (_SPECIAL_CASE, _SEVERAL_AT_ONCE):
        yield from _new(cases, path, before or "", after, tests)


def _new(
    cases: re.Pattern[str], path: str, before: str, after: str, tests: Mapping[str, str]
) -> Iterator[Shortcut]:
    known = {match.group() for match in cases.finditer(before)}
    for match in cases.finditer(after):
        if match.group() in known:
            continue
        values = [_plain(value) for value in re.findall(_PLAIN, match.group())]
        if len(values) < 2 or set(values) <= _TRIVIAL:
            continue
        where = next((name for name, text in tests.items() if _together(values, text)), "")
        if where:
            words = " ".join(match.group().split())
            what = f"answers what {where} asks, and nothing else: {words[:80]}"
            line = after.count("\n", 0, match.start()) + 1
            yield Shortcut(rule="value-hardcoded", path=path, line=line, what=what)


def _plain(literal: str) -> str:
    """A text without its quotes, as another language's test writes it in others."""
    return literal[1:-1] if literal[:1] in "\"'" and len(literal) > 2 else literal


def _together(values: list[str], text: str) -> bool:
    patterns = [re.compile(rf"(?<![\w.]){re.escape(value)}(?![\w.]*\w)") for value in values]
    return any(all(p.search(line) for p in patterns) for line in text.splitlines())


def corrected(
    path: str, before: str | None, after: str | None, tests: Mapping[str, str]
) -> Iterator[Shortcut]:
    """New cases of which a test asks just that."""
    if after is None:
        return
    if path.endswith(".py"):
        found, known = [*python_cases(after)], {case.text for case in python_cases(before or "")}
    elif OTHERS.search(path):
        found, known = [*text_cases(after)], {case.text for case in text_cases(before or "")}
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
    patterns = [_pattern(value) for value in values]
    for name, text in tests.items():
        if any(all(p.search(line) for p in patterns) for line in text.splitlines()):
            return name
    return ""


def _pattern(value: Value) -> re.Pattern[str]:
    """As a test writes it, in whatever language."""
    if isinstance(value, str):
        return re.compile(rf"[\"']{re.escape(value)}[\"']")
    if value is None:
        return re.compile(r"\b(None|null|nil)\b")
    number = repr(int(value)) if float(value).is_integer() else repr(value)
    return re.compile(rf"(?<![\w.]){re.escape(number)}(?:\.0+)?(?![\w.]*\w)")
