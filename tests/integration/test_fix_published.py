"""Repairs on a forge: in one job, in two, night after night, and what a hostile bundle may choose.

What is broken is a line with BAD in a text file, as in test_fix.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.bundles import commit, members, written
from tests.conftest import Repo, Result, Script
from tests.git_http import Bare, GitServer
from tests.github_api import ACTIONS, SLUG, GitHubApi, Identity

TOKEN = "token-that-must-not-leak"
TARGETS = r"""
  targets:
    - tool: marks
      command: grep -Hn BAD *.txt; test $? != 2
      regex: '(?P<path>[\w.]+):(?P<line>\d+):(?P<message>.*)'
"""
FIX = f"fix:{TARGETS}"
NUMBER = "scope: [value]\nmetric: {command: cat value}\n"


@dataclass(frozen=True, kw_only=True)
class World:
    """A repository here, one on the server, and the forge."""

    bare: Bare
    api: GitHubApi
    repo: Repo
    script: Script
    capture: pytest.CaptureFixture[str]

    def call(self, *words: str) -> Result:
        back = Path.cwd()
        os.chdir(self.repo.path)
        self.capture.readouterr()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            code = run_cli(words)
        finally:
            os.chdir(back)
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = self.capture.readouterr()
        return Result(code=code, out=out, err=err, folder=self.repo.path / "autoresearch" / "fix-t")

    def fix(self, *answers: Mapping[str, Any], mode: str = "github", tag: str = "t") -> Result:
        self.script(*answers)
        return self.call(
            *("fix", "--proposer", f"script:{self.script.path}", "--tag", tag),
            *("--publish", mode, "--publish-branch", "autoresearch/fix"),
        )

    def publish(self, file: Path, *flags: str) -> Result:
        return self.call(
            *("publish", "--bundle", str(file), "--publish-branch", "autoresearch/fix", *flags)
        )

    def elsewhere(self, path: Path) -> World:
        """Another machine: a fresh clone of the server's main branch."""
        self.repo.git("clone", "--quiet", "--branch=main", str(self.bare.path), str(path))
        return replace(self, repo=Repo(path))

    def pushes(self, *configuration: str, **files: str) -> None:
        """What people have on main, from now on."""
        self.repo.write(".github/autoresearch.yml", "".join(configuration))
        for name, text in files.items():
            self.repo.write(f"{name}.txt", text)
        self.repo.commit("as people have it")
        self.repo.git("push", "--quiet", str(self.bare.path), "HEAD:main")


@pytest.fixture
def world(
    tmp_path: Path,
    repo: Repo,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[World]:
    with GitServer(root=tmp_path / "server", token=TOKEN) as server:
        bare = server.create(SLUG, repo.path)
        with GitHubApi(bare=bare, permissions={"writer": "write"}) as api:
            api.tokens[TOKEN] = Identity(login=ACTIONS)
            for name, text in (
                ("GITHUB_API_URL", api.url),
                ("GITHUB_SERVER_URL", server.url),
                ("GITHUB_REPOSITORY", SLUG),
                ("GITHUB_REF_TYPE", "branch"),
                ("GITHUB_REF_NAME", "main"),
                ("GITHUB_TOKEN", TOKEN),
            ):
                monkeypatch.setenv(name, text)
            monkeypatch.delenv("GITLAB_CI", raising=False)
            yield World(bare=bare, api=api, repo=repo, script=script, capture=capsys)


def answer(description: str, **files: str) -> dict[str, Any]:
    return {
        "description": description,
        "files": {f"{name}.txt": text for name, text in files.items()},
    }


def test_a_repair_is_told_by_its_failures_and_not_in_percent(world: World) -> None:
    world.pushes(FIX, a="BAD one\nBAD two\n", b="BAD three\n")
    wrong = [answer(f"try {n}", b=f"BAD three\n{n}\n") for n in range(3)]
    done = world.fix(answer("both", a="good\n"), *wrong)
    assert done.code == 0, done.told
    (pull,) = world.api.pulls
    assert pull["title"] == "autoresearch: 2 failures repaired, 1 left"
    body = pull["body"]
    assert "**2 failures repaired, 1 left.**" in body
    assert "### Repaired (2)" in body
    kept = world.repo.ref("autoresearch/fix")
    for name in ("marks:a.txt::", "marks:a.txt::"):
        assert re.search(rf"\| {name}\S+ \| {kept[:7]} \| both \|", body)
    assert "### Left (1)" in body
    assert "| b.txt:1 | lint | marks:b.txt::" in body
    assert "| blocked after 3 attempts |" in body
    assert "autoresearch-ci fix --check --fail-on any" in body
    assert "grep -Hn BAD" in body
    assert "Tried and not kept (3)" in body
    summary = (done.folder / "summary.md").read_text()
    last = [line for line in done.out.splitlines() if line.startswith("done: ")]
    assert last == ["done: 2 failures repaired, 1 left; 1 kept on autoresearch/fix"]
    for text in (pull["title"], body, summary, *last):
        assert not any(words in text for words in (" %", "CI of", "improvement", "baseline"))
    assert "| lint | b.txt:1 | BAD three | 3, blocked |" in summary
    assert "| 4 |" in (done.folder / "blocked.md").read_text()
    facts = json.loads((done.folder / "run.json").read_text())["repairs"]
    assert (facts["verdict"], facts["left"]) == ("broken", 1)
    assert facts["shown"][0]["why"] == "blocked after 3 attempts"


def test_what_became_green_is_marked_ready_where_that_is_asked_for(world: World) -> None:
    world.pushes(FIX + "publish: {ready: true}\n", a="BAD one\n", b="BAD two\n")
    world.fix(answer("one", a="\n"))
    assert world.api.pulls[0]["draft"]
    done = world.elsewhere(world.repo.path.parent / "next").fix(answer("two", b="\n"), tag="u")
    assert done.code == 0, done.told
    assert not world.api.pulls[0]["draft"]


def test_the_next_night_goes_on_and_counts_what_the_first_repaired(
    world: World, tmp_path: Path
) -> None:
    world.pushes(FIX, a="BAD one\n", b="BAD two\n", c="BAD three\n")
    world.fix(answer("one", a="\n"))
    first = world.repo.ref("autoresearch/fix")
    done = world.elsewhere(tmp_path / "next").fix(answer("two", b="\n"), tag="u")
    assert done.code == 0, done.told
    (pull,) = world.api.pulls
    assert pull["title"] == "autoresearch: 2 failures repaired, 1 left"
    assert "### Nights (2)" in pull["body"]
    assert "| 3 → 2 | -1 |" in pull["body"]
    assert "Repaired by earlier nights (1)" in pull["body"]
    assert re.search(rf"\| marks:a.txt::\S+ \| {first[:7]} \| one \|", pull["body"])
    assert " %" not in pull["title"] + pull["body"]


def test_a_night_that_looks_in_another_way_claims_its_own_repairs_only(
    world: World, tmp_path: Path
) -> None:
    world.pushes(FIX, a="BAD one\n", b="BAD two\n")
    world.fix(answer("one", a="\n"))
    other = world.elsewhere(tmp_path / "next")
    other.pushes(FIX.replace("BAD", "B[A]D"), a="BAD one\n", b="BAD two\n")
    done = other.fix(answer("two", b="\n"), tag="u")
    assert done.code == 0, done.told
    (pull,) = world.api.pulls
    assert pull["title"] == "autoresearch: 1 failure repaired in this night, 0 left"


def test_a_second_job_publishes_what_the_first_repaired(world: World, tmp_path: Path) -> None:
    world.pushes(FIX, a="BAD one\n", b="BAD two\n")
    done = world.fix(answer("one", a="\n"), mode="bundle")
    assert done.code == 0, done.told
    assert world.api.pulls == []
    second = world.elsewhere(tmp_path / "second")
    done = second.publish(done.folder / "autoresearch.bundle", "--made-by", "fix")
    assert done.code == 0, done.told
    (pull,) = world.api.pulls
    assert pull["title"] == "autoresearch: 1 failure repaired, 1 left"
    assert "### Left (1)" in pull["body"]
    assert "grep -Hn BAD" in pull["body"]
    assert world.bare.ref("refs/heads/autoresearch/fix") == world.repo.ref("autoresearch/fix")


def test_a_job_without_rights_gets_the_checked_commit_and_publishes_nothing(
    world: World, tmp_path: Path
) -> None:
    world.pushes(FIX, a="BAD one\n")
    file = world.fix(answer("one", a="good\n"), mode="bundle").folder / "autoresearch.bundle"
    refs = world.bare.refs()
    third = world.elsewhere(tmp_path / "third")
    done = third.publish(file, "--only-fetch", "checked")
    assert done.code == 0, done.told
    assert third.repo.ref("refs/autoresearch/checked") == world.repo.ref("autoresearch/fix")
    assert third.repo.git("show", "refs/autoresearch/checked:a.txt") == "good"
    assert (world.bare.refs(), world.api.pulls) == (refs, [])
    for name in ("../heads/main", "-x", "a b"):
        assert third.publish(file, f"--only-fetch={name}").code == 2


def test_of_three_jobs_the_last_publishes_the_very_commit_that_the_second_looked_at(
    world: World, tmp_path: Path
) -> None:
    """Also where the first job's machine hands over something else afterwards, or people push."""
    world.pushes(FIX, a="BAD one\n", b="BAD two\n")
    base = world.bare.ref("refs/heads/main")
    file = world.fix(answer("one", a="good\n"), mode="bundle").folder / "autoresearch.bundle"
    verify = world.elsewhere(tmp_path / "verify")
    assert verify.publish(file, "--made-by", "fix", "--only-fetch", "checked").code == 0
    head = verify.repo.ref("refs/autoresearch/checked")
    verify.repo.git("switch", "--quiet", "--detach", head)
    done = verify.call("fix", "--check", "--fail-on", "new", "--base", base, "--publish", "none")
    assert done.code == 0, done.told
    world.fix(answer("other", b="good\n"), mode="bundle", tag="u")
    other = file.parent.with_name("fix-u") / file.name
    refused(world, tmp_path, other, head[:12], "--made-by", "fix", "--head", head)
    theirs = commit(world.repo, base, {"theirs.txt": "by hand\n"})
    world.repo.git("push", "--quiet", str(world.bare.path), f"{theirs}:refs/heads/autoresearch/fix")
    done = world.elsewhere(tmp_path / "third").publish(file, "--made-by", "fix", "--head", head)
    assert done.code == 0, done.told
    assert world.bare.ref("refs/heads/autoresearch/fix") == theirs
    assert world.bare.ref("refs/heads/autoresearch/fix-2") == head
    (pull,) = world.api.pulls
    assert pull["head"]["ref"] == "autoresearch/fix-2"


@dataclass(frozen=True, kw_only=True)
class Forged:
    """A bundle as an attacker who owns the first job would write it."""

    world: World
    file: Path

    def saying(
        self,
        command: str,
        tmp_path: Path,
        repairs: Mapping[str, Any] = MappingProxyType({}),
        **files: str,
    ) -> Path:
        """With another commit instead that touches `files`, and that word for who made it."""
        manifest, _ = members(self.file)
        manifest["command"] = command
        repo, branch = self.world.repo, "refs/heads/autoresearch/fix"
        paths = {name.replace("__", "/"): text for name, text in files.items()}
        if command == "fix":
            manifest["info"]["repairs"] = dict(repairs)
        before, notebook = manifest["head"], "refs/autoresearch/notebook/t"
        manifest["head"] = commit(repo, manifest["base"], paths)
        repo.git("update-ref", branch, manifest["head"])
        journal = repo.git("show", f"{manifest['notebook']}:results.tsv") + "\n"
        pages = {"results.tsv": journal.replace(before, manifest["head"])}
        manifest["notebook"] = commit(repo, manifest["notebook"], pages)
        repo.git("update-ref", notebook, manifest["notebook"])
        commits = tmp_path / "forged.commits"
        repo.git(
            *("bundle", "create", "--quiet", str(commits), notebook, branch),
            f"^{manifest['base']}",
        )
        data = commits.read_bytes()
        manifest["sha256"] = hashlib.sha256(data).hexdigest()
        return written(tmp_path / "forged.bundle", manifest, data)


Hostile = Callable[[str], Forged]


@pytest.fixture
def hostile(world: World) -> Hostile:
    def made(command: str) -> Forged:
        if command == "fix":
            done = world.fix(answer("one", a="good\n"), mode="bundle")
        else:
            world.script({"description": "try 9", "files": {"value": "9\n"}})
            done = world.call(
                *("run", "--proposer", f"script:{world.script.path}", "--tag", "t"),
                *("--iterations", "1", "--publish", "bundle"),
                *("--publish-branch", "autoresearch/fix"),
            )
        assert done.code == 0, done.told
        return Forged(
            world=world,
            file=world.repo.path / "autoresearch" / f"{command}-t" / "autoresearch.bundle",
        )

    return made


def refused(world: World, tmp_path: Path, file: Path, why: str, *flags: Sequence[str]) -> None:
    refs = world.bare.refs()
    done = world.elsewhere(tmp_path / f"second-{len(list(tmp_path.iterdir()))}").publish(
        file, *map(str, flags)
    )
    assert done.code == 3, done.told
    assert why in done.err, done.told
    assert (world.bare.refs(), world.api.pulls) == (refs, [])


def test_a_bundle_of_run_that_says_fix_gets_no_wider_scope(
    world: World, hostile: Hostile, tmp_path: Path
) -> None:
    world.pushes(NUMBER, a="fine\n")
    file = hostile("run").saying("fix", tmp_path, **{"a.txt": "evil\n"})
    refused(world, tmp_path, file, "does not speak of fix")
    refused(world, tmp_path, file, "this job publishes what run makes", "--made-by", "run")


def test_what_says_fix_may_touch_what_the_base_lets_fix_touch_and_no_test(
    world: World, hostile: Hostile, tmp_path: Path
) -> None:
    world.pushes(NUMBER, FIX, "  scope: [b.txt, '*.py']\n", a="fine\n", b="BAD\n")
    made = hostile("run")
    file = made.saying("fix", tmp_path, **{"a.txt": "evil\n"})
    refused(world, tmp_path, file, "out-of-scope: a.txt")
    file = made.saying("fix", tmp_path, **{"test_a.py": "def test_a():\n    pass\n"})
    refused(world, tmp_path, file, "holds tests")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("import os\n", "import os  # noqa: F401\n", "noqa"),
        (
            "def run():\n    work()\n",
            "def run():\n    try:\n        work()\n    except Exception:\n        pass\n",
            "[error-swallowed]",
        ),
        (
            "class Name:\n    pass\n",
            "class Name:\n    def __eq__(self, other):\n        return True\n",
            "compares equal to everything",
        ),
    ],
)
def test_a_job_that_was_taken_over_can_publish_no_shortcut(
    world: World, hostile: Hostile, tmp_path: Path, old: str, new: str, said: str
) -> None:
    world.repo.write("a.py", old)
    world.pushes(FIX, a="BAD\n")
    made = hostile("fix")
    file = made.saying("fix", tmp_path, **{"a.py": new})
    refused(world, tmp_path, file, said, "--made-by", "fix")


def test_what_only_the_flags_of_the_first_job_named_is_frozen_for_the_last_one_too(
    world: World, tmp_path: Path
) -> None:
    repo = world.repo
    repo.write("check.sh", "sh ci/one.sh\n")
    repo.write("ci/one.sh", "grep -q good a.txt\n")
    world.pushes(FIX, a="BAD\n")
    world.script(answer("one", a="good\n"))
    done = world.call(
        *("fix", "--proposer", f"script:{world.script.path}", "--tag", "t"),
        *("--symptom", "sh check.sh", "--publish", "bundle", "--publish-branch=autoresearch/fix"),
    )
    assert done.code == 0, done.told
    forged = Forged(world=world, file=done.folder / "autoresearch.bundle")
    told = members(forged.file)[0]["info"]["repairs"]
    for path in ("check.sh", "ci/one.sh"):
        file = forged.saying("fix", tmp_path, told, **{path: "true\n"})
        refused(world, tmp_path, file, f"out-of-scope: {path}", "--made-by", "fix")


def test_a_bundle_of_fix_that_says_run_gets_the_scope_of_run(
    world: World, hostile: Hostile, tmp_path: Path
) -> None:
    world.pushes(NUMBER, FIX, a="BAD one\n")
    made = hostile("fix")
    file = made.saying("run", tmp_path, **{"a.txt": "good\n"})
    refused(world, tmp_path, file, "out-of-scope: a.txt")
    refused(world, tmp_path, file, "this job publishes what fix makes", "--made-by", "fix")


def test_a_bundle_of_fix_that_says_run_where_nothing_is_run_is_a_usage_error(
    world: World, hostile: Hostile, tmp_path: Path
) -> None:
    world.pushes(FIX, a="BAD one\n")
    file = hostile("fix").saying("run", tmp_path, **{"a.txt": "good\n"})
    done = world.elsewhere(tmp_path / "second").publish(file)
    assert done.code == 2, done.told
    assert "metric" in done.err


def test_no_third_word_chooses_a_configuration(
    world: World, hostile: Hostile, tmp_path: Path
) -> None:
    world.pushes(FIX, a="BAD one\n")
    file = hostile("fix").saying("doctor", tmp_path, **{"a.txt": "good\n"})
    refused(world, tmp_path, file, "its manifest cannot be read")
