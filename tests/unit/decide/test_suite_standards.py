"""A test may get better, never worse; and what ended without its last word is not believed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.decide.suite_standards import Standard, SuiteResult, disagreement, worst

WORDS = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "uncollected", "hidden")


def outcomes(sessions: int = 1, unfinished: int = 0, **of: str) -> SuiteResult:
    return SuiteResult(of=of, sessions=sessions, unfinished=unfinished)


@pytest.mark.parametrize(("before", "now"), list(itertools.product(WORDS, (*WORDS, "missing"))))
def test_a_test_may_get_better_and_nothing_else(before: str, now: str) -> None:
    standard = Standard.of(outcomes(a=before, other="passed"))
    seen = outcomes(other="passed", **({} if now == "missing" else {"a": now}))
    order = ["passed", "failed", "error"]
    asked = before in order
    fine = not asked or (now in order and order.index(now) <= order.index(before))
    assert (standard.loss(seen) == "") == (fine and now != "hidden"), standard.loss(seen)


def test_the_loss_says_how_many_how_and_which() -> None:
    standard = Standard.of(outcomes(a="passed", b="passed", c="passed", d="passed", e="failed"))
    now = outcomes(a="skipped", b="skipped", d="passed", e="passed")
    assert standard.loss(now) == "3 of 5 tests lost (2 skipped, 1 missing): a, b, c"


def test_no_session_fewer_sessions_and_no_tests_are_losses() -> None:
    standard = Standard.of(outcomes(2, a="passed"))
    assert standard.loss(None) == "tests lost: 0 test session(s) began, before 2"
    assert standard.loss(outcomes(1, a="passed")) == "tests lost: 1 test session(s) began, before 2"
    assert "1 missing" in standard.loss(outcomes(2))
    assert standard.loss(outcomes(3, a="passed", b="failed")) == ""


def test_an_end_without_a_last_word_is_a_loss_unless_it_always_was_so() -> None:
    standard = Standard.of(outcomes(a="passed"))
    assert "without its last word" in standard.loss(outcomes(1, 1, a="passed"))
    assert Standard.of(outcomes(1, 1, a="passed")).loss(outcomes(1, 1, a="passed")) == ""
    relaxed = standard.relaxed(outcomes(1, 1, a="passed"))
    assert relaxed.loss(outcomes(1, 1, a="passed")) == ""


def test_what_flickers_on_unmodified_code_is_asked_of_nobody() -> None:
    standard = Standard.of(outcomes(a="passed", b="passed", c="passed"))
    standard = standard.relaxed(outcomes(a="failed", b="skipped", c="passed", new="passed"))
    assert standard.loss(outcomes(a="failed", c="passed")) == ""
    assert "a" in standard.loss(outcomes(c="passed"))  # it was always there
    assert "c" in standard.loss(outcomes(a="passed", c="failed"))


def test_what_a_kept_candidate_repaired_must_stay_repaired() -> None:
    standard = Standard.of(outcomes(a="failed", b="passed"))
    raised = standard.raised(Standard.of(outcomes(a="passed", b="passed", new="passed")))
    assert standard.loss(outcomes(a="failed", b="passed")) == ""
    assert "2 of 3" in raised.loss(outcomes(a="failed", b="passed"))


@given(st.sampled_from(WORDS), st.sampled_from(WORDS))
def test_a_pass_never_outweighs_anything(first: str, second: str) -> None:
    assert (worst(first, second) == "passed") == (first == second == "passed")
    assert worst(None, first) == first


def test_a_report_may_look_worse_than_what_pytest_saw_and_never_better() -> None:
    told = outcomes(a="passed", b="failed", c="skipped")
    assert disagreement(told, outcomes(x="passed", y="failed", z="error")) == ""
    assert "lists 0 bad" in disagreement(told, outcomes(a="passed", c="skipped"))
    assert "lists 2 passed" in disagreement(told, outcomes(a="passed", b="failed", c="passed"))
    assert disagreement(None, told) == disagreement(told, None) == ""
