"""The table of report.html: a row for each experiment, with as much of its diff and log as fits.

CORE: values in, values out; the template escapes them.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoresearch_ci.experiment import Experiment
from autoresearch_ci.report.run_summary import CRASHED, RunInfo, count
from autoresearch_ci.report.summary_page import interval
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.wording import commit_name, duration, number, shortened, signed

FILES = 50
_SUMMARY = 160
"""Characters of a description that stand in the row; the whole of it is inside."""
_LEAST = 100
"""Bytes of a text with which it is worth being cut; what gets less is left out."""
_AROUND = 30
"""Bytes of the element around a text."""


@dataclass(frozen=True, kw_only=True)
class RowDetails:
    """What lies beside one row of the journal."""

    diff: str = ""
    log: str = ""
    """The end of what was printed."""
    files: Sequence[str] = ()
    """The first that it changed, no more than `FILES`."""


RowTexts = Mapping[str, str]
"""What a row holds that may be long, by name."""
_NONE = dict.fromkeys(("more", "doubt", "reason", "failure", "diff", "log"), "")


def cells(
    rows: Sequence[Experiment], info: RunInfo, texts: Mapping[int, RowTexts]
) -> Iterator[dict[str, Any]]:
    """A row of the table each. `texts`: of each iteration, as `fitted` makes them."""
    for e in rows:
        yield {
            "n": e.iteration,
            "status": str(e.status),
            "short": bounded(defuse(shortened(e.description, _SUMMARY)), _SUMMARY + _SUMMARY // 2),
            "commit": commit_name(e.commit) if e.commit else "",
            "metric": number(None if e.status in CRASHED else e.metric),
            "delta": signed(e.delta),
            "interval": interval(e, info.direction) if e.ci_low is not None else "",
            "guard": e.guard,
            "samples": e.samples,
            "time": duration(e.seconds) if e.seconds else "",
            "cost": f"${e.cost_usd:.2f}" if e.cost_usd else "",
            "proposer": bounded(shortened(e.proposer, 40), 60),
            **texts.get(e.iteration, _NONE),
        }


def fitted(
    rows: Sequence[Experiment], attempts: Mapping[int, RowDetails], room: int
) -> dict[int, RowTexts]:
    """All of them cut at the same size, the largest with which they fit in `room` bytes."""
    texts = {e.iteration: _texts(e, attempts.get(e.iteration, RowDetails())) for e in rows}
    sizes = sorted(html_size(text) for row in texts.values() for text in row.values() if text)
    limit = _equal_parts(sizes, room - _AROUND * len(sizes))
    return {
        n: {name: _cut(text, limit, last=name == "log") for name, text in row.items()}
        for n, row in texts.items()
    }


def _equal_parts(sizes: Sequence[int], room: int) -> int:
    """How large one may be, when the small ones are whole and the others share what is left."""
    for at, size in enumerate(sizes):
        limit = room // (len(sizes) - at)
        if size > limit:
            return max(limit, 0)
        room -= size
    return sizes[-1] if sizes else 0


def _texts(e: Experiment, attempt: RowDetails) -> RowTexts:
    told = e.description if shortened(e.description, _SUMMARY) != e.description else ""
    texts = {"more": told, "doubt": e.doubt, "reason": e.reason, "failure": e.failure}
    texts |= {"diff": attempt.diff, "log": attempt.log}
    return {name: visible_lines(text) for name, text in texts.items()}


def visible_lines(text: str) -> str:
    return "\n".join(defuse(line.rstrip("\r")) for line in text.rstrip("\n").split("\n"))


def _cut(text: str, limit: int, *, last: bool) -> str:
    """Whole lines from one end, and how many are missing; of a single line, its beginning."""
    if html_size(text) <= limit:
        return text
    if limit < _LEAST:
        return ""
    lines = text.split("\n")
    if len(lines) == 1:
        return bounded(text, limit - len("…".encode()))
    room, kept = limit - _LEAST // 2, list[str]()
    for line in reversed(lines) if last else lines:
        room -= html_size(line) + 1
        if room < 0:
            break
        kept.append(line)
    told = f"… {count(len(lines) - len(kept), 'more line')}"
    return "\n".join([told, *reversed(kept)] if last else [*kept, told])


def bounded(text: str, room: int) -> str:
    """Cut where its escaped form would take more bytes."""
    if html_size(text) <= room:
        return text
    size = 0
    for at, char in enumerate(text):
        size += html_size(char)
        if size > room:
            return text[:at] + "…"
    return text


def html_size(text: str) -> int:
    """Bytes of it in the page."""
    return len(html.escape(text).encode(errors="replace"))
