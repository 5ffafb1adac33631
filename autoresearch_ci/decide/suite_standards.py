"""How each test of a command ended, and what is lost compared with before; runs nothing.

An exit code and a number of failures say little: a syntax error, a deleted file, a skip mark or an
`os._exit(0)` make both better. What cannot get better that way is the set of tests that pass. So a
candidate may turn a failing test into a passing one, and nothing else: each test that passed must
still be there and pass, each that failed must still be there.

The results come from our plugin within pytest (pytest_plugin/), or from a JUnit report.
Not promised: whoever controls code in the process of the tests can, aiming at that plugin, make it
write anything, and a test that is told `True` by an always-equal object passes. gaming/ looks at
the text of a change for such things; a holdout, on which no proposer can aim, is the real answer.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

_SHOWN = 3
"""Tests that a reason names."""


class Rank(enum.IntEnum):
    """How bad it is; a test may get better, never worse."""

    PASSED = 0
    FAILED = 1
    ERROR = 2
    ABSENT = 3
    """Skipped, expected to fail, not collected, or hidden: the test judges nothing."""


_RANKS = {"passed": Rank.PASSED, "failed": Rank.FAILED, "error": Rank.ERROR}


@dataclass(frozen=True, kw_only=True)
class SuiteResult:
    """What one run of a command came to, test by test."""

    of: Mapping[str, str]
    """Test id -> `passed`, `failed`, `error`; or a word for what judges nothing: `skipped`,
    `disabled`, `not run`, `xfailed`, `xpassed`, `deselected`, `uncollected`, `rerun` (tried, and to
    be tried again), or `hidden` (it raised, and was reported as passed)."""
    reran: frozenset[str] = frozenset()
    """Tests that were tried more than once; the last attempt is the one that counts."""
    sessions: int = 1
    """Runs of the test framework within the command."""
    unfinished: int = 0
    """Those among them that ended without a word, or whose words were altered."""

    def count(self, *outcomes: str) -> int:
        return sum(outcome in outcomes for outcome in self.of.values())


@dataclass(frozen=True, kw_only=True)
class Standard:
    """What a candidate's tests must reach: the incumbent's, minus what flickers."""

    ranks: Mapping[str, Rank] = field(default_factory=dict)
    sessions: int = 0
    finishes: bool = True
    """Whether every session of the unmodified code said that it had ended."""

    @classmethod
    def of(cls, outcomes: SuiteResult) -> Standard:
        return cls(
            ranks=_ranks(outcomes),
            sessions=outcomes.sessions,
            finishes=not outcomes.unfinished,
        )

    def relaxed(self, outcomes: SuiteResult) -> Standard:
        """After another run of the same code: what it did worse now is not asked of anybody."""
        now = _ranks(outcomes)
        ranks = {test: max(rank, now[test]) for test, rank in self.ranks.items() if test in now}
        return Standard(
            ranks=ranks,
            sessions=min(self.sessions, outcomes.sessions),
            finishes=self.finishes and not outcomes.unfinished,
        )

    def raised(self, kept: Standard) -> Standard:
        """After a keep: what a candidate has repaired must stay so. Tests that are new count."""
        return replace(self, ranks={**self.ranks, **kept.ranks})

    def loss(self, outcomes: SuiteResult | None) -> str:
        """Why a candidate with these outcomes is refused; empty when nothing is lost."""
        if not self.sessions:
            return ""
        if outcomes is None or outcomes.sessions < self.sessions:
            began = outcomes.sessions if outcomes else 0
            return f"tests lost: {began} test session(s) began, before {self.sessions}"
        if self.finishes and outcomes.unfinished:
            return (
                f"tests lost: the test session ended without its last word after "
                f"{len(outcomes.of)} of {len(self.ranks)} tests (a crash, or an exit on the way)"
            )
        if hidden := [test for test, outcome in outcomes.of.items() if outcome == "hidden"]:
            return f"tests lost: reported as passed although they raised: {_some(hidden)}"
        return self._worse(outcomes)

    def _worse(self, outcomes: SuiteResult) -> str:
        worse = [
            test
            for test, rank in self.ranks.items()
            if _RANKS.get(outcomes.of.get(test, ""), Rank.ABSENT) > rank
        ]
        if not worse:
            return ""
        words = Counter(outcomes.of.get(test, "missing") for test in worse)
        how = ", ".join(f"{count} {word}" for word, count in words.most_common())
        return f"{len(worse)} of {len(self.ranks)} tests lost ({how}): {_some(worse)}"


def worst(first: str | None, second: str) -> str:
    """What counts when a test ran twice in one command."""
    if first is None:
        return second
    return max(first, second, key=lambda outcome: _RANKS.get(outcome, Rank.ABSENT))


def disagreement(told: SuiteResult | None, report: SuiteResult | None) -> str:
    """Where a JUnit report makes the tests look better than pytest itself saw them."""
    if told is None or report is None:
        return ""
    for word, in_report, seen in (
        ("bad", report.count("failed", "error"), told.count("failed", "error", "uncollected")),
        ("passed", -report.count("passed"), -told.count("passed", "xpassed", "hidden")),
    ):
        if in_report < seen:
            return (
                f"the report was forged: it lists {abs(in_report)} {word} tests, "
                f"pytest itself saw {abs(seen)}"
            )
    return ""


def _ranks(outcomes: SuiteResult) -> dict[str, Rank]:
    return {test: _RANKS[word] for test, word in outcomes.of.items() if word in _RANKS}


def _some(tests: list[str]) -> str:
    shown = [test if len(test) <= 100 else f"{test[:99]}…" for test in sorted(tests)[:_SHOWN]]
    return ", ".join(shown) + (", …" if len(tests) > _SHOWN else "")
