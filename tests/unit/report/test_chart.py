"""The picture shows every attempt, keeps its labels apart, and survives odd journals."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.report.chart import progress_svg
from autoresearch_ci.report.chart_layout import (
    Anchor,
    Frame,
    Label,
    place,
    robust_range,
    tick_labels,
    ticks,
)
from tests.unit.report.test_summary import BASELINE, KEPT, confirmed, experiment, picture

MINIMIZE, MAXIMIZE = Direction.MINIMIZE, Direction.MAXIMIZE


def journal(baseline: float, *others: float, kept: tuple[float, ...] = ()) -> list[Experiment]:
    """A run with these metrics; those of `kept` come last."""
    rows = [experiment(0, Status.BASELINE, baseline)]
    for value in (*others, *kept):
        status = Status.KEEP if value in kept else Status.DISCARD
        rows.append(experiment(len(rows), status, value))
    return rows


def heights(rows: list[Experiment], direction: Direction = MINIMIZE) -> list[float]:
    """Pixel rows of the points drawn where they are, by experiment."""
    svg = picture(rows, direction).partition("</title>")[2]
    return [float(y) for y in re.findall(r'<circle class="\w+" cx="[^"]+" cy="([^"]+)"', svg)]


@pytest.mark.parametrize("direction", list(Direction))
def test_a_run_without_a_gain_shows_every_attempt(direction: Direction) -> None:
    worse = 1 if direction is MINIMIZE else -1
    values = [1.9 + worse * x for x in (0, 0.002, 0.19, 0.31, 0.04, 0.5, 0.11)]
    svg = picture(journal(*values), direction)
    assert len(heights(journal(*values), direction)) == len(values)
    assert "off the scale" not in svg


def test_a_small_gain_among_larger_losses_hides_none_of_them() -> None:
    svg = picture(journal(1.9, 2.0, 2.1, 1.95, 2.4, 2.2, 1.93, kept=(1.897,)))
    assert "off the scale" not in svg


def test_one_huge_outlier_is_clipped_and_does_not_squeeze_the_rest() -> None:
    rows = journal(1.9, 1.95, 1e4, 1.93, 1.85, kept=(1.8,))
    shown = heights(rows)
    assert len(shown) == len(rows) - 1
    assert max(shown) - min(shown) > 200
    assert picture(rows).count('<path class="other"') == 2  # itself, and the legend's


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=4),
    st.lists(st.floats(-1e300, 1e300), max_size=40),
)
def test_never_more_than_a_third_is_off_the_scale(core: list[float], others: list[float]) -> None:
    low, high = robust_range(core, others)
    values = [*core, *others]
    assert all(low <= value <= high for value in core)
    assert sum(not low <= value <= high for value in values) <= len(values) / 3


@pytest.mark.parametrize("values", [(5.0,), (5.0, 6.0), (5.0, 5.0, 5.0), (0.0, 0.0)])
def test_few_points_and_equal_ones_are_all_drawn(values: tuple[float, ...]) -> None:
    shown = heights(journal(*values))
    assert len(shown) == len(values)
    assert all(96 < y < 578 for y in shown)


def test_equal_values_do_not_make_the_next_one_an_outlier() -> None:
    assert robust_range([5.0, 5.0], [5.0, 5.0, 5.0, 6.0]) == (5.0, 6.0)


def test_an_outlier_does_not_flatten_the_picture() -> None:
    low, high = robust_range([100.0, 90.0], [101.0, 99.0, 1e9])
    assert (low, high) == (90.0, 101.0)
    svg = picture([BASELINE, KEPT, experiment(2, Status.DISCARD, 1e9)])
    assert "off the scale" in svg


@pytest.mark.parametrize("value", [0.6, 0.98, 3.0, 123456.789, 1e-300, 1.7e308, -1.7e308])
@pytest.mark.parametrize("up", [-math.inf, math.inf])
def test_a_gain_in_the_last_digit_is_drawn_and_so_is_the_largest_number(
    value: float, up: float
) -> None:
    rows = [experiment(0, Status.BASELINE, value), experiment(1, Status.DISCARD, 0.0)]
    near = math.nextafter(value, up)
    for each in ([rows[0]], rows):
        ElementTree.fromstring(picture([*each, experiment(2, Status.KEEP, near)]))
        ElementTree.fromstring(picture([*each, experiment(2, Status.KEEP, near / 2)]))


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12))
def test_ticks_are_inside_the_range_few_and_told_apart(low: float, span: float) -> None:
    high = low + span
    if high - low < abs(low) * 1e-7:
        return
    values = ticks(low, high, 7)
    assert 1 <= len(values) <= 9
    assert all(low - span * 1e-6 <= value <= high + span * 1e-6 for value in values)
    if span > abs(low) * 1e-4:
        assert len(set(tick_labels(values))) == len(values)


def centre_line(label: Label, slope: int) -> list[tuple[float, float]]:
    """Points 4 pixels apart under the label's letters."""
    side = -1 if label.ends_at_point else 1
    angle = math.radians(slope)
    reach = range(9, 9 + 6 * len(label.text), 4)
    return [
        (label.x + side * r * math.cos(angle), label.y + side * r * math.sin(angle)) for r in reach
    ]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.sampled_from([-35, 35]))
def test_labels_stay_in_the_frame_and_apart(steps: list[int], slope: int) -> None:
    frame = Frame(left=80, top=90, right=1170, bottom=580)
    anchors = [
        Anchor(x=90 + 17 * i, y=250 + sum(steps[:i]) % 300, text="a few words", importance=step)
        for i, step in enumerate(steps)
    ]
    labels = place(anchors, [], frame, slope)
    assert labels, "there is room for one"
    lines = [centre_line(label, slope) for label in labels]
    assert all(80 <= x <= 1170 and 90 <= y <= 580 for line in lines for x, y in line)
    for first, second in itertools.combinations(lines, 2):
        assert min(math.dist(a, b) for a in first[::4] for b in second) > 8


def test_a_machine_that_becomes_slower_moves_no_point() -> None:
    """Each was measured beside the incumbent: 10 % slower than it, then 10 % faster."""
    rows = journal(100.0, 110.0, kept=(90.0,))
    slower = [
        rows[0],
        replace(rows[1], metric=165.0, delta=15.0),
        replace(rows[2], metric=180.0, delta=-20.0),
    ]
    steady = [rows[0], replace(rows[1], delta=10.0), replace(rows[2], delta=-10.0)]
    assert heights(slower) == heights(steady)
    assert "165" in picture(slower)  # what was measured can be read


def test_a_failed_guard_has_a_mark_of_its_own() -> None:
    rows = journal(100.0, 80.0, 110.0)
    rows[1] = replace(rows[1], guard="fail")
    svg = picture(rows)
    assert svg.count('<circle class="guarded"') == 2  # itself, and the legend's
    assert "guard failed" in svg
    assert "guard failed" not in picture(journal(100.0, 80.0))


def test_no_time_below_zero_is_on_the_axis() -> None:
    svg = picture(journal(94.2, kept=(0.0129,)))
    assert ">-" not in svg
    assert ">-" in picture(journal(1.0, kept=(-50.0,)))


def test_a_run_without_a_goal_is_titled_with_its_metric() -> None:
    svg = progress_svg(journal(1.0), direction=MINIMIZE, metric_name="p95_ms", title="")
    assert 'class="title" x="28" y="38">p95_ms<' in svg


def test_what_earlier_nights_tried_is_counted_though_only_what_they_kept_is_drawn() -> None:
    night, rows = journal(10.0, kept=(9.0,))[1:], journal(9.0, 9.5, kept=(8.0,))
    svg = progress_svg(
        rows, direction=MINIMIZE, metric_name="cost", title="", earlier=night, tried_earlier=7
    )
    assert "9 tried, 2 kept" in svg


def test_the_percentage_on_the_picture_is_the_headlines() -> None:
    """That is of paired runs: the medians may be apart by another one."""
    found = confirmed(base=10.0, head=8.0, gain=0.213, ci_low=0.2, ci_high=0.22)
    svg = progress_svg(
        journal(10.0, kept=(8.1,)),
        direction=MINIMIZE,
        metric_name="m",
        title="",
        confirmation=found,
    )
    assert "m 10 → 8 (-21.3 %)" in svg
