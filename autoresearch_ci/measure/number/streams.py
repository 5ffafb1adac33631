"""The number in what a command printed, and what about it can be held against other runs.

What the text of one stream means, extract.py knows; what is believed, decide/knowledge.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.config.metric import ExtractRule
from autoresearch_ci.decide.knowledge import STREAMS, Prints, Stream
from autoresearch_ci.execution.command import CommandResult, Printed
from autoresearch_ci.measure.number import extract as metrics
from autoresearch_ci.measure.number.xml_reports import Reports
from autoresearch_ci.safety.untrusted_values import MetricError, NotFound


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A number, and how it stood there."""

    value: float
    seen: Prints


def read_number(
    result: CommandResult,
    name: str | None,
    rule: ExtractRule | None,
    report: Reports | None = None,
    *,
    usual: Sequence[Stream] = (),
    strict: bool = False,
) -> Reading:
    """Out of a command's output, or of its report. Raises `MetricError`.

    `usual`: where code that nobody blames has printed it. There it is looked for first, and
    `strict`, nowhere else: of a candidate, another stream's number is none of the ruler's. Where
    nothing is known, standard output goes first: a progress bar on standard error is no part of
    its lines.
    """
    if report is not None or metrics.report_path(rule) is not None:
        value = metrics.extract("", name, rule, report)
        before, times = metrics.mentions("", name, rule, report)
        stands = metrics.unit("", rule, report) if value else None
        return Reading(value=value, seen=Prints(times=times, before=before, unit=stands))
    order = [*usual, *(stream for stream in STREAMS if stream not in usual)]
    looked_at = (usual if strict else ()) or order
    for stream in looked_at:
        with contextlib.suppress(NotFound):
            return _read(result, stream, name, rule)
    for stream in order[len(looked_at) :]:
        if _number(_of(result, stream).text, name, rule) is not None:
            raise MetricError(
                f"the number was printed on {_WORDS[stream]}, by the unmodified code on "
                f"{_WORDS[looked_at[0]]}"
            )
    both = f"{result.stdout.text}\n{result.stderr.text}"  # for the names that it says were seen
    return Reading(value=metrics.extract(both, name, rule), seen=Prints())


_WORDS: dict[Stream, str] = {"stdout": "standard output", "stderr": "standard error"}


def _of(result: CommandResult, stream: Stream) -> Printed:
    return result.stdout if stream == "stdout" else result.stderr


def _read(
    result: CommandResult, stream: Stream, name: str | None, rule: ExtractRule | None
) -> Reading:
    printed = _of(result, stream)
    value = metrics.extract(printed.text, name, rule)
    before, times = metrics.mentions(printed.text, name, rule)
    if name or (rule and not rule.last_number):  # else any text of the other one may be a number
        other = _of(result, "stderr" if stream == "stdout" else "stdout")
        before += sum(metrics.mentions(other.text, name, rule))
    seen = Prints(
        times=times,
        before=before,
        dropped=printed.dropped,
        handed_over=printed.handed_over,
        stream=stream,
        unit=metrics.unit(printed.text, rule) if value else None,  # 0 is the same in each
    )
    if printed.late and _number(printed.in_time, name, rule) != value:
        seen = replace(seen, late=printed.late)
    return Reading(value=value, seen=seen)


def _number(text: str, name: str | None, rule: ExtractRule | None) -> float | None:
    try:
        return metrics.extract(text, name, rule)
    except MetricError:
        return None
