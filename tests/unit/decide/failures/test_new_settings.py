"""Settings that a change brings in a file of their own are compared with having said nothing."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.failures.shortcuts.detect import shortcuts


def told(path: str, text: str) -> str:
    found = shortcuts({path: None}, {path: text.encode()})
    assert {shortcut.rule for shortcut in found} <= {"strictness-lowered"}
    return "; ".join(str(shortcut) for shortcut in found)


@pytest.mark.parametrize(
    ("path", "text", "what"),
    [
        ("mypy.ini", "[mypy]\nignore_errors = True\n", "ignore_errors"),
        ("ruff.toml", 'exclude = ["*.py"]\n', "exclude has more"),
        ("sub/pyproject.toml", '[tool.ruff.lint]\nignore = ["F"]\n', "ignore has more"),
        (".mypy.ini", "[mypy]\n", "read instead"),
        ("a/.ruff.toml", "line-length = 90\n", "read instead"),
    ],
)
def test_what_asks_for_less_is_told_in_a_new_file_too(path: str, text: str, what: str) -> None:
    assert what in told(path, text)


def test_new_settings_that_ask_for_more_are_no_shortcut() -> None:
    assert not told("pyproject.toml", "[tool.mypy]\nstrict = true\n[tool.ruff]\nline-length = 90\n")
    assert not told("package.json", '{"scripts": {"test": "jest"}, "name": "x"}')
    assert not told("Makefile", "test:\n\tpython -m pytest -k a\n")


def test_what_configparser_stumbles_over_is_unreadable_and_no_accident() -> None:
    found = shortcuts({"mypy.ini": b"[a]\nb = 1\n"}, {"mypy.ini": b"[a]\nb\n  c\n"})
    assert [shortcut.what for shortcut in found] == ["settings that nothing can read any more"]
