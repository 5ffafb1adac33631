"""Resuming what is not what it was: damaged records, another ruler, branch, version or history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.invariant import BRANCH, GUARD, METRIC, NOTEBOOK, Story, lost, sealed, value
from tests.faults.test_people import PRUNE, do

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

Lines = list[bytes]


def _without_first_verdict(lines: Lines) -> Lines:
    first = next(i for i, line in enumerate(lines) if b'"record": "verdict"' in line)
    return [*lines[:first], *lines[first + 1 :]]


DAMAGE: dict[str, Callable[[Lines], Lines]] = {
    "a garbage line": lambda lines: [*lines[:3], b"garbage\n", *lines[3:]],
    "another JSON value": lambda lines: [*lines[:3], b"[1, 2]\n", *lines[3:]],
    "a number": lambda lines: [*lines[:3], b"3\n", *lines[3:]],
    "one changed byte": lambda lines: [*lines[:3], lines[3].replace(b"1", b"2", 1), *lines[4:]],
    "a record of another version": lambda lines: [*lines, sealed({"record": "news"})],
    "a field of another version": lambda lines: [*lines, sealed({"record": "attempt", "x": 1})],
    "zeros in the middle": lambda lines: [*lines[:4], bytes(4096) + b"\n", *lines[5:]],
    "binary": lambda lines: [lines[0], bytes(range(256)), b"\n", *lines[1:]],
    "a huge line": lambda lines: [*lines[:4], b"x" * 20_000_000 + b"\n", *lines[4:]],
    "deep JSON": lambda lines: [*lines[:4], b"[" * 100_000 + b"\n", *lines[4:]],
    "a lost line": _without_first_verdict,
    "a repeated line": lambda lines: [*lines, *lines[-3:]],
    "no start": lambda lines: lines[1:],
    "two beginnings": lambda lines: [*lines, lines[0]],
}


def records_path(repo: Repo) -> Path:
    return repo.path / ".git" / "autoresearch" / "t" / "records.jsonl"


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_records_are_noticed_and_nothing_is_done(
    run: Run, script: Script, repo: Repo, damage: Callable[[Lines], Lines]
) -> None:
    script(value(9), value(8), value(7))
    run.once("--iterations", "2")
    path = records_path(repo)
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    damaged = path.read_bytes()
    before = repo.photograph(), repo.ref(BRANCH), repo.ref(NOTEBOOK)
    done = run("--resume")
    assert done.code == 3, done.told
    assert "not a record of ours" in done.err
    assert str(path) in done.err
    assert "Traceback" not in done.err
    assert len(done.err) < 2000
    assert path.read_bytes() == damaged
    assert (repo.photograph(), repo.ref(BRANCH), repo.ref(NOTEBOOK)) == before


def test_the_advice_about_damaged_records_works(run: Run, script: Script, repo: Repo) -> None:
    script(value(9), value(8), value(7))
    run.once("--iterations", "2")
    path = records_path(repo)
    path.write_bytes(path.read_bytes()[:-9] + b"!\n")
    told = run("--resume").err
    command = told.split("own: ")[1].split(" && ")[0]
    assert command == "git switch --detach autoresearch/t"
    repo.git(*command.split()[1:])
    script(value(7))
    done = run(tag="t-2")
    assert done.column("metric") == ["8", "7"], done.told
    assert len(repo.subjects(NOTEBOOK)) == 3


def test_records_that_are_empty_are_no_run(run: Run, repo: Repo, script: Script) -> None:
    script(value(9))
    run()
    records_path(repo).write_bytes(b"")
    done = run("--resume")
    assert done.code == 2
    assert "there is no run 't' to continue" in done.err


def rewritten(repo: Repo, change: Callable[[dict[str, object]], None]) -> None:
    """Records as another version would have written them."""
    path = records_path(repo)
    lines = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    for line in lines:
        change(line)
    path.write_bytes(b"".join(sealed(line) for line in lines))


def test_a_run_of_another_version_is_continued_with_a_warning(story: Story) -> None:
    story = story.half_way()

    def older(line: dict[str, object]) -> None:
        if line["record"] == "start":
            line["version"] = "0.0.1"

    rewritten(story.repo, older)
    done = story.resumed()
    assert "was started by version 0.0.1" in done.out
    story.check(done)


def test_what_another_version_had_learnt_is_refused_when_it_cannot_be_read(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9), value(8))
    run.once("--iterations", "1")

    def unknown(line: dict[str, object]) -> None:
        if line["record"] == "verdict":
            line["memory"] = {"session": line.pop("knowledge")}

    rewritten(repo, unknown)
    done = run("--resume")
    assert done.code == 3, done.told
    assert "another version of autoresearch-ci wrote it" in done.err
    assert lost(repo) == []


def test_a_ruler_that_changed_is_refused_and_a_wish_that_changed_is_not(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9), value(8))
    run.once("--iterations", "1")
    before = repo.photograph(), records_path(repo).read_bytes()
    for key, flags in {"metric": {"metric": "cat ./value"}, "scope": {"scope": "other"}}.items():
        done = run("--resume", **flags)
        assert done.code == 2, done.told
        assert f"{key} changed since this run was started" in done.err
    assert (repo.photograph(), records_path(repo).read_bytes()) == before
    assert run("--resume", "--set", "metric.target=1").column("metric") == ["10", "9", "8"]


# --- where it is published ------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", [0, 1, 2])
def test_a_run_that_published_nothing_gets_its_branch_when_it_shall(
    run: Run, script: Script, repo: Repo, keeps: int
) -> None:
    script(*(value(9 - n if n < keeps else 11) for n in range(3)), value(5))
    run("--iterations", "3", publish="none")
    assert not repo.ref(BRANCH)
    done = run("--resume", publish="local")
    assert done.code == 0, done.told
    names = [*(9 - n for n in range(keeps)), 5]
    assert repo.kept() == [f"experiment: try {name}" for name in names]


def test_a_branch_lags_behind_while_nothing_is_published_and_catches_up(
    run: Run, script: Script, repo: Repo
) -> None:
    script(*map(value, (9, 8, 7, 6)))
    run.once("--iterations", "1")
    run("--resume", "--iterations", "3", publish="none")
    assert repo.kept() == ["experiment: try 9"]
    done = run("--resume", publish="local")
    assert done.code == 0, done.told
    assert repo.kept() == [f"experiment: try {n}" for n in (9, 8, 7, 6)]


def test_another_branch_is_made_and_the_first_one_stays(
    run: Run, script: Script, repo: Repo
) -> None:
    script(value(9), value(8))
    first = run.once("--iterations", "1").rows[1]["commit"]
    done = run("--resume", "--publish-branch", "results/{tag}")
    assert done.code == 0, done.told
    assert repo.subjects("main..results/t") == ["experiment: try 9", "experiment: try 8"]
    assert repo.ref(BRANCH) == first


def test_a_persons_branch_is_not_taken_over(run: Run, script: Script, repo: Repo) -> None:
    script(value(9), value(8))
    run.once("--iterations", "1", publish="none")
    repo.git("branch", "autoresearch/t")
    done = run("--resume", publish="local")
    assert done.code == 3, done.told
    assert "git branch autoresearch/t-mine" in done.err
    assert repo.ref(BRANCH) == repo.ref("main")


def test_a_branch_that_is_to_stay_deleted_stays_deleted(story: Story) -> None:
    story.run("--guard", GUARD, "--iterations", "1", metric=METRIC)
    story.repo.git("branch", "-D", "autoresearch/t")
    assert "resume with --publish none" in story.resumed().err
    done = story.run(*story.arguments(), metric=METRIC, publish="none")
    assert done.code == 0, done.told
    assert not story.repo.ref(BRANCH)
    assert lost(story.repo) == []


# --- history that is gone -------------------------------------------------------------------------


def test_a_base_commit_that_vanished_is_explained(run: Run, script: Script, repo: Repo) -> None:
    script(value(9))
    run("--iterations", "0")
    base = repo.ref("main")
    repo.git("commit", "--quiet", "--amend", "-m", "rewritten")
    do(repo, PRUNE)
    done = run("--resume")
    assert done.code == 3, done.told
    assert f"the commit {base[:12]}, which this run started from, is no longer" in done.err
    assert "another --tag" in done.err


def test_what_was_kept_outlives_the_history_it_came_from(story: Story) -> None:
    """The branch main is rewritten and pruned: branch and notebook hold all that a run needs."""
    story = story.half_way()
    repo = story.repo
    repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", "HEAD^{tree}", "-m", "new"))
    do(repo, PRUNE)
    story.as_it_is_now().check()
