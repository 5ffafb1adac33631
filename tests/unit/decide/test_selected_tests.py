"""Of the repository's own command only the tests may be chosen."""

from __future__ import annotations

import shlex

import pytest

from autoresearch_ci.decide.selected_tests import NotAllowed, suite_command

FILES = ("tests/a.py", "tests/b c.py", "src/x.py", "-rf", "@args")


def selected(command: str, *tests: str) -> str:
    return suite_command(command, FILES).selecting(tests, FILES)


def test_the_options_stay_and_the_tests_change() -> None:
    line = selected("uv run pytest -x -k 'sum or mean' tests/a.py", "tests/a.py::test_one[a-1]")
    assert shlex.split(line) == [
        *("uv", "run", "pytest", "-x", "-k", "sum or mean", "tests/a.py::test_one[a-1]")
    ]
    assert selected("pytest -c src/x.py tests", "tests/a.py") == "pytest -c src/x.py tests/a.py"


def test_without_tests_it_runs_as_it_was_given() -> None:
    assert selected("make test | tee log") == "make test | tee log"


@pytest.mark.parametrize("command", ["make test", "pytest tests; rm -rf x", "pytest $(x)", "a 'b"])
def test_a_command_that_is_more_than_pytest_takes_no_tests(command: str) -> None:
    with pytest.raises(NotAllowed, match="cannot be told"):
        selected(command, "tests/a.py")


@pytest.mark.parametrize(
    "test",
    [
        *("../a.py", "/etc/passwd", "tests/none.py", "-rf", "@args", "--pdb", "tests/./a.py"),
        *("tests/a.py\n", "tests/a.py::x\0", "", "tests/a.py::" + "x" * 600),
    ],
)
def test_a_test_is_a_file_of_the_commit(test: str) -> None:
    with pytest.raises(NotAllowed):
        selected("pytest", test)


def test_a_name_is_never_read_by_the_shell() -> None:
    line = selected("pytest", "tests/a.py::x; touch /tmp/y", "tests/b c.py::$(id)")
    assert shlex.split(line) == ["pytest", "tests/a.py::x; touch /tmp/y", "tests/b c.py::$(id)"]
