"""Lines that were executed, from what Go and Node write when they are asked; pure.

The writer is measured code: what is not of the expected form is left out. Which test executed a
line is not told, only that the command did.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from autoresearch_ci.decide.changed_lines import resolved, suffixes
from autoresearch_ci.safety.untrusted_values import MIB, json_value

REPORT_LIMIT = 32 * MIB
Lines = dict[str, frozenset[int]]
_GO = re.compile(
    r"^(?P<path>[^\s:]{1,400}):(?P<first>\d{1,8})\.\d{1,8},(?P<last>\d{1,8})\.(?P<column>\d{1,8})"
    r" \d{1,8} (?P<count>\d{1,18})$",
    re.MULTILINE,
)
_LINES = 50_000
"""Of one block."""


def go_lines(profile: str, files: Collection[str]) -> Lines:
    """Of a `-coverprofile`, which names a file by its package's import path."""
    ends = suffixes(files)
    found: dict[str, set[int]] = {}
    for block in _GO.finditer(profile):
        path = _without_module(block["path"], files, ends)
        first, last = int(block["first"]), int(block["last"])
        if path and int(block["count"]) and first <= last < first + _LINES:
            found.setdefault(path, set()).update(range(first, last + 1))
    return {path: frozenset(lines) for path, lines in found.items()}


def _without_module(told: str, files: Collection[str], ends: Mapping[str, Any]) -> str:
    """The longest end of an import path that is a file."""
    parts = told.split("/")
    tails = ("/".join(parts[start:]) for start in range(1, len(parts)))
    return next((tail for tail in tails if tail in files), "") or resolved(told, files, ends)


def v8_lines(reports: Iterable[bytes], sources: Mapping[str, str], root: str) -> Lines:
    """Of the files that NODE_V8_COVERAGE brings, one for each process.

    `sources`: of each file that is looked at; `root`: where the tree lay.
    """
    found: dict[str, frozenset[int]] = {}
    for report in reports:
        for path, ranges in _scripts(report, root):
            if path in sources:
                lines = _executed(sources[path], ranges)
                found[path] = found.get(path, frozenset()) | lines
    return found


Range = tuple[int, int, int]
"""First character, the one behind the last, and how often it was executed."""


def _scripts(report: bytes, root: str) -> Iterator[tuple[str, list[Range]]]:
    try:
        scripts = json_value(report, limit=REPORT_LIMIT)["result"]
        for script in scripts:
            path = str(script["url"]).removeprefix(f"file://{root.rstrip('/')}/")
            yield path, [_range(r) for f in script["functions"] for r in f["ranges"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return


def _range(told: Mapping[str, Any]) -> Range:
    return int(told["startOffset"]), int(told["endOffset"]), int(told["count"])


def _executed(source: str, ranges: Iterable[Range]) -> frozenset[int]:
    """Lines of which some character was executed; an inner range has the last word."""
    counted = bytearray(len(source))
    for start, end, count in sorted(ranges, key=lambda r: (r[0], -r[1])):
        start, end = max(0, start), min(end, len(source))
        if start < end:
            counted[start:end] = (b"\1" if count else b"\0") * (end - start)
    lines, at = set[int](), 0
    for number, line in enumerate(source.splitlines(keepends=True), start=1):
        inside = range(at, at + len(line))
        if any(counted[n] and not source[n].isspace() for n in inside):
            lines.add(number)
        at += len(line)
    return frozenset(lines)
