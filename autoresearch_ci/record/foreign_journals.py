"""Journals of whoever wrote them, in the nouns of ours: what cannot be known is said, not guessed.

Ours and uditgoenka/autoresearch's name their direction; karpathy/autoresearch's do not. Those of
davebcn87/pi-autoresearch are JSON lines: a header for each segment, then its runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.record.journal_tsv import parse_direction, parse_rows
from autoresearch_ci.safety.untrusted_values import MIB

LARGEST = 64 * MIB
"""Bytes of a journal; a row of ours has 400."""
_METRICS = ("metric_value", "error_count")
"""What older versions of the peer call the metric."""
_STATUSES = {"checks_failed": Status.DISCARD}
_LOWER = ("lower", "lower_is_better", "minimize")


@dataclass(frozen=True, kw_only=True)
class ForeignJournal:
    """One journal, as far as it can be read."""

    rows: tuple[Experiment, ...]
    direction: Direction
    metric: str = ""
    """The metric's name; empty: the journal does not say."""
    notes: tuple[str, ...] = ()
    """What was inferred or left out."""


def read_journal(content: bytes, name: str, direction: Direction | None = None) -> ForeignJournal:
    """`name`: of the file, for messages. `direction`: what a person says, over what is inferred.

    Raises `ConfigError` for what is no journal, or contradicts `direction`.
    """
    text = content.decode("utf-8", errors="replace").removeprefix("\ufeff")
    text = text if text.endswith("\n") else f"{text}\n"
    try:
        if text.lstrip().startswith("{"):
            return _json_lines(text, direction)
        return _table(text, direction)
    except (ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(
            f"{name}: not a journal that can be read: {error}\n"
            "usually: another file of the run folder, or one that was edited by hand.\n"
            "do: name results.tsv of this program or of the peers, or pi's log.jsonl."
        ) from error


def _table(text: str, asked: Direction | None) -> ForeignJournal:
    lines = text.split("\n")
    at = next((n for n, line in enumerate(lines) if "\t" in line), None)
    if at is None:
        raise ValueError("there is no line with tabs in it")
    titles = ["metric" if title in _METRICS else title for title in lines[at].split("\t")]
    metric = "" if "metric" in titles or len(titles) < 2 else titles[1]
    lines[at] = "\t".join(titles)
    rows = parse_rows("\n".join(lines))
    if not rows:
        raise ValueError("there is no row in it")
    found = _directed(rows, parse_direction(text), asked, metric=metric)
    begins = [n for n, e in enumerate(rows) if e.status is Status.BASELINE and n]
    if not begins:
        return found
    notes = (*found.notes, _left_out(len(begins), "run"))
    return replace(found, rows=rows[begins[-1] :], notes=notes)


def _left_out(count: int, what: str) -> str:
    are = f"earlier {what} is" if count == 1 else f"earlier {what}s are"
    return f"{count} {are} left out: numbers of two baselines do not compare"


def _directed(
    rows: Sequence[Experiment],
    stated: Direction | None,
    asked: Direction | None,
    *,
    metric: str,
    notes: Sequence[str] = (),
) -> ForeignJournal:
    """With the direction that the journal states, a person says, or every keep has in common."""
    if stated and asked and stated is not asked:
        raise ValueError(f"it says that its direction is {stated}, not {asked}")
    inferred = None if stated or asked else _inferred(rows)
    found = stated or asked or inferred
    if found is None:
        raise ValueError("it does not say which way is better; --direction minimize or maximize")
    if inferred:
        notes = [*notes, f"the direction, {inferred}, is inferred from what was kept"]
    return ForeignJournal(rows=tuple(rows), direction=found, metric=metric, notes=tuple(notes))


def _inferred(rows: Sequence[Experiment]) -> Direction | None:
    """What all kept rows agree upon; `None`: they do not, or none moved the metric."""
    deltas = [e.delta for e in rows if e.status is Status.KEEP and e.delta]
    if deltas and all(delta < 0 for delta in deltas):
        return Direction.MINIMIZE
    return Direction.MAXIMIZE if deltas and all(delta > 0 for delta in deltas) else None


# --- JSON lines -----------------------------------------------------------------------------------


def _json_lines(text: str, asked: Direction | None) -> ForeignJournal:
    """The newest segment that has runs: numbers of two segments do not compare."""
    header: Mapping[str, Any] = {}
    segments: list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = []
    for number, entry in _entries(text):
        if entry.get("type") == "config":
            header = entry
            segments.append((header, []))
        elif "status" in entry and "metric" in entry:
            if not segments:
                segments.append((header, []))
            segments[-1][1].append({**entry, "line": number})
    with_runs = [segment for segment in segments if segment[1]]
    if not with_runs:
        raise ValueError("there is no run in it")
    header, runs = with_runs[-1]
    left = len(with_runs) - 1
    notes = [_left_out(left, "segment")] if left else []
    word = str(header.get("bestDirection") or header.get("direction") or "")
    stated = (Direction.MINIMIZE if word in _LOWER else Direction.MAXIMIZE) if word else None
    rows: list[Experiment] = []
    for run in runs:
        rows.append(_run(run, rows))
    name = str(header.get("metricName") or header.get("metric_name") or "")
    return _directed(rows, stated, asked, metric=name, notes=notes)


def _entries(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            if number >= len(lines) - 1:  # torn by a kill
                return
            raise ValueError(f"line {number} is no JSON") from None
        if isinstance(entry, dict):
            yield number, entry


def _run(run: Mapping[str, Any], before: Sequence[Experiment]) -> Experiment:
    word = str(run["status"])
    try:
        status = _STATUSES.get(word) or Status(word)
    except ValueError:
        raise ValueError(f"line {run['line']}: there is no status {word[:40]!r}") from None
    if not before and status is Status.KEEP:
        status = Status.BASELINE
    metric = _number(run["metric"], run["line"])
    if status is Status.CRASH:
        metric = None
    incumbent = before[-1].best if before else None
    delta = None if metric is None else metric - (metric if incumbent is None else incumbent)
    return Experiment(
        iteration=len(before),
        timestamp=_time(run.get("timestamp")),
        commit=str(run.get("commit") or ""),
        metric=metric,
        delta=delta,
        guard="fail" if word == "checks_failed" else "-",
        guard_metric=None,
        status=status,
        description=str(run.get("description") or ""),
        best=metric if status in (Status.BASELINE, Status.KEEP) else incumbent,
        samples=int(metric is not None),
        ci_low=None,
        ci_high=None,
        seconds=0.0,
        tokens=0,
        cost_usd=0.0,
        peak_memory_mb=None,
        proposer="",
        attempts=1,
        reason="",
    )


def _number(value: object, line: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"line {line}: the metric is no number")
    return float(value)


def _time(value: object) -> str:
    """Milliseconds since 1970; empty: not told."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    try:
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return ""
