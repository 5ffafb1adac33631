"""Clocks that jump, machines that sleep: limits are kept, records of the future continued."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import autoresearch_ci
from tests.faults.invariant import GUARD, METRIC, STATUSES, Story, sealed, verdicts, wait_for

WALL_CLOCK = re.compile(r"\btime\.time\(|\btime_ns\(|datetime\.now\(|date\.today\(")
SHOWN = {
    "cli/investigate/debug.py": "when an item was written down",
    "cli/security/command.py": "whether an accepted risk has expired, and when it was written",
    "record/weakness_records.py": "commit dates",
    "investigate/experiments.py": "commit dates",
    "investigate/investigation.py": "when an item was written down",
    "cli/action/entry.py": "which run folders this step has made, by their times",
    "record/ledger.py": "commit dates",
    "workspace/measure_tree.py": "commit dates",
    "workspace/measured_state.py": "when a file that was written above another changed",
    "record/notebook.py": "commit dates",
    "loop.py": "the journal's timestamp",
    "record/run_names.py": "the default tag",
    "publish/forge/github_api.py": "GitHub says when its limit ends; the wait itself is bounded",
    "report/run_folder.py": "when the report was written",
}
"""Who may ask what time it is, and what for."""


def test_no_limit_is_kept_with_a_clock_that_can_be_set() -> None:
    package = Path(autoresearch_ci.__file__).parent
    users = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if WALL_CLOCK.search(path.read_text(encoding="utf-8"))
    }
    assert users == SHOWN.keys(), "time.monotonic() for limits, or say here what it shows"


def test_a_run_whose_clock_was_set_back_is_continued(story: Story) -> None:
    """Records out of order and in the future, as after a clock that jumped by days."""
    story.killed_in(5)
    path = story.repo.path / ".git" / "autoresearch" / "t" / "records.jsonl"
    lines = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    dates = ["2099-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00", "2031-05-05T05:05:05+00:00"]
    for number, line in enumerate(line for line in lines if line["record"] == "verdict"):
        line["experiment"]["timestamp"] = dates[number % 3]
    path.write_bytes(b"".join(sealed(line) for line in lines))
    story.check()


def test_a_machine_that_sleeps_for_a_while_goes_on(story: Story) -> None:
    process = story.fork()
    wait_for(story.repo.path / "autoresearch" / "run-t" / "logs" / "2.log")
    assert process.pid
    for _ in range(3):
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(0.4)
        os.killpg(process.pid, signal.SIGCONT)
        time.sleep(0.05)
    process.join(60)
    assert process.exitcode == 0
    story.check()


def test_a_run_that_slept_past_its_own_time_starts_nothing_more(story: Story) -> None:
    """Nobody ends an orphan whose job was cancelled: it must do so itself.

    What it was doing is undecided, and continued as if it had not begun.
    """
    seconds = 9
    process = story.run.start("--guard", GUARD, "--minutes", f"{seconds / 60}", metric=METRIC)
    wait_for(story.repo.path / "autoresearch" / "run-t" / "logs" / "1.log")
    os.kill(process.pid, signal.SIGSTOP)
    try:
        known = len(verdicts(story.repo))
        time.sleep(seconds)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    done = story.run.finish(process)
    assert done.code == 0, done.told
    assert "time budget of 0.15 min used up" in done.told
    assert len(done.rows) <= known + 1 < len(STATUSES)
    story.check()
