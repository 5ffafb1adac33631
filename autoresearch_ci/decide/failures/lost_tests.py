"""How each test of a command ended, and what is lost compared with before; runs nothing.

An exit code and a number of failures say little: a syntax error, a deleted file, a skip mark or an
`os._exit(0)` make both better. What cannot get better that way is the set of tests that pass. So a
candidate may turn a failing test into a passing one, and nothing else: each test that passed must
still be there and pass, each that failed must still be there.

The results come from our plugin within pytest (pytest_plugin/), or from a JUnit report.
Not promised: whoever controls code in the process of the tests can, aiming at that plugin, make it
write anything, and a test that is told `True` by an always-equal object passes. gaming.py looks at
the text of a change for the latter; a holdout, on which no proposer can aim, is the real answer.
"""

from __future__ import annotations

import enum
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
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
    """Those among them that ended without a last word, or whose words are not whole."""
    imported: Mapping[str, str] = field(default_factory=dict)
    """Module -> file, below the folder in which the framework ran; as far as that is known."""

    def count(self, *outcomes: str) -> int:
        return sum(outcome in outcomes for outcome in self.of.values())


@dataclass(frozen=True, kw_only=True)
class Standard:
    """What a candidate's tests must reach: the incumbent's, minus what flickers."""

    ranks: Mapping[str, Rank] = field(default_factory=dict)
    sessions: int = 0
    finishes: bool = True
    """Whether every session of the unmodified code said that it had ended."""
    reran: frozenset[str] = frozenset()
    """Tests that needed several attempts."""
    unsteady: frozenset[str] = frozenset()
    """Ids, without parameters, of tests that another run of the same code did not have."""
    flickering: frozenset[str] = frozenset()
    """Stable ids of tests that ended otherwise in another run of the same code, or judged nothing
    in one of them: no keep raises them by luck."""

    @classmethod
    def of(cls, outcomes: SuiteResult) -> Standard:
        return cls(
            ranks=_ranks(outcomes),
            sessions=outcomes.sessions,
            finishes=not outcomes.unfinished,
            reran=outcomes.reran,
        )

    def relaxed(self, outcomes: SuiteResult) -> Standard:
        """After another run of the same code: what it did worse now is not asked of anybody."""
        now = _ranks(outcomes)
        found = _found(self.ranks, now)
        return Standard(
            ranks={
                test: max(rank, now[found[test]])
                for test, rank in self.ranks.items()
                if test in found
            },
            sessions=min(self.sessions, outcomes.sessions),
            finishes=self.finishes and not outcomes.unfinished,
            reran=self.reran | outcomes.reran,
            unsteady=self.unsteady
            | {_family(test) for test in self.ranks.keys() - found.keys() - outcomes.of.keys()},
            flickering=self.flickering
            | {
                stable(test)
                for test, rank in self.ranks.items()
                if now.get(found.get(test, "")) != rank
            }
            | {stable(test) for test in now.keys() - found.values()},
        )

    def raised(self, kept: Standard) -> Standard:
        """After a keep: what a candidate has repaired must stay so. Tests that are new count."""
        found = _found(self.ranks, kept.ranks)
        unsteady = self.unsteady | kept.unsteady
        ranks = {test: rank for test, rank in self.ranks.items() if found.get(test, test) == test}
        known = {*self.ranks, *found.values()}
        for test, rank in kept.ranks.items():
            if stable(test) in self.flickering:
                continue
            if test in known or _family(test) not in unsteady:
                ranks[test] = rank
        return replace(self, ranks=ranks, reran=self.reran | kept.reran, unsteady=unsteady)

    @property
    def passed(self) -> int:
        return sum(rank is Rank.PASSED for rank in self.ranks.values())

    def may_be_unsteady(self) -> bool:
        """Whether ids look as if another run gave other ones, in a way that is not recognised."""
        return any(_UNSTEADY.search(stable(test)) for test in self.ranks)

    def reran_newly(self, outcomes: SuiteResult) -> str:
        """Tests that needed several attempts and never had; empty when there are none."""
        known = {stable(test) for test in self.reran}
        news = [test for test in outcomes.reran if stable(test) not in known]
        return f"{len(news)}: {some(news)}" if news else ""

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
            return f"tests lost: reported as passed although they raised: {some(hidden)}"
        return lost_words(self.worse(outcomes), len(self.ranks))

    def worse(self, outcomes: SuiteResult) -> dict[str, str]:
        """The tests that do not reach what is asked of them, and how each ended; `missing`: not."""
        found = _found(self.ranks, outcomes.of)
        ended = {test: outcomes.of[name] for test, name in found.items()}
        return {
            test: ended.get(test, "missing")
            for test, rank in self.ranks.items()
            if _RANKS.get(ended.get(test, ""), Rank.ABSENT) > rank
        }


def lost_words(worse: Mapping[str, str], among: int) -> str:
    """A sentence on tests that are lost, of so many; empty when there are none."""
    if not worse:
        return ""
    words = Counter(worse.values())
    how = ", ".join(f"{count} {word}" for word, count in words.most_common())
    return f"{len(worse)} of {among} tests lost ({how}): {some(worse)}"


def worst(first: str | None, second: str) -> str:
    """What counts when a test ran in two sessions of one command.

    Each session may leave out what another is for.
    """
    if first in (None, "deselected"):
        return second
    if second == "deselected":
        return str(first)
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


def some(tests: Iterable[str]) -> str:
    """The first few, for a reason or a note."""
    ordered = sorted(tests)
    shown = [test if len(test) <= 100 else f"{test[:99]}…" for test in ordered[:_SHOWN]]
    return ", ".join(shown) + (", …" if len(ordered) > _SHOWN else "")


_CHANGING = re.compile(
    r"""
      [0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}     # a UUID
    | \b0x[0-9a-f]{4,}                                   # an address
    | /(?:private/)?(?:tmp|var/tmp|var/folders|dev/shm)(?:/[^\s\]'",;:<>]*)+   # a temporary path
    | \btmp[0-9a-z_]{6,}                                 # ... by its name alone
    | [0-9]{4}-[0-9]{2}-[0-9]{2}                         # a day, and the time of it
      (?:[T _-][0-9]{2}[:.h-]?[0-9]{2}(?:[:.-]?[0-9]{2})?(?:[.,][0-9]+)?
         (?:Z|[+-][0-9]{2}:?[0-9]{2})?)?
    | [0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?
    | [0-9]+\.[0-9]{6,}                                  # a random fraction, a clock
    | (?<![0-9a-z])(?=[a-f]*[0-9])[0-9a-f]{12,}          # a digest, a token; a clock in one number
    | (?<![0-9])[0-9]{10,}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TOKEN = r"(?<![0-9a-z])(?=[a-z]*[0-9][a-z]*[0-9])(?=[0-9]*[a-z][0-9]*[a-z])[0-9a-z]{8,}"
_APART = re.compile(
    rf"""
      (?:(?<=[\s:\#=@])|^)(?!(?:19|20)[0-9]{{2}}(?![0-9]))[0-9]{{4,}}(?![0-9a-z_])
    | (?<=[\s\#=@]){_TOKEN}(?![0-9a-z_])
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A number or a token within the words of a name: a process, a port, a counter; no year."""
_UNSTEADY = re.compile(
    rf"""[\[(].*?(?:(?<![0-9])(?!(?:19|20)[0-9]{{2}}(?![0-9]))[0-9]{{4,}} | {_TOKEN})
    | {_APART.pattern}""",
    re.VERBOSE | re.IGNORECASE,
)


def stable(test: str) -> str:
    """Its id without what differs from process to process."""
    return _CHANGING.sub("\N{HORIZONTAL ELLIPSIS}", test)


def _family(test: str) -> str:
    """Its id without parameters, and without what looks as if the next run gave another."""
    return _APART.sub("\N{HORIZONTAL ELLIPSIS}", re.split(r"[\[(]", test, maxsplit=1)[0])


def _found(asked: Mapping[str, Rank], now: Mapping[str, Rank | str]) -> dict[str, str]:
    """The tests of `now` that those asked for are: by id, or else by all of it that is stable.

    Of several that are alike then, the best is what the best was.
    """
    found = {test: test for test in asked if test in now}
    missing = [test for test in asked if test not in now]
    if not missing:
        return found
    spare: dict[str, list[str]] = defaultdict(list)
    for test in sorted(now.keys() - asked.keys(), key=lambda test: (-_rank(now[test]), test)):
        spare[stable(test)].append(test)
    for test in sorted(missing, key=lambda test: (asked[test], test)):
        if alike := spare.get(stable(test)):
            found[test] = alike.pop()
    return found


def _rank(outcome: Rank | str) -> Rank:
    return outcome if isinstance(outcome, Rank) else _RANKS.get(outcome, Rank.ABSENT)
