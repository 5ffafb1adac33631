"""A JSON path leads to exactly one plain number, or to an error."""

from __future__ import annotations

import time

import pytest

from autoresearch_ci.measure.number.json_reports import json_number, mentions
from autoresearch_ci.safety.untrusted_values import MetricError


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


@pytest.mark.parametrize(
    "text",
    [
        '\n> pkg@1.0.0 bench\n> node bench.js\n\n{\n  "results": [\n    {"mean": 1.5}\n  ]\n}\n',
        '[info] start {x\n{"results": [{"mean": 9}]}\n{\n "results": [\n{\n"mean": 1.5}]}\n[done]',
        'log\r\n  {"results":\r\n [{"mean": 1.5}]}\r\nbye',
        '{"broken": [\n{"results": [{"mean": 1.5}]}\n',
    ],
)
def test_the_last_whole_json_among_other_text_is_read(text: str) -> None:
    assert json_number(text, "$.results[0].mean") == 1.5


@pytest.mark.parametrize(
    "error",
    ['"constraint violated"', '{"type": "ValueError"}', '["a"]', "true", '"0"'],
)
@pytest.mark.parametrize("key", ["error", "Error", "exception", "traceback", "error_message"])
def test_a_number_with_an_error_beside_it_is_none(key: str, error: str) -> None:
    for text, path in (
        (f'{{"score": 0.0, "{key}": {error}}}', "$.score"),
        (f'{{"metrics": {{"score": 0.0}}, "{key}": {error}}}', "$.metrics.score"),
        (f'{{"runs": [{{"score": 0.0, "{key}": {error}}}]}}', "$.runs[0].score"),
    ):
        with pytest.raises(MetricError, match=f"has an error beside it: {key}"):
            json_number(text, path)


@pytest.mark.parametrize(
    "beside",
    [
        '"success": false',
        '"Valid": false',
        '"status": "error"',
        '"state": "Failed "',
        '"is_error": true',
    ],
)
def test_a_number_of_an_evaluation_that_failed_is_none(beside: str) -> None:
    for text, path in (
        (f'{{"score": 0.0, {beside}}}', "$.score"),
        (f'{{"metrics": {{"score": 0.0}}, {beside}}}', "$.metrics.score"),
    ):
        with pytest.raises(MetricError, match="has an error beside it"):
            json_number(text, path)


@pytest.mark.parametrize(
    "beside",
    ['"success": true', '"valid": 0', '"status": "ok"', '"status": 500', '"success": null'],
)
def test_what_says_no_failure_beside_a_number_is_none(beside: str) -> None:
    assert json_number(f'{{"score": 0.5, {beside}}}', "$.score") == 0.5


@pytest.mark.parametrize("error", ["null", '""', '"None"', "[]", "{}", "false", "0", "0.25", '" "'])
def test_an_error_that_says_nothing_or_is_a_number_is_none(error: str) -> None:
    assert json_number(f'{{"score": 0.5, "error": {error}}}', "$.score") == 0.5
    assert json_number('{"error": 0.25}', "$.error") == 0.25


def test_much_that_begins_like_json_costs_little() -> None:
    began = time.process_time()
    for text in (
        "[1,[" * 100_000,
        '{"a":1,' * 60_000 + "\n",
        "[x\n" * 200_000,
        "[[],\n" * 60_000,
    ):
        with pytest.raises(MetricError):
            json_number(f"log\n{text}", "$.a")
        mentions(f"log\n{text}", "$.a")
    assert time.process_time() - began < 5
