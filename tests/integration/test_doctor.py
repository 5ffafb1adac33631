"""`autoresearch-ci doctor`: every row a check, the exit code that of the run that would fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.main import run_cli

if TYPE_CHECKING:
    from tests.conftest import Repo


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(repo.path)
    return repo


def doctor(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, Any]]:
    code = run_cli(["doctor", "--json", "--scope", "value", *flags])
    return code, {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_good_place_has_no_failure_and_every_check_a_row(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    before = here.photograph()
    code, rows = doctor(capsys, "--metric", "cat value", "--set", "sandbox.user=keep")
    assert code == 0
    assert {row["state"] for row in rows.values()} <= {"ok", "warn"}
    names = "python git disk configuration repository metric proposer user landlock namespaces "
    names += "seccomp network services gpu"
    assert set(names.split()) <= set(rows)
    assert here.photograph() == before
    assert not (here.path / ".git" / "autoresearch").exists()


def test_the_table_names_the_state_the_check_and_the_cure(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["doctor", "--scope", "value", "--metric", "no-such-program"]) == 4
    told = capsys.readouterr().out
    row = next(line for line in told.splitlines() if "metric" in line)
    assert row.split()[:3] == ["fail", "metric", "no-such-program"]
    assert "install it" in told


def test_a_program_that_setup_may_install_is_a_warning(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    code, rows = doctor(capsys, "--metric", "no-such-program", "--set", "setup=[make it]")
    assert (code, rows["metric"]["state"]) == (0, "warn")


def test_a_bad_configuration_is_a_failure_with_its_exit_code(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    code, rows = doctor(capsys, "--metric", "cat value", "--set", "sandbox.network=maybe")
    assert (code, rows["configuration"]["state"]) == (2, "fail")
    code, rows = doctor(capsys, "--metric", "cat value", "--scope", "nothing-there")
    assert code == 0, "one of the globs matches"
    code, rows = doctor(capsys, "--metric", "cat value", "--set", "sandbox.user=no-such-user")
    assert (code, rows["user"]["state"]) == (2, "fail")


def test_a_folder_without_a_repository_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, rows = doctor(capsys, "--metric", "cat value")
    assert (code, rows["repository"]["state"]) == (3, "fail")
    assert "git init" in rows["repository"]["cure"]
