"""What is shown while a run goes on: never an exception, never an obeyed escape."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TextIO

import pytest

from autoresearch_ci.events import (
    Event,
    ExperimentFinished,
    MeasuredSide,
    MetricMeasured,
    Note,
    Observer,
    OutputLine,
    RunFinished,
    RunStarted,
    StageStarted,
    Warning,
)
from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.report.console import make_progress, say, stages_shown
from autoresearch_ci.report.event_lines import next_steps
from tests import journal_rows

EVIL = "\x1b[2J::error::x \u202e##[add-mask]y\r[bold red]z[/]"


def experiment(iteration: int, status: Status, metric: float | None) -> Experiment:
    return journal_rows.row(
        iteration,
        timestamp="2026-03-08T01:00:00Z",
        commit="abcdef0",
        metric=metric,
        delta=None if iteration == 0 else -0.5,
        status=status,
        description=f"idea {iteration} {EVIL}",
        best=metric,
        seconds=3.0,
        proposer="script",
        reason=EVIL,
    )


def run_of(side: MeasuredSide, value: float | None, reason: str = "") -> MetricMeasured:
    return MetricMeasured(
        iteration=2, stage="metric", side=side, value=value, reason=reason, seconds=12.0
    )


RUN: tuple[Event, ...] = (
    RunStarted(
        tag="t",
        branch="autoresearch/t",
        base_commit="a" * 40,
        goal=EVIL,
        metric="val_bpb",
        direction=Direction.MINIMIZE,
        iterations=2,
        resumed_from=0,
    ),
    StageStarted(iteration=0, stage="metric", command=EVIL),
    OutputLine(text=EVIL),
    Note(message=f"this metric is deterministic\n{EVIL}"),
    ExperimentFinished(experiment=experiment(0, Status.BASELINE, 2.5)),
    Warning(message=EVIL),
    StageStarted(iteration=1, stage="propose", command="search"),
    ExperimentFinished(experiment=experiment(1, Status.CRASH, None)),
    StageStarted(iteration=2, stage="metric", command="bench"),
    replace(run_of("candidate", 2.0), agreement="agreement 89 % over 3 votes"),
    StageStarted(iteration=2, stage="metric", command="bench"),
    run_of("incumbent", None, f"exit code 1 {EVIL}"),
    StageStarted(iteration=2, stage="guard", command="pytest -q"),
    ExperimentFinished(experiment=experiment(2, Status.KEEP, 2.0)),
    RunFinished(
        stop_reason="2 of 2 iterations done",
        kept=1,
        baseline=2.5,
        best=2.0,
        branch="autoresearch/t",
        report_dir="autoresearch/run-t",
    ),
)


def shown(events: Sequence[Event], *, json: bool) -> str:
    stream = io.StringIO()
    with make_progress(stream, json=json) as observer:
        for event in events:
            observer(event)
    return stream.getvalue()


def test_plain_lines_say_each_stage_each_measurement_and_each_experiment_once() -> None:
    lines = shown(RUN, json=False).splitlines()
    assert sum(line.startswith(("[0/2] ", "[1/2] ", "[2/2] ")) for line in lines) == 9
    assert lines.count("[2/2] metric: bench") == 1, "a second run of it is no new stage"
    assert "[2/2] metric: candidate 2, 12 s, agreement 89 % over 3 votes" in lines
    assert any(line.startswith("[2/2] metric: incumbent exit code 1 ") for line in lines)
    assert "[2/2] guard: pytest -q" in lines
    assert any(line.startswith("[2/2] keep | val_bpb 2 (-0.5) | idea 2") for line in lines)
    assert "done: val_bpb 2.5 -> 2 (-20.0 %); 1 kept on autoresearch/t" in lines


def test_a_run_without_a_number_claims_none() -> None:
    lost = replace(RUN[-1], kept=0, baseline=None, best=None, stop_reason="an error: exit code 127")
    assert shown([lost], json=False).splitlines()[0] == "done: nothing was measured"


def test_plain_lines_hold_no_cursor_movement_and_no_workflow_command() -> None:
    text = shown(RUN, json=False)
    assert not set(text) & {"\x1b", "\r", "\u202e"}
    assert "##[" not in text
    assert not any(line.lstrip().startswith("::") for line in text.split("\n"))


def test_json_is_one_event_a_line_and_no_workflow_command() -> None:
    text = shown(RUN, json=True)
    events = [json.loads(line) for line in text.splitlines()]
    assert [e["event"] for e in events].count("experiment-finished") == 3
    assert events[0]["goal"] == EVIL, "JSON carries the words as they were"
    assert "##[" not in text
    assert text.isascii()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_closed_stream_is_no_error(as_json: bool) -> None:
    stream = io.StringIO()
    stream.close()
    with make_progress(stream, json=as_json) as observer:
        for event in RUN:
            observer(event)


def test_an_ascii_stream_is_shown_what_it_can_say() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with make_progress(stream, json=False) as observer:
        observer(Note(message="Größe ≤ 3 µs"))
        observer(Note(message="still here"))
    assert raw.getvalue() == b"Gr\\xf6\\xdfe \\u2264 3 \\xb5s\nstill here\n"


SCRIPT = """
import sys
from autoresearch_ci.events import Note
from autoresearch_ci.report.console import make_progress
with make_progress(sys.stdout, json=sys.argv[1] == "json") as observer:
    for number in range(20000):
        observer(Note(message=f"line {number} " + "x" * 50))
print("finished", file=sys.stderr)
assert "rich" not in sys.modules
"""


@pytest.mark.parametrize("mode", ["json", "plain"])
def test_a_reader_that_leaves_stops_the_output_silently(mode: str, tmp_path: Path) -> None:
    errors = tmp_path / "stderr"
    with errors.open("w") as sink:
        child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, mode], stdout=subprocess.PIPE, stderr=sink
        )
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        code = child.wait(timeout=30)
    assert (code, errors.read_text()) == (0, "finished\n")


Show = Callable[[TextIO], AbstractContextManager[Observer]]
PROGRESS: Show = partial(make_progress, json=False)


class Slow(io.TextIOWrapper):
    """Of which it takes time to know what it is, `naps` times: a picture is due meanwhile."""

    naps = 0

    def isatty(self) -> bool:
        if self.naps and threading.current_thread() is threading.main_thread():
            self.naps -= 1
            time.sleep(0.3)
        return super().isatty()


def on_a_terminal(
    events: Sequence[Event],
    lines: Sequence[str] = (),
    *,
    naps: int = 0,
    show: Show = PROGRESS,
) -> str:
    """Everything that a real terminal would be sent."""
    master, slave = pty.openpty()
    pieces: list[bytes] = []

    def read() -> None:
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                return
            pieces.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    with (
        Slow(os.fdopen(slave, "wb"), encoding="utf-8") as stream,
        show(stream) as observer,
    ):
        stream.naps = naps
        for event in events:
            observer(event)
        say(lines, stream)
    reader.join(timeout=5)
    os.close(master)
    return b"".join(pieces).decode()


def test_the_live_display_shows_the_run_and_obeys_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    text = on_a_terminal(RUN)
    assert "iteration 2/2" in text
    assert "(-20.0 % from 2.5)" in text
    assert "candidate 2, 12 s, agreement 89 % over 3 votes | incumbent exit code 1" in text
    assert "done: val_bpb 2.5 -> 2" in text
    assert "\x1b[2J" not in text
    assert "##[" not in text
    assert "\u202e" not in text
    assert "[bold red]z[/]" in text, "markup in untrusted text is only text"
    assert text.rstrip("\r\n").rpartition("\x1b[?25")[2].startswith("h"), "the cursor is back"


def test_no_picture_is_drawn_into_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_a_terminal(RUN[:1], naps=3))
    assert re.search(r"(?m)^run t:", text)


def test_of_a_trial_a_terminal_shows_what_is_run_now_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    text = on_a_terminal([*RUN[1:4], *RUN[8:10]], show=stages_shown)
    assert re.search(r"0:00.* metric: .*bench", text)
    assert "candidate 2, 12 s" in text
    assert "deterministic" not in text, "its notes are for whoever asked for it to tell"
    assert re.search(r"\x1b\[2K\Z", text), "the picture is gone"
    stream = io.StringIO()
    with stages_shown(stream) as observe:
        observe(RUN[1])
    assert not stream.getvalue(), "a log has only what stays true"


def test_a_line_stays_of_each_candidate_and_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    text = on_a_terminal(RUN)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    for status, number in (("baseline", 0), ("crash", 1), ("keep", 2)):
        lines = re.findall(rf"^ *{number} {status} .*$", plain, re.MULTILINE)
        assert len(lines) == 1, "said once, and not wrapped"
        assert len(lines[0].rstrip()) <= 60
    assert re.search(r"\x1b\[1;32mkeep ", text)
    assert re.search(r"\x1b\[31mcrash ", text)


def test_how_far_it_is_is_not_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    shades = set(re.findall(r"\x1b\[([0-9;]*)m(?=━|╺|╸)", on_a_terminal(RUN)))
    cyan, grey = "36", "38;5;237"
    assert shades == {cyan, grey}


def test_how_long_it_may_take_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    begun = replace(RUN[0], iterations=4, minutes=5)
    assert "at most 4:59 left" in on_a_terminal([begun, *RUN[1:5]])
    assert "about 0:06 left" in on_a_terminal([begun, *RUN[1:-1]])  # two more of 3 s each
    assert " left" not in on_a_terminal([replace(RUN[0], minutes=None), *RUN[1:5]])


def test_colours_mean_something_and_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    lines = ["high         new  a.py", "medium (ok)  old", "passed", "[bold]whatever[/] high"]
    told = on_a_terminal(RUN[:0], lines)
    assert "\x1b[1;31mhigh\x1b[0m         new  a.py" in told
    assert "\x1b[33mmedium\x1b[0m (ok)" in told
    assert "\x1b[1;32mpassed" in told
    assert "[bold]whatever[/] high" in told
    monkeypatch.setenv("NO_COLOR", "1")
    told = on_a_terminal(RUN, lines)
    assert not re.search(r"\x1b\[(\d+;)*3[0-9]", told)
    stream = io.StringIO()
    say(lines, stream)
    assert stream.getvalue() == "\n".join([*lines, ""])


def test_what_to_type_next_is_told() -> None:
    end = replace(RUN[-1], branch="autoresearch/it's")
    first, second, third = next_steps(end, "a" * 40, "b" * 40)
    assert first.startswith("next: git log -p aaaaaaaaaaaa..'autoresearch/it'\"'\"'s'")
    assert second.startswith("next: git merge ")
    assert third.startswith("next: autoresearch-ci report --open")
    _, merge, _ = next_steps(replace(end, branch=""), "a" * 40, "b" * 40)
    assert merge.startswith(f"next: git merge {'b' * 12} ")
    reviewed = next_steps(replace(end, pull_request="http://x/1"), "a" * 40, "b" * 40)
    assert "review http" in reviewed[0]
    nothing = next_steps(replace(end, kept=0), "a" * 40, "a" * 40)
    assert [line.split()[2] for line in nothing] == ["report", "evals"]


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    text = on_a_terminal(RUN)
    assert "[2/2] guard: pytest -q" in text
    assert "\x1b" not in text
