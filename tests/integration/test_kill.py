"""Killed at any instant, a run continues as if nothing had happened; asked to stop, it stops.

`git` on PATH is wrapped by a counter, so that "just before the n-th call of git" is an instant that
can be hit exactly; `strace` does the same for every flush to the disk where it is installed. The
rest is a seeded dice. AUTORESEARCH_KILLS raises the number of throws.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo, Result, Run, Script

KILLS = int(os.environ.get("AUTORESEARCH_KILLS", "12"))
BRANCH = "refs/heads/autoresearch/t"
NOTEBOOK = "refs/autoresearch/notebook/t"
METRIC = "if grep -q crash value; then exit 3; fi; cat value; rm other; touch litter"
GUARD = "grep -qv 6 value"
VOLATILE = ("timestamp", "commit", "seconds", "peak_memory_mb")
"""Columns that no two runs share."""


def value(number: object, **more: Any) -> Mapping[str, Any]:
    return {"description": f"try {number}", "files": {"value": f"{number}\n"}, **more}


@pytest.fixture
def story(script: Script, repo: Repo) -> Repo:
    """A repository and six iterations: keeps, discards, a repaired crash, a reworked guard."""
    repo.write("value", "5\n")
    script(
        value(9),
        value(11),
        value("crash", repairs=[value("crash again"), value(8)]),
        value(8),
        value(6, repairs=[value(7)]),
        value(7.5),
    )
    return repo


def state(repo: Repo, done: Result) -> dict[str, Any]:
    """What must not depend on how often a run was killed."""
    rows = [{k: v for k, v in row.items() if k not in VOLATILE} for row in done.rows]
    return {
        "rows": rows,
        "kept": repo.git("log", "--reverse", "--format=%T %s%n%b", BRANCH),
        "notebook": repo.subjects(NOTEBOOK),
        "attempts": sorted(repo.git("log", "--format=%s", NOTEBOOK).splitlines()),
        "journal noted": repo.show(NOTEBOOK, "results.tsv")
        == (done.folder / "results.tsv").read_bytes(),
        "logs": sorted(path.name for path in (done.folder / "logs").iterdir()),
    }


@pytest.fixture
def uninterrupted(story: Repo, run: Run) -> dict[str, Any]:
    """The final state of the same run, undisturbed, in a copy of the repository."""
    copy = type(story)(story.path.with_name("undisturbed"))
    shutil.copytree(story.path, copy.path, symlinks=True)
    done = type(run)(repo=copy, script=run.script, temporary=run.temporary, capture=run.capture)(
        "--guard", GUARD, metric=METRIC
    )
    assert done.code == 0, done.told
    statuses = ["baseline", "keep", "discard", "keep", "no-op", "keep", "discard"]
    assert done.column("status") == statuses, done.told
    return state(copy, done)


def check(repo: Repo, run: Run, done: Result, before: object, expected: dict[str, Any]) -> None:
    """The run is over, as if it had never been killed, and nothing else has changed."""
    assert done.code == 0, done.told
    assert state(repo, done) == expected
    assert repo.photograph() == before
    repo.git("fsck", "--strict", "--no-dangling")
    assert run.leftovers() == []
    assert processes_of(repo) == []


def processes_of(repo: Repo) -> list[str]:
    """Processes that still know the test's folder, by argument or by working folder."""
    found = []
    mark = os.fsencode(repo.path.parent)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            known = (folder / "cmdline").read_bytes() + os.fsencode((folder / "cwd").readlink())
        except OSError:
            continue
        if mark in known and int(folder.name) != os.getpid():
            found.append(known.decode(errors="replace"))
    return found


def killed(process: multiprocessing.Process, after: float | None = None) -> bool:
    """Whether the run was still going after so many seconds and its whole group was killed."""
    process.join(after)
    if process.exitcode is None:
        assert process.pid
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not got as far as to lead a group
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode < 0


def resumed(run: Run) -> Result:
    """Continue what a kill left: with `--resume` once there is a baseline, as the message says."""
    again = ["--resume"] if '"verdict"' in records(run.repo) else []
    return run("--guard", GUARD, *again, metric=METRIC)


def records(repo: Repo) -> str:
    path = repo.path / ".git" / "autoresearch" / "t" / "records.jsonl"
    return path.read_text() if path.exists() else ""


def test_killed_again_and_again_at_random_a_run_ends_in_the_same_state(
    story: Repo, run: Run, uninterrupted: dict[str, Any]
) -> None:
    before = story.photograph()
    dice = random.Random(20260101)
    kills = 0
    while kills < KILLS:
        again = ["--resume"] if '"verdict"' in records(story) else []
        process = run.fork("--guard", GUARD, *again, metric=METRIC)
        if killed(process, after=dice.uniform(0.0, 0.6)):
            kills += 1
            continue
        check(story, run, resumed(run), before, uninterrupted)
        start_over(story)
    check(story, run, resumed(run), before, uninterrupted)


def start_over(repo: Repo) -> None:
    """Forget the run, so that there is something left to kill."""
    for ref in (BRANCH, NOTEBOOK):
        repo.git("update-ref", "-d", ref)
    shutil.rmtree(repo.path / "autoresearch")
    shutil.rmtree(repo.path / ".git" / "autoresearch")


# --- exact moments --------------------------------------------------------------------------------


def count_git(run: Run, then: str = "") -> tuple[str, Path]:
    """A PATH on which each call of `git` adds itself to a file and runs `then`, given `$n`."""
    folder = run.repo.path.parent / "bin"
    folder.mkdir(exist_ok=True)
    count = folder / "count"
    count.write_text("")
    script = f'#!/bin/sh\necho "$*" >> {count}\nn=$(($(wc -l < {count})))\n{then}\n'
    (folder / "git").write_text(f'{script}exec {shutil.which("git")} "$@"\n')
    (folder / "git").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}", count


def test_killed_just_before_a_call_of_git_a_run_ends_in_the_same_state(
    story: Repo, run: Run, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = story.photograph()
    path, count = count_git(run)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", path)
        run("--guard", GUARD, metric=METRIC)
    start_over(story)
    dice = random.Random(1)
    moments: dict[str, list[int]] = {}
    for n, call in enumerate(count.read_text().splitlines(), start=1):
        kind = re.sub(r"[0-9a-f]{40}| /\S+", "", call)
        moments.setdefault(kind, []).append(n)
    assert len(moments) > 10
    for moment in map(dice.choice, moments.values()):
        with monkeypatch.context() as patch:
            patch.setenv("PATH", count_git(run, f"test $n != {moment} || kill -9 0")[0])
            assert killed(run.fork("--guard", GUARD, metric=METRIC))
        check(story, run, resumed(run), before, uninterrupted)
        start_over(story)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_killed_at_a_write_to_the_disk_a_run_ends_in_the_same_state(
    story: Repo, run: Run, uninterrupted: dict[str, Any]
) -> None:
    before = story.photograph()
    moments = [("fsync", n) for n in range(1, 35)] + [("rename", n) for n in range(1, 3)]
    for call, moment in random.Random(2).sample(moments, min(KILLS // 3, len(moments))):
        inject = f"inject={call}:signal=KILL:when={moment}"
        trace = ["strace", "-o", os.devnull, "-e", f"trace={call}", "-e", inject]
        process = run.start("--guard", GUARD, under=trace, metric=METRIC)
        died = run.finish(process)
        assert died.code == -signal.SIGKILL, f"{call} {moment} was never reached: {died.told}"
        check(story, run, resumed(run), before, uninterrupted)
        start_over(story)


def test_locks_and_halves_that_a_killed_git_leaves_are_no_obstacle(
    story: Repo, run: Run, uninterrupted: dict[str, Any]
) -> None:
    before = story.photograph()
    process = run.fork("--guard", GUARD, metric=METRIC)
    wait_for_row(story, 3)
    assert killed(process, after=0)
    git = story.path / ".git"
    store = git / "autoresearch" / "t"
    locks = [git / f"{BRANCH}.lock", git / f"{NOTEBOOK}.lock"]
    locks += [store / "git" / "measure.index.lock", store / "git" / "refs" / "notebook.lock"]
    for lock in locks:
        lock.touch()
    for torn in (store / "records.jsonl", story.path / "autoresearch/run-t/results.tsv"):
        with torn.open("a") as file:
            file.write('{"record": "verd')
    check(story, run, resumed(run), before, uninterrupted)
    assert not any(lock.exists() for lock in locks)


def test_a_run_folder_that_was_deleted_is_written_again(
    story: Repo, run: Run, uninterrupted: dict[str, Any]
) -> None:
    before = story.photograph()
    process = run.fork("--guard", GUARD, metric=METRIC)
    wait_for_row(story, 3)
    assert killed(process, after=0)
    shutil.rmtree(story.path / "autoresearch")
    done = resumed(run)
    assert story.photograph() == before
    assert state(story, done)["rows"] == uninterrupted["rows"]


def test_what_a_killed_run_was_measuring_is_gone_before_anything_is_measured_again(
    story: Repo, run: Run
) -> None:
    marker = story.path.parent / "now"
    process = run.fork(metric=f"touch {marker}; sleep 30")
    wait_for(marker)
    assert killed(process, after=0)
    assert processes_of(story)
    run()
    assert processes_of(story) == []


def wait_for(path: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.01)


def wait_for_row(repo: Repo, iteration: int) -> None:
    wait_for(repo.path / "autoresearch" / "run-t" / "logs" / f"{iteration}.log")


# --- asked to stop --------------------------------------------------------------------------------


def sleeping(story: Repo) -> tuple[str, Path]:
    """A metric command that sleeps from iteration 3 on, while a file exists; and that file.

    It says that it sleeps by another file of the same name and `.now`.
    """
    wanted = story.path.parent / "sleep"
    wanted.touch()
    naps = f"if test -e {wanted} && grep -q 8 value; then touch {wanted}.now; sleep 60; fi"
    return f"{naps}; {METRIC}", wanted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("whole_group", [False, True], ids=["process", "group"])
def test_asked_to_stop_a_run_ends_at_once_and_can_be_resumed(
    story: Repo,
    run: Run,
    uninterrupted: dict[str, Any],
    number: signal.Signals,
    whole_group: bool,
) -> None:
    before = story.photograph()
    metric, wanted = sleeping(story)
    process = run.start("--guard", GUARD, metric=metric)
    wait_for(wanted.with_name("sleep.now"))
    began = time.monotonic()
    send = os.killpg if whole_group else os.kill
    send(process.pid, number)
    stopped = run.finish(process, timeout=30)
    assert time.monotonic() - began < 1.5
    assert stopped.code == 130, stopped.told
    assert "--resume" in stopped.err
    assert "Traceback" not in stopped.err
    assert stopped.column("status") == ["baseline", "keep", "discard"]
    assert "interrupted" in (stopped.folder / "run.json").read_text()
    assert processes_of(story) == []
    assert run.leftovers() == []
    assert story.photograph() == before
    wanted.unlink()
    done = run("--guard", GUARD, "--resume", metric=metric)
    check(story, run, done, before, uninterrupted)


def test_further_signals_while_stopping_corrupt_nothing(
    story: Repo, run: Run, uninterrupted: dict[str, Any]
) -> None:
    before = story.photograph()
    metric, wanted = sleeping(story)
    stubborn = f"trap '' TERM INT; {metric}"
    process = run.start("--guard", GUARD, metric=stubborn)
    wait_for(wanted.with_name("sleep.now"))
    for _ in range(10):  # the command that ignores signals is given longer than this
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.02)
    stopped = run.finish(process)
    assert stopped.code == 130, stopped.told
    assert "Traceback" not in stopped.err
    assert stopped.column("status") == ["baseline", "keep", "discard"]
    wanted.unlink()
    done = run("--guard", GUARD, "--resume", metric=stubborn)
    check(story, run, done, before, uninterrupted)


def test_a_signal_to_the_whole_group_does_not_hit_git_at_work(
    story: Repo, run: Run, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a terminal reaches our git as well: half a ref update would end in exit code 3."""
    before = story.photograph()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", count_git(run, "test $n != 30 || kill -INT 0; test $n -lt 30")[0])
        stopped = run.finish(run.start("--guard", GUARD, metric=METRIC))
    assert stopped.code == 130, stopped.told
    check(story, run, resumed(run), before, uninterrupted)
