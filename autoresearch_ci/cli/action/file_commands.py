"""The files through which a step speaks to the runner, kept from everybody else in the step.

A measured command that finds them could set our outputs, or the PATH of later steps. So they are
read at the start and rewritten at the end: then they hold what was there and what we say.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from autoresearch_ci.safety.log import file_command

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

    What was put in its place is not followed (a link), and not waited for (a FIFO).
    """
    if not path.is_file() or path.is_symlink():
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
