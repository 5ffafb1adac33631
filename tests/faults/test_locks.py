"""Lock files: a user's are left alone, a living git's are waited for, a dead one's is removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.workspace.git import STALE_AFTER, wait_or_break
from tests.faults.invariant import BRANCH, Story, wait_for
from tests.patience import promptly

if TYPE_CHECKING:
    from tests.conftest import Repo

USERS = ("HEAD.lock", "config.lock", "index.lock", "packed-refs.lock", "shallow.lock")


def test_locks_of_the_user_are_no_obstacle_and_stay(story: Story) -> None:
    for name in USERS:
        (story.repo.path / ".git" / name).touch()
    now = story.as_it_is_now()
    now.killed_in(2)
    now.check(locked=USERS)


@contextmanager
def git_that_holds(repo: Repo, ref: str) -> Iterator[subprocess.Popen[bytes]]:
    """A person's git in the middle of moving a ref."""
    argv = ["git", "-C", str(repo.path), "update-ref", "--stdin"]
    git = subprocess.Popen(
        argv, cwd=repo.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert git.stdin
    assert git.stdout
    with git:
        head = repo.git("rev-parse", "HEAD")
        git.stdin.write(f"start\nupdate {ref} {head}\nprepare\n".encode())
        git.stdin.flush()
        for _ in range(2):
            git.stdout.readline()
        assert (repo.path / ".git" / f"{ref}.lock").exists()
        yield git


def test_a_living_git_that_holds_our_branch_is_waited_for(story: Story) -> None:
    story.killed_in(3)
    with git_that_holds(story.repo, BRANCH) as git:
        process = story.fork()
        time.sleep(STALE_AFTER + 1)
        assert (story.repo.path / ".git" / f"{BRANCH}.lock").exists()
        assert process.is_alive()
        assert git.stdin
        git.stdin.write(b"abort\n")
        git.stdin.close()
    process.join(60)
    assert process.exitcode == 0, (story.repo.path.parent / "printed").read_text()
    story.check()


def test_a_living_git_that_keeps_our_branch_is_named_and_keeps_it(repo: Repo) -> None:
    lock = repo.path / ".git" / f"{BRANCH}.lock"
    # In a process of its own: a git below us would be ours.
    code = (
        "import sys; from pathlib import Path\n"
        "from autoresearch_ci.workspace.git import wait_or_break\n"
        "from autoresearch_ci.errors import WorkspaceError\n"
        "try: wait_or_break(Path(sys.argv[1]), [Path(sys.argv[2])], patience=1.5)\n"
        "except WorkspaceError as error: print(error)"
    )
    with git_that_holds(repo, BRANCH) as git:
        argv = [sys.executable, "-c", code, str(lock), str(repo.path)]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        assert "another git process works on that ref" in done.stdout
        assert "do: let it finish" in done.stdout
        assert lock.exists()
        git.kill()


def test_a_dead_ones_lock_is_removed_after_a_moment(repo: Repo) -> None:
    lock = repo.path / ".git" / f"{BRANCH}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    began = time.monotonic()
    wait_or_break(lock, [repo.path])
    assert not lock.exists()
    assert STALE_AFTER <= time.monotonic() - began < STALE_AFTER + promptly(5)


def test_what_another_run_of_ours_keeps_ready_holds_no_lock_on_this_ones_refs(repo: Repo) -> None:
    lock = repo.path / ".git" / f"{BRANCH}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    command = "git update-ref --no-deref -m autoresearch-ci -z --stdin; :"  # below the shell
    with subprocess.Popen(["sh", "-c", command], cwd=repo.path, stdin=subprocess.PIPE) as run:
        wait_or_break(lock, [repo.path], patience=STALE_AFTER + promptly(5))
        assert run.poll() is None
        assert run.stdin
        run.stdin.close()
    assert not lock.exists()


def test_a_ref_that_stays_locked_during_a_run_is_explained(tmp_path: Path) -> None:
    from autoresearch_ci.workspace.git import refusal

    said = str(refusal(tmp_path / "x.lock"))
    with pytest.raises(WorkspaceError, match="--resume"):
        raise refusal(tmp_path / "x.lock")
    assert said.startswith(str(tmp_path))


def test_a_second_run_is_refused_while_the_first_is_stopped(story: Story) -> None:
    """A process that was sent SIGSTOP still owns its run."""
    process = story.fork()
    wait_for(story.repo.path / "autoresearch" / "run-t" / "logs" / "1.log")
    assert process.pid
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        second = story.run("--resume")
        assert second.code == 3, second.told
        assert f"is going on already (process {process.pid})" in second.err
        assert "another --tag" in second.err
    finally:
        os.killpg(process.pid, signal.SIGCONT)
    process.join(60)
    story.check()


DYING = """
import os, sys, time
from pathlib import Path
from autoresearch_ci.record.run_records import Records
records = Records(Path(sys.argv[1]))
if os.fork() == 0:  # a command that is about to start
    os.close(1)
    time.sleep(float(sys.argv[2]))
os._exit(0)
"""


def test_a_command_that_a_killed_run_was_starting_holds_its_lock_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_that_died(seconds: float) -> None:
        command = [sys.executable, "-c", DYING, str(tmp_path), str(seconds)]
        subprocess.run(command, check=True, stdout=subprocess.PIPE)

    run_that_died(0.3)
    Records(tmp_path).close()
    monkeypatch.setattr("autoresearch_ci.record.run_records._LAST_BREATH", 0.1)
    run_that_died(5)
    with pytest.raises(WorkspaceError, match="going on already"):
        Records(tmp_path)
