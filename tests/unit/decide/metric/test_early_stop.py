from __future__ import annotations

import math
import random
import re

from autoresearch_ci.decide.metric.early_stop import Curve, Progress, behind, extend
from autoresearch_ci.experiment import Direction

MINIMIZE = Direction.MINIMIZE


def loss(seed: int, shift: float = 0.0, rate: float = 4.0, noise: float = 0.02) -> list[Progress]:
    """A falling training loss: 100 points, from 4 to about 2."""
    rng = random.Random(seed)
    return [
        (k / 100, 2 + shift + 2 * math.exp(-rate * k / 100) + rng.gauss(0, noise))
        for k in range(1, 101)
    ]


def stopped_at(candidate: list[Progress], incumbent: list[Progress]) -> float | None:
    """The progress at which the rule, asked after every point, would have killed it."""
    curve = Curve(points=tuple(incumbent))
    for k in range(1, len(candidate) + 1):
        if behind(curve, candidate[:k], MINIMIZE):
            return candidate[k - 1][0]
    return None


def test_a_run_that_diverges_is_stopped_before_half_time() -> None:
    at = stopped_at(loss(1, shift=3.0), loss(2))
    assert at is not None
    assert at < 0.5


def test_nothing_is_stopped_in_the_first_third() -> None:
    at = stopped_at(loss(1, shift=50.0), loss(2))
    assert at is not None
    assert at >= 1 / 3


def test_the_same_code_is_never_stopped() -> None:
    assert not any(stopped_at(loss(seed), loss(seed + 1000)) for seed in range(30))


def test_a_slow_starter_that_wins_is_not_stopped() -> None:
    late = [
        (p, 1.9 + 2 * math.exp(-2 * p / max(0.05, 1 - p)) + 0.2 * (p < 0.5)) for p, _ in loss(0)
    ]
    assert late[-1][1] < loss(0)[-1][1]
    assert stopped_at(late, loss(3)) is None


def test_one_spike_stops_nothing() -> None:
    spiky = loss(1)
    spiky[60] = (spiky[60][0], 100.0)
    curve = Curve(points=tuple(loss(2)))
    assert not behind(curve, spiky[:61], MINIMIZE)


def test_a_score_that_should_rise_is_judged_upside_down() -> None:
    def negated(points: list[Progress]) -> list[Progress]:
        return [(progress, -value) for progress, value in points]

    curve = Curve(points=tuple(negated(loss(2))))
    assert behind(curve, negated(loss(1, shift=3.0))[:60], Direction.MAXIMIZE)
    assert not behind(curve, negated(loss(1, shift=-3.0))[:60], Direction.MAXIMIZE)


def test_too_few_points_decide_nothing() -> None:
    short = tuple(loss(1)[::12])
    assert not behind(Curve(points=short), loss(1, shift=9.0), MINIMIZE)
    assert not behind(Curve(points=tuple(loss(1))), loss(1, shift=9.0)[40:49], MINIMIZE)
    assert not behind(Curve(points=()), [], MINIMIZE)


def points_in(text: str, pattern: re.Pattern[str]) -> list[Progress]:
    points: list[Progress] = []
    assert extend(points, text, pattern) == bool(points)
    return points


def test_points_are_read_from_named_or_numbered_groups() -> None:
    text = "start\nprogress=0.1 loss=3.5\nnoise\nprogress=0.2 loss=3.25\n"
    numbered = re.compile(r"progress=(\S+) loss=(\S+)")
    named = re.compile(r"loss=(?P<value>\S+)|(?P<progress>x)")
    assert points_in(text, numbered) == [(0.1, 3.5), (0.2, 3.25)]
    assert points_in(text, named) == []
    swapped = re.compile(r"(?P<value>\S+)@(?P<progress>\S+)")
    assert points_in("3.5@0.1", swapped) == [(0.1, 3.5)]


def test_lines_without_two_finite_numbers_are_skipped() -> None:
    text = "p=0.1 l=nan\np=0.2 l=inf\np=x l=1\np=0.3 l=2"
    assert points_in(text, re.compile(r"p=(\S+) l=(\S+)")) == [(0.3, 2.0)]


def test_only_the_last_training_counts_when_progress_falls() -> None:
    text = "p=0.1 l=5\np=0.9 l=4\np=0.1 l=3\np=0.1 l=2\np=0.2 l=1"
    assert points_in(text, re.compile(r"p=(\S+) l=(\S+)")) == [(0.1, 2.0), (0.2, 1.0)]
