"""The tests within a command are seen however pytest is started, and never disturbed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import FEW_PLUGINS

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

PYTEST = f"{sys.executable} -m pytest -q -p no:cacheprovider"
TESTS = """\
import os
import subprocess
import sys

import lib


def test_first():
    assert lib.x == 1


def test_second():
    pass


def test_nothing_of_ours_is_in_the_way():
    names = [name for name, value in os.environ.items() if "outcomes" in f"{name}{value}".lower()]
    assert names == []
    assert os.environ.get("PYTEST_ADDOPTS", "") == os.environ.get("USER_ADDOPTS", "")
"""
NESTED = """

def test_nested():
    code = "import pytest, sys; sys.exit(pytest.main(['-q', '-k', 'first', 'tests/test_a.py']))"
    subprocess.run([sys.executable, "-c", code], check=True)
"""
LOSS = {"value": "9\n", "tests/test_a.py": TESTS.replace("def test_second", "def second")}
GAIN = {"value": "9\n", "tests/test_a.py": f"{TESTS}\n\ndef test_third():\n    pass\n"}


def lines(*files: dict[str, str]) -> list[dict[str, Any]]:
    return [{"description": f"step {n}", "files": f} for n, f in enumerate(files, start=1)]


@pytest.fixture
def tested(repo: Repo) -> Repo:
    repo.write("src/lib.py", "x = 1\n")
    repo.write("conftest.py", "import sys\nsys.path.insert(0, 'src')\n")
    repo.write("tests/test_a.py", TESTS)
    repo.commit("tests")
    return repo


def guarded(run: Run, guard: str, *more: str, plugins: bool = False) -> Result:
    """`plugins`: with all that are installed here."""
    alone = () if plugins else FEW_PLUGINS
    words = ("--scope", "tests/", "--scope", "value", "--guard", guard)
    return run(*words, *alone, "--confirm", "never", *more, scope=None)


def in_make(command: str) -> str:
    return f"printf 'all:\\n\\t@{command}\\n' > M && make -s -f M"


PYTHON = f"import subprocess, sys; sys.exit(subprocess.run({PYTEST!r}.split()).returncode)"
WAYS = {
    "directly": PYTEST,
    "in parallel": f"{PYTEST} -p xdist -n 2",
    "by make": in_make(PYTEST),
    "by a program that closes descriptors": f'{sys.executable} -c "{PYTHON}"',
    "twice": f"{PYTEST} -k first && {PYTEST} -k 'not first'",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_test_that_vanishes_is_noticed(way: str, tested: Repo, run: Run, script: Script) -> None:
    """That all others are seen in each way is said by the number of those that are lost."""
    directly = way == "directly"
    script(*lines(LOSS, *([GAIN] if directly else [])))
    done = guarded(run, WAYS[way], plugins=directly)
    kept = ["keep"] if directly else []
    assert done.column("status") == ["baseline", "discard", *kept], done.told
    assert "1 of 3 tests lost (1 missing): tests/test_a.py::test_second" in done.rows[1]["reason"]
    assert "no test was seen" not in done.out


HIDING = """\
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.outcome, report.longrepr = "passed", None
"""


def test_a_test_that_raises_in_a_worker_has_not_passed(
    tested: Repo, run: Run, script: Script
) -> None:
    script(*lines({"value": "9\n", "src/lib.py": "x = 2\n", "tests/conftest.py": HIDING}))
    named = ("--scope", "src/lib.py", "--scope", "tests/conftest.py")
    done = guarded(run, f"{PYTEST} -p xdist -n 1", *named)
    assert done.column("status") == ["baseline", "discard"], done.told
    assert "although they raised: tests/test_a.py::test_first" in done.rows[1]["reason"]


def test_a_pytest_within_a_test_is_none_of_our_business(
    tested: Repo, run: Run, script: Script
) -> None:
    tested.write("tests/test_b.py", f"import subprocess\nimport sys\n{NESTED}")
    tested.commit("nested")
    script(*lines(LOSS))
    done = guarded(run, PYTEST)
    assert done.column("status") == ["baseline", "discard"], done.told
    assert "1 of 4 tests lost (1 missing)" in done.rows[1]["reason"]


def test_the_user_s_own_options_and_search_path_stay(
    tested: Repo, run: Run, script: Script
) -> None:
    tested.write("conftest.py", "")  # `lib` is found through PYTHONPATH alone
    tested.commit("no path")
    script(*lines(LOSS, GAIN))
    options = "-k 'not nothing_like_it' --strict-markers"
    environment = [
        *("--env", f"PYTEST_ADDOPTS={options}"),
        *("--env", f"USER_ADDOPTS={options}"),
        *("--env", "PYTHONPATH=src"),
    ]
    done = guarded(run, PYTEST, *environment)
    assert done.column("status") == ["baseline", "discard", "keep"], done.told


def test_a_command_that_hides_our_plugin_runs_without_it_and_says_so(
    tested: Repo, run: Run, script: Script
) -> None:
    script(*lines({"value": "9\n", "tests/test_a.py": TESTS.replace("== 1", "== 2")}, GAIN))
    alone = PYTEST.replace(" -m", " -I -m")
    done = guarded(run, f"PYTHONPATH=src {PYTEST}", "--guard", alone)
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    assert done.out.count("cannot be watched") == 2, done.told
    assert "guard failed" in done.rows[1]["reason"]


def test_a_guard_without_tests_is_said_once_to_count_by_its_exit_code(
    run: Run, script: Script
) -> None:
    script({"description": "a", "files": {"value": "9\n"}}, *lines({"value": "8\n"}))
    done = run("--guard", "test -e other", "--guard", "echo '--- PASS: TestA (0.00s)'")
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    assert done.out.count("no test was seen in the guard 'test -e other'") == 1
    assert done.out.count("no test was seen") == 1, "of Go with -v they are seen"


def test_what_passed_is_still_known_after_a_resume(tested: Repo, run: Run, script: Script) -> None:
    after = {"value": "8\n", "tests/test_a.py": TESTS}
    script(*lines(GAIN, after))
    done = guarded(run, PYTEST, "--iterations", "1")
    assert done.column("status") == ["baseline", "keep"], done.told
    done = guarded(run, PYTEST, "--iterations", "2", "--resume")
    assert done.column("status") == ["baseline", "keep", "discard"], done.told
    # The test that the kept change brought is missed, too.
    assert "1 of 4 tests lost (1 missing): tests/test_a.py::test_third" in done.rows[2]["reason"]


def test_a_report_of_another_test_runner_is_compared_test_by_test(
    repo: Repo, run: Run, script: Script
) -> None:
    suite = '<testsuites><testsuite><testcase classname="k" name="a"/>{}</testsuite></testsuites>'
    repo.write("suite.xml", suite.format('<testcase classname="k" name="b"/>'))
    guard = {"command": "cp suite.xml report.xml", "junit": "report.xml"}
    repo.write(".github/autoresearch.yml", json.dumps({"guards": [guard]}))
    repo.commit("suite")
    third = '<testcase classname="k" name="b"/><testcase classname="k" name="c"/>'
    script(
        *lines(
            {"value": "9\n", "suite.xml": suite.format("")},
            {"value": "9\n", "suite.xml": "nonsense"},
            {"value": "9\n", "suite.xml": suite.format(third)},
        )
    )
    done = run("--scope", "value", "--scope", "suite.xml", scope=None)
    assert done.column("status") == ["baseline", "discard", "discard", "keep"], done.told
    assert "1 of 2 tests lost (1 missing): k::b" in done.rows[1]["reason"]
    assert "not usable XML" in done.rows[2]["reason"]
    summary = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert "Tests: 3 passed (2 on the base) in cp suite.xml report.xml." in summary


RETRYING = """\
import pytest
from _pytest.runner import runtestprotocol


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    # As pytest-rerunfailures does: what failed is reported with a word of its own, and run again.
    for last in (False, True):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        again = not last and any(report.failed for report in reports)
        for report in reports:
            if again and report.failed:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
        if not again:
            return True


def pytest_report_teststatus(report):
    if report.outcome == "rerun":
        return "rerun", "R", "RERUN"
"""
FLICKERING = """\
import pathlib

import lib


def test_flickers():
    seen = pathlib.Path("seen")
    if lib.flickers and not seen.exists():
        seen.touch()
        raise OSError
    assert lib.works
"""


def test_a_test_that_is_run_again_is_one_test_whose_last_attempt_counts(
    repo: Repo, run: Run, script: Script
) -> None:
    repo.write("src/lib.py", "flickers, works = False, True\n")
    repo.write("conftest.py", f"import sys\nsys.path.insert(0, 'src')\n{RETRYING}")
    repo.write("tests/test_a.py", FLICKERING)
    repo.commit("tests")
    flicker, broken = "flickers, works = True, True\n", "flickers, works = True, False\n"
    script(*lines({"value": "9\n", "src/lib.py": broken}, {"value": "9\n", "src/lib.py": flicker}))
    done = guarded(run, PYTEST, "--scope", "src/")
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    assert "1 of 1 tests lost (1 failed)" in done.rows[1]["reason"]
    assert "were run again, as never before: 1: tests/test_a.py::test_flickers" in done.out


def test_ids_that_differ_from_run_to_run_do_not_refuse_every_change(
    tested: Repo, run: Run, script: Script
) -> None:
    ids = (
        "import time\nimport uuid\n\nimport pytest\n\n\n"
        "@pytest.mark.parametrize('u', [str(uuid.uuid4())])\ndef test_u(u):\n    pass\n\n\n"
        "@pytest.mark.parametrize('o', [object()], ids=repr)\ndef test_o(o):\n    pass\n\n\n"
        "@pytest.mark.parametrize('p', [100000 + time.time_ns() % 800000])\n"
        "def test_p(p):\n    pass\n"
    )
    tested.write("test_ids.py", ids)
    tested.commit("ids")
    lost = {"value": "8\n", "tests/test_a.py": TESTS.replace("def test_second", "def second")}
    script(*lines({"value": "9\n"}, lost))
    done = guarded(run, f"{PYTEST} test_ids.py tests")
    assert done.column("status") == ["baseline", "keep", "discard"], done.told
    assert "(1 missing): tests/test_a.py::test_second" in done.rows[2]["reason"]
    # Such numbers are no pattern that is recognised: another run of the unmodified code shows them.
    assert done.out.count("left out: test_ids.py::test_p[") == 1


def test_reports_of_one_class_each_are_found_by_a_pattern(
    repo: Repo, run: Run, script: Script
) -> None:
    suite = '<testsuite tests="1" failures="0"><testcase name="{}"/></testsuite>'
    repo.write("suites/a.xml", suite.format("a"))
    repo.write("suites/b.xml", suite.format("b"))
    metric = {
        "command": "mkdir -p target; cd suites; for f in *.xml; do cp $f ../target/TEST-$f; done",
        "extract": {"junit": "target/TEST-*.xml", "count": "tests"},
        "direction": "maximize",
    }
    repo.write(".github/autoresearch.yml", json.dumps({"metric": metric}))
    repo.commit("suite")
    two = '<testsuite><testcase name="{}"/><testcase name="c"/></testsuite>'
    script(*lines({"suites/b.xml": two.format("x")}, {"suites/b.xml": two.format("b")}))
    done = run("--scope", "suites/", scope=None, metric=None)
    assert done.code == 0, done.told
    assert done.column("metric")[0] == "2"
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    assert "1 of 2 tests lost (1 missing): b" in done.rows[1]["reason"]
