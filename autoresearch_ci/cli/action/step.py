"""What is known of one step while it goes on: its surroundings, and what the command line said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_ci.cli.action.runner import Log
from autoresearch_ci.cli.action.summary import Narrator
from autoresearch_ci.execution.supervisor import Stopping, Stream

_TAIL = 400
"""Lines of each stream that are remembered."""


@dataclass(kw_only=True)
class Step:
    """Filled as the step goes on; read when it is over."""

    environment: Mapping[str, str]
    workspace: Path
    log: Log
    stopping: Stopping
    narrator: Narrator
    reason: str = ""
    error: str = ""
    printed: list[str] = field(default_factory=list)
    """Standard output of a command that tells no events."""
    complaints: list[str] = field(default_factory=list)
    """The last lines of standard error."""
    command: str = ""

    def hear(self, stream: Stream, line: str) -> None:
        if stream == "err":
            self.complaints = [*self.complaints[1 - _TAIL :], line]
            self.log.line(line)
        elif self.command == "run":
            self.narrator.feed(line)
        else:
            self.printed = [*self.printed[1 - _TAIL :], line]
            if self.command != "compare":  # that prints JSON for us alone
                self.log.line(line)
