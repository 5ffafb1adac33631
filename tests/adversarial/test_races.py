"""A folder that turns into a link between one step and the next leads nowhere.

A process of ours swaps the two thousands of times a second while trees are written, read, restored
and deleted. What the link leads to is a decoy in `tmp_path`: it keeps its bytes, modes and times,
and none of its bytes come back.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.measure_tree import Layout, MeasureTree
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.snapshot import Snapshot
from autoresearch_ci.workspace.store import Store
from tests.integration.test_agent_cli import Bed

if TYPE_CHECKING:
    from tests.conftest import Repo

Tally = Callable[[str, int], None]

_SWAP = """
import os, random, sys, time
at, aside, link, elsewhere, end, pause = sys.argv[1:]
count, chance = 0, random.Random(0)
os.symlink(elsewhere, link)
while not os.path.exists(end):
    if float(pause) and not count % 100:
        time.sleep(float(pause) * chance.random())
    for old, new in ((at, aside), (link, at), (at, link), (aside, at)):
        try:
            os.rename(old, new)
        except OSError:
            pass
    # The other side was faster: put everything back.
    try:
        if os.path.islink(at):
            os.unlink(at)
        if not os.path.islink(link):
            os.symlink(elsewhere, link)
        if not os.path.isdir(at) and not os.path.isdir(aside):
            os.mkdir(at)
    except OSError:
        pass
    count += 1
    if count == 8:
        print("swapping", flush=True)
print(count)
"""


@contextlib.contextmanager
def swapping(at: Path, elsewhere: Path, tally: Tally, pause: float = 0) -> Iterator[None]:
    """Meanwhile a folder is also missing and a link to `elsewhere`, in turn; then as it was.

    `pause`: seconds, at most, every now and then; what takes many steps would never get far.
    """
    box = elsewhere.parent / "swapping"
    box.mkdir()
    ours = [str(box / name) for name in ("aside", "link")]
    argv = [sys.executable, "-S", "-c", _SWAP, str(at), *ours, str(elsewhere), str(box / "end")]
    argv.append(str(pause))
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "swapping\n"
    try:
        yield
    finally:
        (box / "end").touch()
        out, _ = process.communicate(timeout=60)
    tally("swaps of a folder and a link", int(out))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """What nobody may touch, and what is in the folder by the same names."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    for name in ("file", "new", "deep/file", "a.py", "b.py"):
        (elsewhere / name).write_text("precious")
    elsewhere.chmod(0o711)
    return elsewhere


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def state(folder: Path) -> dict[str, tuple[int, int, str]]:
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_text() if path.is_file() else "",
        )
        for path in (folder, *folder.rglob("*"))
    }


@pytest.fixture
def rounds(torture: bool) -> int:
    return 20_000 if torture else 1000


@pytest.fixture
def unharmed(elsewhere: Path, tally: Tally) -> Iterator[None]:
    before = state(elsewhere)
    yield
    escaped = state(elsewhere) != before
    tally("scope escapes tried", 1)
    tally("scope escapes succeeded", int(escaped))
    assert not escaped


# --- single steps ---------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "box" / "tree"
    (root / "sub" / "deep").mkdir(parents=True)
    return root


def write(root: Path) -> None:
    with contextlib.suppress(FileExistsError):
        beneath.write(root, "sub/new", b"spoilt", 0o600)
    beneath.unlink(root, "sub/new")


def remove(root: Path) -> None:
    beneath.remove(root, "sub/file")
    beneath.remove(root, "sub/deep")
    beneath.make_folder(root, "sub/deep")
    beneath.write(root, "sub/deep/file", b"ours", 0o600)


def restore(root: Path) -> None:
    snapshot = Snapshot(root)
    snapshot.take()
    beneath.write(root, "sub/new2", b"x", 0o600)
    snapshot.undo(lambda _: None)


def modes(root: Path) -> None:
    beneath.make_folder(root, "sub/deep")
    beneath.listing(root, "sub")
    beneath.listing(root, "sub", handle=0)


def read(root: Path) -> None:
    assert beneath.read(root, "sub/file", 100) != b"precious"
    with contextlib.suppress(FileNotFoundError):
        beneath.unlink(root, "copy")
    assert not beneath.copy((root, "sub/b.py"), (root, "copy"))


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("step", [write, remove, restore, modes, read])
def test_a_folder_swapped_for_a_link_leads_nowhere(
    root: Path, elsewhere: Path, rounds: int, tally: Tally, step: Callable[[Path], None]
) -> None:
    done = 0
    with swapping(root / "sub", elsewhere, tally):
        for _ in range(rounds // 10 if step is restore else rounds):
            with contextlib.suppress(OSError, WorkspaceError):
                step(root)
                done += 1
    tally("steps beneath a swapped folder that went well", done)


@pytest.mark.parametrize("kind", ["write", "read"])
def test_the_swaps_are_fast_enough_to_harm_a_check_that_comes_before_its_step(
    root: Path, elsewhere: Path, tally: Tally, kind: str
) -> None:
    """Else the other tests would prove nothing."""
    (root / "sub/file").write_text("ours")
    deadline = time.monotonic() + 120
    harmed = False
    with swapping(root / "sub", elsewhere, tally):
        while not harmed and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if not (root / "sub").is_symlink():
                    if kind == "write":
                        (root / "sub/new").write_text("spoilt")
                        harmed = (elsewhere / "new").read_text() == "spoilt"
                    else:
                        harmed = (root / "sub/file").read_text() == "precious"
    assert harmed


# --- whole trees ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("unharmed")
def test_no_draft_brings_back_what_a_swapped_folder_leads_to(
    tmp_path: Path, repo: Repo, elsewhere: Path, rounds: int, tally: Tally
) -> None:
    """As by a process that an agent left behind."""
    for name in ("a.py", "b.py"):
        repo.write(f"src/{name}", "one\n")
    repo.commit("sources")
    bed = Bed(tmp_path, repo.path)
    bed.draft.reset()
    src = bed.draft.tree / "src"
    found: set[bytes | None] = set()
    with swapping(src, elsewhere, tally, 0.01):
        for number in range(rounds // 10):
            # The reset gives the files back that others took away with the folder.
            with contextlib.suppress(WorkspaceError):
                bed.draft.reset()
                (bed.draft.tree / "value").write_text(f"{number}\n")
                found.update(edit.content for edit in bed.draft.collect().edits)
    tally("kinds of content that came back from a swapped draft", len(found))
    assert not [content for content in found if content and b"precious" in content]
    assert any(found)
    bed.draft.reset()
    assert bed.draft.collect().edits == ()
    assert (src / "a.py").read_text() == "one\n"
    bed.close()


@pytest.fixture
def measuring(tmp_path: Path, repo: Repo) -> Iterator[tuple[MeasureTree, Store]]:
    for name in ("a.py", "b.py"):
        repo.write(f"src/{name}", "one\n")
    repo.write(".gitattributes", "*.py text eol=crlf\n")
    base = repo.commit("sources")
    repository = Repository.open(repo.path)
    store = Store(tmp_path / "store", repository)
    layout = Layout(
        scratch=tmp_path / "above" / "scratch", pristine=tmp_path / "pristine", checkout=repo.path
    )
    tree = MeasureTree(layout, store, base, repository.files(base))
    tree.create({})
    tree.seal()
    yield tree, store
    store.close()
    repository.close()


@pytest.mark.usefixtures("unharmed")
def test_no_measure_tree_is_placed_or_restored_through_a_swapped_folder(
    measuring: tuple[MeasureTree, Store], repo: Repo, elsewhere: Path, rounds: int, tally: Tally
) -> None:
    """As by a process that measured code left behind."""
    tree, store = measuring
    edits = {"src/a.py": ("100644", b"two\n"), "src/new": ("100644", b"new\n"), "src/b.py": None}
    _, changes = store.commit(
        parents=[repo.git("rev-parse", "HEAD")], edits=edits, message="", timestamp=1
    )
    src = tree.layout.tree / "src"
    refused = 0
    with swapping(src, elsewhere, tally, 0.03):
        for number in range(rounds // 10):
            try:
                with tree.placed(changes if number % 2 else {}), contextlib.suppress(OSError):
                    (src.parent / "left").write_text("x")
            except WorkspaceError:  # and nothing else: the user sees a sentence
                refused += 1
    tally("measure trees refused while a folder was swapped", refused)
    tally("measure trees restored while a folder was swapped", rounds // 10 - refused)
    for content, expected in ((changes, b"two\r\n"), ({}, b"one\r\n")):
        with tree.placed(content):
            assert (src / "a.py").read_bytes() == expected
        assert names(src.parent) == [".git", ".gitattributes", "other", "src", "value"]
    assert names(src) == ["a.py", "b.py"]
    kept = [p for p in tree.layout.pristine.rglob("*") if p.is_file()]
    assert not [p for p in kept if p.read_bytes() == b"precious"]
