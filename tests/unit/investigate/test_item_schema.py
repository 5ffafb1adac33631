"""An answer fits the program's schema, or it is said where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.investigate.item_schema import fitting, misfits, part, problems_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["claim", "proof"],
    "properties": {
        "claim": {"type": "string", "minLength": 3, "maxLength": 10},
        "level": {"type": "string", "enum": ["low", "high"]},
        "line": {"type": "integer", "minimum": 0},
        "sure": {"type": "boolean"},
        "proof": {
            "type": "array",
            "maxItems": 2,
            "items": {"type": "object", "properties": {"at": {"type": "string"}}},
        },
    },
}


def test_an_answer_that_fits_is_taken_without_what_nobody_asked_for() -> None:
    answer = {"claim": "so it is", "proof": [{"at": "a", "x": 1}], "line": 3, "extra": [1]}
    assert list(misfits(answer, SCHEMA)) == []
    assert fitting(answer, SCHEMA) == {"claim": "so it is", "proof": [{"at": "a"}], "line": 3}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"claim": None}, "claim: expected a string"),
        ({"claim": "   a "}, "claim: is too short"),
        ({"claim": "a" * 11}, "claim: is longer"),
        ({"level": "huge"}, "level: expected one of low, high"),
        ({"line": True}, "line: expected an integer"),
        ({"line": "3"}, "line: expected an integer"),
        ({"line": -1}, "line: is out of bounds"),
        ({"sure": 1}, "sure: expected a boolean"),
        ({"proof": {}}, "proof: expected an array"),
        ({"proof": [{}, {}, {}]}, "too many"),
        ({"proof": ["a"]}, "proof[0]: expected an object"),
        ({"proof": [{"at": 1}]}, "proof[0].at: expected a string"),
    ],
)
def test_what_does_not_fit_is_said(change: dict[str, Any], why: str) -> None:
    answer = {"claim": "so it is", "proof": [], **change}
    assert any(why in told for told in misfits(answer, SCHEMA))


def test_what_is_missing_is_said() -> None:
    assert list(misfits({}, SCHEMA)) == [
        *("the answer: claim is missing", "the answer: proof is missing")
    ]
    assert list(misfits([], SCHEMA)) == ["the answer: expected an object"]


def test_a_rule_that_nobody_checks_is_no_schema() -> None:
    wrong = {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}}
    assert "item.a.pattern: is not supported" in next(iter(problems_of(wrong)))
    assert list(problems_of(SCHEMA)) == []
    assert list(problems_of(part(SCHEMA, ["claim", "line"]))) == []
