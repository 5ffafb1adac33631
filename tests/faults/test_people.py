"""Other people and other runs in the same repository: whatever they do, nothing is lost."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.faults.invariant import BRANCH, GUARD, METRIC, NOTEBOOK, Story, killed, lost, value

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

PRUNE = "reflog expire --expire=now --all; gc --quiet --prune=now"
HARMLESS = {
    "gc": PRUNE,
    "pack refs": "pack-refs --all",
    "stash": "stash --quiet",
    "switch": "switch --quiet --force --create elsewhere; reset --quiet --hard",
    "amend": "commit --quiet --amend --allow-empty -m amended",
    "commit": "commit --quiet --all --allow-empty -m more",
    "a branch at our branch": f"branch mine {BRANCH}",
    "tag and gc": f"tag mine {BRANCH}; {PRUNE}",
}


def do(repo: Repo, commands: str) -> None:
    for command in commands.split("; "):
        repo.git(*command.split())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is harmless is done one after the other; with --torture, each alone, too."""
    if "names" in metafunc.fixturenames:
        given = metafunc.function.__name__.startswith("test_nor_")
        together = ["stash", "amend", "pack refs", "gc"] if given else list(HARMLESS)
        alone = [[n] for n in together] if metafunc.config.getoption("--torture") else []
        metafunc.parametrize("names", [together, *alone], ids=", ".join)


def test_what_a_person_does_to_the_rest_of_the_repository_is_no_obstacle(
    story: Story, names: list[str]
) -> None:
    story = story.half_way()
    for name in names:
        do(story.repo, HARMLESS[name])
    story.as_it_is_now().check()


def test_nor_is_it_while_a_candidate_is_measured(story: Story, run: Run, names: list[str]) -> None:
    """A candidate that no branch knows yet must not be pruned."""
    person = "git -c user.name=A -c user.email=a@b"
    commands = [command for name in names for command in HARMLESS[name].split("; ")]
    lines = " && ".join(f"{person} -C {story.repo.path} {command}" for command in commands)
    once = story.repo.path.parent / "once"
    metric = f"if grep -q 9 value && mkdir {once}; then {lines} || exit 9; fi; {METRIC}"
    done = run("--guard", GUARD, metric=metric)
    assert once.exists()
    story.as_it_is_now().check(done)


TO_OUR_BRANCH: dict[str, Callable[[Repo, str], object]] = {
    "commits to it": lambda repo, kept: repo.git(
        "update-ref", BRANCH, repo.git("commit-tree", f"{kept}^{{tree}}", "-p", kept, "-m", "mine")
    ),
    "deletes it": lambda repo, kept: repo.git("branch", "-D", "autoresearch/t"),
    "renames it": lambda repo, kept: repo.git("branch", "-m", "autoresearch/t", "good"),
    "moves it back": lambda repo, kept: repo.git("update-ref", BRANCH, f"{kept}~1"),
    "forces it": lambda repo, kept: repo.git("update-ref", BRANCH, "main"),
    "deletes it and prunes": lambda repo, kept: do(repo, f"branch -D autoresearch/t; {PRUNE}"),
}


@pytest.mark.parametrize(
    ("what", "keeps"),
    # With one keep the branch moves back to where it was made, as if there had been none.
    [*((what, 2) for what in TO_OUR_BRANCH), ("deletes it", 1), ("moves it back", 1)],
)
def test_a_person_who(story: Story, what: str, keeps: int) -> None:
    """Decides, and is told how to undo it; what they had is saved, what we kept is there."""
    iterations = "1" if keeps == 1 else "3"
    done = story.run.once("--guard", GUARD, "--iterations", iterations, metric=METRIC)
    kept = [row["commit"] for row in done.rows if row["status"] == "keep"]
    assert len(kept) == keeps
    TO_OUR_BRANCH[what](story.repo, kept[-1])
    theirs = story.repo.ref(BRANCH)
    refused = story.resumed()
    assert refused.code == 3, refused.told
    assert f"but this run left it at {kept[-1]}" in refused.err
    assert story.repo.ref(BRANCH) == theirs
    assert lost(story.repo) == []
    # The advice, pasted.
    advice = refused.err.split("do: ")[1].split(" to save ")[0].split(" (the ")[0]
    for command in advice.split(" && "):
        story.repo.git(*command.split()[1:])
    if theirs:
        assert story.repo.ref("autoresearch/t-mine") == theirs
    story.as_it_is_now().check()


def test_a_person_who_checks_the_branch_out_meanwhile_is_not_disturbed(
    story: Story, run: Run
) -> None:
    theirs = story.repo.path.parent / "theirs"
    add = f"git -C {story.repo.path} worktree add -q {theirs} autoresearch/t"
    metric = f"if grep -q 8 value && ! test -e {theirs}; then {add} || exit 9; fi; {METRIC}"
    stopped = run("--guard", GUARD, metric=metric)
    assert stopped.code == 3, stopped.told
    assert f"is checked out in {theirs}" in stopped.err
    assert "--resume" in stopped.err
    worktree = type(story.repo)(theirs)
    assert worktree.git("status", "--porcelain") == ""
    assert (theirs / "value").read_text() == "9\n"
    refused = run("--guard", GUARD, "--resume", metric=metric)
    assert "is checked out in" in refused.err
    story.repo.git("worktree", "remove", str(theirs))
    theirs.mkdir()  # so that the metric command does not add it again
    done = run("--guard", GUARD, "--resume", metric=metric)
    theirs.rmdir()
    story.as_it_is_now().check(done)


def test_a_notebook_that_a_person_deleted_is_begun_again(story: Story) -> None:
    story = story.half_way(5)
    story.repo.git("update-ref", "-d", NOTEBOOK)
    done = story.resumed()
    assert done.code == 0, done.told
    assert story.repo.photograph() == story.before
    assert lost(story.repo) == []
    assert len(story.repo.subjects(NOTEBOOK)) == len(done.rows)


def test_of_two_runs_on_one_tag_one_wins_and_the_other_says_so(story: Story, torture: bool) -> None:
    dice = random.Random(5)
    for _ in range(50 if torture else 2):
        first = story.fork()
        first.join(dice.choice((0.0, 0.01, 0.1, 0.3)))
        second = story.fork()
        for process in (first, second):
            process.join(60)
        codes = sorted((first.exitcode, second.exitcode))
        assert codes in ([0, 0], [0, 3]), codes  # 0, 0: one was through before the other began
        story.check()
        story.start_over()


def test_runs_side_by_side_survive_each_others_death(
    run: Run, script: Script, repo: Repo, torture: bool
) -> None:
    script(value(9), value(11), value(8), value(7))
    dice = random.Random(6)
    tags = ("t", "u", "v")
    left = 30 if torture else 3
    while left:
        again = {
            tag: ["--resume"] if repo.ref(f"refs/autoresearch/notebook/{tag}") else []
            for tag in tags
        }
        processes = [run.fork(*again[tag], tag=tag, metric="cat value") for tag in tags]
        victim = dice.choice(processes)
        killed(victim, after=dice.uniform(0, 0.5))
        for process in processes:
            process.join(60)
        left -= 1
    for tag in tags:
        done = run("--resume", tag=tag, metric="cat value")
        assert done.code == 0, done.told
        assert done.column("metric") == ["10", "9", "11", "8", "7"]
        assert lost(repo, tag) == []
        assert repo.kept(tag) == [f"experiment: try {n}" for n in (9, 8, 7)]
    repo.git("fsck", "--strict", "--no-dangling")
    shutil.rmtree(repo.path / "autoresearch")
