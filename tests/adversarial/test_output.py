"""Our whole stdout and stderr, read as GitHub's runner reads it: nothing in it may be obeyed.

Every word that somebody else can choose carries workflow commands: descriptions, hypotheses, file
and folder names, commit messages, branch names, test ids, metric names, guards, goals, setup's and
guards' output, MCP servers, and the text of exceptions.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repo, Run, Script
from tests.forked import command_line
from tests.messages_api import MessagesApi, calls, submit, tool
from tests.runner_commands import COMMANDS, obeyed, payloads

Tally = Callable[[str, int], None]
KEY = {"ANTHROPIC_API_KEY": "sk-ant-canary"}
PRINTABLE = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]*")
HOSTILE_NAMES = (
    "##[error]pwn-folder",
    "::set-output name=x::pwn",
    "a\n::add-mask::pwn\rb ##[group]x",
    "b\x1b[2J\u202e##[add-matcher]pwn",
)


def sample(torture: bool) -> list[str]:
    """Each command and each place at least once; all combinations with --torture."""
    everything = payloads("pwn")
    places = len(everything) // len(COMMANDS)
    if torture:
        return everything
    return [everything[(i % len(COMMANDS)) * places + i % places] for i in range(places)]


@pytest.fixture
def hostile(repo: Repo, run: Run, tmp_path: Path) -> Run:
    """A run in a repository whose folder is called like a command."""
    place = tmp_path / "x ##[error]pwn" / "::debug::repo"
    place.parent.mkdir()
    repo.path.rename(place)
    return replace(run, repo=Repo(place))


def check(tally: Tally, tried: int, *texts: str, shown: str = "pwn") -> None:
    """Everything printed: harmless, printable, and it did hold what was tried."""
    found = [command for text in texts for command in obeyed(text)]
    tally("workflow commands tried", tried)
    tally("workflow commands obeyed", len(found))
    assert found == []
    whole = "\n".join(texts)
    assert shown in whole, "nothing was tried: the words never reached the output"
    assert all(PRINTABLE.fullmatch(line) for line in whole.split("\n"))


def call(run: Run, *arguments: str, real: bool = False, **variables: str) -> tuple[int, str, str]:
    """Our command line in a process of its own; its exit code and all that it printed.

    `real`: Python is started, not forked.
    """
    begin = partial(subprocess.Popen, [sys.executable, "-m", "autoresearch_ci", *arguments])
    if not real:
        begin = partial(command_line, arguments)
    with begin(
        cwd=run.repo.path,
        env={**os.environ, **variables, "TMPDIR": str(run.temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        out, err = process.communicate(timeout=120)
    assert b"Traceback" not in err, err.decode()
    # as bytes: neither carriage returns nor anything else may be translated on the way
    return process.returncode, out.decode(), err.decode()


def changes(words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What a hostile model proposes: each payload as a description and as a path."""
    for number, payload in enumerate(words):
        yield {"description": payload, "files": {"value": f"{20 + number}\n"}}
        yield {"description": "x", "files": {f"{number}{payload}".replace("\0", ""): "x\n"}}


@pytest.mark.parametrize("how", [(), ("--json",)], ids=["plain", "json"])
def test_a_run_with_hostile_models_names_and_output_obeys_nobody(
    hostile: Run, script: Script, tally: Tally, torture: bool, how: tuple[str, ...]
) -> None:
    words = sample(torture)
    script(*changes(words))
    metric = "cat value; printf '%s\\n' '::set-output name=a::pwn' 'x ##[error]pwn'"
    code, out, err = call(
        hostile,
        *hostile.arguments(
            *("--iterations", str(2 * len(words)), "--goal", words[0], "--set", "calibrate=never"),
            *("--set", r"metric.extract.regex=\A(.*)$", "--metric-name", "##[error]pwn"),
            *("--confirm", "never"),
            *("--guard", "echo '::warning::pwn ##[notice]x'; true #" + "##[group]pwn"),
            *how,
            metric=metric,
        ),
        real=True,
    )
    assert code == 0, err
    check(tally, 2 * len(words) + 5, out, err)
    events = [json.loads(line) for line in out.splitlines()] if how else []
    if how:
        assert events[0]["metric"] == "##[error]pwn", "JSON still means the same"


def test_what_lies_in_the_run_folder_obeys_nobody_when_it_is_printed(
    hostile: Run, script: Script, tally: Tally
) -> None:
    words = sample(torture=False)
    script(*changes(words))
    code, _, err = call(
        hostile, *hostile.arguments("--iterations", str(2 * len(words)), "--goal", words[1])
    )
    assert code == 0, err
    folder = hostile.repo.path / "autoresearch" / "run-t"
    names = ("summary.md", "run.json", "results.tsv", "progress.svg", "report.html")
    texts = [(folder / name).read_text(encoding="utf-8").replace("\t", " ") for name in names]
    check(tally, 4 * len(words), *texts)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_setup_command_that_fails_is_quoted_but_not_obeyed(
    hostile: Run, tally: Tally, torture: bool, name: str
) -> None:
    words = sample(torture)
    hostile.repo.write("out", "\n".join([name, *words[-19:]]))
    hostile.repo.commit()
    code, out, err = call(
        hostile, *hostile.arguments("--set", "setup=[cat out; cat out >&2; exit 3]")
    )
    assert code == 4, err
    check(tally, 40, out, err)


def test_an_unmeasurable_baseline_is_quoted_but_not_obeyed(
    hostile: Run, tally: Tally, torture: bool
) -> None:
    hostile.repo.write("out", "\n".join(sample(torture)))
    hostile.repo.commit()
    tried = 0
    for flags in (
        ("--metric", "cat out; exit 3"),
        ("--metric", "cat out", "--metric-name", "##[error]pwn"),
        ("--metric", "cat out", "--set", "metric.extract.json=$['##[error]pwn']"),
        ("--metric", "cat out value", "--guard", "cat out; false"),
    ):
        code, out, err = call(hostile, *hostile.arguments(*flags, metric=None))
        assert code == 4, err
        tried += 10
        check(tally, 10, out, err, shown="pwn")
    assert tried


def test_test_ids_are_quoted_but_not_obeyed(hostile: Run, tally: Tally) -> None:
    report = (
        '<testsuite><testcase name="##[error]pwn&#10;::add-mask::pwn" time="::x::"/></testsuite>'
    )
    hostile.repo.write("report", report)
    hostile.repo.commit()
    flags = ("--set", "metric.extract.junit=made.xml", "--set", "metric.extract.count=seconds")
    code, out, err = call(
        hostile, *hostile.arguments(*flags, metric="cp report made.xml; echo ::error::pwn")
    )
    assert code == 4
    check(tally, 3, out, err)


@pytest.mark.parametrize("how", [(), ("--json",)], ids=["plain", "json"])
def test_a_comparison_of_hostile_commits_obeys_nobody(
    hostile: Run, tally: Tally, how: tuple[str, ...]
) -> None:
    repo = hostile.repo
    for name in HOSTILE_NAMES:
        repo.write(f".github/{name}".replace("/::", "/::"), "x\n")
    repo.write("value", "9\n")
    repo.commit("##[error]pwn\n\n::set-output name=x::pwn")
    code, out, err = call(
        hostile,
        *("compare", "HEAD~1", "HEAD", "--scope", "value", "--metric", "cat value"),
        *("--metric-name", "##[error]pwn", "--set", "metric.extract.last_number=true", *how),
    )
    assert code == 0, err
    check(tally, len(HOSTILE_NAMES) + 3, out, err)
    if how:
        assert json.loads(out)["metric"] == "##[error]pwn"


def test_the_configuration_is_shown_but_not_obeyed(
    hostile: Run, tally: Tally, torture: bool
) -> None:
    words = [word.replace("\0", "") for word in sample(torture)]
    scope = [word for flag in words for word in ("--scope", flag)]
    for how in ((), ("--json",)):
        code, out, err = call(
            hostile, "config", "--metric", words[0], *scope, "--goal", "##[error]pwn", *how
        )
        assert code == 0, err
        check(tally, len(words) + 1, out, err)
        if how:
            assert json.loads(out)["goal"]["value"] == "##[error]pwn"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--tag", "x\n::error::pwn", "--scope", "value", "--metric", "m"],
        ["run", "x\n::error::pwn ##[error]pwn"],
        ["::error::pwn\n::error::pwn"],
        ["run", "--scope", "a", "--metric", "m", "--set", "metric.min_effect=\n::error::pwn"],
        ["run", "--config", "no\n::error::pwn"],
        ["run", "--scope", "##[error]pwn", "--metric", "m"],
        ["run", "--proposer", "script:no\n::error::pwn", "--scope", "value", "--metric", "m"],
        ["compare", "HEAD", "no\n::error::pwn", "--scope", "value", "--metric", "m"],
        ["compare", "HEAD", "HEAD", "--fail-on", "\n::error::pwn"],
        [
            "compare",
            "HEAD",
            "HEAD",
            "--fail-on",
            "claim-not-reproduced",
            "--claim",
            "\n::debug::pwn",
        ],
    ],
)
def test_errors_of_usage_are_shown_but_not_obeyed(
    hostile: Run, tally: Tally, arguments: list[str]
) -> None:
    code, out, err = call(hostile, *arguments)
    assert code in (2, 3, 5), (out, err)
    check(tally, 1, out, err)


def test_the_configuration_files_own_mistakes_are_shown_but_not_obeyed(
    hostile: Run, tally: Tally, torture: bool
) -> None:
    for number, word in enumerate(sample(torture)):
        text = json.dumps({word: word, "scope": {word: 1}, "metric": [word], "goal": ["pwn"]})
        hostile.repo.write(f"c{number}.yml", text)
        if number % 6 and not torture:
            continue
        code, out, err = call(hostile, "config", "--config", f"c{number}.yml")
        assert code == 2
        check(tally, 4, out, err, shown="c")


def test_a_hostile_model_is_quoted_but_not_obeyed(
    hostile: Run, tally: Tally, torture: bool
) -> None:
    words = sample(torture)
    with MessagesApi() as api:
        for word in words:
            api.answer(calls(tool(word[:60], path=word), tool("read", path=word)))
            edit = tool(
                "str_replace_based_edit_tool", command="create", path="value", file_text="9"
            )
            api.answer(calls(edit, submit(word or "x", hypothesis=word, next=word)))
        flags = (
            "--iterations",
            str(len(words)),
            "--set",
            "claude.dialect=native",
            "--set",
            f"claude.base_url={api.url}",
            "--set",
            "calibrate=never",
        )
        code, out, err = call(hostile, *hostile.arguments(*flags, proposer="claude"), **KEY)
        assert code == 0, err
        assert api.unused == 0, "every answer was asked for"
    check(tally, 5 * len(words), out, err)


def test_the_next_prompt_is_shown_but_not_obeyed(hostile: Run, tally: Tally, torture: bool) -> None:
    words = sample(torture)
    hostile.repo.write("value", "\n".join(words))
    hostile.repo.write("program.md", "\n".join(words))
    hostile.repo.commit()
    scope = ("--scope", "value", "--metric", "cat value", "--set", "program=program.md")
    code, out, err = call(
        hostile, "prompt", *scope, "--goal", words[2], "--proposer", "claude", **KEY
    )
    assert code == 0, err
    json.loads(out)
    check(tally, 2 * len(words) + 1, out, err)
    code, out, err = call(
        hostile, "prompt", *scope, "--goal", words[2], "--config", os.devnull + "x"
    )
    assert code == 2


def test_an_agent_that_fails_is_quoted_but_not_obeyed(
    hostile: Run, tally: Tally, torture: bool, tmp_path: Path
) -> None:
    words = sample(torture)
    said = tmp_path / "said"
    said.write_text("\n".join(words), encoding="utf-8")
    config = {
        "scope": ["value"],
        "metric": {"command": "cat value"},
        "proposer": {"command": f"tail -n 9 {said}; exit 7"},
        "iterations": 9,
    }
    hostile.repo.write("c.yml", json.dumps(config))
    code, out, err = call(hostile, "run", "--tag", "t", "--config", "c.yml")
    assert code == 5, (out, err)
    check(tally, 9, out, err)


def test_a_mistake_of_our_own_is_shown_but_not_obeyed(tally: Tally, torture: bool) -> None:
    words = sample(torture)
    program = (
        "import sys, warnings\n"
        "from autoresearch_ci.safety.output_streams import guard_output\n"
        "guard_output()\n"
        "words = sys.stdin.read()\n"
        "warnings.warn(words)\n"
        "print(words)\n"
        "raise RuntimeError(words)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="\n".join(words).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"RuntimeError" in done.stderr
    check(tally, 3 * len(words), done.stdout.decode(), done.stderr.decode())
