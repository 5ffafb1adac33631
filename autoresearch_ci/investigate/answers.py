"""What a model answered, read as it was meant: words of a scale, numbers, JSON in prose, paths.

Lenient in form only. Whatever it says still has to fit the program's schema, and its evidence to
stand at the audited commit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from autoresearch_ci.decide.investigation.finding import ANCHOR_LINES, Evidence
from autoresearch_ci.investigate.item_schema import Schema

_PROSE_LIMIT = 400_000
"""Characters of prose that are searched for an answer."""
_TRIES = 50
"""Objects that prose is searched for."""
_SAME = {
    "critical": ("blocker", "severe", "urgent", "emergency", "p0", "sev0", "sev1"),
    "high": ("major", "important", "error", "serious", "p1", "sev2"),
    "medium": ("moderate", "warning", "warn", "normal", "mid", "med", "p2", "sev3"),
    "low": ("minor", "trivial", "p3", "sev4"),
    "info": ("informational", "information", "note", "notice", "none", "hint", "p4", "sev5"),
}
"""Words of other scales of severity."""
_MEANT = {word: ours for ours, words in _SAME.items() for word in words}


def eased(value: object, schema: Schema) -> Any:
    """The same with each text of an `enum`, and each number, in the schema's own spelling."""
    kind = schema["type"]
    if kind == "object" and isinstance(value, Mapping):
        inner = schema["properties"]
        return {name: eased(v, inner[name]) if name in inner else v for name, v in value.items()}
    if kind == "array":
        several = [value] if isinstance(value, Mapping) else value
        if not isinstance(several, list):
            return value
        return [eased(entry, schema["items"]) for entry in several]
    if kind == "string" and isinstance(value, str) and "enum" in schema:
        return _chosen(value, schema["enum"])
    if kind == "integer" and not isinstance(value, bool):
        number = _whole(value)
        # Where 0 says that it is not told, so does a line before the first one.
        before = schema.get("minimum") == 0 and isinstance(number, int) and number < 0
        return 0 if before else number
    return value


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[Ll]?\d{1,9}\s*", value):
        return int(value.strip().lstrip("Ll"))
    return value


def _chosen(value: str, choices: Collection[str]) -> str:
    if value in choices:
        return value
    plain = {_plain(choice): choice for choice in choices}
    word = _plain(value)
    if word not in plain and {"critical", "medium"} <= plain.keys():
        word = _MEANT.get(word, word)
    return plain.get(word, value)


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", "-", word.strip().strip("*`'\"").lower())


def in_prose(
    words: str,
    schema: Schema,
    shown: Callable[[], Iterable[str]],
    fits: Callable[[Mapping[str, Any]], bool],
) -> dict[str, Any] | None:
    """The last object in a text that fits; `None`: there is none, or it was copied.

    `shown`: what the model was shown, in which others may have written an answer for it.
    """
    for found, text in reversed(list(_objects(words[-_PROSE_LIMIT:]))):
        meant = eased(found, schema)
        if schema["properties"].keys().isdisjoint(meant) or not fits(meant):
            continue
        bare = "".join(text.split())
        copied = any(bare in "".join(seen.split()) for seen in shown())
        return None if copied else meant
    return None


def _objects(words: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Outermost JSON objects, in order, each with its text."""
    decoder, at = json.JSONDecoder(), 0
    for _ in range(_TRIES):
        at = words.find("{", at)
        if at < 0:
            return
        begin = at
        try:
            found, at = decoder.raw_decode(words, begin)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(found, dict):
            yield found, words[begin:at]


def placed(path: str, known: Collection[str]) -> str:
    """The file that a path means: with `./`, `b/`, other slashes or case, or absolute.

    Only a name that the audited commit has can come out of it, else the path as it is.
    """
    plain = path.strip().replace("\\", "/").removeprefix("file://")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if not parts:
        return path
    return next((name for name in _meant(plain, parts) if name in known), "") or (
        _in_any_case("/".join(parts), known) or path
    )


_WORKSPACE = re.compile(r"^/(?:github/workspace|home/runner/work/[^/]+/[^/]+|workspace|repo)/(.+)")
"""Where a checkout usually lies."""


def _meant(plain: str, parts: list[str]) -> Iterator[str]:
    """What it may stand for, the likeliest first."""
    yield "/".join(parts)
    if found := _WORKSPACE.match(plain):
        yield found[1]
    if plain.startswith("/"):
        # Of a path elsewhere a single name says too little: `/proc/self/environ` is no `environ`.
        yield from ("/".join(parts[start:]) for start in range(1, len(parts) - 1))
    elif parts[0] in ("a", "b"):  # as a diff names both sides
        yield "/".join(parts[1:])


def _in_any_case(path: str, known: Collection[str]) -> str:
    alike = [name for name in known if name.lower() == path.lower()]
    return alike[0] if len(alike) == 1 else ""


def place_of(
    answer: Mapping[str, Any], evidence: Sequence[Evidence], read: Callable[[str], str | None]
) -> tuple[str, int]:
    """A file that is there, and a line in it (0: none): where a quote stands, if one is near."""
    quotes = [piece for piece in evidence if piece.kind == "quote"]
    path, at = answer.get("path"), answer.get("line", 0)
    text = read(path) if isinstance(path, str) and path else None
    if not isinstance(path, str) or text is None:
        return (quotes[0].path, quotes[0].line) if quotes else ("", 0)
    here = [piece for piece in quotes if piece.path == path]
    inside = isinstance(at, int) and 0 < at <= text.count("\n") + 1
    if not inside:
        return path, here[0].line if here else 0
    near = [piece for piece in here if abs(piece.line - at) <= ANCHOR_LINES]
    within = any(p.line <= at <= p.line + p.text.count("\n") for p in near)
    return path, at if within or not near else near[0].line
