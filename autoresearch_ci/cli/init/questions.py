"""Questions, each with an answer that is taken when nobody gives another: here, of a terminal.

comment_questions.py asks the same of whoever may answer on an issue.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from autoresearch_ci.errors import ConfigError, Interrupted
from autoresearch_ci.safety.log_text import defuse

T = TypeVar("T")


class Asks(Protocol):
    """Somebody who can be asked. `key`: the question in a word."""

    def choice(self, key: str, question: str, answers: Sequence[str], other: str = "") -> int:
        """Which of the answers, the first by default; -1: none of them, which `other` offers."""

    def words(self, key: str, question: str, usual: str) -> str:
        """A line of text; `usual` by default."""


class Questions(Protocol):
    """A way to ask them."""

    def settled(self, find: Callable[[Asks], T]) -> T:
        """What `find` makes of the answers."""


def is_terminal() -> bool:
    """Whether somebody can be asked there."""
    return sys.stdin.isatty() and sys.stdout.isatty()


class Terminal:
    """One at a time."""

    def settled(self, find: Callable[[Asks], T]) -> T:
        return find(self)

    def choice(self, key: str, question: str, answers: Sequence[str], other: str = "") -> int:
        shown = [*answers, other] if other else answers
        if len(shown) == 1:
            return 0
        print(f"\n{question}")
        for number, answer in enumerate(shown, start=1):
            print(f"  {number}) {defuse(answer)}")
        while True:
            typed = _typed("[1] ") or "1"
            if typed.isdigit() and 1 <= int(typed) <= len(shown):
                return int(typed) - 1 if int(typed) <= len(answers) else -1
            print(f"a number from 1 to {len(shown)}")

    def words(self, key: str, question: str, usual: str) -> str:
        print(f"\n{question}")
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
