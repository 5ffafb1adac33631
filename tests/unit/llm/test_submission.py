"""What a model hands in: a guess that cannot be read loses nothing but itself."""

from __future__ import annotations

import pytest

from autoresearch_ci.llm.tools import submission


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (2, 2.0),
        (-0.5, -0.5),
        ("3 %", 3.0),
        ("much", None),
        (None, None),
        ("nan", None),
        (1e9, None),
    ],
)
def test_a_guess_is_a_number_or_none(said: object, understood: float | None) -> None:
    found = submission({"description": "d", "hypothesis": "h", "expected": said})
    assert found.expected == understood
    assert submission({"description": "d", "hypothesis": "h"}).expected is None
