"""A tool is left alone only where nothing of a change can be its business."""

from __future__ import annotations

import pytest

from autoresearch_ci.measure.diagnostics import registry
from autoresearch_ci.measure.diagnostics.registry import TOOLS, concerned


@pytest.mark.parametrize(
    ("tool", "paths", "asked"),
    [
        ("ruff", ["src/a.py"], True),
        ("ruff", ["README.md"], False),
        ("ruff", ["README.md", "a.pyi"], True),
        ("ruff", ["web/a.ts"], False),
        ("ruff", ["pyproject.toml"], True),
        ("ruff", ["ruff"], True),
        ("ruff", [".gitignore"], True),
        ("ruff", ["A.PY"], True),
        ("ruff", [], False),
        ("tsc", ["a.py"], False),
        ("tsc", ["package.json"], True),
        ("tsc", ["src/a.mts"], True),
        ("go vet", ["go.mod"], True),
        ("go vet", ["main.rs"], False),
        ("cargo", ["Cargo.lock"], True),
        ("actionlint", ["README.md"], True),
        ("what nobody knows", ["README.md"], True),
    ],
)
def test_whose_business_a_change_is(tool: str, paths: list[str], asked: bool) -> None:
    assert concerned(tool, paths) is asked


def test_every_tool_of_the_table_is_known() -> None:
    assert registry._SUFFIXES.keys() <= TOOLS.keys()
