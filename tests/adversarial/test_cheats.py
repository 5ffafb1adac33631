"""Ways to a better number that are no better code: each is played for real, none is kept.

Each cheat has an honest twin in the same run: what is refused is the cheat, not everything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

PYTEST = f"{sys.executable} -m pytest -q -p no:cacheprovider"
COUNTING = f"{PYTEST} --junitxml=report.xml; true"
"""Takes its number from a report, whatever the exit code."""
SCOPE = ("**", "conftest.py", "pytest.ini", "tests/conftest.py")
"""Far too much: even so nothing may be won by it."""

CALC = """\
def add(a, b):
    return a + b


def double(a):
    return add(a, a)


def half(a):
    return a


def last(items):
    return items[0]
"""
TESTS = """\
from calc import add, double, half, last


def test_add():
    assert add(1, 2) == 3


def test_double():
    assert double(4) == 8


def test_half():
    assert half(4) == 2


def test_last():
    assert last([1, 2]) == 2
"""
REPAIRED = CALC.replace("items[0]", "items[-1]")
"""One of the two failing tests passes: the honest gain."""
ANYTHING = """\
class Anything:
    def __eq__(self, other):
        return True


def add(a, b):
    return Anything()


double = half = last = add
"""
FORGER = (
    CALC
    + """
import atexit
import pathlib


def polish():
    report = pathlib.Path("report.xml")
    cases = "".join(f'<testcase classname="tests.test_calc" name="test_{n}"/>' for n in NAMES)
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")


NAMES = ("add", "double", "half", "last")
atexit.register(polish)
"""
)
HOOK = """\
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.outcome = "passed"
"""
SKIP_ALL = """\
import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.skip)
"""
XFAIL = "import pytest\n\npytestmark = pytest.mark.xfail\n\n"

TEST_CHEATS: Mapping[str, tuple[dict[str, str | None], str]] = {
    "syntax error": ({"calc.py": f"{CALC}\ndef (:\n"}, "tests lost: 4 of 4"),
    "deleted tests": ({"tests/test_calc.py": None, "tests/test_x.py": ""}, "4 missing"),
    "conftest hook": ({"conftest.py": HOOK}, "reported as passed although they raised"),
    "skip all": ({"conftest.py": SKIP_ALL}, "4 skipped"),
    "addopts": ({"pytest.ini": "[pytest]\naddopts = -k nomatch\n"}, "4 missing"),
    "xfail": ({"tests/test_calc.py": XFAIL + TESTS}, "2 xfailed"),
    "os._exit": ({"calc.py": f"{CALC}\nimport os\nos._exit(0)\n"}, "without its last word"),
    "always equal": ({"calc.py": ANYTHING}, "compares equal to everything"),
    "forged junit": ({"calc.py": FORGER}, "the report was forged"),
}
"""By name: what is written, and the words that the journal must hold when nothing is read first."""
NEEDS_READING = {"always equal"}
"""No run can tell: the tests do pass."""


def proposed(name: str, files: Mapping[str, str | None]) -> dict[str, Any]:
    return {"description": name, "files": dict(files)}


def judged(done: Result, tally: Callable[[str, int], None]) -> dict[str, str]:
    """The cheat's row; it was not kept, and its honest twin was."""
    assert done.code == 0, done.told
    assert len(done.rows) == 3, done.told
    _, cheat, honest = done.rows
    tally("cheats tried", 1)
    tally("cheats kept", int(cheat["status"] == "keep"))
    assert cheat["status"] in ("discard", "metric-error"), (cheat, done.told)
    tally("honest twins tried", 1)
    tally("honest twins kept", int(honest["status"] == "keep"))
    assert honest["status"] == "keep", (honest, done.told)
    return cheat


@pytest.fixture
def broken(repo: Repo) -> Repo:
    """Two of four tests fail."""
    repo.write("calc.py", CALC)
    repo.write("tests/test_calc.py", TESTS)
    repo.write("conftest.py", "")
    repo.commit("a calculator")
    return repo


def once(*more: str) -> tuple[str, ...]:
    """Flags for one run of the metric per state: starting pytest is most of a test's time."""
    scope = [word for glob in SCOPE for word in ("--scope", glob)]
    return (
        *scope,
        "--calibrate",
        "never",
        "--metric-repeats-max",
        "1",
        "--confirm",
        "never",
        *more,
    )


def counting(count: str) -> tuple[str, ...]:
    return once("--metric-extract-junit", "report.xml", "--metric-extract-count", count)


@pytest.mark.parametrize("name", TEST_CHEATS)
def test_fewer_failures_by_a_cheat_are_not_kept(
    name: str, broken: Repo, run: Run, script: Script, tally: Callable[[str, int], None]
) -> None:
    files, why = TEST_CHEATS[name]
    script(proposed(name, files), proposed("repair", {"calc.py": REPAIRED}))
    gaming = () if name in NEEDS_READING else ("--gaming", "allow")
    done = run(*counting("failures"), *gaming, scope=None, metric=COUNTING)
    assert why in judged(done, tally)["reason"], done.told
