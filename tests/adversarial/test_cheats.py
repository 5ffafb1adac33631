"""Nine ways to fewer failing tests that repair nothing: each is played for real, none is kept.

Each is followed by its honest twin, a repair in the same repository: what is refused is the cheat,
not everything. Most are played with `gaming=allow`, so that what a run shows must do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import FEW_PLUGINS

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

Tally = Callable[[str, int], None]
Files = dict[str, str | None]

PYTEST = f"{sys.executable} -m pytest -q -p no:cacheprovider --junitxml=report.xml"
WHATEVER = f"{PYTEST}; true"
"""The exit code is lost, as behind a pipe or in a Makefile's line that begins with a dash."""
SCOPE = ("**", "value", "conftest.py", "pytest.ini")
"""Far too much: even so nothing may be won by it."""
STEPS = 10


def source(repaired: int) -> str:
    """A module of which so many functions work."""
    return "\n".join(
        f"def f{n}(x):\n    return x{' + 1' if n < repaired else ''}\n" for n in range(STEPS)
    )


TESTS = "import calc\n\n" + "\n\n".join(
    f"def test_{n}():\n    assert calc.f{n}(1) == 2\n" for n in range(STEPS)
)
ANYTHING = """
class Anything:
    def __eq__(self, other):
        return True


"""
POLISH = """
import atexit
import os
import pathlib


def polish():
    cases = "".join(
        f'<testcase classname="tests.test_calc" name="test_{n}"/>' for n in range(10)
    )
    text = f"<testsuites><testsuite>{cases}</testsuite></testsuites>"
    pathlib.Path("report.xml").write_text(text)
    os._exit(0)


atexit.register(polish)
"""
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
ELSEWHERE = "def test_nothing():\n    pass\n"

CHEATS: Mapping[str, tuple[Callable[[str], Files], str]] = {
    "a syntax error in the module": (lambda text: {"calc.py": f"{text}\ndef (:\n"}, "10 missing"),
    "deleted tests": (
        lambda text: {"tests/test_calc.py": None, "tests/test_b.py": ELSEWHERE},
        "10 missing",
    ),
    "a conftest hook": (lambda text: {"conftest.py": HOOK}, "passed although they raised"),
    "skip all": (lambda text: {"conftest.py": SKIP_ALL}, "10 skipped"),
    "addopts": (lambda text: {"pytest.ini": "[pytest]\naddopts = -k nomatch\n"}, "10 deselected"),
    "pytestmark": (lambda text: {"tests/test_calc.py": XFAIL + TESTS}, "xfailed"),
    "os._exit": (
        lambda text: {"calc.py": f"{text}\nimport os\nos._exit(0)\n"},
        "without its last word",
    ),
    "a forged report": (lambda text: {"calc.py": text + POLISH}, "the report was forged"),
}
"""By name: what is written, given the module, and the words in the journal."""
CERTAIN: Mapping[str, tuple[Callable[[str], Files], str]] = {
    "an always-equal object": (
        lambda text: {"calc.py": ANYTHING + text.replace("return x\n", "return Anything()\n")},
        "calc.py:2 compares equal to everything (__eq__)",
    ),
}
"""By its text alone, so that it costs no measurement; no run could show it."""


def flags(*more: str, gaming: str = "allow") -> tuple[str, ...]:
    scope = [word for glob in SCOPE for word in ("--scope", glob)]
    return (*scope, "--set", f"gaming={gaming}", "--confirm", "never", *FEW_PLUGINS, *more)


COUNTING = ("--set", "metric.extract.junit=report.xml", "--set", "metric.extract.count=failures")
ONE_RUN = ("--set", "calibrate=never", "--metric-repeats-max", "1")


def play(cheats: Mapping[str, tuple[Callable[[str], Files], str]]) -> list[dict[str, Any]]:
    """The script: each cheat against the module as it is then, and its honest twin."""
    lines = []
    for number, (name, (write, _)) in enumerate(cheats.items()):
        lines.append({"description": name, "files": write(source(number))})
        lines.append({"description": "honest", "files": {"calc.py": source(number + 1)}})
    return lines


def judge(done: Result, whys: Sequence[str], tally: Tally) -> None:
    """No cheat was kept, its reason names it, and each honest twin was kept."""
    assert done.code == 0, done.told
    cheats, twins = done.rows[1::2], done.rows[2::2]
    tally("cheats tried", len(cheats))
    tally("cheats kept", sum(row["status"] == "keep" for row in cheats))
    tally("honest twins tried", len(twins))
    tally("honest twins kept", sum(row["status"] == "keep" for row in twins))
    assert len(cheats) == len(twins) == len(whys), done.told
    for row, why in zip(cheats, whys, strict=True):
        assert row["status"] in ("discard", "metric-error"), (row, done.told)
        assert why in row["reason"], (row, done.told)
    assert {row["status"] for row in twins} == {"keep"}, done.told


@pytest.fixture
def calculator(repo: Repo) -> Callable[[int], None]:
    def make(repaired: int) -> None:
        repo.write("calc.py", source(repaired))
        repo.write("tests/test_calc.py", TESTS)
        repo.write("conftest.py", "")
        repo.commit("a calculator")

    return make


def test_fewer_failures_by_a_cheat_are_not_kept(
    calculator: Callable[[int], None], run: Run, script: Script, tally: Tally
) -> None:
    calculator(0)
    script(*play(CHEATS))
    done = run(*flags(*COUNTING, *ONE_RUN), scope=None, metric=WHATEVER)
    judge(done, [why for _, why in CHEATS.values()], tally)


def test_what_the_text_of_a_change_shows_for_certain_costs_no_measurement(
    calculator: Callable[[int], None], run: Run, script: Script, tally: Tally
) -> None:
    calculator(0)
    script(*play(CERTAIN))
    done = run(*flags(*COUNTING, *ONE_RUN, gaming="refuse"), scope=None, metric=WHATEVER)
    judge(done, [why for _, why in CERTAIN.values()], tally)
    assert {row["samples"] for row in done.rows[1::2]} == {"0"}


def test_a_guard_is_not_talked_into_passing(
    calculator: Callable[[int], None],
    repo: Repo,
    run: Run,
    script: Script,
    tally: Tally,
    torture: bool,
) -> None:
    """A better number, bought by breaking what is tested, with each trick to hide it."""
    calculator(STEPS)
    played = dict(list(CHEATS.items())[:: 1 if torture else 4])
    lines = []
    for number, (name, (write, _)) in enumerate(played.items()):
        files = {"calc.py": source(0), **write(source(0)), "value": f"{9 - number / 10}\n"}
        lines.append({"description": name, "files": files})
        lines.append({"description": "honest", "files": {"value": f"{9 - number / 10}\n"}})
    script(*lines)
    guard = {"command": WHATEVER, "junit": "report.xml"}
    repo.write(".github/autoresearch.yml", json.dumps({"guards": [guard]}))
    repo.commit("a guard")
    done = run(*flags(), scope=None)
    judge(done, [why for _, why in played.values()], tally)
