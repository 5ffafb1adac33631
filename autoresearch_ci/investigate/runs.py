"""Runs commands on commits, in the measure tree of each, and writes every run down.

One tree at a time: another commit takes the place of the last one. What a run means is for whoever
asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field, replace

from autoresearch_ci.decide.failures.bisection import RunEnd
from autoresearch_ci.decide.failures.changed_lines import LinesOfTest
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.execution.command import CommandResult
from autoresearch_ci.measure.commands import (
    BASELINE_TIMEOUT,
    SHORTEST_TIMEOUT,
    TIMEOUT_FACTOR,
    EndedCommand,
    MeasuredCommands,
    Subject,
)
from autoresearch_ci.measure.number.xml_reports import Reports
from autoresearch_ci.record.investigation_history import Ran
from autoresearch_ci.record.investigation_records import InvestigationRecords
from autoresearch_ci.safety.prompt_text import line, tail
from autoresearch_ci.workspace.repository import Changes

OpenAt = Callable[[str, ExitStack], MeasuredCommands]
"""A tree that holds a commit, set up; what it holds open is closed with the stack. Raises
`BaselineError` when the commit cannot be built."""
TAIL_BYTES = 6_000
TESTS_LIMIT = 200
"""Names that one record keeps."""
_FAILED = ("failed", "error", "hidden")


@dataclass(eq=False, repr=False)
class Runs:
    """The commands of one investigation."""

    records: InvestigationRecords
    open_at: OpenAt
    _: KW_ONLY
    base: str
    """The audited commit."""
    until: float | None = None
    """When no further command may begin."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _there: tuple[str, MeasuredCommands] | None = None
    _knowledge: Knowledge = field(default_factory=Knowledge)

    def at(self, commit: str) -> MeasuredCommands:
        """The commands in the tree of a commit. Raises `BaselineError`."""
        if self._there is None or self._there[0] != commit:
            self.close()
            self._there = (commit, self.open_at(commit, self._stack))
        return self._there[1]

    def close(self) -> None:
        self._there = None
        self._stack.close()

    def execute(
        self,
        command: str,
        *,
        purpose: str,
        commit: str = "",
        iteration: int = 0,
        changes: Changes | None = None,
        timeout: float | None = None,
        script: str = "",
        control_of: int = 0,
        mended: str = "",
        watched: Collection[str] = (),
        weighed: Callable[[Ran], Ran] = lambda ran: ran,
    ) -> Ran:
        """Run it once and write it down; `watched`: tests of which it matters that they pass.

        `weighed`: adds what the run is worth.

        Raises `BaselineError` when the commit cannot be built, `OutOfTime` when it was not begun.
        """
        commit = commit or self.base
        ended = self._ended(command, commit, iteration, changes or {}, timeout, None)
        redact = self.at(commit).redact
        ran = _recorded(ended, redact, watched)
        ran = replace(
            ran,
            number=len(self.records.known.runs) + 1,
            iteration=iteration,
            purpose=purpose,
            commit=commit,
            script=redact(script),
            control_of=control_of,
            mended=mended,
        )
        ran = weighed(ran)
        self.records.append(ran)
        return ran

    def reported(
        self, command: str, report: str | None
    ) -> tuple[CommandResult, SuiteResult | None, Reports | None]:
        """Run a tool on the audited commit; `report`: the file, or pattern, that it writes."""
        ended = self._ended(command, self.base, 0, {}, None, report)
        written = ended.report if isinstance(ended.report, (bytes, tuple, list)) else None
        return ended.result, ended.suite, written

    def traced(
        self,
        command: str,
        *,
        commit: str,
        changes: Changes,
        files: Collection[str],
        sources: Mapping[str, str],
    ) -> Sequence[LinesOfTest]:
        """What the tests of a command execute; empty: it cannot be seen.

        `files`: of the commit; `sources`: text of those that matter.
        """
        subject = Subject(changes=changes, iteration=0, until=self.until)
        subject.refuse_late(0.0)
        _, tests = self.at(commit).traced(
            subject, command, timeout=10 * self.patience, files=files, sources=sources
        )
        return tests

    @property
    def patience(self) -> float:
        """Seconds that the failing command may take, by what it took on the audited commit."""
        done = self.records.known.ran("reproduce", self.base)
        usual = max((run.seconds for run in done), default=0.0)
        return max(TIMEOUT_FACTOR * usual, SHORTEST_TIMEOUT)

    def _ended(
        self,
        command: str,
        commit: str,
        iteration: int,
        changes: Changes,
        timeout: float | None,
        report: str | None,
    ) -> EndedCommand:
        subject = Subject(changes=changes, iteration=iteration, until=self.until)
        commands = self.at(commit)
        if self.until is not None:  # what hangs must not take more than there is
            left = max(1.0, self.until - time.monotonic())
            timeout = min(timeout or BASELINE_TIMEOUT, left)
        ended = commands.measured(
            subject, "experiment", command, self._knowledge, timeout=timeout, report=report
        )
        self._knowledge = ended.knowledge
        return ended


def outcome(ran: Ran) -> RunEnd:
    """How a run ended, as far as it can be compared with others."""
    return RunEnd(
        exit_code=ran.exit_code,
        timed_out=ran.timed_out,
        failing=frozenset(ran.failing),
        passing=frozenset(ran.passing),
        unfit=frozenset(ran.unfit),
        words=ran.failure,
    )


def _recorded(ended: EndedCommand, redact: Callable[[str], str], watched: Collection[str]) -> Ran:
    """What a run left, not yet numbered."""
    result, suite = ended.result, ended.suite
    of = {redact(test): end for test, end in suite.of.items()} if suite else {}
    failing = [test for test, end in of.items() if end in _FAILED]
    unfit = [test for test, end in of.items() if end == "uncollected"]
    return Ran(
        number=0,
        iteration=0,
        purpose="",
        commit="",
        command=result.command,
        exit_code=result.exit_code,
        timed_out=result.timed_out,
        failure=line(result.reason, 400),
        seconds=round(result.seconds, 3),
        failing=tuple(failing[:TESTS_LIMIT]),
        passing=tuple(test for test in watched if of.get(test) == "passed"),
        unfit=tuple(unfit[:TESTS_LIMIT]),
        tail=tail(result.tail, TAIL_BYTES),
    )
