"""report.html: one page with everything that a run leaves, for people; no network, any browser.

CORE: values in, text out. Every sentence is the summary's own, so the two cannot disagree. Words of
models, tests and repositories are text here and nothing else: the template escapes all that it is
given, Markdown may hold no link, image or HTML, and the page's own policy lets only its own script
run, which writes text and never markup.
"""

from __future__ import annotations

import base64
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from markupsafe import Markup

from autoresearch_ci.decide.budget import rows_cost
from autoresearch_ci.decide.metric.taken_back import told
from autoresearch_ci.decide.trend import evaluate, relative
from autoresearch_ci.experiment import Direction, Experiment, Spent, Status
from autoresearch_ci.report import evaluation
from autoresearch_ci.report.chart import Point, progress_points, progress_svg
from autoresearch_ci.report.html_list import fitted as fitted_list
from autoresearch_ci.report.html_pieces import assets, markdown, policy, template
from autoresearch_ci.report.html_repairs import repairs_list
from autoresearch_ci.report.html_table import RowDetails, cells, fitted
from autoresearch_ci.report.run_summary import (
    CRASHED,
    RunInfo,
    change_interval,
    count,
    doubts,
    expectations,
    got_worse,
    run_summary,
    tests_passed,
)
from autoresearch_ci.report.summary_page import idle, measured, nights, page_headline
from autoresearch_ci.safety.log_text import defuse, json_text
from autoresearch_ci.safety.wording import duration, percent, shortened

_BEST = "baseline -> best"
_OF_A_NUMBER = (
    _BEST,
    "target",
    "trend",
    "returns",
    "biggest wins",
    "biggest losses",
    "spent",
    "plateau",
    "recommendation",
)
"""What `evals` says that makes no sense of a set of failures: these are counted and named, and
nobody goes on where nothing is left."""
_FILES, _SETTINGS = 300, 400
"""Files that one may choose from, and lines of the configuration."""
PAGE_BYTES = 960_000
"""What the page with a thousand experiments may take: diffs and logs get what is left of it."""


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """What a page shows beside the journal and what every report says."""

    attempts: Mapping[int, RowDetails]
    """By iteration."""
    earlier: Sequence[Experiment] = ()
    """What earlier runs kept on the branch, where numbers compare."""
    configuration: Mapping[str, Any]
    version: str = ""
    head: str = ""
    """The newest kept commit, or the base."""
    target: float | None = None
    follow: bool = False
    """The page asks its own server now and then whether there is a newer one."""


def html_page(experiments: Sequence[Experiment], info: RunInfo, page: ReportPage) -> str:
    """The whole document; what is in it was redacted by the caller."""
    rows, made_of = told(experiments), assets(charts=True)
    repairs = repairs_list(experiments, info, page.earlier)
    choices = {
        "statuses": list(dict.fromkeys(str(e.status) for e in rows)),
        "proposers": sorted({e.proposer for e in rows if e.proposer}),
        "files": _most_changed(page.attempts),
    }
    values = {
        **choices,
        **made_of,
        "policy": policy(made_of, follow=page.follow),
        "follow": page.follow,
        "info": info,
        "title": shortened(info.goal, 200) or f"{info.metric_name}: run {info.tag}",
        "version": page.version,
        "headline": markdown(
            [page_headline(experiments, info), *doubts(run_summary(experiments), info)]
        ),
        "tiles": list(_tiles(experiments, info)),
        "picture": _picture(experiments, info, page),
        "repairs": fitted_list(repairs, PAGE_BYTES // 4, "blocked.md and the journal")
        if repairs
        else None,
        "panels": list(_panels(experiments, info, page)),
        "noisy": any(e.ci_low != e.ci_high for e in rows),
        "commands": list(_commands(info, page)),
        "configuration": [
            (shortened(key, 80), shortened(json_text(value, readable=True), 400))
            for key, value in list(page.configuration.items())[:_SETTINGS]
        ],
        "data": chart_data(experiments, info, page.attempts, earlier=page.earlier, choices=choices),
    }
    render = template("report").render
    empty = render(values, rows=cells(rows, info, {}))
    room = PAGE_BYTES - len(empty.encode(errors="replace"))
    return render(values, rows=cells(rows, info, fitted(rows, page.attempts, room)))


def _most_changed(attempts: Mapping[int, RowDetails]) -> list[str]:
    """The files that one may choose from, by name."""
    changed = Counter(
        path for attempt in attempts.values() for path in dict.fromkeys(attempt.files)
    )
    return sorted(path for path, _ in changed.most_common(_FILES))


# --- Parts ----------------------------------------------------------------------------------------


def _tiles(experiments: Sequence[Experiment], info: RunInfo) -> Iterator[tuple[str, str]]:
    """Label and figure."""
    result = run_summary(experiments)
    tried = len(result.kept) + len(result.others)
    yield "experiments", f"{tried:,}"
    yield "kept", f"{len(result.kept):,}"
    if info.seconds:
        yield "wall time", duration(info.seconds)
    spent = rows_cost(experiments) + info.outside_rows
    if spent.cost_usd:
        yield "cost", f"${spent.cost_usd:.2f}"
    if spent.tokens:
        yield "tokens", f"{spent.tokens:,}"
    yield "ended", info.stop_reason


def _picture(experiments: Sequence[Experiment], info: RunInfo, page: ReportPage) -> str:
    """The chart as a data URL: an image runs nothing, and its style stays inside."""
    svg = progress_svg(
        experiments,
        direction=info.direction,
        metric_name=info.metric_name,
        title=info.goal,
        earlier=page.earlier,
        tried_earlier=sum(night.tried for night in info.lineage.nights),
        confirmation=info.confirmation,
        tooltips=False,
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode(errors="replace")).decode()


def _panels(
    experiments: Sequence[Experiment], info: RunInfo, page: ReportPage
) -> Iterator[tuple[str, str, Markup, list[tuple[str, str]]]]:
    """Name, title, prose and rows of label and words."""
    result = run_summary(experiments)
    found = evaluate(
        experiments,
        info.direction,
        target=page.target,
        files={n: attempt.files for n, attempt in page.attempts.items()},
    )
    # what was measured again at the end is the headline, and the one number of the page
    left_out = _OF_A_NUMBER if info.repairs else (_BEST,) if info.confirmation else ()
    outcome = [row for row in evaluation.rows(found) if row[0] not in left_out]
    yield "outcome", "What it came to", Markup(), outcome
    yield "noise", "Noise", Markup(), [] if info.repairs else list(_noise(experiments, info))
    foreseen = expectations(experiments, info.direction)
    if foreseen:
        yield "expected", "Expected and measured gain", markdown([foreseen]), []
    yield "spent", "Time and cost", Markup(), list(_spent(experiments, info.outside_rows))
    yield "nights", "Nights", markdown(list(nights(experiments, info))), []
    said = [got_worse(info), tests_passed(info), *idle(experiments, info)]
    yield "beside", "Beside the metric", markdown([text for text in said if text]), []
    yield "measured", "Environment", markdown(list(measured(experiments, result, info))), []


def _noise(experiments: Sequence[Experiment], info: RunInfo) -> Iterator[tuple[str, str]]:
    """How far apart measurements of one thing lie, as far as the journal says."""
    widths = [
        (e.ci_high - e.ci_low) / 2
        for e in experiments
        if e.ci_low is not None and e.ci_high is not None
    ]
    exact = sum(width == 0 for width in widths)
    wide = [width for width in widths if width]
    if wide:
        yield (
            "half of a 95 % interval",
            f"{_share(median(wide))} in the median, {_share(min(wide))} to {_share(max(wide))}; "
            f"{count(len(wide), 'decision')}",
        )
    if exact:
        yield "without any noise", count(exact, "decision")
    runs = [e.samples for e in experiments if e.samples]
    if runs:
        yield (
            "runs of the metric for one experiment",
            f"{median(runs):g} in the median, {max(runs)} at most",
        )
    if (again := info.confirmation) is not None:
        _, low, high = change_interval(info.direction, again.gain, again.ci_low, again.ci_high)
        spread = f"95 % CI {percent(low)} to {percent(high)}" if low != high else "all the same"
        yield "measured again at the end", f"{again.n_base} + {again.n_head} runs, {spread}"
    doubted = [e for e in told(experiments) if e.doubt and e.status is Status.KEEP]
    if doubted:
        yield "to look at twice", ", ".join(f"#{e.iteration}" for e in doubted[:20])


def _share(fraction: float) -> str:
    return percent(fraction).removeprefix("+")


def _spent(experiments: Sequence[Experiment], outside: Spent) -> Iterator[tuple[str, str]]:
    """Whose time and money it was. `outside`: what no row tells of."""
    tried = [e for e in experiments if e.status is not Status.BASELINE]
    if not any(e.seconds or e.cost_usd or e.tokens for e in tried):  # a journal of somebody else's
        tried = []
    for name in dict.fromkeys(e.proposer for e in tried):
        own = [e for e in tried if e.proposer == name]
        kept = sum(e.status is Status.KEEP for e in own)
        dollars, tokens = sum(e.cost_usd for e in own), sum(e.tokens for e in own)
        words = [f"{kept} of {len(own)} kept", duration(sum(e.seconds for e in own))]
        words += [f"{tokens:,} tokens"] if tokens else []
        words += [f"${dollars:.2f}"] if dollars else []
        yield name or "nobody", ", ".join(words)
    if outside != Spent():
        words = [f"{outside.tokens:,} tokens"] if outside.tokens else []
        words += [f"${outside.cost_usd:.2f}"] if outside.cost_usd else []
        yield "in no experiment", ", ".join(words)
    if tried:
        slowest = max(tried, key=lambda e: e.seconds)
        yield "an experiment", f"{duration(median(e.seconds for e in tried))} in the median"
        yield "the longest", f"{duration(slowest.seconds)}, #{slowest.iteration}"


def _commands(info: RunInfo, page: ReportPage) -> Iterator[str]:
    """Lines for a shell; names that are ours to choose, or quoted."""
    origin = info.origin[:12]
    head = page.head[:12]
    if head and origin and head != origin:
        yield f"git log -p {shlex.quote(f'{origin}..{head}')}   # what was kept"
        if info.repairs is None:
            yield f"autoresearch-ci compare {shlex.quote(f'{origin}...{head}')}   # measure again"
    if info.repairs is not None:
        yield "autoresearch-ci fix --check --fail-on any   # look again"
    tag = shlex.quote(info.tag)
    yield f"autoresearch-ci log {tag}   # every attempt, kept or not"
    yield f"autoresearch-ci log show 1 {tag}   # one of them, with its diff"
    ref = shlex.quote(f"{info.notebook_ref}:{info.notebook_ref}")
    yield f"git fetch origin {ref}   # in another clone, where it was pushed"


# --- The charts' data -----------------------------------------------------------------------------

_KINDS = ("start", "kept", "other", "guarded", "crash", "unmeasured")


def chart_data(
    experiments: Sequence[Experiment],
    info: RunInfo,
    attempts: Mapping[int, RowDetails],
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


def _files(e: Experiment, attempts: Mapping[int, RowDetails]) -> Sequence[str]:
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
