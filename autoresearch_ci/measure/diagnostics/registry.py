"""The one table of tools, and which of them have anything to say of a change."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from autoresearch_ci.measure.diagnostics import (
    any_tool,
    compilers,
    formatters,
    go_tools,
    javascript_tools,
    mocha,
    printed_suites,
    python_tools,
    reported_suites,
    rust_tools,
    scripts_and_workflows,
)
from autoresearch_ci.measure.diagnostics.adapter import Adapter

TOOLS: dict[str, Adapter] = {
    adapter.tool: adapter
    for module in (
        python_tools,
        formatters,
        javascript_tools,
        reported_suites,
        mocha,
        printed_suites,
        rust_tools,
        go_tools,
        compilers,
        scripts_and_workflows,
        any_tool,
    )
    for adapter in module.ADAPTERS
}
"""By the name that `fix.targets` and failures use."""


# --- What a change may concern --------------------------------------------------------------------
# Every second counts, before a commit and between repairs. In doubt a tool is asked: one that is in
# no table here, and any change of a file that tools may read their settings from.

_PYTHON = frozenset({".py", ".pyi", ".pyw", ".ipynb"})
_JAVASCRIPT = frozenset(
    {".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte"}
)
_GO, _RUST = frozenset({".go"}), frozenset({".rs"})
_JAVA = frozenset({".java", ".kt", ".groovy"})
_SUFFIXES = {
    **dict.fromkeys(("python", "ruff", "ruff format", "black", "mypy", "pyright"), _PYTHON),
    **dict.fromkeys(("pytest", "unittest"), _PYTHON),
    **dict.fromkeys(("eslint", "tsc", "jest", "vitest", "node --test"), _JAVASCRIPT),
    **dict.fromkeys(("go build", "go vet", "go test", "gofmt"), _GO),
    **dict.fromkeys(("cargo", "cargo fmt", "cargo test"), _RUST),
    **dict.fromkeys(("javac", "maven", "gradle"), _JAVA),
}
_CODE = frozenset().union(*_SUFFIXES.values())
_PROSE = frozenset({".md", ".rst", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".webp"})


def concerned(tool: str, paths: Iterable[str]) -> bool:
    """Whether a tool may say something else now that these files have changed, by their names."""
    if tool not in _SUFFIXES:
        return True
    suffixes = {posixpath.splitext(path)[1].lower() for path in paths}
    foreign = (_CODE | _PROSE) - _SUFFIXES[tool]
    return bool(suffixes - foreign)
