"""The workflow-command language of CI logs, and text made harmless before it reaches one."""

from __future__ import annotations

import re
import unicodedata

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, format characters (bidi, zero-width, tags), lone surrogates, line separators."""

_HIDDEN_OTHERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufdd0-\ufdef\ufffe\uffff"
    "\U000e0000-\U000e0fff]"
)
_MISPLACED_SELECTOR = re.compile("(?<=[\x00-\x7f])[\ufe00-\ufe0f]")
"""A variation selector is at home after an emoji; after ASCII it can only hide inside `##[`."""


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


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    text = _HIDDEN_OTHERS.sub(lambda match: _escaped(match[0]), text)
    text = "".join(
        _escaped(char) if unicodedata.category(char) in _HIDDEN_CATEGORIES else char
        for char in text
    )
    # a run of them is undone one by one: each in turn comes to stand after ASCII
    while _MISPLACED_SELECTOR.search(text):
        text = _MISPLACED_SELECTOR.sub(lambda match: _escaped(match[0]), text)
    return text


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


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
