"""What a change must leave alone: how the number is printed, and the files that make it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """What is known of the metric, the guards and the holdout."""

    names: Sequence[str] = ()
    """Of the numbers, as in `name: value`."""
    patterns: Sequence[str] = ()
    """Regular expressions that find a number in the output."""
    keys: Sequence[str] = ()
    """In JSON, of the numbers."""
    files: Sequence[str] = ()
    """Paths of the frozen files that the commands name, and of the reports that they write."""
    tests: bool = False
    """Whether the file looked at is a test's: that one may use pytest."""
    program: bool = False
    """Whether the file looked at is `__main__.py`: nobody imports it, so it may exit."""

    def at(self, path: str) -> Ruler:
        """The ruler, as seen from one file."""
        parts = path.lower().split("/")
        tests = any(re.search(r"(^|_)(tests?|testing|conftest)(_|$|\.)", part) for part in parts)
        return replace(self, tests=tests, program=parts[-1] == "__main__.py")

    def is_its_line(self, text: str) -> bool:
        """Whether a line of `text` would be taken for the number."""
        for name in self.names:
            if re.search(rf"(?m)^[ \t]*(METRIC[ \t]+)?{re.escape(name)}[ \t]*[:=]", text):
                return True
        return any(_matches(pattern, text) for pattern in self.patterns)

    def is_its_file(self, text: str) -> bool:
        """Whether `text` is the path of one of its files, the end of it, or leads to it."""
        plain = text.removeprefix("./")
        return "." in posixpath.basename(plain) and any(
            plain == path or path.endswith(f"/{plain}") or plain.endswith(f"/{path}")
            for path in self.files
        )


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text, re.MULTILINE) is not None
    except re.error:
        return False
