"""A notebook is packed now and then: it reads as before, whatever happens to git meanwhile."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.experiment import Direction, Status
from autoresearch_ci.record.journal_tsv import format_row, parse_rows
from autoresearch_ci.record.notebook import Notebook, RunFacts
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.store import Store, opened
from tests.faults.invariant import NOTEBOOK, counted_git
from tests.faults.test_sweep import CHANGES, moments, traced
from tests.faults.tracing import needs_strace

if TYPE_CHECKING:
    from tests.conftest import Repo

NOTES = 12
LOOSE = re.compile("[0-9a-f]{2}/[0-9a-f]+")


@contextmanager
def store_of(repo: Repo) -> Iterator[tuple[Repository, Store]]:
    repository = Repository.open(repo.path)
    folder = repo.path / ".git" / "autoresearch" / "t" / "git"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with opened(repository, folder) as store:
        yield repository, store


def write_notes(repo: Repo, *, pack_every: int) -> list[str]:
    """A notebook of `NOTES` iterations; the journal as each of its commits has to hold it."""
    base = repo.git("rev-parse", "HEAD").strip()
    facts = RunFacts(
        tag="t", branch=None, base=base, direction=Direction.MINIMIZE, folder=repo.path
    )
    journals = [""]
    with store_of(repo) as (repository, store):
        book = Notebook(facts, repository, store, pack_every=pack_every)
        assert book.open() == -1
        for number in range(NOTES):
            commit, versions = store.commit(
                parents=[base],
                edits={"value": ("100644", b"%d\n" % number)},
                message=f"try {number}\n",
                timestamp=number,
            )
            cells = f"{number}\t{commit}\t{number}\t0\t-\tdiscard\ttry {number}"
            title = "iteration\tcommit\tmetric\tdelta\tguard\tstatus\tdescription\n"
            experiment = parse_rows(title + cells + "\n")[0]
            assert experiment.status is Status.DISCARD
            journals.append(journals[-1] + format_row(experiment))
            book.note(experiment, journals[-1], [commit])
            version = versions["value"]
            assert version is not None
            assert store.read(version) == b"%d\n" % number  # also when it has just been packed
    return journals[1:]


def loose(repo: Repo) -> set[str]:
    folder = repo.path / ".git" / "objects"
    names = {str(path.relative_to(folder)) for path in folder.glob("??/*")}
    return {name for name in names if LOOSE.fullmatch(name)}


def whole(repo: Repo, journals: list[str]) -> None:
    """Every commit, attempt and journal of the notebook is there."""
    repo.git("fsck", "--strict", "--no-dangling")
    commits = repo.git("rev-list", "--reverse", "--first-parent", NOTEBOOK).split()
    assert [repo.show(commit, "results.tsv").decode() for commit in commits] == journals
    assert len(repo.git("rev-list", NOTEBOOK, "^HEAD").split()) == 2 * len(journals) - 1


def test_a_notebook_is_packed_and_nothing_else_is(repo: Repo) -> None:
    before = loose(repo)
    journals = write_notes(repo, pack_every=5)
    whole(repo, journals)
    assert before <= loose(repo)
    # Attempt 0 is in no notebook: the baseline is no attempt. Two notes came after the last pack.
    assert len(loose(repo) - before) <= 3 + 2 * 6


@pytest.mark.parametrize("kind", ["--depth=1", "--filter=blob:none"])
def test_a_notebook_in_half_a_clone_is_packed(repo: Repo, kind: str) -> None:
    repo.write("value", "1\n")
    repo.commit("another")
    clone = type(repo)(repo.path.with_name("clone"))
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("clone", "--quiet", kind, f"file://{repo.path}", str(clone.path))
    write_notes(clone, pack_every=5)
    assert len(loose(clone)) <= 3 + 2 * 6


@needs_strace
def test_git_killed_at_any_moment_of_packing_loses_nothing(
    repo: Repo, torture: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journals = write_notes(repo, pack_every=1000)

    def packed(name: str, git: str) -> Repo:
        """A copy of the repository, packed with this instead of git."""
        copy = type(repo)(tmp_path / name / "repo")
        shutil.copytree(repo.path, copy.path, symlinks=True)
        base, tip = (copy.git("rev-parse", ref).strip() for ref in ("HEAD", NOTEBOOK))
        with store_of(copy) as (_, store), monkeypatch.context() as patch:
            patch.setenv("PATH", counted_git(copy, last=git)[0])
            store.pack(tip, base)
        return copy

    watch = f'exec strace -qq -y -o {tmp_path}/$1 -e trace={",".join(CHANGES)},openat "$git" "$@"'
    assert loose(packed("undisturbed", watch)) < loose(repo)
    everything = [
        (command, moment)
        for command in ("pack-objects", "prune-packed")
        for moment in sorted(set(moments(tmp_path / command, (".git",))))
    ]
    assert len(everything) > 20
    chosen = everything if torture else random.Random(5).sample(everything, 6)
    for number, (command, moment) in enumerate(chosen):
        death = f'{" ".join(traced(*moment))} "$git" "$@"; exit $?'
        copy = packed(str(number), f'if test $1 = {command}; then {death}; fi; exec "$git" "$@"')
        whole(copy, journals)
        base, tip = (copy.git("rev-parse", ref).strip() for ref in ("HEAD", NOTEBOOK))
        with store_of(copy) as (_, store):
            store.pack(tip, base)
        whole(copy, journals)
        assert len(loose(copy)) < len(loose(repo)) / 2, f"{command} {moment}"
        subprocess.run(["git", "-C", copy.path, "gc", "--quiet"], check=True)
        whole(copy, journals)
