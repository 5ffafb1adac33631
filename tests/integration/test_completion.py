"""`completion`: what bash completes with the printed script; zsh at least reads its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from autoresearch_ci.cli.main import run_cli

ASK = """
source "$1"; shift
function=$(complete -p autoresearch-ci | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
$function 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def bash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run_cli(["completion", "bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)
    return script


def offered(script: Path, *words: str) -> list[str]:
    argv = ["bash", "--norc", "-c", ASK, "bash", str(script), "autoresearch-ci", *words]
    done = subprocess.run(argv, cwd=script.parent, check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_commands_flags_and_words_are_completed(bash: Path) -> None:
    assert offered(bash, "re") == ["report"]
    assert offered(bash, "report", "--s") == ["--serve"]
    assert offered(bash, "evals", "--direction", "m") == ["minimize", "maximize"]
    assert offered(bash, "run", "--metric-n") == ["--metric-name"]
    assert offered(bash, "completion", "") == ["bash", "zsh"]


def test_where_a_file_is_meant_files_are_completed(bash: Path) -> None:
    (bash.parent / "results.tsv").touch()
    (bash.parent / "folder").mkdir()
    assert offered(bash, "evals", "res") == ["results.tsv"]
    assert offered(bash, "run", "--config", "res") == ["results.tsv"]
    assert offered(bash, "run", "--output", "fo") == ["folder"]
    assert offered(bash, "run", "--output", "res") == []


def test_zsh_can_read_its_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["completion", "zsh"]) == 0
    told = capsys.readouterr().out
    assert "--serve" in told
    if not shutil.which("zsh"):
        pytest.skip("there is no zsh here")
    script = tmp_path / "script"
    script.write_text(told)
    subprocess.run(["zsh", "-n", str(script)], check=True)
