"""The objects that we make ourselves are those that git would have made, byte for byte."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.store import Edits, Store, opened
from tests.conftest import Repo

PARTS = ("a", "a.b", "a0", "b", "ä", "x y", 'q"\\', "A")
"""Of paths; a folder `a` is sorted behind a file `a.b`, and before `a0`."""


@pytest.fixture
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Repo, Store]]:
    repo = Repo(tmp_path / "repo")
    repo.path.mkdir()
    repo.git("init", "-q", f"--object-format={getattr(request, 'param', 'sha1')}")
    repo.git("config", "user.name", "t")
    repo.git("config", "user.email", "t@example.org")
    repo.write("a/b", "1\n")
    repo.commit("first")
    with opened(Repository.open(repo.path), tmp_path / "store") as store:
        yield repo, store


def by_git(repo: Repo, parent: str, edits: Edits) -> str:
    """The tree that git makes of the same edits."""
    index = {**os.environ, "GIT_INDEX_FILE": str(repo.path.parent / "index")}

    def git(*words: str, stdin: bytes = b"") -> str:
        argv = ["git", "-C", str(repo.path), *words]
        done = subprocess.run(argv, input=stdin, env=index, check=True, capture_output=True)
        return done.stdout.decode().strip()

    git("read-tree", parent)
    for path, edit in edits.items():
        if edit is None:
            git("update-index", "--force-remove", "--", path)
    for path, edit in edits.items():
        if edit:
            blob = git("hash-object", "-w", "--stdin", stdin=edit[1])
            git("update-index", "--add", "--replace", "--cacheinfo", f"{edit[0]},{blob},{path}")
    return git("write-tree")


def some_edits(dice: random.Random, there: list[str]) -> dict[str, tuple[str, bytes] | None]:
    """New and changed files, and deleted ones; a file where a folder was, and the other way."""
    edits: dict[str, tuple[str, bytes] | None] = dict.fromkeys(
        dice.sample(there, min(len(there), dice.randrange(4)))
    )
    for _ in range(dice.randrange(1, 5)):
        path = "/".join(dice.choices(PARTS, k=dice.randrange(1, 4)))
        above = {str(folder) for folder in Path(path).parents}
        taken = {p for p in (*there, *edits) if edits.get(p, ()) is not None}
        if not above & taken and not any(p.startswith(f"{path}/") for p in edits):
            edits[path] = (dice.choice(("100644", "100755")), dice.randbytes(9))
            edits.update({p: None for p in there if p.startswith(f"{path}/")})
    return edits


def test_a_commit_is_made_where_the_system_refuses_a_thread(bed: tuple[Repo, Store]) -> None:
    repo, store = bed
    head = repo.git("rev-parse", "HEAD")
    edits = {f"{name}/x": ("100644", b"2\n") for name in "bcd"}
    usual = threading.stack_size(1 << 47)  # more than the system has to give
    try:
        made, _ = store.commit(parents=[head], edits=edits, message="second\n", timestamp=1)
    finally:
        threading.stack_size(usual)
    assert repo.git("rev-parse", f"{made}^{{tree}}") == by_git(repo, head, edits)


@pytest.mark.parametrize("bed", ["sha1", "sha256"], indirect=True)
def test_a_commit_has_the_tree_that_git_would_have_made(bed: tuple[Repo, Store]) -> None:
    repo, store = bed
    dice = random.Random(17)
    parent = repo.git("rev-parse", "HEAD")
    for number in range(6):
        there = repo.git("ls-tree", "-r", "-z", "--name-only", parent).split("\0")[:-1]
        edits = some_edits(dice, there)
        expected = by_git(repo, parent, edits)
        parent, versions = store.commit(
            parents=[parent], edits=edits, message=f"edit {number}\n\nbody\n", timestamp=number
        )
        assert repo.git("rev-parse", f"{parent}^{{tree}}") == expected, edits
        assert versions.keys() == edits.keys()
        assert all(store.read(v) == (edits[p] or ("", b""))[1] for p, v in versions.items() if v)
    repo.git("update-ref", "refs/heads/made", parent)
    repo.git("fsck", "--strict", "--no-dangling")
    assert (
        repo.git("log", "-1", "--format=%an %at %B", "made") == "autoresearch-ci 5 edit 5\n\nbody"
    )


def test_a_commit_without_files_has_the_empty_tree(bed: tuple[Repo, Store]) -> None:
    repo, store = bed
    head = repo.git("rev-parse", "HEAD")
    made, _ = store.commit(parents=[head], edits={"a/b": None}, message="gone\n", timestamp=1)
    assert repo.git("ls-tree", "-r", made) == ""
    alone, _ = store.commit(parents=[], edits={"n": ("100644", b"")}, message="n\n", timestamp=1)
    assert repo.git("rev-list", "--parents", alone).split() == [alone]


@pytest.mark.parametrize("path", ["a/../b", ".git/config", "x/.GIT/hooks/y", "a//b", "/a", "./a"])
def test_what_no_tree_can_hold_is_refused(bed: tuple[Repo, Store], path: str) -> None:
    repo, store = bed
    with pytest.raises(WorkspaceError, match="no place for"):
        store.commit(
            parents=[repo.git("rev-parse", "HEAD")],
            edits={path: ("100644", b"x")},
            message="m\n",
            timestamp=1,
        )


def test_what_is_made_again_outlives_a_collection_of_garbage(bed: tuple[Repo, Store]) -> None:
    repo, store = bed
    edits: Edits = {"n": ("100644", b"new\n")}
    head = repo.git("rev-parse", "HEAD")
    made, _ = store.commit(parents=[head], edits=edits, message="m\n", timestamp=1)
    objects = [p for p in (repo.path / ".git/objects").glob("??/*") if p.is_file()]
    for path in objects:
        os.utime(path, (1, 1))
    again, _ = store.commit(parents=[head], edits=edits, message="m\n", timestamp=1)
    repo.git("prune", "--expire=1.hour.ago")
    assert again == made
    assert repo.git("show", f"{made}:n") == "new"
