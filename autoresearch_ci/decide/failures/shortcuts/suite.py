"""What the tests of one file check, and where a later version of it checks less.

Files are not compared but assertions: a test may be moved, reformatted and added to. Each assertion
of before must still be made, as often and under no more conditions. Reading a file of one language
is python_tests.py's and other_tests.py's business.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """One thing that makes a failure go away without mending it."""

    rule: str
    path: str
    line: int
    """In the new version; where something is gone, in the old one."""
    what: str

    def __str__(self) -> str:
        return (
            f"{self.path}:{self.line} {self.what} [{self.rule}]; "
            f"to allow it, name `{self.rule}:{self.path}` in fix.allow"
        )


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """One check, in a form that does not change with layout."""

    text: str
    """Normalised; numbers that are tolerances are left out."""
    line: int
    strength: int = 2
    """2: says what a value is; 1: says something of it; 0: nothing at all (`assert True`)."""
    tolerance: float | None = None
    """How far off it may be; `None`: not at all."""
    where: str = ""
    """Conditions and loops around it."""


@dataclass
class Test:
    """One test, or what lies outside of any under the name ``."""

    line: int
    assertions: list[Assertion] = field(default_factory=list)
    skipped: str = ""
    """What keeps it from running, or from mattering."""
    cases: Counter[str] = field(default_factory=Counter)
    """The rows of values that it runs with."""
    calls: Counter[str] = field(default_factory=Counter)
    """What it does beside its assertions."""
    exits: Counter[str] = field(default_factory=Counter)
    """How it may end before its last assertion."""
    mocks: Counter[str] = field(default_factory=Counter)
    timeout: float | None = None
    """Seconds, or whatever the language counts in."""


Suite = Mapping[str, Test]


def loosened(path: str, before: Suite, after: Suite, elsewhere: Suite) -> Iterator[Shortcut]:
    """Where `after` checks less than `before`; `elsewhere`: tests of the other changed files."""
    for name, old in before.items():
        new = after.get(name) or (elsewhere.get(name) if name else None)
        if new is None:
            if name or old.assertions:
                what = (
                    f"the test {name} is gone"
                    if name
                    else "what is checked beside the tests is gone"
                )
                yield Shortcut(rule="test-removed", path=path, line=old.line, what=what)
            continue
        yield from _less(path, name, old, new)
    known: Counter[str] = sum((test.mocks for test in before.values()), Counter())
    for name, test in after.items():
        for mock in test.mocks - known:
            what = f"{name or 'the file'} replaces what it tests: {mock}"
            yield Shortcut(rule="subject-mocked", path=path, line=test.line, what=what)


def _less(path: str, name: str, old: Test, new: Test) -> Iterator[Shortcut]:
    who = f"the test {name}" if name else "the file"

    def shortcut(rule: str, what: str, line: int = 0) -> Shortcut:
        return Shortcut(rule=rule, path=path, line=line or new.line, what=what)

    if new.skipped and new.skipped != old.skipped:
        yield shortcut("test-skipped", f"{who} does not run, or does not matter: {new.skipped}")
    for leaving in new.exits - old.exits:
        yield shortcut("test-skipped", f"{who} may end before it has checked: {leaving}")
    if rows := old.cases - new.cases:
        what = f"{who} runs without {rows.total()} of {old.cases.total()} cases: {_first(rows)}"
        yield shortcut("cases-removed", what)
    if calls := old.calls - new.calls:
        yield shortcut("subject-replaced", f"{who} no longer does: {_first(calls)}")
    if old.timeout is not None and (new.timeout is None or new.timeout > old.timeout):
        longer = "without a limit" if new.timeout is None else f"{new.timeout:g}"
        yield shortcut("timeout-raised", f"{who} may take longer: {old.timeout:g}, now {longer}")
    yield from _fewer(old.assertions, new.assertions, who, shortcut)


def _fewer(
    old: Sequence[Assertion],
    new: Sequence[Assertion],
    who: str,
    shortcut: Callable[[str, str, int], Shortcut],
) -> Iterator[Shortcut]:
    spare = list(new)
    missing = []
    for assertion in old:
        exact = [a for a in spare if (a.text, a.where) == (assertion.text, assertion.where)]
        if not exact:
            missing.append(assertion)
            continue
        # The tightest: each serves one.
        best = min(exact, key=lambda a: a.tolerance or 0.0)
        spare.remove(best)
        if (best.tolerance or 0.0) > (assertion.tolerance or 0.0):
            what = (
                f"{who} allows more: {assertion.tolerance or 0:g}, now {best.tolerance:g}: "
                f"{_shown(assertion.text)}"
            )
            yield shortcut("tolerance-widened", what, best.line)
    for assertion in missing:
        nearest = max(spare, key=lambda a: _alike(a.text, assertion.text), default=None)
        if nearest is None or _alike(nearest.text, assertion.text) < _RELATED:
            what = f"{who} no longer checks: {_shown(assertion.text)}"
            yield shortcut("assertion-removed", what, 0)
            continue
        spare.remove(nearest)
        told = f"{_shown(assertion.text)}, now: {_shown(nearest.text)}"
        if nearest.text == assertion.text:
            what = (
                f"{who} checks under another condition: {_shown(nearest.where) or 'none'}: {told}"
            )
            if not nearest.where:
                continue
            yield shortcut("assertion-weakened", what, nearest.line)
        elif nearest.strength < assertion.strength:
            yield shortcut("assertion-weakened", f"{who} checks less: {told}", nearest.line)
        else:
            yield shortcut(
                "assertion-changed", f"{who} expects something else: {told}", nearest.line
            )


_RELATED = 0.3
"""Share of words in common from which one assertion took another's place."""


def _alike(one: str, other: str) -> float:
    first, second = set(re.findall(r"\w+", one)), set(re.findall(r"\w+", other))
    return len(first & second) / max(1, min(len(first), len(second)))


def _first(found: Counter[str]) -> str:
    return _shown(next(iter(found)))


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:99]}…"
