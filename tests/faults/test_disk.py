"""A disk that is full or broken: a clear sentence, exit code 3, and with room made all goes on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.adversarial.attacks import without_bubblewrap
from tests.faults.invariant import BRANCH, GUARD, METRIC, Story, counted_git, value
from tests.faults.tracing import needs_strace

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script
    from tests.faults.conftest import OnSmallDisk

MEANING = {"ENOSPC": "No space left on device", "EIO": "Input/output error"}
SMALL = "size=16m"
FEW_FILES = "size=64m,nr_inodes=1500"

PLACES = {
    "records": ".git/autoresearch/t/records.jsonl",
    "journal": "autoresearch/run-t/results.tsv",
    "new journal": "autoresearch/run-t/results.tsv.new",
    "log": "autoresearch/run-t/logs/1.log",
    "summary": "autoresearch/run-t/summary.md",
    "picture": "autoresearch/run-t/progress.svg",
    "facts": "autoresearch/run-t/run.json",
    "page": "autoresearch/run-t/report.html",
    "exclude": ".git/info/exclude",
}
CALLS = ("openat", "write", "fsync", "rename")


def stopped_clearly(done: Result, meaning: str) -> None:
    assert done.code == 3, done.told
    assert "Traceback" not in done.err, done.told
    assert meaning in done.err, done.told
    assert "do: " in done.err
    assert "--resume" in done.err


FAULTS = [
    ("records", "fsync", "EIO", 5),
    ("journal", "write", "ENOSPC", 2),
    ("new journal", "rename", "EIO", 1),
    ("page", "openat", "ENOSPC", 1),
]
"""What each place is for, and each call, once."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With --torture all that there may be, else a sample."""
    torture = metafunc.config.getoption("--torture")
    if "fault" in metafunc.fixturenames:
        every = [(p, c, e, n) for p in PLACES for c in CALLS for e in MEANING for n in (1, 2, 5)]
        faults = every if torture else FAULTS
        metafunc.parametrize("fault", faults, ids=lambda fault: "-".join(map(str, fault)))
    elif "kib" in metafunc.fixturenames:
        metafunc.parametrize("kib", [0, 8, 20, 40, 64, 96] if torture else [0, 20, 64])
    elif "names" in metafunc.fixturenames:
        metafunc.parametrize("names", [0, 1, 2, 5, 9, 14, 20] if torture else [0, 2, 9])
    elif "cut" in metafunc.fixturenames:
        every = [(where, cut) for where in ("records", "journal") for cut in (1, 30, 200)]
        metafunc.parametrize(("where", "cut"), every if torture else every[:3:2] + every[4:5])


@needs_strace
def test_a_file_of_ours_that_cannot_be_written_stops_the_run_and_loses_nothing(
    story: Story, torture: bool, fault: tuple[str, str, str, int]
) -> None:
    place, call, error, number = fault
    path = story.repo.path / PLACES[place]
    inject = f"inject={call}:error={error}:when={number}"
    under = ["strace", "-qq", "-o", "/dev/null", "-P", str(path), "-e", f"trace={call}"]
    process = story.run.start("--guard", GUARD, under=[*under, "-e", inject], metric=METRIC)
    done = story.run.finish(process)
    if done.code:
        stopped_clearly(done, MEANING[error])
    else:
        assert torture, "that call was not made so often"
    story.check()


@needs_strace
@pytest.mark.parametrize("error", MEANING)
def test_git_that_cannot_write_stops_the_run_and_loses_nothing(
    story: Story, torture: bool, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    path, count = counted_git(story.repo)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", path)
        story.resumed()
    story.start_over()
    writers = [
        n
        for n, call in enumerate(count.read_text().splitlines(), start=1)
        if any(word in call for word in ("fast-import", "update-ref", "commit-tree", "checkout-i"))
    ]
    dice = random.Random(error)
    points = [(n, call, k) for n in writers for call in ("fsync", "write") for k in (1, 2)]
    for n, call, k in points if torture else dice.sample(points, 2):
        inject = f"inject={call}:error={error}:when={k}+"
        trace = f'strace -f -qq -o /dev/null -e trace={call} -e {inject} "$git" "$@"'
        with monkeypatch.context() as patch:
            wrapped = f"if test $n = {n}; then exec {trace}; fi"
            patch.setenv("PATH", counted_git(story.repo, wrapped)[0])
            process = story.fork()
            process.join(60)
        printed = (story.repo.path.parent / "printed").read_text()
        assert process.exitcode in (0, 3), printed  # 0: this call of git does not do that
        assert "Traceback" not in printed
        if process.exitcode:
            assert "git " in printed
        story.check()
        story.start_over()


def test_a_full_disk_stops_the_run_and_loses_nothing(
    run: Run, script: Script, repo: Repo, on_small_disk: OnSmallDisk, kib: int
) -> None:
    """The disk is full `kib` KiB after the baseline; with room made, the run goes on."""

    def fill(ballast: Path) -> None:
        status = os.statvfs(ballast)
        size = status.f_bavail * status.f_frsize - kib * 1024
        (ballast / "big").write_bytes(bytes(max(0, size)))

    on_small_disk(SMALL, lambda disk: stops_and_goes_on(disk, run, script, repo, fill))


def test_a_disk_with_no_room_for_files_stops_the_run_and_loses_nothing(
    run: Run, script: Script, repo: Repo, on_small_disk: OnSmallDisk, names: int
) -> None:
    """The same with room for bytes, and for so many more names."""

    def fill(ballast: Path) -> None:
        for n in range(os.statvfs(ballast).f_favail - names):
            (ballast / str(n)).touch()

    on_small_disk(FEW_FILES, lambda disk: stops_and_goes_on(disk, run, script, repo, fill))


def stops_and_goes_on(
    disk: Path, run: Run, script: Script, repo: Repo, fill: Callable[[Path], None]
) -> None:
    """`fill`: takes nearly all that is left, in a folder that is then deleted."""
    script(*(value(9 - i / 10) for i in range(6)))
    there = type(repo)(disk / "repo")
    shutil.copytree(repo.path, there.path, symlinks=True)
    call = replace(run, repo=there)
    assert call.once("--iterations", "1").code == 0
    before = there.photograph()
    ballast = disk / "ballast"
    ballast.mkdir()
    fill(ballast)
    stopped_clearly(call("--resume"), "usually: the disk is full")
    shutil.rmtree(ballast)
    done = call("--resume")
    assert done.code == 0, done.told
    assert done.column("status") == ["baseline", *["keep"] * 6], done.told
    assert there.kept() == [f"experiment: try {9 - i / 10}" for i in range(6)]
    assert there.photograph() == before
    there.git("fsck", "--strict", "--no-dangling")


def test_a_read_only_file_system(
    run: Run, script: Script, repo: Repo, on_small_disk: OnSmallDisk
) -> None:
    script(value(9))

    def body(disk: Path) -> None:
        there = type(repo)(disk / "repo")
        shutil.copytree(repo.path, there.path)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = run(cwd=there.path)
        stopped_clearly(done, "Read-only file system")
        assert run.leftovers() == []

    on_small_disk(SMALL, body)


@pytest.mark.parametrize(
    ("options", "fill"),
    [
        (SMALL, "cat /dev/zero > big"),
        (FEW_FILES, 'while : > f$((n++)) && : > "$TMPDIR/$n"; do :; done; false'),
    ],
    ids=["of bytes", "of files"],
)
def test_measured_code_that_fills_the_disk_is_no_number_and_the_run_goes_on(
    run: Run, script: Script, repo: Repo, on_small_disk: OnSmallDisk, options: str, fill: str
) -> None:
    script(value(9), value("fill"), value(8), value("hide"), value(7))
    hide = f"{fill}; echo 1 > number; cat number; exit 0"
    metric = f"if grep -q hide value; then {hide}; elif grep -q fill value; then {fill}; fi"
    metric += " && cat value"

    def body(disk: Path) -> None:
        for name in ("tmp", "repo"):
            shutil.copytree(run.temporary if name == "tmp" else repo.path, disk / name)
        call = replace(run, repo=type(repo)(disk / "repo"), temporary=disk / "tmp")
        # In the full view it lies in memory, where there is more room.
        with without_bubblewrap(disk / "empty"):
            done = call.finish(call.start(metric=metric))
        assert done.code == 0, done.told
        expected = ["baseline", "keep", "crash", "keep", "metric-error", "keep"]
        assert done.column("status") == expected, done.told
        for n in (2, 4):
            assert "No space left on device" in (done.folder / "logs" / f"{n}.log").read_text()
        assert call.repo.kept() == [f"experiment: try {n}" for n in (9, 8, 7)]
        assert call.leftovers() == []
        assert list(call.temporary.glob("*/*")) == []

    on_small_disk(options, body)


def test_a_torn_last_line_is_written_again(story: Story, where: str, cut: int) -> None:
    """The power went while the last row was on its way to the disk."""
    story = story.half_way()
    path = story.repo.path / PLACES[where]
    text = path.read_bytes()
    if where == "records" and b'"verdict"' not in text[:-cut]:
        pytest.skip("nothing but a start")
    tip = story.repo.ref(BRANCH)
    path.write_bytes(text[:-cut] + bytes(cut if cut == 30 else 0))
    story.check()
    assert story.repo.git("merge-base", tip, BRANCH) == tip
