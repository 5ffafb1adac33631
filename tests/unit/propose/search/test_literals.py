"""A literal is read as a value, and the next value is written in its style."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.propose.search.tune_comments import Kind, TunedValue, is_literal, parse, write


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3_000", Kind.INT, 3000),
        ("-7", Kind.INT, -7),
        (".5", Kind.FLOAT, 0.5),
        ("5.", Kind.FLOAT, 5.0),
        ("2 ** 10", Kind.POWER, 1024),
        ("TRUE", Kind.BOOL, True),
        ("'a b'", Kind.STRING, "a b"),
        ("sgd", Kind.STRING, "sgd"),
    ],
)
def test_a_literal_has_a_kind_and_a_value(text: str, kind: Kind, value: TunedValue) -> None:
    assert parse(text) == (kind, value)


@pytest.mark.parametrize("text", ["?", "0x10", "1e999", "-2**4", "3**2", "1j", "x y", "'it\\'s'"])
def test_whatever_could_not_be_written_back_is_no_literal(text: str) -> None:
    assert not is_literal(text)
    with pytest.raises(ValueError, match=re.escape(text)):
        parse(text)


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ("3_000", 12000, "12_000"),
        ("2 ** 10", 2**12, "2 ** 12"),
        ("0.04", 0.00005, "0.00005"),
        ("0.04", 5.0, "5.0"),
        ("-0.5", 1.0, "1.0"),
        ("1e-4", 0.00032, "3.2e-4"),
        ("1e-4", 0.0003, "3e-4"),
        ("1.0e-4", 0.0003, "3.0e-4"),  # PyYAML reads 3e-4 as a string
        ("1E-4", 20000.0, "2E+4"),
        ("1e-4", 0.05, "0.05"),
        ("1e6", 2500000.0, "2.5e6"),
        ("1e-4", -0.0003, "-3e-4"),
        ("True", False, "False"),
        ("true", False, "false"),
        ("TRUE", False, "FALSE"),
        ("'x'", "y", "'y'"),
        ('"x"', "y", '"y"'),
        ("x", "y", "y"),
    ],
)
def test_the_style_of_a_literal_is_kept(old: str, value: TunedValue, new: str) -> None:
    kind, _ = parse(old)

    assert write(value, kind, old) == new
    assert parse(new) == (kind, value)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["0.5", "1e-4", "1.0E+9"]))
def test_any_float_is_read_back_as_it_was_written(value: float, style: str) -> None:
    assert parse(write(value, Kind.FLOAT, style)) == (Kind.FLOAT, value)
