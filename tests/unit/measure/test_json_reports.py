"""A JSON path leads to exactly one plain number, or to an error."""

from __future__ import annotations

import pytest

from autoresearch_ci.measure.json_reports import json_number
from autoresearch_ci.safety.bounded import MetricError


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.results[0].mean", 1.5),
        ("results[1].mean", 2.5),
        ("$.results[-1].mean", 2.5),
        ("$['p 95'][\"a.b\"]", 9e-3),
    ],
)
def test_a_json_path_is_followed(path: str, value: float) -> None:
    text = '{"results": [{"mean": 1.5}, {"mean": 2.5}], "p 95": {"a.b": 9e-3}, "bad": NaN}'
    assert json_number(text, path) == value
    assert json_number(f'[log] starting\n{{"old": 1}}\n{text}\n[done]\n', path) == value


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ('{"a": NaN}', "$.a", "'NaN' is not a plain finite number"),
        ('{"a": -Infinity}', "$.a", "not a plain finite number"),
        ('{"a": 1e400}', "$.a", "too large"),
        ('{"a": "0.5"}', "$.a", "is a JSON str"),
        ('{"a": true}', "$.a", "is a JSON bool"),
        ('{"a": 1}', "$.b", "has no 'b'"),
        ('{"a": 1}', "$.a[0]", "JSON str|has no 0"),
        ('{"a": [1]}', "$.a[7]", "has no 7"),
        ('{"a": 1, "a": 2}', "$.a", "same key twice"),
        ('{"a": 1}', "$..a", "only steps like"),
        ('{"a": 1}', "$.*", "only steps like"),
        ("no json", "$.a", "no JSON"),
        ("[" * 200_000, "$.a", "nested too deeply"),
        ('{"a":' * 200_000, "$.a", "nested too deeply"),
        (f'{{"a": {"9" * 5000}}}', "$.a", "not a plain finite number"),
    ],
)
def test_json_without_that_number_is_an_error(text: str, path: str, reason: str) -> None:
    with pytest.raises(MetricError, match=reason):
        json_number(text, path)
