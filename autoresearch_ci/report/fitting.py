"""Sections -> one document of bounded size; what matters least is left out, and that is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STEP_SUMMARY_BYTES = 1_000_000
"""A job summary above 1 MiB is dropped as a whole (actions/runner, FileCommandManager.cs)."""
BODY_BYTES = 60_000
"""GitHub refuses bodies of pull requests and comments above 65,536 characters."""

_NOTE = "Left out, because the page would be too long: {}."


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a document that stands for itself, in Markdown."""

    text: str
    importance: int
    """The higher, the longer it stays."""
    name: str
    """What a reader misses when it is left out; a few plain words of ours."""


def fitted(sections: Sequence[Section], limit: int) -> str:
    """The sections in their order, in at most `limit` UTF-8 bytes.

    A section is there or not: cut in the middle, its fences and tables would swallow the next one.
    """
    room = limit - len(_NOTE) - sum(len(section.name) + 2 for section in sections)
    kept: set[int] = set()
    by_importance = sorted(range(len(sections)), key=lambda at: -sections[at].importance)
    for at in by_importance:
        size = len(sections[at].text.encode(errors="replace")) + 2
        if sections[at].text and size <= room:
            room -= size
            kept.add(at)
    texts = [sections[at].text for at in sorted(kept)]
    missing = [s.name for at, s in enumerate(sections) if s.text and at not in kept]
    if missing:
        texts.append(_NOTE.format(", ".join(missing)))
    return "\n\n".join(texts) + "\n"
