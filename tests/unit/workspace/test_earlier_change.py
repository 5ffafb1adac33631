"""Whether an edit is an earlier change again, and that change on other code."""

from __future__ import annotations

import pytest

from autoresearch_ci.experiment import FileEdit
from autoresearch_ci.workspace.earlier_change import EarlierChange, again, is_again

OLD = "a = 1\nrate = 2\nb = 1\n"
NEW = "a = 1\nrate = 3\nb = 1\n"


def change(**files: tuple[str | None, str | None]) -> EarlierChange:
    return EarlierChange(commit="c" * 40, description="", files=files)


ONE = change(f=(OLD, NEW))


def repeated(before: str | None, after: str | None, of: EarlierChange = ONE) -> bool:
    old, new = (None if text is None else text.encode() for text in (before, after))
    return is_again(of, {"f": old}, {"f": new})


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (OLD, NEW, True),
        ("x\nrate = 9\ny\n", "x\nrate = 3\ny\n", True),  # wherever it starts from
        ("def f():\n  rate = 9\n", "def f():\n  rate = 3\n", True),
        (OLD, OLD.replace("2", "4"), False),
        (OLD, NEW.replace("a = 1", "a = 2"), False),  # more than that
        (NEW, OLD, False),
        (None, "rate = 3\n", True),
        (OLD, None, False),
    ],
)
def test_a_change_is_known_by_the_lines_that_it_writes(
    before: str | None, after: str | None, same: bool
) -> None:
    assert repeated(before, after) is same


def test_a_change_that_only_takes_away_is_known_by_what_it_takes() -> None:
    less = change(f=("a\nb\nc\n", "a\nc\n"))
    assert repeated("b\nc\n", "c\n", less)
    assert not repeated("a\nb\nc\n", "a\nb\n", less)


def test_another_file_is_another_change() -> None:
    assert not is_again(ONE, {"g": OLD.encode()}, {"g": NEW.encode()})
    both = {"f": OLD.encode(), "g": b""}
    assert not is_again(ONE, both, {"f": NEW.encode(), "g": b"more"})


def test_moving_lines_about_is_never_an_earlier_change() -> None:
    moved = change(f=("a\nb\n", "b\na\n"))
    assert not repeated("a\nb\n", "b\na\n", moved)
    assert not repeated("x\ny\n", "y\nx\n", moved)


def made(of: EarlierChange, now: str | None) -> str | None:
    edits = again(of, lambda path: None if now is None else now.encode())
    assert edits is None or len(edits) == 1
    return edits[0].content.decode() if edits and edits[0].content is not None else None


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (OLD, NEW),
        ("first\n" + OLD.replace("a = 1", "a = 7"), "first\n" + NEW.replace("a = 1", "a = 7")),
        ("rate = 5\n", None),
        (None, None),
        ("rate = 2\nrate = 2\n", None),  # which?
        ("rate = 2\nb = 1\na = 1\nrate = 2\nb = 1\n", "rate = 2\nb = 1\n" + NEW),
    ],
)
def test_it_is_made_where_it_fits_and_nowhere_else(now: str | None, then: str | None) -> None:
    assert made(ONE, now) == then


def test_lines_are_added_behind_those_that_they_followed() -> None:
    more = change(f=("a\nb\nc\n", "a\nb\nnew\nc\n"))
    assert made(more, "0\na\nb\nc\nd\n") == "0\na\nb\nnew\nc\nd\n"


def test_files_come_and_go() -> None:
    assert again(change(new=(None, "x\n")), lambda _: None) == (
        FileEdit(path="new", content=b"x\n"),
    )
    assert again(change(new=(None, "x\n")), lambda _: b"x\n") == ()
    assert again(change(new=(None, "x\n")), lambda _: b"y\n") is None
    assert again(change(old=("x\n", None)), lambda _: b"x\n") == (
        FileEdit(path="old", content=None),
    )
