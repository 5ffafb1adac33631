"""What a run says of a commit: bad only when it fails as the symptom does."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.decide.failures.bisection import (
    FailureRate,
    Mark,
    RunEnd,
    Search,
    judged,
    next_commit,
    said,
    suspects,
)

TESTS = RunEnd(exit_code=1, failing=frozenset({"a::x", "a::y"}), words="exit code 1: 2 failed")
PLAIN = RunEnd(exit_code=1, words="exit code 1: ValueError: 3 is too much")


def outcome(code: int, **facts: Any) -> RunEnd:
    return RunEnd(exit_code=code, **facts)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (outcome(1, failing=frozenset({"a::x"})), Mark.BAD),
        (outcome(0, passing=frozenset({"a::x", "a::y"})), Mark.GOOD),
        (outcome(1, failing=frozenset({"b::z"}), passing=TESTS.failing), Mark.GOOD),
        (outcome(1, failing=frozenset({"b::z"})), Mark.SKIP),
        (outcome(2, unfit=frozenset({"a"})), Mark.SKIP),
        (outcome(0), Mark.SKIP),
        (outcome(127), Mark.SKIP),
    ],
)
def test_a_test_that_fails_is_followed_by_its_name(found: RunEnd, verdict: Mark) -> None:
    assert judged(TESTS, found)[0] is verdict


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (outcome(1, words="exit code 1: ValueError: 4 is too much"), Mark.BAD),
        (outcome(0), Mark.GOOD),
        (outcome(1, words="exit code 1: ModuleNotFoundError: No module named 'x'"), Mark.SKIP),
        (outcome(2, words="exit code 2: ValueError: 3 is too much"), Mark.SKIP),
        (outcome(125), Mark.SKIP),
        (outcome(127), Mark.SKIP),
        (outcome(-9, timed_out=True), Mark.SKIP),
    ],
)
def test_a_plain_command_is_bad_only_in_the_same_words(found: RunEnd, verdict: Mark) -> None:
    assert judged(PLAIN, found)[0] is verdict


def test_a_command_that_hangs_is_bad_where_it_hangs() -> None:
    hangs = outcome(-15, timed_out=True)
    assert judged(hangs, hangs)[0] is Mark.BAD
    assert judged(hangs, outcome(1))[0] is Mark.SKIP


def test_times_are_no_part_of_a_failure() -> None:
    assert said("exit code 1: 1 failed in 0.03s") == said("exit code 1: 2 failed in 1.70s")


def test_a_flaky_failure_says_what_a_run_is_worth() -> None:
    assert FailureRate(runs=3, failed=3).certain
    assert not FailureRate(runs=2, failed=2).certain
    rate = FailureRate(runs=10, failed=5)
    assert rate.flaky
    assert "fails 5 of 10" in rate.words()
    assert "12%" in rate.words()


def test_what_cannot_be_tested_stays_a_suspect() -> None:
    search = Search(bad="e", good=("a",), skipped={})
    assert next_commit(search, ["c", "b", "d", "e"]) == "c"
    search = search.after("c", Mark.SKIP, "broken").after("b", Mark.GOOD, "")
    search = search.after("d", Mark.BAD, "")
    assert next_commit(search, ["c", "d"]) is None
    assert suspects(search, ["c", "d"]) == ("c", "d")
