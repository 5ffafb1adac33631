"""Text made harmless before it reaches a CI log, and the guard through which all our output goes.

A runner obeys what stands on stdout and stderr, whoever wrote it. So everything we print goes
through `guard_output`. Only the job around a command, which prints no text of others, writes
commands of the workflow language.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO


class Guarded:
    """A text stream on which no line is a workflow command, whatever is printed: every line passes
    through `defuse` when it is complete."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        *whole, self._begun = f"{self._begun}{text}".split("\n")
        if whole:
            self.stream.write("".join(f"{defuse(line)}\n" for line in whole))
        return len(text)

    def finish(self) -> None:
        """Write what has no end of line, once nothing can follow it."""
        begun, self._begun = self._begun, ""
        if begun:
            self.stream.write(defuse(begun))
        self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)  # flush, isatty, fileno, encoding


def guard_output() -> Callable[[], None]:
    """Put a `Guarded` before stdout and stderr, unless they are a person's terminal.

    The answer takes them away again and must be called before the process ends.
    """
    guards = []
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not stream.isatty():
            guards.append(Guarded(stream))
            setattr(sys, name, guards[-1])

    def take_away() -> None:
        for guard in guards:
            guard.finish()
        sys.stdout, sys.stderr = before

    return take_away


class QuietStream:
    """A text stream that stops writing when its reader is gone, and can write any character."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        if not self._gone:
            # what a terminal's encoding cannot say is written out, as defuse() does
            sayable = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
            with self._until_gone():
                self._stream.write(sayable)
        return len(text)

    def flush(self) -> None:
        if not self._gone:
            with self._until_gone():
                self._stream.flush()

    def isatty(self) -> bool:
        try:
            return self._stream.isatty()
        except ValueError:  # closed
            return False

    def fileno(self) -> int:
        return self._stream.fileno()

    @contextmanager
    def _until_gone(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):  # the reader is gone, or the stream was closed
            self._gone = True
            # else the interpreter meets the same error when it flushes at exit, and says so:
            # https://docs.python.org/3/library/signal.html#note-on-sigpipe
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, format characters (bidi, zero-width, tags), lone surrogates, line separators."""

_HIDDEN_OTHERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufdd0-\ufdef\ufffe\uffff"
    "\U000e0000-\U000e0fff]"
)
_MISPLACED_SELECTORS = re.compile(r"(?<![^\x00-\x7f\s])[\ufe00-\ufe0f]+")
"""A variation selector is at home after an emoji; after ASCII, a blank or nothing it can only hide
inside `##[`, or before `::`."""

LINE_LIMIT = 2000
"""Characters of one line in a log."""
LINES_LIMIT = 400
"""Lines of one message."""


def defuse(text: str) -> str:
    """`text` that a terminal and a runner's log show but never obey: always one line.

    A tab becomes a space; controls, terminal escapes, bidi, zero-width and other invisible
    characters become `\\x1b`, `\\u202e`, ... The runner obeys `::command::` at the start of a line
    (after any Unicode white space) and `##[command]` anywhere in it; both get a backslash inside,
    as the runner does to its own markers (actions/runner, ActionCommand.cs and OutputManager.cs).
    Defusing twice changes nothing. Text of several lines is split by the caller, line by line.
    """
    visible = _visible(text.replace("\t", " ")).replace("##[", "##\\[")
    body = visible.lstrip()
    if not body.startswith("::"):
        return visible
    return f"{visible[: len(visible) - len(body)]}:\\{body[1:]}"


def clipped(text: str, width: int = LINE_LIMIT) -> str:
    """`text` as one harmless line of bounded length."""
    line = defuse(text[: width + 1])
    return line if len(line) <= width else f"{line[: width - 1]}…"


def message_lines(text: str) -> list[str]:
    """A message for a log: each line harmless and bounded, and not more lines than anyone reads."""
    lines = text.splitlines()
    more = len(lines) - LINES_LIMIT
    shown = [clipped(line) for line in lines[:LINES_LIMIT]]
    return [*shown, f"({more} more lines)"] if more > 0 else shown


def json_text(value: Any, *, indent: int | None = None, readable: bool = False) -> str:
    """JSON that a log shows but never obeys, and that means the same to whoever parses it.

    `readable`: characters beyond ASCII stay as they are, unless they are invisible. `##[` can only
    occur inside strings, where an escape spells the same text. An infinite number is null.
    """
    plain = _finite(value)
    text = json.dumps(plain, indent=indent, ensure_ascii=not readable, allow_nan=False, default=str)
    lines = (_visible(line, _escaped_in_json) for line in text.split("\n"))
    return "\n".join(lines).replace("##[", "##\\u005b")


def _finite(value: Any) -> Any:
    """JSON has no word for the others."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped_in_json(char: str) -> str:
    return json.dumps(char)[1:-1] if char != "\x7f" else "\\u007f"


def _visible(text: str, escaped: Callable[[str], str] = _escaped) -> str:
    if text.isascii() and text.isprintable():
        return text
    text = _HIDDEN_OTHERS.sub(lambda match: escaped(match[0]), text)
    text = "".join(
        escaped(char) if unicodedata.category(char) in _HIDDEN_CATEGORIES else char for char in text
    )
    return _MISPLACED_SELECTORS.sub(lambda match: "".join(map(escaped, match[0])), text)


def workflow_command(name: str, message: str = "", **properties: str) -> str:
    """One command of ours for the runner, as a line without its end.

    Escaped as the runner undoes it (actions/runner, ActionCommand.cs), so that no text can end the
    command early or begin another.
    """
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if listed else ''}{listed}::{_data(message)}"


def file_command(name: str, value: str, delimiter: str) -> str:
    """`name=value` for the file behind $GITHUB_OUTPUT, whatever `value` holds.

    `delimiter` is random and new: a value that could contain it could set other outputs.
    """
    if delimiter in value or delimiter in name:
        raise ValueError("the delimiter occurs in the value")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
