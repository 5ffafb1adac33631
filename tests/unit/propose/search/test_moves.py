"""Steps of a constant: short, within its range, in the unit that its range suggests."""

from __future__ import annotations

import pytest

from autoresearch_ci.propose.search.constant_finder import find_constants
from autoresearch_ci.propose.search.constants import Constant
from autoresearch_ci.propose.search.moves import neighbours


def constant(line: str) -> Constant:
    (found,) = find_constants("a.py", f"{line}\n".encode())
    return found


def steps(line: str, radius: float = 1.0) -> list[object]:
    return sorted(neighbours(constant(line), radius), key=str)


@pytest.mark.parametrize(
    ("line", "least", "most"),
    [
        ("LR = 0.04", 0.02, 0.08),
        ("LR = 0.04  # tune: 0.0004..4 log", 0.004, 0.4),
        ("MOMENTUM = 0.9", 0.8, 0.95),
        ("DROPOUT = 0.0  # tune: 0..0.4", 0.0, 0.1),
        ("SHIFT = -2.0", -3.875, -0.125),
        ("DEPTH = 8  # tune: 1..17", 4, 12),
        ("BATCH = 2**10", 2**9, 2**11),
        ("WIDTH = 64", 32, 128),
        ("WIDTH = 64  # tune: [16, 48, 64, 100]", 48, 100),
    ],
)
def test_the_longest_first_step_is_a_quarter_of_the_range(
    line: str, least: float, most: float
) -> None:
    values = [float(value) for value in neighbours(constant(line), 1.0)]
    assert values
    assert min(values) >= least - 1e-3
    assert max(values) <= most + 1e-3
    assert most - max(values) < 0.02 * most or min(values) - least < 0.02 * abs(least)


def test_whole_numbers_move_by_one_at_least() -> None:
    assert steps("DEPTH = 2  # tune: 1..6", radius=0.2) == [1, 3]


def test_switches_and_words_have_no_distance() -> None:
    assert steps("A = True") == [False]
    assert steps('A = "x"  # tune: [x, y, z]', radius=0.2) == ["y", "z"]


@pytest.mark.parametrize(
    "line",
    [
        "LR = 0.0  # tune: 1e-4..1 log",
        "LR = 5.0  # tune: 1e-4..1 log",
        "LR = 0.99  # tune: 0.6..0.9",
        "WIDTH = 7  # tune: [16, 32, 64]",
        "BATCH = 2**3  # tune: 16..64",
        "ONE = 2  # tune: 1..2",
    ],
)
def test_from_outside_its_range_a_constant_steps_into_it(line: str) -> None:
    found = constant(line)
    values = list(neighbours(found, 4.0))
    assert values
    assert all(found.allows(value) for value in values)
