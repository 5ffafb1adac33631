"""Only a plain finite number is one."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.safety.untrusted_values import MetricError, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.98", 0.98),
        ("-3", -3.0),
        ("+1.9", 1.9),
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        (".5", 0.5),  # as bc prints it
        ("5.", 5.0),  # as numpy prints it
        ("007", 7.0),
    ],
)
def test_plain_numbers_are_read(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            ".",
            "-",
            "e5",
            "1e",
            "nan",
            "NaN",
            "inf",
            "-inf",
            "Infinity",
            "1e400",
            "-1e400",
            "1.7976931348623157e308",  # says "infeasible", and half of it is the next one's gain
            "-1e301",
        ),
        *("1,234.5", "1.234,5", "1_000", "0x1F", "1 2", "1\n", " 1", "--1", "1.2.3", "12s", "85%"),
        *("١٢", "１２", "½", "²", "0.\x1b[31m98", "9" * 5000, "1e" + "9" * 400),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MetricError):
        parse_number(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_survives_printing_and_reading(value: float) -> None:
    assert parse_number(repr(value), sys.float_info.max) == value
