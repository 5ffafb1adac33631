"""What `evals` says of a journal: the same rows as text, Markdown and JSON; pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoresearch_ci.decide.metric.taken_back import ideas, named
from autoresearch_ci.decide.trend import Evaluation, Forecast, Share, evaluate, relative
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.report.run_summary import count
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.markdown_text import inline
from autoresearch_ci.safety.wording import commit_name, duration, number, percent, share, shortened

_FILES = 5
_PROPOSERS = 5
_ANOMALIES = 10
_NOTHING = "-"

Checkpoint = tuple[str, str]


def rows(found: Evaluation) -> list[Checkpoint]:
    """Label and words; words of models are not made harmless yet."""
    return [row for row in _rows(found) if row[1]]


def _rows(found: Evaluation) -> Iterator[Checkpoint]:
    yield "baseline -> best", f"{number(found.baseline)} -> {number(found.best)}, {_gain(found)}"
    if found.target is not None:
        yield "target", f"{number(found.target)}, {'reached' if found.reached else 'not reached'}"
    yield "experiments", _statuses(found)
    yield "trend", _trend(found)
    yield "plateau", "no" if found.plateau is None else f"since #{found.plateau}"
    if found.fading is not None:
        yield "returns", f"second half gained {share(found.fading)} of the first, per experiment"
    yield "streaks", ", ".join(f"{n} {name}" for name, n in found.longest.items() if n)
    yield "guards", _guards(found)
    for title, ranked in (("biggest wins", found.wins), ("biggest losses", found.losses)):
        yield title, "\n".join(_row(e, found.direction) for e in ranked[:3])
    yield "proposers", _shares(found.proposers, _PROPOSERS) if len(found.proposers) > 1 else ""
    yield "hotspots", _shares(found.hotspots, _FILES)
    yield "expectations", _calibration(found)
    yield "spent", ", ".join(_spent(found))
    yield "look at", "\n".join(_newest(found.anomalies))
    yield "notes", "\n".join(found.notes)
    yield "recommendation", f"{found.advice}: {found.why}"


def forecast_words(found: Forecast | None) -> str:
    """A line."""
    if found is None:
        return "too few experiments to say"
    parts = [f"{duration(found.seconds[0])} to {duration(found.seconds[1])}"]
    if found.tokens[1]:
        parts.append(f"{found.tokens[0]:,.0f} to {found.tokens[1]:,.0f} tokens")
    if found.cost_usd[1]:
        parts.append(f"${found.cost_usd[0]:.2f} to ${found.cost_usd[1]:.2f}")
    return (
        f"{count(found.experiments, 'more experiment')}: {', '.join(parts)}; "
        f"{_likely(found.chance)} likely to keep something (by {found.based_on} past ones)"
    )


def _likely(chance: float) -> str:
    """Nothing that lies ahead is certain."""
    if chance > 0.99:
        return "more than 99 %"
    return share(chance) if chance >= 0.01 else "less than 1 %"


def _gain(found: Evaluation) -> str:
    if found.gain is None:
        return "no percentage"
    words = percent(abs(found.gain)).removeprefix("+")
    return f"{words} {'better' if found.gain > 0 else 'worse'}" if found.gain else "unchanged"


def _statuses(found: Evaluation) -> str:
    if not found.iterations:
        return "none"
    others = [f"{n} {name}" for name, n in found.statuses.items() if name != "keep"]
    kept = f"{found.kept} kept ({share(found.keep_rate)})"
    doubted = [f"{found.doubted} of them to look at twice"] if found.doubted else []
    return f"{found.iterations}: {', '.join([kept, *doubted, *others])}"


def _trend(found: Evaluation) -> str:
    if (slope := found.slope) is None:
        return "too few measured values"
    word = "flat" if slope.flat else "up" if slope.low > 0 else "down"
    interval = f"95 % CI {percent(slope.low)} to {percent(slope.high)}"
    return (
        f"{word}: {percent(slope.per_experiment)} from one candidate to the next, the last "
        f"{slope.values} [{interval}; more is better]"
    )


def _guards(found: Evaluation) -> str:
    failed = count(found.guard_failures, "failure") if found.guard_failures else ""
    better = f"{found.guarded} better by the metric and refused" if found.guarded else ""
    return ", ".join(filter(None, (failed, better)))


def _newest(anomalies: Sequence[str]) -> list[str]:
    left = len(anomalies) - _ANOMALIES
    return [*([f"{left} more before"] if left > 0 else []), *anomalies[-_ANOMALIES:]]


def _row(e: Experiment, direction: Direction) -> str:
    incumbent = None if e.metric is None or e.delta is None else e.metric - e.delta
    gain = relative(direction, incumbent, e.metric)
    return f"#{e.iteration} {commit_name(e.commit)} {percent(gain)}  {shortened(e.description, 70)}"


def _shares(shares: Mapping[str, Share], most: int) -> str:
    shown = [f"{name} {s.kept}/{s.tried}" for name, s in list(shares.items())[:most]]
    left = len(shares) - most
    return ", ".join([*shown, f"{left} more"] if left > 0 else shown)


def _calibration(found: Evaluation) -> str:
    if (known := found.calibration) is None:
        return ""
    return (
        f"{count(known.foreseen, 'gain')} foreseen: the median came to {share(known.ratio)} of it, "
        f"{known.right_way} went the right way"
    )


def _spent(found: Evaluation) -> Iterator[str]:
    if found.seconds:
        each = found.seconds_per_percent or 0.0
        words = duration(each) if round(each) else "under 1 s"
        yield duration(found.seconds) + (f" ({words} a per cent)" if each else "")
    if found.tokens:
        yield f"{found.tokens:,} tokens"
    if found.cost_usd:
        each = found.usd_per_percent or 0.0
        yield f"${found.cost_usd:.2f}" + (f" (${each:.2f} a per cent)" if each else "")


def checkpoint(experiments: Sequence[Experiment], direction: Direction, every: int) -> str:
    """A line on where a run stands, after each `every` experiments; empty: it is not due."""
    done = len(ideas(experiments))
    if not every or not done or done % every or named(experiments[-1]):
        return ""
    found = evaluate(experiments, direction)
    return (
        f"checkpoint after {done}: {number(found.baseline)} -> {number(found.best)}, "
        f"{_gain(found)}; {found.kept} of {done} kept; {found.advice}, {found.why}"
    )


# --- Forms ----------------------------------------------------------------------------------------


def text(title: str, table: Sequence[Checkpoint]) -> str:
    """For a terminal."""
    width = max(len(label) for label, _ in table)
    lines = [defuse(title)]
    for label, words in table:
        first, *more = (defuse(line) for line in words.split("\n"))
        lines.append(f"  {label:{width}}  {first}")
        lines += [f"  {'':{width}}  {line}" for line in more]
    return "\n".join(lines)


def markdown(title: str, table: Sequence[Checkpoint]) -> str:
    """For a page on a forge."""
    lines = [f"## {inline(title, 200)}", "", "| | |", "| --- | --- |"]
    for label, words in table:
        cell = "<br>".join(inline(line, 300) for line in words.split("\n"))
        lines.append(f"| {inline(label)} | {cell} |")
    return "\n".join([*lines, ""])


def facts(journal: str, metric: str, found: Evaluation) -> dict[str, Any]:
    """For programs; the peer's names where it has one for the same thing."""
    values = dataclasses.asdict(found)
    for name in ("wins", "losses"):
        values[name] = [_brief(e, found.direction) for e in getattr(found, name)]
    shown = ("statuses", "target", "slope", "idle", "longest", "proposers")
    return {
        "journal": journal,
        "metric": metric,
        "direction": str(found.direction),
        "iterations_run": found.iterations,
        "keeps": found.kept,
        "discards": found.statuses.get("discard", 0),
        "baseline": found.baseline,
        "final": found.best,
        "improvement_pct": None if found.gain is None else found.gain * 100,
        "keep_rate": found.keep_rate,
        "plateau_detected": found.plateau is not None,
        "plateau_start": found.plateau,
        "goal_achieved": found.reached,
        "recommendation": str(found.advice),
        "why": found.why,
        **{name: values[name] for name in shown},
        **{name: values[name] for name in ("wins", "losses", "hotspots", "calibration")},
        "diminishing_returns": found.fading,
        "guard_failures": found.guard_failures,
        "better_but_refused": found.guarded,
        "seconds": found.seconds,
        "tokens": found.tokens,
        "cost_usd": found.cost_usd,
        "usd_per_percent": found.usd_per_percent,
        "anomalies": list(found.anomalies),
        "notes": list(found.notes),
    }


def _brief(e: Experiment, direction: Direction) -> dict[str, Any]:
    incumbent = None if e.metric is None or e.delta is None else e.metric - e.delta
    return {
        "iteration": e.iteration,
        "commit": e.commit,
        "metric": e.metric,
        "gain": relative(direction, incumbent, e.metric),
        "description": e.description,
    }


def beside(
    names: tuple[str, str], one: Evaluation, other: Evaluation
) -> list[tuple[str, str, str]]:
    """Two journals side by side; the first row names them."""
    first, second = dict(rows(one)), dict(rows(other))
    labels = [*first, *(label for label in second if label not in first)]
    table = [("", *names)]
    return table + [
        (label, first.get(label, _NOTHING), second.get(label, _NOTHING))
        for label in labels
        if label not in ("biggest wins", "biggest losses", "look at", "notes")
    ]
