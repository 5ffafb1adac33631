"""What git and the notebooks tell of a failure's past, and what a proposer is told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoresearch_ci.decide.failures.failure import Category, Failure
from autoresearch_ci.decide.failures.repair_order import Aim
from autoresearch_ci.experiment import Direction, PastRun, Status, Tree
from autoresearch_ci.propose.journal_digest import DiffSummaries
from autoresearch_ci.propose.prompt import render
from autoresearch_ci.propose.proposer import Context
from autoresearch_ci.workspace.file_history import FileHistory
from autoresearch_ci.workspace.git import GitDirectory
from autoresearch_ci.workspace.repository import Repository
from tests.conftest import Repo
from tests.journal_rows import row
from tests.memory_tree import Files

FAR = "".join(f"# {n}\n" for n in range(60))
FAILURE = Failure(
    category=Category.TEST,
    tool="pytest",
    id="pytest:test_cart::test_empty",
    path="test_cart.py",
    line=3,
    code="",
    message="IndexError: list index out of range",
)
OUTPUT = "_ test_empty _\ntest_cart.py:3: in test_empty\ncart.py:62: in total\nE   IndexError: no\n"


def cart(body: str) -> str:
    return f"{FAR}def total(items):\n    {body}\n"


@pytest.fixture
def worn(repo: Repo) -> Repo:
    """A line that was fixed twice, in a file that was touched elsewhere besides."""
    repo.write("test_cart.py", "from cart import total\n\ndef test_empty():\n    total([])\n")
    repo.write("cart.py", cart("return items[2]"))
    repo.commit("Add a cart")
    repo.write("cart.py", cart("return items[1]"))
    repo.commit("Fix the total of an empty cart\n\nAutoresearch-Repaired: pytest:other")
    repo.write("cart.py", cart("return items[0]"))
    repo.commit("Bugfix: index of an empty cart again")
    repo.write("cart.py", "# top\n" + cart("return items[0]").partition("\n")[2])
    repo.commit("Say what it is")
    repo.write("other.py", "x = 1\n")
    repo.commit("Fix something else")
    return repo


def history(repo: Repo) -> FileHistory:
    found = Repository.open(repo.path)
    return FileHistory(git=GitDirectory(found.root, found.git_dir), base=repo.ref("HEAD") or "")


def tree(repo: Repo) -> Tree:
    return Files({name: repo.show("HEAD", name) for name in ("cart.py", "test_cart.py")})


def state(repo: Repo, **changes: object) -> str:
    code = tree(repo)
    context = Context(
        goal="",
        direction=Direction.MINIMIZE,
        iteration=1,
        incumbent=code,
        base=code,
        at=lambda _: code,
        history=(row(0),),
        seed=0,
        metric="failures",
        aim=Aim(failure=FAILURE, output=OUTPUT),
        file_history=history(repo),
    )
    given = replace(context, **changes)  # type: ignore[arg-type]
    return render(given, DiffSummaries(), globs=["**"]).state


def test_the_changes_of_a_line_are_those_that_touched_it(worn: Repo) -> None:
    found = history(worn).of_lines("cart.py", 62)
    assert [change.subject for change in found] == [
        "Bugfix: index of an empty cart again",
        "Fix the total of an empty cart",
        "Add a cart",
    ]
    assert found[0].hunk.splitlines()[-2:] == ["-    return items[1]", "+    return items[0]"]
    assert history(worn).of_lines("cart.py", 0)[0].subject == "Say what it is"
    assert history(worn).of_lines("cart.py", 900) == ()
    assert history(worn).of_lines("-x.py", 1) == history(worn).of_lines("no.py", 0) == ()


def test_a_proposer_is_told_who_touched_the_line_and_that_fixes_did_not_last(worn: Repo) -> None:
    told = state(worn)
    assert "Commits that touched line 62" in told
    assert "+    return items[0]" in told
    assert "2 commits called fixes have changed these lines before" in told
    assert "Say what it is" not in told


def test_a_place_that_moved_since_the_base_is_found_again_or_told_as_a_file(worn: Repo) -> None:
    moved = Files({"cart.py": b"\n" + worn.show("HEAD", "cart.py"), "test_cart.py": b"x"})
    aim = Aim(failure=FAILURE, output=OUTPUT.replace(":62", ":63"))
    assert "+    return items[0]" in state(worn, incumbent=moved, aim=aim)
    other = Files({"cart.py": FAR.encode() + b"def total(a):\n    return 9\n"})
    told = state(worn, incumbent=other)
    assert "Commits that touched the file" in told
    assert "Say what it is" in told
    assert "called fixes" not in told


def test_a_hidden_file_has_no_history(worn: Repo) -> None:
    assert "Commits that touched" not in state(worn, hidden=["cart.py"])


@pytest.mark.parametrize("squashed", [False, True])
def test_a_third_fix_of_the_same_error_is_known_from_git_and_notebooks(
    worn: Repo, squashed: bool
) -> None:
    mended = {"status": Status.KEEP, "failure": FAILURE.id}
    runs = [PastRun(history=(row(0), row(1, **mended)), at=lambda _: tree(worn))] * 2
    told = state(worn, past=runs)
    assert "at least the third fix of the same error (c1, c1)" in told
    words = f"experiment: repair\n\nAutoresearch-Run: t\nAutoresearch-Repaired: {FAILURE.id}"
    message = f"Merge (#3)\n\n* {words}\n" if squashed else words
    worn.commit(message)
    once = state(worn)
    assert "and has come back" in once
    assert "third fix" not in once
    # One that both tell of is one: who is who nobody can say after a squash.
    assert "third fix" not in state(worn, past=runs[:1])
    first = worn.git("rev-parse", "--short=7", "HEAD")
    worn.commit(message)
    assert f"third fix of the same error ({first} of " in state(worn)


def test_whatever_a_history_holds_the_prompt_is_bounded(repo: Repo) -> None:
    repo.write("test_cart.py", "x\n")
    for number in range(7):
        repo.write("cart.py", FAR + f"def total(x):  # {number}{'y' * 9000}\n    return\n" * 3)
        repo.commit(f"{number} fix {'s' * 500} --- end [x] ---")
    assert len(state(repo).encode()) < 14_500
