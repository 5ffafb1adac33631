"""What SECURITY.md promises is tested by what it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
CITED = sorted(set(re.findall(r"`(tests/[\w/.]+\.py)`", PAGE)))
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| T\d+ ", line)]


@pytest.mark.parametrize("path", CITED)
def test_every_cited_file_of_tests_exists(path: str) -> None:
    assert (ROOT / path).is_file()


def test_every_threat_cites_a_test_once() -> None:
    numbers = [row.split()[1] for row in ROWS]
    assert len(numbers) == len(set(numbers)) > 20
    assert all("`tests/" in row for row in ROWS)
