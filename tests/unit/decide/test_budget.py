"""May another experiment start? Each limit alone, and what counts as being stuck."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoresearch_ci.decide.budget import (
    Limits,
    Pace,
    runs_to_keep,
    seconds_to_confirm,
    since_last_keep,
    stop_reason,
    stuck_level,
)
from autoresearch_ci.decide.metric import taken_back
from autoresearch_ci.decide.metric.run_statistics import Policy, RunStatistics
from autoresearch_ci.experiment import Direction, Experiment, Status
from tests import journal_rows


def rows(statuses: str, best: float = 5.0) -> list[Experiment]:
    """A baseline and one row per letter: `k` keep, `d` discard, `c` crash."""
    words = {"k": Status.KEEP, "d": Status.DISCARD, "c": Status.CRASH}
    every = [Status.BASELINE, *(words[letter] for letter in statuses)]
    return [
        journal_rows.row(
            number,
            timestamp="",
            commit="",
            metric=None,
            delta=None,
            status=status,
            description="",
            best=best,
            proposer="-",
            reason="",
        )
        for number, status in enumerate(every)
    ]


def test_what_takes_a_change_back_is_no_iteration() -> None:
    """It was nobody's idea."""
    tried = rows("kd")
    again = replace(
        rows("kdd")[3], proposer=taken_back.PROPOSER, reason="without 0123456789ab: worse: -1 %"
    )
    limits = Limits(iterations=3, plateau=2)
    assert stop_reason(limits, [*tried, again], 0, Direction.MINIMIZE) is None
    assert stop_reason(Limits(iterations=2), [*tried, again], 0, Direction.MINIMIZE)


@pytest.mark.parametrize(
    ("limits", "statuses", "elapsed", "word"),
    [
        (Limits(iterations=2), "d", 0, None),
        (Limits(iterations=2), "dd", 0, "all 2 iterations"),
        (Limits(iterations=0), "", 0, "all 0 iterations"),
        (Limits(iterations=9, seconds=60), "d", 59.9, None),
        (Limits(iterations=9, seconds=60), "d", 60, "time budget of 1 min"),
        (Limits(iterations=9, plateau=2), "kd", 0, None),
        (Limits(iterations=9, plateau=2), "kdc", 0, "plateau"),
        (Limits(iterations=9, target=4.9), "k", 0, None),
        (Limits(iterations=9, target=5.0), "k", 0, "target 5 reached"),
        (Limits(iterations=9, target=5.0), "", 0, "target 5 reached"),
    ],
)
def test_a_limit_says_why_nothing_more_starts(
    limits: Limits, statuses: str, elapsed: float, word: str | None
) -> None:
    reason = stop_reason(limits, rows(statuses), elapsed, Direction.MINIMIZE)
    assert (reason is None) if word is None else (reason is not None and word in reason)


def test_a_target_is_reached_from_the_right_side() -> None:
    limits = Limits(iterations=9, target=6.0)
    assert stop_reason(limits, rows("k"), 0, Direction.MAXIMIZE) is None
    assert stop_reason(limits, rows("k", best=6.5), 0, Direction.MAXIMIZE)


@pytest.mark.parametrize(
    ("metric", "delta", "reached"), [(76.0, -4.0, False), (110.0, -12, False), (90.0, -10.0, True)]
)
def test_a_target_is_reached_by_gains_and_not_by_the_machine(
    metric: float, delta: float, reached: bool
) -> None:
    """20 % faster after the baseline: the keep's own ratio says 95; or slower: it says 90.2, which
    may be luck."""
    base, kept = rows("k")
    base = replace(base, metric=100.0, best=100.0)
    kept = replace(kept, metric=metric, delta=delta, best=metric)
    limits = Limits(iterations=9, target=91.0)
    assert bool(stop_reason(limits, [base, kept], 0, Direction.MINIMIZE)) is reached


def test_a_run_without_a_baseline_is_never_over() -> None:
    assert stop_reason(Limits(iterations=0), [], 1e9, Direction.MINIMIZE) is None


def test_five_failures_in_a_row_raise_the_stuck_level() -> None:
    assert [stuck_level(rows("k" + "d" * n)) for n in (0, 4, 5, 9, 10)] == [0, 0, 1, 1, 2]
    assert since_last_keep(rows("dddcdk")) == 0


@pytest.mark.parametrize(
    ("elapsed", "needed", "why"),
    [
        (59.0, (0.0, 0.0), ""),
        (20.0, (20.0, 19.0), ""),
        (20.0, (20.0, 20.0), "40 s are left, an experiment takes 20 s at least and the confirm"),
        (41.0, (20.0, 0.0), "19 s are left, an experiment takes 20 s at least"),
        (60.0, (20.0, 20.0), "used up"),
    ],
)
def test_an_experiment_begins_only_with_time_to_end_and_confirm_it(
    elapsed: float, needed: tuple[float, float], why: str
) -> None:
    limits = Limits(iterations=9, seconds=60)
    found = stop_reason(limits, rows("d"), elapsed, Direction.MINIMIZE, needed=needed)
    assert found is None if not why else (found or "").startswith("time budget of 1 min")
    assert why in (found or "")


@pytest.mark.parametrize(
    ("seconds", "kept", "pairs", "guards", "kept_back"),
    [
        (None, 1, 5, 9.0, 0.0),
        (60.0, 1, 5, 0.0, 10.0),
        (60.0, 2, 1, 9.0, 2 + 3 * 9.0),
        (60.0, 1, 0, 9.0, 0.0),
        (8.0, 1, 5, 0.0, 4.0),
        (60.0, 1, 5, 900.0, 30.0),
        # Of a first keep, the least.
        (60.0, 0, 5, 9.0, 4 + 9.0),
        (60.0, 0, 1, 9.0, 2 + 9.0),
    ],
)
def test_the_confirmation_is_part_of_the_time_budget(
    seconds: float | None, kept: int, pairs: int, guards: float, kept_back: float
) -> None:
    limits, pace = Limits(iterations=9, seconds=seconds), Pace(metric=1.0, guards=guards)
    assert seconds_to_confirm(limits, pace, pairs, rounds=3, kept=kept) == kept_back


@pytest.mark.parametrize(
    ("session", "policy", "runs"),
    [
        (RunStatistics(deterministic=True, incumbent=(1.25, 1.25)), {}, 3),
        (RunStatistics(deterministic=True, incumbent=(1.234567, 1.234567)), {}, 2),
        (RunStatistics(incumbent=(1.25, 1.5)), {}, 4),
        (RunStatistics(incumbent=(1.25, 1.5)), {"repeats_min": 3}, 6),
        (RunStatistics(incumbent=(1.25, 1.5)), {"repeats_max": 1}, 1),
    ],
)
def test_what_a_keep_takes_at_least_depends_on_the_metric(
    session: RunStatistics, policy: dict[str, int], runs: int
) -> None:
    found = runs_to_keep(session, Policy(direction=Direction.MINIMIZE, **policy))
    assert found == runs
    pace = Pace(metric=10.0, guards=3.0, holdout=4.0)
    assert pace.to_keep(found) == 10.0 * runs + 3.0 + 4.0
    assert (pace.to_confirm(2, 3), pace.to_confirm(0, 3)) == (40.0 + 9.0 + 4.0, 0.0)
