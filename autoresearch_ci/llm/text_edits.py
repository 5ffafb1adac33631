"""Edits of one file's text as a model words them: exact, but with the file's own line ends."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from autoresearch_ci.safety.characters import has_hidden
from autoresearch_ci.safety.prompt_text import unshown

Group = list[tuple[str, int, int, int, int]]


class Misfit(Exception):
    """The edit does not fit the text; the message says what to do instead."""


def replaced(text: str, old: str, new: str) -> str:
    """`text` with `old`, which must occur exactly once, replaced."""
    if not old:
        raise Misfit("the text to replace is empty; name the text, or write the whole file")
    if old not in text:
        old = like(text, old)
    at = text.find(old)
    if at < 0:
        raise Misfit(_absent(text, old))
    if text.find(old, at + 1) >= 0:
        raise Misfit("the text occurs more than once; give enough of its surroundings")
    return text[:at] + like(text, new) + text[at + len(old) :]


def inserted(text: str, after: int, new: str) -> str:
    """`text` with lines inserted after line number `after`; 0 is before the first."""
    known = lines(text)
    if not 0 <= after <= len(known):
        raise Misfit(f"it has {len(known)} lines, so nothing can be inserted after line {after}")
    new = new if new.endswith("\n") else f"{new}\n"
    if after and not known[after - 1].endswith("\n"):
        new = "\n" + new.removesuffix("\n")
    return "".join([*known[:after], like(text, new), *known[after:]])


def like(known: str, new: str) -> str:
    """`new` with the line ends of `known`, and with hidden characters where it names them."""
    if has_hidden(known.replace("\r\n", "\n")):
        new = unshown(new)
    if known.count("\r\n") * 2 > known.count("\n"):
        new = new.replace("\r\n", "\n").replace("\n", "\r\n")
    return new


def lines(text: str) -> list[str]:
    """Lines with their ends; only \\n ends one, as in every editor and in git."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def diff_groups(before: Sequence[str], after: Sequence[str]) -> list[Group]:
    """The hunks of a diff as difflib's opcodes."""
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=len(before) > 5000)
    return [list(group) for group in matcher.get_grouped_opcodes(2)]


def _absent(text: str, old: str) -> str:
    first = old.strip().split("\n")[0].strip()
    for number, known in enumerate(text.split("\n"), 1):
        if first and first in known:
            return (
                f"the text does not occur exactly as given; line {number} has its first line, so "
                "white space or a later line differs"
            )
    return "the text does not occur; read the file again and copy it exactly"
