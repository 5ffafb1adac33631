"""One cause is shown once, whichever tools tell of it; two causes on a line stay two."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.failures.failure import Category, Failure, Problem, identified
from autoresearch_ci.decide.failures.same_cause import also, shown_once


def told(tool: str, category: str, message: str, line: int = 3, path: str = "a.py") -> Failure:
    problem = Problem(category=Category(category), path=path, line=line, message=message)
    (found,) = identified(tool, [problem])
    return found


SYNTAX = told("python", "build", "SyntaxError: invalid syntax")
RUFF_SYNTAX = told("ruff", "build", "Expected an expression")
PYTEST_SYNTAX = told("pytest", "build", "SyntaxError: invalid syntax")
MYPY = told("mypy", "type", 'Incompatible return value type (got "str", expected "int")')
PYRIGHT = told("pyright", "type", "Type str is not assignable to return type int")
UNDEFINED = told("ruff", "critical", "Undefined name `thing`")
UNKNOWN = told("mypy", "type", 'Name "thing" is not defined')
UNUSED = told("ruff", "lint", "`os` imported but unused")
TEST = told("pytest", "test", "NameError: name 'thing' is not defined")


@pytest.mark.parametrize(
    ("failures", "groups"),
    [
        ([SYNTAX, RUFF_SYNTAX, PYTEST_SYNTAX], [3]),
        ([MYPY, PYRIGHT], [2]),
        ([UNDEFINED, UNKNOWN], [2]),
        ([UNUSED, UNKNOWN], [1, 1]),
        ([MYPY, told("mypy", "type", "another of mypy")], [1, 1]),
        ([MYPY, told("pyright", "type", "elsewhere", line=4)], [1, 1]),
        ([MYPY, told("pyright", "type", "elsewhere", path="b.py")], [1, 1]),
        ([SYNTAX, MYPY], [1, 1]),
        ([TEST, UNDEFINED], [1, 1]),
        ([told("x", "type", "no place", line=0), told("y", "type", "no place", line=0)], [1, 1]),
        ([], []),
    ],
)
def test_failures_of_one_cause_are_one(failures: list[Failure], groups: list[int]) -> None:
    found = shown_once(failures, lambda failure: failure)
    assert [len(tools) + 1 for _, tools in found] == groups
    assert sum(groups) == len(failures)


def test_what_is_kept_apart_is_not_shown_as_one() -> None:
    found = shown_once([MYPY, PYRIGHT], lambda failure: failure, lambda failure: failure.tool)
    assert len(found) == 2


def test_the_other_tools_are_named() -> None:
    assert [also(tools) for tools in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == [
        "",
        ", also seen by a",
        ", also seen by a and b",
        ", also seen by a, b and c",
    ]
