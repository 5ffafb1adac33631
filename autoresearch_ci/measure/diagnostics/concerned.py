"""Which tools have anything to say of a change, by the names of its files; pure.

For a hook before a commit, where every second counts. In doubt a tool is asked: one that is in no
table here, and any change of a file that tools may read their settings from.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

_PYTHON = frozenset({".py", ".pyi", ".pyw", ".ipynb"})
_JAVASCRIPT = frozenset(
    {".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte"}
)
_GO, _RUST = frozenset({".go"}), frozenset({".rs"})
_JAVA = frozenset({".java", ".kt", ".groovy"})
_SUFFIXES = {
    **dict.fromkeys(("python", "ruff", "mypy", "pyright", "pytest", "unittest"), _PYTHON),
    **dict.fromkeys(("eslint", "tsc", "jest", "vitest", "node --test"), _JAVASCRIPT),
    **dict.fromkeys(("go build", "go vet", "go test"), _GO),
    **dict.fromkeys(("cargo", "cargo test"), _RUST),
    **dict.fromkeys(("javac", "maven", "gradle"), _JAVA),
}
_CODE = frozenset().union(*_SUFFIXES.values())
_PROSE = frozenset({".md", ".rst", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".webp"})


def concerned(tool: str, paths: Iterable[str]) -> bool:
    """Whether a tool may say something else now that these files have changed."""
    if tool not in _SUFFIXES:
        return True
    suffixes = {posixpath.splitext(path)[1].lower() for path in paths}
    foreign = (_CODE | _PROSE) - _SUFFIXES[tool]
    return bool(suffixes - foreign)
