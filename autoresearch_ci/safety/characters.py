"""The one table of characters that nobody sees: what log, journal, prompt and scope do about them.

Such a character can hide words from a reader, or make two names look like one. Which is one of
them is decided here only; whether it is written out, dropped or made a blank, by whoever asks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_SELECTORS = "\ufe00-\ufe0f"
_IGNORABLE = re.compile(
    f"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0{_SELECTORS}\U000e0100-\U000e01ef]"
)
"""Marks and fillers that are letters by category and leave nothing on a screen (Unicode's
Default_Ignorable_Code_Point); variation selectors carry hidden bytes just as well."""
_MISPLACED_SELECTORS = re.compile(rf"(?<![^\x00-\x7f\s{_SELECTORS}])[{_SELECTORS}]+")
"""One is at home after an emoji; after ASCII, a blank, nothing or another one it can only hide."""


def is_hidden(char: str) -> bool:
    """Whether a character leaves no mark on the screen; newline, tab and blanks do not count.

    Hidden are controls, format characters (directions, zero widths, tags), lone surrogates, line
    and paragraph separators, what Unicode leaves to private use or has not assigned yet, and what
    it says to be ignored.
    """
    if char.isprintable():
        return _IGNORABLE.fullmatch(char) is not None
    return char not in "\n\t" and unicodedata.category(char) != "Zs"


def has_hidden(text: str) -> bool:
    """Whether there is such a character."""
    return not _is_plain(text) and any(map(is_hidden, set(text)))


def replaced(text: str, say: Callable[[str], str]) -> str:
    """`text` with what `say` makes of each hidden character in its place."""
    if _is_plain(text):
        return text
    spoken = {ord(char): say(char) for char in set(text) if is_hidden(char)}
    return text.translate(spoken) if spoken else text


def without_hidden(text: str) -> str:
    """`text` without its hidden characters."""
    return replaced(text, lambda char: "")


def replaced_for_people(text: str, say: Callable[[str], str]) -> str:
    """As `replaced`, but an emoji keeps the one selector that chooses its look."""
    if _is_plain(text):
        return text
    text = replaced(text, lambda char: char if char in _ALL_SELECTORS else say(char))
    return _MISPLACED_SELECTORS.sub(lambda match: "".join(map(say, match[0])), text)


_ALL_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))


def _is_plain(text: str) -> bool:
    """Soon decided, and true of nearly everything."""
    return text.isascii() and text.isprintable()
