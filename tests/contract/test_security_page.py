"""What SECURITY.md and docs/sandbox.md promise is tested by what they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
CITED = sorted(set(re.findall(r"`(tests/[\w/.]+\.py)`", PAGE)))
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| T\d+ ", line)]

SANDBOX = (ROOT / "docs/sandbox.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^\| (\d+) \|", SANDBOX, re.MULTILINE)
SHOWN_BY = re.findall(r"^(\d+)\. (`.*(?:\n +`.*)*)", SANDBOX, re.MULTILINE)
"""Number of a promise, and the tests that are named for it."""


@pytest.mark.parametrize("path", CITED)
def test_every_cited_file_of_tests_exists(path: str) -> None:
    assert (ROOT / path).is_file()


def test_every_threat_cites_a_test_once() -> None:
    numbers = [row.split()[1] for row in ROWS]
    assert len(numbers) == len(set(numbers)) > 20
    assert all("`tests/" in row for row in ROWS)


def test_every_promise_of_the_sandbox_cites_its_tests() -> None:
    numbers = [str(number) for number in range(1, len(PROMISES) + 1)]
    assert PROMISES == [number for number, _ in SHOWN_BY] == numbers
    assert len(numbers) > 10


@pytest.mark.parametrize(("number", "names"), SHOWN_BY)
def test_every_cited_test_of_the_sandbox_exists(number: str, names: str) -> None:
    for cited in re.findall(r"`(.*?)`", names):
        path, _, name = cited.rpartition("::")
        file = ROOT / (path or "tests/adversarial/test_sandbox.py")
        assert f"\ndef {name}(" in file.read_text(encoding="utf-8"), number
