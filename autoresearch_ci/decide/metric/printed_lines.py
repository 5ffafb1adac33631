"""What a command printed, by kinds of lines: whether a run ended before its usual last words.

A process that prints a number and exits leaves out what the ruler prints after it, and most of what
comes before. Numbers are no part of a kind: a faster run prints other ones. Honest changes print
less as well: a count of findings gets smaller with their list, and a training run that takes other
steps reports another number of them. So what is missed is what stood behind the number, at least
half of the lines with a kind that was always there, or a test that said it passed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

_LOOKED_AT = 200
"""Lines at either end of the output whose kind is known; in between they only count."""
_KINDS = 60
"""Kinds that are remembered, the first and the last ones."""
_ENDING = 5
"""Lines behind the number that are remembered."""
_LENGTH = 80
"""Characters of a kind."""
_CODES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)|[\x00-\x08\x0e-\x1f]"
)
_NUMBER = re.compile(
    r"0x[0-9a-f]+|[-+]?[0-9][0-9.,_:]*(?:e[-+]?[0-9]+)?"
    r"[ \t]*(?:[µnm]?s|secs?|seconds?|min(?:ute)?s?|h(?:ours?)?|[kmgt]?i?b|bytes?|%)?(?![^\W\d_])",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"[(\[]\s*(?:N\s*)+[)\]]")
"""`(12 ms)`, which some runners add to what is slow."""
_TESTS = tuple(
    re.compile(
        rf"""
          (?<![\w.])([0-9]{{1,9}})[ \t]+(?:{before})\b
          (?![ \t]+(?:failed|failing|failures?|errors?|skipped|pending|todo|per)\b)
        | \b(?:{after})[ \t]*:?[ \t]+([0-9]{{1,9}})(?![\w.,]*[0-9.])
        """,
        re.VERBOSE | re.IGNORECASE,
    )
    for before, after in (
        (r"tests?|examples?|specs?|scenarios?|test\ cases?", r"tests(?:\ run)?"),
        (r"passed|passing", r"pass(?:ed)?"),
    )
)
"""How many were there, and how many passed: `Ran 3 tests`, `3 passed`, `# tests 3`, `# pass 3`.

Many runners say both of the same tests.
"""

_LEFT_OUT = re.compile(
    r"""
      \b(?:skipped|expected\ failures|incomplete|ignored|disabled)[ \t]*[=:][ \t]*([0-9]{1,9})
    | (?<![\w.])([0-9]{1,9})[ \t]+(?:tests?[ \t]+)?(?:skipped|pending|ignored|todo|disabled)\b
    | [#\u2139][ \t](?:skipped|todo)[ \t]+([0-9]{1,9})
    | \[[ ]*SKIPPED[ ]*\][ ]+([0-9]{1,9})[ ]tests?\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""How many did not run: `OK (skipped=1)`, `1 pending`, `# skipped 1`, `Skipped: 1`."""
_SUMMARY = re.compile(
    r"\b(?:tests?|passed|passing|failed|failures?|examples?)\b|^\W*(?:OK|FAILED)\b"
    r"|^\W*[0-9]+ (?:pending|skipped)$|^[#\u2139] ",
    re.IGNORECASE,
)
"""A line of a test runner's: code that is tested skips things of its own."""


_TEST = re.compile(
    r"[✔✓√] |ok N?\b|PASS(?:ED)?:? \S|--- PASS|\[ *(?:OK|PASSED) *\] |.+ \.\.\. ok(?: |$)"
)
"""The kind of line that says of one test that it passed: in TAP, of node, Go, Rust, unittest."""

_OF_MANY = re.compile(
    r"ok (?!N\b)\S+ (?:N|\(cached\))|(?:PASS|[✔✓√]) \S+\.\w+(?: \(N tests?\))?(?: N)?$"
)
"""The same of a package or a file: of Go, node, jest and vitest."""


@dataclass(frozen=True, kw_only=True)
class PrintedLines:
    """What one run printed, or what several runs of the same code did at the least."""

    runs: int = 1
    lines: int = 0
    """The fewest that were not empty."""
    ran: int = 0
    """The fewest tests that it said to have run; 0: it says nothing of tests, or nobody looked."""
    left_out: int = 0
    """The most tests that it said to have skipped."""
    kinds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Lines of each kind that every run had, the fewest and the most."""
    ending: tuple[str, ...] = ()
    """Kinds that every run had behind its number."""
    counting: bool = False
    """Whether the number may be one of lines, which get fewer as it gets better."""

    @classmethod
    def of(
        cls, output: str, *, behind: str = "", value: float | None = None, aside: str = ""
    ) -> PrintedLines:
        """What stands in the output of one run.

        `behind`: its last part, what stands behind the number. `value`: that number. `aside`: what
        was printed elsewhere, where only tests are looked for.
        """
        lines = _lines(output)
        ends = _ends(lines)
        told = ends + _ends(_lines(aside))
        counts = Counter(map(_kind, ends))
        names = list(counts)
        if len(names) > _KINDS:
            names = names[: _KINDS // 2] + names[-_KINDS // 2 :]
        return cls(
            lines=len(lines),
            ran=max(sum(_counted(words, line) for line in told) for words in _TESTS),
            left_out=sum(_counted(_LEFT_OUT, line) for line in filter(_SUMMARY.search, told)),
            kinds={name: (counts[name], counts[name]) for name in names},
            ending=tuple(_kind(line) for line in map(_shown, behind.split("\n")) if line)[
                -_ENDING:
            ],
            counting=value is not None and value == round(value) and value <= len(lines),
        )

    @property
    def names_tests(self) -> bool:
        """Whether every run said of a single test that it passed."""
        return any(_TEST.match(kind) and not _OF_MANY.match(kind) for kind in self.kinds)

    def joined(self, other: PrintedLines) -> PrintedLines:
        """With another run of the same code, or of what was kept."""
        both = [name for name in self.kinds if name in other.kinds]
        return PrintedLines(
            runs=self.runs + other.runs,
            lines=min(self.lines, other.lines),
            ran=min(self.ran, other.ran),
            left_out=max(self.left_out, other.left_out),
            kinds={
                name: (
                    min(self.kinds[name][0], other.kinds[name][0]),
                    max(self.kinds[name][1], other.kinds[name][1]),
                )
                for name in both
            },
            ending=tuple(name for name in self.ending if name in other.ending),
            counting=self.counting or other.counting,
        )

    def tests_gone_in(self, run: PrintedLines) -> str:
        """What a run says of its tests, if it skips more than any of these, or runs less than half.

        Some counts vary: a fuzzer runs for some seconds.
        """
        if skipped := self.skipped_in(run):
            return f"tests lost: {skipped}"
        if 2 * run.ran >= self.ran:
            return ""
        return f"tests lost: {run.ran} of {self.ran} ran by its own account"

    def skipped_in(self, run: PrintedLines) -> str:
        """How many more a run says to have skipped than any of these; empty: none."""
        if not (self.ran and run.ran and run.left_out > self.left_out):
            return ""
        return f"{run.left_out} skipped by its own account, before {self.left_out or 'none'}"

    def named_gone_in(self, run: PrintedLines) -> str:
        """Which test that all of these named as passed a run does not name; empty: none."""
        lost = (name for name in self.kinds if _TEST.match(name) and self._lacks(name, run))
        return next(lost, "")

    def missing_in(self, run: PrintedLines) -> str:
        """What a run lacks of what all of these had, in words; empty when it lacks nothing."""
        if run.ran < self.ran:
            return f"ran {run.ran} of {self.ran} tests by its own account"
        if skipped := self.skipped_in(run):
            return f"tests: {skipped}"
        lost = [name for name in self.kinds if self._lacks(name, run)]
        if test := self.named_gone_in(run):
            return f"lacks what a test printed that passed on the unmodified code: {test}"
        unsaid = [name for name in self.ending if name not in run.kinds]
        number = min(1, len(self.kinds) - 1)  # its own line is there all the same
        half = 2 * (run.lines - number) <= self.lines - number and not self.counting
        if run.lines < self.lines and (unsaid or (lost and half)):
            named = (unsaid or lost)[-1]
            return f"printed {run.lines} of at least {self.lines} lines; missing: {named}"
        return ""

    def _lacks(self, name: str, run: PrintedLines) -> bool:
        had, (fewest, most) = run.kinds.get(name, (0, 0))[0], self.kinds[name]
        steady = self.runs > 1 and fewest == most
        return not had or (steady and 2 * had < fewest)


def _lines(output: str) -> list[str]:
    return [line for line in map(_shown, output.split("\n")) if line]


def _ends(lines: list[str]) -> list[str]:
    return lines if len(lines) <= 2 * _LOOKED_AT else lines[:_LOOKED_AT] + lines[-_LOOKED_AT:]


def _shown(line: str) -> str:
    """What is seen of a line in the end: without what was overwritten, and without codes."""
    return _CODES.sub("", line.rstrip("\r").rpartition("\r")[2]).strip()


def _kind(line: str) -> str:
    kind = _NUMBER.sub("N", line[: 4 * _LENGTH])
    return " ".join(_ASIDE.sub("", kind).split())[:_LENGTH]


def _counted(pattern: re.Pattern[str], line: str) -> int:
    return sum(int(match[match.lastindex or 0]) for match in pattern.finditer(line[:1000]))
