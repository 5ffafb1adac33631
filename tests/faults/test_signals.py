"""Asked to stop, a run ends at once and can be resumed; asked twice, it ends no worse."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.invariant import GUARD, METRIC, Story, counted_git, processes_of, wait_for
from tests.patience import promptly


def sleeping(story: Story) -> tuple[str, Path]:
    """A metric command that sleeps from iteration 3 on, while a file exists; and that file.

    It says that it sleeps by another file of the same name and `.now`.
    """
    wanted = story.repo.path.parent / "sleep"
    wanted.touch()
    naps = f"if test -e {wanted} && grep -q 8 value; then touch {wanted}.now; sleep 60; fi"
    return f"{naps}; {METRIC}", wanted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("whole_group", [False, True], ids=["process", "group"])
def test_asked_to_stop_a_run_ends_at_once_and_can_be_resumed(
    story: Story,
    number: signal.Signals,
    whole_group: bool,
) -> None:
    metric, wanted = sleeping(story)
    process = story.run.start("--guard", GUARD, metric=metric)
    wait_for(wanted.with_name("sleep.now"))
    began = time.monotonic()
    send = os.killpg if whole_group else os.kill
    send(process.pid, number)
    stopped = story.run.finish(process)
    assert time.monotonic() - began < promptly(1.5)
    assert stopped.code == 130, stopped.told
    assert "--resume" in stopped.err
    assert "Traceback" not in stopped.err
    assert stopped.column("status") == ["baseline", "keep", "discard"]
    assert "interrupted" in (stopped.folder / "run.json").read_text()
    assert processes_of(story.repo) == []
    assert story.run.leftovers() == []
    assert story.repo.photograph() == story.before
    wanted.unlink()
    done = story.run("--guard", GUARD, "--resume", metric=metric)
    story.check(done)


def test_further_signals_while_stopping_corrupt_nothing(story: Story) -> None:
    metric, wanted = sleeping(story)
    stubborn = f"trap '' TERM INT; {metric}"
    process = story.run.start("--guard", GUARD, metric=stubborn)
    wait_for(wanted.with_name("sleep.now"))
    for _ in range(10):  # the command that ignores signals is given longer than this
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.02)
    stopped = story.run.finish(process)
    assert stopped.code == 130, stopped.told
    assert "Traceback" not in stopped.err
    assert stopped.column("status") == ["baseline", "keep", "discard"]
    wanted.unlink()
    done = story.run("--guard", GUARD, "--resume", metric=stubborn)
    story.check(done)


def test_a_signal_to_the_whole_group_does_not_hit_git_at_work(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a terminal reaches our git as well: half a ref update would end in exit code 3."""
    soon = '(test "$1" != update-ref || { sleep 0.1; kill -INT 0; }) &'
    with monkeypatch.context() as patch:
        patch.setenv("PATH", counted_git(story.repo, soon)[0])
        stopped = story.run.finish(story.run.start("--guard", GUARD, metric=METRIC))
    assert stopped.code == 130, stopped.told
    story.check()
