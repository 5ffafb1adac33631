"""What is found in a repository is run for real, read, and a repair judged by it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from autoresearch_ci.decide.failures.failure import Category, ordered, summary
from autoresearch_ci.decide.failures.objective import Seen, SetChange, compared
from autoresearch_ci.execution.command import run_command
from autoresearch_ci.execution.environment import clean_environment
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput
from autoresearch_ci.measure.diagnostics.discovery.targets import discover
from autoresearch_ci.measure.diagnostics.registry import TOOLS
from tests.conftest import Repo

FILES = {
    "pyproject.toml": "[tool.ruff.lint]\nselect = ['F']\n[tool.pytest.ini_options]\n",
    "calc.py": "import os\n\n\ndef add(a, b):\n    return a - b\n",
    "broken.py": "def f(:\n",
    "test_calc.py": "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
    "test_broken.py": "import broken\n\n\ndef test_f():\n    assert broken.f() == 1\n",
}


def seen(root: Path) -> Seen:
    paths = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    home = root.parent / "home"
    home.mkdir(exist_ok=True)
    env = clean_environment({}, home=home, tmp=home, inherit=os.environ)
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    found = {}
    for target in discover(paths, lambda path: (root / path).read_bytes()).targets:
        report = home / "report"
        report.unlink(missing_ok=True)
        command = target.command.replace("{report}", str(report))
        result = run_command(command, cwd=root, env=env, apart=True)
        written = report.read_bytes() if report.exists() else None
        said = ToolOutput(result=result, report=written, root=str(root), folder=target.folder)
        found[target.name] = TOOLS[target.tool].read(said)
    return found


def test_a_repair_is_kept_what_it_uncovers_queues_and_a_deleted_test_is_no_repair(
    tmp_path: Path,
) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    for name, text in FILES.items():
        (root / name).write_text(text)
    first = seen(root)
    assert set(first) == {"python", "ruff", "pytest"}
    everything = [failure for diagnosis in first.values() for failure in diagnosis.failures]
    assert not any(diagnosis.incomplete for diagnosis in first.values())
    assert ordered(everything)[0].path == "broken.py"
    assert summary(first["pytest"].failures) == "1 build, 1 test"

    (root / "broken.py").write_text("def f():\n    return 2\n")
    second = seen(root)
    repair = compared(first, second, changed=["broken.py"])
    assert repair.outcome is SetChange.KEPT
    assert [failure.id for failure in repair.unmasked] == ["pytest:test_broken::test_f"]

    (root / "test_broken.py").unlink()
    cheat = compared(second, seen(root), changed=["test_broken.py"])
    assert cheat.outcome is SetChange.REGRESSED
    assert "test_broken::test_f" in cheat.reason


def test_code_that_others_wrote_or_that_is_broken_on_purpose_is_no_failure(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    for name in (".venv/lib/x.py", "node_modules/y/z.py", "tests/fixtures/bad.py", "a/ok.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("ONE = 1\n" if name == "a/ok.py" else "def f(:\n")
    assert not seen(root)["python"].failures
    (root / "a/ok.py").write_text("def f(:\n")
    assert [failure.path for failure in seen(root)["python"].failures] == ["a/ok.py"]


def test_tests_of_unittest_fail_complete_and_pass_with_that_runner(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    test = "import unittest\n\n\nclass A(unittest.TestCase):\n    def test_a(self):\n"
    (root / "tox.ini").write_text("[testenv]\ncommands = python -m unittest -v test_a\n")
    for number, wanted in ((2, ["unittest:test_a.A.test_a"]), (1, [])):
        (root / "test_a.py").write_text(f"{test}        self.assertEqual(1, {number})\n")
        found = seen(root)["unittest"]
        assert (found.incomplete, [failure.id for failure in found.failures]) == ("", wanted)


@pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed")
def test_what_go_vet_finds_is_no_warning_that_it_lets_pass(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "go.mod").write_text("module example.com/m\n\ngo 1.19\n")
    (root / "m.go").write_text("package m\n\nfunc F(a int) int {\n\ta = a\n\treturn a\n}\n")
    found = seen(root)["go vet"]
    assert [(f.category, f.code, f.line) for f in found.failures] == [(Category.LINT, "assign", 4)]


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_what_shellcheck_finds_is_all_of_it_however_it_is_started(repo: Repo) -> None:
    repo.write("a b.sh", "#!/bin/sh\ncd $1\n")
    repo.write("b.sh", "#!/bin/sh\necho good\n")
    repo.write(".shellcheckrc", "")
    repo.commit()
    found = seen(repo.path)["shellcheck"]
    assert found.incomplete == ""
    assert "SC2164" in {f.code for f in found.failures if f.category is Category.LINT}


@pytest.mark.skipif(not shutil.which("gofmt"), reason="Go is not installed")
def test_a_file_that_a_step_of_a_workflow_would_refuse_to_format_is_lint(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / ".github/workflows").mkdir(parents=True)
    step = "jobs: {t: {steps: [{run: 'test -z \"$(gofmt -l .)\"'}]}}\n"
    (root / ".github/workflows/ci.yml").write_text(step)
    (root / "m.go").write_text("package m\n\nfunc  F() {}\n")
    found = seen(root)["gofmt"]
    assert [(f.category, f.path) for f in found.failures] == [(Category.LINT, "m.go")]
    (root / "m.go").write_text("package m\n\nfunc F() {}\n")
    assert not seen(root)["gofmt"].failures


@pytest.mark.skipif(not shutil.which("javac"), reason="no JDK is installed")
def test_what_make_compiles_of_java_is_read_to_its_end(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "Makefile").write_text("JAVAC = javac\nall:\n\t$(JAVAC) -d build A.java\n")
    (root / "A.java").write_text('public class A {\n  int f() { return "x"; }\n}\n')
    found = seen(root)["javac"]
    assert found.incomplete == ""
    assert [(f.category, f.path, f.line) for f in found.failures] == [(Category.BUILD, "A.java", 2)]
    (root / "A.java").write_text("public class A {\n  int f() { return 1; }\n}\n")
    assert not seen(root)["javac"].failures
