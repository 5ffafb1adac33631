"""`autoresearch-ci doctor`: every row a check, the exit code that of the run that would fail."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.messages_api import MessagesApi, error

if TYPE_CHECKING:
    from tests.conftest import Repo


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(repo.path)
    return repo


def doctor(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, Any]]:
    proposer = ("--proposer", "{command: cat}")  # `value` holds nothing that the search can tune
    code = run_cli(["doctor", "--json", "--scope", "value", *proposer, *flags])
    return code, {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_good_place_has_no_failure_and_every_check_a_row(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    before = here.photograph()
    code, rows = doctor(capsys, "--metric", "cat value", "--set", "sandbox.user=keep")
    assert code == 0
    assert {row["state"] for row in rows.values()} <= {"ok", "warn"}
    names = "python git disk configuration repository metric proposer user landlock view "
    names += "seccomp network services gpu baseline"
    assert set(names.split()) <= set(rows)
    assert here.photograph() == before
    assert not (here.path / ".git" / "autoresearch").exists()


def test_what_a_job_requires_is_told_by_variables_that_our_process_has_no_more(
    here: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
        flags = ["doctor", "--quick", "--scope", "value", "--metric", "cat value"]
        run_cli(flags, {**os.environ, name: "true"})
        assert ", container is required" in capsys.readouterr().out


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
    flags = ("--quick", "--metric", "no-such-program", "--set", "setup=[make it]")
    code, rows = doctor(capsys, *flags)
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


SEARCH = ("--proposer", "search")


@pytest.mark.parametrize(
    ("flags", "row", "code", "words"),
    [
        (("--proposer", "{command: no-such-agent}"), "proposer", 5, "not on PATH"),
        (("--proposer", "claude-code"), "proposer", 5, "ANTHROPIC_API_KEY"),
        (("--proposer", "script:/nofile"), "proposer", 2, "/nofile"),
        (SEARCH, "proposer", 5, "tune"),
        (("--metric", "sh bench.sh"), "baseline", 4, "git add bench.sh"),
        (("--metric", "echo none"), "baseline", 4, "no number"),
        (("--guard", "exit 3"), "baseline", 4, "exit code 3"),
        (("--set", "setup=[exit 5]"), "baseline", 4, "exit code 5"),
        (("--set", "holdout.command=exit 6"), "baseline", 4, "holdout"),
        (("--set", "hooks=true"), "baseline", 4, "the pre-commit hook refuses"),
    ],
)
def test_what_would_stop_a_run_is_said_before_it(
    here: Repo,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    row: str,
    code: int,
    words: str,
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    here.write("bench.sh", "echo 1\n")
    here.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n", mode=0o755)
    metric = () if "--metric" in flags else ("--metric", "cat value")
    found, rows = doctor(capsys, *metric, *flags)
    told = rows[row]
    assert (found, told["state"]) == (code, "fail"), rows
    assert words in told["found"] + told["cure"], rows


@pytest.mark.parametrize("refused", [True, False])
def test_a_service_that_would_refuse_the_run_is_asked_before_it(
    here: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    with MessagesApi() as api:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        api.model = error(401, "authentication_error") if refused else api.model
        flags = ("--quick", "--metric", "cat value", "--proposer", "claude")
        code, rows = doctor(capsys, *flags)
        assert len(api.headers) == 1
        assert api.requests == []
    told = rows["proposer"]
    assert (code, told["state"]) == ((5, "fail") if refused else (0, "ok")), rows
    assert ("refused the key in ANTHROPIC_API_KEY" in told["found"]) == refused


def test_a_bad_annotation_is_said_with_its_place(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    here.write("value", "x = 10  # tune: nonsense..\n")
    here.commit()
    code, rows = doctor(capsys, "--metric", "echo 1", *SEARCH)
    assert (code, rows["proposer"]["state"]) == (5, "fail")
    assert "value:1" in rows["proposer"]["found"]


def test_a_trial_leaves_nothing_and_quick_makes_none(
    here: Repo, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = here.photograph()
    mark = tmp_path / "mark"
    flags = ("--metric", f"touch {mark}; cat value", "--set", f"sandbox.write=[{tmp_path}]")
    code, rows = doctor(capsys, *flags, "--quick")
    assert (code, "baseline" in rows, mark.exists()) == (0, False, False)
    code, rows = doctor(capsys, *flags)
    assert (code, rows["baseline"]["state"], mark.exists()) == (0, "ok", True), rows
    assert rows["baseline"]["found"].startswith("10 in ")
    assert here.photograph() == before
    assert not (here.path / ".git" / "autoresearch").exists()


def test_a_build_is_offered_the_line_that_keeps_its_outputs(
    here: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--quick", "--metric", "cat value")
    assert "cache" not in doctor(capsys, *flags)[1]
    here.write("Cargo.toml", "[package]\n")
    here.write("tools/go.mod", "module m\n")
    here.commit("two builds")
    _, rows = doctor(capsys, *flags)
    assert rows["cache"]["state"] == "ok"
    line, _, more = rows["cache"]["cure"].partition("   # ")
    assert line == "cache: [target/, tools/.cache/go-build/]"
    assert "GOCACHE=$PWD/.cache/go-build" in more
    assert "cache" not in doctor(capsys, *flags, "--set", line.replace(": ", "=", 1))[1]
