"""A line of shell as its words and the signs between them, as far as that can be told without being
a shell; pure.

What is expanded in it, and which programs and files the words mean, is not the business of this
module.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

QUOTED = r"'[^']*'|\"(?:\\.|[^\"\\])*\""
WORD = rf"(?:[^\s'\"]|{QUOTED})+"
"""As it is written, with signs that no blank parts from it."""
SIGNS = "();<>|&"
_PIECE = re.compile(rf"(?P<quoted>{QUOTED})|\\(?P<escaped>\r?\n|.)", re.DOTALL)
_JOINS = re.compile(r"&&|\|\||[;\n]")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")


class Token(NamedTuple):
    """A word, or what stands between commands or before the name of a file."""

    text: str
    """Of a word, what a program would be given: without quotes."""
    is_sign: bool
    written: str
    start: int
    """In the line."""


@functools.lru_cache(maxsize=4096)
def tokens(line: str, signs: str = SIGNS, *, comments: bool = False) -> tuple[Token, ...]:
    """All of a line, or of several, whose ends are signs; neighbouring signs are one.

    `comments`: also what stands in those, as where another language, or make, may read the line. A
    quote that is not closed parts words as a blank does. The same lines of scripts are asked for
    before each command.
    """
    found = []
    for match in _expression(signs, comments).finditer(line):
        if match["nothing"] is not None:
            continue
        written, is_sign = match[0], match["sign"] is not None
        text = written if is_sign else _PIECE.sub(_unquoted, written)
        found.append(Token(text=text, is_sign=is_sign, written=written, start=match.start()))
    return tuple(found)


@functools.cache
def _expression(signs: str, comments: bool) -> re.Pattern[str]:
    parting = rf"\n{re.escape(signs)}"
    begins = rf"(?<![^ \t\r{parting}])"
    nothing = r"\\\r?\n" if comments else rf"\\\r?\n|{begins}#[^\n]*"
    sign = rf"(?:{begins}\d+(?=[<>]))?[{parting}]+"
    word = rf"(?:{QUOTED}|\\(?:\r?\n|.)|[^ \t\r'\"\\{parting}])+"
    return re.compile(rf"(?P<nothing>{nothing})|(?P<sign>{sign})|{word}", re.DOTALL)


def _unquoted(piece: re.Match[str]) -> str:
    if piece["escaped"] is not None:
        return piece["escaped"].strip("\r\n")
    quoted = piece["quoted"]
    return re.sub(r"\\(?:\n|([\"\\]))", r"\1", quoted[1:-1]) if quoted[0] == '"' else quoted[1:-1]


def is_variable(word: str) -> bool:
    """Whether it gives a variable its value."""
    return _VARIABLE.match(word) is not None


def parts(line: str) -> list[str]:
    """As they are written, the commands that `&&`, `||`, `;` and ends of lines part, without the
    brackets around several; pipes stay whole."""
    cuts = [0]
    for token in tokens(line):
        if token.is_sign:
            for join in _JOINS.finditer(token.written):
                cuts += [token.start + join.start(), token.start + join.end()]
    cuts.append(len(line))
    found = (line[at:to].strip() for at, to in zip(cuts[::2], cuts[1::2], strict=True))
    whole = (p if p.count("(") == p.count(")") else p.strip(" ()\t") for p in found)
    return [part for part in whole if part]


def simple_commands(line: str) -> Iterator[tuple[list[str], str]]:
    """The words of each simple command, with redirections and comments, and the sign after it."""
    words: list[str] = []
    for token in tokens(line, comments=True):
        if not token.is_sign or set(token.text) & set("<>"):
            words.append(token.text)
        elif words:
            yield words, token.text
            words = []
    if words:
        yield words, ""
