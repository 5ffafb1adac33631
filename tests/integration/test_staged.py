"""`fix --check --staged` and `security --staged` in a hook: what git is about to commit is judged;
nothing is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from autoresearch_ci.cli.arguments import make_parser
from autoresearch_ci.cli.main import run_cli
from tests.conftest import FEW_PLUGINS, GIT_ENVIRONMENT, Repo
from tests.integration.test_security import HARMLESS, HOLE

GOOD, BAD = "x = 1\n", "x = 1\nprint(y)\n"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Checked with ruff; one file is red already."""
    repo.write("pyproject.toml", '[tool.ruff]\nlint.select = ["F"]\n')
    repo.write("a.py", GOOD)
    repo.write("old.py", "print(unknown)\n")
    repo.commit("start")
    monkeypatch.chdir(repo.path)
    return repo


def check(*words: str) -> int:
    return run_cli(["fix", *FEW_PLUGINS, "--check", "--staged", *words])


def test_what_is_staged_is_judged_and_not_what_lies_beside_it(
    project: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("a.py", BAD)
    project.git("add", "a.py")
    project.write("a.py", GOOD)
    assert check() == 1
    told = capsys.readouterr().out
    assert "a.py:2" in told
    assert "next: autoresearch-ci fix --check --fail-on new --staged " in told  # not of HEAD
    project.git("add", "a.py")
    project.write("a.py", BAD)
    project.write("new.py", BAD)
    assert check() == 0


@pytest.mark.parametrize("words", [["fix", "--check"], ["security"]])
def test_the_index_stays_as_it_is(project: Repo, words: list[str]) -> None:
    project.write("a.py", BAD + HOLE)
    project.git("add", "a.py")
    before = project.photograph()
    assert run_cli([*words, "--staged", "--json"]) == 1
    assert project.photograph() == before
    assert project.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_what_was_broken_before_is_no_reason_unless_it_is_asked_for(project: Repo) -> None:
    project.write("a.py", "x = 2\n")
    project.git("add", "a.py")
    assert check() == 0
    assert check("--fail-on", "any") == 1


def test_tools_that_nothing_staged_concerns_are_not_asked(
    project: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("notes.md", "# Notes\n")
    project.git("add", "notes.md")
    assert check("--fail-on", "any") == 0
    told = capsys.readouterr().out
    assert "not asked before a commit: python, ruff" in told
    assert not (project.path / "autoresearch").exists()
    project.git("reset", "--quiet")
    assert check() == 0  # nothing at all


def test_tests_run_only_when_they_are_named(
    project: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("test_a.py", "def test_a() -> None:\n    assert 0\n")
    project.git("add", "test_a.py")
    assert check() == 0
    assert "not asked before a commit: pytest" in capsys.readouterr().out
    assert check("--fail-on", "test") == 1


def test_a_weakness_is_of_the_commit_that_brings_it(
    project: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("old.py", HOLE)
    project.commit("weak already")
    project.write("a.py", HOLE)
    project.git("add", "a.py")
    project.write("a.py", HARMLESS)
    assert run_cli(["security", "--staged"]) == 1
    told = capsys.readouterr().out
    assert "a.py:5" in told
    assert "old.py" not in told
    assert "security --fix" not in told  # which repairs HEAD
    project.git("add", "a.py")
    project.write("a.py", HOLE)
    assert run_cli(["security", "--staged"]) == 0
    project.git("reset", "--quiet", "--hard")
    assert run_cli(["security", "--staged"]) == 0  # nothing at all


def test_no_model_is_asked_before_a_commit(
    project: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-of-nobody")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")  # nobody listens
    project.write("a.py", HARMLESS)
    project.git("add", "a.py")
    assert run_cli(["security", "--staged"]) == 0
    assert "--iterations 0" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--fix"], ["--proposed"], ["--diff", "main"]])
def test_what_is_staged_is_compared_with_head_alone(
    project: Repo, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run_cli(["security", "--staged", *words]) == 2
    assert "against HEAD" in capsys.readouterr().err


def test_where_nothing_can_be_committed_it_says_so(project: Repo) -> None:
    project.git("switch", "--quiet", "-c", "other")
    project.write("a.py", "x = 3\n")
    project.commit("one")
    project.git("switch", "--quiet", "main")
    project.write("a.py", "x = 4\n")
    project.commit("two")
    project.git("merge", "other", check=False)
    assert check() == 3


def test_a_hook_sees_what_git_commits_also_when_that_is_not_in_the_index_yet(
    project: Repo,
) -> None:
    """Of what is named or all, git makes an index.lock or an index of its own."""
    project.write(
        ".git/hooks/pre-commit",
        f"#!/bin/sh\nexec {sys.executable} -m autoresearch_ci fix --check --staged\n",
        0o755,
    )
    head = project.git("rev-parse", "HEAD")
    for words, content in (("-a", BAD), ("a.py", BAD), ("a.py", GOOD + GOOD)):
        project.write("a.py", content)
        commits = content is not BAD
        done = subprocess.run(
            ["git", "commit", "-qm", "change", words],
            cwd=project.path,
            env={**GIT_ENVIRONMENT, "PYTHONPATH": str(ROOT), "HOME": os.environ["HOME"]},
            check=False,
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) is commits, done.stdout + done.stderr
        assert (project.git("rev-parse", "HEAD") != head) is commits


def test_the_hook_that_is_offered_is_a_command_of_ours() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    for hook in hooks:
        name, *words = hook["entry"].split()
        assert name == "autoresearch-ci"
        options = make_parser(words).parse_args(words)
        assert options.staged
        assert options.command == "security" or options.check
        assert not hook["pass_filenames"]
        assert json.dumps(hook)  # plain values
