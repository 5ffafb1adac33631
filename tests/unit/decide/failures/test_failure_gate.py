"""A gate passes only what was looked at, and what is no worse than the base where that is asked."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.failures.failure import (
    Category,
    Diagnosis,
    Failure,
    Problem,
    identified,
)
from autoresearch_ci.decide.failures.gate import (
    WORDS,
    BaseFailures,
    gate,
    parse_words,
    suspects,
)
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.decide.failures.objective import Seen
from autoresearch_ci.decide.gates import Age, GateVerdict, Ruling
from autoresearch_ci.errors import ConfigError


def lint(*messages: str, incomplete: str = "", category: Category = Category.LINT) -> Diagnosis:
    problems = [
        Problem(category=category, path=f"{m}.py", line=1, code="F", message=m) for m in messages
    ]
    return Diagnosis(failures=identified("ruff", problems), incomplete=incomplete)


def suite(incomplete: str = "", **outcomes: str) -> Diagnosis:
    bad = [
        Problem(category=Category.TEST, path="t.py", message="assert", name=name)
        for name, end in outcomes.items()
        if end in ("failed", "error")
    ]
    return Diagnosis(
        failures=identified("pytest", bad), incomplete=incomplete, suite=SuiteResult(of=outcomes)
    )


def base(*looks: Seen) -> BaseFailures:
    return BaseFailures(looks=looks, targets={name for look in looks for name in look})


NO_BASE = BaseFailures(missing="a shallow clone")


def of_lint(head: Diagnosis, before: Diagnosis, *words: str) -> GateVerdict[Failure]:
    return gate([{"ruff": head}], base({"ruff": before}), words=words or ("new",))


def ages(verdict: GateVerdict[Failure]) -> dict[str, Age]:
    return {judged.item.message or judged.item.id: judged.age for judged in verdict.items}


# --- new and old ----------------------------------------------------------------------------------


def test_a_repository_that_is_red_already_passes_when_nothing_is_new() -> None:
    verdict = of_lint(lint("a", "b"), lint("a", "b", "c"))
    assert verdict.ruling is Ruling.PASS
    assert verdict.exit_code == 0
    assert ages(verdict) == {"a": Age.OLD, "b": Age.OLD}
    assert "2 old" in verdict.reason


def test_one_new_failure_fails_although_others_are_gone() -> None:
    verdict = of_lint(lint("a", "new"), lint("a", "b", "c"))
    assert verdict.ruling is Ruling.FAIL
    assert verdict.exit_code == 1
    assert verdict.reason == "1 new failure (1 lint)"
    assert verdict.items[0].item.message == "new"
    assert verdict.items[0].blocks


def test_old_failures_fail_where_their_kind_is_asked_about() -> None:
    verdict = of_lint(lint("a"), lint("a"), "lint")
    assert verdict.ruling is Ruling.FAIL
    assert verdict.reason == "1 old failure (1 lint)"


@pytest.mark.parametrize(
    ("category", "failing"),
    [
        (Category.BUILD, {"build", "critical", "type", "test", "lint", "warning", "any", "new"}),
        (Category.CRITICAL, {"critical", "type", "lint", "any", "new"}),
        (Category.TYPE, {"type", "any", "new"}),
        (Category.TEST, {"test", "any", "new"}),
        (Category.LINT, {"lint", "any", "new"}),
        (Category.WARNING, {"warning", "new"}),
    ],
)
def test_a_word_asks_for_a_kind_and_for_what_hides_it(
    category: Category, failing: set[str]
) -> None:
    head = lint("a", category=category)
    found = {word for word in WORDS if of_lint(head, lint(), word).ruling is Ruling.FAIL}
    assert found == failing


def test_of_warnings_any_asks_where_they_are_named_and_no_kind_counts_that_is_not() -> None:
    head = {"a": lint("w", category=Category.WARNING), "b": lint("l")}

    def failing(*categories: str) -> set[str]:
        verdict = gate([head], base({}), words={"any"}, categories=categories)
        return {judged.item.message for judged in verdict.items if judged.blocks}

    assert failing() == {"l"}
    assert failing("warning") == {"w"}
    assert failing("warning", "lint") == {"w", "l"}
    assert failing("type") == set()
    broken = {"a": lint("b", category=Category.BUILD)}
    assert gate([broken], base({}), words={"any"}, categories=["type"]).ruling is Ruling.FAIL


def test_lost_tests_count_with_tests_only() -> None:
    known = base({"pytest": suite(a="passed", b="passed")})
    for categories, ruling in (
        ((), Ruling.FAIL),
        (("test",), Ruling.FAIL),
        (("lint",), Ruling.PASS),
    ):
        head = [{"pytest": suite(a="passed")}]
        assert gate(head, known, words={"any"}, categories=categories).ruling is ruling


def test_what_was_hidden_by_a_failure_that_is_gone_blocks_nothing() -> None:
    broken = Problem(category=Category.BUILD, path="a.py", line=1, code="syntax", message="syntax")
    head = Problem(category=Category.TYPE, path="a.py", line=1, code="x", message="a type")
    was, now = (Diagnosis(failures=identified("mypy", [p])) for p in (broken, head))
    verdict = gate([{"mypy": now}], base({"mypy": was}), words={"new"}, changed={"a.py"})
    assert ages(verdict) == {"a type": Age.HIDDEN}
    assert verdict.ruling is Ruling.PASS
    # in another file that the change touches, it is the change's doing
    elsewhere = Problem(category=Category.TYPE, path="b.py", line=1, code="x", message="a type")
    now = Diagnosis(failures=identified("mypy", [elsewhere]))
    verdict = gate([{"mypy": now}], base({"mypy": was}), words={"new"}, changed={"a.py", "b.py"})
    assert verdict.ruling is Ruling.FAIL


# --- what was not looked at -----------------------------------------------------------------------


def test_what_fails_fails_whatever_was_not_seen() -> None:
    seen = {"ruff": lint("new"), "mypy": lint(incomplete="it crashed")}
    before = base({"ruff": lint(), "mypy": lint()})
    for allowed in (False, True):
        verdict = gate([seen], before, words={"new"}, allow_incomplete=allowed)
        assert verdict.ruling is Ruling.FAIL
        assert verdict.reason == ("1 new failure (1 lint); not all was looked at: mypy: it crashed")
    only = gate([{"ruff": lint("new", incomplete="it crashed")}], before, words={"new"})
    assert only.ruling is Ruling.FAIL


def test_an_incomplete_target_is_incomplete_unless_that_is_allowed() -> None:
    seen = {"ruff": lint(), "mypy": lint(incomplete="it crashed")}
    before = base({"ruff": lint(), "mypy": lint()})
    verdict = gate([seen], before, words={"new"})
    assert verdict.ruling is Ruling.INCOMPLETE
    assert verdict.exit_code == 1
    assert verdict.reason == "not all was looked at: mypy: it crashed"
    assert gate([seen], before, words={"new"}, allow_incomplete=True).ruling is Ruling.PASS


@pytest.mark.parametrize("head", [[], [{}], [{"ruff": lint(incomplete="missing")}]])
def test_no_permission_makes_something_of_nothing(head: list[Seen]) -> None:
    verdict = gate(head, base(), words={"any"}, allow_incomplete=True)
    assert verdict.ruling is Ruling.INCOMPLETE
    assert verdict.reason.startswith("nothing was looked at to the end")


def test_where_the_base_crashed_only_what_was_seen_there_is_old() -> None:
    verdict = of_lint(lint("a", "b"), lint("a", incomplete="a time-out"))
    assert ages(verdict) == {"a": Age.OLD, "b": Age.UNKNOWN}
    assert verdict.ruling is Ruling.INCOMPLETE
    assert "whether 1 lint are new" in verdict.reason
    assert "ruff" in verdict.reason
    assert of_lint(lint("a"), lint("a", incomplete="a time-out")).ruling is Ruling.PASS


def test_without_a_base_nobody_can_say_what_is_new() -> None:
    for head in (lint("a"), lint()):
        verdict = gate([{"ruff": head}], NO_BASE, words={"new"})
        assert verdict.ruling is Ruling.INCOMPLETE
        assert "a shallow clone" in verdict.reason
    assert gate([{"ruff": lint("a")}], NO_BASE, words={"lint"}).ruling is Ruling.FAIL
    assert gate([{"ruff": lint()}], NO_BASE, words={"lint"}).ruling is Ruling.PASS
    # who is sure that it fails need not ask the base
    verdict = gate([{"ruff": lint("a")}], NO_BASE, words={"new", "lint"})
    assert verdict.ruling is Ruling.FAIL


@pytest.mark.parametrize("word", WORDS)
def test_a_target_that_is_not_asked_any_more_is_red(word: str) -> None:
    before = base({"ruff": lint(), "mypy": lint("a")})
    verdict = gate([{"ruff": lint()}], before, words={word})
    assert verdict.ruling is Ruling.FAIL
    assert verdict.absent == ("mypy",)
    assert "mypy" in verdict.reason


def test_all_that_a_tool_tells_is_new_where_the_base_is_not_checked_with_it() -> None:
    verdict = gate([{"ruff": lint("a")}], base({"mypy": lint()}), words={"new"})
    assert ages(verdict) == {"a": Age.NEW}


# --- tests ----------------------------------------------------------------------------------------


def of_tests(
    head: Diagnosis, before: Diagnosis, *allow: str, word: str = "new"
) -> GateVerdict[Failure]:
    return gate([{"pytest": head}], base({"pytest": before}), words={word}, allow=allow)


@pytest.mark.parametrize("word", ["new", "test", "any"])
@pytest.mark.parametrize("now", [{}, {"b": "skipped"}, {"b": "xfailed"}, {"b": "deselected"}])
def test_a_test_that_passed_and_judges_nothing_any_more_fails(
    word: str, now: dict[str, str]
) -> None:
    verdict = of_tests(suite(a="passed", **now), suite(a="passed", b="passed"), word=word)
    assert verdict.ruling is Ruling.FAIL
    assert "1 of 2 tests lost" in verdict.reason
    assert verdict.reason.endswith(": b")


def test_who_did_not_ask_about_tests_is_only_told() -> None:
    verdict = of_tests(suite(a="passed"), suite(a="passed", b="passed"), word="build")
    assert verdict.ruling is Ruling.PASS
    assert verdict.lost


def test_a_test_may_be_removed_where_the_base_allows_it() -> None:
    before = suite(**{"t.py::a": "passed", "t.py::b": "passed"})
    gone, skipped = (
        suite(**{"t.py::a": "passed"}),
        suite(**{"t.py::a": "passed", "t.py::b": "skipped"}),
    )
    for allow in ("test-removed", "test-removed:t.py"):
        assert of_tests(gone, before, allow).ruling is Ruling.PASS
        assert of_tests(skipped, before, allow).ruling is Ruling.FAIL
    assert of_tests(gone, before, "test-removed:other.py").ruling is Ruling.FAIL
    assert of_tests(skipped, before, "test-skipped").ruling is Ruling.PASS


def test_a_test_that_failed_may_vanish_but_the_suite_may_not() -> None:
    before = suite(a="passed", b="failed")
    assert of_tests(suite(a="passed"), before).ruling is Ruling.PASS
    assert of_tests(lint(), before).ruling is Ruling.FAIL


def test_a_suite_that_ended_early_is_told() -> None:
    cut = Diagnosis(suite=SuiteResult(of={"a": "passed", "b": "passed"}, unfinished=1))
    verdict = of_tests(cut, suite(a="passed", b="passed"))
    assert verdict.ruling is Ruling.FAIL
    assert "ended without its last word" in verdict.reason


# --- what comes and goes --------------------------------------------------------------------------

RED, GREEN = {"pytest": suite(a="failed", b="passed")}, {"pytest": suite(a="passed", b="passed")}


def test_what_comes_and_goes_is_forgiven_where_it_does_so_at_the_base() -> None:
    for looks in ([RED, GREEN, GREEN], [GREEN, RED, GREEN], [RED, RED, RED]):
        verdict = gate(looks, base(GREEN, RED, GREEN), words={"new", "test"})
        assert set(ages(verdict).values()) == {Age.FLAKY}
        assert verdict.ruling is Ruling.PASS
        assert "at the base in 1 of 3 looks" in verdict.items[0].note


def test_what_comes_and_goes_at_the_head_alone_is_new() -> None:
    for word in ("new", "test"):
        verdict = gate([RED, GREEN, GREEN], base(GREEN, GREEN, GREEN), words={word})
        assert set(ages(verdict).values()) == {Age.NEW}
        assert verdict.ruling is Ruling.FAIL
    assert verdict.items[0].note == "failed in 1 of 3 looks, at the base in 0 of 3 looks"


def test_without_a_base_nobody_forgives_what_comes_and_goes() -> None:
    assert gate([RED, GREEN], NO_BASE, words={"test"}).ruling is Ruling.FAIL


def test_a_look_that_ended_early_clears_nobody() -> None:
    cut = {"pytest": Diagnosis(incomplete="a time-out", suite=SuiteResult(of={"b": "passed"}))}
    verdict = gate([RED, cut], base(RED), words={"new"})
    assert set(ages(verdict).values()) == {Age.OLD}


def test_another_look_is_taken_at_tests_that_fail_otherwise_than_at_the_base() -> None:
    assert suspects([RED], [GREEN], {"new"}) == {"pytest"}
    assert suspects([RED], [RED], {"new"}) == frozenset()
    assert suspects([RED], [], {"new"}) == {"pytest"}
    assert suspects([{"ruff": lint("a")}], [{"ruff": lint()}], {"any"}) == frozenset()
    fails = [Problem(category=Category.LINT, path="", message="make check fails", name="target")]
    alone = {"target": Diagnosis(failures=identified("target", fails))}
    assert suspects([alone], [{"target": Diagnosis()}], {"new"}) == {"target"}
    assert suspects([alone], [alone], {"new"}) == frozenset()


@pytest.mark.parametrize(
    ("word", "expected"),
    [("any", {"pytest"}), ("test", {"pytest"}), ("type", set()), ("new", set())],
)
def test_another_look_is_taken_at_old_tests_that_would_fail_the_gate(
    word: str, expected: set[str]
) -> None:
    """Else what comes and goes is forgiven or not by how often it happened to fail at first."""
    assert suspects([RED | {"ruff": lint("a")}], [RED | {"ruff": lint("a")}], {word}) == expected


# --- words ----------------------------------------------------------------------------------------


def test_words_are_taken_with_commas_and_none_means_any() -> None:
    assert parse_words(["build,test", "new"]) == {"build", "test", "new"}
    assert parse_words([]) == {"any"}
    with pytest.raises(ConfigError, match="Did you mean 'lint'"):
        parse_words(["lnt"])
