"""A test may get better, never worse; and what ended without its last word is not believed."""

from __future__ import annotations

import hashlib
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.measure.suite_standards import (
    Outcomes,
    Standard,
    disagreement,
    parse_log,
    worst,
)
from autoresearch_ci.measure.xml_reports import junit_outcomes
from autoresearch_ci.safety.bounded import MetricError

WORDS = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "uncollected", "hidden")


def outcomes(sessions: int = 1, unfinished: int = 0, **of: str) -> Outcomes:
    return Outcomes(of=of, sessions=sessions, unfinished=unfinished)


def log(*results: tuple[str, str], nonce: str = "n", session: str = "s", end: bool = True) -> bytes:
    entries = [{"start": True}, *({"test": t, "outcome": o} for t, o in results)]
    lines = [json.dumps({"session": session, **entry}).encode() + b"\n" for entry in entries]
    if end:
        digest = hashlib.sha256(nonce.encode() + b"".join(lines)).hexdigest()
        last = {"session": session, "end": len(results), "digest": digest}
        lines.append(json.dumps(last).encode() + b"\n")
    return b"".join(lines)


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
    assert standard.loss(now) == "tests lost: 3 of 5 (2 skipped, 1 missing): a, b, c"


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


@given(st.dictionaries(st.text(), st.sampled_from(WORDS)), st.integers(0, 3), st.booleans())
def test_a_standard_survives_json(of: dict[str, str], sessions: int, end: bool) -> None:
    standard = Standard.of(Outcomes(of=of, sessions=sessions, unfinished=not end))
    assert Standard.from_json(json.loads(json.dumps(standard.to_json()))) == standard


# --- the plugin's log -----------------------------------------------------------------------------


def test_a_whole_log_is_read() -> None:
    found = parse_log(log(("a", "passed"), ("b[\n]", "failed")), "n")
    assert found == Outcomes(of={"a": "passed", "b[\n]": "failed"})


def test_without_a_session_there_are_no_outcomes() -> None:
    assert parse_log(b"", "n") is None


@pytest.mark.parametrize(
    "altered",
    [
        log(("a", "passed"), end=False),
        log(("a", "passed"), nonce="guessed"),
        log(("a", "failed")).replace(b"failed", b"passed"),
        log(("a", "passed"), ("b", "failed")).replace(b"b", b"c"),
        log(("a", "passed")) + log(("b", "passed"), end=False),
        log(("a", "passed")) + b"{}\n",
        log(("a", "passed")) + b"\xff\xfe\n",
        log(("a", "passed")) + b'{"session": "s", "test": "b", "outcome": "passed"}\n',
        log(("a", "passed")) + b'{"session": "t", "start": true}\n',
        b"\n".join(log(("a", "passed"), ("b", "failed")).split(b"\n")[::2]) + b"\n",
    ],
)
def test_a_log_that_was_altered_or_cut_short_is_unfinished(altered: bytes) -> None:
    found = parse_log(altered, "n")
    assert found is not None
    assert found.unfinished == 1


@given(st.binary())
def test_garbage_is_never_a_finished_session(garbage: bytes) -> None:
    found = parse_log(garbage, "n")
    assert found is None or found.unfinished


def test_sessions_may_interleave_and_the_worse_result_counts() -> None:
    first = log(("a", "passed"), session="1").splitlines(keepends=True)
    second = log(("a", "failed"), ("b", "passed"), session="2").splitlines(keepends=True)
    mixed = b"".join(line for pair in itertools.zip_longest(first, second) for line in pair if line)
    assert parse_log(mixed, "n") == Outcomes(of={"a": "failed", "b": "passed"}, sessions=2)


@given(st.sampled_from(WORDS), st.sampled_from(WORDS))
def test_a_pass_never_outweighs_anything(first: str, second: str) -> None:
    assert (worst(first, second) == "passed") == (first == second == "passed")
    assert worst(None, first) == first


# --- JUnit reports --------------------------------------------------------------------------------


def case(name: str, inner: str = "") -> str:
    return f'<testcase classname="k" name="{name}">{inner}</testcase>'


def report(*cases: str) -> bytes:
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>".encode()


def test_a_report_tells_how_each_test_ended() -> None:
    found = junit_outcomes(
        report(
            case("a"),
            case("b", "<failure/>"),
            case("c", "<failure/><error/>"),
            case("d", "<skipped/>"),
            case("e", '<skipped type="pytest.xfail"/>'),
        ),
        "r.xml",
    )
    assert [*found.of.values()] == ["passed", "failed", "error", "skipped", "xfailed"]
    assert next(iter(found.of)) == "k::a"


def test_tests_of_the_same_name_are_counted_in_any_order() -> None:
    one = junit_outcomes(report(case("a"), case("a", "<failure/>"), case("a")), "r.xml")
    other = junit_outcomes(report(case("a", "<failure/>"), case("a"), case("a")), "r.xml")
    assert one == other
    standard = Standard.of(one)
    assert "1 missing" in standard.loss(junit_outcomes(report(case("a"), case("a")), "r.xml"))


def test_a_report_that_is_none_is_an_error() -> None:
    for broken in (b"", b"<x/>", report()):
        with pytest.raises(MetricError):
            junit_outcomes(broken, "r.xml")


def test_a_report_may_look_worse_than_what_pytest_saw_and_never_better() -> None:
    told = outcomes(a="passed", b="failed", c="skipped")
    assert disagreement(told, outcomes(x="passed", y="failed", z="error")) == ""
    assert "lists 0 bad" in disagreement(told, outcomes(a="passed", c="skipped"))
    assert "lists 2 passed" in disagreement(told, outcomes(a="passed", b="failed", c="passed"))
    assert disagreement(None, told) == disagreement(told, None) == ""
