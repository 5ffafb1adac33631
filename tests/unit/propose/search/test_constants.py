"""Constants rewritten and followed: a literal changes, and nothing else of the file moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.propose.search.constant_finder import find_constants
from autoresearch_ci.propose.search.constants import Constant, follow, rewrite, rounded

PYTHON = b"""\
LR = 0.04
STEPS: int = 3_000
BATCH = 2**19
FUSED = True
BETAS = (0.8, [-0.95, 7])
OPTIONS = {"lr": 1e-4, "deep": {1: False}}
OPT = 'sgd'  # tune: [sgd, adam]
"""


def only(text: str | bytes, path: str = "a.py") -> Constant:
    data = text.encode() if isinstance(text, str) else text
    (constant,) = find_constants(path, data)
    return constant


def test_rounding_keeps_four_significant_digits() -> None:
    assert rounded(only("A = 0.04\n"), 0.05678912) == 0.05679
    assert rounded(only("A = 9000\n"), 12345) == 12340
    assert rounded(only("A = 1.0  # tune: [1.23456, 2]\n"), 1.23456) == 1.23456


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfLR = 0.04\r\nB = 3",
        b"\xef\xbb\xbfLR = 0.04  # tune: 0..1\nB = 3",
        "É = 'é'  # ü\nLR = 0.04; B = 3\n".encode(),
        b"# -*- coding: latin-1 -*-\nS = 'caf\xe9'; LR = 0.04\nB = 3",
        b"S = '\xff\xfe'; LR = 0.04\rB = 3\r",
        b"\x0cLR = 0.04\n\x0c\nB = 3\n",
    ],
    ids=["bom-crlf", "bom-note", "utf8", "latin1", "invalid-utf8-lone-cr", "form-feed"],
)
def test_bytes_outside_the_literal_are_identical(data: bytes) -> None:
    constants = {constant.name: constant for constant in find_constants("a.py", data)}

    new = rewrite(data, {constants["LR"]: 0.125, constants["B"]: 12})

    assert new == data.replace(b"0.04", b"0.125").replace(b"B = 3", b"B = 12")


def test_non_ascii_choices_are_written_in_the_files_own_bytes() -> None:
    data = "A = 'é'  # tune: ['é', 'ü']\n".encode()
    constant = only(data)

    assert rewrite(data, {constant: constant.choices[1]}).startswith("A = 'ü'".encode())


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_surrounds_an_annotated_line_survives(before: bytes, after: bytes) -> None:
    line = b"x: 0.5  # tune: 0..1\n"
    before, after = (part.replace(b"\0", b"").replace(b"tune", b"") for part in (before, after))
    constant = only(before + b"\n" + line + after, "a.yaml")

    new = rewrite(before + b"\n" + line + after, {constant: 0.75})

    assert new == before + b"\n" + line.replace(b"0.5", b"0.75") + after


def test_following_gives_what_finding_would_unless_more_than_literals_changed() -> None:
    data = PYTHON
    constants = find_constants("a.py", data)
    by_name = {constant.name: constant for constant in constants}
    changed = rewrite(data, {by_name["LR"]: 0.0625, by_name["BATCH"]: 2**5, by_name["OPT"]: "adam"})

    followed = follow(constants, data, changed)

    assert followed is not None
    places = [(c.name, c.value, c.literal, c.start, c.end) for c in followed]
    assert places == [
        (c.name, c.value, c.literal, c.start, c.end) for c in find_constants("a.py", changed)
    ]
    assert follow(constants, data, changed + b"#") is None
    assert follow(constants, data, data.replace(b"0.04", b"rate")) is None
    assert follow(constants, data, data.replace(b"2**19", b"524288")) is None
    assert follow(constants, data, data.replace(b"BATCH", b"SIZE")) is None
