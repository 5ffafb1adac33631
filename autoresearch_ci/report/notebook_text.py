"""What `log` says of notebooks in a terminal and to programs. CORE: values in, text out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from autoresearch_ci.decide.taken_back import told
from autoresearch_ci.decide.trend import relative
from autoresearch_ci.experiment import Direction, Experiment, HoldoutVerdict, Status
from autoresearch_ci.report.run_summary import CRASHED, count, run_summary
from autoresearch_ci.report.summary_page import interval
from autoresearch_ci.report.terminal_table import aligned
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.wording import commit_name, duration, number, percent, shortened, signed

_WIDTH = 70
_RUNS = ("tag", "began", "tried", "kept", "baseline", "best", "change", "metric")
_RUNS_RIGHT = (False, False, True, True, True, True, True, False)
_ATTEMPTS = ("#", "status", "commit", "metric", "delta", "proposer", "change")
_ATTEMPTS_RIGHT = (True, False, False, True, True, False, False)

Row = tuple[str, Sequence[Experiment], str, str]
"""A notebook: tag, rows, name of the metric, why it has no rows."""


def runs_table(books: Sequence[Row]) -> list[str]:
    """A line for each notebook, in their order."""
    lines = [_RUNS, *map(_run, books)]
    return aligned(lines, _RUNS_RIGHT)


def _run(book: Row) -> tuple[str, ...]:
    tag, rows, metric, unread = book
    result = run_summary(rows)
    began = rows[0].timestamp[:16].replace("T", " ") if rows else "-"
    return (
        defuse(tag),
        defuse(began),
        str(len(result.kept) + len(result.others)),
        str(len(result.kept)),
        number(result.baseline),
        number(result.best),
        percent(result.change),
        defuse(shortened(unread or metric, _WIDTH)),
    )


def attempts_table(rows: Sequence[Experiment], tags: Sequence[str] = ()) -> list[str]:
    """A line for each experiment. `tags`: of which run each is, where they are of several."""
    header, right = _ATTEMPTS, _ATTEMPTS_RIGHT
    lines = [_attempt(e) for e in rows]
    if not tags:
        return aligned([header, *lines], right)
    named = [(defuse(tag), *line) for tag, line in zip(tags, lines, strict=True)]
    return aligned([("tag", *header), *named], (False, *right))


def _attempt(e: Experiment) -> tuple[str, ...]:
    return (
        str(e.iteration),
        str(e.status),
        defuse(commit_name(e.commit)),
        number(None if e.status in CRASHED else e.metric),
        signed(e.delta),
        defuse(shortened(e.proposer, 20)) or "-",
        defuse(shortened(e.description, _WIDTH)),
    )


def attempt_lines(
    e: Experiment, tag: str, direction: Direction, diff: str, log: str = ""
) -> Iterator[str]:
    """One experiment in full. `log`: where its output lies; empty: not here."""
    yield defuse(f"experiment {e.iteration} of {tag}: {e.status}")
    yield defuse(f"  {e.description or '-'}")
    for label, words in _facts(e, direction):
        if words:
            yield defuse(f"  {label:10} {words}")
    if log:
        yield defuse(f"  {'log':10} {log}")
    yield ""
    yield from map(defuse, diff.rstrip("\n").split("\n") if diff else ["(no diff is left of it)"])


def _facts(e: Experiment, direction: Direction) -> Iterator[tuple[str, str]]:
    yield "commit", e.commit
    yield "reason", e.reason
    yield "look", e.doubt
    yield "failure", e.failure
    if e.metric is not None and e.status not in CRASHED:
        rival = None if e.delta is None else e.metric - e.delta
        gain = relative(direction, rival, e.metric)
        yield "metric", f"{number(e.metric)}, incumbent {number(rival)}, gain {percent(gain)}"
    if e.ci_low is not None:
        yield "delta", f"{signed(e.delta)}, 95 % CI of it {interval(e, direction)}"
    yield "expected", "" if e.expected is None else f"a gain of {percent(e.expected)}"
    yield "guard", e.guard if e.guard != "-" else ""
    yield "holdout", str(e.holdout) if e.holdout is not HoldoutVerdict.NONE else ""
    spent = [count(e.samples, "run"), duration(e.seconds)]
    spent += [f"{e.tokens:,} tokens"] if e.tokens else []
    spent += [f"${e.cost_usd:.2f}"] if e.cost_usd else []
    yield "spent", ", ".join(spent)
    yield "proposer", e.proposer
    yield "at", e.timestamp


def run_facts(book: Row, direction: Direction) -> dict[str, Any]:
    """A notebook for programs."""
    tag, rows, metric, unread = book
    result = run_summary(rows)
    return {
        "tag": tag,
        "metric": metric,
        "direction": str(direction),
        "began": rows[0].timestamp if rows else None,
        "tried": len(result.kept) + len(result.others),
        "kept": len(result.kept),
        "baseline": result.baseline,
        "best": result.best,
        "unread": unread or None,
    }


def attempt_facts(e: Experiment, tag: str) -> dict[str, Any]:
    """One experiment for programs, under the journal's names."""
    return {"tag": tag, **dataclasses.asdict(e)}


def listed(rows: Sequence[Experiment]) -> list[Experiment]:
    """As people read them; the baseline is none of the attempts."""
    return [e for e in told(rows) if e.status is not Status.BASELINE]
