"""A function whose annotations are all gone is not checked any more, and that mends nothing."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.shortcuts.detect import shortcuts

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
