"""A failure and the line that found it -> the call that mends its rule, and no more than that."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from autoresearch_ci.decide.failures.failure import Category, Failure
from autoresearch_ci.decide.failures.repair_order import Aim
from autoresearch_ci.propose.fixers import SCRIPT, calls, layout_calls


def aim(tool: str, code: str, command: str, *, folder: str = "", message: str = "m") -> Aim:
    categories = {"mypy": Category.TYPE, "pytest": Category.TEST}
    failure = Failure(
        category=categories.get(tool, Category.LINT),
        tool=tool,
        id=f"{tool}:a:{code}",
        path="a.py",
        line=1,
        code=code,
        message=message,
    )
    return Aim(failure=failure, command=command, folder=folder)


def argvs(found: Aim) -> list[str]:
    return [" ".join(call.argv) for call in calls(found)]


RUFF = "ruff check --fix --no-unsafe-fixes --no-cache --exit-zero"


@pytest.mark.parametrize(
    ("command", "call"),
    [
        (
            "ruff check --no-fix --no-cache --output-format json --output-file {report} .",
            f"{RUFF} --select F401 -- .",
        ),
        (
            "uv run ruff check --select F,E --config tools/ruff.toml --output-format=json src t",
            f"uv run {RUFF} --select F401 --config tools/ruff.toml -- src t",
        ),
        (".venv/bin/ruff check src", f".venv/bin/{RUFF} --select F401 -- src"),
        ("ruff check --no-one-knows x src", f"{RUFF} --select F401 -- ."),
        ("ruff check $(git ls-files '*.py')", f"{RUFF} --select F401 -- ."),
        ("ruff check 'src", f"{RUFF} --select F401 -- ."),
        ("pip install ruff check; make lint", f"{RUFF} --select F401 -- ."),
        ("make lint", f"{RUFF} --select F401 -- ."),
    ],
)
def test_ruff_is_started_as_the_repository_does_and_mends_one_rule(command: str, call: str) -> None:
    assert argvs(aim("ruff", "F401", command)) == [call]


def test_unused_noqa_is_told_from_the_rules_that_the_repository_asks_for() -> None:
    """With RUF100 alone every noqa would be unused."""
    found = argvs(aim("ruff", "RUF100", "ruff check --select F,RUF ."))
    assert found == [f"{RUFF} --fixable RUF100 --select F,RUF -- ."]


@pytest.mark.parametrize(
    ("command", "call"),
    [
        ("ruff format --check src", "ruff format --no-cache -- src"),
        ("ruff check . && ruff format --check .", "ruff format --no-cache -- ."),
        ("python -m black --check -l 100 src", "python -m black --quiet -l 100 -- src"),
        ("pip install black && black --check .", "black --quiet -- ."),
        ("isort --profile=black -c .", "isort --quiet --profile=black -- ."),
        ("npx prettier --check 'src/**'", "npx --no-install prettier --write -- ."),
        ("npx prettier -c src lib", "npx --no-install prettier --write -- src lib"),
        ('test -z "$(gofmt -l -s cmd)"', "gofmt -w -s -- cmd"),
        ("cargo fmt --all -- --check", "cargo fmt --all"),
        ("go mod tidy -diff", "go mod tidy"),
    ],
)
def test_a_line_that_a_formatter_complains_in_is_formatted(command: str, call: str) -> None:
    assert argvs(aim("command", "", command)) == [call]


@pytest.mark.parametrize(
    ("command", "folder", "laid_out"),
    [
        ("ruff format --check --no-cache .", "", "ruff format --no-cache -- lib/b.py src/a.py"),
        ("black -l 100 --check src/ docs", "", "black --quiet -l 100 -- src/a.py"),
        ("ruff format --check", "src", "src: ruff format --no-cache -- a.py"),
        ("cd src && black --check .", "", "src: black --quiet -- a.py"),
        ("prettier --check lib", "", "prettier --write -- lib/b.py lib/c.ts"),
        ("gofmt -l .", "", ""),
        ("ruff format --check sr", "", ""),
        ("ruff check . && mypy src && go mod tidy", "", ""),
        ("cd ../other && black --check .", "", ""),
    ],
)
def test_only_what_a_check_of_the_layout_looks_at_is_laid_out(
    command: str, folder: str, laid_out: str
) -> None:
    asked = replace(aim("pytest", "", "pytest"), checks=(("pytest", ""), *[(command, folder)] * 2))
    calls = list(layout_calls(asked, {"src/a.py", "lib/b.py", "lib/c.ts"}))
    told = [f"{c.folder}: {shlex.join(c.argv)}" if c.folder else shlex.join(c.argv) for c in calls]
    assert told == ([laid_out] if laid_out else [])


def test_several_formatters_of_one_line_are_asked_one_after_the_other() -> None:
    assert argvs(aim("style", "", "isort -c . && black --check .")) == [
        "black --quiet -- .",
        "isort --quiet -- .",
    ]


def test_eslint_is_asked_about_each_fix_through_its_own_interface() -> None:
    (call,) = calls(aim("eslint", "semi", "npx --no-install eslint --ext .ts,.js -c x.json src"))
    assert call.argv == ("node", SCRIPT, "semi", "x.json", '[".ts", ".js"]', "src")
    assert "message.ruleId === rule" in call.fixer.script


def test_clippy_hears_of_one_lint() -> None:
    command = "cargo clippy --all-targets --message-format=json -- -D warnings"
    (call,) = calls(aim("cargo", "clippy::needless_return", command))
    line = " ".join(call.argv)
    assert line.startswith("cargo clippy --fix --allow-dirty --allow-staged --allow-no-vcs --all-t")
    assert line.endswith("-W clippy::needless_return")
    assert "-A clippy::all" in line
    assert "warnings" not in line


@pytest.mark.parametrize(
    ("tool", "code"),
    [
        ("ruff", "syntax"),
        ("ruff", "--config=/etc/passwd"),
        ("ruff", "F401,E"),
        ("ruff", "ALL"),
        ("eslint", ""),
        ("eslint", "--help"),
        ("cargo", "E0308"),
        ("cargo", "syntax"),
        ("cargo", "clippy::x -D y"),
        ("go vet", "printf"),
        ("mypy", "arg-type"),
        ("pytest", ""),
    ],
)
def test_what_is_no_rule_of_a_fixer_is_mended_by_none(tool: str, code: str) -> None:
    assert argvs(aim(tool, code, "ruff check . && black --check . && pytest")) == []


def test_missing_modules_are_gos_own_to_find() -> None:
    found = aim("go build", "import", "go build ./...", message='missing go.sum entry for "x"')
    assert argvs(found) == ["go mod tidy"]
    assert argvs(aim("go build", "", "go build ./...", message="undefined: x")) == []


def test_a_fixer_runs_where_the_tool_ran() -> None:
    (call,) = calls(aim("ruff", "F401", "cd lib && ruff check .", folder="packages/a"))
    assert call.folder == "packages/a/lib"
    assert call.mark == "ruff: fix F401 below packages/a/lib in "
    (call,) = calls(aim("ruff", "F401", "cd ../.. && ruff check .", folder="packages/a"))
    assert call.folder == ""


@pytest.mark.parametrize("place", ["..", "/etc", "a/../.."])
def test_no_fixer_runs_outside_of_the_tree(place: str) -> None:
    assert argvs(aim("ruff", "F401", f"cd {place} && ruff check .")) == []
