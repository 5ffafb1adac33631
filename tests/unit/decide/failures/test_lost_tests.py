"""A test may get better, never worse; and what ended without its last word is not believed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.decide.failures.lost_tests import (
    Rank,
    Standard,
    SuiteResult,
    disagreement,
    worst,
)

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
    lucky = standard.raised(Standard.of(outcomes(a="passed", b="passed", c="passed")))
    assert lucky.loss(outcomes(a="failed", c="passed")) == ""


@pytest.mark.parametrize(
    "looks",
    [
        ({"t[0x1234abcd]": "failed"}, {"t[0x9999abcd]": "passed"}, {"t[0x7777abcd]": "passed"}),
        ({"t": "skipped"}, {"t": "passed"}, {"t": "passed"}),
        ({"t": "passed"}, {"t": "skipped"}, {"t": "passed"}),
        ({}, {"t": "failed"}, {"t": "passed"}),
    ],
)
def test_no_keep_raises_by_luck_what_comes_and_goes(looks: tuple[dict[str, str], ...]) -> None:
    first, second, kept = (outcomes(a="failed", **look) for look in looks)
    standard = Standard.of(first).relaxed(second)
    raised = standard.raised(Standard.of(replace(kept, of={**kept.of, "a": "passed"})))
    assert set(raised.ranks.values()) <= {Rank.PASSED, Rank.FAILED}
    assert [test for test, rank in raised.ranks.items() if rank is Rank.PASSED] == ["a"]


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


# --- ids that differ from run to run -------------------------------------------------------------


def suite(**kinds: tuple[str, ...]) -> SuiteResult:
    return SuiteResult(of={test: word for word, tests in kinds.items() for test in tests})


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("t[<object object at 0x7f82d054de30>]", "t[<object object at 0x7fa01c3bc2e0>]"),
        ("t[5e99effd-5b3f-4a56-8d5c-5a1f7dfe2a11]", "t[0b9c1a52-93aa-4b0e-8a40-9d1b6f3c7e22]"),
        ("t[5e99effd5b3f4a568d5c5a1f7dfe2a11]", "t[0b9c1a5293aa4b0e8a409d1b6f3c7e22]"),
        ("t[2026-11-29T15:30:18.123456+00:00]", "t[2026-11-29T15:31:02.000001+00:00]"),
        ("t[2026-11-29 23:59:59]", "t[2026-11-30 00:00:01]"),
        ("t[2026-11-29]", "t[2026-11-30]"),
        ("t[1764430218]", "t[1764430301]"),
        ("t[1764430218.1234567]", "t[1764430301.7]"[:-3] + ".7654321]"),
        ("t[/tmp/tmpab12cd34/data]", "t[/tmp/tmpzz98_x7q/data]"),
        ("t[/tmp/pytest-of-x/pytest-0/a0]", "t[/tmp/pytest-of-x/pytest-12/a0]"),
        ("t[/var/folders/ab/x1/T/tmpq]", "t[/var/folders/cd/x2/T/tmpr]"),
        ("t[tmpab12cd34]", "t[tmp_zz98x7q]"),
        ("t[0.7364518273]", "t[0.11938475]"),
        ("t[a3f1c09b2d4e5f60]", "t[00ff12ab34cd56ef]"),
        ("Cart::pays (com.shop.Cart@0x1b28cdfa)", "Cart::pays (com.shop.Cart@0x2f4d3709)"),
    ],
)
def test_the_part_of_an_id_that_changes_from_run_to_run_is_no_part_of_it(
    before: str, now: str
) -> None:
    standard = Standard.of(suite(passed=(before, "other")))
    assert not standard.may_be_unsteady()
    assert standard.loss(suite(passed=(now, "other"))) == ""
    assert "1 missing" in standard.loss(suite(passed=("other",)))
    assert "1 failed" in standard.loss(suite(passed=("other",), failed=(now,)))
    relaxed = standard.relaxed(suite(passed=(now, "other")))
    assert len(relaxed.ranks) == 2


def test_ids_that_are_alike_but_for_what_changes_are_counted() -> None:
    one = tuple(f"t[0x7f000000{n:04x}]" for n in range(4))
    other = tuple(f"t[0x7e000000{n:04x}]" for n in range(4))
    standard = Standard.of(suite(passed=one[:3], failed=one[3:]))
    assert standard.loss(suite(passed=other[1:], failed=other[:1])) == ""
    assert "1 missing" in standard.loss(suite(passed=other[:3]))
    assert "1 failed" in standard.loss(suite(passed=other[:2], failed=other[2:]))


def test_constants_that_look_like_what_changes_are_told_apart() -> None:
    dates = ("t[2024-01-01]", "t[2024-01-02]")
    standard = Standard.of(suite(passed=dates[:1], failed=dates[1:]))
    assert "t[2024-01-01]" in standard.loss(suite(failed=dates[:1], passed=dates[1:]))


def test_a_keep_does_not_ask_for_the_ids_of_two_runs() -> None:
    first, second, third = (f"t[0x7f{n}]" for n in ("0000", "1111", "2222"))
    standard = Standard.of(suite(passed=(first, "a")))
    standard = standard.raised(Standard.of(suite(passed=(second, "a", "new"))))
    assert standard.loss(suite(passed=(third, "a", "new"))) == ""
    assert "new" in standard.loss(suite(passed=(third, "a")))


@pytest.mark.parametrize("test", ["t[4711]", "t[x-48213-y]", "t[k3v9q2xw]", "C::t (port 40123)"])
def test_ids_that_may_be_other_ones_each_time_are_noticed(test: str) -> None:
    assert Standard.of(suite(passed=(test,))).may_be_unsteady()


@pytest.mark.parametrize(
    "test",
    [
        "t[3-5]",
        "t[utf-8]",
        "t[2024]",
        "test_sha256_of_4711",
        "a::b",
        "a.Sha256Md5Test::x",
        "in 2024",
    ],
)
def test_ordinary_ids_are_not_suspected(test: str) -> None:
    assert not Standard.of(suite(passed=(test,))).may_be_unsteady()


def test_what_is_left_out_does_not_come_back_with_a_keep() -> None:
    standard = Standard.of(suite(passed=("t[4711]", "a"))).relaxed(suite(passed=("t[4712]", "a")))
    assert set(standard.ranks) == {"a"}
    standard = standard.raised(Standard.of(suite(passed=("t[4713]", "a", "new[1]"))))
    assert set(standard.ranks) == {"a", "new[1]"}


def test_a_number_within_the_words_of_a_name_is_no_part_of_it_when_it_changes() -> None:
    before, now, later = (f"C::listens on 127.0.0.1:{port}" for port in (33491, 41231, 50007))
    standard = Standard.of(suite(passed=(before, "C::keeps 1000 items")))
    assert standard.may_be_unsteady()
    standard = standard.relaxed(suite(passed=(now, "C::keeps 1000 items")))
    standard = standard.raised(Standard.of(suite(passed=(later, "C::keeps 1000 items"))))
    assert set(standard.ranks) == {"C::keeps 1000 items"}


def test_that_a_test_was_run_again_is_remembered() -> None:
    standard = Standard.of(SuiteResult(of={"a": "passed", "b": "passed"}, reran=frozenset("a")))
    now = SuiteResult(of={"a": "passed", "b": "passed"}, reran=frozenset("ab"))
    assert standard.loss(now) == ""
    assert standard.reran_newly(now) == "1: b"
    assert standard.relaxed(now).reran_newly(now) == ""


@pytest.mark.parametrize("word", ["rerun", "deselected", "disabled", "not run"])
def test_a_test_whose_last_word_is_no_verdict_is_lost(word: str) -> None:
    standard = Standard.of(outcomes(a="passed"))
    assert standard.loss(outcomes(a=word)) == f"1 of 1 tests lost (1 {word}): a"


def test_what_one_session_leaves_to_another_is_what_the_other_says() -> None:
    assert worst("deselected", "passed") == worst("passed", "deselected") == "passed"
    assert worst("deselected", "deselected") == "deselected"
