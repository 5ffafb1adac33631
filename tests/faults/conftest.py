"""`story`: a repository in every state that a person leaves one in, and a run to be disturbed."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.invariant import GUARD, METRIC, STATUSES, STORY, Story, state

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

_EXPECTED = pytest.StashKey[dict[str, Any]]()
"""The same in every test: names and dates of commits are fixed, other commits are not compared."""


@pytest.fixture
def story(
    request: pytest.FixtureRequest,
    repo: Repo,
    script: Script,
    run: Run,
    tally: Callable[[str, int], None],
) -> Story:
    """The final state of an undisturbed run is learnt from a copy of the repository, once."""
    script(*STORY)
    repo.write(".gitignore", "ignored\n")
    repo.commit("ignore something")
    repo.write("other", "to be stashed\n")
    repo.git("stash", "--quiet")
    repo.write("other", "staged\n")
    repo.git("add", "other")
    repo.write("value", "5\n")
    repo.write("ignored", "ignored\n")
    repo.write("untracked", "untracked\n")
    if _EXPECTED not in request.config.stash:
        copy = type(repo)(repo.path.with_name("undisturbed"))
        shutil.copytree(repo.path, copy.path, symlinks=True)
        there = replace(run, repo=copy)
        done = there("--guard", GUARD, metric=METRIC)
        assert done.column("status") == STATUSES, done.told
        request.config.stash[_EXPECTED] = state(copy, done)
    for name in ("kill points tried", "kill points resumed identically", "experiments lost"):
        tally(name, 0)
    return Story(
        repo=repo,
        run=run,
        before=repo.photograph(),
        expected=request.config.stash[_EXPECTED],
        tally=tally,
    )


NEW_MOUNTS = 0x00020000
"""CLONE_NEWNS of linux/sched.h; `os.unshare` came with Python 3.12."""
Body = Callable[[Path], None]
OnSmallDisk = Callable[[str, Body], None]


def with_own_mounts(tmp_path: Path, mount: Callable[[Path], bool], body: Body) -> None:
    """Calls `body` with a folder that `mount` has mounted something on, if it says that it could.

    It runs in a child that has mounts of its own: nobody else ever sees that file system, and the
    kernel takes it away with the child.
    """
    folder, report = tmp_path / "disk", tmp_path / "report"
    folder.mkdir()
    private = ["mount", "--make-rprivate", "/"]

    def child() -> None:
        if ctypes.CDLL(None).unshare(NEW_MOUNTS) or not _mounts(private) or not mount(folder):
            sys.exit(77)
        try:
            body(folder)
        except BaseException:  # noqa: BLE001 (told to the parent, which fails)
            report.write_text(traceback.format_exc())
            os._exit(1)
        os._exit(0)

    if os.geteuid():
        pytest.skip("only root may mount")
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(600)
    if process.exitcode == 77:
        pytest.skip("mounting is not permitted here")
    ended = process.exitcode
    process.kill()  # else what hangs goes on, with its mounts
    told = report.read_text() if report.exists() else f"no word of why; exit code {ended}"
    assert ended == 0, told


def _mounts(argv: Sequence[str]) -> bool:
    return not subprocess.run(argv, check=False, capture_output=True).returncode


@pytest.fixture
def on_small_disk(tmp_path: Path) -> OnSmallDisk:
    """Calls a function with the folder of a file system of such options (`man 5 tmpfs`)."""

    def call(options: str, body: Body) -> None:
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs"]
        with_own_mounts(tmp_path, lambda folder: _mounts([*words, str(folder)]), body)

    return call
