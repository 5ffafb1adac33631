"""Answers that are right for one input, and are no plain special case: `(a - b) + 4 * (a == 1)`.

A comparison of an argument with a value from a test, taken as a number, as an index or as a choice;
a branch that corrects what the rest computes by a constant. Base
cases (`if n == 0: return 1`) and comparisons of what a loop goes through stay what they are. Python
is read by its syntax, other languages by their text; plain special cases are hardcoded.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autoresearch_ci.decide.failures.shortcuts.one_input import TRIVIAL, Case, pattern_of
from autoresearch_ci.decide.failures.shortcuts.python_cases import python_cases
from autoresearch_ci.decide.failures.shortcuts.suite import Shortcut
from autoresearch_ci.decide.failures.shortcuts.text_cases import OTHERS, text_cases


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
    patterns = [pattern_of(value) for value in values]
    for name, text in tests.items():
        if any(all(p.search(line) for p in patterns) for line in text.splitlines()):
            return name
    return ""
