"""The runner's log: untrusted lines made harmless, and the few commands that we mean.

Every line goes through `defuse`, so only what this module issues itself is ever obeyed.
"""

from __future__ import annotations

import base64
import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TextIO

from autoresearch_ci.safety.log import defuse, workflow_command
from autoresearch_ci.safety.secret_values import pieces, secret_values

Level = Literal["error", "warning", "notice"]
ANNOTATIONS = 10
"""Of each level: the runner drops what comes after them, so ours say how many there were."""
MESSAGE = 4000
"""Characters of an annotation; the runner cuts at 4096."""
_SHORTEST = 4
"""Masking fewer characters than these would blacken the log and hide nothing."""


class Log:
    """What one step prints."""

    def __init__(self, stream: TextIO, *, obeyed: bool) -> None:
        self._stream = stream
        self._obeyed = obeyed
        """Whether a GitHub runner reads along; elsewhere `add-mask` would print the secret."""
        self._shown: Counter[str] = Counter()
        self._group = ""

    def mask(self, values: Iterable[str]) -> None:
        """The runner shows `***` instead, from the next line on."""
        for value in values:
            self._command("add-mask", value)

    def line(self, text: str) -> None:
        """Text of anybody's, for people to read."""
        for part in text.splitlines() or [""]:
            self._write(defuse(part))

    def group(self, title: str) -> None:
        """Fold what follows under `title`, until the next group or `end_group`."""
        if title != self._group:
            self.end_group()
            self._command("group", defuse(title))
            self._group = title

    def end_group(self) -> None:
        if self._group:
            self._command("endgroup")
            self._group = ""

    def annotate(self, level: Level, message: str, title: str = "") -> None:
        """Shown beside the run; beyond the runner's limit only in the log."""
        self._shown[level] += 1
        if self._obeyed and self._shown[level] < ANNOTATIONS:
            text = "\n".join(defuse(line) for line in message[:MESSAGE].splitlines())
            self._command(level, text, title=defuse(title))
        else:
            self.line(f"{level}: {message}")

    def close(self) -> None:
        """End the group, and say what did not fit."""
        self.end_group()
        for level, shown in self._shown.items():
            if (more := shown - ANNOTATIONS + 1) > 0:
                self._command(level, f"{more} more in the log of this step.")
        self._shown.clear()

    def _command(self, name: str, message: str = "", **properties: str) -> None:
        if self._obeyed:
            self._write(workflow_command(name, message, **properties))

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads: the work goes on
            self._stream.write(line + "\n")
            self._stream.flush()


def masks(environment: Mapping[str, str], inputs: Sequence[str]) -> Iterator[str]:
    """Every text that must not be seen, longest first: lines, and the forms that git sends.

    `inputs` are secret whatever they look like; of the environment, what is named or looks so.
    """
    forms = {line.strip() for value in inputs for line in value.splitlines()}
    for value in (*inputs, *secret_values(environment)):
        found = set(pieces(value))
        forms |= found
        for text in (value, f"x-access-token:{value}") if found else ():
            encoded = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
            forms.add(encoded.rstrip("="))
    yield from sorted((f for f in forms if len(f) >= _SHORTEST), key=lambda f: (-len(f), f))
