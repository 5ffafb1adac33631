"""A file that moves takes along what was said of it."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem, identified
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.decide.moved_files import as_moved

MOVED = {"tests/test_a.py": "unit/test_b.py", "a.go": "b.go"}


def ruff(path: str) -> Diagnosis:
    problem = Problem(category=Category.LINT, path=path, line=1, code="F", message="m")
    return Diagnosis(failures=identified("ruff", [problem, problem]))


def suite(name: str, path: str) -> Diagnosis:
    problem = Problem(category=Category.TEST, path=path, message="m", name=name)
    ends = SuiteResult(of={name: "failed"}, reran=frozenset({name}))
    return Diagnosis(failures=identified("pytest", [problem]), suite=ends)


def test_a_finding_is_known_again_at_the_new_path() -> None:
    was = {"ruff": ruff("tests/test_a.py")}
    assert as_moved(was, MOVED) == {"ruff": ruff("unit/test_b.py")}
    assert as_moved(was, {}) == was
    assert as_moved({"ruff": ruff("tests/test_a.pyi")}, MOVED) == {"ruff": ruff("tests/test_a.pyi")}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tests.test_a::test_x[1]", "unit.test_b::test_x[1]"),
        ("tests.test_a.TestIt::test_x", "unit.test_b.TestIt::test_x"),
        ("tests/test_a.py::test_x", "unit/test_b.py::test_x"),
        ("tests/test_a.py (loading)", "unit/test_b.py (loading)"),
        ("tests.test_a.TestIt.test_x", "unit.test_b.TestIt.test_x"),
        ("tests.test_a.TestIt.test_x (n=1)", "unit.test_b.TestIt.test_x (n=1)"),
        ("tests.test_another.TestIt.test_x", "tests.test_another.TestIt.test_x"),
        ("tests.test_another::test_x", "tests.test_another::test_x"),
        ("a suite > a test", "a suite > a test"),
    ],
)
def test_a_test_is_known_again_in_the_new_file(old: str, new: str) -> None:
    told = as_moved({"pytest": suite(old, "tests/test_a.py")}, MOVED)["pytest"]
    wanted = suite(new, "unit/test_b.py")
    assert told.failures == wanted.failures
    if "(loading)" not in old:  # no suite has a file in it
        assert told.suite == wanted.suite
