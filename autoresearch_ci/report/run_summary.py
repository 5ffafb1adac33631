"""What a run amounts to: the figures and the headline that every report agrees on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autoresearch_ci.decide.metric.credibility import fools_guards, is_too_good, is_witness
from autoresearch_ci.decide.metric.taken_back import standing, stands, told
from autoresearch_ci.experiment import (
    HARD_TO_BELIEVE,
    HOLDOUT_SAYS,
    Direction,
    Experiment,
    HoldoutVerdict,
    Spent,
    Status,
)
from autoresearch_ci.record.remote_notebooks import Lineage
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import number, percent, shortened

CRASHED = frozenset({Status.CRASH, Status.METRIC_ERROR})
"""Statuses whose `metric`, should a foreign journal give one, means nothing."""


_SUITES = 5
"""Guards of which the tests are counted."""
_DOUBTS = 5
"""Kept changes that look unlikely, of which each gets a paragraph."""


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """The figures that every report agrees on."""

    baseline: float | None
    """`None` when the unmodified code was never measured."""
    best: float | None
    """The incumbent's metric at the end, see `stands`; the baseline's when nothing was kept."""
    kept: tuple[Experiment, ...]
    """Without the baseline and what was taken back, in order."""
    others: tuple[Experiment, ...]
    """Tried and not kept, in order."""
    head: str
    """The newest commit; empty where none was kept."""

    @property
    def doubted(self) -> tuple[Experiment, ...]:
        """Kept, though the gain looks unlikely."""
        return tuple(e for e in self.kept if e.doubt)

    @property
    def change(self) -> float | None:
        """Relative, in the metric's own sign: -0.056 is 5.6 % lower than the baseline."""
        return relative_change(self.baseline, self.best)


def run_summary(experiments: Sequence[Experiment]) -> RunSummary:
    """Reads the journal, baseline included, in order."""
    baseline = next((e.metric for e in experiments if e.status is Status.BASELINE), None)
    head = next((e.commit for e in reversed(experiments) if e.status is Status.KEEP), "")
    rows = told(experiments)
    kept = tuple(e for e in rows if e.status is Status.KEEP)
    others = tuple(e for e in rows if e.status not in (Status.BASELINE, Status.KEEP))
    return RunSummary(
        baseline=baseline, best=stands(experiments), kept=kept, others=others, head=head
    )


def hard_to_believe(
    result: RunSummary, info: RunInfo, unvouched: Sequence[Experiment] = ()
) -> bool:
    """Whether nothing but the metric speaks for an unlikely gain, of a step or in all.

    `unvouched`: such steps of earlier runs that stand in the same pull request.
    """
    if unvouched or any(e.hard_to_believe for e in result.kept):
        return True
    guarded = info.has_witness
    vouched = all(e.holdout.agrees or (guarded and e.guard == "pass") for e in result.kept)
    return is_too_good(*_whole(result, info)) and not vouched


def _whole(result: RunSummary, info: RunInfo) -> tuple[float, float, float]:
    """The relative gain of all that was kept, from which number to which; 0 where nothing was, or
    nothing held."""
    if info.repairs is not None:  # a set of failures that is gone is no number to doubt
        return 0.0, 0.0, 0.0
    if (found := info.confirmation) is not None:
        return (found.gain if found.holds else 0.0), found.base, found.head
    before, after = result.baseline, result.best
    if before is None or after is None:
        return 0.0, 0.0, 0.0
    gain = info.direction.gain(before, after) / (abs(before) or abs(after) or 1.0)
    return gain, before, after


def doubts(
    result: RunSummary, info: RunInfo, unvouched: Sequence[Experiment] = ()
) -> Iterator[str]:
    """What looks unlikely about the gain, in bold Markdown; a paragraph each."""
    doubted, hard = [*unvouched, *result.doubted], hard_to_believe(result, info, unvouched)
    for experiment in doubted[:_DOUBTS]:
        whose = " of an earlier run" if experiment in unvouched else ""
        yield f"**{doubt_words(experiment)}** (experiment {experiment.iteration}{whose})."
    left = len(doubted) - _DOUBTS
    if left > 0:
        yield f"**{count(left, 'more kept change')} to look at twice**, see the table."
    whole = _whole(result, info)
    if is_too_good(*whole) and not doubted:
        head = "Hard to believe" if hard else "Look twice"
        yield f"**{head}: a gain of {percent(whole[0]).removeprefix('+')} in all.**"
    if hard:
        alone = any(e.hard_to_believe for e in result.kept)
        fooled = any(e.hard_to_believe and fools_guards(e.doubt) for e in doubted)
        seen = " whose tests are seen" if fooled and info.has_witness else ""
        yield (
            f"**No guard{seen} and no holdout speaks for that**, only the metric itself"
            f"{', so nothing was built upon it' if alone else ''}. Read the change before you "
            "merge it; a guard or a holdout in the configuration tells the next run more."
        )
    elif doubted and info.repairs is not None:
        yield "It may be right; read it before you merge it."
    elif doubted:
        yield "A guard or the holdout has seen it and agrees."


def doubt_words(experiment: Experiment) -> str:
    """`Hard to believe: …`, or `Look twice: …` where a guard or the holdout agrees; Markdown."""
    words = experiment.doubt.removeprefix(HARD_TO_BELIEVE)
    head = "Hard to believe" if experiment.hard_to_believe else "Look twice"
    return f"{head}: {inline(words, 400)}"


def holdout_words(result: RunSummary) -> str:
    """What the holdout said, and none of its numbers; empty when it was never asked."""
    parts = []
    for verdict in (HoldoutVerdict.GAINS, HoldoutVerdict.HOLDS):
        if said := sum(e.holdout is verdict for e in result.kept):
            parts.append(f"it {verdict} with {said} of {count(len(result.kept), 'kept change')}")
    if denied := sum(e.holdout is HoldoutVerdict.DENIES for e in result.others):
        parts.append(f"it did not confirm {count(denied, 'other change')}")
    return "; ".join(parts)


def relative_change(before: float | None, after: float | None) -> float | None:
    """`None` where a percentage would mean nothing: a value is missing, or `before` is zero."""
    if before is None or after is None or before == 0:
        return None
    return (after - before) / abs(before)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Another number of base and result, medians of the same runs."""

    base: float
    head: float
    direction: Direction
    grain: float = 0.0
    """A difference up to this size is none."""

    @property
    def loss(self) -> float:
        """How much worse, relative to the base; negative is better."""
        if abs(self.head - self.base) <= self.grain:
            return 0.0
        change = relative_change(self.base, self.head) or 0.0
        return change if self.direction is Direction.MINIMIZE else -change


WORSE = 0.05
"""Relative loss of another number from which it is named; less is nothing to see in one number."""


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Base and head measured again at the end, fresh and interleaved: the headline's evidence."""

    base: float
    head: float
    gain: float
    """Relative and positive when better: 0.056 is 5.6 % better than the base."""
    ci_low: float
    """95 % confidence interval of `gain`."""
    ci_high: float
    n_base: int
    n_head: int
    holds: bool
    deterministic: bool = False
    """Whether either side gave one value only, as often as the run has measured it."""
    guard_runs: int = 0
    """How often the guards ran on the head again."""
    refusal: str = ""
    """Which of them failed there, and how; then nothing holds, whatever the numbers say."""
    beside: Mapping[str, Beside] = field(default_factory=dict)
    """What else was seen, by name."""


@dataclass(frozen=True, kw_only=True)
class PassedTests:
    """How many tests of a guard pass, those left out that flicker."""

    command: str
    base: int
    head: int


@dataclass(frozen=True, kw_only=True)
class RemainingFailure:
    """One failure that is still there, in words that a page has room for."""

    id: str
    category: str
    path: str
    line: int
    """0: not told."""
    message: str
    why: str = ""
    """Why it is not taken; empty: its turn has not come."""


@dataclass(frozen=True, kw_only=True)
class Repairs:
    """What is left of what a run was to repair."""

    looked: bool = False
    """Whether the result was looked at; before the end only the journal's numbers are known."""
    left: int = 0
    """All of them but the flaky ones, those that are set aside included."""
    flaky: int = 0
    """Failures that come and go on the same code."""
    shown: Sequence[RemainingFailure] = ()
    """The first of them."""
    incomplete: Mapping[str, str] = field(default_factory=dict)
    """By target, why there may be more."""
    categories: Sequence[str] = ()
    """Only of these; empty: all."""
    earlier: int = 0
    """Repaired by earlier nights of the branch, where all of them looked in the same way."""
    mended: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By commit, the failures that are gone by it, where the journal has room for a few only."""
    rulers: Sequence[str] = ()
    """Commands whose own files no repair may change: flags may name some that no commit does."""
    judges: Sequence[str] = ()
    """Commands of which what they start in turn may not be changed either."""

    @property
    def verdict(self) -> str:
        """`green`, `broken`, or `incomplete`: nothing is seen that is broken, nor everything."""
        broken = self.left + self.flaky
        if not self.looked or (self.incomplete and not broken):
            return "incomplete"
        return "broken" if broken else "green"


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What the journal does not say about a run."""

    tag: str
    branch: str
    notebook_ref: str
    base_commit: str
    metric_name: str
    direction: Direction
    metric_command: str
    guards: Sequence[str]
    goal: str
    stop_reason: str
    started: str
    """ISO 8601, UTC."""
    seconds: float
    """Wall time of the run."""
    host: str
    """The machine in a few words: `runner-3, 2 cores, Linux 6.1`."""
    confirmation: Confirmation | None = None
    failed: bool = False
    """`stop_reason` is something that is broken."""
    suites: Sequence[PassedTests] = ()
    """Of the guards whose tests are seen one by one, base and result of this run."""
    sees_tests: bool = False
    """Of a guard that runs by itself single tests are known."""
    idle: Sequence[Experiment] = ()
    """Kept, but the result is no worse without them: found by leaving each out in turn."""
    lineage: Lineage = field(default_factory=Lineage)
    """What the branch consists of already."""
    disclose: str = ""
    """The file of the repository that asks to be told of AI; empty: none does."""
    repairs: Repairs | None = None
    """What is left, where what was measured is how much is broken."""
    evidence: str = ""
    """What was seen of each that is repaired, before and after; Markdown, bounded."""
    outside_rows: Spent = field(default_factory=Spent)
    """Of this run, paid but in no row: iterations that were broken off, questions beside them."""

    @property
    def has_witness(self) -> bool:
        """Whether a guard has seen more than the metric."""
        return is_witness(self.guards, self.metric_command)

    def has_witness_for(self, doubt: str) -> bool:
        """The same of code with these signs."""
        return self.has_witness and (self.sees_tests or not fools_guards(doubt))

    @property
    def origin(self) -> str:
        """The commit that the result is measured against: where the branch leaves its base."""
        return self.lineage.origin or self.base_commit


def headline(result: RunSummary, info: RunInfo) -> str:
    """The one paragraph that must be true; Markdown."""
    name = inline(info.metric_name)
    if info.confirmation is not None:
        return _confirmed(name, result, info.confirmation, info)
    if result.baseline is None:
        return "**Nothing was measured:** the unmodified code gave no number."
    if not result.kept:
        tried = count(len(result.others), "experiment")
        if info.failed:
            return (
                f"**Stopped by a failure:** {inline(info.stop_reason, 300)}. {name} stays at "
                f"{number(result.baseline)} after {tried}."
            )
        return f"**No improvement found.** {name} stays at {number(result.baseline)} after {tried}."
    if info.lineage.origin:
        return (
            f"**{name} {_change(result)} in this night alone**, as measured while the run went on. "
            "What the whole branch gains is measured at the end of a night, and was not yet."
        )
    return (
        f"**{name} {_change(result)}**, as measured while the run went on, not re-measured since."
    )


def confirmed_line(name: str, found: Confirmation, direction: Direction) -> str:
    """The headline of a run that was measured again, for a terminal."""
    measured = _measured_again(name, found, direction).replace("→", "->")
    if found.holds:
        return measured
    why = f"{shortened(found.refusal, 300)}; " if found.refusal else ""
    return f"the gain did not hold: {why}measured again, {measured}"


def _measured_again(name: str, found: Confirmation, direction: Direction) -> str:
    return paired_change(
        name,
        (found.base, found.head),
        change_interval(direction, found.gain, found.ci_low, found.ci_high),
        (found.n_base, found.n_head),
    )


def paired_change(
    name: str,
    values: tuple[float, float],
    change: tuple[float, float, float],
    runs: tuple[int, int],
) -> str:
    """`p95_ms 100 → 94, -6.0 % [95 % CI -6.5, -5.5], n=5+5`: base and head, measured in turns.

    `change`: what `change_interval` made of a gain.
    """
    low, high = (percent(end).removesuffix(" %") for end in change[1:])
    spread = f"[95 % CI {low}, {high}]" if change[1] != change[2] else "in every run"
    return (
        f"{name} {number(values[0])} → {number(values[1])}, {percent(change[0])} "
        f"{spread}, n={runs[0]}+{runs[1]}"
    )


def change_interval(
    direction: Direction, gain: float, low: float, high: float
) -> tuple[float, float, float]:
    """A gain and its interval in the metric's own sign, as every text says them."""
    sign = int(direction.gain(0, 1))
    low, high = sorted((sign * low, sign * high))
    return sign * gain, low, high


def _confirmed(name: str, result: RunSummary, found: Confirmation, info: RunInfo) -> str:
    measured = _measured_again(name, found, info.direction)
    if found.holds:
        times = f", and the guards passed {count(found.guard_runs, 'time')} on the result"
        passed = times if found.guard_runs else ""
        return (
            f"**{measured}**\n\n{_sides(info)} were measured again at the end, in turns, on "
            f"{inline(info.host)}{passed}."
        )
    if found.refusal.startswith(HOLDOUT_SAYS):
        return f"**The gain did not hold: {found.refusal}.** Measured again, in turns: {measured}."
    if found.refusal:
        return (
            "**The gain did not hold: a guard fails on the result.** "
            f"{inline(found.refusal, 300)}\n\n"
            f"Seen in round {found.guard_runs} of running the guards again at the end. "
            f"Measured again, in turns: {measured}."
        )
    return (
        f"**The gain did not hold.** Measured again at the end, in turns: {measured}.\n\n"
        f"While {'this night' if info.lineage.origin else 'the run'} went on it looked like "
        f"{_change(result)}."
    )


def _sides(info: RunInfo) -> str:
    """What was measured in turns."""
    if not info.lineage.origin:
        return "Base and result"
    nights = count(len(info.lineage.nights) + 1, "night")
    return f"Base ({info.origin[:7]}, where this branch leaves it) and the result of {nights}"


def _change(result: RunSummary) -> str:
    change = "" if result.change is None else f" ({percent(result.change)})"
    return f"{number(result.baseline)} → {number(result.best)}{change}"


def got_worse(info: RunInfo) -> str:
    """What the gain was paid with, in a paragraph; empty where base and result lack numbers."""
    found = info.confirmation
    if found is None or not found.beside:
        return ""

    def told(name: str, pair: Beside) -> str:
        share = percent(relative_change(pair.base, pair.head))
        return f"{inline(name, 60)} {pair.base:.3g} → {pair.head:.3g}, {share}"

    worse = "; ".join(told(*item) for item in found.beside.items() if item[1].loss > WORSE)
    rest = "; ".join(told(*item) for item in found.beside.items() if item[1].loss <= WORSE)
    others = f" (and not: {rest})" if worse and rest else f" ({rest})" if rest else ""
    return f"What got worse: {worse or 'nothing that was watched'}{others}."


def tests_passed(info: RunInfo) -> str:
    """What the tests say of the result, in a paragraph; empty where none is seen."""
    base = "where this night began" if info.lineage.origin else "on the base"
    told = [
        f"{suite.head:,} passed ({suite.base:,} {base}) in {inline(suite.command, 80)}"
        for suite in info.suites[:_SUITES]
    ]
    if left := len(info.suites) - _SUITES:
        told += [f"and {count(left, 'more guard')}"] * (left > 0)
    return f"Tests: {'; '.join(told)}." if told else ""


def disclosure(experiments: Sequence[Experiment], info: RunInfo) -> str:
    """Who wrote the changes, for a project that asks; empty where none does."""
    kept = [e.proposer for e in standing(experiments)]
    if not info.disclose or not kept:
        return ""
    names = ", ".join(inline(name, 60) for name in dict.fromkeys(kept))
    return (
        f"AI disclosure, as {inline(info.disclose)} asks: what was kept was proposed by "
        f"{names} through autoresearch-ci, without a person, and measured as said here. "
        "Nobody had reviewed it when this was opened."
    )


def expectations(experiments: Sequence[Experiment], direction: Direction) -> str:
    """How often proposers foresaw what was measured, in a sentence; empty: nobody said anything.

    Proposals that fall short again and again are the first sign of ideas that fit their author's
    picture and not the code.
    """
    ratios = []
    for e in experiments:
        if not e.expected or e.metric is None or e.delta is None or e.metric == e.delta:
            continue
        gain = direction.gain(0, e.delta) / abs(e.metric - e.delta)
        ratios.append(gain / e.expected)
    if not ratios:
        return ""
    over, under = sum(r > 2 for r in ratios), sum(r < 0.5 for r in ratios)
    return (
        f"Of {count(len(ratios), 'gain')} that a proposer foresaw, "
        f"{len(ratios) - over - under} came within half to twice of it, {under} undershot and "
        f"{over} overshot it."
    )


def count(amount: int, noun: str) -> str:
    """`1 run`, `2,000 runs`."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"
