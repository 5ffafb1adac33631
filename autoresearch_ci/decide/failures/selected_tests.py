"""The repository's own test command, on other tests: the only commands that a model may have run.

What may be asked for are tests that are files of the commit, in a command that a person or the
repository has written. A word that a shell would read as more than a name is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from autoresearch_ci.decide.failures.test_runners import RUNNERS, Chosen, NotAllowed, Runner

TESTS_LIMIT = 20
_LENGTH = 500
_SHELL = re.compile(r"[;&|<>`$()\n]")
"""Signs of a command that is more than one program with its arguments."""
_ID = re.compile(r"[^\0-\x1f\x7f]+")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True)
class SuiteCommand:
    """A command that runs tests, and how it is told which."""

    command: str
    """As it was given."""
    runner: Runner | None = None
    """`None`: it cannot be told which tests to run."""
    words: tuple[str, ...] = ()
    """All but the tests."""
    last: tuple[str, ...] = ()
    """Options that must stand behind the tests."""

    def selecting(self, tests: Sequence[str], files: Collection[str]) -> str:
        """The line of shell for some tests; without any, the command as it is.

        Raises `NotAllowed`.
        """
        if not tests:
            return self.command
        if self.runner is None:
            raise NotAllowed(
                "this command cannot be told which tests to run; leave `tests` empty to run it as "
                "it is"
            )
        if len(tests) > TESTS_LIMIT:
            raise NotAllowed(f"{TESTS_LIMIT} tests at most")
        told = self.runner.told([_asked(test, files) for test in tests])
        return shlex.join([*self.words, *told, *self.last])

    def has_run(self, output: str) -> bool:
        """Whether an output says that any test has run, of a runner that says so."""
        ran = self.runner.ran if self.runner else None
        return ran is None or bool(ran.search(_COLOUR.sub("", output)))

    @property
    def is_watched(self) -> bool:
        """Whether it is known of each test how it ended."""
        return self.runner is not None and self.runner.name == "pytest"


def _asked(test: str, files: Collection[str]) -> Chosen:
    path, _, name = test.partition("::")
    if not _ID.fullmatch(test) or len(test) > _LENGTH or test.startswith(("-", "@")):
        raise NotAllowed("a test is named by a path and, behind `::`, its name")
    if path not in files:
        raise NotAllowed(f"{path[:200]!r} is no file of the repository, spelt as git spells it")
    if name.startswith("-"):
        raise NotAllowed("the name of a test does not begin with `-`")
    return Chosen(path=path, name=name)


def suite_command(command: str, files: Collection[str]) -> SuiteCommand:
    """Of runners in the table, started plainly, it is known how tests are named."""
    if _SHELL.search(command):
        return SuiteCommand(command=command)
    try:
        words = shlex.split(command)
    except ValueError:
        return SuiteCommand(command=command)
    for runner in RUNNERS:
        begun = _begun(words, runner)
        if begun:
            return _told(command, runner, words[:begun], words[begun:], files)
    return SuiteCommand(command=command)


def _begun(words: Sequence[str], runner: Runner) -> int:
    """How many words start the runner; 0: it is another one."""
    if any(" " in word for word in words[:1]):
        return 0
    found = runner.begins.match(" ".join(word.replace(" ", "_") for word in words) + " ")
    return found[0].count(" ") if found else 0


def _told(
    command: str, runner: Runner, start: list[str], arguments: list[str], files: Collection[str]
) -> SuiteCommand:
    """With what the person chose left out."""
    if {"-args", "--args"} & set(arguments):
        return SuiteCommand(command=command)
    at = arguments.index("--") if "--" in arguments else len(arguments)
    kept = list(_kept(runner, arguments[:at], files))
    behind = [word for word in arguments[at + 1 :] if word.startswith("-")]
    last = tuple(behind) if runner.name == "cargo test" else ()
    return SuiteCommand(command=command, runner=runner, words=(*start, *kept), last=last)


def _kept(runner: Runner, arguments: Sequence[str], files: Collection[str]) -> Iterator[str]:
    """All arguments that do not say which tests to run."""
    is_value = selected = False
    for word in arguments:
        if is_value:
            is_value = False
            if not selected:
                yield word
            continue
        selected = bool(runner.selects.fullmatch(word))
        is_value = bool(runner.valued.fullmatch(word))
        if selected or (not word.startswith("-") and _chooses(word, runner, files)):
            continue
        yield word


def _chooses(word: str, runner: Runner, files: Collection[str]) -> bool:
    """Whether an argument that is no option is a test, or a folder or pattern of them."""
    if runner.words != "files":
        return runner.words == "all"
    path = word.partition("::")[0].removeprefix("./").rstrip("/")
    if path in files or any(file.startswith(f"{path}/") for file in files):
        return True
    return runner.name != "pytest" and bool(_GLOB.search(word))
