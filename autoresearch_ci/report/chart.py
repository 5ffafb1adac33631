"""The progress picture as a self-contained SVG: every point tried, kept ones named.

After karpathy/autoresearch's progress.png: grey what was discarded, green what was kept, the
running best as steps. Every attempt is shown; an outlier that would flatten the rest sits on the
edge. A point's height is its distance to the incumbent that was measured beside it, added to where
that one is drawn: a machine that became slower meanwhile moves no point.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.decide.metric.taken_back import told
from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.report.chart_layout import (
    FONT_SIZE,
    Anchor,
    Axis,
    Frame,
    place,
    robust_range,
    tick_labels,
    ticks,
)
from autoresearch_ci.report.run_summary import (
    CRASHED,
    Confirmation,
    RunSummary,
    change_interval,
    run_summary,
)
from autoresearch_ci.safety.log_text import defuse
from autoresearch_ci.safety.wording import number, percent, shortened

_WIDTH, _HEIGHT = 1200, 640
_FRAME = Frame(left=86, top=96, right=1172, bottom=578)
_SLOPE = 35
"""Degrees of the labels: steep enough for neighbours, flat enough to read."""
_LABEL_ROOM = 0.32
"""Share of the height kept free on the better side, for the labels of the last kept points."""

_STYLE = f"""\
text {{ font-family: system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', \
sans-serif; font-size: 13px; fill: #57606a }}
.title {{ font-size: 19px; font-weight: 600; fill: #1f2328 }}
.label {{ font-size: {FONT_SIZE}px; fill: #1a7f37; paint-order: stroke; \
stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round }}
.grid {{ stroke: #d8dee4; stroke-width: 1 }}
.axis {{ stroke: #8c959f; stroke-width: 1 }}
.baseline {{ stroke: #57606a; stroke-width: 1.2; stroke-dasharray: 6 5 }}
.best {{ stroke: #2da44e; stroke-width: 2; fill: none; stroke-linejoin: round }}
.kept {{ fill: #2da44e; stroke: #1f2328; stroke-width: 0.7 }}
.start {{ fill: #ffffff; stroke: #57606a; stroke-width: 1.6 }}
.other {{ fill: #8c959f }}
.guarded {{ fill: #ffffff; stroke: #bf8700; stroke-width: 1.6 }}
.crash {{ stroke: #cf222e; stroke-width: 1.6; fill: none }}
.unmeasured {{ stroke: #afb8c1; stroke-width: 1.6; fill: none }}"""


@dataclass(frozen=True, kw_only=True)
class _Plot:
    """Everything the marks need to know."""

    x: Axis
    y: Axis
    direction: Direction
    result: RunSummary
    drawn: Mapping[int, float]
    """Number of an experiment to its height, where it has one."""

    def height(self, experiment: Experiment) -> float | None:
        return self.drawn.get(experiment.iteration)

    @property
    def worse_edge(self) -> float:
        """Pixel row for what has no place on the scale."""
        return _FRAME.top + 4 if self.direction is Direction.MINIMIZE else _FRAME.bottom - 8


@dataclass(frozen=True, kw_only=True)
class Point:
    """One experiment as it is drawn."""

    number: int
    """Where, on the horizontal axis."""
    row: int | None
    """Its iteration in this run's journal; `None`: of an earlier run."""
    kind: str
    """`start`, `kept`, `other`, `guarded`; without a height `crash` or `unmeasured`."""
    height: float | None
    low: float | None = None
    """Ends of its 95 % interval, where there is one."""
    high: float | None = None
    description: str = ""


def progress_points(
    experiments: Sequence[Experiment],
    *,
    direction: Direction,
    earlier: Sequence[Experiment] = (),
    confirmation: Confirmation | None = None,
) -> tuple[list[Point], tuple[float, float]]:
    """The same picture as values, and the range of heights that shows what matters."""
    rows = _whole(experiments, earlier, confirmation)
    drawn, incumbent = _heights(rows), None
    points = []
    for e in told(rows):
        height = drawn.get(e.iteration)
        low, high = _interval(e, incumbent, direction) if height is not None else (None, None)
        own = e.iteration - len(earlier)
        points.append(
            Point(
                number=e.iteration,
                row=own if own > 0 or not e.iteration else None,
                kind=_missing(e) if height is None else _kind(e),
                height=height,
                low=low,
                high=high,
                description=e.description,
            )
        )
        if height is not None and e.status in (Status.KEEP, Status.BASELINE):
            incumbent = height
    axis = _y_axis(run_summary(rows), drawn, direction, labels=False)
    return points, (axis.low, axis.high)


def _interval(
    experiment: Experiment, incumbent: float | None, direction: Direction
) -> tuple[float | None, float | None]:
    """Of its distance to the incumbent, beside where that is drawn."""
    ends = experiment.ci_low, experiment.ci_high
    if incumbent is None or ends[0] is None or ends[1] is None or ends[0] == ends[1]:
        return None, None
    sign = direction.gain(0, 1)
    low, high = sorted(incumbent + sign * end * abs(incumbent) for end in (ends[0], ends[1]))
    return low, high


def progress_svg(
    experiments: Sequence[Experiment],
    *,
    direction: Direction,
    metric_name: str,
    title: str,
    earlier: Sequence[Experiment] = (),
    tried_earlier: int = 0,
    confirmation: Confirmation | None = None,
    tooltips: bool = True,
) -> str:
    """An SVG document: x is the experiment's number, y the metric; text is escaped here.

    `earlier`: what runs before this one kept on the same branch; the picture begins with it.
    `tried_earlier`: how many they tried for it. What was measured again at the end is the pair of
    numbers that is written on it, as in the headline. `tooltips`: which an image does not show.
    """
    experiments = _whole(experiments, earlier, confirmation)
    drawn, result = _heights(experiments), run_summary(experiments)
    experiments = told(experiments)
    if confirmation:
        result = replace(result, best=confirmation.head)
    plot = _Plot(
        x=_x_axis(experiments),
        y=_y_axis(result, drawn, direction),
        direction=direction,
        result=result,
        drawn=drawn,
    )
    title = title or metric_name
    not_shown = max(0, tried_earlier - len(told(earlier)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{_text(title, 120)}">',
        f"<style>{_STYLE}</style>",
        # opaque, or dark pages would swallow the axes
        f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{_HEIGHT - 1}" rx="8" '
        'fill="#ffffff" stroke="#d0d7de"/>',
        *_header(plot, metric_name, title, confirmation, not_shown),
        *_legend(experiments, plot),
        *_axes(plot, metric_name),
        *_steps(experiments, plot),
        *(_mark(e, plot, tooltip=tooltips) for e in experiments),
        *_labels(experiments, plot),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _whole(
    experiments: Sequence[Experiment],
    earlier: Sequence[Experiment],
    confirmation: Confirmation | None,
) -> Sequence[Experiment]:
    """One row of numbered experiments that begins with the base."""
    if not experiments:
        return experiments
    base, *rest = experiments
    if earlier:
        before = earlier[0].metric
        if before is not None and earlier[0].delta is not None:
            before -= earlier[0].delta
        base = replace(base, metric=before)
    if confirmation:
        base = replace(base, metric=confirmation.base)
    return [replace(e, iteration=number) for number, e in enumerate((base, *earlier, *rest))]


def _heights(experiments: Sequence[Experiment]) -> dict[int, float]:
    """Where they are drawn, by number; a ratio to the incumbent where all numbers are positive."""
    heights: dict[int, float] = {}
    best: float | None = None
    for experiment in experiments:
        value, delta = experiment.metric, experiment.delta
        if value is None or experiment.status in CRASHED:
            continue
        rival = None if delta is None else value - delta
        if best is not None and rival is not None and rival != best:
            ratio = best > 0 and rival > 0 and value > 0
            value = best * (value / rival) if ratio else best + (value - rival)
        if experiment.status in (Status.KEEP, Status.BASELINE):
            best = value
        heights[experiment.iteration] = value
    return heights


def _x_axis(experiments: Sequence[Experiment]) -> Axis:
    last = max((e.iteration for e in experiments), default=0)
    first = min((e.iteration for e in experiments), default=0)
    margin = max(0.5, 0.015 * (last - first))
    return Axis(low=first - margin, high=last + margin, start=_FRAME.left, end=_FRAME.right)


def _y_axis(
    result: RunSummary, drawn: Mapping[int, float], direction: Direction, *, labels: bool = True
) -> Axis:
    core = [drawn[e.iteration] for e in result.kept if e.iteration in drawn]
    core += [] if result.baseline is None else [result.baseline]
    others = [drawn[e.iteration] for e in result.others if e.iteration in drawn]
    core = core or others[:1] or [0.0]
    low, high = robust_range(core, others)
    height = high - low
    named = _LABEL_ROOM / (1 - _LABEL_ROOM) if result.kept and labels else 0.08
    below, above = (named, 0.1) if direction is Direction.MINIMIZE else (0.1, named)
    return Axis(
        low=low - below * height,
        high=high + above * height,
        start=_FRAME.bottom,
        end=_FRAME.top,
    )


def _header(
    plot: _Plot, metric_name: str, title: str, found: Confirmation | None, not_shown: int
) -> Iterator[str]:
    """With the headline's own numbers."""
    result, share = plot.result, plot.result.change
    if found:
        share, *_ = change_interval(plot.direction, found.gain, found.ci_low, found.ci_high)
    yield f'<text class="title" x="28" y="38">{_text(title, 90)}</text>'
    better = "lower" if plot.direction is Direction.MINIMIZE else "higher"
    change = f"{number(result.baseline)} → {number(result.best)}" if result.kept else "no gain"
    change += f" ({percent(share)})" if result.kept and share is not None else ""
    tried = len(result.kept) + len(result.others) + not_shown
    yield (
        f'<text x="28" y="64">{_text(metric_name, 40)} {change}, {better} is better · '
        f"{tried} tried, {len(result.kept)} kept</text>"
    )


def _legend(experiments: Sequence[Experiment], plot: _Plot) -> Iterator[str]:
    """Right-aligned; only what occurs."""
    missing = {_missing(e) for e in experiments if plot.height(e) is None}
    above = plot.direction is Direction.MINIMIZE
    far = not all(map(plot.y.holds, plot.drawn.values()))
    kinds = {_kind(e) for e in plot.result.others if plot.height(e) is not None}
    y = 59.5
    entries = (
        ("not measured", 92, "unmeasured" in missing, _cross("unmeasured", "{x}", y)),
        ("crashed", 54, "crash" in missing, _cross("crash", "{x}", y)),
        ("off the scale", 81, far, _triangle("{x}", y - 4 if above else y + 4, up=above)),
        ("guard failed", 81, "guarded" in kinds, _circle("guarded", "{x}", y)),
        ("not kept", 55, "other" in kinds, _circle("other", "{x}", y)),
        ("kept", 30, bool(plot.result.kept), _circle("kept", "{x}", y)),
    )
    right = _FRAME.right
    for name, width, occurs, shape in entries:
        if occurs:
            yield f'<text x="{right:.1f}" y="{y + 4.5}" text-anchor="end">{name}</text>'
            yield shape.replace("{x}", f"{right - width - 12:.1f}")
            right -= width + 36


def _axes(plot: _Plot, metric_name: str) -> Iterator[str]:
    left, right, top, bottom = _FRAME.left, _FRAME.right, _FRAME.top, _FRAME.bottom
    y_ticks = ticks(plot.y.low, plot.y.high, 7)
    if min(plot.drawn.values(), default=-1) >= 0:  # no times below zero
        y_ticks = [tick for tick in y_ticks if tick >= 0]
    for value, name in zip(y_ticks, tick_labels(y_ticks), strict=True):
        y = f"{plot.y.pixel(value):.1f}"
        yield f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{left - 8}" y="{y}" dy="4" text-anchor="end">{name}</text>'
    yield f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
    for value in ticks(plot.x.low, plot.x.high, 12):
        if value == round(value):
            x = f"{plot.x.pixel(value):.1f}"
            yield f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 5}"/>'
            yield f'<text x="{x}" y="{bottom + 20}" text-anchor="middle">{value:.0f}</text>'
    middle = (top + bottom) / 2
    yield f'<text x="{(left + right) / 2}" y="{bottom + 44}" text-anchor="middle">experiment</text>'
    yield (
        f'<text transform="translate(22 {middle}) rotate(-90)" text-anchor="middle">'
        f"{_text(metric_name, 40)}</text>"
    )


def _steps(experiments: Sequence[Experiment], plot: _Plot) -> Iterator[str]:
    """The dashed baseline and the running best."""
    if plot.result.baseline is None:
        return
    y = plot.y.pixel(plot.result.baseline)
    yield (
        f'<line class="baseline" x1="{_FRAME.left}" x2="{_FRAME.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
    )
    text_y = y - 6 if plot.direction is Direction.MINIMIZE else y + 16
    yield (
        f'<text x="{_FRAME.right}" y="{text_y:.1f}" text-anchor="end">'
        f"baseline {number(plot.result.baseline)}</text>"
    )
    path = f"M{plot.x.pixel(experiments[0].iteration):.1f} {y:.1f}"
    for kept in plot.result.kept:
        if (value := plot.height(kept)) is not None:
            path += f" H{plot.x.pixel(kept.iteration):.1f} V{plot.y.pixel(value):.1f}"
    path += f" H{plot.x.pixel(experiments[-1].iteration):.1f}"
    yield f'<path class="best" d="{path}"/>'


def _mark(experiment: Experiment, plot: _Plot, *, tooltip: bool) -> str:
    """One experiment's point, with its story as a tooltip."""
    x = plot.x.pixel(experiment.iteration)
    value = plot.height(experiment)
    if value is None:
        shape = _cross(_missing(experiment), f"{x:.1f}", plot.worse_edge)
    elif not plot.y.holds(value):
        shape = _triangle(f"{x:.1f}", plot.y.pixel(value), up=value > plot.y.high)
    else:
        shape = _circle(_kind(experiment), f"{x:.1f}", plot.y.pixel(value))
    if not tooltip:
        return shape
    measured = number(None if value is None else experiment.metric)
    told = f"#{experiment.iteration} {experiment.status} {measured} {experiment.description}"
    return f"<g><title>{_text(told, 140)}</title>{shape}</g>"


def _kind(experiment: Experiment) -> str:
    others = "guarded" if experiment.guard == "fail" else "other"
    return {Status.KEEP: "kept", Status.BASELINE: "start"}.get(experiment.status, others)


def _circle(kind: str, x: str, y: float) -> str:
    radius = 5 if kind in ("kept", "start") else 4
    return f'<circle class="{kind}" cx="{x}" cy="{y:.1f}" r="{radius}"/>'


def _missing(experiment: Experiment) -> str:
    """Why there is no number: it broke, or it was never run (refused, no edit)."""
    return "crash" if experiment.status in CRASHED else "unmeasured"


def _cross(kind: str, x: str, y: float) -> str:
    return f'<path class="{kind}" transform="translate({x} {y:.1f})" d="M-4 -4 L4 4 M-4 4 L4 -4"/>'


def _triangle(x: str, y: float, *, up: bool) -> str:
    tip = "M0 -1 L-4.5 7 H4.5 Z" if up else "M0 1 L-4.5 -7 H4.5 Z"
    return f'<path class="other" transform="translate({x} {y:.1f})" d="{tip}"/>'


def _labels(experiments: Sequence[Experiment], plot: _Plot) -> Iterator[str]:
    """Named kept points: the last and the largest gains first, then whoever finds room."""
    anchors = []
    before = plot.result.baseline
    for kept in plot.result.kept:
        value = plot.height(kept)
        if value is None:
            continue
        gain = 0.0 if before is None else plot.direction.gain(before, value)
        last = kept is plot.result.kept[-1]
        anchors.append(
            Anchor(
                x=plot.x.pixel(kept.iteration),
                y=plot.y.pixel(value),
                text=defuse(shortened(kept.description, 200)),
                importance=float("inf") if last else gain,
            )
        )
        before = value
    points = [(plot.x.pixel(number), plot.y.pixel(value)) for number, value in plot.drawn.items()]
    slope = -_SLOPE if plot.direction is Direction.MINIMIZE else _SLOPE
    for label in place(anchors, points, _FRAME, slope):
        side, dx = ("end", -9) if label.ends_at_point else ("start", 9)
        yield (
            f'<text class="label" transform="translate({label.x:.1f} {label.y:.1f}) '
            f'rotate({slope})" x="{dx}" y="4" text-anchor="{side}">{html.escape(label.text)}</text>'
        )


def _text(text: str, width: int) -> str:
    """Untrusted words as XML character data; invisible characters are written out."""
    return html.escape(defuse(shortened(text, width)))
