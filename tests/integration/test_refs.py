"""Refs are moved by one process of git's that stays: as if each had its own."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.workspace.repository import Repository
from tests.conftest import Repo

REF = "refs/heads/ours"


@pytest.fixture
def moved(repo: Repo) -> Iterator[tuple[Repository, str, str]]:
    """The repository, and two commits of it."""
    first = repo.git("rev-parse", "HEAD")
    repo.write("value", "2\n")
    second = repo.commit("second")
    with closing(Repository.open(repo.path)) as repository:
        yield repository, first, second


def test_a_ref_is_moved_only_from_where_it_was_left(
    repo: Repo, moved: tuple[Repository, str, str]
) -> None:
    repository, first, second = moved
    repository.update_ref(REF, first, None)
    for new, old in ((second, None), (second, second)):
        with pytest.raises(WorkspaceError, match="could not be moved") as refused:
            repository.update_ref(REF, new, old)
        assert "hint:" not in str(refused.value)
    assert repo.git("rev-parse", REF) == first
    repo.git("pack-refs", "--all")  # by the user, meanwhile
    repository.update_ref(REF, second, first)
    assert repo.git("rev-parse", REF) == second
    assert repo.git("log", "-g", "-1", "--format=%gs", REF) == "autoresearch-ci"


def test_a_symbolic_ref_in_the_place_of_ours_is_not_followed(
    repo: Repo, moved: tuple[Repository, str, str]
) -> None:
    repository, first, second = moved
    repo.git("branch", "theirs", first)
    repo.git("symbolic-ref", "refs/autoresearch/x", "refs/heads/theirs")
    repository.set_ref("refs/autoresearch/x", second)
    assert repo.git("rev-parse", "theirs", "refs/autoresearch/x").split() == [first, second]


def children() -> set[str]:
    """Of this process, of which others may be another test's."""
    return {*Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def kill_our(word: bytes, others: set[str]) -> None:
    """The process of git's that was started with that word."""
    words = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children() - others}
    (process,) = (int(pid) for pid, told in words.items() if word in told.split(b"\0"))
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


def test_a_process_that_was_killed_while_it_waited_is_replaced(
    repo: Repo, moved: tuple[Repository, str, str]
) -> None:
    repository, first, second = moved
    others = children()
    repository.set_ref("refs/autoresearch/x", first)
    kill_our(b"update-ref", others)
    repository.set_ref("refs/autoresearch/x", second)
    assert repo.git("rev-parse", "refs/autoresearch/x") == second
    assert repository.head() == second
    kill_our(b"--batch-check", others)
    assert (repository.head(), repository.ref(REF)) == (second, None)
    value = repository.files(second)["value"]
    for word in (b"--batch-check", b"--batch"):
        assert (repository.size(value), repository.read(value)) == (2, b"2\n")
        kill_our(word, others)
    assert (repository.size(value), repository.read(value)) == (2, b"2\n")


def test_who_forgets_to_close_a_repository_leaves_no_process_to_be_found_running(
    repo: Repo,
) -> None:
    others = children()
    repository = Repository.open(repo.path)
    repository.head()
    cycle: list[object] = [repository]
    cycle.append(cycle)
    (process,) = children() - others
    del repository, cycle
    gc.collect()
    assert not Path("/proc", process).exists()


def test_a_name_means_what_it_means_to_git_at_that_moment(
    repo: Repo, moved: tuple[Repository, str, str]
) -> None:
    """Also of what was packed or committed since the process that answers began."""
    repository, first, second = moved
    repo.git("tag", "-a", "-m", "a tag", "known", first)
    blob = repo.git("rev-parse", "HEAD:value")
    for name, meant in (
        *(("HEAD", second), ("HEAD~1", first), ("HEAD^1", first), ("known", first)),
        *((first[:9], first), (f"{second}^{{commit}}", second), ("HEAD^2", None)),
        *((blob, None), ("none", None), ("origin/", None), ("", None), ("a b 5", None)),
        *(("--all", None), ("HEAD\nHEAD", None), ("HEAD\0", None), ("f" * 40, None)),
    ):
        assert repository.ref(name) == meant, name
    repo.git("branch", "known", second)
    assert {repository.ref("known") for _ in range(2000)} == {first}  # as git has it: the tag
    for text in ("142", "784"):
        repo.git("hash-object", "-w", str(repo.write(text, text)))
        (repo.path / text).unlink()
    assert {repository.ref("8324") for _ in range(800)} == {None}  # which of both?
    repo.git("pack-refs", "--all")
    third = repo.commit("third")
    repo.git("update-ref", "-d", "refs/tags/known")
    repo.git("branch", "-D", "known")
    repo.git("gc", "--quiet")
    found = [repository.ref(name) for name in ("HEAD", "main", "known")]
    assert found == [third, third, None]


def test_a_hook_that_is_configured_meanwhile_is_not_run(
    repo: Repo, moved: tuple[Repository, str, str]
) -> None:
    repository, first, second = moved
    repository.set_ref("refs/autoresearch/x", first)
    hook = repo.path / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {repo.path}/ran\n")
    hook.chmod(0o755)
    repo.git("config", "filter.theirs.clean", f"touch {repo.path}/ran")
    repository.set_ref("refs/autoresearch/x", second)
    (repo.path / "ran").unlink(missing_ok=True)  # of the test's own git
    repository.set_ref("refs/autoresearch/x", first)
    assert not (repo.path / "ran").exists()
    assert repository.ref("refs/autoresearch/x") == first


def test_a_branch_that_is_checked_out_anywhere_is_named(
    repo: Repo, moved: tuple[Repository, str, str]
) -> None:
    repository, first, _ = moved
    assert repository.worktree_of(REF) == ""
    repo.git("branch", "ours", first)
    assert repository.worktree_of(REF) == ""
    there = repo.path.parent / "there"
    repo.git("worktree", "add", "-q", str(there), "ours")
    assert repository.worktree_of(REF) == str(there)
    repo.git("worktree", "remove", str(there))
    assert repository.worktree_of(REF) == ""
    repo.git("switch", "-q", "ours")
    with pytest.raises(WorkspaceError, match="checked out in"):
        repository.refuse_checked_out(REF)
