"""The repository's own test command, on other tests: the only commands that a model may have run.

What may be asked for are tests that are files of the commit, in a command that a person or the
repository has written. A word that a shell would read as more than a name is refused.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass

TESTS_LIMIT = 20
_LENGTH = 500
_SHELL = re.compile(r"[;&|<>`$()\n]")
"""Signs of a command that is more than one program with its arguments."""
_TAKES_VALUE = re.compile(r"-[ckmnopW]|--(?:rootdir|confcutdir|maxfail|ignore|deselect|timeout)")
_ID = re.compile(r"[^\0-\x1f\x7f]+")


class NotAllowed(Exception):
    """Why a selection is refused; the text is for whoever asked."""


@dataclass(frozen=True, kw_only=True)
class SuiteCommand:
    """A command that runs tests, and how it is told which."""

    command: str
    """As it was given."""
    words: tuple[str, ...] = ()
    """All but the tests; empty: it cannot be told which tests to run."""

    def selecting(self, tests: Sequence[str], files: Collection[str]) -> str:
        """The line of shell for some tests; without any, the command as it is.

        Raises `NotAllowed`.
        """
        if not tests:
            return self.command
        if not self.words:
            raise NotAllowed(
                "this command cannot be told which tests to run; leave `tests` empty to run it as "
                "it is"
            )
        if len(tests) > TESTS_LIMIT:
            raise NotAllowed(f"{TESTS_LIMIT} tests at most")
        for test in tests:
            _refuse_odd(test, files)
        return shlex.join([*self.words, *tests])


def _refuse_odd(test: str, files: Collection[str]) -> None:
    path = test.partition("::")[0]
    if not _ID.fullmatch(test) or len(test) > _LENGTH or test.startswith(("-", "@")):
        raise NotAllowed("a test is named by a path and, behind `::`, its name")
    if path not in files:
        raise NotAllowed(f"{path[:200]!r} is no file of the repository, spelt as git spells it")


def suite_command(command: str, files: Collection[str]) -> SuiteCommand:
    """Of pytest, started plainly, it is known how tests are named; any other runs as it is."""
    if _SHELL.search(command):
        return SuiteCommand(command=command)
    try:
        words = shlex.split(command)
    except ValueError:
        return SuiteCommand(command=command)
    at = next((n for n, word in enumerate(words) if _is_pytest(word)), None)
    if at is None:
        return SuiteCommand(command=command)
    named = (
        not _TAKES_VALUE.fullmatch(before) and _names_tests(word, files)
        for before, word in itertools.pairwise(words[at:])
    )
    rest = zip(words[at + 1 :], named, strict=True)
    kept = [*words[: at + 1], *(word for word, is_test in rest if not is_test)]
    return SuiteCommand(command=command, words=tuple(kept))


def _is_pytest(word: str) -> bool:
    return word.rpartition("/")[2] in ("pytest", "py.test")


def _names_tests(word: str, files: Collection[str]) -> bool:
    """Whether a word of the command is a test, or a folder of them."""
    path = word.partition("::")[0].removeprefix("./").rstrip("/")
    return path in files or any(file.startswith(f"{path}/") for file in files)
