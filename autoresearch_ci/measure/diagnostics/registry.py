"""The one table of tools."""

from __future__ import annotations

from autoresearch_ci.measure.diagnostics import (
    any_tool,
    compilers,
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
