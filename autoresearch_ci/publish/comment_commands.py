"""What people ask for in comments of a pull request: `/autoresearch stop`, `retry`, `ignore`.

CORE: text in, requests out. Who may ask, the forge knows; which commit is meant,
named_changes.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
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


def parse_commands(text: str, author: str, at: str) -> list[CommentCommand]:
    """Those that a comment's lines consist of; whether `author` may give any is not asked here."""
    return [
        CommentCommand(author=author, verb=verb, argument=argument, at=at)
        for verb, argument in _COMMAND.findall(text)
    ]


_ANSWER = re.compile(r"/autoresearch +answer *")
_TOLD = re.compile(r"([a-z][a-z-]*) *: *(.*?) *")


def parse_answers(text: str) -> dict[str, str] | None:
    """What a comment answers, by the word of each question; `None`: it is no answer.

    What cannot be read as `word: answer` stands under the empty word.
    """
    first, *lines = [line.strip() for line in text.strip().splitlines()] or [""]
    if not _ANSWER.fullmatch(first):
        return None
    found: dict[str, str] = {}
    for line in filter(None, lines):
        told = _TOLD.fullmatch(line)
        key, words = told.groups() if told else ("", line)
        found[key] = words
    return found


@dataclass(frozen=True, kw_only=True)
class Replies:
    """What people have said below a comment of ours."""

    said: tuple[str, ...] = ()
    """Whole comments, oldest first, by people who may write and that nobody has edited."""
    ignored: tuple[str, ...] = ()
    """Why others that begin as ours do count for nothing, a sentence each."""


@dataclass(frozen=True, kw_only=True)
class Comment:
    """Of an issue or a pull request, as its forge tells it."""

    id: int
    """Later ones have larger numbers."""
    author: str
    """Empty: nobody that is known any more."""
    text: str
    ours: bool
    edited: bool
    """Whoever may write can edit the comment of another."""


def replies_below(
    comments: Iterable[Comment], begin: str, may_write: Callable[[Comment], bool]
) -> Replies:
    """The answers since our own comment that begins so: earlier ones answer something else."""
    told = sorted(comments, key=lambda comment: comment.id)
    asked = [c.id for c in told if c.ours and c.text.startswith(begin)]
    answers = [
        c for c in told if parse_answers(c.text) is not None and c.id > min(asked, default=c.id)
    ]
    said, ignored = [], []
    for comment in answers:
        if comment.edited:
            ignored.append(f"the comment of {comment.author} was edited, so it is no answer")
        elif comment.ours or not comment.author or not may_write(comment):
            ignored.append(f"{comment.author or 'somebody'} may not write to this repository")
        else:
            said.append(comment.text)
    return Replies(said=tuple(said), ignored=tuple(ignored))


@dataclass(frozen=True, kw_only=True)
class Requests:
    """What people ask for, all their commands together."""

    stop: CommentCommand | None = None
    ignore: tuple[str, ...] = ()
    """Abbreviated commits."""
    retry: tuple[str, ...] = ()
    """Abbreviated commits to measure again, which no run has read of yet."""
    lifted: tuple[str, ...] = ()
    """Abbreviated commits to measure again, also those that a run has read of already."""
    heard: str = ""
    """When the last of all commands was given."""


def standing_requests(commands: Sequence[CommentCommand], heard: str = "") -> Requests:
    """The last of stop and retry counts, and the last command on each commit.

    What is ignored stays ignored; what is to be measured again is so once, by the first run after
    it was asked for: `heard` is how far earlier runs have read.
    """
    stop: CommentCommand | None = None
    last: dict[str, CommentCommand] = {}
    for command in commands:
        if command.verb in ("stop", "retry"):
            stop = command if command.verb == "stop" else None
        if name := command.argument:
            last = {n: c for n, c in last.items() if not _same(n, name)}
            last[name] = command
    return Requests(
        stop=stop,
        ignore=tuple(n for n, c in last.items() if c.verb == "ignore"),
        retry=tuple(n for n, c in last.items() if c.verb == "retry" and c.at > heard),
        lifted=tuple(n for n, c in last.items() if c.verb == "retry"),
        heard=max((heard, *(command.at for command in commands))),
    )


def lifted(commands: Sequence[CommentCommand], closed_at: str) -> bool:
    """Whether somebody took back the refusal that closing a pull request was."""
    return any(
        c.verb == "retry" and not c.argument and c.at and c.at >= closed_at for c in commands
    )


def _same(name: str, other: str) -> bool:
    """Whether two abbreviations may be of one commit."""
    return name.startswith(other) or other.startswith(name)
