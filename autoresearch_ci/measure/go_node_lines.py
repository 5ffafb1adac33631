"""Which lines a command executes: Go and Node are asked to write it down, and that is read back.

Node is asked by its environment, so whatever starts it is seen; Go by a flag, where `go test` is
the command itself. The writer is measured code: what is not of the expected form is left out. Which
test executed a line is not told, only that the command did.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoresearch_ci.decide.failures.changed_lines import LinesOfTest, resolved, suffixes
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable, json_value

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


_OF_NODE, _OF_GO = ".executed-by-node", ".executed-by-go"
_PROCESSES = 200
"""Of Node, whose files are read."""
_GO_TEST = re.compile(r"(?P<start>(?:[\w.]+=\S+ )*(?:\S*/)?go test)(?P<rest>(?: [^;&|<>`$()\n]*)?)")


@dataclass(frozen=True, kw_only=True)
class CoverageFiles:
    """Of one command."""

    temporary: Path
    """The command's TMPDIR."""
    tree: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the command must be given besides."""
        return {"NODE_V8_COVERAGE": str(self.temporary / _OF_NODE)}

    def asked(self, command: str) -> str:
        """The command, which may have to be told."""
        found = _GO_TEST.fullmatch(command)
        if found is None or "-coverprofile" in command:
            return command
        asks = shlex.join([f"-coverprofile={self.temporary / _OF_GO}", "-coverpkg=./..."])
        return f"{found['start']} {asks}{found['rest']}"

    def executed(
        self, seen: Path, files: Collection[str], sources: Mapping[str, str], *, failed: bool
    ) -> tuple[LinesOfTest, ...]:
        """All of it as one test, once the command has ended; empty: nothing was written.

        `seen`: where we find its TMPDIR. `sources`: text of the files that are looked at.
        """
        profile = _content(seen / _OF_GO) or b""
        lines = go_lines(profile.decode(errors="replace"), files)
        of_node = seen / _OF_NODE
        if of_node.is_dir() and not of_node.is_symlink():
            lines |= v8_lines(_reports(of_node), sources, str(self.tree))
        return (LinesOfTest(failed=failed, lines=lines),) if lines else ()


def _reports(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("coverage-*.json"))[:_PROCESSES]:
        if report := _content(path):
            yield report


def _content(path: Path) -> bytes | None:
    """Measured code may have put anything there."""
    try:
        return file_bytes(path, REPORT_LIMIT, follow=False)
    except (OSError, Unreadable):
        return None
