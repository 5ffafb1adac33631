from __future__ import annotations

import math
import random
from statistics import NormalDist, fmean, stdev

import pytest

from autoresearch_ci.decide.metric import noise
from autoresearch_ci.decide.metric.noise import (
    Comparison,
    ComparisonResult,
    compare,
    confirm_interval,
)
from autoresearch_ci.experiment import Direction

MINIMIZE, MAXIMIZE = Direction.MINIMIZE, Direction.MAXIMIZE


@pytest.mark.parametrize("before", [-3.0, 0.0, 1e-9, 5.0])
@pytest.mark.parametrize("after", [-3.0, 0.0, 2.0, 1e9])
def test_swapping_the_sides_flips_the_sign_of_a_difference(before: float, after: float) -> None:
    forth = noise.difference(MINIMIZE, before, after)
    assert forth == -noise.difference(MINIMIZE, after, before)
    assert forth == -noise.difference(MAXIMIZE, before, after)
    assert abs(forth) <= 2


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(1.0, 0.5, 0.5), (2.0, 1.9, 0.05), (-10.0, -11.0, 0.1), (0.0, -3.0, 1.0), (0.0, 0.0, 0.0)],
)
def test_a_gain_is_relative_to_the_value_before(
    before: float, after: float, expected: float
) -> None:
    relative = noise.difference(MINIMIZE, before, after)
    assert noise.gain(relative, before, after) == pytest.approx(expected)


def test_scale_is_the_standard_deviation_of_normal_values() -> None:
    rng = random.Random(1)
    assert noise.scale([rng.gauss(0, 3) for _ in range(5000)]) == pytest.approx(3, rel=0.05)


def test_scale_hardly_moves_when_one_value_in_ten_is_wild() -> None:
    rng = random.Random(1)
    values = [rng.gauss(0, 1) * (1000 if k % 10 == 0 else 1) for k in range(500)]
    assert noise.scale(values) < 2


def test_scale_of_a_coarse_metric_is_not_zero() -> None:
    assert noise.scale([0.0, 0.0, 0.0, 1.0]) > 0
    assert noise.scale([0.0, 0.0]) == noise.scale([]) == 0


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_the_scale_of_what_is_near_does_not_grow_with_what_is_far(share: float) -> None:
    rng = random.Random(3)
    values = [rng.gauss(0, 2) + (rng.random() < share) * 50 for _ in range(400)]
    assert noise.scale(values, noise.FAR) == pytest.approx(2, rel=0.25)
    assert noise.scale(values) > 2.5


@pytest.mark.parametrize("size", range(1, 9))
def test_a_scale_without_what_is_far_is_never_one_of_a_few(size: int) -> None:
    """However the sizes are spread: at least half of them count."""
    values = [7.0**k for k in range(size)]
    unit = noise.scale(values, noise.FAR)
    assert 2 * sum(value <= noise.FAR * unit for value in values) >= size
    assert noise.scale([0.0, *values[: size - 1]], noise.FAR) > 0 or size == 1


@pytest.mark.parametrize("near", [0.0, 5e-324, 1e-170])
def test_a_scale_is_that_of_all_where_all_that_is_not_0_is_far(near: float) -> None:
    """As of a counter: half of the steps lead nowhere, and the median lies just beside them."""
    values = [*[near] * 6, 0.4, *[2.0] * 5]
    assert noise.scale(values, noise.FAR) == pytest.approx(noise.scale(values))


QUANTILES = {
    0.6: (0.288675, 0.276671, 0.270722, 0.263167, 0.255605, 0.253572),
    0.9: (1.885618, 1.637744, 1.533206, 1.414924, 1.310415, 1.284380),
    0.975: (4.302653, 3.182446, 2.776445, 2.364624, 2.042272, 1.967903),
    0.995: (9.924843, 5.840909, 4.604095, 3.499483, 2.749996, 2.592316),
}
"""Of Student's t with 2, 3, 4, 7, 30 and 300 degrees of freedom: `scipy.stats.t.ppf`, 1.17.1."""


@pytest.mark.parametrize("column", range(6))
@pytest.mark.parametrize("p", QUANTILES)
def test_student_quantiles_agree_with_scipy(p: float, column: int) -> None:
    dof, theirs = (2, 3, 4, 7, 30, 300)[column], QUANTILES[p][column]
    ours = noise.student_quantile(p, dof)
    assert 0.99 * theirs < ours < (1.15 if dof == 2 else 1.04) * theirs
    score = noise.normal_score(noise.student_quantile(p, dof), dof)
    assert score == pytest.approx(NormalDist().inv_cdf(p))


@pytest.mark.parametrize(("alpha", "looks"), [(0.1, 5), (0.02, 7)])
def test_a_walk_without_drift_seldom_reaches_the_boundary(alpha: float, looks: int) -> None:
    rng, bound, runs = random.Random(2), noise.boundary(alpha, looks), 4000
    reached = 0
    for _ in range(runs):
        place, highest = 0.0, -math.inf
        for _ in range(looks):
            place += rng.gauss(0, 1)
            highest = max(highest, place)
        reached += highest >= bound
    assert 0.7 * alpha < reached / runs < alpha + 3 * math.sqrt(alpha / runs)


def test_confirmation_of_exact_values_is_exact() -> None:
    estimate, low, high = confirm_interval([2.0] * 5, [1.9] * 5, MINIMIZE)
    assert estimate == low == high == pytest.approx(0.05)


def test_confirmation_covers_the_truth_nineteen_times_out_of_twenty() -> None:
    rng, covered, runs = random.Random(3), 0, 600
    for _ in range(runs):
        level = rng.gauss(1, 0.1)  # the machine's, the same for both
        base = [level * rng.gauss(1, 0.02) for _ in range(5)]
        head = [level * 0.9 * rng.gauss(1, 0.02) for _ in range(5)]
        _, low, high = confirm_interval(base, head, MINIMIZE)
        covered += low <= 0.1 <= high
    assert 0.92 < covered / runs < 0.985


@pytest.mark.parametrize(
    ("direction", "factor"), [(MINIMIZE, 1 / 13141), (MINIMIZE, 3.0), (MAXIMIZE, 5.0)]
)
@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_confirmation_covers_gains_and_losses_of_any_size(
    direction: Direction, factor: float, spread: float
) -> None:
    rng, covered, runs = random.Random(4), 0, 600
    for _ in range(runs):
        levels = [math.exp(rng.gauss(0, 0.1)) for _ in range(5)]  # a machine that drifts
        base = [level * math.exp(rng.gauss(0, spread)) for level in levels]
        head = [level * factor * math.exp(rng.gauss(0, spread)) for level in levels]
        _, low, high = confirm_interval(base, head, direction)
        covered += low <= direction.gain(1.0, factor) <= high
    assert 0.92 < covered / runs < 0.985


@pytest.mark.parametrize(
    ("direction", "sign", "base", "head"),
    [
        (MINIMIZE, 1, [13141.0, 11000.0, 14500.0, 9000.0, 13141.0], [1.0, 1.0, 2.0, 1.0, 1.0]),
        (MINIMIZE, 1, [94.1965, 80.18, 78.1, 101.0, 80.0], [0.0129, 0.0128, 0.02, 0.01, 0.0129]),
        (MINIMIZE, 1, [5.0, 6.0, 5.0, 4.0, 9.0], [0.0] * 5),
        (MAXIMIZE, -1, [13141.0, 11000.0, 14500.0, 9000.0, 13141.0], [1.0, 1.0, 2.0, 1.0, 1.0]),
        (MAXIMIZE, -1, [0.0] * 5, [5.0, 6.0, 5.0, 4.0, 9.0]),
    ],
)
def test_nothing_shrinks_by_more_than_all_of_it(
    direction: Direction, sign: int, base: list[float], head: list[float]
) -> None:
    found = confirm_interval([sign * b for b in base], [sign * h for h in head], direction)
    answer = compare([sign * b for b in base], [sign * h for h in head], direction, pairs_max=5)
    assert answer is not None
    assert (answer.gain, answer.low, answer.high) == found
    if found[0] > 0:
        assert 0 < found[1] <= found[0] <= found[2] <= 1
    else:
        assert -1 <= found[1] <= found[0] <= found[2] < 0


def test_a_gain_is_the_same_whichever_way_it_is_looked_at() -> None:
    base, head = [10.0, 11.0, 9.5], [8.0, 8.5, 8.1]
    gains = confirm_interval(base, head, MINIMIZE)
    mirrored = confirm_interval([-b for b in base], [-h for h in head], MAXIMIZE)
    assert mirrored == pytest.approx(gains)
    back = confirm_interval(head, base, MAXIMIZE)[0]  # what 20 % took away, 25 % brings back
    assert (1 - gains[0]) * (1 + back) == pytest.approx(1)


def test_values_of_mixed_sign_are_compared_by_their_differences() -> None:
    rng, covered, runs = random.Random(5), 0, 600
    for _ in range(runs):
        base, head = ([rng.gauss(mean, 1) for _ in range(5)] for mean in (0.0, 9.0))
        _, low, high = confirm_interval(base, [*head[:4], -abs(head[4])], MAXIMIZE)
        assert math.isfinite(low)
        assert math.isfinite(high)
        _, low, _ = confirm_interval(base, [rng.gauss(0, 1) for _ in base], MAXIMIZE)
        covered += low <= 0
    assert covered / runs > 0.95
    assert confirm_interval([-1, 0, 1], [0, 1, -1], MAXIMIZE)[1] < 0, "its width is its spread's"


@pytest.mark.parametrize("value", [1e-300, 0.6, 1e300])
def test_an_interval_is_defined_for_the_smallest_and_the_largest_numbers(value: float) -> None:
    assert confirm_interval([math.nextafter(value, 2 * value)] * 2, [value] * 2, MINIMIZE)[1] > 0
    low, high = confirm_interval([value, 1 / value], [1 / value, value], MINIMIZE)[1:]
    assert low < 0 < high <= 1


def test_confirmation_survives_one_run_that_took_ten_times_as_long() -> None:
    base, head = [1.0, 1.01, 0.99, 1.0, 10.0], [0.95, 0.96, 0.94, 0.95, 0.95]
    assert confirm_interval(base, head, MINIMIZE)[0] == pytest.approx(0.05, abs=0.03)


def test_one_pair_has_no_interval() -> None:
    assert confirm_interval([2.0], [1.0], MINIMIZE) == (0.5, -math.inf, 1.0)
    assert confirm_interval([2.0], [1.0], MAXIMIZE) == (-0.5, -1.0, math.inf)


def test_a_confirmation_around_zero_is_finite() -> None:
    for base, head in ([[0.0] * 3, [0.0] * 3], [[0.0] * 3, [1.0] * 3], [[-1, 0, 1], [0, 1, -1]]):
        assert all(map(math.isfinite, confirm_interval(base, head, MAXIMIZE)))


def sequence(seed: int, worse: float) -> tuple[Comparison, int]:
    rng, base, head = random.Random(seed), [], []
    while True:
        base.append(rng.gauss(100, 1))
        head.append(rng.gauss(100 * (1 + worse), 1))
        answer = compare(base, head, MINIMIZE)
        if answer is not None:
            return answer, len(base)


def test_equal_commits_are_rarely_called_different() -> None:
    answers = [sequence(seed, 0.0) for seed in range(200)]
    assert sum(a.verdict is not ComparisonResult.NO_DIFFERENCE for a, _ in answers) <= 18


@pytest.mark.parametrize(("worse", "verdict"), [(0.1, "regressed"), (-0.1, "improved")])
def test_a_large_difference_is_found_before_the_last_pair(worse: float, verdict: str) -> None:
    answers = [sequence(seed, worse) for seed in range(20)]
    assert all(answer.verdict == verdict for answer, _ in answers)
    assert fmean(pairs for _, pairs in answers) < 8
    assert stdev(answer.gain for answer, _ in answers) < 0.02


@pytest.mark.parametrize(("base", "pairs"), [(3.0, 3), (3.14159, 2)])
def test_exact_values_are_compared_with_two_pairs_and_short_ones_with_three(
    base: float, pairs: int
) -> None:
    assert compare([base] * (pairs - 1), [base] * (pairs - 1), MINIMIZE) is None
    same, worse = (compare([base] * pairs, [head] * pairs, MINIMIZE) for head in (base, base * 1.1))
    assert same is not None
    assert same.verdict is ComparisonResult.NO_DIFFERENCE
    assert worse is not None
    assert (worse.verdict, worse.gain) == (ComparisonResult.REGRESSED, pytest.approx(-0.1))
