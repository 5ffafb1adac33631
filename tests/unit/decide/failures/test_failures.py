"""A failure keeps its id while the code around it moves, and has another when it is another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.decide.failures.failure import (
    Category,
    Diagnosis,
    Problem,
    asked_for,
    counts,
    essence,
    identified,
    ordered,
    ranked,
    summary,
)


def problem(message: str = "it is wrong", **rest: object) -> Problem:
    values = {"category": Category.LINT, "path": "a.py", "line": 1, "code": "X1", **rest}
    return Problem(message=message, **values)  # type: ignore[arg-type]


def ids(*problems: Problem, tool: str = "ruff") -> list[str]:
    return [failure.id for failure in identified(tool, problems)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Line too long (105 > 100)", "Line too long (131 > 100)"),
        ("Name 'x' already defined on line 12", "Name 'x' already defined on line 7"),
        ("see a.py:12:3", "see a.py:900:1"),
        ("got <A object at 0x7f12abcd>", "got <A object at 0x7fffffff>"),
        ("in /tmp/pytest-1/x.toml", "in /tmp/pytest-9/x.toml"),
        ("expected 2 arguments,  got 3", "expected 2 arguments, got 5"),
        ("`f` is too complex (12 > 10)", "`f` is too complex (11 > 10)"),
    ],
)
def test_an_id_outlives_lines_numbers_and_addresses(before: str, after: str) -> None:
    assert ids(problem(before, line=4)) == ids(problem(after, line=90))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("undefined name 'x1'", "undefined name 'x2'"),
        ("`os` imported but unused", "`re` imported but unused"),
        ('has type "Literal[3]"', 'has type "Literal[4]"'),
        ("use utf8", "use utf16"),
        ("key '3' is missing", "key '4' is missing"),
    ],
)
def test_another_name_is_another_failure(one: str, other: str) -> None:
    assert ids(problem(one)) != ids(problem(other))


def test_another_path_code_or_tool_is_another_failure() -> None:
    found = [*ids(problem()), *ids(problem(path="b.py")), *ids(problem(code="X2"))]
    assert len({*found, *ids(problem(), tool="mypy")}) == 4


def test_equal_words_in_one_file_are_numbered_by_their_order_there() -> None:
    first, second, third = (problem(line=line) for line in (3, 8, 20))
    one, two, three = ids(first, second, third)
    assert {two, three} == {f"{one}#2", f"{one}#3"}
    assert ids(third, first, second) == [three, one, two]  # whatever the tool prints first
    assert ids(second, third) == [one, two]  # of three that are alike, the third is gone


def test_what_is_said_twice_of_one_place_is_one_failure() -> None:
    assert len(ids(problem(), problem())) == 1
    assert len(ids(problem(column=1), problem(column=9))) == 2


def test_a_test_is_its_name_whatever_is_said_of_it() -> None:
    one = problem("assert 1 == 2", name="test_a.py::test_x[0x7f1234ab]", line=3)
    other = problem("KeyError", name="test_a.py::test_x[0x7fffffff]", line=9)
    assert ids(one) == ids(other)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5), st.integers(0, 3))))
def test_ids_are_never_shared(places: list[tuple[str, int, int]]) -> None:
    found = ids(*(problem(path=path, line=line, column=c) for path, line, c in places))
    assert len(found) == len(set(found)) == len(set(places))


@given(st.text(max_size=300))
def test_the_essence_of_any_text_has_an_essence(text: str) -> None:
    assert isinstance(essence(text), str)


def test_what_is_mended_first() -> None:
    """Category, then causes by how much follows, then the easiest, then the same file."""
    messages = [
        problem("unused", path="many.py", line=1, code="F401"),
        problem("long", path="many.py", line=2, code="E501"),
        problem("long", path="few.py", line=7, code="E501"),
        problem("a test", path="t.py", category=Category.TEST, name="t"),
        problem("Cannot find name 'Foo'.", path="b.ts", line=3, category=Category.TYPE),
        problem("Cannot find name 'Foo'.", path="c.ts", line=3, category=Category.TYPE),
        problem("Cannot find name 'Bar'.", path="a.ts", line=3, category=Category.TYPE),
        problem("is not assignable", path="a.ts", line=1, category=Category.TYPE),
        problem("link", path="", line=0, category=Category.BUILD),
        problem("SyntaxError", path="b.py", category=Category.BUILD, code="syntax"),
        problem("SyntaxError", path="a_test.py", category=Category.BUILD, code="collection"),
    ]
    found = ordered(identified("tool", messages))
    assert [(f.path, f.line) for f in found] == [
        ("b.py", 1),
        ("a_test.py", 1),
        ("", 0),
        ("b.ts", 3),
        ("c.ts", 3),
        ("a.ts", 3),
        ("a.ts", 1),
        ("t.py", 1),
        ("few.py", 7),
        ("many.py", 1),
        ("many.py", 2),
    ]
    assert ordered(reversed(found)) == found


def test_a_summary_says_the_pressing_first() -> None:
    found = identified("tool", [problem("a"), problem("b"), problem("c", category=Category.BUILD)])
    assert summary(found) == "1 build, 2 lint"
    assert counts(found)[Category.TEST] == 0
    assert summary(()) == "nothing"


@pytest.mark.parametrize(
    ("categories", "exit_code", "after"),
    [
        ("lint warning test", 0, "warning warning test"),  # clippy without -D
        ("lint warning", 1, "lint warning"),
        ("warning warning", 1, "lint lint"),  # eslint --max-warnings 0
        ("warning build", 1, "warning build"),
        ("type critical", 0, "type critical"),
    ],
)
def test_what_a_tool_lets_pass_is_a_warning(categories: str, exit_code: int, after: str) -> None:
    problems = [
        problem(f"{number} is wrong", category=Category(name), code=f"X{number}")
        for number, name in enumerate(categories.split())
    ]
    told = Diagnosis(failures=identified("tool", problems))
    found = ranked(told, exit_code)
    assert [failure.category for failure in found.failures] == after.split()
    assert [failure.id for failure in found.failures] == [failure.id for failure in told.failures]


def test_warnings_count_where_somebody_asks_for_them() -> None:
    (warning,) = identified("tool", [problem(category=Category.WARNING)])
    (lint,) = identified("tool", [problem()])
    assert [asked_for(lint, ()), asked_for(warning, ())] == [True, False]
    assert [asked_for(lint, ["warning"]), asked_for(warning, ["warning"])] == [False, True]
