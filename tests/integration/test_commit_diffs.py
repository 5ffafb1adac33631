"""What many commits change, asked of git at once: each gets its own, and nothing planted runs."""

from __future__ import annotations

from contextlib import closing

import pytest

from autoresearch_ci.workspace.repository import Repository
from tests.conftest import Repo

MISSING = "1" * 40


@pytest.fixture
def commits(repo: Repo) -> list[str]:
    """Of which the second changes nothing, and the third two files."""
    made = []
    for content, other in (("9\n", "text\n"), ("9\n", "text\n"), ("8\n", "more\n")):
        repo.write("value", content)
        repo.write("other", other)
        made.append(repo.commit())
    return made


def test_each_commit_has_its_own_paths_and_diff(repo: Repo, commits: list[str]) -> None:
    asked = [commits[2], MISSING, commits[0], commits[1], commits[0]]
    with closing(Repository.open(repo.path)) as repository:
        touched = repository.touched(asked)
        diffs = repository.diffs(asked, 10_000)
    assert touched == {commits[2]: ["other", "value"], commits[0]: ["value"], commits[1]: []}
    assert set(diffs) == {commits[2], commits[0]}
    assert "-9\n+8" in diffs[commits[2]]
    assert "-10\n+9" in diffs[commits[0]]
    assert "+8" not in diffs[commits[0]]


def test_more_commits_than_are_asked_for_at_once(repo: Repo) -> None:
    made = []
    for number in range(120):
        repo.write("value", f"{number + 100}\n")
        repo.git("commit", "--quiet", "-am", "c")
        made.append(repo.git("rev-parse", "HEAD"))
    with closing(Repository.open(repo.path)) as repository:
        diffs = repository.diffs(made, 1000)
        assert repository.touched(made) == {commit: ["value"] for commit in made}
    assert [f"+{n + 100}" in diffs[commit] for n, commit in enumerate(made)] == [True] * 120


def test_the_first_commit_and_a_merge_have_paths(repo: Repo, commits: list[str]) -> None:
    first = repo.git("rev-list", "--max-parents=0", "HEAD")
    repo.git("switch", "--quiet", "-c", "side", first)
    repo.write("new", "x\n")
    repo.commit()
    repo.git("switch", "--quiet", "main")
    repo.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
    merge = repo.git("rev-parse", "HEAD")
    with closing(Repository.open(repo.path)) as repository:
        assert repository.touched([first, merge]) == {first: ["other", "value"], merge: ["new"]}


def test_a_diff_is_cut_and_a_large_file_is_no_text(repo: Repo) -> None:
    repo.write("value", "line\n" * 1000)
    many = repo.commit()
    repo.write("value", "x" * 100_000)
    large = repo.commit()
    with closing(Repository.open(repo.path)) as repository:
        diffs = repository.diffs([many, large], 20_000)
        assert repository.diffs([many], 500)[many].count("+line") < 110
    assert diffs[many].count("+line") == 1000
    assert "Binary files" in diffs[large]


def test_no_program_that_the_repository_names_shows_the_difference(repo: Repo) -> None:
    trap = repo.path.parent / "trap"
    program = repo.write(".git/trap.sh", f"#!/bin/sh\ntouch {trap}\ncat\n", 0o755)
    repo.git("config", "diff.trap.command", str(program))
    repo.git("config", "diff.trap.textconv", str(program))
    repo.git("config", "diff.external", str(program))
    repo.write(".gitattributes", "* diff=trap\n")
    repo.write("value", "9\n")
    commit = repo.commit()
    with closing(Repository.open(repo.path)) as repository:
        assert "+9" in repository.diffs([commit], 1000)[commit]
    assert not trap.exists()
