"""What was there before is nobody's news, and a check that is gone is."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.investigation.finding import Evidence
from autoresearch_ci.decide.security.model_layer import rests_on_change

KEPT = {"a.py": {1: 1, 2: 2, 4: 3, 5: 6}}
"""Line 3 is new; between 4 and 5 two lines were taken out."""


@pytest.mark.parametrize(
    ("path", "line", "text", "new"),
    [
        *(("a.py", 1, "one", False), ("a.py", 1, "one\ntwo", False), ("a.py", 3, "three", True)),
        *(("a.py", 2, "two\nthree\nfour", True), ("a.py", 4, "four", False)),
        *(("a.py", 5, "five", False), ("a.py", 4, "four\nfive", True)),
        *(("other.py", 3, "three", False), ("a.py", 9, "appended", True)),
    ],
)
def test_a_quote_rests_on_a_change_by_what_it_covers(
    path: str, line: int, text: str, new: bool
) -> None:
    assert rests_on_change([Evidence(kind="quote", path=path, line=line, text=text)], KEPT) is new


def test_one_quote_of_a_way_is_enough() -> None:
    way = [Evidence(kind="quote", path="old.py", line=7, text="run(x)")]
    assert not rests_on_change(way, KEPT)
    assert rests_on_change([*way, Evidence(kind="quote", path="a.py", line=3, text="x")], KEPT)
