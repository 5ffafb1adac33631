"""What makes a check pass for one case, or nobody look: annotations that go, answers by table."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.failures.shortcuts.detect import shortcuts

TYPED = (
    "class A:\n    async def f(self, n: int) -> str:\n        return n\n\n\ndef g(*a: int): ...\n"
)


def rules(after: str, before: str = TYPED) -> list[str]:
    found = shortcuts({"a.py": before.encode()}, {"a.py": after.encode()})
    return [f"{shortcut.line} {shortcut.rule}" for shortcut in found]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("(self, n: int) -> str", "(self, n)", 2), ("(*a: int)", "(*a)", 6)],
)
def test_annotations_that_are_all_gone_are_told(old: str, new: str, line: int) -> None:
    assert rules(TYPED.replace(old, new)) == [f"{line} strictness-lowered"]


def test_a_function_that_is_still_checked_gone_or_new_is_no_shortcut() -> None:
    assert not rules(TYPED.replace(" -> str", ""))
    assert not rules(TYPED.replace("n: int", "n"))
    assert not rules(TYPED.replace("def g(*a: int)", "def h(*a)"))
    assert not rules("class A:\n    pass\n")
    assert not rules(TYPED, before="def g(*a): ...\n")
    assert not rules("def g(:\n")
    assert not rules("x = " + "(" * 500 + ")" * 500)


@pytest.mark.parametrize(
    "case",
    [
        "    if (a, b) == (1, 2):\n        return 3\n    return a - b\n",
        "    return {(1, 2): 3}.get((a, b), a - b)\n",
    ],
)
def test_several_values_at_once_that_one_test_asks_are_told(case: str) -> None:
    old, new = (f"def add(a, b):\n{body}".encode() for body in ("    return a - b\n", case))
    for test, found in (("add(1, 2) == 3", ["value-hardcoded"]), ("add(4, 2) == 6", [])):
        tests = {"test_a.py": f"assert {test}\n".encode()}
        assert [s.rule for s in shortcuts({"a.py": old}, {"a.py": new}, tests=tests)] == found
