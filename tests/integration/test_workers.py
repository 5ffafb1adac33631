"""`--workers`: what a fork of ours finds out is what pytest says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import os, pytest

@pytest.fixture(scope="module")
def made():
    yield
    print("unmade")

@pytest.mark.parametrize("number", range(30))
def test_one(made, number, tmp_path):
    here = tmp_path.parent.parent
    (here / f"ran-{number}").touch()
    LINE
"""


def outcome(tmp_path: Path, line: str, *flags: str) -> tuple[int, str, int]:
    """Exit code, what was printed, and how many tests ran."""
    (tmp_path / "test_some.py").write_text(TESTS.replace("LINE", line))
    base = tmp_path / "base"
    argv = [sys.executable, "-m", "pytest", "-p", "tests.workers", "-p", "no:cacheprovider", "-q"]
    argv += ["--workers", "3", "--basetemp", str(base), "-c", "/dev/null", str(tmp_path), *flags]
    root = Path(__file__).parents[2]
    done = subprocess.run(argv, cwd=root, check=False, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr, len(list(base.glob("ran-*")))


@pytest.mark.parametrize(
    ("line", "flags", "code", "words", "ran"),
    [
        ("assert number != 17", (), 1, ["assert 17 != 17", "1 failed, 29 passed"], 30),
        ("if number == 29: pytest.skip('no')", (), 0, ["29 passed, 1 skipped"], 30),
        ("number == 9 and os._exit(0)", (), 3, ["a worker died in", "test_one[9]"], None),
        ("number == 9 and pytest.exit('enough', 1)", (), 3, ["enough"], None),
        ("assert False", ("-x",), 1, ["stopping after 1 failures"], None),
    ],
)
def test_what_a_worker_finds_out_is_said(
    tmp_path: Path, line: str, flags: tuple[str, ...], code: int, words: list[str], ran: int | None
) -> None:
    found = outcome(tmp_path, line, *flags)
    assert found[0] == code, found[1]
    assert all(word in found[1] for word in words), found[1]
    assert ran is None or found[2] == ran, found[1]
