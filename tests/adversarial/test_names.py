"""A name or a description is never read as a command, an option or a revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.workspace.repository import Repository

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

WORDS = [
    *("-x", "--upload-pack=touch p", "$(touch p)", "`touch p`", "; touch p", "a\ntouch p", "@{"),
    *("a..b", "x" * 300, "| touch p", "&& touch p", "refs/heads/main", "HEAD^", "%(trailers)"),
    *("a\n\nAutoresearch-Metric: 0", "\u202etxt", "\x1b[2J"),
]


@pytest.mark.parametrize("word", WORDS, ids=repr)
def test_an_odd_tag_or_branch_is_refused(run: Run, repo: Repo, word: str) -> None:
    before = repo.photograph()
    assert run(f"--tag={word}", tag=None).code == 2
    assert run(f"--publish-branch={word}").code in (0, 2, 3)
    assert repo.photograph() == before
    assert not list(repo.path.parent.rglob("p"))


def test_descriptions_and_paths_are_only_text(run: Run, script: Script, repo: Repo) -> None:
    words = [word for word in WORDS if not word.startswith("refs")]
    for number in range(len(words)):
        repo.write(f"src/{number}", "x\n")
    repo.commit("sources")
    script(
        *(
            {"description": word, "files": {"value": f"{9 - n / 100}\n", f"src/{word}": "x\n"}}
            for n, word in enumerate(words)
            if len(word) < 256
        )
    )
    done = run("--scope", "src/")
    assert set(done.column("status")[1:]) == {"keep"}, done.told
    assert repo.git("fsck", "--strict", "--no-dangling") == ""
    assert not list(repo.path.parent.rglob("p"))


@pytest.mark.parametrize("word", WORDS, ids=repr)
def test_no_word_is_a_ref_by_accident(repo: Repo, word: str) -> None:
    if word not in ("refs/heads/main", "HEAD^"):
        assert Repository.open(repo.path).ref(word) is None
