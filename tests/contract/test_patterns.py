"""Regular expressions that Python 3.11.0 to 3.11.4 match wrongly, and in silence."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "autoresearch_ci"


def test_no_group_is_repeated_possessively() -> None:
    """Of a group, write `(?>(?:...)*)`: https://github.com/python/cpython/issues/106052."""
    possessive = re.compile(r"\)(?:[*+?]|\{+[\d,]+\}+)\+(?!\])")
    assert possessive.search("(?:[^-]|-(?!-)){0,9}+")
    assert possessive.search("(?:a|b){{0,9}}+"), "as an f-string has it"
    found = [
        f"{path.name}:{number}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if possessive.search(line) and "[()*+]" not in line
    ]
    assert found == []
