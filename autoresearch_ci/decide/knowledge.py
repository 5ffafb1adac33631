"""What a run has learnt while judging: a frozen value, into each judgement and out of it again.

Noise and error budget are metric/run_statistics.py's. The rest is what commands did on code that
nobody blames, the unmodified one and the incumbents since: by the command, or by its role
(`metric`, `holdout`, `guard 0`). Pure; nothing else learns, so two judgements at the same time
cannot disturb each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from autoresearch_ci.decide.failures.lost_tests import Standard, SuiteResult, disagreement
from autoresearch_ci.decide.metric.early_stop import Curve, Progress
from autoresearch_ci.decide.metric.judged_before import LATE
from autoresearch_ci.decide.metric.printed_lines import PrintedLines
from autoresearch_ci.decide.metric.run_statistics import DecisionRuns, RunStatistics
from autoresearch_ci.experiment import Decision, Status

Stream = Literal["stdout", "stderr"]
STREAMS: tuple[Stream, ...] = ("stdout", "stderr")


@dataclass(frozen=True, kw_only=True)
class Prints:
    """What one run of a command left to look at."""

    suite: SuiteResult | None = None
    """What pytest itself told us; `None` when it did not run."""
    listed: SuiteResult | None = None
    """What the JUnit report says, where there is one."""
    times: int = 0
    """How often the number was printed, from the first on that counts; 0: there is no telling."""
    before: int = 0
    """How often what looks like it stands before that one."""
    dropped: int = 0
    """Bytes of its output that were too many to be looked at."""
    late: int = 0
    """Bytes that were printed after the command itself had ended, where they decide: without them
    the number is another one, or none."""
    handed_over: bool = False
    """A helper outlived the command, and passed on what it had printed."""
    stream: Stream | None = None
    """On which the number stood; `None`: on none, or there is no telling."""
    unit: str | None = None
    """What the number was printed in; empty: it had none, `None`: there is no telling."""
    output: PrintedLines | None = None
    """All that was printed, by kinds of lines; `None` where nobody looks at it."""

    @property
    def printed(self) -> Mapping[str, int]:
        return {
            "": self.times,
            ", before": self.before,
            ", dropped": self.dropped,
            ", late": self.late,
            ", handed over": int(self.handed_over),
            **{f", {stream}": int(self.stream == stream) for stream in STREAMS},
        }


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why a run is not believed."""

    status: Status
    reason: str


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """A value: every method gives the next one, or an answer."""

    session: RunStatistics = field(default_factory=RunStatistics)
    curve: Curve | None = None
    """The incumbent's, when early stopping is configured."""
    durations: Mapping[str, float] = field(default_factory=dict)
    """Seconds that each command took on the unmodified code, at the most."""
    lately: Mapping[str, float] = field(default_factory=dict)
    """Seconds that each command took the last time, on code that nobody blames."""
    blind: frozenset[str] = frozenset()
    """Commands that cannot be run with our plugin for pytest."""
    flaky: frozenset[str] = frozenset()
    """Roles whose command has failed and passed on the same code, which was not a candidate's; and
    ids of failures that do."""
    red: frozenset[str] = frozenset()
    """Guards, by role, that fail on the unmodified code of a repair: they are not asked."""
    printed: Mapping[str, int] = field(default_factory=dict)
    """How often the number was printed, at most, by role; and what else `Prints.printed` has."""
    standards: Mapping[str, Standard] = field(default_factory=dict)
    """What a candidate's tests must reach, by role."""
    shown: Mapping[str, Standard] = field(default_factory=dict)
    """What the tests of the candidate under judgement reached; empty between two judgements."""
    baselines: Mapping[str, float] = field(default_factory=dict)
    """The guards' numbers on the unmodified code, by role: what tolerances refer to."""
    units: Mapping[str, str] = field(default_factory=dict)
    """What the number is printed in, by role; see `Prints.unit`."""
    outputs: Mapping[str, PrintedLines] = field(default_factory=dict)
    """What each command printed at the least, by role."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """What the candidate under judgement left out of it, by role, in words; empty between two."""
    holdout_spread: float = 0.0
    """How much the holdout varies on the unmodified code."""
    held: tuple[float, ...] = ()
    """What each kept change that the holdout only had to hold gained by it, in its own unit."""
    holding: float | None = None
    """What the candidate under judgement did; `None`: it was not asked for that."""

    def after(
        self,
        evidence: DecisionRuns,
        decision: Decision,
        candidate_id: str,
        curve: tuple[Progress, ...] = (),
    ) -> Knowledge:
        """What is known once `decision` is final: what passes with a kept candidate must stay so.

        `curve`: the candidate's.
        """
        known = replace(
            self,
            session=self.session.after(evidence, decision, candidate_id),
            shown={},
            missing={},
            holding=None,
        )
        if decision.status is not Status.KEEP:
            return known
        raised = {role: self.standards[role].raised(seen) for role, seen in self.shown.items()}
        return replace(
            known,
            standards={**self.standards, **raised},
            held=(*self.held, *(() if self.holding is None else (self.holding,))),
            curve=Curve(points=curve) if curve else None,
        )

    def having_taken(self, command: str, seconds: float) -> Knowledge:
        """`command` took so long on the unmodified code."""
        longest = max(seconds, self.durations.get(command, 0.0))
        durations = {**self.durations, command: longest}
        return replace(self, durations=durations).having_taken_lately(command, seconds)

    def having_taken_lately(self, command: str, seconds: float) -> Knowledge:
        """`command` took so long on code that nobody blames."""
        return replace(self, lately={**self.lately, command: seconds})

    def not_knowing_how_long(self, commands: Collection[str]) -> Knowledge:
        """What they took on the unmodified code says nothing of code that is well."""
        kept = {name: took for name, took in self.durations.items() if name not in commands}
        return replace(self, durations=kept)

    def usual(self, command: str) -> float:
        """Seconds that `command` will take, for all that is known; 0: nothing is."""
        return self.lately.get(command, self.durations.get(command, 0.0))

    def without_plugin(self, command: str) -> Knowledge:
        """`command` hides our plugin from Python."""
        return replace(self, blind=self.blind | {command})

    def failing_now_and_then(self, role: str) -> Knowledge:
        """The command has failed and passed on the same code, which was not a candidate's."""
        return replace(self, flaky=self.flaky | {role})

    def having_numbered(self, role: str, value: float) -> Knowledge:
        """A guard's number on the unmodified code."""
        return replace(self, baselines={**self.baselines, role: value})

    def having_seen(self, role: str, seen: Prints) -> Knowledge:
        """The unmodified code, or the incumbent measured again, did this."""
        known = {role: seen.suite, _report(role): seen.listed}
        if seen.suite and seen.listed and not disagreement(seen.suite, seen.listed):
            known[_agreement(role)] = seen.listed
        standards = dict(self.standards)
        for name, result in known.items():
            if result is not None:
                standards[name] = _joined(standards.get(name), result)
        printed = {
            role + what: max(count, self.printed.get(role + what, 0))
            for what, count in seen.printed.items()
        }
        units = self.units if seen.unit is None else {role: seen.unit, **self.units}
        outputs = dict(self.outputs)
        if seen.output:
            before = outputs.get(role)
            outputs[role] = before.joined(seen.output) if before else seen.output
        return replace(
            self,
            standards=standards,
            printed={**self.printed, **printed},
            units=units,
            outputs=outputs,
        )

    def streams(self, role: str) -> Sequence[Stream]:
        """On which its number has stood; empty: nothing is known."""
        return [stream for stream in STREAMS if self.printed.get(f"{role}, {stream}")]

    def may_be_unsteady(self, role: str) -> bool:
        """Whether ids of its tests look as if another run of the same code gave other ones."""
        names = (role, _report(role))
        return any(self.standards[n].may_be_unsteady() for n in names if n in self.standards)

    def passing(self, role: str) -> int | None:
        """How many of its tests pass, those that flicker left out; `None`: none was seen."""
        known = (self.standards.get(name) for name in (role, _report(role)))
        return next((standard.passed for standard in known if standard), None)

    def left_out(self, role: str, before: Knowledge) -> list[str]:
        """Tests that were asked for before, and are not since the same code did not have them."""
        return [
            test
            for name in (role, _report(role))
            if name in before.standards and name in self.standards
            for test in before.standards[name].ranks.keys() - self.standards[name].ranks.keys()
        ]

    def reran_newly(self, role: str, seen: Prints) -> str:
        """Tests that passed only at another attempt, and never had needed one."""
        for name, result in ((role, seen.suite), (_report(role), seen.listed)):
            standard = self.standards.get(name)
            if result and standard and (news := standard.reran_newly(result)):
                return news
        return ""

    def has_watched(self, role: str) -> bool:
        """Whether pytest itself told us of a run."""
        return role in self.standards

    def sees_tests(self, role: str) -> bool:
        """Whether single tests of it are known: watched, listed in its report, or printed."""
        printed = self.outputs.get(role)
        known = not {role, _report(role)}.isdisjoint(self.standards)
        return known or bool(printed and printed.names_tests)

    def disagrees(self, role: str) -> bool:
        """Whether its report has never listed what pytest itself told us of the same run."""
        told = {role, _report(role)} <= self.standards.keys()
        return told and _agreement(role) not in self.standards

    def doubting(self, role: str, seen: Prints) -> tuple[Doubt | None, Knowledge]:
        """What is wrong with a candidate's run, `None` when nothing is; and what its tests show."""
        return self._noticing(role, seen)._doubting(role, seen)

    def other_unit(self, role: str, seen: Prints) -> str:
        """Why its number cannot be held against others, which were printed in another unit."""
        usual = self.units.get(role)
        if usual is None or seen.unit in (None, usual):
            return ""
        now, then = (f'in "{unit}"' if unit else "without a unit" for unit in (seen.unit, usual))
        return f"printed {now}, by the unmodified code {then}: print always the same unit"

    def _tests_gone(self, role: str, seen: Prints) -> str:
        """Why tests that nobody could watch are lost, by what the command says itself."""
        standard = self.outputs.get(role)
        if not standard or not seen.output or seen.suite or seen.listed:
            return ""
        if role not in ("metric", "holdout"):
            return standard.tests_gone_in(seen.output)
        # Their `1250 examples/s` is no count of tests.
        skipped = standard.skipped_in(seen.output)
        return f"tests lost: {skipped}" if skipped else ""

    def named_test_gone(self, role: str, seen: Prints) -> str:
        """Which of them the command does not name as passed any more; empty: none."""
        standard = self.outputs.get(role)
        if not standard or not seen.output or seen.suite or seen.listed:
            return ""
        gone = standard.named_gone_in(seen.output)
        return f"tests lost: not named as passed any more: {gone}" if gone else ""

    def _noticing(self, role: str, seen: Prints) -> Knowledge:
        """With what the run left out of what it used to print."""
        standard = self.outputs.get(role)
        if not standard or not seen.output or seen.suite or seen.listed:
            return self  # each test is looked at where they are known one by one
        if not (why := standard.missing_in(seen.output)):
            return self
        return replace(self, missing={**self.missing, role: why})

    def _doubting(self, role: str, seen: Prints) -> tuple[Doubt | None, Knowledge]:
        if why := self._unlike(role, seen):
            return Doubt(status=Status.METRIC_ERROR, reason=why), self
        lost, known = self._held_against(role, seen.suite)
        forged = _agreement(role) in self.standards and disagreement(seen.suite, seen.listed)
        if forged:
            return Doubt(status=Status.METRIC_ERROR, reason=forged), known
        if not lost and seen.listed:
            lost, known = known._held_against(_report(role), seen.listed)
        lost = lost or self._tests_gone(role, seen)
        return (Doubt(status=Status.DISCARD, reason=lost) if lost else None), known

    def _unlike(self, role: str, seen: Prints) -> str:
        """Why what was printed cannot be what the ruler alone printed; empty when it can."""
        times, before = self.printed.get(role), self.printed.get(f"{role}, before")
        if times == 1 < seen.times or (times and before == 0 < seen.before):
            return (
                f"the number was printed {seen.times + seen.before} times, on the unmodified code "
                f"{'once' if times == 1 else f'{times} times'}"
            )
        for what, why in (
            ("dropped", "bytes were printed in the middle that are too many to be looked at"),
            ("late", LATE),
        ):
            count = seen.printed[f", {what}"]
            passed_on = what == "late" and self.printed.get(f"{role}, handed over")
            if count and self.printed.get(f"{role}, {what}") == 0 and not passed_on:
                return f"{count} {why}, by the unmodified code none"
        return self.other_unit(role, seen)

    def _held_against(self, name: str, result: SuiteResult | None) -> tuple[str, Knowledge]:
        """What is lost compared with a standard, and all that is known then."""
        standard, known = self.standards.get(name), self
        if standard is None:
            return "", self
        if result is not None:
            shown = {**self.shown, name: _joined(self.shown.get(name), result)}
            known = replace(self, shown=shown)
        return standard.loss(result), known


def _joined(known: Standard | None, result: SuiteResult) -> Standard:
    return known.relaxed(result) if known else Standard.of(result)


def _report(role: str) -> str:
    return f"{role}, report"


def _agreement(role: str) -> str:
    return f"{role}, agreement"
