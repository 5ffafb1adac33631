"""What GitHub's runner has after one step: exit code, log, outputs, summary.

Ported from its source: `obeyed` after ActionCommand.cs and OutputManager.cs, `outputs` after
FileCommandManager.cs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FILES = ("OUTPUT", "STEP_SUMMARY", "ENV", "PATH", "STATE")
"""The files through which a step speaks to the runner: `GITHUB_OUTPUT` and so on."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What the runner has after one step."""

    code: int
    log: str
    folder: Path

    @property
    def outputs(self) -> dict[str, str]:
        text = (self.folder / "OUTPUT").read_text()
        found = re.findall(r"^(\S+)<<(\w{32})\n(.*?)\n\2\n", text, re.MULTILINE | re.DOTALL)
        return {name: value for name, _, value in found}

    @property
    def summary(self) -> str:
        return (self.folder / "STEP_SUMMARY").read_text()

    @property
    def obeyed(self) -> list[tuple[str, str]]:
        """Commands the runner would execute, with their data."""
        found = []
        for line in re.split(r"\r\n|\r|\n", self.log):
            v2 = re.match(r"\s*::([\w-]+)(?: [^:]*)?::(.*)", line)
            v1 = re.search(r"##\[([\w-]+)(?: [^\]]*)?\](.*)", line)
            found += [(m[1], m[2]) for m in (v2, v1) if m]
        return found

    def annotations(self, level: str) -> list[str]:
        return [text for name, text in self.obeyed if name == level]
