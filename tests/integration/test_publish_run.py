"""Whole runs against a local git server and a local GitHub: pushed, shown, resumed, continued."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.publish.forge import git_remote
from autoresearch_ci.record import remote_notebooks
from autoresearch_ci.report.claim import read_claim
from tests.conftest import Repo, Result, Run, Script
from tests.git_http import PROTECTED, Bare, GitServer
from tests.github_api import ACTIONS, SLUG, Fault, GitHubApi, Identity
from tests.patience import promptly

BRANCH = "refs/heads/autoresearch/t"
NOTEBOOK = "refs/autoresearch/notebook/t"
TOKEN = "token-that-must-not-leak"


@dataclass(frozen=True, kw_only=True)
class World:
    """A repository here, one on the server, and the forge."""

    server: GitServer
    bare: Bare
    api: GitHubApi
    run: Run
    repo: Repo
    script: Script

    def clone(self, tmp_path: Path, name: str) -> World:
        """A fresh runner: a new clone of the server's main branch."""
        path = tmp_path / name
        self.repo.git("clone", "--quiet", "--branch=main", str(self.bare.path), str(path))
        repo = Repo(path)
        return replace(self, repo=repo, run=replace(self.run, repo=repo))


def value(number: float) -> Mapping[str, Any]:
    return {
        "description": f"try {number:g}",
        "files": {"value": f"{number:g}\n"},
    }


@pytest.fixture
def world(
    tmp_path: Path, repo: Repo, run: Run, script: Script, monkeypatch: pytest.MonkeyPatch
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
                ("GITHUB_RUN_ID", "42"),
                ("GITHUB_TOKEN", TOKEN),
            ):
                monkeypatch.setenv(name, text)
            yield World(server=server, bare=bare, api=api, run=run, repo=repo, script=script)


def go(world: World, *values: float, flags: tuple[str, ...] = (), **options: str | None) -> Result:
    world.script(*(value(number) for number in values))
    return world.run("--publish", "github", "--iterations", str(len(values)), *flags, **options)


def test_each_keep_is_pushed_and_one_pull_request_follows(world: World) -> None:
    done = go(world, 9, 11, 8, 7)
    assert done.code == 0, done.told
    kept = world.repo.ref("autoresearch/t")
    assert world.bare.ref(BRANCH) == kept
    assert world.bare.ref(NOTEBOOK) == world.repo.ref(NOTEBOOK)
    (pull,) = world.api.pulls
    assert pull["title"] == "autoresearch: metric 10 → 7 (-30.0 %)"
    assert read_claim(f"# {pull['title']}\n\n{pull['body']}", "it", 1 << 20).gain == 0.3
    assert pull["draft"]
    assert pull["base"]["ref"] == "main"
    edits = [r for r in world.api.requests if r.startswith("PATCH")]
    assert len(edits) == 3  # two further keeps and the end
    assert pull["html_url"] in done.out
    assert f"{world.server.url}/{SLUG}/actions/runs/42" in pull["body"]
    picture = f"/blob/{world.bare.ref(NOTEBOOK)}/progress.svg?raw=true"
    assert picture in pull["body"]
    assert "<svg" in world.bare.git("cat-file", "blob", f"{NOTEBOOK}:progress.svg")
    assert world.bare.git("diff", "--name-only", "main", BRANCH) == "value"


@pytest.mark.parametrize(("confirm", "draft"), [("auto", False), ("never", True)])
def test_only_a_confirmed_gain_is_marked_ready(world: World, confirm: str, draft: bool) -> None:
    done = go(world, 9, flags=("--set", "publish.ready=true", "--confirm", confirm))
    assert done.code == 0, done.told
    assert world.api.pulls[0]["draft"] is draft


def test_one_pull_request_is_open_for_a_goal_whatever_the_runs_are_called(world: World) -> None:
    """Another run's branch waits; it takes over what it holds; another goal is another matter."""
    assert go(world, 9, tag="a").code == 0
    (first,) = world.api.pulls
    waits = go(world, 8, tag="b", flags=("--guard", "true"))  # a guard makes no other goal
    assert waits.code == 0, waits.told
    assert len(world.api.pulls) == 1
    assert world.bare.ref("refs/heads/autoresearch/b")
    told = f"{first['html_url']} is open for the same goal, so no other is opened"
    assert waits.told.count(told) == 1
    assert f"{world.server.url}/{SLUG}/compare/main...autoresearch/b?expand=1" in waits.told
    assert "run with --publish-branch autoresearch/a" in waits.told
    assert "published:" not in waits.out

    other = go(world, 7, tag="c", flags=("--scope", "[value, other]"))
    assert other.code == 0, other.told
    assert [pull["head"]["ref"] for pull in world.api.pulls] == [f"autoresearch/{t}" for t in "ac"]

    world.repo.git("checkout", "--quiet", "autoresearch/a")
    holds = go(world, 6, tag="d")
    assert holds.code == 0, holds.told
    new = world.api.pulls[-1]
    assert [pull["state"] for pull in world.api.pulls] == ["closed", "open", "open"]
    said = world.api.comments[1][0]["body"]
    assert f"Continued in {new['html_url']}, which holds all of its commits." in said

    world.repo.git("checkout", "--quiet", "main")
    world.api.close(3)
    assert go(world, 5, tag="e").code == 0
    assert world.api.pulls[-1]["head"]["ref"] == "autoresearch/e"


def test_what_is_hard_to_believe_stays_a_draft_and_the_title_says_so(world: World) -> None:
    done = go(world, 0.5, flags=("--set", "publish.ready=true", "--set", "publish.draft=false"))
    assert done.code == 0, done.told
    (pull,) = world.api.pulls
    assert pull["draft"]
    assert pull["title"].endswith("(-95.0 %), hard to believe")
    assert "**Hard to believe: a gain of 95.0 %**" in pull["body"]


def test_what_was_ready_is_a_draft_again_once_it_is_hard_to_believe(
    world: World, tmp_path: Path
) -> None:
    flags = ("--set", "publish.ready=true", "--publish-branch", "autoresearch/nightly")
    go(world, 9, flags=flags, tag="n1")
    (pull,) = world.api.pulls
    assert not pull["draft"]
    go(world.clone(tmp_path, "night2"), 0.3, flags=flags, tag="n2")
    assert pull["title"].endswith("hard to believe")
    assert pull["draft"]


def test_no_later_night_takes_a_guard_that_can_be_fooled_for_a_witness(world: World) -> None:
    nightly = ("--publish-branch", "autoresearch/nightly", "--confirm", "never")
    nightly += ("--set", "publish.ready=true", "--scope", "value", "other")
    ends = {"description": "ends", "files": {"value": "9\n", "other": "os.Exit(0)\n"}}
    world.script(ends)
    blind = ("--guard", "test -e value")
    more = ("--publish", "github", "--iterations", "1", *blind)
    done = world.run(*nightly, *more, tag="n1")
    assert done.column("status") == ["baseline", "keep"], done.told
    done = go(world, 8, flags=(*nightly, *blind), tag="n2")
    assert len(done.rows) == 1, done.told
    assert "experiment 1 of an earlier run is hard to believe" in done.out
    (pull,) = world.api.pulls
    assert pull["draft"]
    assert pull["title"].endswith("hard to believe")
    done = go(world, 8, flags=(*nightly, "--guard", "echo ok 1 - adds"), tag="n3")
    assert done.column("status") == ["baseline", "keep"], done.told
    assert "believe" not in pull["title"]


def test_no_later_night_builds_upon_what_nobody_vouches_for(world: World) -> None:
    nightly = ("--publish-branch", "autoresearch/nightly", "--confirm", "never")
    nightly += ("--metric-name", "cost")
    metric = "echo cost: $(cat value); echo mem: 5"
    assert go(world, 0.5, flags=nightly, tag="n1", metric=metric).code == 0
    reads = json.dumps([{"command": metric, "metric": "mem"}])
    for tag, more in {"n2": (), "n3": ("--set", f"guards={reads}")}.items():
        done = go(world, 0.4, 0.3, flags=(*nightly, *more), tag=tag, metric=metric)
        assert done.code == 0, done.told
        assert len(done.rows) == 1, done.told
        assert "experiment 1 of an earlier run is hard to believe" in done.out
        assert "hard to believe" in world.api.pulls[0]["title"]
    guarded = (*nightly, "--guard", "test -e value")
    done = go(world, 0.4, flags=guarded, tag="n4", metric=metric)
    assert done.column("status") == ["baseline", "keep"], done.told
    (pull,) = world.api.pulls
    assert "believe" not in pull["title"]


def test_a_guards_tolerance_is_one_for_all_nights(world: World) -> None:
    guard = json.dumps([{"command": "echo mem: $(cat mem)", "metric": "mem", "tolerance": 0.1}])
    world.repo.write("mem", "100\n")
    world.repo.commit("memory")
    world.bare.git("fetch", str(world.repo.path), "+main:main")
    for night, (cost, memory, worse) in enumerate([(9, 109, "+9.0 %"), (8, 118, "+18.0 %")]):
        files = {"value": f"{cost}\n", "mem": f"{memory}\n"}
        world.script({"description": f"try {cost}", "files": files})
        done = world.run(
            *("--publish", "github", "--publish-branch", "autoresearch/nightly", "--scope", "mem"),
            *("--iterations", "1", "--set", f"guards={guard}"),
            tag=f"n{night}",
        )
        assert done.column("status")[1:] == ["keep"], done.told
        (pull,) = world.api.pulls
        assert f"100 → {memory}" in pull["body"], pull["body"]
        assert worse in pull["body"]
    facts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))["confirmation"]
    assert facts["refusal"] == "mem 118 is worse than 100 by more than 10 %"
    assert not facts["holds"]


def test_nothing_kept_pushes_the_notebook_and_opens_nothing(world: World) -> None:
    done = go(world, 11)
    assert done.code == 0, done.told
    assert world.api.pulls == []
    assert world.bare.ref(BRANCH) == ""
    assert world.bare.ref(NOTEBOOK) == world.repo.ref(NOTEBOOK)


def test_a_forge_that_refuses_pull_requests_ends_with_6_and_a_link(world: World) -> None:
    world.api.actions_may_open = False
    done = go(world, 9, 8)
    assert done.code == 6, done.told
    assert world.bare.ref(BRANCH) == world.repo.ref("autoresearch/t")
    assert f"{world.server.url}/{SLUG}/compare/main...autoresearch/t?expand=1" in done.err
    assert "Allow GitHub Actions to create and approve pull requests" in done.err


def test_a_night_that_keeps_nothing_tells_of_a_branch_that_never_got_its_pull_request(
    world: World, tmp_path: Path
) -> None:
    link = f"{world.server.url}/{SLUG}/compare/main...autoresearch/t?expand=1"
    world.api.actions_may_open = False
    assert go(world, 9).code == 6
    done = go(world.clone(tmp_path, "night2"), 12)
    assert done.code == 0, done.told
    assert f"do: open it by hand: {link}" in done.told
    world.api.open_pull("writer", "autoresearch/t")
    assert link not in go(world.clone(tmp_path, "night3"), 13).told


def test_a_protected_branch_loses_nothing_and_stops_nothing(world: World) -> None:
    world.bare.refuse(PROTECTED)
    done = go(world, 9, 8)
    assert done.code == 6, done.told
    assert done.column("status") == ["baseline", "keep", "keep"]
    assert "GH006" in done.err


def test_what_could_not_be_pushed_is_pushed_at_the_next_keep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_remote, "_WAITS", (0.1, 0.1))
    world.server.faults = ["500"] * 2 + ["500"]
    world.api.faults = [("POST /pulls", Fault(422, "Validation Failed", ["odd"]))]
    done = go(world, 9, 8)
    assert done.code == 0, done.told
    assert world.bare.ref(BRANCH) == world.repo.ref("autoresearch/t")
    assert len(world.api.pulls) == 1


def test_a_resumed_run_pushes_what_was_not(world: World) -> None:
    world.bare.refuse(PROTECTED)
    assert go(world, 9).code == 6
    world.bare.refuse("")
    done = go(world, 9, 8, flags=("--resume",))
    assert done.code == 0, done.told
    assert world.bare.ref(BRANCH) == world.repo.ref("autoresearch/t")
    assert [pull["state"] for pull in world.api.pulls] == ["open"]


def test_a_token_that_expires_meanwhile_loses_nothing(world: World) -> None:
    world.server.lives_for = 2  # a push is one request, or two when git asks first
    done = go(world, 9, 8, 7)
    assert done.code == 6, done.told
    assert "app-private-key, whose tokens are renewed" in done.err
    assert done.column("status") == ["baseline", "keep", "keep", "keep"]
    assert world.bare.ref(BRANCH) != world.repo.ref("autoresearch/t")
    world.server.lives_for = None
    assert go(world, 9, 8, 7, flags=("--resume",)).code == 0
    assert world.bare.ref(BRANCH) == world.repo.ref("autoresearch/t")
    assert len(world.api.pulls) == 1


def test_a_resume_whose_pushed_record_was_lost_recognises_its_own_push(world: World) -> None:
    assert go(world, 9).code == 0
    records = world.repo.path / ".git/autoresearch/t/records.jsonl"
    lines = records.read_text().splitlines(keepends=True)
    records.write_text("".join(line for line in lines if '"pushed"' not in line))
    done = go(world, 9, 8, flags=("--resume",))
    assert done.code == 0, done.told
    assert world.bare.refs("refs/heads/autoresearch") == [BRANCH]
    assert world.bare.ref(BRANCH) == world.repo.ref("autoresearch/t")
    assert len(world.api.pulls) == 1


def test_records_that_name_another_branch_are_not_believed(world: World) -> None:
    """They may come back from a cache that others can write to."""
    world.bare.refuse(PROTECTED)
    assert go(world, 9).code == 6
    world.bare.refuse("")
    records = world.repo.path / ".git/autoresearch/t/records.jsonl"
    main = world.bare.ref("refs/heads/main")
    lines = []
    for line in records.read_text().splitlines():
        record = json.loads(line)
        record.pop("crc32")
        if record["record"] == "start":
            record["publish"] |= {"branch": "main", "there": main}
        lines.append(sealed(record))
    lines.append(sealed({"record": "pushed", "branch": "main", "replaces": "", "refs": {}}))
    records.write_text("".join(lines))
    done = go(world, 9, 8, flags=("--resume",))
    assert done.code == 0, done.told
    assert world.bare.ref("refs/heads/main") == main
    assert world.bare.ref(BRANCH) == world.repo.ref("autoresearch/t")


def sealed(record: Mapping[str, Any]) -> str:
    body = json.dumps(record)
    return f'{body[:-1]}, "crc32": "{zlib.crc32(body.encode()):08x}"}}\n'


def test_a_local_run_can_be_published_when_it_is_resumed(world: World) -> None:
    world.script(value(9))
    assert world.run("--publish", "local", "--iterations", "1").code == 0
    done = go(world, 9, 8, flags=("--resume",))
    assert done.code == 0, done.told
    assert world.bare.ref(BRANCH) == world.repo.ref("autoresearch/t")
    assert world.bare.ref(NOTEBOOK) == world.repo.ref(NOTEBOOK)


def test_no_secret_is_in_anything_that_a_run_leaves(world: World) -> None:
    done = go(world, 9)
    assert TOKEN not in done.told
    assert TOKEN not in json.dumps(world.api.pulls)
    files = [path for path in world.repo.path.rglob("*") if path.is_file()]
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
    assert not list((world.repo.path / ".git/autoresearch").glob(".remote-*"))


def test_the_next_night_continues_the_open_branch_and_remembers(
    world: World, tmp_path: Path
) -> None:
    go(world, 9, 12)
    first = world.bare.ref(BRANCH)
    night = world.clone(tmp_path, "night2")
    done = go(night, 8)
    assert done.code == 0, done.told
    assert done.column("metric")[0] == "9"  # it began where the branch was
    assert world.bare.git("merge-base", first, BRANCH) == first
    assert world.bare.ref(BRANCH) == night.repo.ref("autoresearch/t")
    (pull,) = world.api.pulls
    assert pull["title"] == "autoresearch: metric 10 → 8 (-20.0 %)"
    assert "Kept by earlier runs on this branch (1)" in pull["body"]
    assert world.bare.refs("refs/autoresearch") == [NOTEBOOK, f"{NOTEBOOK}-2"]
    start = json.loads(
        (night.repo.path / ".git/autoresearch/t/records.jsonl").read_text().splitlines()[0]
    )
    assert start["publish"]["tried"] == ["try 9 (keep -1 to 9)", "try 12 (discard +3 to 12)"]


def test_human_commits_on_the_branch_are_built_upon(world: World, tmp_path: Path) -> None:
    go(world, 9)
    theirs = world.bare.commit("autoresearch/t", other="by a person\n")
    night = world.clone(tmp_path, "night2")
    done = go(night, 8)
    assert done.code == 0, done.told
    assert world.bare.git("merge-base", theirs, BRANCH) == theirs
    assert len(world.api.pulls) == 1


def test_a_merged_branch_is_begun_anew(world: World, tmp_path: Path) -> None:
    go(world, 9)
    world.bare.git("update-ref", "refs/heads/main", BRANCH)
    world.api.close(1, merged=True)
    world.api.comment(1, "writer", "/autoresearch stop")  # of a cycle that is over
    night = world.clone(tmp_path, "night2")
    done = go(night, 8)
    assert done.code == 0, done.told
    assert [pull["state"] for pull in world.api.pulls] == ["closed", "open"]
    assert world.bare.refs("refs/heads/autoresearch") == [BRANCH]


def test_a_squashed_branch_is_left_and_another_begun(world: World, tmp_path: Path) -> None:
    go(world, 9)
    left = world.bare.ref(BRANCH)
    world.bare.commit("main", "squashed (#1)", value="9\n")
    world.api.close(1, merged=True)
    night = world.clone(tmp_path, "night2")
    done = go(night, 8)
    assert done.code == 0, done.told
    assert world.bare.ref(BRANCH) == left
    assert world.api.pulls[1]["head"]["ref"] == "autoresearch/t-2"


def test_a_base_that_moved_is_merged_into_the_branch(world: World, tmp_path: Path) -> None:
    go(world, 9)
    moved = world.bare.commit("main", other="moved\n")
    night = world.clone(tmp_path, "night2")
    done = go(night, 8)
    assert done.code == 0, done.told
    assert done.column("metric")[0] == "9"
    assert world.bare.git("merge-base", moved, BRANCH) == moved
    assert len(world.api.pulls) == 1


def test_a_base_that_conflicts_starts_another_branch(world: World, tmp_path: Path) -> None:
    go(world, 9)
    left = world.bare.ref(BRANCH)
    world.bare.commit("main", value="9.5\n")
    night = world.clone(tmp_path, "night2")
    done = go(night, 8)
    assert done.code == 0, done.told
    assert world.bare.ref(BRANCH) == left
    assert world.api.pulls[1]["head"]["ref"] == "autoresearch/t-2"
    old, new = world.api.pulls
    assert (old["state"], new["state"]) == ("closed", "open")
    assert f"Takes the place of {old['html_url']}, whose branch conflicts" in new["body"]
    (comment,) = world.api.comments[1]
    assert f"Continued in {new['html_url']}. This branch conflicts" in comment["body"]
    third = world.clone(tmp_path, "night3")
    assert go(third, 7).code == 0  # what we closed is no refusal
    assert [pull["state"] for pull in world.api.pulls] == ["closed", "open"]
    assert "autoresearch: metric 9.5 → 7" in world.api.pulls[1]["title"]


def test_what_conflicts_is_tried_again_on_the_new_base(world: World, tmp_path: Path) -> None:
    (world.repo.path / "value").write_text("10\n\n\n\n\n0\n")
    world.repo.git("commit", "--quiet", "--all", "--message=two numbers")
    world.repo.git("push", "--quiet", str(world.bare.path), "HEAD:main")
    world.script(
        {"description": "first", "files": {"value": "9\n\n\n\n\n0\n"}},
        {"description": "second", "files": {"value": "9\n\n\n\n\n-4\n"}},
    )
    words = ("--publish", "github", "--iterations", "2")
    both = "awk '{n += $1} END {print n}' value"
    assert world.run(*words, metric=both).column("metric") == ["10", "9", "5"]
    world.bare.commit("main", "a person's own", value="12\n\n\n\n\n0\n")
    night = world.clone(tmp_path, "night2")
    night.script()
    done = night.run(*words, metric=both)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert re.fullmatch(
        r"again, on the new base \([0-9a-f]{12}\): second", done.rows[1]["description"]
    )
    old, new = world.api.pulls
    assert (old["state"], new["state"]) == ("closed", "open")
    assert new["title"] == "autoresearch: metric 12 → 8 (-33.3 %)"


def test_what_a_person_closed_is_not_proposed_again(world: World, tmp_path: Path) -> None:
    go(world, 9)
    world.api.close(1)
    refused = go(world.clone(tmp_path, "night2"), 9)
    assert refused.column("status") == ["baseline", "discard"], refused.told
    url = world.api.pulls[0]["html_url"]
    assert refused.rows[1]["reason"] == f"a person closed {url}, which held this change"
    assert len(world.api.pulls) == 1
    done = go(world.clone(tmp_path, "night3"), 9, 8)
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    old, new = world.api.pulls
    assert (old["state"], new["head"]["ref"]) == ("closed", "autoresearch/t-2")
    assert f"Follows {url}, which a person closed" in new["body"]
    assert "Refused before, and not proposed again (1)" in new["body"]


def test_what_was_closed_is_refused_also_where_its_notebook_is_not_read_any_more(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_notebooks, "RUNS", 1)
    go(world, 9)
    go(world.clone(tmp_path, "night2"), 8)
    (pull,) = world.api.pulls
    assert "Kept by earlier runs on this branch (1)" in pull["body"]
    world.api.close(1)
    refused = go(world.clone(tmp_path, "night3"), 9)
    assert refused.column("status") == ["baseline", "discard"], refused.told


def test_a_refusal_outlives_its_branch_and_is_lifted_by_a_word(
    world: World, tmp_path: Path
) -> None:
    """It is in the notebooks: also where branch and pull request cannot be seen any more."""
    go(world, 9, 8)
    world.api.comment(1, "writer", "/autoresearch retry")  # of an earlier stop
    world.api.comments[1][0]["created_at"] = "2026-01-01T00:00:00Z"
    world.api.close(1)
    world.bare.git("update-ref", "-d", BRANCH)
    assert go(world.clone(tmp_path, "n2"), 8).column("status") == ["baseline", "discard"]
    kept = world.api.pulls.pop()
    assert go(world.clone(tmp_path, "n3"), 8, 9).column("status") == ["baseline", *["discard"] * 2]
    world.api.pulls.append(kept)
    world.api.comment(1, "writer", "/autoresearch retry")
    done = go(world.clone(tmp_path, "n4"), 8)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert [pull["state"] for pull in world.api.pulls] == ["closed", "open"]
    assert go(world.clone(tmp_path, "n5"), 7).code == 0
    assert len(world.api.pulls) == 2


@pytest.mark.parametrize("what", ["commits", "deletes"])
def test_somebody_who_changes_the_branch_meanwhile_keeps_it(world: World, what: str) -> None:
    """The change comes between two keeps, from the metric command: it needs no clock."""
    hook = (
        f"cd {world.bare.path} && [ -e done ] || ! git rev-parse -q --verify {BRANCH} || "
        "{ touch done; "
        + (
            f"git update-ref -d {BRANCH}; }}"
            if what == "deletes"
            else f"git -c user.name=p -c user.email=p@e.org update-ref {BRANCH} "
            f"$(git -c user.name=p -c user.email=p@e.org commit-tree {BRANCH}^{{tree}} "
            f"-p {BRANCH} -m theirs); }}"
        )
    )
    done = go(world, 9, 8, metric=f"({hook}) >/dev/null 2>&1; cat value")
    assert done.code == 0, done.told
    theirs = world.bare.git("log", "-1", "--format=%s", BRANCH) if what == "commits" else ""
    assert theirs == ("theirs" if what == "commits" else "")
    assert world.bare.ref(f"{BRANCH}-2") == world.repo.ref("autoresearch/t")
    assert [(pull["head"]["ref"], pull["state"]) for pull in world.api.pulls] == [
        ("autoresearch/t", "closed"),
        ("autoresearch/t-2", "open"),
    ]
    assert "pushed: autoresearch/t-2" in done.out
    assert "kept on autoresearch/t-2" in done.out
    assert "..autoresearch/t-2   # what was kept" in (done.folder / "summary.md").read_text()
    words = "somebody else pushed to its branch" if what == "commits" else "branch was deleted"
    assert words in world.api.pulls[1]["body"]


def test_what_appears_under_our_name_after_the_look_stays_open_beside_ours(
    world: World, tmp_path: Path
) -> None:
    """As the branch of another run that began at the same time does."""
    go(world, 9)
    theirs = world.bare.ref(BRANCH)
    world.bare.git("update-ref", "-d", BRANCH)
    night = world.clone(tmp_path, "night2")
    hook = f"grep -q 10 value || git -C {world.bare.path} update-ref {BRANCH} {theirs} ''"
    done = go(night, 5, metric=f"({hook}) >/dev/null 2>&1; cat value")
    assert done.code == 0, done.told
    assert world.bare.ref(BRANCH) == theirs
    old, new = world.api.pulls
    assert (old["state"], new["state"]) == ("open", "open")
    assert f"Stands beside {old['html_url']}" in new["body"]
    assert not any(world.api.comments.values())


def test_a_person_can_stop_the_next_night_and_let_it_go_on(world: World, tmp_path: Path) -> None:
    go(world, 9)
    world.api.comment(1, "writer", "/autoresearch stop")
    night = world.clone(tmp_path, "night2")
    done = go(night, 8)
    assert done.code == 0
    assert "writer asked to stop" in done.err
    assert done.rows == []
    world.api.comment(1, "writer", "/autoresearch retry")
    assert go(night, 8).column("status") == ["baseline", "keep"]


def test_what_a_person_wants_ignored_is_told_to_proposers(world: World, tmp_path: Path) -> None:
    go(world, 9)
    kept = world.bare.ref(BRANCH)
    world.api.comment(1, "writer", f"/autoresearch ignore {kept[:8]}")
    night = world.clone(tmp_path, "night2")
    go(night, 8)
    start = json.loads(
        (night.repo.path / ".git/autoresearch/t/records.jsonl").read_text().splitlines()[0]
    )
    assert "a person asked not to propose it again" in start["publish"]["tried"][0]
    assert "Ignored, as asked:\n\n- try 9" in world.api.pulls[0]["body"]


def attempt(world: World, description: str) -> str:
    """The commit of an experiment, as the notebook on the forge has it."""
    rows = world.bare.git("show", f"{NOTEBOOK}:results.tsv").splitlines()[1:]
    (row,) = (r for r in csv.DictReader(rows, delimiter="\t") if r["description"] == description)
    return row["commit"]


def test_what_a_person_wants_ignored_is_not_measured_again(world: World, tmp_path: Path) -> None:
    go(world, 9, 12)
    named = attempt(world, "try 12")
    world.api.comment(1, "writer", f"/autoresearch ignore {named[:8]}")
    night = world.clone(tmp_path, "night2")
    counted = tmp_path / "measured"
    done = go(night, 12, 8, metric=f"cat value; cat value >> {counted}")
    assert done.column("status") == ["baseline", "discard", "keep"], done.told
    assert done.rows[1]["reason"] == f"a person asked not to try {named[:12]} again"
    assert "12" not in counted.read_text().split()


def test_the_search_goes_on_past_what_a_person_wants_ignored(world: World, tmp_path: Path) -> None:
    (world.repo.path / "value").write_text("n = 4  # tune: [4, 5, 6]\n")
    world.repo.git("commit", "--quiet", "--all", "--message=tunable")
    world.repo.git("push", "--quiet", str(world.bare.path), "HEAD:main")
    metric = "sed 's/n = \\([0-9]*\\).*/\\1/' value"
    tuned = {"proposer": "search", "metric": metric, "direction": "maximize"}
    first = world.run("--publish", "github", "--iterations", "3", **tuned)
    assert sorted(first.column("metric")) == ["4", "5", "6"], first.told
    named = attempt(world, first.column("description")[1])
    world.api.comment(1, "writer", f"/autoresearch ignore {named[:9]}")
    ignored = first.column("metric")[1]
    world.bare.git("update-ref", "-d", BRANCH)  # so that everything could be tried again
    night = world.clone(tmp_path, "night2")
    done = night.run("--publish", "github", "--iterations", "3", **tuned)
    assert ignored not in done.column("metric"), done.told
    assert {"4", "5", "6"} - set(done.column("metric")) == {ignored}


def test_what_a_person_wants_again_is_measured_once_more_and_once_only(
    world: World, tmp_path: Path
) -> None:
    guarded = {"guard": "test ! -e /nowhere"}
    noisy = tmp_path / "bad-luck"
    noisy.touch()
    metric = f"test -e {noisy} && test $(cat value) = 8 && echo 99 || cat value"
    go(world, 9, 8, metric=metric, **guarded)
    assert world.bare.git("show", f"{BRANCH}:value") == "9"
    noisy.unlink()
    world.api.comment(1, "writer", f"/autoresearch retry {attempt(world, 'try 8')[:7]}")
    second = go(world.clone(tmp_path, "night2"), 1, metric=metric)
    assert second.column("status") == ["baseline", "keep"], second.told
    assert second.column("proposer") == ["-", "retry"]
    assert second.column("description")[1].endswith("try 8")
    assert world.bare.git("show", f"{BRANCH}:value") == "8"
    third = go(world.clone(tmp_path, "night3"), 7, metric=metric)
    assert third.column("proposer") == ["-", "script"], third.told


def test_a_commit_that_nobody_knows_is_said_to_be_unknown(world: World, tmp_path: Path) -> None:
    go(world, 9)
    world.api.comment(1, "writer", "/autoresearch retry abcdef0")
    done = go(world.clone(tmp_path, "night2"), 8)
    assert done.column("status") == ["baseline", "keep"]
    assert "/autoresearch retry abcdef0: no change to look up" in done.told


def test_a_wrong_token_is_said_before_anything_is_measured(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "wrong")
    done = go(world, 9)
    assert done.code == 6
    assert done.rows == []
    assert "does not accept the token" in done.err


def test_a_branch_without_a_tag_goes_on_where_our_own_old_copy_is_still_here(world: World) -> None:
    """A persistent runner: the branch of the last night lies in the same clone."""
    flags = ("--publish-branch", "autoresearch/nightly")
    assert go(world, 9, flags=flags, tag="n1").code == 0
    done = go(world, 8, flags=flags, tag="n2")
    assert done.code == 0, done.told
    assert len(world.api.pulls) == 1
    assert world.bare.refs("refs/heads/autoresearch") == ["refs/heads/autoresearch/nightly"]
    assert world.bare.git("rev-list", "--count", "main..autoresearch/nightly") == "2"


def test_an_interrupted_run_pushes_what_it_kept_within_seconds(
    world: World, tmp_path: Path
) -> None:
    """The forge stalls, too: the runner kills us 10 seconds after its first signal."""
    marker = tmp_path / "measuring"
    # The third measurement (baseline, keep, this) waits to be interrupted.
    metric = f"cat value; [ $(cat value) = 8 ] && {{ touch {marker}; sleep 60; }}; true"
    world.bare.refuse(PROTECTED)  # at the keep; lifted before the signal
    world.script(value(9), value(8))
    process = world.run.start("--publish", "github", "--iterations", "2", metric=metric)
    wait_for(marker)
    world.bare.refuse("")
    world.api.faults = [("GET /pulls", "stall")] * 9
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = world.run.finish(process)
    took = time.monotonic() - began
    assert done.code == 130, done.told
    assert world.bare.ref(BRANCH) == world.repo.ref("autoresearch/t")
    assert took < promptly(7), took


def test_a_killed_run_is_pushed_by_its_resumption(world: World, tmp_path: Path) -> None:
    marker = tmp_path / "measuring"
    metric = f"cat value; [ $(cat value) = 8 ] && {{ touch {marker}; sleep 60; }}; true"
    world.script(value(9), value(8))
    process = world.run.start("--publish", "github", "--iterations", "2", metric=metric)
    wait_for(marker)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    first = world.bare.ref(BRANCH)
    assert first
    for leftover in (world.repo.path / ".git/autoresearch").rglob("*"):
        assert not leftover.is_file() or TOKEN.encode() not in leftover.read_bytes()
    marker.unlink()
    world.script(value(9), value(7))
    done = go(world, 9, 7, flags=("--resume",), metric=metric)
    assert done.code == 0, done.told
    assert world.bare.git("merge-base", first, BRANCH) == first
    assert world.bare.ref(BRANCH) == world.repo.ref("autoresearch/t")
    assert len(world.api.pulls) == 1


@pytest.fixture
def orphan(world: World, tmp_path: Path) -> Callable[[Callable[[], None]], Result]:
    """A run that sleeps while it measures its second keep, and wakes into another world.

    What is called meanwhile changes the world.
    """

    def sleep_through(meanwhile: Callable[[], None]) -> Result:
        marker, hold = tmp_path / "measuring", tmp_path / "hold"
        hold.touch()
        wait = f"touch {marker}; while test -e {hold}; do sleep 0.05; done"
        metric = f"cat value; if grep -q 8 value; then {wait}; fi"
        world.script(value(9), value(8), value(7))
        process = world.run.start("--publish", "github", metric=metric)
        try:
            wait_for(marker)
            os.kill(process.pid, signal.SIGSTOP)
            meanwhile()
        finally:
            hold.unlink()
            time.sleep(0.5)  # what is measured ends without it
            os.kill(process.pid, signal.SIGCONT)
        return world.run.finish(process)

    return sleep_through


def test_a_run_that_slept_while_its_job_ended_pushes_nothing_more(
    world: World, orphan: Callable[[Callable[[], None]], Result]
) -> None:
    """The job was cancelled, its container forgotten: the job's token is no token any more."""
    pushed: list[str] = []

    def job_ends() -> None:
        pushed.extend(world.bare.ref(ref) for ref in (BRANCH, NOTEBOOK))
        world.server.token = "of the next job"
        world.api.tokens.clear()

    done = orphan(job_ends)
    assert done.code == 6, done.told
    assert [world.bare.ref(ref) for ref in (BRANCH, NOTEBOOK)] == pushed
    assert len(world.bare.refs("refs/heads/autoresearch")) == 1
    assert world.repo.kept() == [f"experiment: try {n}" for n in (9, 8, 7)]
    assert "does not accept the token" in done.err


def test_a_run_that_slept_while_others_went_on_leaves_them_what_they_made(
    world: World, orphan: Callable[[Callable[[], None]], Result]
) -> None:
    """The token is good for longer than the job: what was there last is asked for all the same."""
    theirs: list[str] = []

    def others_go_on() -> None:
        theirs.append(world.bare.commit("autoresearch/t"))
        person = ("-c", "user.name=p", "-c", "user.email=p@e.org")
        tree = f"{NOTEBOOK}^{{tree}}"
        theirs.append(world.bare.git(*person, "commit-tree", tree, "-m", "another run"))
        world.bare.git("update-ref", NOTEBOOK, theirs[1])

    done = orphan(others_go_on)
    assert done.code == 0, done.told
    assert [world.bare.ref(ref) for ref in (BRANCH, NOTEBOOK)] == theirs
    assert world.bare.ref(f"{BRANCH}-2") == world.repo.ref("autoresearch/t")
    assert world.bare.ref(f"{NOTEBOOK}-2") == world.repo.ref(NOTEBOOK)


def test_a_shallow_checkout_publishes_and_continues(world: World, tmp_path: Path) -> None:
    """What actions/checkout makes by default."""
    for number in range(3):
        world.bare.commit("main", f"history {number}", other=f"{number}\n")
    for night, better in (("one", 9), ("two", 8)):
        path = tmp_path / night
        world.repo.git(
            *("clone", "--quiet", "--depth=1", "--branch=main"),
            *(world.bare.path.as_uri(), str(path)),
        )
        repo = Repo(path)
        here = replace(world, repo=repo, run=replace(world.run, repo=repo))
        done = go(here, better)
        assert done.code == 0, done.told
        # The branch now forks from a commit that the next clone does not have.
        moved = world.bare.commit("main", f"after {night}", **{night: "text\n"})
    assert world.bare.git("log", "--format=%s", "--no-merges", f"main..{BRANCH}") == (
        "experiment: try 8\nexperiment: try 9"
    )
    assert world.bare.git("merge-base", f"{moved}~", BRANCH) == world.bare.ref(f"{moved}~")
    assert len(world.api.pulls) == 1
    assert world.bare.git("fsck", "--connectivity-only") == ""


def test_a_forge_that_limits_us_at_the_start_does_not_stop_the_night(world: World) -> None:
    limit = Fault(403, "API rate limit exceeded for x", headers={"Retry-After": "3600"})
    world.api.faults = [("GET /pulls", limit)]
    done = go(world, 9)
    assert done.code == 0, done.told
    assert "starting without what earlier runs know" in done.told
    assert len(world.api.pulls) == 1


def test_a_base_given_by_configuration_is_where_it_goes(world: World) -> None:
    world.bare.git("update-ref", "refs/heads/develop", "refs/heads/main")
    done = go(world, 9, flags=("--publish-base", "develop"))
    assert done.code == 0, done.told
    assert world.api.pulls[0]["base"]["ref"] == "develop"


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)
