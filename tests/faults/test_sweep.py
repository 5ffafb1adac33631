"""Killed at the n-th system call that changes the disk, n = 1, 2, 3, ...: ours, or one of git's.

An undisturbed run under `strace` tells which calls there are. A sample of them is tried, with
--torture all.
"""

from __future__ import annotations

import random
import re
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.faults.invariant import GUARD, METRIC, Story, counted_git, killed
from tests.faults.tracing import needs_strace

pytestmark = needs_strace

CHANGES = (
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "unlink", "unlinkat"),
    *("rmdir", "mkdir", "fsync", "fdatasync", "ftruncate", "vfork", "clone", "clone3"),
)
PARTS = 8
"""In so many tests a whole sweep is divided, so that they can run side by side."""
Moment = tuple[str, int]
"""A system call, and the how-manieth of its name."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parts = PARTS if metafunc.config.getoption("--torture") else 1
    metafunc.parametrize("part", [slice(n, None, parts) for n in range(parts)], ids=range(parts))


def moments(log: Path, places: Sequence[str]) -> Iterator[Moment]:
    """Calls that change something, as a trace has them; new and written files only in `places`."""
    seen: Counter[str] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        found = re.match(r"(\w+)\(", line)
        if found is None:
            continue
        call = found[1]
        seen[call] += 1
        if call in CHANGES or (
            any(place in line for place in places)
            and (call == "write" or (call == "openat" and "O_CREAT" in line))
        ):
            yield call, seen[call]


def traced(call: str, number: int) -> list[str]:
    """A command line that kills what follows it at the n-th such call."""
    inject = f"inject={call}:signal=KILL:when={number}"
    return ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]


def test_killed_at_a_system_call_of_ours_a_run_ends_in_the_same_state(
    story: Story, torture: bool, tmp_path: Path, part: slice
) -> None:
    log = tmp_path / "trace"
    watched = ",".join([*CHANGES, "openat", "write"])
    under = ["strace", "-qq", "-y", "-o", str(log), "-e", f"trace={watched}"]
    done = story.run.finish(story.run.start("--guard", GUARD, under=under, metric=METRIC))
    story.check(done)
    story.start_over()
    everything = sorted(set(moments(log, (".git/autoresearch/t", "run-t", "tmpwork-"))))
    assert len(everything) > 100
    chosen = everything if torture else random.Random(3).sample(everything, 2)
    for call, number in chosen[part]:
        process = story.run.start("--guard", GUARD, under=traced(call, number), metric=METRIC)
        died = story.run.finish(process)
        # A call that depends on chance may have had another number this time.
        assert died.code in (-signal.SIGKILL, 0), f"{call} {number}: {died.told}"
        story.check(after=f"{call} {number}")
        story.start_over()


@pytest.mark.parametrize("alone", [False, True], ids=["with us", "alone"])
def test_killed_at_a_system_call_of_git_a_run_ends_in_the_same_state(
    story: Story,
    torture: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    alone: bool,
    part: slice,
) -> None:
    """Alone: the kernel ran out of memory and chose git."""
    watched = ",".join([*CHANGES, "openat"])
    last = f'exec strace -qq -y -o {tmp_path}/git.$n -e trace={watched} "$git" "$@"'
    with monkeypatch.context() as patch:
        patch.setenv("PATH", counted_git(story.repo, last=last)[0])
        assert story.resumed().code == 0
    story.start_over()
    everything = [
        (int(log.suffix[1:]), moment)
        for log in sorted(tmp_path.glob("git.*"), key=lambda path: int(path.suffix[1:]))
        for moment in sorted(set(moments(log, (".git", "tmpwork-"))))
    ]
    assert len(everything) > 100
    dice = random.Random(4 + alone)
    chosen = dice.sample(everything, min(len(everything), 400 if torture else 2))
    for n, (call, number) in chosen[part]:
        death = f'{" ".join(traced(call, number))} "$git" "$@"'
        then = f"{death}; exit $?" if alone else f"{death}; kill -9 0"
        with monkeypatch.context() as patch:
            wrapped = f"if test $n = {n}; then {then}; fi"
            patch.setenv("PATH", counted_git(story.repo, wrapped)[0])
            process = story.fork()
            died = killed(process, after=300)
        printed = (story.repo.path.parent / "printed").read_text()
        if alone:
            assert process.exitcode in (0, 2, 3), f"{n} {call} {number}: {printed}"
            assert "Traceback" not in printed
        else:
            assert died, f"{n} {call} {number}: {printed}"
        story.check(after=f"git {n}, {call} {number}: {printed}")
        story.start_over()
