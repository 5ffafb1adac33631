"""Text made harmless before it reaches a CI log, and the workflow-command language of such logs.

A runner obeys what stands on stdout and stderr, whoever wrote it. So everything we print goes
through output_streams.py. Only the job around a command, which prints no text of others, writes
commands.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from typing import Any

from autoresearch_ci.safety.characters import replaced_for_people

LINE_LIMIT = 2000
"""Characters of one line in a log."""
LINES_LIMIT = 400
"""Lines of one message."""


def defuse(text: str) -> str:
    """`text` that a terminal and a runner's log show but never obey: always one line.

    A tab becomes a space; hidden characters (see characters.py), terminal escapes among them,
    become `\\x1b`, `\\u202e`, ... The runner obeys `::command::` at the start of a line
    (after any Unicode white space) and `##[command]` anywhere in it; both get a backslash inside,
    as the runner does to its own markers (actions/runner, ActionCommand.cs and OutputManager.cs).
    Defusing twice changes nothing. Text of several lines is split by the caller, line by line.
    """
    line = text.replace("\t", " ").replace("\n", _escaped("\n"))
    visible = replaced_for_people(line, _escaped).replace("##[", "##\\[")
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
    spelt = functools.partial(
        json.dumps, indent=indent, ensure_ascii=not readable, allow_nan=False, default=_plain
    )
    try:
        text = spelt(value)
    except ValueError:
        text = spelt(_finite(value))
    return replaced_for_people(text, _escaped_in_json).replace("##[", "##\\u005b")


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


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
