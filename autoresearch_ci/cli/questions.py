"""Questions on a terminal, one at a time, each with an answer that Enter takes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.safety.log_text import defuse


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def choice(question: str, answers: Sequence[str]) -> int:
    """Which of the answers, the first by default; -1: none of them."""
    print(f"\n{question}")
    for number, answer in enumerate(answers, start=1):
        print(f"  {number}) {defuse(answer)}")
    print(f"  {len(answers) + 1}) something else")
    while True:
        typed = _typed("[1] ") or "1"
        if typed.isdigit() and 1 <= int(typed) <= len(answers) + 1:
            return int(typed) - 1 if int(typed) <= len(answers) else -1
        print(f"a number from 1 to {len(answers) + 1}")


def words(question: str, usual: str) -> str:
    """A line of text; Enter takes what is usual."""
    print(f"\n{question}")
    return _typed(f"[{defuse(usual)}] " if usual else "> ") or usual


def _typed(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError as error:
        raise ConfigError(
            "nobody answers.\ndo: --yes takes what was detected; flags say the rest."
        ) from error
