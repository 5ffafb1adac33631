"""The runner's log and files: untrusted lines made harmless, and the few commands that we mean.

Every line goes through `defuse`, so only what this module issues itself is ever obeyed. A measured
command that finds the files through which a step speaks to the runner could set our outputs, or the
PATH of later steps. So they are read at the start and rewritten at the end: then they hold what was
there and what we say.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TextIO

from autoresearch_ci.safety.log_text import defuse, file_command, workflow_command
from autoresearch_ci.safety.secret_values import pieces, secret_values

VARIABLES = (
    "GITHUB_OUTPUT",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_STATE",
)
SUMMARY_BYTES = 1024 * 1024
"""A larger summary is not shown at all (actions/runner, FileCommandManager.cs)."""


class FileCommands:
    """The runner's files of one step; those that are not given are not written."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._paths = {name: Path(environment[name]) for name in VARIABLES if environment.get(name)}
        self._before = {name: _content(path) for name, path in self._paths.items()}

    def set_outputs(self, values: Mapping[str, str]) -> None:
        """Replaces what we said before."""
        lines = (file_command(name, text, secrets.token_hex(16)) for name, text in values.items())
        self._write("GITHUB_OUTPUT", "".join(lines).encode("utf-8", "backslashreplace"))

    def set_summary(self, parts: list[str]) -> None:
        """Markdown, the most important part first; what does not fit is left out from the end."""
        room = SUMMARY_BYTES - len(self._before.get("GITHUB_STEP_SUMMARY", b""))
        self._write("GITHUB_STEP_SUMMARY", fit(parts, room))

    def restore_others(self) -> None:
        """What somebody else in this step wrote is undone."""
        for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE"):
            self._write(name, b"")

    def _write(self, name: str, content: bytes) -> None:
        path = self._paths.get(name)
        if path is not None:
            _replace(path, self._before[name] + content)


def fit(parts: list[str], room: int) -> bytes:
    """As many whole parts as fit into `room` bytes, then a sentence when one did not."""
    rest = b"\n\nMore did not fit into this page; the run folder has all of it.\n"
    encoded = [part.encode("utf-8", "backslashreplace") for part in parts if part]
    whole = b"\n\n".join(encoded) + b"\n"
    if len(whole) <= room:
        return whole
    done = b""
    for part in encoded:
        if len(done) + len(part) + 2 + len(rest) > room:
            break
        done += part + b"\n\n"
    return (done.rstrip(b"\n") + rest)[: max(room, 0)]


def _replace(path: Path, content: bytes) -> None:
    """The content, not the file: its owner is the runner's user, who must be able to read it.

    What was put in its place is not followed (a link), and not waited for (a FIFO). A device is
    the machine's (`/dev/null`), and stays.
    """
    if path.is_symlink() or not (path.is_file() or path.is_char_device()):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        file.write(content)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


LogLevel = Literal["error", "warning", "notice"]
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

    def annotate(
        self, level: LogLevel, message: str, title: str = "", file: str = "", line: str = ""
    ) -> None:
        """Shown beside the run, or a line of a file; beyond the runner's limit only in the log."""
        self._shown[level] += 1
        if self._obeyed and self._shown[level] < ANNOTATIONS:
            text = "\n".join(defuse(line) for line in message[:MESSAGE].splitlines())
            at = {"file": defuse(file), "line": defuse(line)}
            self._command(level, text, **at, title=defuse(title))
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
