"""What is said of a journal follows from its rows, and of too few of them nothing is said."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import pytest

from autoresearch_ci.decide.metric.taken_back import PROPOSER, reason
from autoresearch_ci.decide.trend import Advice, Evaluation, evaluate, forecast, relative
from autoresearch_ci.experiment import Direction, Experiment, HoldoutVerdict, Status
from autoresearch_ci.report.evaluation import checkpoint, forecast_words, rows
from tests import journal_rows

ROW = journal_rows.row(
    0,
    timestamp="",
    commit="",
    metric=100.0,
    description="",
    best=100.0,
    seconds=10.0,
    proposer="search",
    reason="",
)


def journal(
    tried: Sequence[tuple[Status, float | None]], better: Direction = Direction.MINIMIZE
) -> list[Experiment]:
    """Rows after a baseline of 100, each with the metric that is given."""
    rows = [ROW]
    for number, (status, metric) in enumerate(tried, start=1):
        before = rows[-1].best or 0.0
        best = metric if status is Status.KEEP else before
        rows.append(
            dataclasses.replace(
                ROW,
                iteration=number,
                commit=f"{number:040x}",
                status=status,
                metric=metric,
                delta=None if metric is None else metric - before,
                best=best,
            )
        )
    return rows


KEEP, DISCARD, CRASH = Status.KEEP, Status.DISCARD, Status.CRASH


def said(tried: Sequence[tuple[Status, float | None]], **asked: object) -> Evaluation:
    return evaluate(journal(tried), Direction.MINIMIZE, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(("metric", "delta", "told"), [(49.0, -1.0, 98.0), (110.0, -12.0, 90.16)])
def test_a_journal_says_of_what_stands_what_its_run_said(
    metric: float, delta: float, told: float
) -> None:
    """Where the machine became twice as fast, or slower, after the baseline."""
    rows = journal([(KEEP, metric)])
    rows[1] = dataclasses.replace(rows[1], delta=delta)
    found = evaluate(rows, Direction.MINIMIZE, target=91.0)
    assert found.best == pytest.approx(told, abs=0.01)
    assert found.reached is (told < 91)


def test_a_plateau_begins_where_nothing_was_kept_any_more() -> None:
    noise = random.Random(1)
    flat = [(DISCARD, 80 + noise.uniform(-1, 1)) for _ in range(12)]
    found = said([(KEEP, 90.0), (KEEP, 80.0), *flat])
    assert found.plateau == 2
    assert found.advice is Advice.STOP


def test_what_could_not_be_taken_back_is_no_idea_that_failed() -> None:
    rows = journal([(KEEP, 90.0), (DISCARD, 91.0), (KEEP, 80.0), *[(DISCARD, 99.0)] * 7])
    refused = [
        dataclasses.replace(row, proposer=PROPOSER, reason=reason(rows[1:2], "worse"))
        for row in rows[4:]
    ]
    found = evaluate([*rows[:4], *refused], Direction.MINIMIZE)
    counted = dataclasses.replace(found, seconds=0.0)
    assert counted == dataclasses.replace(evaluate(rows[:4], Direction.MINIMIZE), seconds=0.0)
    assert found.seconds == evaluate(rows, Direction.MINIMIZE).seconds
    assert len(evaluate(rows, Direction.MINIMIZE).losses) > len(found.losses)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_checkpoint_follows_every_so_many_ideas_and_is_told_once(after: int) -> None:
    rows = journal([(KEEP, 90.0), (DISCARD, 95.0)])
    refused = dataclasses.replace(rows[2], proposer=PROPOSER, reason=reason(rows[1:2], "worse"))
    said = [checkpoint([*rows, *[refused] * n], Direction.MINIMIZE, 2) for n in range(after + 1)]
    assert said[0].startswith("checkpoint after 2: 100 -> 90")
    assert "1 of 2 kept" in said[0]
    assert said[1:] == [""] * after
    assert checkpoint([rows[0], rows[1], refused], Direction.MINIMIZE, 2) == ""


def test_candidates_that_come_nearer_are_no_plateau() -> None:
    nearer = [(DISCARD, 99.0 - n) for n in range(12)]
    found = said([(KEEP, 80.0), *nearer])
    assert found.plateau is None
    assert found.slope is not None
    assert found.slope.low > 0


def test_a_keep_within_the_window_ends_a_plateau() -> None:
    found = said([*[(DISCARD, 101.0)] * 7, (KEEP, 90.0), *[(DISCARD, 91.0)] * 7])
    assert found.plateau is None
    assert found.idle == 7


def test_the_slope_is_positive_where_the_metric_gets_better_either_way() -> None:
    rows = journal([(KEEP, 100.0 + n) for n in range(1, 9)])
    up = evaluate(rows, Direction.MAXIMIZE).slope
    down = evaluate(rows, Direction.MINIMIZE).slope
    assert up is not None
    assert down is not None
    assert up.per_experiment == pytest.approx(-down.per_experiment)
    assert up.per_experiment > 0


def test_the_interval_of_the_slope_holds_nothing_as_often_as_it_says() -> None:
    noise = random.Random(7)
    told = 0
    for _ in range(400):
        tried = [(DISCARD, 100 + noise.gauss(0, 1)) for _ in range(8)]
        slope = said(tried).slope
        assert slope is not None
        told += not slope.flat
    assert told / 400 < 0.08  # 5 % are promised


def test_too_few_values_have_no_slope_and_no_plateau() -> None:
    found = said([(DISCARD, 101.0), *[(CRASH, None)] * 20])
    assert found.slope is None
    assert found.plateau is None
    assert found.advice is Advice.CHANGE
    assert "failed" in found.why


def test_a_run_that_kept_nothing_yet_is_not_said_to_have() -> None:
    found = said([(Status.DISCARD, 10.0)])
    assert found.advice is Advice.CONTINUE
    assert "nothing was kept yet" in found.why
    assert said([(KEEP, 9.0), (DISCARD, 10.0)]).why == "kept something in the last 2 experiments"


def test_a_crash_has_no_gain_whatever_number_a_foreign_journal_gives_it() -> None:
    found = said([(CRASH, 0.001), (KEEP, 90.0)])
    assert [e.iteration for e in found.wins] == [2]


def test_a_target_is_reached_by_what_stands_and_not_by_what_was_refused() -> None:
    found = said([(DISCARD, 10.0), (KEEP, 60.0)], target=50.0)
    assert found.reached is False
    assert said([(KEEP, 50.0)], target=50.0).reached is True
    assert said([(KEEP, 50.0)]).reached is None


def test_what_is_worse_than_the_baseline_is_a_regression() -> None:
    found = said([(KEEP, 110.0)])  # a foreign journal: we would not keep it
    assert found.regressed
    assert found.advice is Advice.CHANGE
    assert found.anomalies == ("#1 was kept, and is worse than what it was held against",)


def test_a_gain_beyond_every_float_has_no_percentage() -> None:
    assert relative(Direction.MINIMIZE, 1e308, -1e308) is None


def test_many_oddities_are_not_all_printed() -> None:
    found = said([(KEEP, 110.0 + n) for n in range(30)])
    told = dict(rows(found))["look at"].split("\n")
    assert told[0] == f"{len(found.anomalies) - 10} more before"
    assert told[1:] == list(found.anomalies[-10:])


@pytest.mark.parametrize("better", Direction)
def test_what_left_zero_has_no_percentage_and_is_a_win_or_a_regression_all_the_same(
    better: Direction,
) -> None:
    base = dataclasses.replace(ROW, metric=0.0, best=0.0)
    kept = dataclasses.replace(base, iteration=1, status=KEEP, metric=5.0, delta=5.0, best=5.0)
    more = dataclasses.replace(kept, iteration=2, metric=6.0, delta=1.0, best=6.0)
    found = evaluate([base, kept, more], better)
    assert found.gain is None
    assert found.regressed is (better is Direction.MINIMIZE)
    assert [e.iteration for e in found.wins] == ([] if found.regressed else [1, 2])
    lost = dataclasses.replace(kept, status=DISCARD, guard="fail")
    found = evaluate([base, lost], better)
    assert (len(found.losses), found.guarded) == (
        (1, 0) if better is Direction.MINIMIZE else (0, 1)
    )


def test_numbers_of_iterations_that_repeat_hide_no_gain() -> None:
    rows = journal([(KEEP, 90.0), (CRASH, None), (DISCARD, 95.0)])
    rows[2:] = [dataclasses.replace(row, iteration=1) for row in rows[2:]]
    found = evaluate(rows, Direction.MINIMIZE)
    assert [e.metric for e in found.wins] == [90.0]
    assert [e.metric for e in found.losses] == [95.0]


def test_gains_that_a_guard_refuses_are_counted() -> None:
    rows = journal([(DISCARD, 90.0), (DISCARD, 91.0), (DISCARD, 92.0), (DISCARD, 120.0)])
    rows[1] = dataclasses.replace(rows[1], guard="fail")
    rows[2] = dataclasses.replace(rows[2], guard="fail")
    rows[3] = dataclasses.replace(rows[3], holdout=HoldoutVerdict.DENIES)
    rows[4] = dataclasses.replace(rows[4], guard="fail")
    found = evaluate(rows, Direction.MINIMIZE)
    assert (found.guarded, found.guard_failures) == (3, 3)
    assert found.advice is Advice.CHANGE


def test_returns_fade_where_the_second_half_gains_little() -> None:
    early = [(KEEP, 90.0), (KEEP, 80.0), (KEEP, 70.0), (DISCARD, 75.0)]
    late = [(DISCARD, 75.0), (KEEP, 69.9), (DISCARD, 75.0), (DISCARD, 75.0)]
    found = said(early + late)
    assert found.fading is not None
    assert found.fading < 0.1


def test_expectations_are_held_against_what_was_measured() -> None:
    rows = journal([(KEEP, 90.0), (DISCARD, 95.0), (CRASH, None)])
    rows[1:] = [dataclasses.replace(row, expected=0.2) for row in rows[1:]]
    known = evaluate(rows, Direction.MINIMIZE).calibration
    assert known is not None
    assert (known.foreseen, known.right_way) == (2, 1)
    half_of_it, a_loss = 0.5, -5 / 90 / 0.2
    assert known.ratio == pytest.approx((half_of_it + a_loss) / 2)


def test_files_that_are_tried_most_are_named_first() -> None:
    files = {1: ["a.py"], 2: ["b.py", "a.py"], 3: ["a.py"]}
    found = said([(KEEP, 90.0), (DISCARD, 95.0), (DISCARD, 95.0)], files=files)
    assert list(found.hotspots) == ["a.py", "b.py"]
    assert (found.hotspots["a.py"].kept, found.hotspots["a.py"].tried) == (1, 3)


def test_what_a_per_cent_costs_needs_a_gain() -> None:
    rows = [dataclasses.replace(row, cost_usd=1.0) for row in journal([(KEEP, 80.0)])]
    assert evaluate(rows, Direction.MINIMIZE).usd_per_percent == pytest.approx(0.1)
    rows = [dataclasses.replace(row, cost_usd=1.0) for row in journal([(DISCARD, 120.0)])]
    assert evaluate(rows, Direction.MINIMIZE).usd_per_percent is None


def test_a_forecast_is_of_what_was_and_never_certain() -> None:
    tried = journal([(KEEP, 90.0), (DISCARD, 95.0), (DISCARD, 95.0), (DISCARD, 95.0)])
    found = forecast(tried, 10)
    assert found is not None
    assert found.seconds == (100.0, 100.0)
    assert 0.9 < found.chance < 1
    assert "more than 99 % likely" in forecast_words(forecast(tried, 500))
    assert forecast(tried[:3], 10) is None
    none = forecast(journal([(DISCARD, 101.0)] * 30), 5)
    assert none is not None
    assert 0 < none.chance < 0.3


def test_an_empty_journal_says_so() -> None:
    found = evaluate([], Direction.MINIMIZE)
    assert (found.iterations, found.gain, found.plateau) == (0, None, None)
    assert found.why == "nothing was tried yet"
