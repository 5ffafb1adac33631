"""What people ask for in comments of a pull request: `/autoresearch stop`, `retry`, `ignore`.

CORE: text in, wishes out. Who may ask, the forge knows; which commit is meant, resolve_start.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_COMMAND = re.compile(
    r"^/autoresearch +(stop|retry|ignore)(?: +([0-9a-f]{4,64}))? *\r?$", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class CommentCommand:
    """A command in a comment, by somebody who may write to the repository."""

    author: str
    verb: str
    """`stop`, `retry` or `ignore`."""
    argument: str = ""
    """A commit's name, or its beginning."""
    at: str = field(default="", compare=False)
    """When, by the forge's clock, ISO 8601 in UTC; empty: it always holds, as a label does."""


def commands(text: str, author: str, at: str) -> list[CommentCommand]:
    """Those that a comment's lines consist of; whether `author` may give any is not asked here."""
    return [
        CommentCommand(author=author, verb=verb, argument=argument, at=at)
        for verb, argument in _COMMAND.findall(text)
    ]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What people asked for."""

    stop: CommentCommand | None = None
    ignore: tuple[str, ...] = ()
    """Abbreviated commits."""
    again: tuple[str, ...] = ()
    """Abbreviated commits to measure again, that nobody has read of yet."""
    heard: str = ""
    """When the last of all commands was given."""


def wishes(words: Sequence[CommentCommand], heard: str = "") -> Wishes:
    """The last of stop and retry counts, and the last word on each commit.

    What is ignored stays ignored; what is to be measured again is so once, by the first run after
    it was said: `heard` is how far earlier runs have read.
    """
    stop: CommentCommand | None = None
    about: dict[str, CommentCommand] = {}
    for word in words:
        if word.verb in ("stop", "retry"):
            stop = word if word.verb == "stop" else None
        if name := word.argument:
            about = {n: w for n, w in about.items() if not _same(n, name)}
            about[name] = word
    return Wishes(
        stop=stop,
        ignore=tuple(name for name, word in about.items() if word.verb == "ignore"),
        again=tuple(n for n, word in about.items() if word.verb == "retry" and word.at > heard),
        heard=max((heard, *(word.at for word in words))),
    )


def _same(name: str, other: str) -> bool:
    """Whether two abbreviations may be of one commit."""
    return name.startswith(other) or other.startswith(name)
