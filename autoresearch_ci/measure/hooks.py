"""The user's own git hooks: asked about each candidate, and first about the unmodified code.

They run as measured code does, on a throwaway repository. Of what they write there, one thing is
read: what they have staged, which is what git would commit.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from autoresearch_ci.errors import BaselineError
from autoresearch_ci.events import Note
from autoresearch_ci.execution.command import CommandResult
from autoresearch_ci.execution.telling_line import last_lines
from autoresearch_ci.experiment import GuardRun
from autoresearch_ci.measure.commands import MeasuredCommands
from autoresearch_ci.safety.prompt_text import line as plain
from autoresearch_ci.workspace.repository import Changes
from autoresearch_ci.workspace.store import Edits

_MESSAGE = "COMMIT_EDITMSG"
_TRIED = 20
"""Files in scope that the trial on the unmodified code pretends to change."""
_FINDING = re.compile(r"^[ \t]*\S{1,200}:\d+(?::\d+)?:?[ \t]+\S.*", re.MULTILINE)
"""A place in a file, and words: what linters and compilers write of each finding."""
_LONGEST = 200
"""Characters of one."""
_ALONE = 3
"""Files that are tried alone when hooks refuse all of them together."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What is about to be committed."""

    iteration: int
    parent: str
    commit: str
    changes: Changes
    """Of `commit`, against the base commit."""
    message: str


@dataclass(frozen=True, kw_only=True)
class HookedCommit:
    """What the hooks made of a commit."""

    refusal: GuardRun | None = None
    staged: Edits = field(default_factory=dict)
    """What pre-commit has staged instead of what the commit holds; `None`: deleted."""


class Hooks:
    """Those that git asks before it commits."""

    def __init__(self, commands: MeasuredCommands, folder: Path | None) -> None:
        """`folder`: where they are; `None`: they are not to be honoured."""
        self._commands = commands
        self._folder = folder

    def _hook(self, name: str) -> Path | None:
        hook = self._folder / name if self._folder else None
        return hook if hook and os.access(hook, os.X_OK) else None

    def tell(self, message: str) -> None:
        """What becomes of what they did."""
        self._commands.observe(Note(message=message))

    def before_commit(self, commit: Commit) -> HookedCommit:
        """Ask pre-commit, which may change what is committed."""
        return self._asked("pre-commit", commit)

    def about_message(self, commit: Commit) -> HookedCommit:
        """Ask commit-msg."""
        return self._asked("commit-msg", commit)

    def _asked(self, name: str, commit: Commit) -> HookedCommit:
        hook, tree = self._hook(name), self._commands.tree
        if hook is None:
            return HookedCommit()
        words = [str(hook)]
        with self._commands.placed(commit.changes):
            tree.pretend_repository(commit.parent, commit.commit)
            if name == "commit-msg":
                message = tree.seen.temporary / _MESSAGE
                message.write_text(commit.message, encoding="utf-8", errors="replace")
                tree.sandbox.own(message)
                words.append(str(tree.layout.temporary / _MESSAGE))
            result = self._commands.run(commit.iteration, "guard", shlex.join(words))
            if result.failure and name == "pre-commit":
                result = self._repaired(commit, words, result)
            if not result.failure:
                formatted = name == "pre-commit"
                return HookedCommit(staged=tree.staged(commit.commit) if formatted else {})
        reason = f"the {name} hook refused it: {_told(result)}"
        run = GuardRun(command=name, passed=False, reason=reason, output=result.tail)
        return HookedCommit(refusal=run)

    def _repaired(
        self, commit: Commit, words: Sequence[str], refused: CommandResult
    ) -> CommandResult:
        """Once more with what the hook has put in order itself, as a person would commit again.

        The formatters of the tool pre-commit stage nothing: they change files, and refuse.
        """
        again = f"! git diff --quiet && git add --update && {shlex.join(words)}"
        result = self._commands.run(commit.iteration, "guard", again)
        return result if result.tail.strip() or not result.failure else refused

    def try_on_unmodified(
        self, base: str, in_scope: Sequence[str], message: str, iteration: int = 0
    ) -> None:
        """Would they let anything pass? Raises `BaselineError` when not.

        They are shown a commit of the unmodified code on top of one in which files in scope lack
        their last line: what a candidate changes, with nothing in it that is new.
        """
        if not self._folder:
            return
        refusal: GuardRun | None = None
        for paths in _trials(in_scope):
            parent = self._commands.tree.pretend_parent(base, paths)
            refusal = self.before_commit(_of_base(iteration, base, parent, message)).refusal
            if refusal is None:
                break
        if refusal is None:
            refusal = self.about_message(_of_base(iteration, base, base, message)).refusal
        if refusal:
            raise _refused(refusal, message)


def _told(result: CommandResult) -> str:
    """How it failed, with what it found first: the last line may be `Found 1 error.` every time."""
    found = None if result.timed_out else _FINDING.search(result.tail)
    return f"{result.failure}: {plain(found[0], _LONGEST)}" if found else result.reason


def _of_base(iteration: int, base: str, parent: str, message: str) -> Commit:
    return Commit(iteration=iteration, parent=parent, commit=base, changes={}, message=message)


def _trials(in_scope: Sequence[str]) -> Iterator[Sequence[str]]:
    """One file may be refused as it is, while others are not; and some refuse no commit at all."""
    together = in_scope[:_TRIED]
    yield together
    if len(together) > 1:
        yield from ([path] for path in islice(together, _ALONE))


def _refused(refusal: GuardRun, message: str) -> BaselineError:
    if refusal.command == "commit-msg":
        subject = message.partition("\n")[0]
        return BaselineError(
            f"the commit-msg hook refuses the message of every commit: {subject!r}: "
            f"{_why(refusal)}\n"
            "usually: a convention for commit messages (commitlint, a ticket's number).\n"
            "do: write commits as it wants them, for example\n"
            "    publish: {commit: {message: 'perf: {description}'}}\n"
            "or leave it out with hooks: false.\n"
            f"its last output:\n{last_lines(refusal.output)}"
        )
    return BaselineError(
        f"the {refusal.command} hook refuses the unmodified code, so it would refuse every "
        f"candidate: {_why(refusal)}\n"
        "usually: it needs a generated file that git ignores (.husky/_), a program or the network, "
        "which measured code does not get, or the code has findings already.\n"
        "do: let a setup command make what it needs (setup: [npm ci]), or copy it (share: "
        "[.husky/_, node_modules]), or leave it out with hooks: false.\n"
        f"its last output:\n{last_lines(refusal.output)}"
    )


def _why(refusal: GuardRun) -> str:
    return refusal.reason.partition(": ")[2]
