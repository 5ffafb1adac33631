"""What was taken back is known by its row, and by nothing that somebody else words."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from autoresearch_ci.decide.metric.credibility import no_witness
from autoresearch_ci.decide.metric.taken_back import (
    PROPOSER,
    chained,
    named,
    reason,
    standing,
    stands,
    taken_back,
    told,
)
from autoresearch_ci.experiment import HARD_TO_BELIEVE, Experiment, Status
from autoresearch_ci.record.remote_notebooks import PastNotebook, nights_on, sentences
from tests.unit.report.test_summary import experiment


def row(number: int, status: Status = Status.KEEP, **fields: object) -> Experiment:
    return replace(experiment(number, status, 1.0, **fields), commit=f"{number:x}" * 40)


ROWS = [row(0, Status.BASELINE), row(1), row(2), row(3, Status.DISCARD)]


def without(number: int, *gone: Experiment, status: Status = Status.KEEP) -> Experiment:
    return row(number, status, proposer=PROPOSER, reason=reason(gone, "no worse: +0.0 %"))


def test_what_was_taken_back_stands_no_more_and_was_tried() -> None:
    rows = [*ROWS, without(4, ROWS[1])]
    assert taken_back(rows) == (ROWS[1],)
    assert standing(rows) == (ROWS[2],)
    statuses = ["baseline", "discard", "keep", "discard"]
    assert [e.status for e in told(rows)] == statuses
    assert told(rows)[1].reason.startswith("kept at first")


def test_what_could_not_be_taken_back_stands() -> None:
    rows = [*ROWS, without(4, ROWS[1], ROWS[2], status=Status.DISCARD)]
    assert named(rows[-1]) == ("1" * 12, "2" * 12)
    assert standing(rows) == (ROWS[1], ROWS[2])
    assert told(rows) == rows


def test_the_words_of_another_proposer_take_nothing_back() -> None:
    rows = [*ROWS, row(4, proposer="claude", reason=reason(ROWS[1:2], "no worse"))]
    assert taken_back(rows) == ()


def test_a_gain_that_is_hard_to_believe_stays_so_when_another_change_is_taken_back() -> None:
    hard = replace(ROWS[2], doubt=f"{HARD_TO_BELIEVE}a gain of 99 %")
    rows = [ROWS[0], ROWS[1], hard]
    assert no_witness([*rows, without(4, ROWS[1])])
    assert not no_witness([*rows, without(4, hard)])


def test_the_next_night_is_told_what_became_of_it() -> None:
    book = PastNotebook(branch="b", experiments=(*ROWS, without(4, ROWS[1])), ref="r")
    assert sentences([book]) == [
        "change number 1 (kept at first, and taken back since it did nothing - to 1)",
        "change number 2 (keep - to 1)",
        "change number 3 (discard - to 1)",
    ]
    (night,) = nights_on([book], "b")
    assert (night.tried, night.kept, len(night.keeps)) == (3, 1, 3)


def night(*measured: tuple[float, float | None]) -> list[Experiment]:
    """A baseline and what was kept after it: the metric, and its distance to the rival's."""
    statuses = [Status.BASELINE, *[Status.KEEP] * (len(measured) - 1)]
    pairs = enumerate(zip(statuses, measured, strict=True))
    return [replace(row(n, s), metric=m, delta=d) for n, (s, (m, d)) in pairs]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("speed", [0.5, 1.0, 3.0])
def test_what_keeps_amount_to_does_not_depend_on_when_the_machine_measured_them(
    speed: float, sign: int
) -> None:
    fast = [(100.0, None), (99.0, -1.0), (95.04 * speed, -3.96 * speed), (47.52, -47.52)]
    rows = night(*((sign * m, d and sign * d) for m, d in fast))
    assert chained(rows) == pytest.approx(sign * 47.52)
    discarded = replace(ROWS[3], metric=1.0, delta=-98.0)
    assert chained([rows[0], discarded, *rows[1:], discarded]) == chained(rows)


def test_what_keeps_of_an_exact_metric_amount_to_is_the_last_of_them_to_the_last_digit() -> None:
    values = [0.98, 0.97, 0.3, 0.1 + 0.2, 7.0, 0.0, -1.1]
    deltas = [None, *(b - a for a, b in itertools.pairwise(values))]
    for n in range(1, len(values) + 1):
        assert chained(night(*zip(values[:n], deltas[:n], strict=True))) == values[n - 1]


def test_what_stands_is_no_more_than_was_measured_nor_than_the_keeps_gained() -> None:
    lucky = night((100.0, None), (97.5, -3.0), (95.5, -3.0))  # each compared with an unlucky rival
    assert stands(lucky) == 95.5 > chained(lucky)
    faster = night((100.0, None), (49.0, -1.0))
    assert stands(faster) == chained(faster) == 98.0
    assert stands([]) is None


def test_what_keeps_around_zero_amount_to_is_the_sum_of_their_gains() -> None:
    assert chained(night((1.0, None), (-0.5, -2.0), (0.25, -1.0))) == pytest.approx(-2.0)
    assert chained(night((1.0, None), (3.0, None))) == 3.0
    assert chained([]) is None
