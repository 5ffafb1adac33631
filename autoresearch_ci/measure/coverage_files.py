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
        return {"NODE_V8_COVERAGE": str(self._of_node)}

    def asked(self, command: str) -> str:
        """The command, which may have to be told."""
        found = _GO_TEST.fullmatch(command)
        if found is None or "-coverprofile" in command:
            return command
        asks = shlex.join([f"-coverprofile={self._of_go}", "-coverpkg=./..."])
        return f"{found['start']} {asks}{found['rest']}"

    def executed(
        self, files: Collection[str], sources: Mapping[str, str], *, failed: bool
    ) -> tuple[LinesOfTest, ...]:
        """All of it as one test, once the command has ended; empty: nothing was written.

        `sources`: text of the files that are looked at.
        """
        profile = _content(self._of_go) or b""
        lines = go_lines(profile.decode(errors="replace"), files)
        if self._of_node.is_dir() and not self._of_node.is_symlink():
            lines |= v8_lines(self._reports(), sources, str(self.tree))
        return (LinesOfTest(failed=failed, lines=lines),) if lines else ()

    def _reports(self) -> Iterator[bytes]:
        for path in sorted(self._of_node.glob("coverage-*.json"))[:_PROCESSES]:
            if report := _content(path):
                yield report

    @property
    def _of_node(self) -> Path:
        return self.temporary / ".executed-by-node"

    @property
    def _of_go(self) -> Path:
        return self.temporary / ".executed-by-go"


def _content(path: Path) -> bytes | None:
    """Measured code may have put anything there."""
    try:
        return file_bytes(path, REPORT_LIMIT, follow=False)
    except (OSError, Unreadable):
        return None
