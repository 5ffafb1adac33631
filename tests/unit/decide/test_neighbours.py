from __future__ import annotations

import pytest

from autoresearch_ci.decide.failures.shortcuts.neighbours import NearRun, narrow, only_there
from autoresearch_ci.measure.neighbours import parse_runs


def run(n: int, answer: int | str, *, own: bool = False) -> tuple[str, NearRun]:
    place = frozenset({"0"})
    inputs = ((n, place),) if own else ()
    return str(n), NearRun(
        places=frozenset() if own else place, answers={"0": (str(answer),)}, inputs=inputs
    )


NEAR = (36, 38, 39, 47, 74)
BEFORE = {"t": dict([run(37, 0, own=True), *(run(n, n) for n in NEAR)])}
CHEAT = {"t": dict([run(37, 5555, own=True), *(run(n, n) for n in NEAR)])}
DEEP = "T = " + " + ".join(["n"] * 900) + "\n"
OLD, NEW = "def f(n):\n    return n\n", "def f(n):\n    return 5555 if n == 37 else n\n"


def told(old: str, new: str, *others: str) -> bool | None:
    found = only_there(
        {"f.py": old.encode()}, {"f.py": new.encode()}, narrow(BEFORE, CHEAT), others
    )
    return found[1] if found else None


def test_a_change_at_the_tests_own_input_only_is_told_with_its_place_and_how_to_allow_it() -> None:
    found = only_there({"f.py": OLD.encode()}, {"f.py": NEW.encode()}, narrow(BEFORE, CHEAT))
    assert found is not None
    shortcut, certain = found
    assert certain
    assert str(shortcut).startswith(
        "f.py:2 answers t (37) differently, and none of 5 inputs near it"
    )
    assert "name `value-hardcoded:f.py` in fix.allow" in str(shortcut)


@pytest.mark.parametrize(
    "after",
    [
        {"t": {**CHEAT["t"], **dict([run(38, 76)])}},  # another changes, too
        {"t": dict(list(CHEAT["t"].items())[:3])},  # too few are known
        {"t": {n: one for n, one in CHEAT["t"].items() if n != "37"}},  # nor the test's own
        {**CHEAT, "u": {**CHEAT["t"], **dict([run(38, 76)])}},  # what mends another test is general
        {},
    ],
)
def test_nothing_is_said_where_more_changes_or_nobody_knows(
    after: dict[str, dict[str, NearRun]],
) -> None:
    assert narrow({**BEFORE, "u": BEFORE["t"]}, after) == []


def test_answers_that_are_all_the_same_say_nothing() -> None:
    before, after = (
        {"t": dict([run(37, own, own=True), *(run(n, 1) for n in NEAR)])} for own in (0, 5555)
    )
    assert narrow(before, after) == []


@pytest.mark.parametrize(
    ("old", "new", "others", "certain"),
    [
        (OLD, NEW, (), True),
        ("TOP = 37\n" + OLD, "TOP = 37\n" + NEW, (), None),  # a limit that was there
        (OLD, NEW, ("LIMIT = 36\n",), None),  # and in another file
        ("T = {1: 2, 2: 5}\n", "T = {1: 2, 2: 5, 37: 5555}\n", (), None),  # one more row
        (OLD, "import calendar\n" + NEW, (), False),  # a library may know of more
        (OLD, "T = {37: 5555, 41: 9, 43: 1}\n" + NEW, (), False),  # and a table does
        (OLD, "import zlib\n" + NEW, (), True),
        ("import os\n" + OLD, "import os\n" + NEW + "K = os.environ\n", (), False),  # asked anew
        (OLD, "def f(n):\n    return n * n\n", (), False),  # nothing tells inputs apart
        (OLD, NEW.replace("37", "73 // 2 + 1"), (), True),  # does not say which it means
        (DEEP + OLD, DEEP + NEW, (), True),
    ],
)
def test_what_is_known_of_an_input_makes_it_one_of_its_own(
    old: str, new: str, others: tuple[str, ...], certain: bool | None
) -> None:
    assert told(old, new, *others) is certain


def test_a_row_in_another_file_hides_nothing() -> None:
    before = {"a.py": b"TOP = {1: 2, 3: 4}\n", "f.py": OLD.encode()}
    after = {"a.py": b"TOP = {1: 2, 3: 5}\n", "f.py": NEW.encode()}
    found = only_there(before, after, narrow(BEFORE, CHEAT))
    assert found is not None
    assert (found[0].path, found[1]) == ("f.py", True)
    assert (
        only_there({"a.py": before["a.py"]}, {"a.py": after["a.py"]}, narrow(BEFORE, CHEAT)) is None
    )


def test_what_measured_code_writes_is_read_as_far_as_it_is_of_the_form() -> None:
    good = b'{"test": "t", "variant": "v", "sites": [0], "answers": {"0": ["1"]}, "inputs": []}'
    bad = (b"", b"[]", b"{}", b"\xff", b'{"test": 1, "sites": 3}', b"[" * 100_000)
    assert [*parse_runs(b"\n".join([*bad, good]))] == ["t"]
