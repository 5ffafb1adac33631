"""Metric commands that fail now and then: whose fault that is, and how often they are run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Repo, Run, Script


@pytest.fixture
def calls(tmp_path: Path, repo: Repo) -> Path:
    """One character a call of `./metric`: the first of `value`. Fails at the calls in `fails`."""
    repo.write(
        "metric",
        f"#!/bin/sh\nhead -c1 value >> {tmp_path}/calls\nn=$(wc -c < {tmp_path}/calls)\n"
        f'if grep -qswe "$n" {tmp_path}/fails; then exit 7; fi\ncat value\n',
        mode=0o755,
    )
    repo.commit("metric")
    return tmp_path / "calls"


def fails(calls: Path, *numbers: int) -> None:
    calls.with_name("fails").write_text("".join(f"{number}\n" for number in numbers))


def to(*values: int) -> list[dict[str, object]]:
    return [{"description": f"to {value}", "files": {"value": f"{value}\n"}} for value in values]


FLAGS = {"metric": "./metric", "metric-repeats-max": "1", "calibrate": "never", "confirm": "never"}


def test_a_metric_that_fails_on_the_incumbent_too_blames_no_candidate(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 2, 5)
    script(*to(9))
    done = run(**FLAGS)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert calls.read_text() == "19911"
    assert "the metric command failed once (exit code 7)" in done.rows[1]["reason"]
    assert done.rows[1]["samples"] == "4"
    log = (done.folder / "logs" / "1.log").read_text()
    assert log.count("[metric] exit code 7") == 2


def test_once_a_metric_is_known_to_be_flaky_a_second_run_is_enough(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 1, 3, 5)
    script(*to(9, 8))
    done = run(**FLAGS)
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    assert calls.read_text() == "119988"
    assert "the metric command fails now and then" in done.told


def test_a_candidate_that_makes_a_sound_metric_unsound_is_refused(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 2)
    script(*to(9))
    done = run(**FLAGS)
    assert done.column("status") == ["baseline", "crash"], done.told
    assert "never failed in 3 runs on the incumbent" in done.rows[1]["reason"]
    assert calls.read_text() == "199111"


def test_what_fails_twice_fails(run: Run, script: Script, calls: Path) -> None:
    fails(calls, 2, 3)
    script(*to(9))
    done = run(**FLAGS)
    assert done.column("status") == ["baseline", "crash"], done.told
    assert done.rows[1]["reason"] == "exit code 7"
    assert calls.read_text() == "199"


def test_a_metric_that_fails_twice_on_the_unmodified_code_ends_the_run(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 1, 2)
    script(*to(9))
    assert run(**FLAGS).code == 4
    assert calls.read_text() == "11"


def test_what_takes_too_long_is_not_tried_again(run: Run, script: Script, calls: Path) -> None:
    script(*to(9))
    slow = "./metric; if grep -q 9 value; then sleep 9; fi"
    done = run(**{**FLAGS, "metric": slow, "metric-timeout": "1s"})
    assert done.column("status") == ["baseline", "crash"], done.told
    assert calls.read_text() == "19"


def test_what_is_known_of_a_metric_survives_a_resumption(
    run: Run, script: Script, calls: Path
) -> None:
    fails(calls, 1, 3)
    script(*to(9))
    run("--iterations", "0", **FLAGS)
    done = run("--resume", "--iterations", "1", **FLAGS)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert calls.read_text() == "1199"


def test_a_metric_that_fails_every_fifth_time_turns_no_verdict_into_a_wrong_one(
    run: Run, script: Script, calls: Path, torture: bool, tally: Callable[[str, int], None]
) -> None:
    """Once it is known: only two failures in a row, one in 25, cost a candidate its verdict."""
    import random

    count = 200 if torture else 24
    dice = random.Random(24)
    odd = [n for n in range(1, 4 * count) if dice.random() < 0.2]
    fails(calls, 1, *(n for n in odd if n > 2))
    wanted, values, best = ["baseline"], [], 1000
    for _ in range(count):
        better = dice.random() < 0.5
        values.append(best - 1 if better else best + 1 + len(values))
        best = min(best, values[-1])
        wanted.append("keep" if better else "discard")
    script({"description": "start", "files": {"value": "1000\n"}}, *to(*values))
    calls.parent.joinpath("repo", "value").write_text("1001\n")
    run.repo.commit("more room")
    done = run("--iterations", str(count + 1), **FLAGS)
    verdicts = done.column("status")[2:]
    wrong = [pair for pair in zip(wanted[1:], verdicts, strict=True) if len({*pair}) > 1]
    tally("false keeps of a flaky metric", sum(got == "keep" for _, got in wrong))
    assert [got for _, got in wrong if got == "keep"] == []
    assert len(wrong) <= 0.04 * count + 3 * (0.04 * count) ** 0.5, wrong
