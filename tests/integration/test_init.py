"""`autoresearch-ci init` on small repositories of each stack: what it writes runs, for real."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from autoresearch_ci.cli.init.try_config import surveyed, tried
from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.config.schema import Config
from autoresearch_ci.execution.command import Stop
from tests.conftest import FEW_PLUGINS
from tests.contract.workflow_rules import workflow_problems
from tests.messages_api import MessagesApi, Reply, calls, ends, text, tool

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

CONFIG = ".github/autoresearch.yml"
WORKFLOW = ".github/workflows/autoresearch.yml"
PYTHON = {
    "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests']\n",
    "adding/__init__.py": "def add(a, b):\n    return a + b\n",
    "tests/test_add.py": "from adding import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
}
NODE = {
    "package.json": '{"name": "a", "type": "module", "scripts": {"test": "node --test"}}',
    "index.js": "export const add = (a, b) => a + b;\n",
    "test/add.test.js": "import test from 'node:test';\nimport assert from 'node:assert';\n"
    "import {add} from '../index.js';\ntest('adds', () => assert.equal(add(1, 2), 3));\n",
}
RUST = {
    "Cargo.toml": '[package]\nname = "adding"\nversion = "0.1.0"\nedition = "2021"\n',
    "Cargo.lock": 'version = 3\n\n[[package]]\nname = "adding"\nversion = "0.1.0"\n',
    ".gitignore": "target/\n",
    "src/lib.rs": "pub fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n\n"
    "#[test]\nfn adds() {\n    assert_eq!(add(1, 2), 3);\n}\n",
}
C = {
    "Makefile": "check: add\n\t./add\nadd: add.c\n\t$(CC) -o add add.c\n",
    "add.c": "int main(void) { return 1 + 2 == 3 ? 0 : 1; }\n",
    ".gitignore": "add\n",
}
DOCS = {
    "README.md": "# Adding\n\nIt is by means of addition that numbers are put together.\n",
    "docs/use.md": "# Use\n\nSee [the start](../README.md) in order to obtain information.\n",
}
SQL = {
    "db/schema.sql": "create table t (a int, b int);\ninsert into t values (1, 2), (3, 4);\n",
    "db/report.sql": "select * from t where a + 0 = 1;\n",
}
BENCH = {
    "bench.py": "import work\n\nif __name__ == '__main__':\n    print(f'steps: {work.work()}')\n",
    "work.py": "def work():\n    return 10\n",
}


def commit(repo: Repo, files: Mapping[str, str]) -> None:
    for name in ("value", "other"):
        (repo.path / name).unlink()
    for path, content in files.items():
        repo.write(path, content)
    repo.commit()


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(repo.path)
    ours = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{ours}{os.pathsep}{os.environ['PATH']}")
    return repo


def init(*flags: str) -> int:
    return run_cli(["init", "--yes", *FEW_PLUGINS, *flags])


def written(repo: Repo) -> Any:
    return yaml.safe_load((repo.path / CONFIG).read_text())


@pytest.mark.parametrize(
    ("files", "program", "edit", "flags"),
    [
        (PYTHON, "python", ("adding/__init__.py", "a + b", "b + a"), ()),
        (NODE, "node", ("index.js", "a + b", "b + a"), ()),
        (RUST, "cargo", ("src/lib.rs", "a + b", "b + a"), ()),
        (C, "cc", ("add.c", "1 + 2", "2 + 1"), ()),
        (DOCS, "python", ("docs/use.md", "in order to obtain", "to get"), ()),
        (SQL, "python", ("db/report.sql", "a + 0 = 1", "a = 1"), ()),
        (BENCH, "python", ("work.py", "10", "9"), ()),
    ],
    ids=["python", "node", "rust", "c", "docs", "sql", "benchmark"],
)
def test_what_is_written_for_a_stack_runs(
    here: Repo,
    run: Run,
    script: Script,
    files: Mapping[str, str],
    program: str,
    edit: tuple[str, str, str],
    flags: tuple[str, ...],
) -> None:
    if not shutil.which(program):
        pytest.skip(f"no {program} here")
    commit(here, files)
    assert init(*flags) == 0
    path, old, new = edit
    script(
        {"description": "say it shorter", "edits": [{"path": path, "old": old, "new": new}]},
    )
    none: dict[str, str | None] = {"scope": None, "metric": None, "sandbox-write": None}
    quick = ("--set", "confirm=never", "--metric-repeats-max", "1")
    result = run("--iterations", "1", *quick, **none)
    assert result.code == 0, result.told
    assert result.column("status")[0] == "baseline"
    assert result.column("status")[1] in ("keep", "discard"), result.told


BUILD = """
mkdir -p out
test -z "$(ls src)" && echo "nothing to build" || cp src/work.sh out/
sh out/work.sh || exit 1
"""
"""As Maven: without a single source it leaves what it once built."""


@pytest.mark.parametrize("cache", [(), ("out/",)])
def test_what_a_build_keeps_of_files_that_are_gone_makes_no_guard_blind(
    here: Repo, cache: tuple[str, ...]
) -> None:
    commit(here, {"build.sh": BUILD, "src/work.sh": "echo score: 3\n", ".gitignore": "out/\n"})
    config = Config.model_validate(
        {
            "scope": ["src/work.sh"],
            "metric": {"command": "sh build.sh", "name": "score"},
            "guards": ["sh build.sh | grep 3"],
            "cache": list(cache),
        }
    )
    with surveyed(config, here.path, CONFIG) as context:
        trial = tried(config, context, os.environ, Stop())
    assert not trial.blind
    assert not trial.unguarded


def test_a_benchmark_that_prints_a_number_is_the_metric(here: Repo) -> None:
    commit(here, BENCH)
    assert init() == 0
    config = written(here)
    assert config["metric"]["command"] == "python bench.py"
    assert config["metric"]["name"] == "steps"
    assert config["scope"] == ["work.py"]


def test_nothing_is_overwritten_but_by_force(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, BENCH)
    here.write(WORKFLOW, "mine\n")
    assert init() == 2
    told = capsys.readouterr()
    assert "nothing is overwritten" in told.err
    assert "trying" not in told.out, "it is said before anything is run"
    assert (here.path / WORKFLOW).read_text() == "mine\n"
    assert not (here.path / CONFIG).exists()
    assert init("--force") == 0
    assert "mine" not in (here.path / WORKFLOW).read_text()


def test_a_link_in_the_place_of_a_folder_is_not_followed(here: Repo, tmp_path: Path) -> None:
    commit(here, BENCH)
    outside = tmp_path / "outside"
    outside.mkdir()
    (here.path / ".github").symlink_to(outside)
    assert init("--force") == 2
    assert list(outside.iterdir()) == []


def test_a_dry_run_prints_and_writes_nothing(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, BENCH)
    before = here.photograph()
    assert init("--dry-run") == 0
    told = capsys.readouterr().out
    assert f"--- {CONFIG}" in told
    assert "name: steps" in told
    assert here.photograph() == before


def test_each_use_has_its_workflow_and_only_nightly_a_configuration(here: Repo) -> None:
    commit(here, PYTHON)
    assert run_cli(["init", "--yes", "--use", "gate", "--use", "fix"]) == 0
    names = sorted(path.name for path in (here.path / ".github/workflows").iterdir())
    assert names == ["autoresearch-fix.yml", "autoresearch-gate.yml"]
    assert not (here.path / CONFIG).exists()


def test_what_workflows_are_written_keeps_the_rules_of_our_own(here: Repo) -> None:
    commit(here, NODE)
    assert run_cli(["init", "--yes", "--quick", "--use", "nightly", "--use", "gate"]) == 0
    for path in (here.path / ".github/workflows").iterdir():
        text = path.read_text().replace("\non:", '\n"on":')
        assert list(workflow_problems(yaml.safe_load(text), (), ())) == []
        assert "host: true" in text


def test_of_tests_that_are_red_already_no_more_may_fail_which_is_told(
    here: Repo, run: Run, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    tests = "import work\n\n\ndef test_red():\n    assert work.work() == 7\n\n\n"
    tests += "def test_work():\n    assert work.work() > 8\n"
    commit(here, {**BENCH, "test_work.py": tests})
    assert init("--guard", "python -m pytest -q") == 4, "what was typed stays"
    assert not (here.path / CONFIG).exists()
    assert init() == 0
    assert "warning: the guard is that no more tests fail than now" in capsys.readouterr().out
    (guard,) = written(here)["guards"]
    assert guard["metric"] == "problems"
    assert "# some fail already" in (here.path / CONFIG).read_text()
    edits = [[{"path": "work.py", "old": "10", "new": new}] for new in ("8", "7", "9")]
    script(*({"description": "less", "edits": each} for each in edits))
    none: dict[str, str | None] = {"scope": None, "metric": None, "sandbox-write": None}
    result = run("--iterations", "3", "--set", "confirm=never", **none)
    assert result.column("status") == ["baseline", "discard", "discard", "keep"], result.told
    assert result.column("guard")[1:] == ["fail", "fail", "pass"], "another one fails, not more"


def test_tests_that_nothing_can_count_leave_no_guard_which_is_told_and_written(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, {**BENCH, "Makefile": "check:\n\tfalse\n"})
    assert init() == 0
    assert "warning: no guard, so nothing says what a change breaks" in capsys.readouterr().out
    assert "guards" not in written(here)
    assert "# warning: no guard" in (here.path / CONFIG).read_text()


def test_a_guard_that_cannot_be_installed_is_given_up_by_a_person_only(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which("npm"):
        pytest.skip("no npm here")
    package = '{"scripts": {"test": "node t.js"}, "devDependencies": {"x": "git+file:///gone.git"}}'
    code = {"index.js": "// TODO: more\nexports.a = 1;\n", "t.js": "require('x');\n"}
    commit(here, {"package.json": package, **code})
    todo = "--goal", "Fewer TODO marks"
    assert init(*todo) == 4
    told = capsys.readouterr().err
    assert "no guard, as what the tests need cannot be installed here: the setup command" in told
    assert "do: npm install where it can, and init again" in told
    assert not (here.path / CONFIG).exists()
    assert init(*todo, "--set", "guards=[]") == 0
    assert not written(here).get("guards")


def test_what_nobody_installed_is_installed_by_the_setup(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which("npm"):
        pytest.skip("no npm here")
    package = '{"name": "a", "type": "module", "scripts": {"test": "node --test"}, '
    package += '"devDependencies": {"summed": "file:summed"}}'
    files = {
        "package.json": package,
        "summed/package.json": '{"name": "summed", "type": "module", "main": "index.js"}',
        "summed/index.js": "export const three = 3;\n",
        ".gitignore": "node_modules\n",
    }
    tests = NODE["test/add.test.js"].replace("3)", "three)")
    commit(here, {**NODE, **files, "test/add.test.js": f"import {{three}} from 'summed';\n{tests}"})
    assert init() == 0
    assert "installing first: npm install" in capsys.readouterr().out
    assert written(here)["setup"] == ["npm install"]
    assert "npm install" not in (here.path / WORKFLOW).read_text()


def test_what_installing_has_not_mended_is_not_installed_for_the_next_metric(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which("npm"):
        pytest.skip("no npm here")
    package = '{"name": "a", "type": "module", "scripts": {"test": "node --test", '
    package += '"bench": "node bench.js"}, "devDependencies": {"summed": "file:summed"}}'
    summed = {"summed/package.json": '{"name": "summed"}', ".gitignore": "node_modules\n"}
    bench = {"bench.js": "import 'gone';\nconsole.log('ops: 1');\n"}
    commit(here, {**NODE, **summed, **bench, "package.json": package})
    assert init() == 0
    told = capsys.readouterr().out
    assert "installing first: npm install" in told
    assert "setup" not in written(here), told
    assert "none changes this metric" in told, told


def test_a_linter_that_fails_beside_the_tests_leaves_them_as_the_guard(here: Repo) -> None:
    if not shutil.which("npx"):
        pytest.skip("no npx here")
    package = '{"name": "a", "scripts": {"test": "exit 1 && uvu"}}'
    here.write("node_modules/.bin/uvu", "#!/bin/sh\nexit 0\n", 0o755)
    commit(here, {"package.json": package, "index.js": "module.exports = 1;\n"})
    metric = ("--metric", "wc -c < index.js", "--set", "metric.extract={last_number: true}")
    assert init(*metric, "--guard", "npm test --silent") != 0, "what was typed stays"
    assert init(*metric) == 0
    assert written(here)["guards"] == [{"command": "npx --no-install uvu"}]


@pytest.mark.parametrize("listed", [True, False], ids=["committed", "not there"])
def test_tests_of_what_a_build_writes_are_a_guard_that_builds_first(
    here: Repo, *, listed: bool
) -> None:
    if not shutil.which("npm"):
        pytest.skip("no npm here")
    package = (
        '{"type": "module", "scripts": {"build": "cp index.js built.js", "test": "node --test"}}'
    )
    tests = NODE["test/add.test.js"].replace("../index.js", "../built.js")
    files = {**NODE, "package.json": package, "test/add.test.js": tests}
    commit(here, {**files, "built.js": NODE["index.js"]} if listed else files)
    scope = ("--scope", "index.js", "--metric", "wc -c < index.js")
    assert init(*scope, "--set", "metric.extract={last_number: true}") == 0
    (guard,) = written(here)["guards"]
    assert guard["command"].startswith("npm run --silent build && node --test ")


@pytest.mark.parametrize(
    ("guard", "told"),
    [
        ("python -c 'print(1)'", True),
        ('python -c \'import os; print(int(os.path.exists("work.py")), "passed")\'', False),
    ],
    ids=["needs none of it", "loses its tests"],
)
def test_a_guard_that_does_not_need_the_scope_is_told(
    here: Repo, capsys: pytest.CaptureFixture[str], guard: str, told: bool
) -> None:
    commit(here, BENCH)
    assert init("--guard", guard) == 0
    warning = "warning: the guard passes without the files in scope"
    assert (warning in capsys.readouterr().out) == told
    assert ("# warning: the guard passes" in (here.path / CONFIG).read_text()) == told


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        (("--guard", "python bench.py | tee log"), "hides a failure"),
        (("--scope", "nothing/**"), "matches no file"),
        (("--set", "iterations=-3"), "out of range"),
    ],
)
def test_what_goes_for_every_metric_is_refused_once(
    here: Repo, capsys: pytest.CaptureFixture[str], typed: tuple[str, str], what: str
) -> None:
    commit(here, BENCH)
    assert init(*typed) == 2
    told = capsys.readouterr()
    assert f"{told.out}{told.err}".count(what) == 1


@pytest.mark.parametrize(
    ("metric", "what"),
    [
        ("python bench.py | tee log", "hides a failure"),
        ("python bench.py || true", "hides a failure"),
        ("rm -rf build && python bench.py", "deletes recursively"),
    ],
)
def test_a_command_that_hides_or_harms_is_refused_and_not_run(
    here: Repo, capsys: pytest.CaptureFixture[str], metric: str, what: str
) -> None:
    commit(here, BENCH)
    assert init("--metric", metric) == 2
    assert what in capsys.readouterr().err
    assert not (here.path / CONFIG).exists()


def test_what_is_typed_goes_above_what_is_found(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, BENCH)
    metric = ("--metric", "cat work.py", "--set", "metric.extract={last_number: true}")
    count = "autoresearch-ci score marks work.py"
    typed = ("--scope", "*.py", "--guard", "true", "--guard", count, "--iterations", "3")
    assert init(*metric, *typed) == 0
    config = written(here)
    assert config["metric"] == {"command": "cat work.py", "extract": {"last_number": True}}
    assert config["scope"] == ["*.py"]
    assert config["guards"] == [{"command": "true"}, {"command": count, "metric": "marks"}]
    assert config["iterations"] == 3
    assert (
        "warning: this guard says the same whatever the code does: true" in capsys.readouterr().out
    )


def test_the_new_file_tells_editors_its_schema(here: Repo) -> None:
    commit(here, BENCH)
    assert init("--source", "me/autoresearch-ci@v9") == 0
    first, second, *_ = (here.path / CONFIG).read_text().splitlines()
    address = "https://raw.githubusercontent.com/me/autoresearch-ci/v9/autoresearch_ci/schema.json"
    assert first == f"# yaml-language-server: $schema={address}"
    assert second.startswith("# Written by autoresearch-ci init.")


def test_a_brief_of_the_repository_is_read(here: Repo) -> None:
    brief = "Goal: Fewer steps\nScope: work.py\nMetric: steps (lower is better)\n"
    commit(here, {**BENCH, "GOAL.md": f"{brief}Verify: python bench.py\nGuard: python work.py\n"})
    assert init() == 0
    config = written(here)
    assert config["goal"] == "Fewer steps"
    assert (config["metric"]["name"], config["metric"]["direction"]) == ("steps", "minimize")
    assert config["guards"] == [{"command": "python work.py"}]


def test_a_goal_that_nothing_here_measures_says_what_it_takes(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, BENCH)
    assert init("--goal", "a smaller bundle") == 2
    assert "a script `build` in package.json" in capsys.readouterr().err
    assert init("--goal", "world peace") == 2
    assert "no rule knows how to measure 'world peace'" in capsys.readouterr().err


def test_a_target_that_is_reached_already_is_said(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, BENCH)
    assert init("--set", "metric.target=10") == 2
    assert "there is nothing to reach: the metric is 10 already" in capsys.readouterr().err
    assert not (here.path / CONFIG).exists()
    assert init("--set", "metric.target=9") == 0


def test_on_a_terminal_a_brief_leaves_two_questions_and_enter_is_an_answer(here: Repo) -> None:
    brief = "Goal: Less work\nMetric: work (lower is better)\nVerify: python bench.py\n"
    commit(here, {**BENCH, "GOAL.md": brief})
    told = _by_enter()
    assert "autoresearch-ci run" in told
    assert told.count("?") == 2, told
    metric = written(here)["metric"]  # nothing is printed as `work`: the last number counts
    assert (metric["extract"], metric["direction"]) == ({"last_number": True}, "minimize")


def test_on_a_terminal_too_the_next_metric_is_tried_where_the_likeliest_does_not_work(
    here: Repo,
) -> None:
    commit(here, {"bench.py": "open(__file__ + '.gone')\n", "work.py": BENCH["work.py"]})
    told = _by_enter()
    assert told.count("?") == 3, told
    said = "not autoresearch-ci score time -- python bench.py: "
    lines = [line.strip() for line in told.splitlines()]
    (at,) = (n for n, line in enumerate(lines) if line.startswith(said))
    assert lines[at + 1].startswith("trying: "), "in a line of its own"
    why = next(line for line in (here.path / CONFIG).read_text().splitlines() if said in line)
    assert why.endswith("'bench.py.gone'"), why
    assert written(here)["metric"]["name"] == "complexity"


def _by_enter() -> str:
    """What `init` says to somebody who takes all that is suggested."""
    told, code = _typing(b"\n", b"\n", b"\n")
    assert code == 0, told
    return told


@pytest.mark.parametrize(("key", "code"), [(b"\x03", 130), (b"\x04", 2)])
def test_who_leaves_in_the_middle_of_the_questions_finds_nothing_written(
    here: Repo, key: bytes, code: int
) -> None:
    commit(here, BENCH)
    told, ended = _typing(b"\n", key)
    assert (ended, told.count("?")) == (code, 2), told
    assert not (here.path / ".github").exists()


@pytest.mark.parametrize("flags", [("--goal", "calmer users"), ()])
def test_a_goal_that_no_rule_knows_takes_three_questions_and_says_which_way_is_better(
    here: Repo, flags: tuple[str, ...]
) -> None:
    commit(here, {**PYTHON, **BENCH})
    command = b"lower steps: python bench.py\n"
    answers = (command, b"\n", b"\n") if flags else (b"calmer users\n", command, b"\n")
    told, code = _typing(*answers, flags=flags)
    assert (code, told.count("?")) == (0, 3 if flags else 4), told
    assert ("as detected" in told) != bool(flags)
    config = written(here)
    assert config["goal"] == "calmer users"
    assert config["metric"] == {
        "command": "python bench.py",
        "direction": "minimize",
        "name": "steps",
    }
    assert "pytest" in config["guards"][0]["command"]


def _typing(*keys: bytes, flags: tuple[str, ...] | None = None) -> tuple[str, int]:
    """What `init` says on a terminal to somebody who types these, and its exit code. `flags`:
    nothing is run, and they."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "autoresearch_ci", "init"]
    argv += [] if flags is None else ["--quick", *flags]
    with subprocess.Popen(  # of a session of its own, whose terminal sends it the signal
        ["setsid", "--ctty", "--wait", *argv], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        try:
            told = b""
            for key in keys:
                told += _until(ours, b"] ", b"> ")
                os.write(ours, key)
            told += _until(ours, silence=2 if keys[-1] == b"\x03" else 20)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)
            if process.poll() is None:  # Python was not waiting for a key yet, and is now
                os.write(ours, keys[-1])
                told += _until(ours)
            code = process.wait(20)
        finally:
            os.close(ours)  # which ends who is still there
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.decode()), code


def _until(terminal: int, *words: bytes, silence: float = 20) -> bytes:
    """What is printed there, up to one of these, or to its end; less after seconds of silence."""
    told = b""
    with contextlib.suppress(OSError):  # nobody has the other side open any more
        while not told.endswith(words):
            if not select.select([terminal], [], [], silence)[0]:
                break
            told += os.read(terminal, 1 << 16)
    return told


def test_the_numbers_of_a_trial_are_told(here: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    commit(here, BENCH)
    assert init() == 0
    told = capsys.readouterr().out
    assert "metric: 10 10" in told
    assert "deterministic" in told
    assert "25 iterations: about 1 min; with Claude about $" in told
    assert "\nwithout a key only constants are searched, and the scope has none\n" in told
    assert "next: autoresearch-ci run --proposer claude-code   # or codex, " in told
    assert json.dumps(str(here.path)) not in told


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with MessagesApi() as server:
        yield server
        assert server.problems == []
        assert server.unused == 0


def plan(**changes: Any) -> Reply:
    usual = {"metric_command": "python bench.py", "metric_name": "steps", "guards": []}
    return calls(
        tool("plan", **{**usual, "direction": "minimize", "scope": ["work.py"], **changes})
    )


def ask(repo: Repo, api: MessagesApi, monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    commit(repo, BENCH)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    wire = ("--set", f"claude.base_url={api.url}", "--set", "claude.dialect=native")
    return init("--goal", "bring peace to the world", *wire, *flags)


def test_a_plan_of_a_model_is_tried_and_refused_like_any_other(
    here: Repo, api: MessagesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answer(plan(metric_command="python bench.py | tee log"), plan())
    assert ask(here, api, monkeypatch) == 0
    assert "hides a failure" in json.dumps(api.requests[1])
    assert written(here)["metric"]["command"] == "python bench.py"
    assert written(here)["goal"] == "bring peace to the world"


def test_a_model_that_insists_writes_nothing(
    here: Repo, api: MessagesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answer(plan(metric_command="rm -rf /"), plan(scope=["nowhere/"]))
    assert ask(here, api, monkeypatch) == 2
    assert not (here.path / CONFIG).exists()


def test_a_model_without_a_plan_is_said(
    here: Repo,
    api: MessagesApi,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api.answer(ends(text("Peace is hard.")), plan(direction="sideways"))
    assert ask(here, api, monkeypatch) == 5
    assert "the model's plan is malformed" in capsys.readouterr().err


def test_noise_is_told_and_does_not_decide_what_gets_better(
    here: Repo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"  # three that chance picks are alike now and then
    runs.mkdir(mode=0o777)
    runs.chmod(0o777)
    noisy = "import tempfile\nfrom pathlib import Path\nimport work\n\n"
    noisy += f"if __name__ == '__main__':\n    runs = Path({str(runs)!r})\n"
    noisy += "    number = (1, 30, 10)[len([*runs.iterdir()]) % 3]\n"
    noisy += "    tempfile.mkstemp(dir=runs)\n    print(f'steps: {number}')\n"
    commit(here, {"bench.py": noisy, "work.py": BENCH["work.py"]})
    assert init("--set", f"sandbox.write=[{runs}]") == 0
    assert written(here)["metric"]["name"] == "steps"
    assert "warning: gains near" in capsys.readouterr().out
    assert "were not seen in its noise" in (here.path / CONFIG).read_text()


def test_tests_that_take_no_time_and_a_finding_or_two_are_not_the_first_choice(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    linted = f"{PYTHON['pyproject.toml']}[tool.ruff]\n"
    source = f"import os\n\n\n{PYTHON['adding/__init__.py']}"
    commit(here, {**PYTHON, "pyproject.toml": linted, "adding/__init__.py": source})
    assert init() == 0
    told = capsys.readouterr().out
    assert "seconds are mostly the start of what is run" in told
    assert "1 left to mend in scope: no work for a night" in told
    assert written(here)["metric"]["name"] == "complexity"


def test_a_setup_that_fails_is_tried_once_as_no_other_metric_helps(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    """And npm waits 10 s at most before it asks once more."""
    commit(here, {**BENCH, "bench.py": "import work\n"})
    assert init("--set", "setup=[exit $((npm_config_fetch_retry_maxtimeout / 1000))]") == 4
    told = capsys.readouterr()
    assert told.out.count("trying: ") == 1
    assert "exit code 10" in told.err


def test_a_version_that_a_build_wrote_beside_the_sources_is_there_when_it_is_measured(
    here: Repo,
) -> None:
    settings = '[tool.hatch.build.hooks.vcs]\nversion-file = "adding/_version.py"\n'
    files = {
        "pyproject.toml": PYTHON["pyproject.toml"] + settings,
        "adding/__init__.py": "from adding._version import version\n\n\n"
        "def add(a, b):\n    return a + b\n",
        ".gitignore": "_version.py\n",
    }
    commit(here, {**PYTHON, **files})
    metric = ("--metric", "wc -c adding/*", "--set", "metric.extract={last_number: true}")
    assert init(*metric, "--set", "setup=[]") == 0
    assert "guards" not in written(here), "nobody built it: the tests cannot be collected"
    here.write("adding/_version.py", "version = '1.0'\n")
    assert init(*metric, "--force") == 0
    assert written(here)["guards"][0]["junit"]


def test_a_repository_whose_sources_are_not_known_is_told_what_to_say(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, {"package.json": '{"scripts": {"test": "node a.jst"}}', "a.jst": "1;\n"})
    assert init() == 2
    assert "no file here is known to be a source of its own" in capsys.readouterr().err


def test_a_metric_that_does_not_need_the_scope_is_not_the_first_choice(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, {"bench.py": "print(f'steps: {10}')\n", "work.py": BENCH["work.py"]})
    assert init() == 0
    said = "not yet python bench.py: the metric stays the same without the file in scope"
    assert said in capsys.readouterr().out
    assert said in (here.path / CONFIG).read_text()
    assert written(here)["metric"]["name"] == "complexity"


def test_who_asks_for_a_metric_that_does_not_need_the_scope_is_warned_in_the_file(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, {"count.sh": "ls /etc | wc -l\n", "work.py": BENCH["work.py"]})
    assert init("--metric", "bash count.sh", "--scope", "work.py") == 0
    warning = "warning: the metric stays the same without the file in scope"
    assert warning in capsys.readouterr().out
    assert f"# {warning}" in (here.path / CONFIG).read_text()


def test_the_workflow_installs_what_the_configuration_runs(here: Repo) -> None:
    commit(here, PYTHON)
    assert init("--quick", "--goal", "raise coverage", "--use", "nightly", "--use", "fix") == 0
    assert "python -m pip install --quiet pytest-cov" in (here.path / WORKFLOW).read_text()
    other = here.path / ".github/workflows/autoresearch-fix.yml"
    assert "pytest-cov" not in other.read_text()


def test_modules_of_an_inner_package_are_there_when_it_is_measured(here: Repo) -> None:
    here.write(".gitignore", "node_modules/\n")
    here.write("bench/node_modules/tinybench/index.js", "module.exports = n => `a ${n} ops/sec`;\n")
    code = "const say = require('tinybench');\nconsole.log(say(require('../index.cjs').n));\n"
    source = {"index.cjs": "exports.n = 1000;\n", "package.json": "{}"}
    commit(here, {**source, "bench/package.json": "{}", "bench/index.js": code})
    assert init() == 0
    assert written(here)["metric"]["command"].endswith("'node bench/index.js'")


def test_all_results_of_a_benchmark_tool_are_asked_for(here: Repo) -> None:
    bench = "# pyperf\nimport work\nfor n in 1, 2:\n"
    bench += "    print(f'b{n}: Mean +- std dev: {work.work() * n} us +- 0.1 us')\n"
    commit(here, {"bench.py": bench, "work.py": BENCH["work.py"]})
    assert init() == 0
    command = "autoresearch-ci score bench --results 2 -- 'python bench.py'"
    assert written(here)["metric"]["command"] == command


def test_a_file_that_a_build_no_longer_writes_makes_no_smaller_bundle(
    here: Repo, run: Run, script: Script
) -> None:
    if not shutil.which("npm"):
        pytest.skip("no npm here")
    build = "mkdir -p dist && cp index.js dist/a.js"
    build += " && (grep -q UNUSED index.js || cp index.js dist/b.js)"
    package = {"type": "module", "main": "dist/a.js", "scripts": {"build": build}}
    commit(here, {"index.js": NODE["index.js"], "package.json": json.dumps(package)})
    assert init() == 0
    assert "score size --least 2 'dist/**/*.*js'" in written(here)["metric"]["command"]
    edit = {"path": "index.js", "old": "export", "new": "// UNUSED\nexport"}
    script({"description": "break the build", "edits": [edit]})
    none: dict[str, str | None] = {"scope": None, "metric": None, "sandbox-write": None}
    result = run("--iterations", "1", "--set", "confirm=never", **none)
    assert result.column("status")[1] != "keep", result.told


def test_a_checker_that_makes_every_gate_incomplete_is_named(
    here: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = "[tool.pyright]\n[tool.mypy]\n"
    commit(here, {"a.py": "x = 1\n", "pyproject.toml": settings})
    here.write("bin/mypy", "", 0o755)
    monkeypatch.setenv("PATH", f"{here.path}/bin:/usr/bin:/bin")
    assert init("--use", "gate", "--dry-run") == 0
    assert (
        "warning: not installed here: pyright; until it is, also in CI," in capsys.readouterr().out
    )


def test_go_without_a_module_is_told_what_is_missing(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(here, {"a.go": "package a\n\nfunc A() int { return 1 }\n"})
    assert init("--dry-run", "--quick") == 0
    assert "warning: there is no go.mod, which Go wants; first: go mod" in capsys.readouterr().out


def test_modules_that_are_not_installed_are_named_at_once(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    package = json.dumps({"devDependencies": {"ava": "6"}, "scripts": {"test": "ava"}})
    commit(here, {**NODE, "package.json": package})
    run_cli(["init", "--yes", "--quick", "--dry-run"])
    assert "warning: node_modules is not there; first: npm install" in capsys.readouterr().out
    (here.path / "node_modules").mkdir()
    run_cli(["init", "--yes", "--quick", "--dry-run"])
    assert "node_modules" not in capsys.readouterr().out
