"""The README's table of configuration keys is the model's, and every key has its flag."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch_ci.config.flags import configuration_keys
from autoresearch_ci.config.resolve import flag_name

README = Path(__file__).parents[2] / "README.md"
START, END = "<!-- keys: generated, see CONTRIBUTING.md -->\n", "<!-- /keys -->"


def table() -> str:
    rows = [
        f"| `{key}` | `{flag_name(key)}` | {text.replace('|', chr(92) + '|')} |"
        for key, text in configuration_keys()
    ]
    return "\n".join(["| key | flag | meaning |", "| --- | --- | --- |", *rows, ""])


def test_the_readme_lists_every_key_with_its_flag(pytestconfig: pytest.Config) -> None:
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(START)
    listed, after = rest.split(END)
    if pytestconfig.getoption("--update-golden", default=False):
        README.write_text(f"{before}{START}{table()}{END}{after}", encoding="utf-8")
        return
    assert listed == table(), "run: make golden"


def test_flags_are_unique() -> None:
    names = [flag_name(key) for key, _ in configuration_keys()]
    assert len(names) == len(set(names))
