"""Questions, each with an answer that is taken when nobody gives another: here, of a terminal.

comment_questions.py asks the same of whoever may answer on an issue.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from autoresearch_ci.errors import ConfigError, Interrupted
from autoresearch_ci.safety.log_text import defuse

T = TypeVar("T")


class Asks(Protocol):
    """Somebody who can be asked. `key`: the question in a word."""

    def choice(
        self, key: str, question: str, answers: Sequence[str], *, own: bool = False
    ) -> int | str:
        """Which of the answers, the first by default; with `own` also somebody's own words."""

    def words(self, key: str, question: str, usual: str) -> str:
        """A line of text; `usual` by default."""


class Questions(Protocol):
    """A way to ask them."""

    def settled(self, find: Callable[[Asks], T]) -> T:
        """What `find` makes of the answers."""


def is_terminal() -> bool:
    """Whether somebody can be asked there."""
    return sys.stdin.isatty() and sys.stdout.isatty()


_MOST = 3
"""Questions; to what comes after them the answer is what was detected."""


class Terminal:
    """One at a time."""

    def __init__(self) -> None:
        self._left = _MOST

    def settled(self, find: Callable[[Asks], T]) -> T:
        return find(self)

    def choice(
        self, key: str, question: str, answers: Sequence[str], *, own: bool = False
    ) -> int | str:
        if len(answers) == 1 and not own:
            return 0
        if not answers:
            return self.words(key, question, "")
        self._left -= 1
        print(f"\n{question}")
        for number, answer in enumerate(answers, start=1):
            print(f"  {number}) {defuse(answer)}")
        told = f"a number from 1 to {len(answers)}{', or your own words' if own else ''}"
        while True:
            typed = _typed(f"{told} [1] ") or "1"
            if typed.isdigit() and 1 <= int(typed) <= len(answers):
                return int(typed) - 1
            if own and re.search(r"[^\W\d]", typed):
                return typed

    def words(self, key: str, question: str, usual: str) -> str:
        print(f"\n{question}")
        if self._left <= 0 and usual:
            print(f"{defuse(usual)}, as detected; the file can say otherwise")
            return usual
        self._left -= 1
        return _typed(f"[{defuse(usual)}] " if usual else "> ") or usual


def _typed(prompt: str) -> str:
    numbers = (signal.SIGINT, signal.SIGTERM)  # which nothing else looks at meanwhile
    obeyed = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        return input(prompt).strip()
    except KeyboardInterrupt as error:
        raise Interrupted("\nInterrupted: nothing is written.") from error
    except EOFError as error:
        raise ConfigError(
            "nobody answers.\ndo: --yes takes what was detected; flags say the rest."
        ) from error
    finally:
        for number, handler in zip(numbers, obeyed, strict=True):
            signal.signal(number, handler)
