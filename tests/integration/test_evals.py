"""`evals` as a user calls it: on the journal of a run, on a peer's, as a gate."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.experiment import Direction, Status
from autoresearch_ci.record.journal_tsv import format_row, header
from tests.unit.decide.test_trend import CRASH, DISCARD, KEEP, journal

NIGHT = Path(__file__).parents[2] / "examples/trainer-nightly/results.tsv"


def written(path: Path, tried: list[tuple[Status, float | None]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(format_row(row) for row in journal(tried))
    path.write_text(header(Direction.MINIMIZE) + rows)
    return path


STUCK = [(KEEP, 90.0), *[(DISCARD, 91.0 + n % 3) for n in range(12)]]
GOOD = [(KEEP, 90.0), (KEEP, 70.0)]


def test_the_shipped_night_is_told_as_text_markdown_and_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_cli(["evals", str(NIGHT)]) == 0
    text = capsys.readouterr().out
    assert "val_bpb, lower is better" in text
    assert "recommendation" in text
    assert run_cli(["evals", str(NIGHT), "--format", "markdown"]) == 0
    assert "| experiments | 60: 5 kept" in capsys.readouterr().out
    assert run_cli(["evals", str(NIGHT), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["journals"][0]
    assert (told["iterations_run"], told["keeps"], told["plateau_detected"]) == (60, 5, False)


@pytest.mark.parametrize(
    ("tried", "words", "code"),
    [
        (STUCK, ["--fail-on", "plateau"], 1),
        (GOOD, ["--fail-on", "plateau"], 0),
        ([(KEEP, 110.0)], ["--fail-on", "regression"], 1),
        (GOOD, ["--fail-on", "regression"], 0),
        (GOOD, ["--fail-on", "goal-missed", "--goal", "60"], 1),
        (GOOD, ["--fail-on", "plateau,goal-missed", "--goal", "70"], 0),
        (GOOD, ["--fail-on", "goal-missed"], 2),
        (GOOD, ["--fail-on", "plato"], 2),
        ([(CRASH, None)] * 9, ["--fail-on", "plateau"], 0),
        (GOOD, ["--fail-on", "goal-missed", "--goal", "nan"], 2),
        (GOOD, ["--fail-on", "plateau", "--window", "0"], 2),
        (GOOD, ["--forecast", "-5"], 2),
    ],
)
def test_it_fails_on_what_it_was_told_to_and_on_nothing_else(
    tried: list[tuple[Status, float | None]], words: list[str], code: int, tmp_path: Path
) -> None:
    assert run_cli(["evals", str(written(tmp_path / "results.tsv", tried)), *words]) == code


@pytest.mark.parametrize("words", [("--fail-on", "regression"), ("--fail-on", "plateau")])
def test_a_journal_without_a_number_is_not_clean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    empty = written(tmp_path / "a.tsv", [])
    text = empty.read_text().replace("\tbaseline\t", "\tmetric-error\t").replace("\t100\t", "\t-\t")
    empty.write_text(text)
    assert run_cli(["evals", str(empty), *words]) == 1
    assert "holds no number" in capsys.readouterr().out
    good = written(tmp_path / "b.tsv", GOOD)
    assert run_cli(["evals", "--compare", str(empty), str(good), *words]) == 1
    assert run_cli(["evals", str(empty)]) == 0


def test_the_goal_is_the_runs_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "results.tsv", GOOD)
    config = {"metric.name": "ms", "metric.target": 50}
    path.with_name("run.json").write_text(json.dumps({"config": config}))
    assert run_cli(["evals", str(path), "--fail-on", "goal-missed"]) == 1
    assert "ms, lower is better" in capsys.readouterr().out


def test_two_nights_stand_side_by_side_and_the_worse_one_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = written(tmp_path / "a.tsv", GOOD), written(tmp_path / "b.tsv", STUCK)
    asked = ["--fail-on", "regression"]
    assert run_cli(["evals", "--compare", str(one), str(other), *asked]) == 1
    assert "a.tsv gained more" in capsys.readouterr().out
    assert run_cli(["evals", "--compare", str(other), str(one), *asked]) == 0


def test_a_forecast_is_told_in_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["evals", str(NIGHT), "--forecast", "25"]) == 0
    assert "25 more experiments: " in capsys.readouterr().out
    assert run_cli(["evals", str(NIGHT), "--forecast", "25", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["journals"][0]["forecast"]
    assert told["seconds"][0] <= told["seconds"][1]


def test_metrics_of_two_directions_are_not_compared(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a.tsv", GOOD), tmp_path / "b.tsv"
    other.write_text(header(Direction.MAXIMIZE) + "".join(map(format_row, journal(GOOD))))
    assert run_cli(["evals", "--compare", str(one), str(other)]) == 2


def test_without_a_name_it_is_the_newest_journal_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_cli(["evals"]) == 2
    assert "no journal" in capsys.readouterr().err
    old = written(tmp_path / "autoresearch/run-1/results.tsv", STUCK)
    written(tmp_path / "autoresearch/run-2/results.tsv", GOOD)
    os.utime(old, (1, 1))
    assert run_cli(["evals"]) == 0
    assert capsys.readouterr().out.startswith("autoresearch/run-2/results.tsv: ")


def test_words_of_a_journal_are_only_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.tsv"
    cell = "::error::x <img src=x> @someone \x1b[31m"
    text = "# metric_direction: lower_is_better\ncommit\tms\tmemory_gb\tstatus\tdescription\n"
    path.write_text(f"{text}a\t2\t0\tkeep\tbaseline\nb\t1\t0\tkeep\t{cell}\n")
    for form in ("text", "markdown", "json"):
        assert run_cli(["evals", str(path), "--format", form]) == 0
        out = capsys.readouterr().out
        assert not any(line.startswith("::") for line in out.splitlines())
        assert "\x1b" not in out
        if form == "markdown":
            assert "<img" not in out
            assert "@someone" not in out
