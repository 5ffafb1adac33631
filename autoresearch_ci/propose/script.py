"""Replays a JSONL list of changes: line i is the proposal of iteration i, also after a resume.

    {"description": "...", "edits": [{"path": "a.py", "old": "x = 1", "new": "x = 2"}]}
    {"description": "...", "files": {"new.py": "content", "gone.py": null}, "repairs": [{...}]}

`repairs` are used, in order, when the harness asks for a repair or rework of that iteration.
For tests, demos and replays; what a path may be is not decided here.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import FileEdit, Proposal
from autoresearch_ci.propose.proposer import Context, EditError, Request
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable, json_value

_EXPECTED = (
    'Expected {"description": "...", "edits": [{"path", "old", "new"}]} or '
    '{"description": "...", "files": {"path": "content" or null}}, each with optional '
    '"repairs": [the same shape].'
)
_BYTES = 64 * MIB
_KEYS = ("description", "edits", "files", "expected", "repairs", "path", "old", "new")


_NAME = "script"


class _Misfit(Exception):
    """Why an edit cannot be applied; the caller knows whose edit it is."""


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: str = Field(min_length=1)
    old: str = Field(min_length=1)
    new: str


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    description: str
    edits: list[_Edit] | None = None
    files: dict[str, str | None] | None = None
    expected: float | None = Field(default=None, allow_inf_nan=False)
    """Relative gain, 0.02 is 2 % better."""

    @model_validator(mode="after")
    def _one_form(self) -> _Change:
        if (self.edits is None) == (self.files is None):
            raise ValueError("needs either `edits` or `files`")
        return self


class _Line(_Change):
    repairs: list[_Change] = []


class ScriptProposer:
    """Proposes what a file says, never anything else."""

    def __init__(self, source: Path | bytes) -> None:
        """Reads the whole script. Raises `ConfigError` with file and line if any is unusable."""
        name = str(source) if isinstance(source, Path) else "script"
        try:
            data = file_bytes(source, _BYTES) if isinstance(source, Path) else source
            text = data.decode("utf-8-sig")
        except Unreadable as error:
            raise ConfigError(
                f"{name} {error}. A script is a UTF-8 file with one JSON object per line; check "
                "the path given to `script:`."
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{name}: cannot read the script: {error}. It must be a UTF-8 file with one JSON "
                "object per line; check the path given to `script:`."
            ) from error
        # Only \n ends a line: JSON strings may hold the other separators that splitlines() knows.
        lines = text.removesuffix("\n").split("\n") if text else []
        self._lines = [_parsed(line, f"{name}:{number}") for number, line in enumerate(lines, 1)]

    def propose(self, context: Context) -> Proposal | None:
        """The line of this iteration, or `None` past the last line or the last repair.

        Raises `EditError` when the line does not fit the incumbent.
        """
        if context.iteration > len(self._lines):
            return None
        change: _Change = self._lines[context.iteration - 1]
        contents: dict[str, bytes | None] = {}
        if context.request is not Request.PROPOSE:
            repairs = self._lines[context.iteration - 1].repairs
            if context.attempt - 2 >= len(repairs):
                return None
            change = repairs[context.attempt - 2]
            previous = context.previous.edits if context.previous else ()
            contents.update({edit.path: edit.content for edit in previous})
        try:
            for edit in change.edits or ():
                contents[edit.path] = _replaced(edit, _current(edit.path, contents, context))
        except _Misfit as error:
            raise EditError(str(error), description=change.description, proposer=_NAME) from error
        for path, content in (change.files or {}).items():
            contents[path] = None if content is None else content.encode()
        return Proposal(
            description=change.description,
            edits=tuple(FileEdit(path=path, content=data) for path, data in contents.items()),
            proposer=_NAME,
            expected=change.expected,
        )


def _parsed(line: str, place: str) -> _Line:
    try:
        value = json_value(line, limit=_BYTES)
        # A lone surrogate is legal JSON and no text: it could not be written to a file.
        json.dumps(value, ensure_ascii=False).encode()
        return _Line.model_validate(value)
    except Unreadable as error:
        raise ConfigError(f"{place}: the line {error}. {_EXPECTED}") from error
    except (json.JSONDecodeError, UnicodeEncodeError) as error:
        raise ConfigError(
            f"{place}: not JSON ({error}). Every line of a script is one whole JSON object; line i "
            "belongs to iteration i, so none may be empty or a comment."
        ) from error
    except ValidationError as error:
        problems = "; ".join(_problem(detail["loc"], detail["msg"]) for detail in error.errors())
        raise ConfigError(f"{place}: {problems}. {_EXPECTED}") from error


def _problem(location: tuple[int | str, ...], message: str) -> str:
    if not location:
        return message.removeprefix("Value error, ")
    where = ".".join(map(str, location))
    if message.startswith("Extra inputs"):
        name = str(location[-1])
        if name in _KEYS:
            inner = name in ("path", "old", "new")
            place = "belongs into `edits`: [{...}]" if inner else "does not belong there"
            return f"`{where}` {place}"
        near = difflib.get_close_matches(name, _KEYS, n=1)
        return f"unknown key `{where}`" + (f", did you mean `{near[0]}`?" if near else "")
    return f"`{where}`: {message[0].lower()}{message[1:]}"


def _current(path: str, contents: dict[str, bytes | None], context: Context) -> bytes:
    try:
        data = contents[path] if path in contents else context.incumbent.read(path)
    except KeyError:
        data = None
    if data is None:
        raise _Misfit(f"{path}: no such file to edit")
    return data


def _replaced(edit: _Edit, data: bytes) -> bytes:
    old = edit.old.encode()
    old = old if old in data else _ended_like(data, old)
    at = data.find(old)
    shown = repr(edit.old if len(edit.old) <= 60 else f"{edit.old[:57]}...")
    if at < 0:
        raise _Misfit(f"{edit.path}: {shown} does not occur")
    if data.find(old, at + 1) >= 0:
        raise _Misfit(f"{edit.path}: {shown} occurs more than once")
    return data[:at] + _ended_like(data, edit.new.encode()) + data[at + len(old) :]


def _ended_like(data: bytes, text: bytes) -> bytes:
    """`text` with the line ends of `data`, a file that need not be UTF-8."""
    if data.count(b"\r\n") * 2 <= data.count(b"\n"):
        return text
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
