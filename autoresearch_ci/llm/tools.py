"""The tools a model edits a draft with, in two dialects, and what each call answers.

`native` uses the text editor that Anthropic's models are trained on; `plain` needs nothing but JSON
schemas, for servers that only speak the protocol. Both end in the same operations of a `Draft`.
Whatever a call contains, it is answered: a wrong name, path or argument is a tool error.
"""

from __future__ import annotations

import collections
import enum
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from autoresearch_ci.llm.draft import Draft, DraftError
from autoresearch_ci.safety.prompt_text import line, quoted, shown

EDITOR = "str_replace_based_edit_tool"
SUBMIT = "submit"
MAX_RESULT = 40_000
"""Characters of one answer; a longer file is read in ranges."""
MAX_LISTED = 300


class Dialect(enum.StrEnum):
    """Which kind of tools a server understands."""

    NATIVE = "native"
    PLAIN = "plain"


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What a tool call came to."""

    text: str
    failed: bool = False


class MoreTools(Protocol):
    """Tools from elsewhere, offered beside ours."""

    def definitions(self) -> list[dict[str, Any]]:
        """The same in every request."""
        ...

    def handles(self, name: str) -> bool: ...

    def call(self, name: str, arguments: object) -> ToolResult:
        """Whatever goes wrong is a failed answer."""
        ...

    def new_iteration(self) -> None: ...


def definitions(dialect: Dialect) -> list[dict[str, Any]]:
    """The `tools` of a request, the same in every request."""
    if dialect is Dialect.NATIVE:
        editor = {"type": "text_editor_20250728", "name": EDITOR, "max_characters": MAX_RESULT}
        return [editor, *(_definition(name) for name in (*_SHARED, SUBMIT))]
    return [_definition(name) for name in (*_PLAIN, *_SHARED, SUBMIT)]


def call(draft: Draft, dialect: Dialect, name: str, arguments: object) -> ToolResult:
    """Carry out one call, `submit` excepted."""
    own = (EDITOR,) if dialect is Dialect.NATIVE else _PLAIN
    if name not in (*own, *_SHARED):
        known = ", ".join((*own, *_SHARED, SUBMIT))
        return ToolResult(
            text=f"there is no tool {line(name, 60)!r}; there are: {known}", failed=True
        )
    try:
        operation = _parsed(_editor(arguments) if name == EDITOR else _MODELS[name], arguments)
        return ToolResult(text=_bounded(operation.apply(draft)))
    except DraftError as error:
        return ToolResult(text=_bounded(str(error)), failed=True)


READING = ("read", "glob", "grep")
"""The tools of those who only look; the same in both dialects, as the text editor also writes."""


def reading_definitions() -> list[dict[str, Any]]:
    """The `tools` of a request that changes nothing."""
    return [_definition(name) for name in READING]


def read_only(draft: Draft, name: str, arguments: object) -> ToolResult:
    """Carry out one of `READING`."""
    try:
        return ToolResult(text=_bounded(_parsed(_MODELS[name], arguments).apply(draft)))
    except DraftError as error:
        return ToolResult(text=_bounded(str(error)), failed=True)


def submission(arguments: object) -> Submission:
    """The arguments of `submit`. Raises `DraftError` when they are not usable."""
    return _parsed(Submission, arguments)


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, defer_build=True)


class _Operation(_Arguments):
    def apply(self, draft: Draft) -> str:
        raise NotImplementedError


def _as_number(value: object) -> object:
    """Models of other makers write numbers as strings."""
    return int(value) if isinstance(value, str) and value.strip().lstrip("-").isdigit() else value


Number = Annotated[int, BeforeValidator(_as_number)]


def _as_guess(value: object) -> float | None:
    """A guess that cannot be read is none: the change that it belongs to is there all the same."""
    try:
        found = float(str(value).strip().removesuffix("%"))
    except ValueError:
        return None
    return found if abs(found) <= 1000 else None  # nor is a NaN


Guess = Annotated[float | None, BeforeValidator(_as_guess)]


class _Read(_Operation):
    """Read a file (or list a folder); `first` and `last` are line numbers, from 1."""

    path: str
    first: Number = 1
    last: Number | None = None

    def apply(self, draft: Draft) -> str:
        return _viewed(draft, self.path, self.first, self.last)


class _Edit(_Operation):
    """Replace `old`, which must occur exactly once in the file, by `new`."""

    path: str
    old: str
    new: str

    def apply(self, draft: Draft) -> str:
        draft.replace(self.path, self.old, self.new)
        return _done(draft, self.path)


class _Write(_Operation):
    """Write a whole file, new or existing."""

    path: str
    content: str

    def apply(self, draft: Draft) -> str:
        draft.write(self.path, self.content)
        return _done(draft, self.path)


class _Glob(_Operation):
    """List the repository's files that match a gitignore-style pattern, e.g. `src/**/*.py`."""

    pattern: str

    def apply(self, draft: Draft) -> str:
        return _listed(draft.glob(self.pattern))


class _Grep(_Operation):
    """Search the files with a regular expression; answers `path:line: text`."""

    pattern: str
    glob: str = "**"
    ignore_case: bool = False

    def apply(self, draft: Draft) -> str:
        found = draft.grep(self.pattern, glob=self.glob, ignore_case=self.ignore_case)
        return "\n".join(found) or "no match"


class _Delete(_Operation):
    """Delete a file."""

    path: str

    def apply(self, draft: Draft) -> str:
        draft.delete(self.path)
        return f"{quoted(self.path)}: deleted"


class _Revert(_Operation):
    """Take back all your edits to one file."""

    path: str

    def apply(self, draft: Draft) -> str:
        draft.revert(self.path)
        return f"{quoted(self.path)}: as it was"


class Submission(_Arguments):
    """Finish: hand in the change as it stands. Do not measure; the program does."""

    description: str = Field(
        min_length=1, description="One imperative sentence: what changes, from what to what."
    )
    hypothesis: str = Field(description="Why this should improve the metric, in one sentence.")
    expected: Guess = Field(
        default=None,
        description="The gain that you expect, in percent of the metric: 2 is 2 % better. Your "
        "honest guess; leave it out if you have none.",
    )
    next: str = Field(default="", description="What to try after this, whatever its outcome.")


class _View(_Operation):
    path: str
    view_range: list[Number] | None = None

    def apply(self, draft: Draft) -> str:
        span = self.view_range
        if span is None:
            return _viewed(draft, self.path, 1, None)
        if len(span) != 2:
            raise DraftError("view_range is [first, last]; last may be -1")
        return _viewed(draft, self.path, span[0], span[1])


class _Create(_Operation):
    path: str
    file_text: str

    def apply(self, draft: Draft) -> str:
        draft.write(self.path, self.file_text)
        return _done(draft, self.path)


class _StrReplace(_Operation):
    path: str
    old_str: str
    new_str: str = ""

    def apply(self, draft: Draft) -> str:
        draft.replace(self.path, self.old_str, self.new_str)
        return _done(draft, self.path)


class _Insert(_Operation):
    path: str
    insert_line: Number
    insert_text: str

    def apply(self, draft: Draft) -> str:
        draft.insert(self.path, self.insert_line, self.insert_text)
        return _done(draft, self.path)


_PLAIN = ("read", "edit", "write")
_SHARED = ("glob", "grep", "delete", "revert")
_MODELS: Mapping[str, type[_Operation]] = {
    "read": _Read,
    "edit": _Edit,
    "write": _Write,
    "glob": _Glob,
    "grep": _Grep,
    "delete": _Delete,
    "revert": _Revert,
}
_EDITOR: Mapping[object, type[_Operation]] = {
    "view": _View,
    "create": _Create,
    "str_replace": _StrReplace,
    "insert": _Insert,
}
_M = TypeVar("_M", bound=_Arguments)


def _editor(arguments: object) -> type[_Operation]:
    command = arguments.get("command") if isinstance(arguments, Mapping) else None
    if not isinstance(command, str) or command not in _EDITOR:
        raise DraftError(f"command must be one of {', '.join(map(str, _EDITOR))}")
    return _EDITOR[command]


def _parsed(model: type[_M], arguments: object) -> _M:
    if not isinstance(arguments, Mapping):
        raise DraftError("the arguments must be one JSON object")
    try:
        return model.model_validate(dict(arguments))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, detail['loc'])) or 'arguments'}: {detail['msg'].lower()}"
            for detail in error.errors(include_input=False, include_url=False)
        )
        raise DraftError(f"malformed arguments: {line(wrong, 400)}") from error


def _definition(name: str) -> dict[str, Any]:
    schema = _schema(Submission if name == SUBMIT else _MODELS[name])
    properties = {key: _plain(value) for key, value in schema["properties"].items()}
    required = schema.get("required", [])
    return {
        "name": name,
        "description": schema["description"],
        "input_schema": {"type": "object", "properties": properties, "required": required},
    }


@functools.cache
def _schema(model: type[_Arguments]) -> Mapping[str, Any]:
    """Each request offers tools, and to find it out takes longer than to write the request."""
    return model.model_json_schema()


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """A property without what only pydantic needs: small servers choke on `anyOf` and nulls."""
    kinds = [kind for kind in value.get("anyOf", [value]) if kind.get("type") != "null"]
    kept = {"type": kinds[0]["type"]}
    return {**kept, **{k: value[k] for k in ("description",) if k in value}}


def _viewed(draft: Draft, path: str, first: int, last: int | None) -> str:
    inside = None if path in draft.paths() else draft.folder("" if path == "/" else path)
    if inside is not None:
        return _listed(inside if len(inside) <= MAX_LISTED else _collapsed(inside, path))
    lines = draft.text(path).replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return "(the file is empty)"
    stop = len(lines) if last is None or last == -1 else min(last, len(lines))
    if not 1 <= first <= stop:
        raise DraftError(f"{quoted(path)}: has lines 1 to {len(lines)}, not {first} to {last}")
    out: list[str] = []
    room = MAX_RESULT - 100
    for number in range(first, stop + 1):
        text = f"{number:6}\t{shown(lines[number - 1])}"
        room -= len(text) + 1
        if room < 0:
            out.append(f"(cut: {len(lines)} lines in all; ask for lines {number} and on)")
            break
        out.append(text)
    return "\n".join(out)


def _collapsed(paths: list[str], folder: str) -> list[str]:
    """A large folder one level deep, with the number of files below each folder in it."""
    name = folder.removeprefix("./").strip("/")
    above = 0 if name in ("", ".") else len(name) + 1
    counts: collections.Counter[str] = collections.Counter()
    for path in paths:
        child, slash, _ = path[above:].partition("/")
        counts[path[:above] + child + slash] += 1
    return [f"{row} ({count} files)" if row[-1] == "/" else row for row, count in counts.items()]


def _listed(paths: list[str]) -> str:
    more = len(paths) - MAX_LISTED
    rows = [quoted(path) for path in paths[:MAX_LISTED]]
    return "\n".join([*rows, f"(and {more} more)"] if more > 0 else rows) or "no file"


def _done(draft: Draft, path: str) -> str:
    size = draft.size()
    return f"{quoted(path)}: done; so far {size.files} file(s), {size.hunks} hunk(s) changed"


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_RESULT else f"{text[:MAX_RESULT]}\n(cut)"
