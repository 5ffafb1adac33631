"""Folders of processes that are dead are deleted by the next one; nobody else's are."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from autoresearch_ci.execution.sandbox.shared_memory import MortalFolder, sweep

MARK = "autoresearch-ci-test-"


@contextmanager
def another_process(above: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """One that made such a folder, with something in it, and goes on living."""
    code = (
        "import sys; from pathlib import Path\n"
        "from autoresearch_ci.execution.sandbox.shared_memory import MortalFolder\n"
        "folder = MortalFolder(Path(sys.argv[1]), sys.argv[2])\n"
        "(folder.path / 'deep' / 'deeper').mkdir(parents=True)\n"
        "print(folder.path, flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(above), MARK]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_killed_process_left_is_deleted(tmp_path: Path) -> None:
    with another_process(tmp_path) as (process, folder):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert folder.is_dir()
        sweep(tmp_path, MARK)
    assert list(tmp_path.iterdir()) == []


def test_what_a_living_or_stopped_process_has_stays(tmp_path: Path) -> None:
    mine = MortalFolder(tmp_path, MARK)
    with another_process(tmp_path) as (process, folder):
        process.send_signal(signal.SIGSTOP)
        sweep(tmp_path, MARK)
        assert {*tmp_path.iterdir()} == {mine.path, folder}
    mine.remove()
    assert {*tmp_path.iterdir()} == {folder}


def test_a_program_that_outlives_the_process_keeps_nothing_alive(tmp_path: Path) -> None:
    mine = MortalFolder(tmp_path, MARK)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as program:
        assert mine.lock is not None
        os.close(mine.lock)  # as the kernel does when we are killed
        sweep(tmp_path, MARK)
        left = list(tmp_path.iterdir())
        program.kill()
    assert left == []


def test_where_nothing_can_be_locked_a_folder_is_made_and_none_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_on_nfs(*_: object) -> None:  # its locks are of bytes, in files open for writing
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", as_on_nfs)
    mine = MortalFolder(tmp_path, MARK)
    sweep(tmp_path, MARK)
    assert mine.path.is_dir()
    mine.remove()
    assert list(tmp_path.iterdir()) == []


def test_links_files_and_folders_with_other_names_are_left_alone(tmp_path: Path) -> None:
    decoy = tmp_path / "decoy"
    decoy.mkdir()
    (decoy / "kept").touch()
    (tmp_path / f"{MARK}link").symlink_to(decoy)
    (tmp_path / f"{MARK}file").touch()
    before = {*tmp_path.rglob("*")}
    sweep(tmp_path, MARK)
    assert {*tmp_path.rglob("*")} == before


def test_a_link_in_a_dead_folder_leads_nowhere(tmp_path: Path) -> None:
    decoy = tmp_path / "decoy"
    decoy.mkdir()
    (decoy / "kept").touch()
    (tmp_path / f"{MARK}dead").mkdir()
    (tmp_path / f"{MARK}dead" / "link").symlink_to(decoy)
    sweep(tmp_path, MARK)
    assert {*tmp_path.rglob("*")} == {decoy, decoy / "kept"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of other users")
def test_another_users_folder_is_left_alone(tmp_path: Path) -> None:
    planted = tmp_path / f"{MARK}planted"
    planted.mkdir()
    os.chown(planted, 65534, 65534)
    sweep(tmp_path, MARK)
    assert planted.is_dir()


def test_a_folder_is_made_however_often_a_sweeper_is_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, locks = [], []
    mkdtemp = tempfile.mkdtemp

    def swept_at_once(*, prefix: str, dir: Path) -> str:
        made.append(mkdtemp(prefix=prefix, dir=dir))
        if len(made) % 2:
            sweep(dir, prefix)
        elif len(made) < 40:  # locked, and about to be deleted
            locks.append(os.open(made[-1], os.O_RDONLY | os.O_DIRECTORY))
            fcntl.flock(locks[-1], fcntl.LOCK_EX)
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", swept_at_once)
    folder = MortalFolder(tmp_path, MARK)
    for lock in locks:
        os.close(lock)
    sweep(tmp_path, MARK)
    assert [*tmp_path.iterdir()] == [folder.path] == [Path(made[39])]


def test_a_folder_is_made_where_others_sweep_all_the_time(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from autoresearch_ci.execution.sandbox.shared_memory import sweep\n"
        "while True: sweep(Path(sys.argv[1]), sys.argv[2]); print(flush=True)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path), MARK]
    with ExitStack() as stack:
        sweepers = [
            stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE)) for _ in range(4)
        ]
        for sweeper in sweepers:
            stack.callback(sweeper.kill)
        outputs = [sweeper.stdout for sweeper in sweepers if sweeper.stdout]
        for number in range(300):
            folder = MortalFolder(tmp_path, MARK)
            outputs[number % len(outputs)].readline()
            assert folder.path.is_dir()
            folder.remove()
