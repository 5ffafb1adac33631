"""A log of the plugin that was cut short, or is no whole one, is not believed to be whole."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.measure.suite_observer import parse_log


def log(*results: tuple[str, str], session: str = "s", end: bool = True) -> bytes:
    entries = [{"start": True}, *({"test": t, "outcome": o} for t, o in results)]
    lines = [json.dumps({"session": session, **entry}).encode() + b"\n" for entry in entries]
    if end:
        last = {"session": session, "end": len(results)}
        lines.append(json.dumps(last).encode() + b"\n")
    return b"".join(lines)


def test_a_whole_log_is_read() -> None:
    found = parse_log(log(("a", "passed"), ("b[\n]", "failed")))
    assert found == SuiteResult(of={"a": "passed", "b[\n]": "failed"})


def test_without_a_session_there_are_no_outcomes() -> None:
    assert parse_log(b"") is None


@pytest.mark.parametrize(
    "altered",
    [
        log(("a", "passed"), end=False),
        log(("a", "passed")) + log(("b", "passed"), end=False),
        log(("a", "passed")) + b"{}\n",
        log(("a", "passed")) + b"\xff\xfe\n",
        log(("a", "passed")) + b'{"session": "s", "test": "b", "outcome": "passed"}\n',
        log(("a", "passed")) + b'{"session": "t", "start": true}\n',
        b"\n".join(log(("a", "passed"), ("b", "failed")).split(b"\n")[::2]) + b"\n",
    ],
)
def test_a_log_that_was_cut_short_or_added_to_is_unfinished(altered: bytes) -> None:
    found = parse_log(altered)
    assert found is not None
    assert found.unfinished == 1


@given(st.binary())
def test_garbage_is_never_a_finished_session(garbage: bytes) -> None:
    found = parse_log(garbage)
    assert found is None or found.unfinished


def test_sessions_may_interleave_and_the_worse_result_counts() -> None:
    first = log(("a", "passed"), session="1").splitlines(keepends=True)
    second = log(("a", "failed"), ("b", "passed"), session="2").splitlines(keepends=True)
    mixed = b"".join(line for pair in itertools.zip_longest(first, second) for line in pair if line)
    assert parse_log(mixed) == SuiteResult(of={"a": "failed", "b": "passed"}, sessions=2)


def test_of_several_attempts_in_a_session_the_last_counts_and_is_remembered() -> None:
    found = parse_log(log(("a", "rerun"), ("a", "skipped"), ("a", "passed"), ("b", "passed")))
    assert found == SuiteResult(of={"a": "passed", "b": "passed"}, reran=frozenset("a"))
    found = parse_log(log(("a", "passed"), ("a", "failed")))
    assert found
    assert found.of == {"a": "failed"}


def test_a_test_s_name_is_text_whatever_the_log_says() -> None:
    found = parse_log(log(("a\ud800", "passed")))
    assert found == SuiteResult(of={"a\\ud800": "passed"})
