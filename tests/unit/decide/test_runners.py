"""A comment counts against a change where the tool is run that it silences."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.gaming.runners import _NAMES, _RUN_ALL, is_run
from autoresearch_ci.decide.gaming.suppressions import _TABLE

TOOLS = {tool for tool, _ in _TABLE}


def test_each_tool_has_words_by_which_it_is_run() -> None:
    assert set(_NAMES) <= TOOLS
    for tool in TOOLS:
        for name in (_NAMES.get(tool) or tool.replace(",", "")).split():
            assert name.isascii(), tool
            assert is_run(tool, f"x; /opt/bin/{name} ."), (tool, name)
        assert not is_run(tool, "python3 bench.py --size 10"), tool
        assert all(is_run(tool, f"make {name}") for name in _RUN_ALL.split())
    # What is left with its own name is a name, and no word such as "tools".
    plain = {word for tool in TOOLS - set(_NAMES) for word in tool.replace(",", "").split()}
    assert not plain & {"linters", "coverage", "compilers", "checkers", "type", "and", "scanners"}


@pytest.mark.parametrize(
    ("tool", "text", "runs"),
    [
        ("flake8, ruff", "python -m flake8 . | wc -l", True),
        ("flake8, ruff", "subprocess.run([sys.executable, '-m', 'ruff'])", True),
        ("flake8, ruff", "import x  # ruff: noqa: F401", False),
        ("flake8, ruff", "python -m mypy .", False),
        ("flake8, ruff", "scruffy truffle8", False),
        ("type checkers", "mypy-1.2 .", True),
        ("coverage", "pytest --cov=src", True),
        ("coverage", "pytest -q", False),
        ("coverage", "total_coverage", True),
        ("compilers", "g++ -O2 a.cc", True),
        ("rustc, clippy", "cargo bench", False),
        ("rustc, clippy", "cargo build 2>&1 | grep -c ^warning", True),
        ("eslint", "npx eslint_d .", True),
        ("eslint", "golangci-lint run", True),
    ],
)
def test_a_tool_is_known_by_a_whole_word(tool: str, text: str, runs: bool) -> None:
    assert tool in TOOLS
    assert is_run(tool, text) == runs
