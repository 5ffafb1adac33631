"""Has Go and Node write down which lines a command executes, and reads that back.

Node is asked by its environment, so whatever starts it is seen; Go by a flag, where `go test` is
the command itself. What the files mean is coverage_reports.py's business.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.decide.changed_lines import LinesOfTest
from autoresearch_ci.measure.coverage_reports import REPORT_LIMIT, go_lines, v8_lines
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import Unreadable

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
