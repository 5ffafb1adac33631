"""`fix --check`: which commits are looked at, how often, and who is told what.

Real repositories, a real command line around real tools (`tools`), or looks that are scripted by
commit where no tool would fail at the right moment (`scripted`).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.arguments import make_parser, parsed
from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.fix_check import LOOKS, CheckedCommit, check
from autoresearch_ci.cli.gate_commits import asked, compared
from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.config.resolve import load
from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem, identified
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.decide.failures.objective import Seen
from autoresearch_ci.errors import BaselineError, ConfigError
from autoresearch_ci.execution.command import CommandResult, Printed
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput
from autoresearch_ci.measure.diagnostics.registry import TOOLS
from tests.conftest import FEW_PLUGINS, Repo
from tests.git_http import create
from tests.github_api import ACTIONS, SLUG, Fault, GitHubApi, Identity

MINIMAL = "scope: ['**']\nmetric: {command: 'true'}\n"


@dataclass
class Scripted:
    """Looks whose answers are known, by commit: the n-th look gives the n-th, or else the last."""

    answers: Mapping[str, list[Seen | BaselineError]]
    asked: list[tuple[str, frozenset[str] | None]] = field(default_factory=list)

    def __call__(self, commit: str, only: Collection[str] | None = None) -> CheckedCommit:
        ran = sum(name == commit and wanted != frozenset() for name, wanted in self.asked)
        self.asked.append((commit, None if only is None else frozenset(only)))
        known = self.answers[commit]
        answer = known[min(ran, len(known) - 1)]
        if isinstance(answer, BaselineError):
            raise answer
        seen = {name: d for name, d in answer.items() if only is None or name in only}
        commands = {name: f"run-{name} {{report}}" for name in answer}
        return CheckedCommit(seen=seen, commands=commands, outputs=dict.fromkeys(seen, "said"))


def lint(*paths: str, message: str = "is wrong", incomplete: str = "") -> Diagnosis:
    problems = [
        Problem(category=Category.LINT, path=path, line=3, code="F1", message=message)
        for path in paths
    ]
    return Diagnosis(failures=identified("ruff", problems), incomplete=incomplete)


def suite(**outcomes: str) -> Diagnosis:
    bad = [
        Problem(
            category=Category.TEST,
            path="test_a.py",
            line=2,
            message="assert",
            name=f"test_a::{name}",
        )
        for name, end in outcomes.items()
        if end == "failed"
    ]
    ends = {f"test_a::{name}": end for name, end in outcomes.items()}
    return Diagnosis(failures=identified("pytest", bad), suite=SuiteResult(of=ends))


@dataclass(frozen=True, kw_only=True)
class Checked:
    code: int
    out: str
    err: str
    folder: Path

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads((self.folder / "failures.json").read_text())
        assert isinstance(found, dict)
        return found

    @property
    def ages(self) -> dict[str, str]:
        return {item["path"]: item["age"] for item in self.json["items"]}


Check = Callable[..., Checked]


@pytest.fixture
def gate(repo: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Check:
    """Runs the gate in the repository, on a branch with a base that it left."""

    def run(look: Any, *words: str, config: str = MINIMAL, **environment: str) -> Checked:
        monkeypatch.chdir(repo.path)
        arguments = ["fix", "--check", *words]
        options = make_parser(arguments).parse_args(arguments)
        options.environment = environment
        code = check(load(text=config), options, lambda observe: nullcontext(look))
        told = capsys.readouterr()
        head = repo.git("rev-parse", "HEAD")
        folder = repo.path / "autoresearch" / f"check-{head[:7]}"
        return Checked(code=code, out=told.out, err=told.err, folder=folder)

    return run


@pytest.fixture
def commits(repo: Repo) -> tuple[str, str]:
    """Where a branch left main, and its head; main has gone on since."""
    base = repo.git("rev-parse", "HEAD")
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("value", "2\n")
    head = repo.commit("a change")
    repo.git("switch", "--quiet", "main")
    repo.write("other", "more\n")
    repo.commit("somebody else's")
    repo.git("switch", "--quiet", "topic")
    return base, head


# --- what is looked at ----------------------------------------------------------------------------


def test_a_red_repository_passes_when_nothing_is_new_since_the_merge_base(
    gate: Check, commits: tuple[str, str]
) -> None:
    base, head = commits
    look = Scripted({head: [{"ruff": lint("a.py")}], base: [{"ruff": lint("a.py", "b.py")}]})
    found = gate(look, "--fail-on", "new")
    assert found.code == 0
    assert found.ages == {"a.py": "old"}
    assert look.asked == [(head, None), (base, frozenset({"ruff"}))]
    assert (found.json["commit"], found.json["base"]) == (head, base)


def test_what_the_merge_base_does_not_have_fails(gate: Check, commits: tuple[str, str]) -> None:
    base, head = commits
    look = Scripted({head: [{"ruff": lint("a.py", "n.py")}], base: [{"ruff": lint("a.py")}]})
    found = gate(look, "--fail-on", "new")
    assert found.code == 1
    assert found.ages == {"n.py": "new", "a.py": "old"}
    assert "gate failed at" in found.out
    assert "1 new failure (1 lint)" in found.out


def test_of_the_base_only_what_matters_is_run(gate: Check, commits: tuple[str, str]) -> None:
    base, head = commits
    all_well: Seen = {"ruff": lint(), "mypy": lint(), "pytest": suite(a="passed")}
    look = Scripted({head: [{**all_well, "ruff": lint("a.py")}], base: [all_well]})
    gate(look, "--fail-on", "new")
    assert look.asked[1:] == [(base, frozenset({"ruff", "pytest"}))]
    look.asked.clear()
    gate(
        look, "--fail-on", "lint"
    )  # nobody asks what is old: it is only told which targets are there
    assert look.asked[1:] == [(base, frozenset())]


def test_a_target_that_the_head_has_no_more_is_red(gate: Check, commits: tuple[str, str]) -> None:
    base, head = commits
    look = Scripted({head: [{"ruff": lint()}], base: [{"ruff": lint(), "mypy": lint()}]})
    found = gate(look, "--fail-on", "lint")
    assert found.code == 1
    assert "mypy: the base is checked with it, the head is not" in found.out


def test_tests_that_fail_otherwise_than_at_the_base_run_again_at_both(
    gate: Check, commits: tuple[str, str]
) -> None:
    base, head = commits
    red: Seen = {"pytest": suite(a="failed"), "ruff": lint()}
    green: Seen = {"pytest": suite(a="passed"), "ruff": lint()}
    look = Scripted({head: [red, green, green], base: [green, red, green]})
    found = gate(look, "--fail-on", "new", "--fail-on", "test")
    assert found.code == 0
    assert found.ages == {"test_a.py": "flaky"}
    again = [commit for commit, only in look.asked if only == frozenset({"pytest"})]
    assert again.count(head) == LOOKS - 1
    assert again.count(base) == LOOKS
    assert "half of the time as flaky with a probability of 75%" in found.out
    assert found.json["failures"] == 0
    assert found.json["items"][0]["note"] == "failed in 1 of 3 looks, at the base in 1 of 3 looks"


def test_what_comes_and_goes_at_the_head_alone_fails(gate: Check, commits: tuple[str, str]) -> None:
    base, head = commits
    red, green = {"pytest": suite(a="failed")}, {"pytest": suite(a="passed")}
    found = gate(Scripted({head: [red, green], base: [green]}), "--fail-on", "new")
    assert found.code == 1
    assert found.ages == {"test_a.py": "new"}


def test_a_base_at_which_nothing_runs_makes_new_undecidable(
    gate: Check, commits: tuple[str, str]
) -> None:
    base, head = commits
    answers = {head: [{"ruff": lint("a.py")}], base: [BaselineError("setup failed\nmore")]}
    found = gate(Scripted(answers), "--fail-on", "new")
    assert found.code == 1
    assert found.json["verdict"] == "incomplete"
    assert "setup failed" in found.json["reason"]
    assert gate(Scripted(answers), "--fail-on", "new", "--allow-incomplete").code == 0


def test_a_head_at_which_nothing_runs_is_incomplete_and_reported(
    gate: Check, commits: tuple[str, str]
) -> None:
    base, head = commits
    look = Scripted({head: [BaselineError("setup failed")], base: [{}]})
    found = gate(look, "--fail-on", "new", "--allow-incomplete")
    assert found.code == 1
    assert found.json["verdict"] == "incomplete"
    assert "setup failed" in (found.folder / "summary.md").read_text()


# --- which base -----------------------------------------------------------------------------------


def event(tmp_path: Path, name: str, payload: Mapping[str, Any], **more: str) -> dict[str, str]:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(payload))
    return {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path), **more}


def pull(base: str, head: str, *, fork: bool = False, number: int = 7) -> dict[str, Any]:
    name = "stranger/name" if fork else SLUG
    return {
        "pull_request": {
            "number": number,
            "base": {"sha": base, "repo": {"full_name": SLUG}},
            "head": {"sha": head, "repo": {"full_name": name}},
        }
    }


def test_the_merge_of_a_pull_request_is_held_against_the_side_that_it_is_merged_into(
    repo: Repo, commits: tuple[str, str], tmp_path: Path
) -> None:
    _, head = commits
    main = repo.git("rev-parse", "main")
    repo.git("switch", "--quiet", "--detach", "main")
    repo.git("merge", "--quiet", "--no-ff", "-m", "Merge", "topic")
    # the event's base is older than what it was merged with by now
    given = event(tmp_path, "pull_request", pull(repo.git("rev-parse", "main~1"), head))
    found = compared(repo.path, given)
    assert (found.base, found.rules, found.pull_request, found.fork) == (main, main, 7, False)
    gitlab = {
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": repo.git("rev-parse", "main~1"),
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": head,
    }
    found = compared(repo.path, gitlab)
    assert (found.base, found.rules, found.pull_request) == (main, main, 7)


def test_a_merge_that_the_proposal_has_made_itself_is_no_base(
    repo: Repo, commits: tuple[str, str], tmp_path: Path
) -> None:
    """A job that checks out the branch by name gets what was pushed after the event."""
    _, head = commits
    main = repo.git("rev-parse", "main")
    repo.git("switch", "--quiet", "-c", "theirs", "main")
    repo.write(".github/autoresearch.yml", OF_THE_HEAD)
    repo.commit("rules of my own")
    repo.git("merge", "--quiet", "--no-ff", "-m", "Merge", "topic")
    pulled = pull(main, head)
    pulled["pull_request"]["base"]["ref"] = "main"
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    found = compared(repo.path, event(tmp_path, "pull_request", pulled, GITHUB_SHA="f" * 40))
    assert (found.base, found.rules) == (main, main)
    # In a fork's clone the branch of that name is the fork's.
    repo.git("remote", "add", "origin", "https://github.com/them/fork.git")
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD^1")
    of_fork = event(tmp_path, "pull_request", pulled, GITHUB_SHA="f" * 40, GITHUB_REPOSITORY=SLUG)
    found = compared(repo.path, of_fork)
    assert (found.base, found.rules) == (main, main)


@pytest.mark.parametrize(
    "kind", ["sha", "branch", "gitlab", "gitlab branch", "push", "first push", "nothing"]
)
def test_the_base_is_where_the_head_left_what_the_job_names(
    repo: Repo, commits: tuple[str, str], tmp_path: Path, kind: str
) -> None:
    base, head = commits
    main = repo.git("rev-parse", "main")
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    given: Mapping[str, str] = {
        "sha": event(tmp_path, "pull_request", pull(main, head)),
        "branch": {"GITHUB_BASE_REF": "main"},
        "gitlab": {"CI_MERGE_REQUEST_DIFF_BASE_SHA": main, "CI_MERGE_REQUEST_IID": "3"},
        "gitlab branch": {"CI_DEFAULT_BRANCH": "main"},
        "push": event(tmp_path, "push", {"before": main}),
        "first push": event(
            tmp_path, "push", {"before": "0" * 40, "repository": {"default_branch": "main"}}
        ),
        "nothing": {},
    }[kind]
    if kind == "sha":  # parametrised files share a name: what was written last counts
        given = event(tmp_path, "pull_request", pull(main, head))
    elif kind == "push":
        given = event(tmp_path, "push", {"before": main})
    found = compared(repo.path, given)
    assert found.base == base
    assert found.rules == (main if kind in ("sha", "gitlab") else None)


def test_a_branch_from_before_a_rule_is_held_to_the_rule(
    repo: Repo,
    commits: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base, head = commits
    repo.git("switch", "--quiet", "main")
    repo.write(".github/autoresearch.yml", RULE)
    main = repo.commit("a rule")
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    repo.git("switch", "--quiet", "topic")
    monkeypatch.chdir(repo.path)
    gitlab = {
        "CI_MERGE_REQUEST_IID": "3",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }
    assert compared(repo.path, gitlab).base == base
    assert run_cli(["fix", "--check", "--fail-on", "any"], gitlab) == 1
    assert "BAD" in capsys.readouterr().out
    pulled = pull(base, head)
    pulled["pull_request"]["base"]["ref"] = "main"
    assert compared(repo.path, event(tmp_path, "pull_request", pulled)).rules == main


RULE = """
fix:
  targets:
    - {tool: check, command: "echo BAD; false", regex: '(?P<message>BAD)'}
"""
OF_THE_HEAD = RULE.replace("echo BAD; false", "true")


@pytest.mark.parametrize(
    "kind", ["issue_comment", "workflow_run", "workflow_dispatch", "--proposed"]
)
def test_what_somebody_asks_for_brings_no_rules_of_its_own_whatever_the_event(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    repo.write(".github/autoresearch.yml", RULE)
    base = repo.commit("rules")
    repo.git("update-ref", "refs/remotes/origin/main", base)
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write(".github/autoresearch.yml", OF_THE_HEAD)
    before = repo.commit("rules of my own")
    repo.write("value", "2\n")
    head = repo.commit("a change")
    monkeypatch.chdir(repo.path)
    words, given = ["fix", "--check", "--fail-on", "any"], {"GITHUB_SHA": base}
    payload: dict[str, Any] = {"repository": {"full_name": SLUG, "default_branch": "main"}}
    if kind == "issue_comment":
        payload["issue"] = {"number": 7, "pull_request": {}}
    elif kind == "workflow_run":
        sides = {"base": {"ref": "main", "sha": base}, "head": {"ref": "topic", "sha": head}}
        payload["workflow_run"] = {"pull_requests": [sides]}
    if kind.startswith("--"):
        words.append(kind)
        # A push of that very commit: the branch is its pusher's, unless the job says otherwise.
        given = event(tmp_path, "push", {**payload, "before": before}, GITHUB_SHA=head)
        assert compared(repo.path, given).rules is None
    else:
        given = event(tmp_path, kind, payload, **given)
    assert compared(repo.path, given, proposed=kind.startswith("--")).rules == base
    assert run_cli(words, given) == 1
    repo.git("update-ref", "refs/remotes/origin/main", head)
    if not kind.startswith("--"):  # merged: nobody asks for it any more
        assert compared(repo.path, given).rules is None


def test_branches_of_a_fork_rule_nothing_whatever_they_are_called(
    repo: Repo, commits: tuple[str, str], tmp_path: Path
) -> None:
    _, head = commits
    repo.git("update-ref", "refs/remotes/origin/main", "main")
    repo.git("remote", "add", "origin", "https://github.com/them/fork.git")
    payload = {"issue": {"pull_request": {}}, "repository": {"default_branch": "main"}}
    given = event(tmp_path, "issue_comment", payload, GITHUB_REPOSITORY=SLUG, GITHUB_SHA="f" * 40)
    found = compared(repo.path, given)
    assert (found.proposed, found.base, found.target) == (True, "", "")
    with pytest.raises(ConfigError, match="origin is another repository"):
        _ = found.rules
    repo.git("remote", "set-url", "origin", f"git@github.com:{SLUG}")
    assert compared(repo.path, given).rules == repo.git("rev-parse", "main")
    assert compared(repo.path, given).head == head


def test_a_base_that_a_workflow_names_is_none_of_a_forks_branches_and_brings_no_rules(
    repo: Repo, commits: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, head = commits
    main = repo.git("rev-parse", "main")
    repo.git("update-ref", "refs/remotes/origin/main", head)
    repo.git("remote", "add", "origin", "https://github.com/them/fork.git")
    monkeypatch.chdir(repo.path)
    given = event(tmp_path, "pull_request", pull(main, head, fork=True), GITHUB_REPOSITORY=SLUG)

    def rules(*words: str) -> tuple[str, str | None]:
        options, _ = parsed(make_parser(words), list(words))
        options.environment = given
        found = asked(options)
        return found.base, found.rules

    for name in ("origin/main", "main", "origin/main...HEAD", head[:12], "0" * 40):
        with pytest.raises(ConfigError, match="origin is another repository"):
            rules("compare", name)
    assert rules("compare", base) == (base, main)
    repo.git("remote", "set-url", "origin", f"https://github.com/{SLUG}.git")
    assert rules("compare", "main~1") == (base, main)
    given = {}
    assert rules("compare", "main~1") == (base, None)


def test_a_base_that_this_clone_lacks_is_told_and_rules_nothing(
    repo: Repo, commits: tuple[str, str], tmp_path: Path, gate: Check
) -> None:
    _, head = commits
    given = event(tmp_path, "pull_request", pull("f" * 40, head))
    found = compared(repo.path, given)
    assert not found.base
    assert "is no commit of this repository" in found.missing
    with pytest.raises(ConfigError, match="fetch-depth: 2"):
        _ = found.rules
    told = gate(Scripted({head: [{"ruff": lint("a.py")}]}), "--fail-on", "new", **given)
    assert told.code == 1
    assert told.json["verdict"] == "incomplete"


def test_a_base_that_a_person_names_must_be_there(
    gate: Check, commits: tuple[str, str], repo: Repo
) -> None:
    base, head = commits
    look = Scripted({head: [{"ruff": lint("a.py")}], base: [{"ruff": lint("a.py")}]})
    assert gate(look, "--fail-on", "new", "--base", "main").json["base"] == base
    with pytest.raises(ConfigError, match="is no commit"):
        gate(look, "--base", "mian")


def test_on_the_default_branch_there_is_nothing_to_compare_with(gate: Check, repo: Repo) -> None:
    head = repo.git("rev-parse", "HEAD")
    look = Scripted({head: [{"ruff": lint()}]})
    assert gate(look, "--fail-on", "any").code == 0
    found = gate(look, "--fail-on", "new")
    assert found.code == 1
    assert "nobody can say what is new" in found.out


def test_a_pull_request_brings_no_rules_of_its_own(
    repo: Repo, commits: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, _ = commits
    repo.write(".github/autoresearch.yml", MINIMAL + "fix: {allow: [test-removed]}\n")
    repo.commit("rules of my own")
    monkeypatch.chdir(repo.path)
    options = make_parser(["fix"]).parse_args(["fix"])
    with pytest.raises(ConfigError, match=r"metric"):  # the base has no file at all
        effective(options, commit=base, only=True)
    assert effective(options, commit="HEAD", only=True)[0].config.fix.allow == ("test-removed",)


# --- who is told ----------------------------------------------------------------------------------


def test_every_form_of_the_report_is_in_the_run_folder_and_out_of_git(
    gate: Check, commits: tuple[str, str], repo: Repo
) -> None:
    base, head = commits
    found = gate(Scripted({head: [{"ruff": lint("a.py")}], base: [{"ruff": lint()}]}))
    names = {path.name for path in found.folder.iterdir()}
    assert names == {
        *("failures.json", "failures.sarif", "failures.xml", "summary.md", "report.html"),
        "gl-code-quality-report.json",
    }
    assert repo.git("status", "--porcelain") == ""
    (quality,) = json.loads((found.folder / "gl-code-quality-report.json").read_text())
    assert quality["location"] == {"path": "a.py", "lines": {"begin": 3}}
    assert f"autoresearch-ci fix --check --fail-on any --base {base}" in found.json["reproduce"]
    assert "run-ruff report.xml" in found.json["reproduce"]


def test_json_stands_alone_on_standard_output(gate: Check, commits: tuple[str, str]) -> None:
    base, head = commits
    found = gate(Scripted({head: [{"ruff": lint("a.py")}], base: [{"ruff": lint()}]}), "--json")
    (line,) = found.out.splitlines()
    told = json.loads(line)
    assert (told["verdict"], told["failures"]) == ("fail", 1)
    assert told["folder"] == str(found.folder)
    assert "gate failed" in found.err


def test_a_runner_is_given_outputs_summary_and_annotations(
    gate: Check, commits: tuple[str, str], tmp_path: Path
) -> None:
    base, head = commits
    files = {f"GITHUB_{name}": str(tmp_path / name) for name in ("OUTPUT", "STEP_SUMMARY")}
    look = Scripted(
        {head: [{"ruff": lint("a.py", message="x\n::error::forged")}], base: [{"ruff": lint()}]}
    )
    found = gate(look, GITHUB_ACTIONS="true", **files)
    outputs = (tmp_path / "OUTPUT").read_text()
    assert re.search(r"^failures<<(\w+)\n1\n\1$", outputs, re.MULTILINE)
    assert re.search(r"^verdict<<(\w+)\nfail\n\1$", outputs, re.MULTILINE)
    assert "Gate failed" in (tmp_path / "STEP_SUMMARY").read_text()
    commands = [line for line in found.err.splitlines() if line.startswith("::")]
    assert commands[0].startswith("::error title=fix --check%3A fail::")
    assert commands[1].startswith("::error file=a.py,line=3,title=new%3A ruff/F1%3A x")
    assert len(commands) == 2
    # within our own action nobody obeys this process
    assert "::error" not in gate(look, GITHUB_ACTIONS="true").err


def test_a_secret_that_a_tool_prints_is_told_nowhere(gate: Check, commits: tuple[str, str]) -> None:
    base, head = commits
    secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    look = Scripted(
        {head: [{"ruff": lint("a.py", message=f"the token {secret}")}], base: [{"ruff": lint()}]}
    )
    found = gate(look, GITHUB_TOKEN=secret)
    texts = [found.out, found.err, *(p.read_text() for p in found.folder.iterdir())]
    assert not any(secret in text for text in texts)


def test_a_runner_that_takes_no_outputs_loses_neither_verdict_nor_report(
    gate: Check,
    commits: tuple[str, str],
    tmp_path: Path,
    repo: Repo,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base, head = commits
    look = Scripted({head: [{"ruff": lint()}], base: [{"ruff": lint()}]})
    with pytest.raises(FileNotFoundError):
        gate(look, GITHUB_OUTPUT=str(tmp_path / "nowhere" / "OUTPUT"))
    assert "gate passed" in capsys.readouterr().out
    assert (repo.path / "autoresearch" / f"check-{head[:7]}" / "failures.sarif").exists()


def test_a_link_in_the_folders_place_is_not_followed(
    gate: Check, commits: tuple[str, str], repo: Repo, tmp_path: Path
) -> None:
    base, head = commits
    (repo.path / "autoresearch").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="is a link"):
        gate(Scripted({head: [{"ruff": lint()}], base: [{"ruff": lint()}]}))


# --- the comment ----------------------------------------------------------------------------------


@pytest.fixture
def api(tmp_path: Path, repo: Repo, commits: tuple[str, str]) -> Iterator[GitHubApi]:
    bare = create(tmp_path / "server", SLUG, repo.path)
    with GitHubApi(bare=bare) as api:
        api.tokens["a-token"] = Identity(login=ACTIONS)
        api.open_pull("somebody", "topic")
        yield api


def on_pull_request(
    api: GitHubApi, tmp_path: Path, commits: tuple[str, str], **more: Any
) -> dict[str, str]:
    base, head = commits
    given = event(tmp_path, "pull_request", pull(base, head, number=1, **more))
    return {
        **given,
        "GITHUB_API_URL": api.url,
        "GITHUB_SERVER_URL": "https://github.test",
        "GITHUB_REPOSITORY": SLUG,
        "GITHUB_RUN_ID": "99",
        "GITHUB_TOKEN": "a-token",
    }


def test_one_comment_says_what_is_new_old_and_how_to_reproduce_it(
    gate: Check, api: GitHubApi, commits: tuple[str, str], tmp_path: Path
) -> None:
    base, head = commits
    given = on_pull_request(api, tmp_path, commits)
    before: list[Seen | BaselineError] = [{"ruff": lint("a.py")}]
    gate(Scripted({head: [{"ruff": lint("a.py", "n.py")}], base: before}), "--fail-on=new", **given)
    (comment,) = api.comments[1]
    assert "Gate failed" in comment["body"]
    assert f"[n.py:3](https://github.test/{SLUG}/blob/{head}/n.py#L3)" in comment["body"]
    assert "1 old, not blocking" in comment["body"]
    assert "run-ruff" in comment["body"]
    assert f"https://github.test/{SLUG}/actions/runs/99" in comment["body"]
    found = gate(Scripted({head: [{"ruff": lint("a.py")}], base: before}), "--fail-on=new", **given)
    (comment,) = api.comments[1]
    assert "Gate passed" in comment["body"]
    assert found.code == 0
    assert "comment: https://github.test" in found.out


@pytest.mark.parametrize("how", ["fork", "no token", "read only", "down", "none"])
def test_without_a_comment_the_verdict_is_the_same(
    gate: Check, api: GitHubApi, commits: tuple[str, str], tmp_path: Path, how: str
) -> None:
    base, head = commits
    given = on_pull_request(api, tmp_path, commits, fork=how == "fork")
    if how == "no token":
        del given["GITHUB_TOKEN"]
    if how == "read only":
        api.tokens["a-token"] = Identity(login=ACTIONS, may_write=False)
    if how == "down":
        api.faults += [("GET /comments", Fault(404, "Not Found"))]
    config = MINIMAL + ("publish: none\n" if how == "none" else "")
    look = Scripted({head: [{"ruff": lint("n.py")}], base: [{"ruff": lint()}]})
    found = gate(look, "--fail-on=new", config=config, **given)
    assert found.code == 1
    assert not api.comments
    told = "no comment on a fork" in found.out or "could not be written" in found.out
    assert told == (how != "none")
    if how == "fork":
        assert not api.requests


# --- with real tools ------------------------------------------------------------------------------

TARGETS = {
    "ruff": f"{shlex.quote(sys.executable)} -m ruff check --no-cache --output-format json .",
    "pytest": f"{shlex.quote(sys.executable)} -m pytest -q -p no:cacheprovider "
    "--junit-xml={report}",
}


@dataclass(frozen=True, kw_only=True)
class Tools:
    """A look that runs the tools themselves, in a working tree of the commit."""

    repo: Repo
    folder: Path

    def __call__(self, commit: str, only: Collection[str] | None = None) -> CheckedCommit:
        number = len(list(self.folder.iterdir()))
        tree = self.folder / f"tree-{number}"
        self.repo.git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        wanted = [name for name in TARGETS if only is None or name in only]
        return CheckedCommit(
            seen={name: self._seen(name, tree) for name in wanted}, commands=TARGETS
        )

    def _seen(self, name: str, tree: Path) -> Diagnosis:
        report = tree.with_suffix(".xml")
        command = TARGETS[name].replace("{report}", str(report))
        few_plugins = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(
            command,
            shell=True,
            cwd=tree,
            env=few_plugins,
            capture_output=True,
            check=False,
            timeout=60,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        result = CommandResult(
            command=command,
            exit_code=done.returncode,
            output=out + err,
            tail=out + err,
            stdout=Printed(text=out),
            stderr=Printed(text=err),
        )
        written = report.read_bytes() if report.exists() else None
        return TOOLS[name].parse(ToolOutput(result=result, report=written, root=str(tree)))


@pytest.fixture
def tools(repo: Repo, tmp_path: Path) -> Tools:
    """The repository is red at its base: one unused import, one failing test."""
    folder = tmp_path / "trees"
    folder.mkdir()
    repo.write("pyproject.toml", "[tool.ruff.lint]\nselect = ['F']\n")
    repo.write("code_under_test.py", "import os\n\n\ndef double(n):\n    return n * 2\n")
    repo.write(
        "test_code.py",
        "import code_under_test as code\n\n\n"
        "def test_two():\n    assert code.double(2) == 4\n\n\n"
        "def test_old():\n    assert code.double(2) == 5\n",
    )
    repo.commit("red already")
    repo.git("switch", "--quiet", "-c", "topic")
    return Tools(repo=repo, folder=folder)


def ids(found: Checked) -> dict[str, str]:
    return {
        (item["code"] if item["tool"] == "ruff" else item["id"].rpartition("::")[2]): item["age"]
        for item in found.json["items"]
    }


def test_real_lines_that_move_are_old(gate: Check, tools: Tools, repo: Repo) -> None:
    text = (repo.path / "code_under_test.py").read_text()
    repo.write("code_under_test.py", f"# a comment\n\n{text}")
    repo.commit("move everything down")
    found = gate(tools, "--fail-on", "new")
    assert ids(found) == {"F401": "old", "test_old": "old"}
    assert found.code == 0


def test_real_files_that_move_bring_nothing_new_and_lose_no_test(
    gate: Check, tools: Tools, repo: Repo
) -> None:
    (repo.path / "checks").mkdir()
    repo.git("mv", "test_code.py", "checks/test_moved.py")
    repo.write("conftest.py", "import sys\n\nsys.path.insert(0, '.')\n")
    repo.commit("move the tests")
    found = gate(tools, "--fail-on", "new")
    assert ids(found) == {"F401": "old", "test_old": "old"}
    assert found.code == 0


def test_a_real_new_failure_is_annotated_at_its_line(
    gate: Check, tools: Tools, repo: Repo, tmp_path: Path
) -> None:
    text = (repo.path / "code_under_test.py").read_text()
    repo.write("code_under_test.py", f"{text}\n\ndef half(n):\n    return n / tow\n")
    repo.commit("a misspelt name")
    found = gate(
        tools, "--fail-on", "new", GITHUB_ACTIONS="true", GITHUB_OUTPUT=str(tmp_path / "OUTPUT")
    )
    assert found.code == 1
    assert found.json["doubts"] == []
    assert ids(found) == {"F821": "new", "F401": "old", "test_old": "old"}
    assert "::error file=code_under_test.py,line=9,title=new%3A ruff/F821" in found.err


def test_a_real_test_that_breaks_is_new_and_can_be_run_again_by_hand(
    gate: Check, tools: Tools, repo: Repo
) -> None:
    repo.write("code_under_test.py", "def double(n):\n    return n * 3\n")
    repo.commit("break it, and mend the import")
    found = gate(tools, "--fail-on", "new")
    assert found.code == 1
    assert ids(found) == {"test_two": "new", "test_old": "old"}
    assert "python -m pytest test_code.py::test_two" in found.json["reproduce"]


def test_a_real_test_that_is_removed_or_skipped_fails(
    gate: Check, tools: Tools, repo: Repo
) -> None:
    whole = (repo.path / "test_code.py").read_text()
    skipped = whole.replace("def test_two", "import pytest\n\n\n@pytest.mark.skip\ndef test_two")
    for number, text in enumerate((whole.replace("def test_two", "def tst_two"), skipped)):
        repo.write("test_code.py", text)
        repo.commit(f"hide a test {number}")
        found = gate(tools, "--fail-on", "test" if number else "new")
        assert found.code == 1
        assert "1 of 1 tests lost" in found.json["reason"]
        assert found.json["doubts"]
    allowed = MINIMAL + "fix: {allow: ['test-skipped:test_code.py']}\n"
    assert gate(tools, "--fail-on", "new", config=allowed).code == 0


def test_a_real_module_that_does_not_parse_is_new_whatever_else_it_hides(
    gate: Check, tools: Tools, repo: Repo
) -> None:
    repo.write("code_under_test.py", "def double(n:\n")
    repo.commit("a syntax error")
    for word in ("new", "build", "test"):
        found = gate(tools, "--fail-on", word)
        assert found.code == 1, word
    assert "build" in {item["category"] for item in found.json["items"]}


def test_what_a_repaired_module_shows_is_unmasked_and_not_new(
    gate: Check, tools: Tools, repo: Repo
) -> None:
    repo.git("switch", "--quiet", "main")
    whole = (repo.path / "code_under_test.py").read_text()
    repo.write("code_under_test.py", whole.replace("(n)", "(n"))
    repo.commit("a syntax error")
    repo.git("switch", "--quiet", "-C", "topic")
    repo.write("code_under_test.py", whole)
    repo.commit("mend it")
    found = gate(tools, "--fail-on", "new")
    assert ids(found) == {"F401": "unmasked", "test_old": "unmasked"}
    assert found.code == 0


def test_a_real_flaky_test_is_told_as_such(
    gate: Check, tools: Tools, repo: Repo, tmp_path: Path
) -> None:
    counter = tmp_path / "counter"
    repo.git("switch", "--quiet", "main")
    repo.write(
        "test_flaky.py",
        "import pathlib\n\n\ndef test_flaky():\n"
        f"    path = pathlib.Path({str(counter)!r})\n"
        "    n = len(path.read_text()) if path.exists() else 0\n"
        "    path.write_text('x' * (n + 1))\n"
        "    assert n % 3\n",
    )
    repo.commit("fails each third time")
    repo.git("switch", "--quiet", "-C", "topic")
    repo.write("other", "something else\n")
    repo.commit("a change")
    found = gate(tools, "--fail-on", "new", "--fail-on", "build")
    assert ids(found)["test_flaky"] == "flaky"
    assert found.code == 0


def test_a_real_tool_that_is_missing_is_incomplete(
    gate: Check, tools: Tools, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit("nothing")
    monkeypatch.setitem(TARGETS, "ruff", "no-such-linter")
    found = gate(tools, "--fail-on", "lint")
    assert found.code == 1
    assert found.json["verdict"] == "incomplete"
    assert "ruff" in found.json["unseen"]


def test_what_silences_a_tool_is_told_although_nothing_is_broken(
    gate: Check, tools: Tools, repo: Repo
) -> None:
    text = (repo.path / "code_under_test.py").read_text()
    repo.write("code_under_test.py", text.replace("import os", "import os  # noqa: F401"))
    path = "[tool.pytest.ini_options]\npythonpath = ['stub']\n"
    repo.write("pyproject.toml", f"[tool.ruff.lint]\nselect = []\n{path}")
    repo.write("jest.config.js", "module.exports = {\n  moduleNameMapper: {'^lib': './stub'},\n}\n")
    repo.write("conftest.py", "def pytest_pyfunc_call(pyfuncitem):\n    return True\n")
    repo.write(".ignore", "code_under_test.py\n")
    repo.commit("look away")
    found = gate(tools, "--fail-on", "new")
    assert found.code == 0
    assert any("noqa" in doubt for doubt in found.json["doubts"])
    assert any("strictness-lowered" in doubt for doubt in found.json["doubts"])
    assert "look at pyproject.toml" in found.out
    assert (
        "look at conftest.py:1 patches what tests are judged by: def pytest_pyfunc_call"
        in found.out
    )
    assert "look at .ignore names code_under_test.py" in found.out
    for place in ("pyproject.toml:4", "jest.config.js:2"):
        assert f"look at {place} says where imports are looked for: " in found.out


# --- the command line -----------------------------------------------------------------------------

MARKS = r"""
fix:
  targets:
    - tool: marks
      command: grep -Hn BAD *.txt; test $? != 2
      regex: '(?P<path>[\w.]+):(?P<line>\d+):(?P<message>.*)'
"""


@pytest.fixture
def marks(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Each line with BAD is a failure; one is there already, and one comes with the branch."""
    repo.write(".github/autoresearch.yml", MARKS)
    repo.write("a.txt", "BAD one\n")
    repo.commit("red already")
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("b.txt", "good\nBAD two\n")
    repo.commit("worse")
    monkeypatch.chdir(repo.path)
    return repo


def typed(*words: str, **environment: str) -> int:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return run_cli(["fix", *FEW_PLUGINS, "--check", *words], {**known, **environment})
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_command_line_looks_at_both_commits_and_leaves_the_checkout_alone(
    marks: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    marks.write("a.txt", "BAD one\nBAD and not committed\n")
    assert typed("--fail-on", "new") == 1
    out = capsys.readouterr().out
    assert re.search(r"^new +lint +b\.txt:2 +marks: BAD two$", out, re.MULTILINE)
    assert re.search(r"^old \(ok\) +lint +a\.txt:1 +marks: BAD one$", out, re.MULTILINE)
    assert "not committed" not in out
    assert "uncommitted changes are not looked at" in out
    assert marks.git("status", "--porcelain") == " M a.txt"
    assert not [*marks.path.glob(".git/autoresearch/*")]
    assert typed("--fail-on", "test") == 0


def test_the_rules_of_a_pull_request_are_the_bases(
    marks: Repo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = marks.git("rev-parse", "main")
    blind = "fix: {targets: [{tool: marks, command: 'true', regex: '(?P<message>BAD)'}]}\n"
    marks.write(".github/autoresearch.yml", blind)
    head = marks.commit("look away")
    assert typed("--fail-on", "new") == 0  # by hand, as the checkout says
    assert typed("--fail-on", "new", **event(tmp_path, "pull_request", pull(base, head))) == 1
    assert "1 new failure (1 lint)" in capsys.readouterr().out


FORGE = """
import pathlib, re, sys

def pytest_sessionfinish(session):
    session.exitstatus = 0

def pytest_unconfigure(config):
    path = pathlib.Path(config.option.xmlpath)
    text = re.sub(r"(?s)<failure.*?</failure>", "", path.read_text())
    path.write_text(text.replace('failures="1"', 'failures="0"'))
"""


def test_a_report_that_the_head_forges_is_not_believed(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider --junitxml={{report}}"
    target = f"{{tool: pytest, command: '{command}'}}"
    repo.write(".github/autoresearch.yml", f"fix:\n  targets: [{target}]\n")
    repo.write("test_a.py", "def test_a():\n    assert 1 == 1\n")
    repo.commit("green")
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("test_a.py", "def test_a():\n    assert 1 == 2\n")
    repo.write("conftest.py", FORGE)
    repo.commit("red, and says that it is green")
    monkeypatch.chdir(repo.path)
    assert typed("--fail-on", "new") == 1
    out = capsys.readouterr().out
    assert "gate incomplete" in out
    assert "does not list what pytest itself told" in out


SHADOW = """
import sys

path = next(word.partition("=")[2] for word in sys.argv if word.startswith("--junitxml="))
with open(path, "w") as report:
    report.write('<testsuites><testsuite><testcase classname="test_a" name="test_a"/>')
    report.write("</testsuite></testsuites>")
"""


def test_a_module_of_the_head_does_not_pass_for_pytest(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider --junitxml={{report}}"
    target = f"{{tool: pytest, command: '{command}'}}"
    repo.write(".github/autoresearch.yml", f"fix:\n  targets: [{target}]\n")
    repo.write("calc.py", "ONE = 1\n")
    repo.write("test_a.py", "from calc import ONE\n\n\ndef test_a():\n    assert ONE == 1\n")
    repo.commit("green")
    repo.git("switch", "--quiet", "-c", "topic")
    repo.write("calc.py", "ONE = 2\n")
    repo.write("pytest.py", SHADOW)
    repo.commit("red, and another pytest")
    monkeypatch.chdir(repo.path)
    assert typed("--fail-on", "new,test") == 1
    out = capsys.readouterr().out
    assert "gate incomplete" in out
    assert "pytest itself tells nothing of the run" in out


def test_what_setup_builds_of_a_commit_is_that_commit(
    marks: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    marks.write(
        "c.c", 'int printf(const char *, ...);\nint main(void) { printf("c.txt:1: BAD\\n"); }\n'
    )
    marks.write("Makefile", "tell: c.c\n\tgcc -o tell c.c\n")
    marks.write(
        ".github/autoresearch.yml",
        "setup: [make]\n" + MARKS.replace("grep -Hn BAD *.txt; test $? != 2", "./tell"),
    )
    marks.commit("built")
    assert typed("--fail-on", "any") == 1
    assert "c.txt:1" in capsys.readouterr().out


STUBS = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["{folder}"]\n',
    "conftest.py": "import sys\n\nsys.path.insert(0, '{folder}')\n",
}


@pytest.mark.parametrize("steered", [*STUBS, "in workers", "moved"])
def test_tests_that_import_other_code_than_at_the_base_are_not_believed(
    steered: str, repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "-p xdist -n 1 " if steered == "in workers" else ""
    command = f"{sys.executable} -m pytest -q {more}-p no:cacheprovider --junitxml={{report}}"
    target = f"{{tool: pytest, command: '{command}', folder: part}}"
    repo.write(".github/autoresearch.yml", f"fix:\n  targets: [{target}]\n")
    repo.write("part/calc.py", "ONE = 1\n")
    repo.write(
        "part/tests/test_a.py", "from calc import ONE\n\n\ndef test_a():\n    assert ONE == 1\n"
    )
    repo.commit("green")
    repo.git("switch", "--quiet", "-c", "topic")
    path = steered if steered in STUBS else "pyproject.toml"
    repo.write("part/stub/calc.py", "ONE = 1\n")
    repo.write(f"part/{path}", STUBS[path].format(folder="stub"))
    if steered == "moved":
        repo.git("rm", "--quiet", "part/calc.py")
    else:
        repo.write("part/calc.py", "ONE = 2\n")
    repo.commit("the tests find calc in a folder of its own")
    monkeypatch.chdir(repo.path)
    code, out = typed("--fail-on", "new"), capsys.readouterr().out
    why = "its tests import calc from part/stub/calc.py instead of part/calc.py, which is still"
    assert (code, why in out) == ((0, False) if steered == "moved" else (1, True)), out


UNITTEST = """\
import unittest


class A(unittest.TestCase):
    def test_one(self):
        self.assertEqual(1, 1)

    def test_two(self):
        self.assertEqual(2, 2)
"""
LISTED = {
    "unittest": ("test_a.py", UNITTEST, "test_two", "python -m unittest -v"),
    "make check": ("run.sh", "echo 1..2\necho ok 1 - one\necho ok 2 - two\n", "two", ""),
    "npm test": ("run.js", "console.log('1..2\\nok 1 one\\nok 2 two')\n", "two", ""),
}


@pytest.mark.parametrize("tool", LISTED)
def test_a_test_that_vanishes_from_a_runner_without_a_report_is_noticed(
    tool: str, repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, text, name, command = LISTED[tool]
    repo.write("Makefile", "check:\n\tsh run.sh\n")
    repo.write("package.json", '{"scripts": {"test": "node run.js"}}')
    repo.write(path, text)
    target = f"{{tool: {tool}, command: {command or tool}}}"
    repo.write(".github/autoresearch.yml", f"fix:\n  targets: [{target}]\n")
    repo.commit("two tests")
    repo.git("switch", "--quiet", "-c", "topic")
    if tool == "unittest":
        repo.write(path, text.partition(f"    def {name}")[0])
    else:
        one = text.replace("1..2", "1..1").replace("\\nok 2 two", "").replace("echo ok 2 - two", "")
        repo.write(path, one)
    repo.commit("one test")
    monkeypatch.chdir(repo.path)
    assert typed("--fail-on", "new", "--publish", "none") == 1
    assert "tests lost" in capsys.readouterr().out
