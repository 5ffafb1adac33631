"""What code says about itself is told apart from what it does."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.comment_lines import does_nothing, is_spoken

PYTHON = '''\
"""Checked by the gateway."""
# checked above
def run(x):
    """Safe: quoted by the caller."""
    if x not in ("a", "b"):  # allowed ones
        raise ValueError
    text = """
    not idle
    """
    return text
'''
SCRIPT = "/* checked\n   above */\n// quoted\nconst safe = quote(x);\n"
SHELL = '#!/bin/sh\n# quoted\nrm -- "$1"\n'


@pytest.mark.parametrize(
    ("path", "content", "first", "last", "idle"),
    [
        *(("a.py", PYTHON, 1, 1, True), ("a.py", PYTHON, 2, 2, True)),
        *(("a.py", PYTHON, 4, 4, True), ("a.py", PYTHON, 5, 5, False)),
        *(("a.py", PYTHON, 2, 3, False), ("a.py", PYTHON, 8, 8, False)),
        *(("a.py", "def (\n# said\n", 2, 2, True), ("a.py", "def (\n# said\n", 1, 1, False)),
        *(("a.ts", SCRIPT, 1, 2, True), ("a.ts", SCRIPT, 3, 3, True)),
        *(("a.ts", SCRIPT, 4, 4, False), ("run", SHELL, 2, 2, True)),
        *(("run", SHELL, 3, 3, False), ("notes.txt", "# said\n", 1, 1, False)),
        *(("q.sql", "-- said\nSELECT 1;\n", 1, 1, True), ("a.yml", "# said\nx: 1\n", 1, 1, True)),
        *(("a.html", "<!-- said\nso -->\n<b>x</b>\n", 1, 2, True),),
    ],
)
def test_comments_and_idle_texts_do_nothing(
    path: str, content: str, first: int, last: int, idle: bool
) -> None:
    assert does_nothing(path, content, first, last) is idle


@pytest.mark.parametrize(
    ("path", "line", "quote", "spoken"),
    [
        ("a.py", 5, "# allowed ones", True),
        ("a.py", 5, "allowed ones", True),
        ("a.py", 5, ":  # allowed ones", True),
        ("a.py", 5, 'if x not in ("a", "b"):  # allowed ones', False),
        ("a.py", 5, 'if x not in ("a", "b"):', False),
        ("a.py", 2, "# checked above", True),
        ("a.js", 1, "quoted by the caller", True),
        ("a.js", 1, "run(x);", False),
        ("a.js", 2, 'get("http://x")', False),
    ],
)
def test_a_comment_behind_code_is_not_the_code(
    path: str, line: int, quote: str, spoken: bool
) -> None:
    script = 'run(x); // quoted by the caller\nget("http://x");\n'
    content = PYTHON if path == "a.py" else script
    assert is_spoken(path, content, line, quote) is spoken
