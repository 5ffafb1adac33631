"""What a journal says of its keeps: what the run took back at its end, and what the rest is worth.

Pure. Which changes do nothing is not decided here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from autoresearch_ci.experiment import Experiment, Status

PROPOSER = "ablation"
"""Whose rows they are."""
TAKEN_BACK = "kept at first, and taken back at the end: the result is no worse without it"
_NAME = re.compile(r"\b[0-9a-f]{7,12}\b")


def reason(changes: Sequence[Experiment], said: str) -> str:
    """Of the row that takes them back, or could not."""
    return f"without {', '.join(e.commit[:12] for e in changes)}: {said}"


def named(row: Experiment) -> tuple[str, ...]:
    """Abbreviated commits of what a row takes back, or could not; none: it is another row."""
    if row.proposer != PROPOSER:
        return ()
    return tuple(_NAME.findall(row.reason.partition(":")[0]))


def taken_back(experiments: Sequence[Experiment]) -> tuple[Experiment, ...]:
    """What was kept at first, and is on the branch no more."""
    gone = tuple(n for e in experiments if e.status is Status.KEEP for n in named(e))
    return tuple(e for e in experiments if e.status is Status.KEEP and e.commit.startswith(gone))


def told(experiments: Sequence[Experiment]) -> list[Experiment]:
    """The rows as people read them: what was taken back was tried and not kept.

    The row that did it is none of the ideas.
    """
    gone = taken_back(experiments)
    return [
        replace(e, status=Status.DISCARD, reason=TAKEN_BACK) if e in gone else e
        for e in experiments
        if not (e.status is Status.KEEP and named(e))
    ]


def ideas(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Of `told`, what tried one: neither the baseline nor what would have taken something back."""
    return [e for e in told(experiments) if not (e.status is Status.BASELINE or named(e))]


def standing(experiments: Sequence[Experiment]) -> tuple[Experiment, ...]:
    """What was kept and is still there."""
    return tuple(e for e in told(experiments) if e.status is Status.KEEP)


def stands(experiments: Sequence[Experiment]) -> float | None:
    """The incumbent's metric, where nobody has measured base and result again.

    As it was measured, or as the keeps amount to: what is nearer to the baseline. The one tells of
    the machine, too, and in the other the luck of each keep is multiplied.
    """
    rows = [e for e in experiments if e.status in (Status.BASELINE, Status.KEEP)]
    base, last = (rows[0].metric, rows[-1].metric) if rows else (None, None)
    chain = chained(rows)
    if base is None or last is None or chain is None:
        return chain
    return min(last, chain, key=lambda value: abs(value - base))


def chained(experiments: Sequence[Experiment]) -> float | None:
    """The incumbent's metric as the machine of the baseline would tell it.

    Each keep by its ratio to the incumbent that was measured beside it: numbers of different hours
    tell of the machine, too. Where a metric has no ratios, by the difference.
    """
    value = before = None
    for e in experiments:
        after = e.metric if e.metric is not None else e.best
        if e.status not in (Status.BASELINE, Status.KEEP) or after is None:
            continue
        rival = None if e.delta is None else after - e.delta
        if value is None or before is None or rival is None:
            value = after
        elif value == before and math.isclose(rival, before, abs_tol=1e-12):
            value = after  # to the last digit: no other number of the rival is known
        elif min(value, rival, after) > 0 or max(value, rival, after) < 0:
            value *= after / rival
        else:
            value += after - rival
        before = after
    return value
