"""GitLab by push options, against a real git server: the push itself asks for the merge request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch_ci.config.schema import Publish
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.publish.forge.forge import PullRequestContent
from autoresearch_ci.publish.forge.gitlab import GitLab
from tests.conftest import Repo, Result, Run, Script
from tests.git_http import Bare, GitServer
from tests.integration.test_fix import Fix, answer, fix, marked

__all__ = ["fix"]

BRANCH = "refs/heads/autoresearch/t"


@pytest.fixture
def server(tmp_path: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    with GitServer(root=tmp_path / "server") as server:
        for name, text in (
            ("CI_SERVER_URL", server.url),
            ("CI_PROJECT_PATH", "group/sub/name"),
            ("CI_COMMIT_BRANCH", "main"),
            ("CI_JOB_URL", f"{server.url}/group/sub/name/-/jobs/7"),
            ("GITLAB_TOKEN", server.token),
        ):
            monkeypatch.setenv(name, text)
        yield server


@pytest.fixture
def bare(server: GitServer, repo: Repo) -> Bare:
    return server.create("group/sub/name", repo.path)


def go(run: Run, script: Script, *values: float, flags: tuple[str, ...] = ()) -> Result:
    script(*({"description": f"try {v:g}", "files": {"value": f"{v:g}\n"}} for v in values))
    return run("--publish", "gitlab", "--iterations", str(len(values)), *flags)


def test_each_keep_is_a_push_that_asks_for_the_merge_request(
    server: GitServer, bare: Bare, run: Run, script: Script, repo: Repo
) -> None:
    done = go(run, script, 9, 8)
    assert done.code == 0, done.told
    assert bare.ref(BRANCH) == repo.ref("autoresearch/t")
    first, second, *_ = server.push_options
    assert "merge_request.create" in first
    assert "merge_request.draft" in first
    assert "merge_request.target=main" in first
    assert "merge_request.label=autoresearch" in first
    assert (
        "merge_request.title=autoresearch: metric 10 → 9 (-10.0 %), not yet measured again" in first
    )
    assert (
        "merge_request.title=autoresearch: metric 10 → 8 (-20.0 %), not yet measured again"
        in second
    )
    assert {said.partition(":")[0] for said in server.said} == {"oauth2"}


def titles(server: GitServer) -> list[str]:
    """Of the merge requests that the pushes asked for, one after the other."""
    found = [option for options in server.push_options for option in options]
    return [o.partition("=")[2] for o in found if o.startswith("merge_request.title=")]


def test_nights_on_one_branch_ask_for_one_merge_request(
    server: GitServer, bare: Bare, run: Run, script: Script
) -> None:
    nightly = ("--publish-branch", "autoresearch/nightly")
    for tag, value in (("t", 9), ("u", 8)):
        script({"description": f"try {value}", "files": {"value": f"{value}\n"}})
        done = run("--publish", "gitlab", "--iterations", "1", *nightly, tag=tag)
        assert done.code == 0, done.told
    assert bare.refs("refs/heads/autoresearch") == ["refs/heads/autoresearch/nightly"]
    first, *_, last = titles(server)
    assert "10 → 9" in first
    assert "→ 8, not yet measured against the base" in last


def test_while_another_branch_is_unmerged_no_other_merge_request_is_asked_for(
    server: GitServer, bare: Bare, run: Run, script: Script
) -> None:
    go(run, script, 9)
    asked = len(titles(server))
    script({"description": "try 8", "files": {"value": "8\n"}})
    night = ("--publish", "gitlab", "--iterations", "1")
    done = run(*night, tag="u")
    assert done.code == 0, done.told
    assert bare.ref("refs/heads/autoresearch/u")
    assert len(titles(server)) == asked
    assert "branch autoresearch/t holds what another run kept for the same goal" in done.told
    assert "run with --publish-branch autoresearch/t" in done.told
    bare.git("update-ref", "refs/heads/main", BRANCH)  # merged, and by hand
    bare.git("update-ref", "-d", "refs/heads/autoresearch/u")
    script({"description": "try 7", "files": {"value": "7\n"}})
    done = run(*night, tag="v")
    assert len(titles(server)) > asked, done.told


def test_a_merge_request_of_repairs_says_how_many_failures_are_gone(
    server: GitServer, repo: Repo, fix: Fix
) -> None:
    marked(repo, a="BAD one\nBAD two\n")
    server.create("group/sub/name", repo.path)
    done = fix([answer("one", a="BAD two\n")], "--publish", "gitlab")
    assert done.code == 0, done.told
    first = server.push_options[0]
    assert "merge_request.title=autoresearch: 1 failure repaired, 1 left" in first
    (told,) = (option for option in first if option.startswith("merge_request.description="))
    assert "**1 failure repaired, 1 left.**" in told
    assert "%" not in told


def test_a_run_without_a_keep_asks_for_no_merge_request(
    server: GitServer, bare: Bare, run: Run, script: Script
) -> None:
    done = go(run, script, 11)
    assert done.code == 0, done.told
    assert [option for options in server.push_options for option in options] == []


def test_a_forge_that_takes_branches_only_gets_the_branch(
    server: GitServer, bare: Bare, run: Run, script: Script, repo: Repo
) -> None:
    bare.git("config", "receive.hideRefs", "refs/autoresearch")
    done = go(run, script, 9)
    assert done.code == 0, done.told
    assert bare.ref(BRANCH) == repo.ref("autoresearch/t")
    assert "without the notebook" in done.told


def test_a_refused_push_names_the_file_that_holds_what_was_kept(
    server: GitServer, bare: Bare, run: Run, script: Script
) -> None:
    bare.refuse("GitLab: You are not allowed to push code to protected branches on this project.")
    done = go(run, script, 9)
    assert done.code == 6, done.told
    assert "merge_requests/new" not in done.err  # of a branch that is not there
    assert f"what was kept is in {done.folder / 'autoresearch.bundle'}" in done.err


def test_options_are_one_line_each_whatever_people_write(server: GitServer) -> None:
    forge = GitLab("group/name", {"GITLAB_TOKEN": "x", "CI_SERVER_URL": server.url})
    content = PullRequestContent(
        branch="b",
        base="main",
        title="a\nb\0c",
        goal="faster",
        render=lambda room: "first\nline\n\nsecond part",
        publish=Publish(labels=("two\nlines",)),
    )
    for option in forge.push_options(content):
        assert "\n" not in option
        assert "\0" not in option
    assert "merge_request.description=first line" in forge.push_options(content)


def test_a_jobs_own_token_comes_as_the_user_that_gitlab_expects() -> None:
    assert GitLab("g/n", {"CI_JOB_TOKEN": "x"}).address.username == "gitlab-ci-token"


def test_without_a_token_the_variable_to_add_is_named() -> None:
    with pytest.raises(ConfigError, match="GITLAB_TOKEN"):
        GitLab("g/n", {})
