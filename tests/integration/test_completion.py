"""`completion`: what bash, zsh and fish complete with the printed script."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
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
    assert offered(bash, "completion", "") == ["bash", "zsh", "fish"]


def test_where_a_file_is_meant_files_are_completed(bash: Path) -> None:
    (bash.parent / "results.tsv").touch()
    (bash.parent / "folder").mkdir()
    assert offered(bash, "evals", "res") == ["results.tsv"]
    assert offered(bash, "run", "--config", "res") == ["results.tsv"]
    assert offered(bash, "run", "--output", "fo") == ["folder"]
    assert offered(bash, "run", "--output", "res") == []


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish here")
@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("rep", ["report"]),
        ("init --use ", ["fix", "gate", "nightly"]),
        ("score comp", ["complexity"]),
        ("score time --vers", []),
        ("run --metric-n", ["--metric-name"]),
        ("run --config ", ["folder/", "results.tsv"]),
        ("run --output ", ["folder/"]),
    ],
)
def test_fish_completes_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, answers: list[str]
) -> None:
    assert run_cli(["completion", "fish"]) == 0
    (tmp_path / ".script").write_text(capsys.readouterr().out)
    (tmp_path / "results.tsv").touch()
    (tmp_path / "folder").mkdir()
    asked = f"source .script; complete -C 'autoresearch-ci {line}'"
    argv = ["fish", "--no-config", "-c", asked]
    done = subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert [each.split("\t")[0] for each in done.stdout.splitlines()] == answers


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh here")
@pytest.mark.parametrize("how", ["source {}", 'eval "$(cat {})"', "source <(cat {})"])
def test_zsh_completes_however_it_is_given_the_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    assert run_cli(["completion", "zsh"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    terminal, theirs = os.openpty()
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"],
        cwd=tmp_path,
        env={**os.environ, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    told = b""

    def says(words: str, answer: str) -> None:
        nonlocal told
        os.write(terminal, words.encode())
        told, until = b"", time.monotonic() + 60
        while answer.encode() not in told:
            assert time.monotonic() < until, told
            if select.select([terminal], [], [], 1)[0]:
                told += os.read(terminal, 65536)

    try:
        says("autoload -U compinit; compinit -u -D; echo rea''dy\n", "ready\r")
        says(how.format("script") + "; echo rea''d\n", "read\r")
        says("autoresearch-ci eva\t", "evals")
        says("--direction ma\t", "maximize")
    finally:
        shell.kill()
        shell.wait()
        os.close(theirs)
        os.close(terminal)
