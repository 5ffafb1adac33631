"""`fix`: repairs count by the set of failures, whatever a proposer answers.

Real ruff and pytest where their own ways matter, else a target of a few lines of shell.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.cli.main import run_cli
from autoresearch_ci.measure import suite_observer
from tests.conftest import FEW_PLUGINS, Repo, Result, Run, Script
from tests.faults.invariant import wait_for

Fix = Callable[..., Result]

TARGET = r"""
fix:
  targets:
    - tool: marks
      command: grep -Hn BAD *.txt; test $? != 2
      regex: '(?P<path>[\w.]+):(?P<line>\d+):(?P<message>.*)'
      category: {category}
"""
TARGETS = {
    "pytest": "{tool: pytest, command: 'python -m pytest -q --junitxml {report}'}",
    "ruff": "{tool: ruff, command: 'ruff check --output-format json --output-file {report} .'}",
}
PYTHON = {
    "pyproject.toml": "[tool.ruff]\n",
    "calc.py": (
        "import os\n\n\ndef add(a, b):\n    return a - b\n\n\ndef half(a):\n    return a // 2\n"
    ),
    "test_calc.py": (
        "from calc import add, half\n\n\n"
        "def test_add():\n    assert add(1, 2) == 3\n\n\n"
        "def test_half():\n    assert half(4) == 2\n"
    ),
}
ADD = {"path": "calc.py", "old": "a - b", "new": "a + b"}
IMPORT = {"path": "calc.py", "old": "import os\n\n\n", "new": ""}


@pytest.fixture
def fix(repo: Repo, script: Script, run: Run) -> Fix:
    """The command line in the repository, with what the scripted proposer answers."""

    def call(
        answers: list[Mapping[str, Any]],
        *flags: str,
        resume: bool = False,
        plugins: bool = False,
    ) -> Result:
        """`plugins`: pytest is started with all that are installed here."""
        script(*answers)
        given = [*(() if plugins else FEW_PLUGINS), "--proposer", f"script:{script.path}"]
        back = Path.cwd()
        os.chdir(repo.path)
        run.capture.readouterr()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            code = run_cli(["fix", *given, "--tag", "t", *(["--resume"] if resume else []), *flags])
        finally:
            os.chdir(back)
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = run.capture.readouterr()
        return Result(code=code, out=out, err=err, folder=repo.path / "autoresearch" / "fix-t")

    return call


def marked(repo: Repo, category: str = "lint", **files: str) -> None:
    """A repository in which each line with BAD is a failure."""
    repo.write(".github/autoresearch.yml", TARGET.format(category=category))
    for name, text in files.items():
        repo.write(f"{name}.txt", text)
    repo.commit("something is broken")


def python(repo: Repo, **more: str) -> None:
    for name, text in PYTHON.items():
        repo.write(name, text)
    for name, text in more.items():
        repo.write(name.replace("__", "."), text)
    repo.commit("two things are broken")


def answer(description: str, *edits: Mapping[str, str], **files: str | None) -> dict[str, Any]:
    whole = {f"{name}.txt": text for name, text in files.items()}
    return {"description": description, **({"edits": edits} if edits else {"files": whole})}


def test_a_repository_becomes_green_one_failure_at_a_time(repo: Repo, fix: Fix) -> None:
    python(repo)
    done = fix([answer("add", ADD), answer("no import", IMPORT)], "--until-green", plugins=True)
    assert done.code == 0, done.told
    assert done.column("status") == ["baseline", "keep", "keep"]
    assert done.column("metric") == ["2", "1", "0"]
    assert "green: nothing is broken" in done.out
    assert done.column("failure")[1:] == [
        "pytest:test_calc::test_add",
        next(name for name in done.column("failure") if name.startswith("ruff:calc.py:F401:")),
    ]
    assert len(repo.kept()) == 2
    message = repo.git("log", "-1", "--format=%B", "autoresearch/t~1")
    assert "Autoresearch-Repaired: pytest:test_calc::test_add" in message


def test_each_failure_that_one_repair_mends_is_named_by_its_commit_and_the_pages(
    repo: Repo, fix: Fix
) -> None:
    lines = [f"BAD in line {n} of a file\n" for n in "abcdefghijklmnopqrstuvw"]
    marked(repo, a="".join(lines))
    done = fix([answer("all at once", a="good\n")], "--until-green")
    assert done.code == 0, done.told
    message = repo.git("log", "-1", "--format=%B", "autoresearch/t")
    named = re.findall(r"(?m)^Autoresearch-Repaired: (.+)", message)
    assert len(named) == len(lines)
    page = (done.folder / "summary.md").read_text()
    assert page.count("| all at once |") == len(lines)
    assert "see the commit" not in page + (done.folder / "report.html").read_text()


@pytest.mark.parametrize(("asked", "status"), [("", "keep"), ("--doctest-modules", "discard")])
def test_examples_may_go_with_their_words_where_nobody_runs_them(
    repo: Repo, fix: Fix, asked: str, status: str
) -> None:
    words = '    """Add.\n\n    >>> add(1, 2)\n    3\n    >>> add(0, 0)\n    0\n    """\n'
    add = "def add(a, b):\n{}    return a {} b\n"
    repo.write("calc.py", add.format(words, "-"))
    repo.write("test_calc.py", "from calc import add\n\n\ndef test(): assert add(1, 2) == 3\n")
    repo.commit("broken")
    mended = {"description": "add", "files": {"calc.py": add.format("", "+")}}
    done = fix([mended], "--target", f"python -m pytest {asked}", "--iterations", "1", plugins=True)
    assert done.column("status")[1:] == [status], done.told


def test_a_target_that_starts_a_known_tool_is_read_as_that_tool(repo: Repo, fix: Fix) -> None:
    python(repo)
    more = "def test_more(): assert True\n"
    repo.write("test_more.py", more)
    repo.commit("more tests")
    asked = ("--target", "python -m pytest -q test_calc.py", "--target", "pytest -q test_more.py")
    done = fix([answer("add", ADD)], *asked, "--target", "python -c 'import calc'", plugins=True)
    assert done.column("status") == ["baseline", "keep"], done.told
    assert done.rows[1]["failure"].startswith("pytest:test_calc::"), done.told
    told = (done.folder / "summary.md").read_text()
    assert "--junitxml={report} -q test_more.py" in told


def test_nothing_to_do_is_a_success(repo: Repo, fix: Fix) -> None:
    marked(repo, a="good\n")
    done = fix([answer("needless", a="better\n")], "--until-green")
    assert (done.code, len(done.rows)) == (0, 1), done.told
    assert "there was nothing to do" in done.out


def test_what_is_still_broken_fails_only_who_asks(repo: Repo, fix: Fix) -> None:
    marked(repo, a="BAD one\n")
    for flags, code in (((), 0), (("--until-green", "--tag", "u"), 1)):
        done = fix([], *flags)
        assert done.code == code, done.told
        assert "lint a.txt:1 BAD one" in done.out.replace(" :", ":")


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (["--fail-on", "lint"], 1, "--fail-on lint: still broken: 1 lint."),
        (["--fail-on", "test", "--fail-on", "any"], 1, "--fail-on any, test: still broken: 1 lint"),
        (["--fail-on", "build,test"], 0, ""),
        (["--fail-on", "lnt"], 2, "Did you mean 'lint'?"),
        (["--fail-on", "new"], 2, "fix --check --fail-on new"),
        (["--staged"], 2, "fix --check --staged"),
        (["--base", "HEAD"], 2, "fix --check --base"),
        (["--allow-incomplete"], 2, "fix --check --allow-incomplete"),
    ],
)
def test_a_kind_that_is_named_must_not_be_left(
    repo: Repo, fix: Fix, flags: list[str], code: int, told: str
) -> None:
    marked(repo, a="BAD one\n")
    done = fix([], *flags)
    assert (done.code, told in done.err) == (code, True), done.told
    if code != 1:
        return
    assert fix([answer("mend", a="good\n")], *flags, "--tag", "u").code == 0


@pytest.mark.parametrize(
    "flags", [("--symptom", "false"), ("--from-debug", "f"), ("--until-green",), ("--dry-run",)]
)
def test_a_check_takes_no_flag_that_it_would_not_look_at(
    repo: Repo, fix: Fix, flags: tuple[str, ...]
) -> None:
    marked(repo, a="good\n")
    done = fix([], "--check", *flags)
    assert (done.code, f"{flags[0]} is for repairs" in done.err) == (2, True), done.told


def test_what_was_not_seen_to_the_end_is_left_whatever_is_named(repo: Repo, fix: Fix) -> None:
    target = "{tool: ruff, command: no-such-tool}"
    repo.write(".github/autoresearch.yml", f"fix:\n  targets: ['true', {target}]\n")
    repo.commit("configure")
    assert fix([], "--fail-on", "build").code == 1


SIZE = "def size(told):\n    return told['sise']\n"
HANDLED = (
    "def size(told):\n    try:\n        return told['sise']\n"
    "    except KeyError:\n        return 512\n"
)


@pytest.mark.parametrize(("given", "kept"), [("{'size': 512}", False), ("{}", True)])
def test_an_error_that_is_answered_with_what_a_test_expects_does_not_pass_unseen(
    repo: Repo, fix: Fix, given: str, kept: bool
) -> None:
    """Where it may be a default it is kept, and everybody who reads of it is told to look."""
    repo.write("limits.py", SIZE)
    repo.write("test_limits.py", f"import limits\ndef test(): assert limits.size({given}) == 512\n")
    marked(repo, a="BAD one\n", b="BAD two\n")
    handled = {"description": "an answer", "files": {"a.txt": "good\n", "limits.py": HANDLED}}
    done = fix([handled, answer("next", b="good\n")])
    assert done.column("status")[1:] == ["keep" if kept else "discard", "keep"], done.told
    if not kept:
        assert "[value-hardcoded]" in done.rows[1]["reason"]
        return
    told = "limits.py:5 answers what test_limits.py asks wherever it fails"
    assert done.rows[1]["doubt"].startswith(told)
    assert told in done.out
    page = (done.folder / "summary.md").read_text()
    assert "Look twice: " in page
    assert "read it before you merge it" in page


def test_between_repairs_only_tools_are_asked_that_the_change_concerns(
    repo: Repo, fix: Fix
) -> None:
    target = "{{tool: {}, command: 'grep -Hn BAD *.{}; test $? != 2', category: lint, regex: '{}'}}"
    regex = r"(?P<path>[\w.]+):(?P<line>\d+):(?P<message>.*)"
    asked = [
        target.format(tool, ending, regex) for tool, ending in (("eslint", "js"), ("ruff", "py"))
    ]
    repo.write(".github/autoresearch.yml", f"fix:\n  targets: [{', '.join(asked)}]\n")
    repo.write("a.js", "BAD\n")
    repo.write("b.py", "BAD\n")
    repo.commit("two languages")
    edits = ({"b.py": "BAD\nno\n"}, {"a.js": "BAD\nno\n"}, {"a.js": "\n"}, {"b.py": "\n"})
    done = fix([{"description": f"{n}", "files": edit} for n, edit in enumerate(edits)])
    assert done.column("status") == ["baseline", "discard", "discard", "keep", "keep"], done.told
    told = [
        [
            ending
            for ending in ("js", "py")
            if f"[{n}/20] metric: grep -Hn BAD *.{ending}" in done.out
        ]
        for n in range(1, 5)
    ]
    # What is being repaired, whatever was changed; then what reads it; before a keep, everything.
    assert told == [["js", "py"], ["js"], ["js", "py"], ["js", "py"]]


def test_equal_numbers_of_other_failures_are_no_repair(repo: Repo, fix: Fix) -> None:
    marked(repo, a="BAD one\n")
    done = fix([answer("trade", a="BAD two\n")])
    assert done.column("status")[1:] == ["discard"]
    assert "moved, not fixed: 1 new" in done.rows[1]["reason"]


def test_fewer_failures_with_a_new_one_are_no_repair(repo: Repo, fix: Fix) -> None:
    marked(repo, a="BAD one\nBAD two\nBAD three\n")
    done = fix([answer("trade", a="BAD four\n")])
    assert done.column("status")[1:] == ["discard"], done.told


def test_who_deletes_all_that_is_broken_has_mended_nothing(repo: Repo, fix: Fix) -> None:
    repo.write("a.py", "import os\n\n\n" + "".join(f"VALUE_{n} = {n}\n" for n in range(9)))
    repo.write(".github/autoresearch.yml", f"fix:\n  targets:\n    - {TARGETS['ruff']}\n")
    repo.commit("unused")
    gone = {"description": "delete", "files": {"a.py": None}}
    emptied = {"description": "empty", "files": {"a.py": "# nothing\n"}}
    moved = {"description": "move", "files": {"a.py": None, "b.py": "VALUE_1 = 1\n"}}
    done = fix([gone, emptied, moved])
    assert done.column("status")[1:] == ["discard"] * 3, done.told
    assert {"[code-deleted]" in reason for reason in done.column("reason")[1:]} == {True}


@pytest.mark.parametrize("name", [".gitignore", ".ignore", "pkg/.gitignore"])
def test_a_file_that_a_linter_is_told_to_leave_out_is_not_mended(
    repo: Repo, fix: Fix, name: str
) -> None:
    repo.write("pkg/a.py", "import os\n")
    repo.write(".github/autoresearch.yml", f"fix:\n  targets:\n    - {TARGETS['ruff']}\n")
    repo.commit("unused")
    done = fix([{"description": "hide", "files": {name: "a.py\n"}}])
    assert done.column("status")[1:] == ["discard"], done.told
    assert "says what linters do not look at" in done.rows[1]["reason"]


def test_a_test_that_scope_names_may_be_mended_but_not_weakened(repo: Repo, fix: Fix) -> None:
    python(repo)
    weak = {"path": "test_calc.py", "old": "assert add(1, 2) == 3", "new": "assert add(1, 2)"}
    done = fix([answer("weaken", weak)], "--scope", "calc.py", "test_calc.py")
    assert done.column("status")[1:] == ["discard"]
    assert "test_calc.py:5" in done.rows[1]["reason"]
    assert "[assertion-weakened]" in done.rows[1]["reason"]


def test_no_cheat_is_a_repair(repo: Repo, fix: Fix) -> None:
    """Three for each of the two failures: after that a failure is left alone."""
    python(repo)
    cheats: dict[str, tuple[Mapping[str, Any], str]] = {
        "breaks a passing test": (
            {"edits": [ADD, {"path": "calc.py", "old": "a // 2", "new": "a // 3"}]},
            "test_half",
        ),
        "tests go with what they test": ({"files": {"calc.py": None}}, ""),
        "a test is frozen": (
            {"edits": [{"path": "test_calc.py", "old": "== 3", "new": "== -1"}]},
            "holds tests",
        ),
        "so is what pytest reads": (
            {"files": {"conftest.py": "collect_ignore = ['test_calc.py']"}},
            "steers",
        ),
        "so is what ruff reads": (
            {"files": {"pyproject.toml": "[tool.ruff]\nselect=[]\n"}},
            "steers",
        ),
        "a suppression": (
            {"edits": [{"path": "calc.py", "old": "import os", "new": "import os  # noqa: F401"}]},
            "",
        ),
    }
    done = fix([{"description": what, **change} for what, (change, _) in cheats.items()])
    assert done.column("status")[1:] == ["discard"] * len(cheats), done.told
    for row, (_, why) in zip(done.rows[1:], cheats.values(), strict=True):
        assert why in row["reason"], done.told
    assert len(set(done.column("failure")[1:])) == 2


def test_failures_that_a_repair_unmasks_are_told_apart_from_new_ones(repo: Repo, fix: Fix) -> None:
    repo.write("a.py", "def f(:\n    pass\n")
    repo.write("b.py", "VALUE = 1\n")
    repo.commit("does not parse")
    mended = {"description": "parse", "files": {"a.py": "import os\nimport sys\n"}}
    target = "ruff check --no-fix --no-cache --output-format json --output-file {report} ."
    repo.write(
        ".github/autoresearch.yml",
        f"fix:\n  targets:\n    - {{tool: ruff, command: '{target}'}}\n",
    )
    repo.commit("configure")
    unused = {"description": "unused", "files": {"a.py": "VALUE = 2\n"}}
    done = fix([mended, unused], "--until-green")
    assert done.column("status") == ["baseline", "keep", "keep"], done.told
    assert "could not be seen before" in done.rows[1]["reason"]
    assert done.code == 0


def test_what_three_attempts_did_not_mend_is_blocked_and_the_next_is_taken(
    repo: Repo, fix: Fix
) -> None:
    marked(repo, a="BAD one\n", b="BAD two\n")
    wrong = [answer(f"try {n}", a=f"BAD one\n{n}\n") for n in range(3)]
    done = fix([*wrong, answer("b", b="\n"), answer("never asked", a="\n")], "--until-green")
    assert done.column("status")[1:] == ["discard"] * 3 + ["keep"]
    assert len(set(done.column("failure")[1:])) == 2
    assert "all that is left cannot be repaired here: 1 blocked after 3 attempts" in done.out
    assert done.code == 1


def test_three_failures_in_the_same_words_are_three(repo: Repo, fix: Fix) -> None:
    marked(repo, a="BAD\nBAD\nBAD\nBAD\nBAD\n")
    steps = [answer(f"{n} left", a="BAD\n" * n) for n in (4, 3, 2, 1, 0)]
    done = fix(steps, "--until-green")
    assert done.column("metric") == ["5", "4", "3", "2", "1", "0"], done.told


def test_a_proposer_may_say_that_there_is_nothing_to_do(repo: Repo, fix: Fix) -> None:
    marked(repo, a="BAD one\n", b="BAD two\n")
    done = fix([answer("nothing to do: meant so", a="BAD one\n"), answer("b", b="\n")])
    assert done.column("status")[1:] == ["no-op", "keep"], done.told
    assert "nothing to do: meant so" in done.out


def test_a_tool_that_is_missing_is_never_green(repo: Repo, fix: Fix) -> None:
    repo.write(
        ".github/autoresearch.yml",
        "fix:\n  targets: ['true', {tool: ruff, command: no-such-tool}]\n",
    )
    repo.commit("configure")
    done = fix([], "--until-green")
    assert done.code == 1, done.told
    assert "ruff does not tell everything" in done.out
    told = done.err.splitlines()
    assert "--until-green: nothing seen is broken, but ruff does not tell everything." in told[-2]
    assert """--set 'fix.skip=["ruff"]'""" in told[-1], done.told
    assert "1 target not seen to the end, each counted as a failure" in done.out


def test_a_target_that_is_left_out_is_not_asked_for(repo: Repo, fix: Fix) -> None:
    repo.write("Makefile", "check:\n\t! grep -n BAD src/*\n")
    repo.write(".shellcheckrc", "")
    repo.write("src/a", "BAD\n")
    repo.commit("something is broken")
    mend = {"description": "a", "files": {"src/a": "ok\n"}}
    done = fix([mend], "--until-green", "--set", "fix.skip=[shellcheck]")
    assert done.code == 0, done.told
    assert "shellcheck" not in done.out


def test_a_name_that_leaves_out_nothing_is_told(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.write("Makefile", "check:\n\ttrue\n")
    repo.write(".shellcheckrc", "")
    base = repo.commit("with a linter")
    repo.git("rm", "-q", ".shellcheckrc")
    repo.write("Makefile", "check:\n\ttest -f Makefile\n")
    repo.commit("without")
    monkeypatch.chdir(repo.path)

    def told(skip: str, *words: str) -> str:
        run_cli(["fix", *words, "--set", f"fix.skip=[{skip}]"])
        said = capsys.readouterr()
        return "".join(line for line in said.out.splitlines() if line.startswith("fix.skip"))

    assert "called shellcheck, so it leaves out nothing; there is make" in told(
        "shellcheck", "--dry-run"
    )
    assert "did you mean make check?" in told("make chek", "--dry-run")
    check = ("--check", "--fail-on", "new", "--base", base)
    assert told("shellcheck", *check) == ""  # the base has it
    assert "no target is called shelcheck" in told("shelcheck", *check)


def test_where_nothing_can_be_looked_at_nothing_is_repaired(repo: Repo, fix: Fix) -> None:
    repo.write(".github/autoresearch.yml", "fix:\n  targets: [{tool: ruff, command: 'exit 127'}]\n")
    repo.commit("configure")
    done = fix([answer("x", a="b")])
    assert done.code == 4, done.told
    assert "nothing can be found out" in done.err


def test_a_repository_without_anything_to_ask_says_what_to_do(repo: Repo, fix: Fix) -> None:
    done = fix([])
    assert done.code == 2
    assert "fix --target" in done.err


def test_a_test_that_fails_now_and_then_is_reported_and_not_repaired(
    repo: Repo, fix: Fix, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    count.mkdir(mode=0o777)
    count.chmod(0o777)
    flaky = (
        "from pathlib import Path\n\n\ndef test_now_and_then():\n"
        f"    folder = Path({str(count)!r})\n"
        "    number = len(list(folder.iterdir()))\n"
        "    (folder / str(number)).touch()\n"
        "    assert number not in (0, 2, 5)\n"
    )
    python(repo, test_flaky__py=flaky)
    flags = ("--skip-lint", "--until-green", "--set", f'sandbox.write=["{count}"]')
    done = fix([answer("add", ADD)], *flags)
    assert done.column("metric")[0] == "1", done.told
    assert "test_now_and_then" not in "".join(done.column("failure"))
    assert done.column("status")[1:] == ["keep"], done.told


@pytest.mark.parametrize("crashes", [(0,), (2,), range(1000)], ids=["first", "later", "always"])
def test_a_checker_that_crashes_once_is_asked_once_more(
    repo: Repo, fix: Fix, tmp_path: Path, crashes: Collection[int]
) -> None:
    count = tmp_path / "count"
    count.mkdir(mode=0o777)
    count.chmod(0o777)
    checker = (
        "import os\nfrom pathlib import Path\n\n"
        f"folder = Path({str(count)!r})\nnumber = len(list(folder.iterdir()))\n"
        "(folder / str(number)).touch()\n"
        f"if number in {crashes!r}:\n    os.kill(os.getpid(), 9)\n"
        "bad = 'BAD' in Path('a.txt').read_text()\n"
        "print('a.txt:1:1: error: BAD  [misc]' * bad)\n"
        "print('Found 1 error in 1 file' if bad else 'Success: no issues found in 1 source')\n"
        "raise SystemExit(bad)\n"
    )
    repo.write("tools/checker.py", checker)
    target = "{tool: mypy, command: python3 tools/checker.py}"
    repo.write(".github/autoresearch.yml", f"fix: {{targets: [{target}]}}\n")
    repo.write("a.txt", "BAD\n")
    repo.commit("configure")
    flags = ("--until-green", "--set", f'sandbox.write=["{count}"]')
    done = fix([answer("good", a="good\n")], *flags)
    if len(crashes) == 1:
        assert done.column("status")[1:] == ["keep"], done.told
        assert done.code == 0
    else:
        assert (done.code, len([*count.iterdir()])) == (4, 2), done.told


def test_colours_of_a_tool_are_no_part_of_what_it_said(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.write("tell.sh", "printf '\\033[31mit is \\033[1mred\\033[0m\\n'\nexit 1\n")
    repo.write(".github/autoresearch.yml", "fix: {targets: [sh tell.sh]}\n")
    repo.commit("configure")
    monkeypatch.chdir(repo.path)
    assert run_cli(["fix", "--check", "--output", "gate"]) == 1
    page = (repo.path / "gate" / "report.html").read_text()
    assert "it is red" in page
    assert "[31m" not in page


def test_a_guard_that_fails_already_is_not_asked_and_one_that_holds_must_hold(
    repo: Repo, fix: Fix
) -> None:
    marked(repo, a="BAD one\nBAD two\n", b="needed\n")
    guards = ["--guard", "grep -q never b.txt", "--guard", "grep -q needed b.txt"]
    done = fix(
        [answer("breaks it", a="BAD two\n", b="\n"), answer("sound", a="BAD one\n")], *guards
    )
    assert "fails already" in done.out
    assert done.column("status")[1:] == ["discard", "keep"], done.told


def test_only_what_is_asked_for_is_repaired(repo: Repo, fix: Fix) -> None:
    suite = "    - {category: test, command: grep -q good *.txt}\n"
    repo.write(".github/autoresearch.yml", TARGET.format(category="lint") + suite)
    repo.write("a.txt", "BAD\n")
    repo.write("state.txt", "bad\n")
    repo.commit("one of each")
    done = fix([answer("good", state="good\n")], "--skip-lint", "--until-green")
    assert (done.code, done.column("metric")) == (0, ["1", "0"]), done.told


def test_a_script_that_says_what_is_broken_is_part_of_the_ruler(repo: Repo, fix: Fix) -> None:
    repo.write("check.sh", "grep -q good *.txt\n")
    repo.write("state.txt", "bad\n")
    repo.write(".github/autoresearch.yml", "fix:\n  targets: [sh check.sh]\n")
    repo.commit("configure")
    done = fix(
        [{"description": "cheat", "files": {"check.sh": "true\n"}}, answer("x", state="good")]
    )
    assert done.column("status")[1:] == ["discard", "keep"], done.told


@pytest.mark.parametrize(
    "flags",
    [
        ("--target", "sh check.sh"),
        ("--target", "true", "--target", "sh check.sh"),
        ("--symptom", "sh check.sh"),
        ("--set", "fix.targets=[{tool: smoke, command: ./check.sh}]"),
        ("--set", "fix.targets=[{tool: pytest, command: sh check.sh}, sh check.sh]"),
        ("--set", "fix.targets=[{folder: below, command: sh own.sh}, sh check.sh]"),
    ],
)
def test_a_script_is_part_of_the_ruler_however_it_is_named(
    repo: Repo, fix: Fix, flags: tuple[str, ...]
) -> None:
    repo.write("check.sh", "grep -q good state.txt\n", mode=0o755)
    repo.write("below/own.sh", "grep -q good ../state.txt\n")
    repo.write("state.txt", "bad\n")
    repo.write("code.py", "VALUE = 1\n")
    repo.commit("a script")
    path = "below/own.sh" if "below" in flags[1] else "check.sh"
    done = fix([{"description": "cheat", "files": {path: "true\n"}}], *flags)
    assert done.column("status")[1:] == ["discard"], done.told
    assert "frozen" in done.rows[1]["reason"]


def test_the_own_settings_of_run_do_not_reach_fix(repo: Repo, fix: Fix) -> None:
    repo.write(
        ".github/autoresearch.yml",
        "scope: [other]\nmetric: {command: cat value, direction: maximize}\n"
        "holdout: {command: cat value}\n" + TARGET.format(category="lint"),
    )
    repo.write("a.txt", "BAD\n")
    repo.commit("configure")
    done = fix([answer("a", a="\n")], "--until-green")
    assert done.code == 0, done.told


def test_a_killed_repair_goes_on_where_it_was(
    repo: Repo, fix: Fix, run: Run, script: Script
) -> None:
    marked(repo, a="BAD one\nBAD two\n", b="BAD three\n")
    answers = [
        answer("one", a="BAD two\n"),
        answer("two", a="\n"),
        answer("three", b="\n"),
    ]
    script(*answers)
    pid = os.fork()
    if not pid:  # pragma: no cover
        os.setsid()
        os.chdir(repo.path)
        os.close(1)
        os.close(2)
        os.open(os.devnull, os.O_WRONLY)
        os.open(os.devnull, os.O_WRONLY)
        words = ["fix", *FEW_PLUGINS, "--proposer", f"script:{script.path}", "--tag", "t"]
        os._exit(run_cli(words))
    wait_for(repo.path / "autoresearch" / "fix-t" / "logs" / "1.log")
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    done = fix(answers, "--until-green", resume=True)
    assert done.code == 0, done.told
    assert done.column("metric") == ["3", "2", "1", "0"]


def test_tests_that_a_command_lists_are_mended_one_by_one(repo: Repo, fix: Fix) -> None:
    repo.write("a.txt", "BAD\n")
    repo.write("b.txt", "BAD\n")
    repo.commit("two broken tests")
    target = (
        "echo 1..2; n=0; for f in a b; do n=$((n+1)); "
        'grep -q BAD $f.txt && echo "not ok $n - $f" || echo "ok $n - $f"; done; '
        "! grep -q BAD *.txt"
    )
    done = fix([answer("a", a="\n"), answer("b", b="\n")], "--until-green", "--target", target)
    assert (done.code, done.column("metric")) == (0, ["2", "1", "0"]), done.told


def test_what_would_be_run_is_shown_with_reasons(repo: Repo, fix: Fix) -> None:
    python(repo)
    done = fix([], "--dry-run")
    assert done.code == 0
    assert "because test_calc.py: tests" in done.out
    assert not done.folder.exists()


def test_the_journal_of_a_repair_is_read_by_machines(repo: Repo, fix: Fix) -> None:
    marked(repo, a="BAD one\n")
    done = fix([answer("one", a="\n")], "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert events[-1]["event"] == "run-finished"
    assert json.loads((done.folder / "run.json").read_text())["totals"]["best"] == 0


def test_a_test_that_hangs_is_one_failure_and_hides_no_other(repo: Repo, fix: Fix) -> None:
    hangs = "import time\n\n\ndef test_hangs():\n    time.sleep(600)\n"
    python(repo, test_hang__py=hangs)
    target = TARGETS["pytest"] + "\n  test_timeout: 2s"
    repo.write(".github/autoresearch.yml", f"fix:\n  targets:\n    - {target}\n")
    repo.commit("configure")
    done = fix([answer("add", ADD)])
    assert done.column("metric") == ["2", "1"], done.told
    assert "took longer than 2 s and was stopped" in done.out


def test_of_a_test_that_hangs_further_cases_are_not_waited_for_as_long(
    repo: Repo, fix: Fix, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = suite_observer._shipped
    monkeypatch.setattr(suite_observer, "_shipped", lambda name: f"{shipped(name)}\n_AGAIN = 0.1\n")
    cases = "@pytest.mark.parametrize('n', range(4))\ndef test_hangs(n):\n    time.sleep(600)\n"
    slow = "def test_slow():\n    time.sleep(0.3)\n"
    python(repo, test_hang__py=f"import time\n\nimport pytest\n\n\n{cases}\n\n{slow}")
    target = TARGETS["pytest"] + "\n  test_timeout: 1s"
    repo.write(".github/autoresearch.yml", f"fix:\n  targets:\n    - {target}\n")
    repo.commit("configure")
    done = fix([answer("add", ADD)])
    assert done.column("metric") == ["5", "4"], done.told
    log = (done.folder / "logs" / "1.log").read_text()
    for number in range(4):
        took = 0.1 if number else 1
        assert f"test_hangs[{number}] - Failed: took longer than {took} s" in log


def test_without_a_key_the_tools_own_fixers_mend_what_they_can(repo: Repo, fix: Fix) -> None:
    """A failing test comes first, and has no fixer: what comes after it is mended all the same."""
    python(repo)
    done = fix([], "--proposer", "autofix", "--until-green")
    assert done.code == 1, done.told
    assert done.column("metric") == ["2", "1"]
    assert done.rows[1]["description"].startswith("ruff: fix F401")
    assert "ANTHROPIC_API_KEY" in done.out


def test_what_the_machine_lacks_is_reported_and_not_repaired(repo: Repo, fix: Fix) -> None:
    needs = "import os\n\n\ndef test_secret():\n    assert os.environ['DEPLOY_TOKEN']\n"
    python(repo, test_env__py=needs)
    done = fix([answer("add", ADD)], "--skip-lint", "--until-green")
    assert done.code == 1, done.told
    assert "environment" in done.out
    assert done.column("status") == ["baseline", "keep"]


def test_a_suite_that_did_not_build_may_take_longer_once_it_does(repo: Repo, fix: Fix) -> None:
    """Tens of seconds in truth; here it is as if nobody waited for longer than it took to fail."""
    repo.write("state.txt", "broken\n")
    repo.write(
        ".github/autoresearch.yml",
        "fix:\n  targets: [{category: test, command: grep -q good *.txt && sleep 2}]\n",
    )
    repo.commit("does not build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autoresearch_ci.measure.commands.SHORTEST_TIMEOUT", 0.5)
        done = fix([{"description": "build", "files": {"state.txt": "good\n"}}], "--until-green")
    assert done.column("status") == ["baseline", "keep"], done.told


def test_a_deleted_file_mends_nothing_where_tests_still_do_not_build(repo: Repo, fix: Fix) -> None:
    repo.write("a.txt", "BAD\n")
    repo.write("b.txt", "BAD\n")
    blind = "{tool: suite, regex: 'FAIL (?P<name>.*)', category: test, command: 'echo no; exit 1'}"
    repo.write(".github/autoresearch.yml", TARGET.format(category="build") + f"    - {blind}\n")
    repo.commit("neither builds nor tells why")
    done = fix([answer("gone", a=None), answer("mended", a="\n")])
    assert done.column("status")[1:] == ["metric-error", "keep"], done.told
    assert "a.txt is gone with its failures" in done.rows[1]["reason"]


@pytest.mark.parametrize("flags", [(), ("--target", "make check"), ("--symptom", "make check")])
def test_what_a_rule_starts_in_turn_is_part_of_the_ruler(
    repo: Repo, fix: Fix, flags: tuple[str, ...]
) -> None:
    repo.write("Makefile", "check: unit\nunit:\n\t./ci/all.sh\n")
    repo.write("ci/all.sh", '#!/bin/sh\nsh "$(dirname "$0")/one.sh"\n', mode=0o755)
    repo.write("ci/one.sh", "grep -q good state.txt\n")
    repo.write("state.txt", "bad\n")
    repo.commit("a rule")
    cheats = [
        {"description": path, "files": {path: "#!/bin/sh\ntrue\n"}}
        for path in ("ci/all.sh", "ci/one.sh")
    ]
    done = fix([*cheats, answer("sound", state="good\n")], *flags)
    assert done.column("status")[1:] == ["discard", "discard", "keep"], done.told
    assert "is started by what says" in done.rows[2]["reason"]


def test_warnings_are_shown_and_are_repaired_where_they_are_named(repo: Repo, fix: Fix) -> None:
    marked(repo, "warning", a="BAD one\n")
    done = fix([answer("needless", a="good\n")], "--until-green")
    assert (done.code, done.column("status")) == (0, ["baseline"]), done.told
    assert "besides: 1 warning, which --category warning repairs\n  warning a.txt:1" in done.out
    done = fix([answer("asked for", a="good\n")], "--category", "warning", "--tag", "u")
    assert "green: nothing is broken\n" in done.out, done.told
    assert "still broken" not in done.out


def test_a_warning_that_a_repair_brings_is_new(repo: Repo, fix: Fix) -> None:
    repo.write(
        ".github/autoresearch.yml",
        TARGET.format(category="lint")
        + r"""
    - tool: notes
      command: grep -Hn NOTE *.txt; test $? != 2
      regex: '(?P<path>[\w.]+):(?P<line>\d+):(?P<message>.*)'
      category: warning
""",
    )
    repo.write("a.txt", "BAD one\nNOTE old\n")
    repo.commit("one of each")
    answers = [
        answer("with a new one", a="NOTE new\nNOTE old\n"),
        answer("sound", a="fine\nNOTE old\n"),
    ]
    done = fix(answers, "--until-green")
    assert done.code == 0, done.told
    assert done.column("status")[1:] == ["discard", "keep"], done.told
    assert done.column("metric")[0] == "1"


@pytest.mark.parametrize(("lost_from", "status"), [(1, "discard"), (9, "keep")])
def test_a_repair_whose_tests_vanish_when_they_run_again_does_not_hold(
    repo: Repo, fix: Fix, tmp_path: Path, lost_from: int, status: str
) -> None:
    count = tmp_path / "count"
    count.mkdir(mode=0o777)
    count.chmod(0o777)
    repo.write(
        "suite.sh",
        "if ! grep -q good state.txt; then printf '1..2\\nnot ok 1 - a\\nok 2 - b\\n'; exit 1; fi\n"
        f"number=$(ls {count} | wc -l); touch {count}/$number\n"
        f"if [ $number -ge {lost_from} ]; then printf '1..1\\nok 1 - a\\n'; exit; fi\n"
        "printf '1..2\\nok 1 - a\\nok 2 - b\\n'\n",
    )
    repo.write("state.txt", "bad\n")
    repo.write(".github/autoresearch.yml", "fix: {targets: [{tool: tap, command: sh suite.sh}]}\n")
    repo.commit("a suite")
    done = fix([answer("x", state="good\n")], "--set", f'sandbox.write=["{count}"]')
    assert done.column("status")[1:] == [status], done.told


def test_a_check_is_not_resumed(repo: Repo, fix: Fix) -> None:
    done = fix([], "--check", "--target", "true", resume=True)
    assert (done.code, "every check begins anew" in done.err) == (2, True), done.told


@pytest.mark.parametrize("flags", [(), ("--check",)])
def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(
    repo: Repo, fix: Fix, flags: tuple[str, ...]
) -> None:
    done = fix([], "--target", "true", "--output", "/proc/no/place", *flags)
    assert (done.code, "cannot be written" in done.err) == (2, True), done.told
