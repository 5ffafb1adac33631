"""When an investigation ends, and where it looks next."""

from __future__ import annotations

from typing import Any

from autoresearch_ci.decide.investigation.saturation import (
    InvestigationLimits,
    Visit,
    coverage,
    crossed,
    focus,
    is_as_asked,
    is_complete,
    stop_reason,
    warning,
)

GRID = {"technique": ("line", "race", "edge")}


def limits(**changes: Any) -> InvestigationLimits:
    return InvestigationLimits(
        **{"iterations": 20, "news": frozenset({"disproven", "confirmed"}), **changes}
    )


def rows(*statuses: str) -> list[Visit]:
    return [Visit(status=status) for status in statuses]


def test_it_ends_at_each_limit() -> None:
    assert stop_reason(limits(), []) is None
    assert stop_reason(limits(iterations=0), []) == "all 0 iterations done"
    assert "2 iterations" in str(stop_reason(limits(iterations=2), rows("disproven", "disproven")))
    assert "minutes" in str(stop_reason(limits(seconds=60), [], seconds=60))
    assert "$1" in str(stop_reason(limits(usd=1), [], usd=1.5))
    assert "tokens" in str(stop_reason(limits(tokens=10), [], tokens=10))


def test_nothing_new_for_long_is_saturation_and_said_before() -> None:
    idle = rows("disproven", *["inconclusive"] * 5)
    assert "5 iterations without" in warning(limits(), idle)
    assert warning(limits(), rows("disproven", "inconclusive")) == ""
    assert stop_reason(limits(stop_after=5), idle) == "saturated: nothing new in 5 iterations"
    assert stop_reason(limits(stop_after=5), [*idle, *rows("disproven")]) is None


def test_answers_of_no_use_end_it_as_incomplete() -> None:
    reason = stop_reason(limits(), rows("disproven", "unusable", "unusable", "unusable"))
    assert reason
    assert not is_complete(reason)


def test_an_answered_question_ends_it() -> None:
    found = [*rows("disproven"), Visit(status="confirmed", answers=True)]
    reason = stop_reason(limits(), found)
    assert reason
    assert is_complete(reason)


def test_only_what_stands_in_the_record_covers_a_cell() -> None:
    looked = [
        Visit(status="disproven", cells={"technique": "line"}, proven=True),
        Visit(status="inconclusive", cells={"technique": "race"}),
        Visit(status="disproven", cells={"technique": "no such"}, proven=True),
    ]
    assert coverage(GRID, looked) == {"technique": {"line": 1, "race": 0, "edge": 0}}
    assert focus(GRID, looked) == {"technique": "edge"}


def test_combinations_are_covered_along_the_diagonals() -> None:
    grid = {"stride": ("s", "t"), "asset": ("data", "key"), "owasp": ("A01", "A02", "A03")}
    looked: list[Visit] = []
    for _ in range(4):
        cells = focus(grid, looked, ("stride", "asset"))
        looked.append(Visit(status="x", cells=cells, proven=True))
    taken = [(one.cells["stride"], one.cells["asset"]) for one in looked]
    assert taken == [("s", "data"), ("t", "key"), ("s", "key"), ("t", "data")]
    assert [one.cells["owasp"] for one in looked] == ["A01", "A02", "A03", "A01"]
    assert set(crossed(grid, looked, ("stride", "asset")).values()) == {1}


def test_a_limit_is_no_end_as_asked() -> None:
    assert is_as_asked("all 5 iterations done")
    assert is_as_asked("saturated: nothing new in 10 iterations")
    assert not is_as_asked("the $2 are used up")
    assert not is_as_asked("")
