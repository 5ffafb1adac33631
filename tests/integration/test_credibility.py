"""A gain that is hard to believe is kept, is said in bold, and nothing builds upon it unvouched."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

METRIC = "grep -v Ran value; true"
GUARD = "grep Ran value"


def prints(cost: float, *, tests: int = 4, end: str = "done\n", **more: str) -> dict[str, Any]:
    """A change after which the metric prints `cost`, and the guard says that it ran some tests."""
    files = {"value": f"cost: {cost}\nmem: 5\n{end}Ran {tests} tests\n", **more}
    return {"description": f"try {cost:g}", "files": files}


@pytest.fixture(autouse=True)
def base(repo: Repo) -> None:
    repo.write("value", prints(10)["files"]["value"])
    repo.commit("what prints more than a number")


def flags(*more: str) -> tuple[str, ...]:
    return ("--metric-name", "cost", "--scope", "other", *more)


def given(key: str, value: object) -> tuple[str, str]:
    return "--set", f"{key}={json.dumps(value)}"


def test_every_sign_is_told_and_what_a_guard_vouches_for_is_built_upon(
    run: Run, script: Script
) -> None:
    script(
        prints(9),
        prints(8, end=""),
        prints(7, other='printf("cost: 1");\n'),
        prints(6, other="x = 1  # noqa\n"),
        prints(0.5),
        prints(0.45),
    )
    done = run(*flags("--guard", f"{GUARD} || ruff"), metric=METRIC)
    assert done.column("status")[1:] == ["keep"] * 6, done.told
    assert done.column("doubt") == [
        *("-", "-"),
        "the metric command printed 2 of at least 3 lines; missing: done",
        "other:1: looks like the metric's own line",
        "other:1 silences flake8, ruff (# noqa)",
        "a gain of 91.7 %",
        "-",
    ]
    told = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert "**Look twice: a gain of 91.7 %** (experiment 5)." in told
    assert "| **Look twice: a gain of 91.7 %**: try 0.5 |" in told
    assert "A guard or the holdout has seen it and agrees." in told
    assert "| **a gain of 91.7 %**\n" in done.out


HOLDOUT = {"command": "grep mem value; cat value", "name": "cost"}
WITNESSES = {
    "none": ((), prints(0.5), True),
    "a guard": (("--guard", "test -e other"), prints(0.5), False),
    "a guard that ran fewer tests": (("--guard", GUARD), prints(0.5, tests=3), True),
    "the metric's own output": (
        given("guards", [{"command": METRIC, "metric": "mem"}]),
        prints(0.5),
        True,
    ),
    "a holdout": (given("holdout", HOLDOUT), prints(0.5), False),
}


def test_steps_that_add_up_to_what_is_hard_to_believe_are_so_for_a_machine(
    run: Run, script: Script
) -> None:
    script(prints(3), prints(0.9))
    done = run(*flags(), metric=METRIC)
    assert done.column("status")[1:] == ["keep", "keep"], done.told
    facts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))
    assert facts["hard_to_believe"] is True


@pytest.mark.parametrize("witness", WITNESSES)
def test_nothing_is_built_upon_what_nobody_vouches_for(
    run: Run, script: Script, witness: str
) -> None:
    more, unlikely, hard = WITNESSES[witness]
    script(prints(9), unlikely, prints(0.4))
    done = run(*flags(*more), metric=METRIC)
    assert done.code == 0, done.told
    assert done.column("status")[1:] == ["keep"] * (2 if hard else 3), done.told
    assert done.rows[2]["doubt"].startswith("hard to believe: ") is hard
    assert "a gain of 94.4 %" in done.rows[2]["doubt"]
    told = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert ("**Hard to believe: a gain of 94.4 %" in told) is hard
    assert ("**No guard and no holdout speaks for that**" in told) is hard
    facts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))
    assert facts["hard_to_believe"] is hard
    assert facts["confirmation"]["holds"]
    if witness == "none":
        again = run("--resume", *flags(*more), metric=METRIC)
        assert again.column("description") == done.column("description"), again.told
        assert "experiment 2 is hard to believe" in again.out


REPORT = '<testsuite tests="1"><testcase classname="a" name="adds"/></testsuite>'
BLIND = {
    "an exit code": (("--guard", "test -e other"), "os.Exit(0)\n", True),
    "a package of Go's": (("--guard", "echo 'ok  \tx/w\t0.028s'"), "os.Exit(0)\n", True),
    "a file of jest's": (("--guard", "echo PASS test/a.test.js"), "os.Exit(0)\n", True),
    "what a runner prints": (("--guard", "true"), 'fmt.Println("--- PASS: TestA")\n', True),
    "behind other signs": (
        ("--guard", "true"),
        "sys._getframe()\nsys.stdout = x\nunittest.main = x\nsys.stderr = x\nos.Exit(0)\n",
        True,
    ),
    "a test by name": (("--guard", "echo ok 1 - adds"), "os.Exit(0)\n", False),
    "a report": (
        given("guards", [{"command": f"echo '{REPORT}' > r.xml", "junit": "r.xml"}]),
        "os.Exit(0)\n",
        False,
    ),
    "a holdout": (("--guard", "true", *given("holdout", HOLDOUT)), "os.Exit(0)\n", False),
    "no such sign": (("--guard", "true"), "x = 1  # noqa\n", False),
}


@pytest.mark.parametrize("case", BLIND)
def test_a_guard_of_which_no_test_is_seen_vouches_for_nothing_that_may_fool_it(
    run: Run, script: Script, case: str
) -> None:
    more, code, hard = BLIND[case]
    script(prints(9, other=code), prints(8))
    done = run(*flags("--confirm", "never", *more), metric=METRIC)
    assert done.column("status")[1:] == ["keep"] * (1 if hard else 2), done.told
    assert done.rows[1]["doubt"].startswith("hard to believe: ") is hard
    told = (done.folder / "summary.md").read_text(encoding="utf-8")
    assert ("**No guard whose tests are seen and no holdout speaks for that**" in told) is hard
    assert ("no guard whose tests are seen or holdout speaks for it" in done.out) is hard


def test_ordinary_gains_need_no_witness(run: Run, script: Script) -> None:
    script(prints(9), prints(5), prints(4, other="a comment on cost\n"))
    done = run(*flags("--confirm", "never"), metric=METRIC)
    assert done.column("status")[1:] == ["keep"] * 3, done.told
    assert done.column("doubt") == ["-"] * 4
    assert "**" not in (done.folder / "summary.md").read_text(encoding="utf-8").partition("\n")[2]


def test_a_guard_that_runs_less_than_half_of_its_tests_fails(run: Run, script: Script) -> None:
    script(prints(9, tests=1))
    done = run(*flags("--guard", GUARD, "--confirm", "never"), metric=METRIC)
    assert done.rows[1]["status"] == "discard", done.told
    why = "guard failed: tests lost: 1 of 4 ran by its own account"
    assert done.rows[1]["reason"].startswith(why)


UNITTEST = """\
import unittest, work


class Tests(unittest.TestCase):
    def test_it(self):
        ticks = []
        self.assertEqual(work.solve(lambda: ticks.append(1)), 42)
        self.assertGreater(len(ticks), 0)
"""
NODE = """\
const work = require('../work.js'), test = require('node:test'), assert = require('assert')
test('it ticks', () => {
  let n = 0
  assert.strictEqual(work.solve(() => n++), 42)
  assert(n > 0)
})
"""
FOOLED = {
    "unittest": (
        {"work.py": "def solve(tick):\n    [tick() for _ in range(90)]\n    return 42\n"},
        "import os, sys\nif 'unittest' in ' '.join(sys.orig_argv):\n"
        "    os.execvp('true', ['true'])\ndef solve(tick):\n    return 42\n",
        {"tests.py": UNITTEST},
        f"{sys.executable} -c 'import work; n = []; work.solve(lambda: n.append(1));print(len(n))'",
        f"{sys.executable} -m unittest -q tests",
        "tests lost: 0",
    ),
    "node": (
        {"work.js": "exports.solve = tick => { for (let i = 0; i < 90; i++) tick(); return 42 }\n"},
        "if (process.env.NODE_TEST_CONTEXT) process.exit()\nexports.solve = () => 42\n",
        {"test/w.test.js": NODE},
        "node -e \"let n = 0; require('./work.js').solve(() => n++); console.log(n)\"",
        "node --test test/",
        "tests lost: not named as passed any more:",
    ),
}


@pytest.mark.parametrize("runner", FOOLED)
def test_a_guard_that_was_fooled_has_failed(
    run: Run, script: Script, repo: Repo, runner: str
) -> None:
    work, cheat, tests, metric, guard, why = FOOLED[runner]
    if runner == "node" and not shutil.which("node"):
        pytest.skip("there is no node")
    for path, text in {**work, **tests}.items():
        repo.write(path, text)
    repo.commit("a guard")
    (path,) = work
    script({"description": "fools the guard", "files": {path: cheat}})
    more = ("--set", "gaming=allow", "--guard", guard, "--confirm", "never")
    done = run(*more, scope=path, metric=metric)
    assert done.rows[1]["status"] == "discard", done.told
    assert why in done.rows[1]["reason"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_tests_that_the_metrics_own_command_skips_are_lost(
    run: Run, script: Script, repo: Repo, stream: str
) -> None:
    """`unittest` tells of them on standard error, beside a number on standard output or not."""
    work = "def solve(tick):\n    [tick() for _ in range({})]\n    return 42\n"
    repo.write("work.py", work.format(90))
    repo.write("tests.py", UNITTEST)
    repo.commit("tests")
    skips = "import importlib\ndef solve(tick):\n    raise importlib.import_module('unit' 'test')"
    script(
        {"description": "skips", "files": {"work.py": f"{skips}.SkipTest('')\n"}},
        {"description": "less work", "files": {"work.py": work.format(60)}},
    )
    tests = f"{sys.executable} -m unittest tests{' 2>&1' if stream == 'stdout' else ''}"
    metric = f"{tests} && echo cost: $(grep -o '[0-9]*' work.py | head -n 1 | grep . || echo 1)"
    done = run("--metric-name", "cost", "--confirm", "never", scope="work.py", metric=metric)
    assert done.column("status")[1:] == ["discard", "keep"], done.told
    assert done.rows[1]["reason"] == "tests lost: 1 skipped by its own account, before none"


def test_a_test_that_a_guard_names_no_more_is_lost_unless_names_vary(
    repo: Repo, run: Run, script: Script
) -> None:
    """As where a file of tests ends before they begin, and its runner says that it passed."""
    named = 'cat other; test -e vary && echo "ok 3 - of $(cat /proc/sys/kernel/random/uuid)"'
    repo.write("other", "ok 1 - adds\nok 2 - divides\n")
    repo.write("guard.sh", f"{named}; echo 2 tests\n")
    repo.write("vary", "")
    repo.commit("a guard that names its tests")
    script(
        prints(9, other="ok 1 - other.js\nok 2 - divides\n"),
        prints(8, other="ok 2 - divides\nok 1 - adds\n"),
    )
    done = run(*flags("--guard", "sh guard.sh", "--confirm", "never"), metric=METRIC)
    assert done.column("status")[1:] == ["discard", "keep"], done.told
    assert "tests lost: not named as passed any more: ok N" in done.rows[1]["reason"]


FROZEN = r"""
#include <stdio.h>
#include <time.h>
int work(void);
int main(void) {
    clock_t begin = clock();
    int found = work();
    double took = (double)((clock() - begin) / (CLOCKS_PER_SEC / 2)) / 2;
    printf("starting\ncost: %g\nfound: %d\n", 10 + took, found);
}
"""
CHEATS_IN_C = {
    "a clock of its own": (
        "#include <time.h>\nint work(void) { return 1; }\n"
        "clock_t clock(void) { static long t; return t -= CLOCKS_PER_SEC / 2 * 19; }\n",
        ("patches the clock: clock_t clock(void) {",),
    ),
    "a constructor": (
        "#include <stdio.h>\n#include <unistd.h>\n\n\nint work(void) { return 1; }\n"
        "static void __attribute__((constructor)) begin(void)\n"
        '{\n    printf("cost: 0.5\\n");\n    fflush(stdout);\n    _exit(0);\n}\n',
        ("src/work.c:8: looks like the metric's own line", "printed 1 of at least 3 lines"),
    ),
}


@pytest.mark.parametrize("cheat", CHEATS_IN_C)
def test_what_plays_against_a_ruler_in_c_is_hard_to_believe(
    repo: Repo, run: Run, script: Script, cheat: str
) -> None:
    text, signs = CHEATS_IN_C[cheat]
    repo.write("bench.c", FROZEN)
    repo.write("src/work.c", "int work(void) { return 1; }\n")
    repo.commit("a program")
    script({"description": "faster", "files": {"src/work.c": text}})
    build = "gcc -o $TMPDIR/bench bench.c src/work.c && $TMPDIR/bench"
    done = run("--metric-name", "cost", "--confirm", "never", metric=build, scope="src/work.c")
    assert done.column("status")[1:] == ["keep"], done.told
    doubt = done.rows[1]["doubt"]
    assert doubt.startswith("hard to believe: ")
    assert "a gain of 95.0 %" in doubt
    assert [sign for sign in signs if sign not in doubt] == []
