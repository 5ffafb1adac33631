"""YAML text -> plain values and the line of each; what the values mean is not known here.

A deliberately small YAML: one document, no anchors, aliases, tags or merge keys (nothing can expand
or run), bounded size and depth, no key twice, and the plain words of YAML 1.2: `yes`, `on`,
`1:30` and dates are text, only `true` and `false` are booleans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from autoresearch_ci.errors import ConfigError

Path = tuple[str | int, ...]

LARGEST = 256_000
"""Bytes of a configuration file."""
_DEEPEST = 20
# Longer numbers are no configuration, and Python refuses to convert or print them.
_LONGEST_NUMBER = 40
_FOREIGN_VALUES = 50_000
"""Of a file that may say things twice by naming them."""

_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"


@dataclass(frozen=True, kw_only=True)
class Document:
    """What the file says."""

    data: dict[str, Any]
    lines: dict[Path, int]
    """1-based line of every key and list entry."""


def read(source: str | bytes, file: str) -> Document:
    """The values of `source`; `file` is only named in errors. Raises `ConfigError`."""
    place = _Place(file, in_lines=True)
    if len(source) > LARGEST:
        raise ConfigError(f"{file}: is larger than {LARGEST // 1000} kB, expected a short file")
    text = source if isinstance(source, str) else _decoded(source, place)
    lines: dict[Path, int] = {}
    root = _composed(text, place)
    data = {} if root is None else _Reading(place, lines).value(root, ())
    if data is None:
        data = {}
    if not isinstance(data, dict):
        place.refuse(1, "is not a mapping, expected lines such as `goal: Make it faster`")
    return Document(data=data, lines=lines)


def read_foreign(source: str | bytes, file: str) -> Document:
    """A mapping that is not our configuration, such as a workflow; it may use anchors.

    `file` is only named in errors. Raises `ConfigError`, also for one that expands without end.
    """
    place = _Place(file, in_lines=True)
    if len(source) > LARGEST:
        raise ConfigError(f"{file}: is larger than {LARGEST // 1000} kB")
    text = source if isinstance(source, str) else _decoded(source, place)
    lines: dict[Path, int] = {}
    root = _composed(text, place, _Lenient)
    data = None if root is None else _Reading(place, lines, left=_FOREIGN_VALUES).value(root, ())
    if not isinstance(data, dict):
        place.refuse(1, "is not a mapping")
    return Document(data=data, lines=lines)


def read_value(text: str, name: str, at: Path) -> Any:
    """The value of one key, written as in a file; `name` stands in errors. Raises `ConfigError`."""
    place = _Place(name, in_lines=False)
    root = _composed(text, place)
    return None if root is None else _Reading(place, {}).value(root, at)


@dataclass(frozen=True)
class _Place:
    """Where a text comes from."""

    name: str
    in_lines: bool
    """Whether the line is told."""

    def refuse(self, line: int, why: str) -> NoReturn:
        raise ConfigError(f"{self.name}:{line}: {why}" if self.in_lines else f"{self.name}: {why}")


def _composed(text: str, place: _Place, loader: type[_Loader] | None = None) -> yaml.Node | None:
    try:
        return (loader or _Loader)(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place.refuse(mark.line + 1 if mark else 1, _syntax(error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        # PyYAML's own annotation says bytes; for text it is the code point.
        place.refuse(line, f"holds the control character {error.character!r}, expected plain text")
    except (ValueError, OverflowError) as error:
        # What PyYAML lets through: "\\UFFFFFFFF", or a %YAML version with thousands of digits.
        why = "holds an escape or directive that means nothing"
        raise ConfigError(f"{place.name}: {why}") from error


class _Loader(yaml.SafeLoader):
    """Composes nodes; refuses what could make a small text large, deep or alive."""

    anchors_allowed = False

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        named = isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None)
        if named and not self.anchors_allowed:
            _stop(event, "anchors and aliases (& and *) are not supported, write the value out")
        if getattr(event, "tag", None):
            _stop(event, "tags (!) are not supported; quote a text that starts with !")
        if self.depth >= _DEEPEST:
            _stop(event, "is nested too deeply")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Lenient(_Loader):
    """For what others read as well; how far it expands is counted when it is."""

    anchors_allowed = True


for _tag, _words, _first in (
    (_NULL, r"~|null|", ["~", "n", ""]),
    (_BOOL, r"true|false", ["t", "f"]),
    (_INT, r"[-+]?[0-9]+", list("-+0123456789")),
    (
        _FLOAT,
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_words})\Z"), _first)


class _Reading:
    """Turns nodes into values and remembers their lines."""

    def __init__(self, place: _Place, lines: dict[Path, int], left: int | None = None) -> None:
        """`left`: how many values there may be."""
        self.place = place
        self.lines = lines
        self.left = left

    def value(self, node: yaml.Node, path: Path) -> Any:
        if self.left is not None:
            self.left -= 1
            if self.left < 0 or len(path) > 2 * _DEEPEST:
                self.place.refuse(_line(node), "expands to more than is read")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._child(entry, entry, (*path, i)) for i, entry in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            line = _line(key_node)
            if not isinstance(key_node, yaml.ScalarNode) or not key.isprintable():
                self.place.refuse(
                    line, "a key must be a word; quote a text that starts with { or ["
                )
            if key in found:
                first = self.lines[(*path, key)]
                where = shown(dotted((*path, key)))
                self.place.refuse(line, f"{where}: is already set on line {first}")
            found[key] = self._child(key_node, value_node, (*path, key))
        return found

    def _child(self, place: yaml.Node, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = _line(place)
        return self.value(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> str | int | float | bool | None:
        text: str = node.value
        if node.tag == _NULL:
            return None
        # The environment holds text: `3.10` must not become 3.1.
        if path[:1] == ("env",):
            return text
        if node.tag == _BOOL:
            return text == "true"
        if node.tag in (_INT, _FLOAT) and len(text) > _LONGEST_NUMBER:
            self.place.refuse(_line(node), "a number has too many digits")
        if node.tag == _INT:
            return int(text)
        return float(text) if node.tag == _FLOAT else text


def shown(value: object, *, limit: int = 60) -> str:
    """A value or key as it may stand in a message: one line, printable, short."""
    text = value if isinstance(value, str) else repr(value)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def dotted(path: Path) -> str:
    """`("guards", 0, "metric")` -> `guards[0].metric`."""
    words = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(words).removeprefix(".")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _stop(event: Any, why: str) -> NoReturn:
    raise yaml.composer.ComposerError(None, None, why, event.start_mark)


def _decoded(source: bytes, place: _Place) -> str:
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        byte = source[error.start]
        place.refuse(line, f"byte 0x{byte:02X} is not UTF-8, expected UTF-8 text")


def _syntax(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, yaml.composer.ComposerError) and error.context is None:
        return str(error.problem)
    if "'\\t'" in (error.problem or ""):
        return "holds a tab where YAML allows only spaces, expected spaces for indentation"
    what = ", ".join(part for part in (error.context, error.problem) if part)
    start, end = error.context_mark, error.problem_mark
    began = (
        f" (it began on line {start.line + 1})" if start and end and start.line < end.line else ""
    )
    why = "usually the indentation, or a text that needs quotes"
    return f"is not valid YAML: {shown(what, limit=200)}{began}; {why}"
