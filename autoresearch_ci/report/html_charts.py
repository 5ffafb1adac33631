"""What the charts of report.html draw, as plain lists: each thousand experiments cost 100 KB.

CORE: values in, values out. Their order is known to page/report.js.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoresearch_ci.decide.taken_back import told
from autoresearch_ci.decide.trend import relative
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.report.chart import Point, progress_points
from autoresearch_ci.report.html_table import Attempt
from autoresearch_ci.report.run_summary import CRASHED, RunInfo
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.wording import shortened

_KINDS = ("start", "kept", "other", "guarded", "crash", "unmeasured")


def chart_data(
    experiments: Sequence[Experiment],
    info: RunInfo,
    attempts: Mapping[int, Attempt],
    *,
    earlier: Sequence[Experiment] = (),
    choices: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """`choices`: `statuses`, `proposers` and `files` in the order in which the page offers them."""
    rows = told(experiments)
    index = {name: {word: at for at, word in enumerate(words)} for name, words in choices.items()}
    points, (low, high) = progress_points(
        experiments,
        direction=info.direction,
        earlier=earlier,
        confirmation=info.confirmation,
    )
    return {
        "metric": defuse(shortened(info.metric_name, 60)),
        "whole": info.repairs is not None,  # there is no half a failure
        "minimize": info.direction is Direction.MINIMIZE,
        "range": [_short(low), _short(high)],
        "kinds": _KINDS,
        "points": [_point(point) for point in points],
        "rows": [
            [
                e.iteration,
                index["statuses"][str(e.status)],
                index["proposers"].get(e.proposer, -1),
                [index["files"][path] for path in _files(e, attempts) if path in index["files"]],
                None if e.status in CRASHED else e.metric,
                _short(e.delta),
                _short(e.ci_low),
                e.samples,
                _short(e.seconds),
                _short(e.cost_usd),
                _short(e.expected),
                _short(_gain(e, info.direction)),
            ]
            for e in rows
        ],
    }


def _files(e: Experiment, attempts: Mapping[int, Attempt]) -> Sequence[str]:
    attempt = attempts.get(e.iteration)
    return attempt.files if attempt else ()


def _point(point: Point) -> list[Any]:
    told = defuse(shortened(point.description, 80)) if point.row is None else 0
    values = [_short(v) for v in (point.height, point.low, point.high)]
    return [point.number, point.row, _KINDS.index(point.kind), *values, told]


def _short(value: float | None) -> float | None:
    """Seven digits: no pixel needs more."""
    return None if value is None else float(f"{value:.7g}")


def _gain(e: Experiment, direction: Direction) -> float | None:
    """Relative, against the incumbent of its time."""
    if e.metric is None or e.delta is None or e.status in CRASHED:
        return None
    return relative(direction, e.metric - e.delta, e.metric)
