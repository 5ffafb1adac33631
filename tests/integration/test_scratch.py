"""The trees of killed runs are deleted by the next run on the machine; nobody else's are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoresearch_ci.workspace.scratch import in_use
from tests.conftest import Repo, Run, Script

MINE = "0" * 16


@contextmanager
def another_run(above: Path, name: str = "1" * 16) -> Iterator[subprocess.Popen[str]]:
    """One whose scratch folder holds something, and that goes on living; so does its command."""
    code = (
        "import os, subprocess, sys; from pathlib import Path\n"
        "from autoresearch_ci.workspace.scratch import in_use\n"
        "scratch = Path(sys.argv[1])\n"
        "with in_use(scratch):\n"
        "    for folder in ('home', 'tree/deep'): (scratch / folder).mkdir(parents=True)\n"
        "    scratch.with_name(scratch.name + '-draft-codex').mkdir()\n"
        "    env = {**os.environ, 'HOME': str(scratch / 'home')}\n"
        "    command = subprocess.Popen(['sleep', '60'], env=env, stdout=subprocess.DEVNULL)\n"
        "    print(command.pid, flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(above / name)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_what_a_killed_run_left_is_deleted_and_its_command_ended(tmp_path: Path) -> None:
    above = tmp_path / "above"
    with another_run(above) as other:
        assert other.stdout
        command = int(other.stdout.readline())
        other.kill()
        other.wait()
        assert len(list(above.iterdir())) == 3
        os.kill(command, 0)  # nobody has ended it
        with in_use(above / MINE):
            assert [path.name for path in above.iterdir()] == [f"{MINE}.used"]
    assert list(above.iterdir()) == []
    state = Path(f"/proc/{command}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_history_that_a_killed_process_packed_is_deleted(repo: Repo, tmp_path: Path) -> None:
    """And a living one's is not."""
    code = (
        "import sys; from pathlib import Path\n"
        "from autoresearch_ci.workspace.repository import Repository\n"
        "from autoresearch_ci.workspace.store import histories_kept, opened\n"
        "repository, place = Repository.open(Path(sys.argv[1])), Path(sys.argv[2])\n"
        "with opened(repository, place / 'git') as store, histories_kept():\n"
        "    store.check_out(repository.head(), place / 'tree', {})\n"
        "    store.view(repository.head(), place / 'tree', (), False, {}, {}, ())\n"
        "    print(flush=True); sys.stdin.read()"
    )
    (tmp_path / "tree").mkdir()
    argv = [sys.executable, "-c", code, str(repo.path), str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    above = tmp_path / f"tmpwork-{os.getuid()}"
    with subprocess.Popen(argv, **pipes, env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        assert process.stdout
        process.stdout.readline()
        with in_use(above / MINE):
            assert list(above.rglob("*.pack"))
        process.kill()
        process.wait()
        assert list(above.rglob("*.pack"))
        with in_use(above / MINE):
            assert [path.name for path in above.iterdir()] == [f"{MINE}.used"]


def test_what_a_living_or_stopped_run_uses_stays_and_so_does_what_is_no_box(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    (above / "notes").mkdir()
    with another_run(above) as other:
        assert other.stdout
        other.stdout.readline()
        other.send_signal(signal.SIGSTOP)
        before = sorted(above.iterdir())
        with in_use(above / MINE):
            (above / MINE).mkdir()
        assert sorted(above.iterdir()) == before
        other.send_signal(signal.SIGCONT)
        other.communicate("", timeout=30)
    assert [path.name for path in above.iterdir()] == ["notes"]


def test_runs_that_begin_and_end_at_once_never_delete_each_others_boxes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from autoresearch_ci.workspace.scratch import in_use\n"
        "scratch = Path(sys.argv[1])\n"
        "for _ in range(60):\n"
        "    with in_use(scratch):\n"
        "        scratch.mkdir(); (scratch / 'file').write_text('x')\n"
        "        for _ in range(20): assert (scratch / 'file').read_text() == 'x'\n"
    )
    scratches = [tmp_path / "above" / (digit * 16) for digit in "0123"]
    runs = [subprocess.Popen([sys.executable, "-c", code, str(scratch)]) for scratch in scratches]
    assert [run.wait(timeout=120) for run in runs] == [0, 0, 0, 0]
    assert list((tmp_path / "above").iterdir()) == []


def test_a_run_deletes_what_a_killed_one_of_another_repository_left(
    run: Run, script: Script
) -> None:
    script({"description": "try 9", "files": {"value": "9\n"}})
    above = run.temporary / f"tmpwork-{os.getuid()}"
    with another_run(above) as other:
        assert other.stdout
        other.stdout.readline()
        other.kill()
    done = run()
    assert done.column("status")[1:] == ["keep"], done.told
    assert run.leftovers() == []
