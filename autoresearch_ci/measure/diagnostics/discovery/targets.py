"""What a repository is checked with, found in its own files; each target with the reasons for it.

Pure: names of files and a way to read them go in, nothing is run. Where a tool is asked for, and
how, is for discovery/ to find; where a repository says nothing, adapter.py's table does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autoresearch_ci.experiment import ReadBytes
from autoresearch_ci.measure.diagnostics.discovery import (
    compiled,
    javascript,
    pipelines,
    python,
)
from autoresearch_ci.measure.diagnostics.discovery.found import FoundHints, Hint
from autoresearch_ci.measure.diagnostics.registry import TOOLS

TARGETS_LIMIT = 60

_NOT_OURS = re.compile(
    r"(^|/)(node_modules|vendor|third_party|thirdparty|site-packages|\.?venv|\.tox|\.nox|dist"
    r"|target|build|fixtures|__fixtures__|testdata|test-data|snapshots)/",
    re.IGNORECASE,
)
"""Folders of code that others wrote, that is made, or that is broken on purpose."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One tool in one folder."""

    name: str
    """`ruff`, `packages/web: eslint`."""
    tool: str
    """Its adapter's name."""
    command: str
    """A line of shell; `{report}` in it is the name of a file."""
    folder: str
    """Where it runs, relative to the root; empty: there."""
    reports: str
    """A pattern of files that the tool writes whatever it is told; empty: none."""
    reasons: tuple[str, ...]
    """Where the repository says so: `pyproject.toml: [tool.ruff]`."""


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What was found."""

    targets: tuple[Target, ...]
    """What has to hold first comes first."""
    unread: tuple[str, ...]
    """Files that could have said more, and why they were not read."""


def discover(paths: Iterable[str], read: ReadBytes) -> Discovery:
    """The targets of a repository with these files."""
    found = FoundHints(sorted(path for path in paths if not _NOT_OURS.search(path)), read)
    for look in (python.look, javascript.look, compiled.look, pipelines.look):
        look(found)
    python.look_for_packages(found)  # once everything else has said what it covers
    pipelines.look_for_rules(found)
    python.look_for_tests(found)
    targets = [_target(tool, folder, hints) for (tool, folder), hints in found.hints.items()]
    targets.sort(key=lambda target: (_order(target.tool), target.folder, target.tool))
    if len(targets) > TARGETS_LIMIT:
        found.unread.append(f"only the first {TARGETS_LIMIT} of {len(targets)} targets are taken")
    return Discovery(targets=tuple(targets[:TARGETS_LIMIT]), unread=tuple(found.unread))


def _order(tool: str) -> int:
    return min((category.rank for category in TOOLS[tool].categories), default=0)


def _target(tool: str, folder: str, hints: Sequence[Hint]) -> Target:
    adapter = TOOLS[tool]
    told = [hint.command for hint in hints if hint.command]
    own = next((c for c in told if "--doctest" in c), next(iter(told), ""))  # it runs more tests
    return Target(
        name=f"{folder}: {tool}" if folder else tool,
        tool=tool,
        command=own or adapter.command,
        folder=folder,
        reports=adapter.reports,
        reasons=tuple(dict.fromkeys(hint.reason for hint in hints)),
    )
