"""The honest headline: base and final state measured afresh, in turns, when the run is over.

A search's own numbers are those of winners, and winners were lucky; these are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median

from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.judged_before import LATE
from autoresearch_ci.decide.metric.noise import confirm_interval
from autoresearch_ci.experiment import Direction, GuardRun, MetricRun
from autoresearch_ci.measure import holdout
from autoresearch_ci.measure.bench import Bench, crashed
from autoresearch_ci.measure.commands import OutOfTime, Subject
from autoresearch_ci.report.run_summary import Beside, Confirmation
from autoresearch_ci.workspace.repository import Changes

PAIRS = 5
"""Runs of each side when nothing else is configured."""


def exact_pairs(*, continued: bool) -> int:
    """Runs of each side of an exact metric; `continued`: against the base of an earlier night."""
    return 2 if continued else 1


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What the complete pairs of runs gave."""

    base: tuple[float, ...] = ()
    head: tuple[float, ...] = ()
    base_runs: tuple[MetricRun, ...] = ()
    head_runs: tuple[MetricRun, ...] = ()
    """Those that gave `base` and `head`."""
    knowledge: Knowledge
    """What the run knows after them."""
    failed: MetricRun | None = None
    """The run that ended them early."""


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Two states of the code, measured in turns."""

    bench: Bench
    direction: Direction
    iteration: int
    """Number under which the runs are logged."""
    knowledge: Knowledge = field(default_factory=Knowledge)
    scrutinised: bool = False
    """Whether the head is held to what a candidate is: the tests and the lines of the base."""
    nothing_left: Callable[[], str | None] = lambda: None
    """Which budget of money or tokens another run would exceed; asked before each pair."""
    until: float | None = None
    """By when it must all be over, as long as it usually takes: `time.monotonic()`."""

    def is_late(self, knowledge: Knowledge) -> bool:
        """Whether no time is left for a pair, and for the guards that a gain is nothing without."""
        pair = self.bench.pace(knowledge).to_confirm(pairs=1, rounds=1)
        return self.until is not None and time.monotonic() + pair > self.until

    def runs(self, base: Changes, head: Changes, pairs: int, *, done: int = 0) -> Pairs:
        """Measure both, pair by pair: base head, head base, ... so that drift cancels.

        `done` pairs went before. Ends early when a run fails or a budget is used up.
        """
        found = Pairs(knowledge=self.knowledge)
        for pair in range(done, done + pairs):
            if self.nothing_left() or self.is_late(found.knowledge):
                break
            subjects = [
                Subject(changes=base, iteration=self.iteration, until=self.until),
                Subject(
                    changes=head,
                    iteration=self.iteration,
                    incumbent=base if self.scrutinised else None,
                    until=self.until,
                ),
            ]
            try:
                runs, knowledge = self._measured(
                    subjects[::-1] if pair % 2 else subjects, found.knowledge
                )
            except OutOfTime:
                break
            found = replace(found, knowledge=knowledge)
            of_base, of_head = reversed(runs) if pair % 2 else runs
            if of_base.value is None or of_head.value is None:
                found = replace(found, failed=of_base if of_base.value is None else of_head)
                break
            found = replace(
                found,
                base=(*found.base, of_base.value),
                head=(*found.head, of_head.value),
                base_runs=(*found.base_runs, of_base),
                head_runs=(*found.head_runs, of_head),
            )
        return found

    def _measured(
        self, subjects: Sequence[Subject], knowledge: Knowledge
    ) -> tuple[list[MetricRun], Knowledge]:
        """As in the run itself, what fails twice fails."""
        runs = []
        for subject in subjects:
            run, knowledge = self._run(subject, knowledge)
            if crashed(run) or LATE in run.reason:
                run, knowledge = self._run(subject, knowledge)
            runs.append(run)
        return runs, knowledge

    def _run(self, subject: Subject, knowledge: Knowledge) -> tuple[MetricRun, Knowledge]:
        return self.bench.run(subject, knowledge, stage="confirm", believed=not self.scrutinised)


def confirm(
    paired: PairedComparison,
    head: Changes,
    *,
    deterministic: bool,
    pairs: int | None,
    known: tuple[float | None, float | None],
    base: Changes | None = None,
    watched: Mapping[str, Direction] | None = None,
) -> Confirmation | None:
    """Measure base and head; `None` when one of them can no longer be measured: what is left then
    is a choice among their runs.

    Raises `OutOfTime` when too few pairs had their turn.

    `known`: what the run has measured of both. Where that is said to be exact and is not found
    again, it was not exact. `base`: that of the branch, where it is not the run's; nothing is known
    of it then, and it is measured twice to see whether it is exact, too. `watched`: further numbers
    that the metric's command prints, and which way each is better.
    """
    first = base or {}
    if base is not None:
        known = (None, known[1])
    enough = exact_pairs(continued=base is not None)
    # One pair says nothing about its own spread.
    wanted = max(pairs or 0, enough) if deterministic else max(2, pairs or PAIRS)
    found = paired.runs(first, head, wanted)
    if found.failed:
        return None
    base_values, head_values, head_runs = found.base, found.head, found.head_runs
    base_runs = found.base_runs
    seen = {known[0] if known[0] is not None else value for value in base_values[:1]}
    if deterministic and ({*base_values} != seen or {*head_values} != {known[1]}):
        deterministic = False
        more = paired.runs(first, head, PAIRS - wanted, done=wanted)
        if more.failed:
            return None
        base_values, head_values = base_values + more.base, head_values + more.head
        found, head_runs = more, head_runs + more.head_runs
        base_runs += more.base_runs
    if len(base_values) < (enough if deterministic else 2):
        if not paired.nothing_left():
            raise OutOfTime
        return None
    gain, low, high = confirm_interval(base_values, head_values, paired.direction)
    if deterministic and len(set(base_values)) == len(set(head_values)) == 1:
        low = high = gain
    holds, guarded = low > 0, ConfirmedGuards()
    if holds:
        knowledge = found.knowledge
        if base is not None:
            knowledge = _held_against(paired, base, base_runs, knowledge)
        paired = replace(paired, knowledge=knowledge)
        guarded = guards_again(paired, head, head_runs, pairs or PAIRS)
        if not guarded.refusal:
            result = Subject(changes=head, iteration=paired.iteration, incumbent=first)
            said = holdout.lost(paired.bench, result, paired.knowledge)
            guarded = replace(guarded, refusal=said)
    return Confirmation(
        base=median(base_values),
        head=median(head_values),
        gain=gain,
        ci_low=low,
        ci_high=high,
        n_base=len(base_values),
        n_head=len(head_values),
        holds=holds and not guarded.refusal,
        deterministic=deterministic,
        guard_runs=guarded.rounds,
        refusal=guarded.refusal,
        beside={**guarded.beside, **dict(_beside(base_runs, head_runs, watched or {}))},
    )


def _held_against(
    paired: PairedComparison, base: Changes, runs: Sequence[MetricRun], knowledge: Knowledge
) -> Knowledge:
    """`knowledge` with the guards' numbers of the branch's own base: against that of each night,
    they could get worse by the tolerance each night."""
    subject = Subject(changes=base, iteration=paired.iteration)
    numbers = paired.bench.guards.numbers(subject, knowledge, _typical(runs), "confirm")
    return replace(knowledge, baselines={**knowledge.baselines, **numbers})


def _beside(
    base: Sequence[MetricRun], head: Sequence[MetricRun], watched: Mapping[str, Direction]
) -> Iterator[tuple[str, Beside]]:
    """What else the runs have shown: guards' numbers that they print, memory and time."""

    def medians(of: Callable[[MetricRun], float | None]) -> tuple[float, float] | None:
        sides = [[v for run in runs if (v := of(run)) is not None] for runs in (base, head)]
        return (median(sides[0]), median(sides[1])) if all(sides) else None

    for name, direction in watched.items():
        if pair := medians(partial(_printed, name)):
            yield name, Beside(base=pair[0], head=pair[1], direction=direction)
    less = Direction.MINIMIZE
    if pair := medians(lambda run: run.peak_memory_mb):
        yield "peak memory, MB", Beside(base=pair[0], head=pair[1], direction=less, grain=1.0)
    if pair := medians(lambda run: run.seconds):
        yield "seconds of a run", Beside(base=pair[0], head=pair[1], direction=less, grain=0.1)


def _printed(name: str, run: MetricRun) -> float | None:
    return run.numbers.get(name)


@dataclass(frozen=True, kw_only=True)
class ConfirmedGuards:
    """What the guards said of the result when they ran on it again."""

    rounds: int = 0
    refusal: str = ""
    """Which one failed, and how; empty: they passed, or there is none."""
    beside: Mapping[str, Beside] = field(default_factory=dict)
    """Their numbers, by name."""


def guards_again(
    paired: PairedComparison, head: Changes, runs: Sequence[MetricRun], rounds: int
) -> ConfirmedGuards:
    """Run the guards on the result, so often that one which it made unsound hardly passes.

    A candidate's guards ran once: what it breaks half of the time got through half of the time. By
    the same rule a failure is the result's unless the base fails so, too. But many rounds find what
    a guard does once in fifty runs by itself. So one failure that is gone when the guard runs again
    asks for as many rounds once more, and the second one counts: half of the time is then found 19
    times in 20, and once in fifty is blamed 1 time in 100.
    """
    guards = paired.bench.guards
    subject = Subject(changes=head, iteration=paired.iteration, incumbent={})
    typical, knowledge = _typical(runs), paired.knowledge
    done, left, doubt = 0, rounds, ""
    beside: dict[str, Beside] = {}
    while left:
        try:
            found = guards.run(subject, knowledge, typical, stage="confirm", numbers=not done)
        except OutOfTime:
            break
        subject = replace(subject, until=paired.until)  # but for once
        knowledge = found.knowledge
        if not found.runs:
            break
        if not done:
            beside = dict(_numbers(paired, found.runs))
        done, left = done + 1, left - 1
        if found.runs[-1].failed:
            reason = found.runs[-1].reason
            if not found.unsteady:
                rival = replace(subject.rival, until=None)
                base = guards.run(rival, knowledge, typical, stage="confirm", numbers=False)
                broken = any(run.failed for run in base.runs)
                reason += "; the guards fail on the unmodified code now, too" if broken else ""
            if doubt or not found.unsteady:
                return ConfirmedGuards(rounds=done, refusal=reason, beside=beside)
            doubt, left = reason, rounds
    return ConfirmedGuards(rounds=done, refusal=doubt if left else "", beside=beside)


def _numbers(paired: PairedComparison, runs: Sequence[GuardRun]) -> Iterator[tuple[str, Beside]]:
    """What the guards' first round on the result found beside what was known of the base."""
    of_head = {f"guard {index}": run.value for index, run in enumerate(runs)}
    for role, (name, direction) in paired.bench.guards.numeric.items():
        before, after = paired.knowledge.baselines.get(role), of_head.get(role)
        if before is not None and after is not None:
            yield name, Beside(base=before, head=after, direction=direction)


def _typical(runs: Sequence[MetricRun]) -> MetricRun:
    """One run for guards that read the metric's output: its numbers are the medians of all."""
    numbers = {
        name: median([run.numbers[name] for run in runs if name in run.numbers])
        for name in runs[-1].numbers
    }
    return replace(runs[-1], numbers=numbers)
