"""Calls that nobody means to make: refused with a sentence, never with a traceback."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.cli import config
from autoresearch_ci.cli.compare_gate import parse_gate
from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.errors import ConfigError

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script


def test_a_branch_that_is_in_the_way_of_ours_is_refused_before_the_baseline(
    run: Run, script: Script, repo: Repo
) -> None:
    repo.git("branch", "autoresearch")
    script({"description": "better", "files": {"value": "9\n"}})
    done = run()
    assert done.code == 3
    assert "a branch autoresearch exists" in done.err
    assert not done.rows


def test_a_folder_as_configuration_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    done = run("--config", str(tmp_path))
    assert done.code == 2
    assert "is a folder" in done.err


@pytest.mark.parametrize("command", ["run", "config", "score size value", "report", "doctor"])
def test_a_working_folder_that_was_deleted_is_refused_with_what_to_do(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run_cli(command.split()) == 3
    told = capsys.readouterr().err
    assert "is not there any more" in told
    assert 'cd "$PWD"' in told


def test_a_working_folder_that_is_deleted_while_we_start_is_told_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)

    read = config.main

    def deleted_meanwhile(options: Namespace) -> int:
        gone.rmdir()
        return read(options)

    monkeypatch.setattr(config, "main", deleted_meanwhile)
    assert run_cli(["config"]) == 3
    assert "is not there any more" in capsys.readouterr().err


def test_a_flag_that_is_none_is_a_usage_error_that_names_the_nearest(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run("--metric-min-efect", "1%")
    assert ended.value.code == 2
    assert "--metric-min-efect 1%\ndid you mean: --metric-min-effect\n" in capsys.readouterr().err


def test_the_name_of_a_key_is_a_flag_that_the_help_does_not_list(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--iterations", "0", "--metric-min-effect", "1%").code == 0
    with pytest.raises(SystemExit):
        run("--help")
    assert "--metric-min-effect" not in capsys.readouterr().out


KEY = "sk-ant-" + "api03-AAAAbbbbCCCCddddEEEE1234567890xyz"


@pytest.mark.parametrize(
    "words",
    [
        *(["security", f"--api-key={KEY}"], ["security", "--api-key", KEY], [KEY]),
        *(["security", "--fail-on", KEY], ["evals", "--goal", KEY], ["predict", KEY]),
        *(["run", "--set", f"metric.timeout={KEY}"], ["run", "--iterations", KEY]),
        *(["security", "--config", KEY], ["security", "--diff", KEY], ["report", KEY]),
        *(["log", "--grep", f"[{KEY}"], ["publish", "--bundle", KEY]),
    ],
    ids=lambda words: " ".join(word.replace(KEY, "KEY") for word in words),
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_token_on_the_command_line_is_not_repeated(
    repo: Repo,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    flags: list[str],
) -> None:
    monkeypatch.chdir(repo.path)
    try:
        code = run_cli([*words, *flags], {})
    except SystemExit as ended:  # argparse's way
        code = int(ended.code or 0)
    told = "".join(capfd.readouterr())
    assert code
    assert "sk-ant-api03-***" in told
    assert "CCCCddddEEEE" not in told


@pytest.mark.parametrize("margin", ["1.2.3", ".", "", "-1"])
def test_a_margin_that_is_no_number_is_a_usage_error(margin: str) -> None:
    with pytest.raises(ConfigError, match="expected regression"):
        parse_gate([f"regression:{margin}%"], None)


@pytest.mark.parametrize(
    "text",
    [
        '{"confirmation": {"ci_low": NaN}}',
        '{"confirmation": {"ci_low": -Infinity}}',
        "[" * 20_000,
        "5 % [95 % CI ., .], n=5+5",
    ],
)
def test_a_claim_that_is_no_number_fails_closed(tmp_path: Path, text: str) -> None:
    claim = tmp_path / "claim"
    claim.write_text(text)
    with pytest.raises(ConfigError):
        parse_gate(["claim-not-reproduced"], claim)
