"""Folders that may not be opened are opened, emptied and given their modes back, whoever we are."""

from __future__ import annotations

import gc
import os
import stat
import sys
import traceback
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.snapshot import Snapshot, settle

HANDLES = [0, *([os.O_PATH] if sys.platform == "linux" else [])]
"""Without `O_PATH`, as on macOS and BSD, and with."""


@pytest.fixture
def ordinary(tmp_path: Path) -> Callable[[Callable[[], None]], None]:
    """Run something in `tmp_path` as a user who is not let in everywhere."""

    def run(step: Callable[[], None]) -> None:
        if os.geteuid():
            back = Path.cwd()
            os.chdir(tmp_path)
            try:
                step()
            finally:
                os.chdir(back)
            return
        tmp_path.chmod(0o777)
        child = os.fork()
        if not child:
            code = 1
            try:
                os.chdir(tmp_path)
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                step()
                code = 0
            except BaseException:
                traceback.print_exc()
                raise
            finally:
                sys.stderr.flush()
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    return run


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("handle", HANDLES)
def test_a_folder_that_may_not_be_opened_is_made_ours(
    ordinary: Callable[[Callable[[], None]], None], handle: int
) -> None:
    def step() -> None:
        Path("tree/shut").mkdir(parents=True)
        Path("tree/shut/file").touch()
        Path("tree/shut").chmod(0o050)
        before, found = beneath.listing(Path("tree"), "shut", handle)
        assert stat.S_IMODE(before.st_mode) == 0o050
        assert [name for name, _ in found] == ["file"]
        assert mode(Path("tree/shut")) == 0o750
        Path("tree").chmod(0)
        before, _ = beneath.listing(Path("tree"), handle=handle)
        assert stat.S_IMODE(before.st_mode) == 0

    ordinary(step)


@pytest.mark.parametrize("handle", HANDLES)
def test_what_a_link_leads_to_keeps_its_mode(
    ordinary: Callable[[Callable[[], None]], None], handle: int
) -> None:
    def step() -> None:
        Path("elsewhere").mkdir()
        Path("tree").mkdir()
        Path("tree/link").symlink_to("../elsewhere")
        Path("tree/file").touch(0o000)
        Path("elsewhere").chmod(0)
        for name in ("link", "file"):
            with pytest.raises(OSError, match=r"irectory|links"):
                beneath.listing(Path("tree"), name, handle)
            # The folder that was there became this since we were refused.
            with pytest.raises(OSError, match=r"irectory|links"):
                beneath._force_open(None, f"tree/{name}", handle)
        assert mode(Path("elsewhere")) == mode(Path("tree/file")) == 0

    ordinary(step)


def test_a_snapshot_of_shut_folders_is_undone_and_shut_again(
    ordinary: Callable[[Callable[[], None]], None],
) -> None:
    def step() -> None:
        Path("tree/a/b/c").mkdir(parents=True)
        for name in ("a/b/c", "a/b", "a"):
            Path("tree", name).chmod(0)
        snapshot = Snapshot(Path("tree"))
        snapshot.take()
        assert mode(Path("tree/a")) == 0
        Path("tree/new/deep").mkdir(parents=True)
        for name in ("new/deep", "new"):
            Path("tree", name).chmod(0)
        snapshot.undo(lambda _: None)
        assert [path.name for path in Path("tree").iterdir()] == ["a"]
        assert mode(Path("tree/a")) == 0
        beneath.remove(Path(), "tree")
        assert not Path("tree").exists()

    ordinary(step)


def chain(root: Path, levels: int) -> None:
    """Folders in folders, deeper than a path can say, with a file and a sibling in each."""
    at = os.open(root, os.O_RDONLY)
    for _ in range(levels):
        for name in ("d", "e"):
            os.mkdir(name, dir_fd=at)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
        at, above = os.open("d", os.O_RDONLY, dir_fd=at), at
        os.close(above)
    os.close(at)


def test_every_file_of_a_deep_tree_is_found_and_all_of_it_is_removed(tmp_path: Path) -> None:
    levels = 300
    (tmp_path / "tree").mkdir()
    chain(tmp_path / "tree", levels)
    gc.collect()  # what other tests left open is not closed meanwhile
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208
    snapshot = Snapshot(tmp_path)
    snapshot.take()
    assert len(snapshot.files) == levels
    assert len(snapshot.folders) == 2 * levels + 2
    beneath.remove(tmp_path, "tree")
    assert list(tmp_path.iterdir()) == []
    if before:
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def scan(root: Path) -> None:
    Snapshot(root).take()


def remove(root: Path) -> None:
    beneath.remove(root, "tree")


@pytest.mark.parametrize("step", [scan, remove])
def test_a_tree_five_times_as_deep_takes_about_five_times_as_many_steps(
    tmp_path: Path, step: Callable[[Path], None]
) -> None:
    """Not twenty-five times, as if each folder were opened from the root."""

    def calls(levels: int) -> int:
        root = tmp_path / str(levels)
        (root / "tree").mkdir(parents=True)
        chain(root / "tree", levels)
        count = 0

        def note(_frame: object, event: str, _what: object) -> None:
            nonlocal count
            count += event == "c_call"

        sys.setprofile(note)
        try:
            step(root)
        finally:
            sys.setprofile(None)
        remove(root)
        return count

    assert calls(500) < 10 * calls(100)


def test_a_folder_that_belongs_elsewhere_is_not_emptied_through_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("precious")
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    for link in (tree / "link", tree / "below/link"):
        link.symlink_to(elsewhere)
    beneath.remove(tmp_path, "tree")
    assert not tree.exists()
    assert (elsewhere / "file").read_text() == "precious"


def test_folders_in_each_other_take_no_memory_for_their_paths(tmp_path: Path) -> None:
    """The paths of 500 of them would be 30 MB, of 15,000 with a few megabytes on disk 28 GB."""
    root = tmp_path / "tree"
    root.mkdir()
    snapshot = Snapshot(root)
    snapshot.take()
    at = os.open(root, os.O_RDONLY)
    for _ in range(500):
        os.mkdir("d" * 250, dir_fd=at)
        at, above = os.open("d" * 250, os.O_RDONLY, dir_fd=at), at
        os.close(above)
    os.close(at)
    tracemalloc.start()
    try:
        Snapshot(root).take()  # as of an agent's draft
        snapshot.undo(lambda paths: None)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert list(root.iterdir()) == []


def facts(root: Path, names: Iterable[str]) -> dict[str, os.stat_result]:
    return {name: (root / name).lstat() for name in names}


def test_only_what_was_touched_is_made_anew_and_nothing_shows_what_was_read(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    for name in ("a/deep/file", "b/one", "b/two", "c/file", "c/under/file", "d/file", "top"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "d").chmod(0o555)
    snapshot = Snapshot(root)
    snapshot.take(shut=False)
    snapshot.shut()
    names = [str(path.relative_to(root)) for path in (root, *root.rglob("*"))]
    snapshot.undo(lambda paths: None)
    before = facts(root, names)
    (root / "a" / "deep" / "file").write_text("y")
    (root / "b" / "one").read_text()
    (root / "c" / "new").write_text("")
    (root / "c" / "new").unlink()
    written: list[str] = []

    def rewrite(paths: Sequence[str]) -> None:
        written.extend(paths)
        for path in paths:
            (root / path).write_text("x")
            snapshot.learn(path)

    snapshot.undo(rewrite)
    assert written == ["a/deep/file"]
    after = facts(root, names)
    new = {path for path, was in after.items() if was.st_ino != before[path].st_ino}
    assert new == {".", "a", "a/deep", "a/deep/file", "c"}
    assert all(now.st_mode == before[path].st_mode for path, now in after.items())
    rest = {path: now for path, now in after.items() if path != "a/deep/file"}
    assert {path: now.st_mtime_ns for path, now in rest.items()} == {
        path: before[path].st_mtime_ns for path in rest
    }
    assert all(now.st_atime_ns == now.st_mtime_ns for now in rest.values())
    assert {str(path.relative_to(root)) for path in root.rglob("*")} == {*names} - {"."}
    oldest = min(now.st_ctime_ns for now in after.values())
    assert oldest > max(was.st_ctime_ns for was in before.values())
    snapshot.undo(lambda paths: written.extend(["again", *paths]))
    assert written == ["a/deep/file", "again"]
    assert all(now.st_ino == after[path].st_ino for path, now in facts(root, names).items())


def test_what_changes_next_gets_another_time(tmp_path: Path) -> None:
    """Also where the clock of files ticks slowly."""
    for _ in range(20):
        (tmp_path / "file").write_text("changed")
        now = (tmp_path / "file").stat().st_ctime_ns
        settle(tmp_path, [tmp_path / "file"])
        assert tmp_path.stat().st_ctime_ns > now


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("real/report", "real/report"),
        ("./real/../real/report", "real/report"),
        ("near/report", "real/report"),
        ("absolute/report", "real/report"),
        ("known/report", "report"),
        ("chain/report", "real/report"),
        ("up/real/report", "real/report"),
        ("near", "near"),
        ("nowhere/report", "nowhere/report"),
        ("out/report", None),
        ("far/report", None),
        ("../report", None),
        ("loop/report", None),
        ("real/..", ""),
    ],
)
def test_links_on_the_way_are_followed_within_a_tree_only(
    tmp_path: Path, path: str, found: str | None
) -> None:
    """Also where it has another name for who has made them."""
    tree, known_as = tmp_path / "tree", Path("/known/as/tree")
    (tree / "real").mkdir(parents=True)
    links = {
        "near": "real",
        "absolute": f"{known_as}/real",
        "known": f"{known_as}",
        "chain": "near/../near/.",
        "up": "real/..",
        "out": "../tree/real",
        "far": str(tmp_path),
        "loop": "loop",
    }
    for name, target in links.items():
        (tree / name).symlink_to(target)
    assert beneath.without_links(tree, path, known_as) == found
