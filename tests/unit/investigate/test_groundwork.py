"""A command that shows a failure can be typed by anybody, and does no harm."""

from __future__ import annotations

import pytest

from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.investigate.groundwork import shows
from autoresearch_ci.measure.diagnostics.discovery.targets import discover
from autoresearch_ci.measure.diagnostics.registry import TOOLS

CMAKE = {"CMakeLists.txt": "project(x)\nenable_testing()\n", "a.c": ""}
MESON = {"meson.build": "project('x', 'c')\ntest('a', exe)\n", "a.c": ""}


@pytest.mark.parametrize(
    ("tool", "command"),
    [
        *((adapter.tool, adapter.command) for adapter in TOOLS.values() if adapter.command),
        *(
            (target.tool, target.command)
            for files in (CMAKE, MESON)
            for target in discover(files, lambda path, of=files: of[path].encode()).targets
        ),
    ],
)
def test_no_report_is_put_in_the_place_of_a_device(tool: str, command: str) -> None:
    shown = shows(FixTarget(tool=tool, command=command))
    assert "/dev/" not in shown  # ctest renames its report to its place, as root over any device
    assert "{report}" not in shown


def test_who_wants_no_report_of_ctest_asks_for_none() -> None:
    (command,) = [
        t.command for t in discover(CMAKE, lambda p: CMAKE[p].encode()).targets if t.tool == "junit"
    ]
    assert shows(FixTarget(tool="junit", command=command)).endswith("ctest --test-dir build")
