"""Which of some commits brought a failure: what a run says of a commit, and what that comes to.

Only a run that fails *as the symptom does* makes a commit bad. One that fails in another way, or
cannot be built, says nothing: the commit is skipped, never guessed. Pure; git and commands are
elsewhere.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoresearch_ci.decide.failures.failure import essence

REPRODUCTIONS = 3
"""Runs that must all fail at the bad commit, and all pass at the good one."""
FLAKY_RUNS = 10
"""Runs in all, where some of the first fail and some pass, to say how often."""
CANNOT_RUN = (125, 126, 127)
"""Exit codes of a commit that cannot be tested: `git bisect run`'s own, and a shell's."""


class Mark(enum.StrEnum):
    """What one commit is."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How one run ended, as far as it can be compared."""

    exit_code: int
    timed_out: bool = False
    failing: frozenset[str] = frozenset()
    """Tests that failed; empty also where none could be watched."""
    passing: frozenset[str] = frozenset()
    """Of the tests that fail at the bad commit, those that passed."""
    unfit: frozenset[str] = frozenset()
    """Tests, or files of them, that could not be collected."""
    words: str = ""
    """What it said last, or first, that sounds like an error."""

    @property
    def failed(self) -> bool:
        return self.timed_out or self.exit_code != 0


_TIMES = re.compile(r"[0-9]+(?:\.[0-9]+)?\s?(?:m?s|min|seconds?)\b")
_CODE = re.compile(r"^(?:exit code|killed by signal) -?[0-9]+")


_COMPLAINT = re.compile(
    r"^(?:# fail [1-9].*|not ok .*|FAIL(?:ED)?\b.*|--- FAIL.*"
    r"|.*\b[1-9][0-9]* (?:failed|failing)\b.*"
    r"|Traceback \(most recent.*|BUILD FAILED.*|test result: FAILED.*)$",
    re.MULTILINE,
)


def complaint(output: str) -> str:
    """The last line in which a test runner or a program says that it failed; empty: none."""
    found = _COMPLAINT.findall(output)
    return str(found[-1]) if found else ""


def said(failure: str) -> str:
    """The words of a failure that stay from run to run."""
    return essence(_TIMES.sub("0", _CODE.sub("", failure)))


def judged(symptom: RunEnd, found: RunEnd) -> tuple[Mark, str]:
    """What a run says of its commit, and why."""
    if not found.failed:
        lost = symptom.failing - found.passing - found.failing
        if symptom.failing and lost == symptom.failing:
            return Mark.SKIP, "the failing tests were not run"
        return Mark.GOOD, "it passes"
    if symptom.failing:
        return _judged_by_tests(symptom, found)
    if symptom.timed_out or found.timed_out:
        same = symptom.timed_out and found.timed_out
        verdict = Mark.BAD if same else Mark.SKIP
        return verdict, "it takes too long, too" if same else "it fails in another way"
    if found.exit_code in CANNOT_RUN and found.exit_code != symptom.exit_code:
        return Mark.SKIP, f"it cannot be run (exit code {found.exit_code})"
    if found.exit_code == symptom.exit_code and said(found.words) == said(symptom.words):
        return Mark.BAD, "it fails in the same way"
    return Mark.SKIP, "it fails in another way"


def _judged_by_tests(symptom: RunEnd, found: RunEnd) -> tuple[Mark, str]:
    same = symptom.failing & found.failing
    if same:
        return Mark.BAD, f"{_some(same)} fails, too"
    if symptom.failing <= found.passing:
        return Mark.GOOD, "the failing tests pass"
    if found.unfit:
        return Mark.SKIP, f"{_some(found.unfit)} cannot be loaded"
    return Mark.SKIP, "the failing tests were not run"


def _some(tests: frozenset[str]) -> str:
    first = min(tests)
    return first if len(tests) == 1 else f"{first} (and {len(tests) - 1} more)"


# --- How surely it fails --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FailureRate:
    """How often a command fails on one commit."""

    runs: int
    failed: int

    @property
    def certain(self) -> bool:
        return self.runs >= REPRODUCTIONS and self.failed == self.runs

    @property
    def never(self) -> bool:
        return self.failed == 0

    @property
    def flaky(self) -> bool:
        return 0 < self.failed < self.runs

    def words(self) -> str:
        """`fails 3 of 3`; of a flaky one also what that means for a single run."""
        told = f"fails {self.failed} of {self.runs}"
        if not self.flaky:
            return told
        share = self.failed / self.runs
        missed = (1 - share) ** REPRODUCTIONS
        return f"{told}: {REPRODUCTIONS} runs that all pass would prove little ({missed:.0%})"


def reproduction(verdicts: Sequence[Mark]) -> FailureRate:
    """Of several runs of one commit."""
    return FailureRate(runs=len(verdicts), failed=sum(v is Mark.BAD for v in verdicts))


# --- What is left to try --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Search:
    """Where a bisection stands."""

    bad: str
    """The oldest commit that is known to be bad."""
    good: tuple[str, ...]
    """Commits that are known to be good."""
    skipped: Mapping[str, str]
    """Commits of which nothing can be said, and why."""

    def after(self, commit: str, verdict: Mark, why: str) -> Search:
        if verdict is Mark.BAD:
            return Search(bad=commit, good=self.good, skipped=self.skipped)
        if verdict is Mark.GOOD:
            return Search(bad=self.bad, good=(*self.good, commit), skipped=self.skipped)
        return Search(bad=self.bad, good=self.good, skipped={**self.skipped, commit: why})


def next_commit(search: Search, halving: Sequence[str]) -> str | None:
    """What to test now; `None`: nothing is left that could be.

    `halving`: all commits that are in `bad` and in none of `good`, the best halves first.
    """
    left = (c for c in halving if c != search.bad and c not in search.skipped)
    return next(left, None)


def suspects(search: Search, halving: Sequence[str]) -> tuple[str, ...]:
    """When nothing is left to test: one commit, or those among which it cannot be told."""
    return tuple(c for c in halving if c == search.bad or c in search.skipped)
