"""Memory runs out: measured code is killed first, and a run that is killed itself loses nothing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.faults.invariant import GUARD, METRIC, Story, counted_git, processes_of, value
from tests.faults.memory_limit import MemoryLimit, memory_limit

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

ROOM = 300 << 20
"""Bytes: three times what a run needs."""


@pytest.fixture
def limit() -> Iterator[MemoryLimit]:
    with ExitStack() as stack:
        try:
            found = stack.enter_context(memory_limit(f"autoresearch-test-{os.getpid()}", ROOM))
        except OSError as error:
            pytest.skip(f"no cgroup with a limit of memory can be made here: {error}")
        yield found


@pytest.mark.parametrize(
    "eat",
    ["tail /dev/zero", "exec tail /dev/zero"],
    ids=["a child of the command", "the command"],
)
def test_measured_code_that_is_killed_for_its_memory_is_a_crash_that_says_so(
    run: Run, script: Script, repo: Repo, limit: MemoryLimit, eat: str
) -> None:
    script(value(9), value("eat"), value(8))
    metric = f"if grep -q eat value; then {eat}; exit; fi; cat value"
    done = run.finish(run.start(under=limit.under, metric=metric))
    assert limit.kills, done.told
    assert done.code == 0, done.told
    assert done.column("status") == ["baseline", "keep", "crash", "keep"], done.told
    assert "(usually: memory ran out)" in done.rows[2]["reason"]
    assert run.leftovers() == []
    assert processes_of(repo) == []


def test_a_run_that_the_kernel_kills_for_want_of_memory_ends_in_the_same_state(
    story: Story, limit: MemoryLimit, monkeypatch: pytest.MonkeyPatch, torture: bool
) -> None:
    """The memory goes while git works, to a process that the kernel would rather spare."""
    last = ("sh", "-c", 'echo 1000 > /proc/self/oom_score_adj && exec "$@"', "sh")
    eat = f"{sys.executable} -Sc 'x = b\"x\" * {ROOM - (16 << 20)}'"
    for number in (5, 10, 15, 20) if torture else (20,):
        before = limit.kills
        then = (
            f"if test $n = {number}; then echo 0 > /proc/self/oom_score_adj; {eat}; kill -9 0; fi"
        )
        with monkeypatch.context() as patch:
            patch.setenv("PATH", counted_git(story.repo, then)[0])
            process = story.run.start("--guard", GUARD, under=[*limit.under, *last], metric=METRIC)
            died = story.run.finish(process)
        assert died.code == -signal.SIGKILL, died.told
        assert limit.kills > before
        story.check(after=f"git {number}")
        story.start_over()
