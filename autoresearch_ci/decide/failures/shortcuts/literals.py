"""Literals written in one way, whatever type, base, quotes or name they have; lines stay."""

from __future__ import annotations

import re
from collections import Counter

_WRITTEN = re.compile(
    r"(?<![\w.%\"'`])(?:(?P<based>0(?:[xX][\da-fA-F_]{1,99}|[bB][01_]{1,99}|[oO][0-7_]{1,99}))"
    r"|(?P<plain>\d(?:_?\d)*(?:\.\d(?:_?\d)*)?))"
    r"(?:_?[iuf](?:8|16|32|64|128|size)|[uU]?[lL]{0,2}|[fFn])(?!\w)"
)


def plain_numbers(text: str) -> str:
    """With `1_000u64` and `0x3e8` as the number that they say."""
    return _WRITTEN.sub(_number, text)


def _number(match: re.Match[str]) -> str:
    plain: str | None = match["plain"]
    digits = (plain or match["based"]).replace("_", "")
    return digits if plain or len(digits) < 3 else str(int(digits, 0))


_TICKS = re.compile(r"`([^`$\\\n\"]+)`")
_TICKED = re.compile(r"\.(?:go|[cm]?[jt]sx?)$")
_NAMED = re.compile(
    r"(?m)^[ \t]*(?:#[ \t]*define[ \t]+(?P<defined>\w\w+)[ \t]+|(?:[a-z]\w*[ \t]+){0,5}"
    r"(?:[A-Za-z][\w<>]*[ \t*&]+)?(?P<name>[A-Za-z_]\w+)[ \t]*(?::[^=\n]{1,60})?:?=[ \t]*)"
    r"(?P<value>-?\d[\d.]*|\"[^\"\\\n]*\"|'[^'\\\n]*')[ \t]*;?[ \t]*(?:#.*|//.*)?$"
)
"""A literal that is given a name."""
_SET = re.compile(r"(?m)^(?P<left>[^=\n\"']*)=(?![=>])")
_GIVEN = re.compile(
    r"\b(?:def|fn|func|function|lambda)\b[^\n]*|\bfor\b[^\n]*?(?:\bin\b|\bof\b|[=:;])"
    r"|\([^()\n]*\)[^=\n]{0,40}=>|\b[a-z_]\w*[ \t]*=>|\w+(?:\+\+|--)|&mut[ \t]+\w+"
)
"""What makes names stand for something else: arguments, loops."""
_WORD = re.compile(r"(?<![\w.$\"'`])[A-Za-z_]\w+(?![\w\"'`]|[ \t]*\()")


def plain_literals(path: str, text: str) -> str:
    """With each literal, too, in the place of a name that stands for nothing else."""
    text = plain_numbers(text)
    if _TICKED.search(path):
        text = _TICKS.sub(r'"\1"', text)
    named = [*_NAMED.finditer(text)]
    often = Counter[str]()
    for match in _SET.finditer(text) if named else ():
        often.update(re.findall(r"\w+", match["left"]))
    for match in _GIVEN.finditer(text) if named else ():
        often.update(2 * re.findall(r"\w+", match[0]))
    values = {
        name: match["value"]
        for match in named
        if (name := match["defined"] or match["name"]) and often[name] < 2
    }
    defined = {match.start(group) for match in named for group in ("defined", "name")}
    return _WORD.sub(
        lambda match: match[0] if match.start() in defined else values.get(match[0], match[0]), text
    )
