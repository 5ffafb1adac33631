"""`security --fix`: real scanners, a real repository, and whatever a scripted proposer answers.

What is right is kept in one iteration, what only makes a scanner fall silent never is.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.conftest import FEW_PLUGINS, Repo, Result, Run, Script
from tests.git_http import GitServer
from tests.github_api import ACTIONS, SLUG, GitHubApi, Identity

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
KEY = '"AKIA' + 'QYLPMN5HHHFPZAM2"'
PYTEST = "{tool: pytest, command: 'python -m pytest -q --junitxml {report}'}"

Fix = Callable[..., Result]


@pytest.fixture
def fix(repo: Repo, script: Script, run: Run) -> Fix:
    """The command line in the repository, with what the scripted proposer answers."""

    def call(
        answers: list[Mapping[str, Any]], *flags: str, environment: Mapping[str, str] = os.environ
    ) -> Result:
        script(*answers)
        back = Path.cwd()
        os.chdir(repo.path)
        run.capture.readouterr()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            given = ["--fix", *FEW_PLUGINS, "--proposer", f"script:{script.path}", *flags]
            code = run_cli(["security", *given], environment)
        finally:
            os.chdir(back)
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = run.capture.readouterr()
        folder = next((repo.path / "autoresearch").glob("security-fix-*"), repo.path)
        return Result(code=code, out=out, err=err, folder=folder)

    return call


def weak(repo: Repo, files: Mapping[str, str]) -> None:
    repo.write(".github/autoresearch.yml", f"fix:\n  attempts: 99\n  targets:\n    - {PYTEST}\n")
    for name, text in files.items():
        repo.write(name, text)
    repo.commit("something is insecure")


def edit(path: str, *pairs: tuple[str, str]) -> dict[str, Any]:
    edits = [{"path": path, "old": old, "new": new} for old, new in pairs]
    return {"description": "a repair", "edits": edits}


def whole(**files: str | None) -> dict[str, Any]:
    return {"description": "a repair", "files": {n.replace("__", "."): t for n, t in files.items()}}


def branch_of(repo: Repo) -> str:
    return repo.git("branch", "--list", "autoresearch/*", "--format=%(refname)")


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


SHELL_CALL = 'subprocess.check_output("wc -c < " + name, shell=True)'
HELPER = "import subprocess\n\n\ndef told(name):\n    return " + SHELL_CALL + "\n"
QUERY = 'database.execute("SELECT age FROM people WHERE name = \'" + name + "\'")'
STEP = '      - name: greet\n        run: echo "${{ github.event.issue.title }}"\n'
TRIAGE = ".github/workflows/triage.yml"
CHEATS: dict[str, dict[str, dict[str, Any]]] = {
    "shell": {
        "suppress": edit("shell.py", (SHELL_CALL, f"{SHELL_CALL}  # nosec")),
        "suppress by rule": edit("shell.py", (SHELL_CALL, f"{SHELL_CALL}  # noqa: S602")),
        "configure": {
            "description": "a repair",
            "files": {".bandit": "[bandit]\nskips: B602\n", "setup.txt": "x\n"},
        },
        "accept": {
            "description": "a",
            "files": {".github/security-accepted.yml": "accepted: []\n"},
        },
        "delete the file": whole(shell__py=None),
        "delete the function": whole(shell__py="import subprocess\n"),
        "hollow": edit("shell.py", (f"told = {SHELL_CALL}\n    return int(told)", "return 4")),
        "rename the file": whole(shell__py=None, other__py=SHELL["shell.py"]),
        "move the code": whole(
            shell__py="from helper import told\n\n\ndef size(name):\n    return int(told(name))\n",
            helper__py=HELPER,
        ),
        "move the code below": edit(
            "shell.py",
            (f"told = {SHELL_CALL}\n    return int(told)", "return inner(name)"),
            (
                "import subprocess\n",
                f"import subprocess\n\n\ndef inner(name):\n    return int({SHELL_CALL})\n",
            ),
        ),
        "catch and ignore": edit(
            "shell.py",
            (
                f"    told = {SHELL_CALL}\n",
                f"    try:\n        told = {SHELL_CALL}\n    except Exception:\n        pass\n",
            ),
        ),
        "another weakness": edit(
            "shell.py",
            (SHELL_CALL, 'subprocess.check_output(["wc", "-c", name]).split()[0]'),
            ("import subprocess\n", "import subprocess\n\nKEYS = eval('[]')\n"),
        ),
        "a mild one elsewhere": {
            "description": "a repair",
            "files": {
                "shell.py": SHELL["shell.py"].replace(
                    SHELL_CALL, 'subprocess.check_output(["wc", "-c", name]).split()[0]'
                ),
                "more.py": "import random\n\n\ndef key():\n    return random.random()\n",
            },
        },
        "a shell by name": edit(
            "shell.py", (SHELL_CALL, 'subprocess.check_output(["sh", "-c", "wc -c < " + name])')
        ),
        "no shell to see": edit("shell.py", ("shell=True", "shell=not None")),
        "keywords": edit("shell.py", ("shell=True", '**{"shell": True}')),
        "another name": edit(
            "shell.py",
            ("subprocess.check_output(", "ask("),
            ("import subprocess\n", "import subprocess\n\nask = subprocess.check_output\n"),
        ),
        "by its name": edit(
            "shell.py", ("subprocess.check_output(", 'getattr(subprocess, "check_output")(')
        ),
        "another function": edit(
            "shell.py",
            (SHELL_CALL, 'os.popen("wc -c < " + name).read()'),
            ("import subprocess", "import os"),
        ),
        "wrong": edit("shell.py", (SHELL_CALL, 'subprocess.check_output(["wc", "-l", name])[:1]')),
        "break a test": edit("test_shell.py", ("== 4", "== 5")),
    },
    "sql": {
        "suppress": edit("query.py", (QUERY, f"{QUERY}  # nosec B608")),
        "percent": edit(
            "query.py",
            (QUERY, 'database.execute("SEL" "ECT age FROM people WHERE name = %r" % name)'),
        ),
        "join": edit(
            "query.py",
            (
                QUERY,
                'database.execute("".join(["SEL", "ECT age FROM people WHERE name = ", name]))',
            ),
        ),
        "build before": edit(
            "query.py",
            (
                f"    rows = {QUERY}\n",
                '    asked = "SEL"\n    asked += "ECT age FROM people WHERE name = " + name\n'
                "    rows = database.execute(asked)\n",
            ),
        ),
        "plain answer": edit(
            "query.py", (f"rows = {QUERY}\n    return rows.fetchone()[0]", "return 3")
        ),
    },
    "workflow": {
        "suppress": edit(
            TRIAGE,
            ('title }}"\n', 'title }}" # zizmor: ignore[template-injection]\n'),
        ),
        "another step": edit(TRIAGE, (STEP, "      - run: true\n")),
        "delete the step": edit(TRIAGE, (f"    steps:\n{STEP}", "    steps: []\n")),
        "delete the file": {"description": "a", "files": {TRIAGE: None}},
        "never": edit(TRIAGE, ("on: issues", "on: workflow_dispatch")),
        "skip": edit(TRIAGE, ("      - name: greet\n", "      - name: greet\n        if: false\n")),
        "another workflow": {
            "description": "a",
            "files": {TRIAGE: None, ".github/workflows/other.yml": WORKFLOW[TRIAGE]},
        },
        "configure": {
            "description": "a",
            "files": {"zizmor.yml": "rules:\n  template-injection:\n    disable: true\n"},
        },
    },
    "secret": {
        "suppress": edit("client.py", ('AM2"\n', 'AM2"  # pragma: allowlist secret\n')),
        "baseline": {"description": "a", "files": {".secrets.baseline": "{}\n"}},
        "move": edit("client.py", ('TOKEN = "AKIA', 'OTHER = TOKEN = "AKIA')),
        "delete the file": whole(client__py=None),
        "in two parts": edit("client.py", ('"AKIA' + "QYLPMN", '"AKIA" "QYLPMN')),
        "elsewhere": {
            "description": "a",
            "files": {
                "client.py": SECRET["client.py"].replace(KEY, "open('x.bin').read()[::-1]"),
                "x.bin": KEY.strip('"')[::-1],
            },
        },
    },
}


@pytest.mark.parametrize("kind", sorted(CHEATS, key=lambda kind: len(CHEATS[kind])))
def test_what_only_silences_a_scanner_is_never_kept(repo: Repo, fix: Fix, kind: str) -> None:
    weak(repo, FILES[kind])
    cheats = CHEATS[kind]
    done = fix([*cheats.values()], "--fail-on", "medium", "--iterations", str(len(cheats)))
    told = dict(zip(cheats, done.column("status")[1:], strict=True))
    assert set(told.values()) == {"discard"}, (told, done.told)
    reasons = dict(zip(cheats, [row["reason"] for row in done.rows[1:]], strict=True))
    assert "pytest:test_shell::test_size" in reasons.get("wrong", "pytest:test_shell::test_size")
    assert done.code == 1


def test_each_right_repair_is_kept_at_once_worst_first_in_a_commit_of_its_own(
    repo: Repo, fix: Fix
) -> None:
    weak(repo, {**SHELL, **SQL, **WORKFLOW})
    right = [RIGHT[kind] for kind in ("workflow", "shell", "sql")]
    done = fix(right, "--fail-on", "medium")
    assert done.column("status") == ["baseline", "keep", "keep", "keep"], done.told
    assert done.code == 0, done.told
    mended = done.column("failure")[1:]
    assert [name.split(":")[1] for name in mended] == [TRIAGE, "shell.py", "query.py"]
    commits = repo.git("log", "--format=%H", f"HEAD..{branch_of(repo)}").split()
    files = [repo.git("show", "--format=", "--name-only", commit) for commit in commits]
    assert files == ["query.py", "shell.py", TRIAGE]


def test_with_diff_what_was_there_before_is_left_alone(repo: Repo, fix: Fix) -> None:
    weak(repo, SHELL)
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("new.py", SHELL["shell.py"])
    repo.commit("another one")
    same = RIGHT["shell"]["edits"][0]
    done = fix([{"description": "a", "edits": [{**same, "path": "new.py"}]}], "--diff", "main")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert done.column("failure")[1].startswith("scanners:new.py:bandit/B602")
    assert done.code == 0, done.told


def test_what_is_left_fails_the_gate(repo: Repo, fix: Fix) -> None:
    weak(repo, {**SHELL, **WORKFLOW})
    done = fix([RIGHT["workflow"]])
    assert done.code == 1, done.told
    folder = max((repo.path / "autoresearch").glob("security-[0-9a-f]*"), key=os.path.getmtime)
    told = json.loads((folder / "weaknesses.json").read_text())
    assert [item["path"] for item in told["items"] if item["blocks"]] == ["shell.py"]
    assert told["commit"] == repo.git("rev-parse", branch_of(repo))


def test_without_anybody_who_repairs_the_report_is_written_and_the_exit_says_so(
    repo: Repo, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak(repo, SHELL)
    monkeypatch.chdir(repo.path)
    assert run_cli(["security", "--fix", "--fail-on", "never"]) == 5
    assert "nobody is there to repair 1 weakness" in run.capture.readouterr().err
    folder = next((repo.path / "autoresearch").glob("security-*"))
    assert (folder / "weaknesses.json").exists()
    assert not branch_of(repo)


def test_who_has_nothing_to_repair_is_only_judged(repo: Repo, fix: Fix) -> None:
    weak(repo, {"a.py": "VALUE = 1\n"})
    done = fix([])
    assert done.code == 0, done.told
    assert not branch_of(repo)


TELLS = """\
import json, os

run = {"tool": {"driver": {"name": "own"}}, "results": []}
if os.path.exists("other.txt") and "shell=True" not in open("shell.py").read():
    place = {"physicalLocation": {"artifactLocation": {"uri": "other.txt"}}}
    found = {"ruleId": "X1", "level": "note", "message": {"text": "alone"}, "locations": [place]}
    run["results"].append(found)
print(json.dumps({"version": "2.1.0", "runs": [run]}))
"""


def test_what_is_new_in_a_file_that_nobody_touched_is_seen_before_a_keep(
    repo: Repo, fix: Fix
) -> None:
    weak(repo, {**SHELL, "other.txt": "text\n"})
    command = f"python3 -c {shlex.quote(TELLS)}"
    tools = f"security.tools=[{{name: own, command: {json.dumps(command)}}}]"
    done = fix([RIGHT["shell"]], "--set", tools, "--iterations", "1")
    assert done.column("status") == ["baseline", "discard"], done.told
    assert "other.txt own/X1" in done.rows[1]["reason"]


def test_a_stranger_s_pull_request_is_not_repaired(repo: Repo, fix: Fix, tmp_path: Path) -> None:
    weak(repo, SHELL)
    base, head = (repo.git("rev-parse", name) for name in ("HEAD~1", "HEAD"))
    pull = {
        "number": 1,
        "base": {"sha": base, "repo": {"full_name": "a/b"}},
        "head": {"sha": head, "repo": {"full_name": "stranger/b"}},
    }
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": pull}))
    job = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event)}
    done = fix([RIGHT["shell"]], "--diff", environment={**os.environ, **job})
    assert done.code == 2, done.told
    assert "a fork's pull request is not repaired here" in done.err
    assert not branch_of(repo)


def test_the_pull_request_is_a_draft_with_the_evidence(
    repo: Repo, fix: Fix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak(repo, {**SHELL, **SECRET})
    token = "token-that-must-not-leak"
    with GitServer(root=tmp_path / "server", token=token) as server:
        bare = server.create(SLUG, repo.path)
        with GitHubApi(bare=bare, permissions={"writer": "write"}) as api:
            api.tokens[token] = Identity(login=ACTIONS)
            job = {
                "GITHUB_API_URL": api.url,
                "GITHUB_SERVER_URL": server.url,
                "GITHUB_REPOSITORY": SLUG,
                "GITHUB_REF_TYPE": "branch",
                "GITHUB_REF_NAME": "main",
                "GITHUB_TOKEN": token,
            }
            for name, text in job.items():
                monkeypatch.setenv(name, text)
            done = fix([RIGHT["secret"], RIGHT["shell"]], "--publish", "github")
    assert done.code == 0, done.told
    (pull,) = api.pulls
    assert pull["draft"]
    body = pull["body"]
    assert "### What was seen" in body
    assert SHELL_CALL in body
    assert "bandit does not tell of it any more" in body
    assert "which is not quoted" in body
    assert "autoresearch-ci security --fail-on high" in body
    assert "HHHFPZAM2" not in body + pull["title"]


def test_repairs_that_were_broken_off_go_on_and_only_those_of_head(repo: Repo, fix: Fix) -> None:
    weak(repo, {**SHELL, **SQL})
    answers = [RIGHT["shell"], RIGHT["sql"]]
    first = fix(answers, "--fail-on", "medium", "--iterations", "1")
    assert first.code == 1, first.told
    (branch,) = branch_of(repo).split()
    again = fix(answers, "--fail-on", "medium", "--resume", "--iterations", "2")
    assert again.code == 0, again.told
    assert branch_of(repo) == branch
    assert repo.git("rev-list", "--count", f"HEAD..{branch}") == "2"
    repo.write("notes.txt", "moved on\n")
    repo.commit("something else")
    late = fix(answers, "--fail-on", "medium", "--resume")
    assert (late.code, "the last repairs are of" in late.told) == (2, True)
