"""Only a change that mends something, and breaks nothing that could be seen, is kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.decide.failures.failure import (
    ENDED_EARLY,
    PLAN,
    Category,
    Diagnosis,
    Problem,
    identified,
)
from autoresearch_ci.decide.failures.lost_tests import Standard, SuiteResult
from autoresearch_ci.decide.failures.objective import Judgement, Seen, SetChange, compared


def told(*problems: Problem, tool: str = "ruff", incomplete: str = "") -> Diagnosis:
    return Diagnosis(failures=identified(tool, problems), incomplete=incomplete)


def lint(message: str, path: str = "a.py") -> Problem:
    return Problem(category=Category.LINT, path=path, line=1, code="F", message=message)


def kind(category: Category, path: str = "a.py", code: str = "", message: str = "m") -> Problem:
    return Problem(category=category, path=path, line=1, code=code, message=message)


def suite(**outcomes: str) -> Diagnosis:
    bad = [
        Problem(category=Category.TEST, path="t.py", message="assert", name=name)
        for name, end in outcomes.items()
        if end in ("failed", "error")
    ]
    ends = SuiteResult(of=outcomes)
    return Diagnosis(failures=identified("pytest", bad), suite=ends)


def judged(before: Diagnosis, after: Diagnosis, *changed: str) -> Judgement:
    return compared({"tool": before}, {"tool": after}, changed=changed)


A, B, C = lint("a"), lint("b"), lint("c")


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ((A, B), (B,), SetChange.KEPT),
        ((A,), (), SetChange.KEPT),
        ((A, B), (A, B), SetChange.NO_BETTER),
        ((A, B), (B, C), SetChange.MOVED),
        ((A, B), (C,), SetChange.MOVED),  # fewer, and yet one is new
        ((A,), (A, C), SetChange.REGRESSED),
        ((A,), (B, C), SetChange.REGRESSED),
        ((A,), (kind(Category.BUILD),), SetChange.REGRESSED),  # as many, and worse
        ((), (A,), SetChange.REGRESSED),
        ((), (), SetChange.NO_BETTER),
    ],
)
def test_a_set_is_compared_and_not_a_count(
    before: tuple[Problem, ...], after: tuple[Problem, ...], outcome: SetChange
) -> None:
    assert judged(told(*before), told(*after)).outcome is outcome


WARNED = Problem(category=Category.WARNING, path="a.py", line=1, code="W1", message="magic 0")
AGAIN = Problem(category=Category.WARNING, path="a.py", line=9, code="W1", message="magic one")
OTHER = Problem(category=Category.WARNING, path="a.py", line=9, code="W2", message="unused")


def test_what_mends_a_test_may_bring_a_warning_of_a_rule_that_others_break_already() -> None:
    before = {"eslint": told(WARNED), "t": suite(a="failed")}

    def after(*warnings: Problem, outweighs: bool = True) -> Judgement:
        seen = {"eslint": told(*warnings), "t": suite(a="passed")}
        return compared(before, seen, outweighs=outweighs)

    kept = after(WARNED, AGAIN)
    assert kept.outcome is SetChange.KEPT
    assert "1 more of the warnings that are there already: W1" in kept.reason
    assert [failure.line for failure in kept.outweighed] == [9]
    assert after(WARNED, AGAIN, outweighs=False).outcome is SetChange.MOVED
    third = replace(WARNED, line=12, message="magic 2")
    assert after(WARNED, AGAIN, third).outcome is SetChange.REGRESSED  # more than it mends
    refused = after(WARNED, OTHER)
    assert refused.outcome is SetChange.MOVED
    assert refused.reason.startswith("moved, not fixed: 1 new (warning a.py:9 W2 unused), 1 gone")


def test_a_warning_is_not_outweighed_by_lint_nor_by_nothing() -> None:
    before = {"eslint": told(WARNED), "ruff": told(A, B)}
    for left in ((B,), (A, B)):
        seen = {"eslint": told(WARNED, AGAIN), "ruff": told(*left)}
        outcome = compared(before, seen, outweighs=True).outcome
        assert outcome in (SetChange.MOVED, SetChange.REGRESSED)


# --- Tests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["skipped", "xfailed", "deselected", "not run", "disabled"])
def test_a_failing_test_that_does_not_run_any_more_is_not_mended(end: str) -> None:
    before, after = suite(a="failed", b="failed"), suite(a=end, b="passed")
    assert judged(before, after).outcome is SetChange.REGRESSED
    assert "a" in judged(before, after).reason


def test_a_failing_test_that_was_deleted_or_renamed_is_not_mended() -> None:
    before = suite(a="failed", b="passed")
    assert judged(before, suite(b="passed")).outcome is SetChange.REGRESSED
    assert judged(before, suite(b="passed", a2="passed")).outcome is SetChange.REGRESSED


@pytest.mark.parametrize("end", ["failed", "error", "skipped", "xfailed", None])
def test_a_test_that_passed_must_pass_whatever_else_is_mended(end: str | None) -> None:
    rest = {} if end is None else {"b": end}
    judgement = judged(suite(a="failed", b="passed"), suite(a="passed", **rest))
    assert judgement.outcome in (SetChange.REGRESSED, SetChange.MOVED)
    assert "b" in judgement.reason


def test_what_flickers_is_asked_of_nobody() -> None:
    before, after = suite(a="failed", b="passed"), suite(a="passed", b="skipped")
    standard = Standard.of(SuiteResult(of={"a": "failed"}))
    judgement = compared({"t": before}, {"t": after}, standards={"t": standard})
    assert judgement.outcome is SetChange.KEPT


def test_a_test_with_an_id_of_its_process_is_mended_under_another() -> None:
    before = suite(**{"t[0x7f00aaaa]": "failed", "t[0x7f00bbbb]": "failed"})
    after = suite(**{"t[0x7f00cccc]": "passed", "t[0x7f00dddd]": "passed"})
    assert len(judged(before, after).gone) == 2


def test_no_report_at_all_is_no_mended_test() -> None:
    judgement = judged(suite(a="failed"), Diagnosis(incomplete="killed by signal 11"))
    assert judgement.outcome is SetChange.INCOMPLETE
    assert not judgement.gone
    assert "signal 11" in judgement.reason


# --- What could not be seen -----------------------------------------------------------------------

SYNTAX = kind(Category.BUILD, code="syntax")


def test_what_a_repair_uncovers_in_its_own_file_joins_the_queue() -> None:
    before = told(SYNTAX, tool="mypy")
    after = told(kind(Category.TYPE), kind(Category.TYPE, "b.py"), tool="mypy")
    judgement = judged(before, after, "a.py")
    assert judgement.outcome is SetChange.KEPT
    assert len(judgement.unmasked) == 2
    assert "2 could not be seen before" in judgement.reason


def test_what_the_change_itself_touches_was_not_hidden_by_another_file() -> None:
    before = told(SYNTAX, tool="mypy")
    after = told(kind(Category.TYPE, "b.py"), tool="mypy")
    assert judged(before, after, "a.py", "b.py").outcome is not SetChange.KEPT


def test_a_tool_that_reads_file_by_file_hides_nothing_of_other_files() -> None:
    before, after = told(SYNTAX), told(lint("new", "b.py"))
    assert judged(before, after).outcome is SetChange.MOVED
    assert judged(before, told(lint("new"))).outcome is SetChange.KEPT


def test_a_later_stage_of_a_compiler_is_uncovered_and_an_equal_one_is_new() -> None:
    names = kind(Category.BUILD, "src/lib.rs", code="E0433")
    types = kind(Category.BUILD, "src/main.rs", code="E0308")
    owners = kind(Category.BUILD, "src/main.rs", code="E0382")
    for earlier, later in ((names, types), (types, owners), (names, owners)):
        before, after = told(earlier, tool="cargo"), told(later, tool="cargo")
        assert judged(before, after).outcome is SetChange.KEPT
        assert judged(after, before).outcome is not SetChange.KEPT
    other = kind(Category.BUILD, "src/lib.rs", code="E0432")
    assert judged(told(names, tool="cargo"), told(other, tool="cargo")).outcome is SetChange.MOVED


def test_failing_tests_of_a_module_that_imports_again_are_uncovered() -> None:
    broken = replace(
        told(kind(Category.BUILD, "t.py", code="collection"), tool="pytest"),
        suite=SuiteResult(of={"other": "passed"}),
    )
    judgement = judged(broken, suite(other="passed", a="failed"))
    assert judgement.outcome is SetChange.KEPT
    assert len(judgement.unmasked) == 1


@pytest.mark.parametrize("path", ["tests/sub", "tests/sub/conftest.py", "tests/sub/__init__.py"])
def test_a_folder_that_loads_again_uncovers_its_tests_and_no_others(path: str) -> None:
    def failing(where: str) -> Diagnosis:
        problem = Problem(category=Category.TEST, path=where, message="m", name="t")
        suite = SuiteResult(of={"t": "failed"})
        return Diagnosis(failures=identified("pytest", [problem]), suite=suite)

    before = told(kind(Category.BUILD, path, code="collection"), tool="pytest")
    assert judged(before, failing("tests/sub/test_a.py"), path).outcome is SetChange.KEPT
    assert judged(before, failing("tests/test_a.py"), path).outcome is SetChange.MOVED


def test_a_target_that_said_nothing_hid_everything() -> None:
    before = told(incomplete="crashed")
    after = told(A)
    assert judged(before, after).unmasked
    assert judged(before, after).outcome is SetChange.NO_BETTER  # chance does that as well
    assert judged(before, after, "a.py").new


def test_a_run_that_told_of_no_test_uncovers_those_that_it_tells_of() -> None:
    silent = told(Problem(category=Category.TEST, path="", message="m", name="npm"), tool="npm")
    bad = suite(b="failed").failures
    listed = Diagnosis(
        failures=bad, suite=SuiteResult(of={"a": "passed", "b": "failed", "npm": "failed"})
    )
    judgement = judged(silent, listed, "t.py")
    assert (judgement.outcome, judgement.unmasked) == (SetChange.KEPT, bad)
    none_passes = replace(listed, suite=SuiteResult(of={"b": "failed", "npm": "failed"}))
    only_planned = replace(listed, suite=SuiteResult(of={"b": "failed", PLAN: "passed"}))
    for before, after in ((silent, none_passes), (silent, only_planned), (listed, silent)):
        assert judged(before, after, "t.py").outcome is SetChange.REGRESSED


@pytest.mark.parametrize("name", [PLAN, f"{PLAN}, past b"])
@pytest.mark.parametrize("first", ["passed", "failed"])
def test_an_early_end_is_mended_where_another_test_passes(name: str, first: str) -> None:
    early = Problem(category=Category.TEST, path="", code=ENDED_EARLY, message="m", name=name)
    was = suite(a=first, b="passed")
    before = Diagnosis(
        failures=was.failures + identified("pytest", [early]),
        suite=SuiteResult(of={"a": first, "b": "passed", PLAN: "failed"}),
    )
    for more, kept in (({"c": "passed"}, True), ({"c": "failed"}, False), ({}, False)):
        judgement = judged(before, suite(**{"a": first, "b": "passed", PLAN: "passed", **more}))
        assert (judgement.outcome is SetChange.KEPT) == kept
        assert bool(judgement.gone) == kept


def test_a_target_that_stops_early_cannot_say_what_is_gone() -> None:
    judgement = judged(told(A, B), told(B, incomplete="too many errors"))
    assert judgement.outcome is SetChange.INCOMPLETE
    assert not judgement.gone
    still = judged(told(A, B, incomplete="x"), told(B, incomplete="x"))
    assert still.outcome is SetChange.NO_BETTER


def test_what_is_gone_with_its_file_is_not_mended_where_somebody_cannot_look() -> None:
    before = {"javac": told(kind(Category.BUILD)), "tests": told(incomplete="does not build")}
    after = {"javac": told(), "tests": told(incomplete="cannot find symbol")}
    assert compared(before, after, changed=["a.py"]).outcome is SetChange.KEPT
    gone = compared(before, after, changed=["a.py"], removed=["a.py"])
    assert gone.outcome is SetChange.INCOMPLETE
    assert "a.py is gone with its failures" in gone.reason
    seen = compared(before, {"javac": told(), "tests": told()}, changed=["a.py"], removed=["a.py"])
    assert seen.outcome is SetChange.KEPT


def test_a_change_that_breaks_the_parse_is_told_as_what_it_is() -> None:
    judgement = judged(told(A, B), told(SYNTAX, incomplete="stopped"))
    assert judgement.outcome is SetChange.REGRESSED


def test_targets_are_known_by_name_and_one_that_was_left_out_is_missed() -> None:
    before = {"web: eslint": told(A), "api: eslint": told()}
    assert compared(before, {"web: eslint": told(), "api: eslint": told(A)}).outcome is (
        SetChange.MOVED
    )
    assert compared(before, {"web: eslint": told()}).outcome is SetChange.INCOMPLETE


# --- For all of them ------------------------------------------------------------------------------

_PROBLEMS = st.builds(
    kind,
    st.sampled_from(Category),
    st.sampled_from(["a.py", "b.py"]),
    st.sampled_from(["syntax", "", "link"]),
    st.sampled_from(["m", "n"]),
)
_DIAGNOSES = st.builds(
    lambda problems, tool, gap, ends: Diagnosis(
        failures=identified(tool, problems) + suite(**ends).failures,
        incomplete=gap,
        suite=SuiteResult(of=ends),
    ),
    st.lists(_PROBLEMS, max_size=5),
    st.sampled_from(["ruff", "tsc"]),
    st.sampled_from(["", "", "crashed"]),
    st.dictionaries(
        st.sampled_from(["t1", "t2", "t3"]), st.sampled_from(["passed", "failed", "skipped"])
    ),
)
_SEEN = st.fixed_dictionaries({"x": _DIAGNOSES, "y": _DIAGNOSES})
_CHANGED = st.sets(st.sampled_from(["a.py", "b.py"]))


@settings(max_examples=40)
@given(_SEEN, _SEEN, _CHANGED)
def test_what_is_kept_mended_something_and_broke_nothing(
    before: Seen, after: Seen, changed: set[str]
) -> None:
    judgement = compared(before, after, changed=changed)
    if judgement.outcome is not SetChange.KEPT:
        return
    assert judgement.gone
    assert not judgement.new
    for name, diagnosis in before.items():
        now = after[name]
        assert diagnosis.incomplete or not now.incomplete
        assert diagnosis.suite is not None
        assert now.suite is not None
        for test, end in diagnosis.suite.of.items():
            assert end != "passed" or now.suite.of.get(test) == "passed"
            assert end != "failed" or now.suite.of.get(test) in ("passed", "failed")


@settings(max_examples=40)
@given(_SEEN, _SEEN, _CHANGED)
def test_every_failure_is_told_once(before: Seen, after: Seen, changed: set[str]) -> None:
    found = compared(before, after, changed=changed)
    were = [f.id for d in before.values() for f in d.failures]
    are = [f.id for d in after.values() for f in d.failures]
    assert Counter(f.id for f in found.gone) <= Counter(were)
    fresh = [f.id for f in (*found.new, *found.unmasked)]
    assert set(fresh) <= set(are)
    assert len(fresh) <= len(are)


@settings(max_examples=40)
@given(_SEEN, _SEEN)
def test_nothing_is_kept_there_and_back_again(one: Seen, other: Seen) -> None:
    there, back = compared(one, other), compared(other, one)
    assert not there.outcome is back.outcome is SetChange.KEPT


@settings(max_examples=40)
@given(_SEEN, _CHANGED)
def test_no_change_is_no_better(seen: Seen, changed: set[str]) -> None:
    assert compared(seen, seen, changed=changed).outcome is SetChange.NO_BETTER


@settings(max_examples=40)
@given(_SEEN, _SEEN, _CHANGED)
def test_knowing_of_more_changed_files_never_makes_a_keep(
    before: Seen, after: Seen, changed: set[str]
) -> None:
    more = compared(before, after, changed=["a.py", "b.py"])
    if more.outcome is SetChange.KEPT:
        assert compared(before, after, changed=changed).outcome is SetChange.KEPT
