"""With `--json`, standard output is JSON of the shape that docs/json.md says, and nothing else."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoresearch_ci.cli.arguments import make_parser
from autoresearch_ci.cli.main import run_cli

if TYPE_CHECKING:
    from tests.conftest import Repo, Run, Script

PAGE = (Path(__file__).parents[2] / "docs/json.md").read_text(encoding="utf-8")
VISIBLE = ("--set", "sandbox.read_only=false", "--set", "sandbox.user=keep")


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    repo.write(
        "bench.py", "import work\n\nif __name__ == '__main__':\n    print(f'steps: {work.N}')\n"
    )
    repo.write("work.py", "N = 10  # TODO: fewer\n")
    repo.commit()
    monkeypatch.chdir(repo.path)
    ours = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{ours}{os.pathsep}{os.environ['PATH']}")
    return repo


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every one, also `score`'s kinds."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                nested = [(f"{name} {kind}", each) for kind, each in commands(inner)]
                yield from nested or [(name, inner)]


def test_every_command_with_a_result_tells_it_to_programs_and_the_page_says_how() -> None:
    silent = [n for n, each in commands(make_parser()) if "--json" not in each.format_help()]
    assert silent == ["completion"]
    untold = {n.split()[0] for n, _ in commands(make_parser())} - {"completion"}
    assert [name for name in sorted(untold) if f"`{name}" not in PAGE] == []


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["config"], {"metric.command"}),
        (["init", "--dry-run", "--quick"], {"files", "found", "trial", "written"}),
        (["fix", "--dry-run", "--target", "true"], {"targets", "unread"}),
        (["fix", "--check", "--staged"], {"verdict", "reason", "failures", "items", "folder"}),
        (["predict", "--dry-run", "--goal", "a plan"], {"program", "commit", "roles", "talks"}),
        (["prompt", "--proposer", "claude-code"], {"text", "tokens", "counted", "bytes"}),
        (["score", "marks", "*.py"], {"marks"}),
        (["score", "time", "echo", "hello"], {"seconds", "cpu_seconds", "peak_memory_mb"}),
        (["score", "lines", "cat work.py"], {"lines"}),
        (["security", "--iterations", "0"], {"verdict", "reason", "findings", "items", "folder"}),
        (["log"], {"notebooks"}),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
def test_standard_output_is_one_object_and_nothing_else(
    here: Repo, capfd: pytest.CaptureFixture[str], words: Sequence[str], keys: set[str]
) -> None:
    needs = words[0] in ("config", "prompt")
    repeated = ["--scope", "value", "--metric", "cat value"] if needs else []
    at = 2 if words[0] == "score" else 1
    code = run_cli([*words[:at], "--json", *words[at:], *repeated])
    out, err = capfd.readouterr()
    assert code in (0, 1), err
    found = json.loads(out)
    wanted = keys - {"peak_memory_mb"}  # of a process too small to be told apart there is none
    assert wanted <= set(found), found.keys()


@pytest.mark.parametrize(
    "words",
    [
        ["init", "--goal", "world peace"],
        ["init", "--no-such-flag"],
        ["run"],
        ["compare", "HEAD", "nothing-here"],
        ["score", "size", "*.none"],
        ["score", "nothing"],
        ["log", "show", "x"],
        ["evals", "none.tsv"],
        ["publish", "--bundle", "none"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_what_fails_before_there_is_a_result_is_an_object_as_well(
    here: Repo, capfd: pytest.CaptureFixture[str], words: Sequence[str]
) -> None:
    at = 2 if words[0] == "score" else 1
    try:
        code = run_cli([*words[:at], "--json", *words[at:]])
    except SystemExit as ended:  # argparse's way
        code = int(ended.code or 0)
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert found["event"] == "error"
    assert found["exit_code"] == code != 0
    assert found["error"].splitlines()[0] in err


def test_a_gate_that_fails_behind_its_result_adds_no_object_to_it(
    here: Repo, capfd: pytest.CaptureFixture[str]
) -> None:
    here.write("value", "20\n")
    here.commit()
    words = ["--metric", "cat value", "--scope", "value", "--fail-on", "regression", "--json"]
    assert run_cli(["compare", "HEAD~1", "HEAD", *words, *VISIBLE]) == 1
    assert json.loads(capfd.readouterr().out)["comparison"]["verdict"]


def test_init_writes_and_tells_what_it_has_tried(
    here: Repo, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["init", "--json", *VISIBLE]) == 0
    found = json.loads(capfd.readouterr().out)
    for path, content in found["files"].items():
        assert (here.path / path).read_text() == content
    assert found["written"] is True
    assert set(found["trial"]["values"]) == {10.0}
    assert found["found"]["benchmarks"] == ["python bench.py"]


def test_a_run_tells_an_event_a_line(run: Run, script: Script) -> None:
    script({"description": "better", "files": {"value": "9\n"}})
    done = run("--json")
    events: list[dict[str, Any]] = [json.loads(line) for line in done.out.splitlines()]
    assert events[0]["event"] == "run-started"
    assert events[-1]["event"] == "run-finished"
    for name in {event["event"] for event in events}:
        assert f"`{name}`" in PAGE
