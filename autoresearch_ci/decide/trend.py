"""Where a journal stands: its trend, whether it has levelled off, and what to do next; pure.

Rows in, figures out. No model is asked, and no value that was not measured is smoothed or guessed.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from statistics import fmean, median, quantiles

from autoresearch_ci.decide.budget import since_last_keep
from autoresearch_ci.decide.metric.noise import NORMAL
from autoresearch_ci.decide.metric.taken_back import ideas, stands
from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.safety.wording import share

WINDOW = 8
"""Experiments at the end of which none may be kept before anything is called a plateau."""
_LEAST = 4
"""Measured values that a slope needs."""
_CONFIDENCE = 0.95
_FADING = 0.2
"""Share of the first half's gain per experiment below which the second half's returns fade."""
_SHOWN = 5
_FAILED = (Status.CRASH, Status.METRIC_ERROR, Status.HOOK_BLOCKED, Status.NO_OP)


class Advice(enum.StrEnum):
    """What to do with the next night."""

    CONTINUE = "continue"
    STOP = "stop"
    CHANGE = "change strategy"


@dataclass(frozen=True, kw_only=True)
class Slope:
    """How the values of candidates move, by Theil and Sen."""

    per_experiment: float
    """Relative gain per experiment: 0.01 is 1 % better with each; in the incumbent's size."""
    low: float
    high: float
    """Ends of its 95 % interval."""
    values: int

    @property
    def flat(self) -> bool:
        """Whether no movement is as likely as one."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often something was kept."""

    kept: int
    tried: int


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Gains that proposers foresaw, against what was measured."""

    foreseen: int
    ratio: float
    """Median of measured / expected: 1 is right, 0 is nothing of it, below 0 a loss instead."""
    right_way: int
    """Of which this many went in the foreseen direction."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything that is said of one journal."""

    direction: Direction
    iterations: int
    """The baseline is none of them."""
    statuses: Mapping[str, int]
    baseline: float | None
    best: float | None
    gain: float | None
    """Relative, positive is better; `None` where it would mean nothing."""
    target: float | None
    reached: bool | None
    """`None`: nobody has set a target."""
    slope: Slope | None
    """Of the last experiments; `None`: too few were measured."""
    idle: int
    """Experiments at the end of which none was kept."""
    plateau: int | None
    """The experiment after which nothing moves any more; `None`: it moves, or cannot be told."""
    fading: float | None
    """Gain per experiment of the second half, as a share of the first half's; `None`: too few."""
    wins: tuple[Experiment, ...]
    """Kept, the largest gain first."""
    losses: tuple[Experiment, ...]
    """Measured and worse, the largest loss first."""
    guarded: int
    """Better by the metric, and refused by a guard or the holdout."""
    guard_failures: int
    longest: Mapping[str, int]
    """`kept` and `not kept`: longest streaks."""
    proposers: Mapping[str, Share]
    hotspots: Mapping[str, Share]
    """By file, the most tried first."""
    calibration: Calibration | None
    seconds: float
    tokens: int
    cost_usd: float
    doubted: int
    """Kept, though the gain looks unlikely."""
    anomalies: tuple[str, ...] = ()
    advice: Advice = Advice.CONTINUE
    why: str = ""
    """One sentence."""
    notes: tuple[str, ...] = field(default=())
    """What could not be read, or had to be inferred."""

    @property
    def kept(self) -> int:
        return self.statuses.get(Status.KEEP, 0)

    @property
    def keep_rate(self) -> float:
        return self.kept / self.iterations if self.iterations else 0.0

    @property
    def usd_per_percent(self) -> float | None:
        """Dollars for each per cent of gain; `None`: nothing was paid or gained."""
        return self._per_percent(self.cost_usd)

    @property
    def seconds_per_percent(self) -> float | None:
        return self._per_percent(self.seconds)

    @property
    def regressed(self) -> bool:
        """Whether what stands at the end is worse than the baseline."""
        return (
            self.baseline is not None
            and self.best is not None
            and self.direction.better(self.baseline, self.best)
        )

    def _per_percent(self, spent: float) -> float | None:
        return spent / (self.gain * 100) if spent and self.gain and self.gain > 0 else None


def evaluate(
    rows: Sequence[Experiment],
    direction: Direction,
    *,
    target: float | None = None,
    window: int = WINDOW,
    files: Mapping[int, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
) -> Evaluation:
    """`rows`: a journal in order. `files`: by iteration, what an attempt changed, where git knows.

    `window`: experiments without a keep from which on a plateau may be called.
    """
    tried = ideas(rows)
    baseline = next((e.metric for e in rows if e.status is Status.BASELINE), None)
    best = _standing(rows, baseline)
    slope = _slope(tried[-max(window, 2 * _LEAST) :], direction)
    idle = since_last_keep(tried)
    moved = [(e, _gain(e, direction)) for e in tried]  # numbers of iterations may repeat
    found = Evaluation(
        direction=direction,
        iterations=len(tried),
        statuses=dict(Counter(str(e.status) for e in tried).most_common()),
        baseline=baseline,
        best=best,
        gain=relative(direction, baseline, best),
        target=target,
        reached=None if target is None else best is not None and not direction.better(target, best),
        slope=slope,
        idle=idle,
        plateau=_plateau(tried, idle, slope, window),
        fading=_fading(moved),
        wins=tuple(_ranked(moved, direction, kept=True)),
        losses=tuple(_ranked(moved, direction, kept=False)),
        guarded=sum(
            e.status is Status.DISCARD and _better(e, direction) > 0 and _refused(e) for e in tried
        ),
        guard_failures=sum(e.guard == "fail" for e in tried),
        longest=_longest(tried),
        proposers=_shares((e.proposer, e) for e in tried if e.proposer),
        hotspots=_shares((path, e) for e in tried for path in (files or {}).get(e.iteration, ())),
        calibration=_calibration(moved),
        seconds=math.fsum(e.seconds for e in rows),
        tokens=sum(e.tokens for e in rows),
        cost_usd=math.fsum(e.cost_usd for e in rows),
        doubted=sum(bool(e.doubt) for e in tried if e.status is Status.KEEP),
        anomalies=tuple(_anomalies(moved, direction)),
        notes=tuple(notes),
    )
    return _advised(found, tried, window)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What more experiments take, if they are as the past ones were."""

    experiments: int
    seconds: tuple[float, float]
    """From the lower to the upper quartile of what one took, times their number."""
    cost_usd: tuple[float, float]
    tokens: tuple[float, float]
    chance: float
    """That at least one is kept, at the rate of the last ones."""
    based_on: int
    """Experiments of the past."""


_LATELY = 20
"""Experiments whose keep rate is that of the next ones."""


def forecast(rows: Sequence[Experiment], experiments: int) -> Forecast | None:
    """`None`: too few were made to say anything."""
    tried = ideas(rows)
    if len(tried) < _LEAST:
        return None
    lately = tried[-_LATELY:]
    # The rule of succession: none of four is not never.
    rate = (sum(e.status is Status.KEEP for e in lately) + 1) / (len(lately) + 2)
    return Forecast(
        experiments=experiments,
        seconds=_range([e.seconds for e in tried], experiments),
        cost_usd=_range([e.cost_usd for e in tried], experiments),
        tokens=_range([float(e.tokens) for e in tried], experiments),
        chance=1 - (1 - rate) ** experiments,
        based_on=len(tried),
    )


def _range(values: Sequence[float], times: int) -> tuple[float, float]:
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low * times, high * times


def relative(direction: Direction, before: float | None, after: float | None) -> float | None:
    """Relative gain, positive is better; `None` where a percentage would mean nothing."""
    if before is None or after is None or before == 0:
        return None
    gain = direction.gain(before, after) / abs(before)
    return gain if math.isfinite(gain) else None


def _standing(rows: Sequence[Experiment], baseline: float | None) -> float | None:
    """The metric of what is on the branch in the end."""
    best = baseline
    for e in rows:
        if e.status is Status.KEEP:
            best = e.best if e.best is not None else e.metric
    found = [value for value in (best, stands(rows)) if value is not None]
    if baseline is None or not found:
        return best
    return min(found, key=lambda value: abs(value - baseline))  # as the run itself tells it


Moves = Sequence[tuple[Experiment, float]]
"""Attempts, each with its relative gain."""


def _better(e: Experiment, direction: Direction) -> float:
    """By how much, in the metric's unit, than what it was held against; 0: it was not measured."""
    measured = e.metric is not None and e.delta is not None and e.status not in _FAILED
    return direction.gain(0, e.delta) if measured and e.delta else 0.0


def _gain(e: Experiment, direction: Direction) -> float:
    """Relative to the incumbent that it was held against; 0: not measured, or no percentage."""
    incumbent = (e.metric or 0.0) - (e.delta or 0.0)
    return _better(e, direction) / abs(incumbent) if incumbent else 0.0


def _refused(e: Experiment) -> bool:
    return e.guard == "fail" or not (e.holdout.agrees or str(e.holdout) == "-")


def _slope(tried: Sequence[Experiment], direction: Direction) -> Slope | None:
    """Theil-Sen slope and the interval by Kendall's statistic (Sen, 1968)."""
    points = [
        (n, e.metric)
        for n, e in enumerate(tried)
        if e.metric is not None and e.status not in _FAILED
    ]
    size = median(abs(value) for _, value in points) if points else 0.0
    if len(points) < _LEAST or not size:
        return None
    slopes = sorted(
        direction.gain(one[1], other[1]) / size / (other[0] - one[0])
        for at, one in enumerate(points)
        for other in points[at + 1 :]
    )
    n = len(points)
    spread = NORMAL.inv_cdf((1 + _CONFIDENCE) / 2) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, math.floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return Slope(per_experiment=median(slopes), low=slopes[low], high=slopes[high], values=n)


def _plateau(
    tried: Sequence[Experiment], idle: int, slope: Slope | None, window: int
) -> int | None:
    """No keep in the window, and candidates that move nowhere either."""
    if idle < window or slope is None or not slope.flat:
        return None
    return tried[-idle - 1].iteration if idle < len(tried) else 0


def _fading(moved: Moves) -> float | None:
    """Of what was kept."""
    gains = [gain if e.status is Status.KEEP else 0.0 for e, gain in moved]
    half = len(gains) // 2
    if sum(e.status is Status.KEEP for e, _ in moved) < _LEAST or half < _LEAST:
        return None
    early, late = fmean(gains[:half]), fmean(gains[half:])
    return late / early if early > 0 else None


def _ranked(moved: Moves, direction: Direction, *, kept: bool) -> list[Experiment]:
    """The largest first; a step away from 0 has no percentage, and comes before what is smaller."""
    sign = 1 if kept else -1
    fit = [
        (e, gain)
        for e, gain in moved
        if (e.status is Status.KEEP) is kept and sign * _better(e, direction) > 0
    ]
    fit.sort(key=lambda each: -sign * (each[1] or sign * math.inf))
    return [e for e, _ in fit[:_SHOWN]]


def _longest(tried: Sequence[Experiment]) -> dict[str, int]:
    found = {"kept": 0, "not kept": 0}
    for kept, group in groupby(tried, lambda e: e.status is Status.KEEP):
        name = "kept" if kept else "not kept"
        found[name] = max(found[name], len(list(group)))
    return found


def _shares(named: Iterator[tuple[str, Experiment]]) -> dict[str, Share]:
    tried, kept = Counter[str](), Counter[str]()
    for name, e in named:
        tried[name] += 1
        kept[name] += e.status is Status.KEEP
    return {name: Share(kept=kept[name], tried=count) for name, count in tried.most_common()}


def _calibration(moved: Moves) -> Calibration | None:
    """Of what was measured: a crash says nothing of how large a gain would have been."""
    known = [
        gain / e.expected
        for e, gain in moved
        if e.expected and e.metric is not None and e.status not in _FAILED
    ]
    if not known:
        return None
    return Calibration(
        foreseen=len(known), ratio=median(known), right_way=sum(ratio > 0 for ratio in known)
    )


def _anomalies(moved: Moves, direction: Direction) -> Iterator[str]:
    """What a person should look at."""
    sizes = [abs(gain) for _, gain in moved if gain]
    usual = median(sizes) if len(sizes) >= _LEAST else 0.0
    for e, gain in moved:
        if usual and abs(gain) > 10 * usual and abs(gain) > 0.05:
            yield f"#{e.iteration} moved the metric more than ten times as far as usual"
        if e.doubt and e.status is Status.KEEP:
            yield f"#{e.iteration} was kept, and is {e.doubt}"
        if e.status is Status.KEEP and _better(e, direction) < 0:
            yield f"#{e.iteration} was kept, and is worse than what it was held against"
    for failed, group in groupby(moved, lambda each: each[0].status in _FAILED):
        rows = [e for e, _ in group]
        if failed and len(rows) >= 3:
            words = Counter(str(e.status) for e in rows).most_common(1)[0][0]
            yield f"#{rows[0].iteration} to #{rows[-1].iteration} failed in a row ({words})"


def _advised(found: Evaluation, tried: Sequence[Experiment], window: int) -> Evaluation:
    advice, why = _advice(found, tried, window)
    return replace(found, advice=advice, why=why)


def _advice(found: Evaluation, tried: Sequence[Experiment], window: int) -> tuple[Advice, str]:
    """What to do, and why; the first that applies."""
    failed = sum(e.status in _FAILED for e in tried)
    if not tried:
        return Advice.CONTINUE, "nothing was tried yet"
    if found.reached:
        return Advice.STOP, "the target is reached: set a new one, or stop the schedule"
    if found.regressed:
        return Advice.CHANGE, "what stands is worse than the baseline: revert it, and see its rows"
    if failed * 2 > len(tried) and len(tried) >= _LEAST:
        return Advice.CHANGE, (
            f"{failed} of {len(tried)} attempts failed before they could be measured: read their "
            "reasons in the journal first"
        )
    if found.guarded * 2 > len(tried) - found.kept and found.guarded >= 3:
        return Advice.CHANGE, (
            f"{found.guarded} attempts were better and were refused by a guard or the holdout: say "
            "in the program what must hold"
        )
    if found.plateau is not None and found.kept == 0:
        return Advice.CHANGE, (
            "nothing was ever kept: the scope, the metric's noise or min_effect may leave no room"
        )
    if found.plateau is not None:
        return Advice.STOP, (
            f"nothing was kept since #{found.plateau}, and candidates come no nearer: another "
            "scope, program or model, or enough"
        )
    if found.idle >= window and found.slope is not None and found.slope.high < 0:
        return Advice.CHANGE, "candidates get worse from one to the next, and none was kept lately"
    if found.fading is not None and found.fading < _FADING:
        return Advice.CHANGE, (
            f"an experiment of the second half gained {share(found.fading)} of what one of the "
            "first half did"
        )
    return Advice.CONTINUE, _still(found, window)


def _still(found: Evaluation, window: int) -> str:
    if found.kept == 0:
        return "nothing was kept yet, in too few experiments to tell"
    if found.idle == 0:
        return "the last experiment was kept"
    if found.idle < window:
        return f"kept something in the last {found.idle + 1} experiments"
    return "candidates still come nearer, though none was kept lately"
