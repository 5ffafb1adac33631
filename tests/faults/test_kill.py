"""Killed at any instant, a run continues as if nothing had happened.

`git` on PATH is wrapped by a counter, so that "just before the n-th call of git" is an instant that
can be hit exactly; `strace` does the same for system calls, see test_sweep.py. The rest is a seeded
dice.
"""

from __future__ import annotations

import random
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.config.schema import Sandbox
from autoresearch_ci.execution.sandbox.abilities import abilities, gives_view
from tests.faults.invariant import (
    BRANCH,
    NOTEBOOK,
    Story,
    counted_git,
    killed,
    processes_of,
    state,
    wait_for,
)

if TYPE_CHECKING:
    from tests.conftest import Repo, Run


def test_killed_again_and_again_at_random_a_run_ends_in_the_same_state(
    story: Story, torture: bool
) -> None:
    dice = random.Random(20260101)
    left = 200 if torture else 6
    while left > 0:
        # The whole process group, at any time of its life; then again in what is left to do.
        if killed(story.fork(), after=dice.uniform(0.0, 0.8)):
            left -= 1
            story.tally("kill points tried", 1)
            story.tally("kill points resumed identically", 1)  # else the check below fails
            continue
        story.check()
        story.start_over()
    story.check()


def test_killed_just_before_a_call_of_git_a_run_ends_in_the_same_state(
    story: Story, torture: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, count = counted_git(story.repo)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", path)
        story.resumed()
    story.start_over()
    calls = count.read_text().splitlines()
    kinds: dict[str, list[int]] = {}
    for n, call in enumerate(calls, start=1):
        kinds.setdefault(re.sub(r"[0-9a-f]{40}| /\S+|attempt/t/\d", "", call), []).append(n)
    assert len(kinds) > 10
    dice = random.Random(1)
    moments = (
        range(1, len(calls) + 1) if torture else dice.sample([*map(dice.choice, kinds.values())], 3)
    )
    for moment in moments:
        with monkeypatch.context() as patch:
            patch.setenv("PATH", counted_git(story.repo, f"test $n != {moment} || kill -9 0")[0])
            assert killed(story.fork())
        story.check()
        story.start_over()


def test_locks_and_halves_that_a_killed_git_leaves_are_no_obstacle(story: Story) -> None:
    story.killed_in(3)
    git = story.repo.path / ".git"
    store = git / "autoresearch" / "t"
    left = [git / f"{ref}.lock" for ref in (BRANCH, NOTEBOOK, "refs/autoresearch/attempt/t/2")]
    left += [store / "git" / "measure.index.lock", store / "git" / "refs" / "notebook.lock"]
    for lock in left:
        lock.touch()
    for torn in (store / "records.jsonl", story.repo.path / "autoresearch/run-t/results.tsv"):
        with torn.open("a") as file:
            file.write('{"record": "verd')
    story.check()


def test_a_run_folder_that_was_deleted_is_written_again(story: Story) -> None:
    story.killed_in(3)
    shutil.rmtree(story.repo.path / "autoresearch")
    done = story.resumed()
    assert story.repo.photograph() == story.before
    assert state(story.repo, done)["rows"] == story.expected["rows"]


def test_what_a_killed_run_was_measuring_is_gone_before_anything_is_measured_again(
    repo: Repo, run: Run
) -> None:
    """Without the full view only the command's process group dies with the run."""
    marker = repo.path.parent / "now"
    process = run.fork(metric=f"setsid sh -c 'touch {marker}; sleep 30'")
    wait_for(marker)
    assert killed(process, after=0)
    assert processes_of(repo) or gives_view(Sandbox(), abilities(None))
    run()
    assert processes_of(repo) == []
