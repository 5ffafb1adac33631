"""Finds the value that an annotated line holds, in a language whose grammar we do not know.

It is the last literal before the comment, unless the line says that this is a key or an index.
"""

from __future__ import annotations

import re

from autoresearch_ci.propose.search.annotations import (
    BOOL,
    MAGNITUDE,
    QUOTED,
    WORD,
    Value,
    is_literal,
)

# A sign after a value is an operator. A unit (`10ms`, `0.5f`) stays outside the literal; 0x10,
# 1.2.3 and x2 are no numbers.
_NUMBER = re.compile(rf"(?:(?<![\w.)\]])[-+])?(?<![\w.]){MAGNITUDE}(?=[A-Za-z%]*(?![\w.]))")
_BOOL = re.compile(rf"\b{BOOL}\b")
_QUOTED = re.compile(QUOTED)
_WORD = re.compile(rf"(?<![\w./-]){WORD}")
_NAME_BEFORE = re.compile(
    r"([A-Za-z_][\w.-]*)[\"'\]]*\s*(?::\s*[A-Za-z_][\w.\[\]<>]*\s*=|:=|[:=(]|\s)[^\w]*$"
)


def last_literal(text: str, start: int, end: int, like: Value) -> tuple[int, int] | None:
    """Where in `text[start:end]` the last literal of the type of `like` stands."""
    for pattern in _patterns(like):
        for match in [*pattern.finditer(text, start, end)][-1:]:
            before, after = text[start : match.start()], text[match.end() : end]
            # `x["key"] = value`, `NAME = value`: the last literal may be no value at all.
            if "=" in after or (isinstance(like, str) and re.search(r"[\w\"']", after)):
                continue
            if pattern is _WORD and not before.strip():
                continue
            if is_literal(match[0]):
                return match.span()
    return None


def _patterns(like: Value) -> list[re.Pattern[str]]:
    if isinstance(like, bool):
        return [_BOOL]
    return [_QUOTED, _WORD] if isinstance(like, str) else [_NUMBER]


def name_before(before: str) -> str:
    """What the text before a literal calls it; only for people, and to tell literals apart."""
    before = before[-200:]
    for text in (before, before[: before.rfind("=") + 1]):
        if match := _NAME_BEFORE.search(text):
            return match[1]
    words: list[str] = re.findall(r"[A-Za-z_](?:[\w-]*\w)?", before)
    return words[-1] if words else "value"
