"""The values a constant may take: sensible around the present one, else exactly as annotated."""

from __future__ import annotations

import pytest

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.propose.search.constant_finder import find_constants
from autoresearch_ci.propose.search.constants import Constant
from autoresearch_ci.propose.search.tune_comments import Kind


def only(text: str) -> Constant:
    (constant,) = find_constants("a.py", text.encode())
    return constant


@pytest.mark.parametrize(
    ("literal", "low", "high", "log"),
    [
        ("0.04", 0.01, 0.16, True),
        ("3.0", 0.75, 12.0, True),
        ("0.4", 0.1, 1.0, True),  # not above 1
        ("0.95", 0.8, 0.9875, False),  # a fraction near 1 moves by its distance to 1
        ("0.0", 0.0, 0.1, False),
        ("-2.0", -8.0, -0.5, False),
        ("8", 2, 32, True),
        ("1", 1, 4, True),
        ("-2", -8, -1, False),
        ("2**19", 2**17, 2**21, True),
        ("2 ** 1", 1, 8, True),
    ],
)
def test_default_ranges(literal: str, low: float, high: float, log: bool) -> None:
    constant = only(f"A = {literal}\n")

    assert (constant.low, constant.high, constant.log) == (low, high, log)


def test_a_plain_size_stays_a_power_of_two() -> None:
    assert only("A = 128\n").choices == (32, 64, 128, 256, 512)
    assert only("A = 8\n").choices == ()
    assert only("A = 128  # tune: 1..512\n").choices == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A = 1.0  # tune: 1e-4..1 log", (Kind.FLOAT, 1e-4, 1, True, ())),
        ("A = 4 # tune: -8 .. 8", (Kind.INT, -8, 8, False, ())),
        ("A = 0  # tune: 0..0.5", (Kind.FLOAT, 0, 0.5, False, ())),  # `0` was meant as a float
        ("A = 2**4  # tune: 10..2**7", (Kind.POWER, 16, 128, True, ())),
        ("A = 4  # tune: [2, 4, 8]", (Kind.INT, None, None, False, (2, 4, 8))),
        ("A = 1.0  # tune: [1, 2.5]", (Kind.FLOAT, None, None, False, (1.0, 2.5))),
        ("A = 'sgd'  # tune: [\"sgd\", adam]", (Kind.STRING, None, None, False, ("sgd", "adam"))),
        ("A = True  # tune: [true, False]", (Kind.BOOL, None, None, False, (True, False))),
    ],
)
def test_annotations_set_the_space(line: str, expected: tuple[object, ...]) -> None:
    c = only(f"{line}\n")

    assert (c.kind, c.low, c.high, c.log, c.choices) == expected


def test_choices_that_the_literals_style_cannot_hold_are_refused() -> None:
    for line in ("A = 'x' # tune: [x, \"it's\"]", "a: x # tune: [x, 'two words']"):
        with pytest.raises(ProposerError, match="No literal before the comment fits"):
            find_constants("a.yaml", line.encode())
