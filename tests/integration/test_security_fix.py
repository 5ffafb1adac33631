"""`security --fix`: real scanners, a real repository, and whatever a scripted proposer answers.

What is right is kept in one iteration, what only makes a scanner fall silent never is.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.conftest import Repo, Result, Run, Script

SHELL = {
    "shell.py": (
        "import subprocess\n\n\ndef size(name):\n"
        '    """How many bytes a file has."""\n'
        '    told = subprocess.check_output("wc -c < " + name, shell=True)\n'
        "    return int(told)\n"
    ),
    "test_shell.py": (
        "from shell import size\n\n\n"
        "def test_size(tmp_path):\n"
        '    (tmp_path / "a").write_text("four")\n'
        '    assert size(str(tmp_path / "a")) == 4\n'
    ),
}
SQL = {
    "query.py": (
        "import sqlite3\n\n\ndef age(database, name):\n"
        '    rows = database.execute("SELECT age FROM people WHERE name = \'" + name + "\'")\n'
        "    return rows.fetchone()[0]\n"
    ),
    "test_query.py": (
        "import sqlite3\n\nfrom query import age\n\n\n"
        "def test_age():\n"
        '    database = sqlite3.connect(":memory:")\n'
        '    database.execute("CREATE TABLE people (name, age)")\n'
        "    database.execute(\"INSERT INTO people VALUES ('ann', 3)\")\n"
        '    assert age(database, "ann") == 3\n'
    ),
}
WORKFLOW = {
    ".github/workflows/triage.yml": (
        "name: triage\non: issues\npermissions: {}\n"
        "concurrency: {group: triage, cancel-in-progress: true}\n"
        "jobs:\n  triage:\n    name: triage\n    runs-on: ubuntu-24.04\n    timeout-minutes: 5\n"
        "    steps:\n"
        '      - name: greet\n        run: echo "${{ github.event.issue.title }}"\n'
    ),
}
SECRET = {
    "client.py": (
        'import os\n\nHOST = os.environ.get("HOST", "localhost")\n'
        'TOKEN = "AKIA' + 'QYLPMN5HHHFPZAM2"\n\n\ndef header():\n    return {"key": TOKEN}\n'
    ),
}
PYTEST = "{tool: pytest, command: 'python -m pytest -q --junitxml {report}'}"

Fix = Callable[..., Result]


@pytest.fixture
def fix(repo: Repo, script: Script, run: Run) -> Fix:
    """The command line in the repository, with what the scripted proposer answers."""

    def call(answers: list[Mapping[str, Any]], *flags: str) -> Result:
        script(*answers)
        back = Path.cwd()
        os.chdir(repo.path)
        run.capture.readouterr()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            code = run_cli(["security", "--fix", "--proposer", f"script:{script.path}", *flags])
        finally:
            os.chdir(back)
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = run.capture.readouterr()
        folder = next((repo.path / "autoresearch").glob("security-fix-*"), repo.path)
        return Result(code=code, out=out, err=err, folder=folder)

    return call


def weak(repo: Repo, files: Mapping[str, str]) -> None:
    repo.write(".github/autoresearch.yml", f"fix:\n  targets:\n    - {PYTEST}\n")
    for name, text in files.items():
        repo.write(name, text)
    repo.commit("something is insecure")


def edit(path: str, *pairs: tuple[str, str]) -> dict[str, Any]:
    edits = [{"path": path, "old": old, "new": new} for old, new in pairs]
    return {"description": "a repair", "edits": edits}


def whole(**files: str | None) -> dict[str, Any]:
    return {"description": "a repair", "files": {n.replace("__", "."): t for n, t in files.items()}}


RIGHT = {
    "shell": edit(
        "shell.py",
        (
            'subprocess.check_output("wc -c < " + name, shell=True)\n    return int(told)',
            'subprocess.check_output(["wc", "-c", "--", name])\n    return int(told.split()[0])',
        ),
    ),
    "sql": edit(
        "query.py",
        (
            '"SELECT age FROM people WHERE name = \'" + name + "\'"',
            '"SELECT age FROM people WHERE name = ?", (name,)',
        ),
    ),
    "workflow": edit(
        ".github/workflows/triage.yml",
        (
            'run: echo "${{ github.event.issue.title }}"\n',
            'run: echo "$TITLE"\n        env: {TITLE: "${{ github.event.issue.title }}"}\n',
        ),
    ),
    "secret": edit("client.py", ('"AKIA' + 'QYLPMN5HHHFPZAM2"', 'os.environ["CLIENT"]')),
}
FILES = {"shell": SHELL, "sql": SQL, "workflow": WORKFLOW, "secret": SECRET}


@pytest.mark.parametrize("kind", FILES)
def test_a_right_repair_is_kept_in_one_iteration(repo: Repo, fix: Fix, kind: str) -> None:
    weak(repo, FILES[kind])
    done = fix([RIGHT[kind]], "--fail-on", "medium")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert done.code == 0, done.told
    branch = repo.git("branch", "--list", "autoresearch/*", "--format=%(refname)")
    assert len(repo.kept(branch)) == 1
