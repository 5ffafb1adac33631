"""What a run knows is a value: a judgement is given one, and hands out the next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoresearch_ci.decide.failures.lost_tests import Standard, SuiteResult
from autoresearch_ci.decide.knowledge import Knowledge, Prints
from autoresearch_ci.decide.metric.early_stop import Curve
from autoresearch_ci.decide.metric.printed_lines import PrintedLines
from autoresearch_ci.decide.metric.run_statistics import DecisionRuns, RunStatistics, Side
from autoresearch_ci.experiment import Decision, Status

KEEP, DISCARD = Decision(status=Status.KEEP), Decision(status=Status.DISCARD)


MEASURED = Knowledge(session=RunStatistics(incumbent=(5.0,)))


def seen(times: int = 1, listed: SuiteResult | None = None, **of: str) -> Prints:
    return Prints(suite=SuiteResult(of=of) if of else None, listed=listed, times=times)


def listing(**of: str) -> SuiteResult:
    return SuiteResult(of=of)


def known(*runs: Prints) -> Knowledge:
    knowledge = MEASURED
    for run in runs:
        knowledge = knowledge.having_seen("metric", run)
    return knowledge


def judged(knowledge: Knowledge, run: Prints, decision: Decision) -> Knowledge:
    _, knowledge = knowledge.doubting("metric", run)
    return knowledge.after(DecisionRuns(), decision, "id")


def test_what_a_command_takes_is_what_it_took_last_and_its_limit_is_from_the_longest() -> None:
    cold = MEASURED.having_taken("make", 60.0)
    warm = cold.having_taken("make", 4.0).having_taken_lately("test", 2.0)
    assert (warm.usual("make"), warm.usual("test"), warm.usual("other")) == (4.0, 2.0, 0.0)
    assert warm.durations == {"make": 60.0}
    # Records of earlier versions know only the longest.
    assert replace(cold, lately={}).usual("make") == 60.0


@pytest.mark.parametrize(("decision", "asked"), [(KEEP, {"a", "new"}), (DISCARD, {"a"})])
def test_what_passes_with_a_kept_candidate_must_stay_so(
    decision: Decision, asked: set[str]
) -> None:
    before = known(seen(a="passed"))
    after = judged(before, seen(a="passed", new="passed"), decision)
    assert set(after.standards["metric"].ranks) == asked
    assert after.shown == {}
    assert set(before.standards["metric"].ranks) == {"a"}


def test_a_candidate_is_held_against_its_incumbent_and_never_against_another_candidate() -> None:
    before = known(seen(a="passed", b="failed"))
    one, two = (
        judged(before, run, KEEP) for run in (seen(a="passed", b="passed"), seen(a="passed"))
    )
    assert "1 missing" in before.doubting("metric", seen(a="passed"))[0].reason
    assert "1 of 2" in one.doubting("metric", seen(a="passed", b="failed"))[0].reason
    assert two.doubting("metric", seen(a="passed", b="failed"))[0] is None


def test_what_flickers_in_one_of_a_candidates_runs_is_not_asked_of_others() -> None:
    before = known(seen(a="failed"))
    _, once = before.doubting("metric", seen(a="passed"))
    after = judged(once, seen(a="failed"), KEEP)
    assert after.doubting("metric", seen(a="failed"))[0] is None


def test_a_number_that_is_printed_again_is_no_number() -> None:
    doubt, _ = known(seen(a="passed")).doubting("metric", seen(2, a="passed"))
    assert doubt
    assert doubt.status is Status.METRIC_ERROR
    assert known(seen(2)).doubting("metric", seen(3))[0] is None
    assert known(seen(0)).doubting("metric", seen(3))[0] is None


@pytest.mark.parametrize(
    ("usual", "odd", "why"),
    [
        (
            Prints(times=1),
            Prints(times=1, before=1),
            "printed 2 times, on the unmodified code once",
        ),
        (
            Prints(times=2),
            Prints(times=2, before=1),
            "printed 3 times, on the unmodified code 2 times",
        ),
        (Prints(times=1, before=4), Prints(times=2, before=4), "on the unmodified code once"),
        (Prints(times=1), Prints(times=1, dropped=9), "9 bytes were printed in the middle"),
        (Prints(times=1), Prints(times=1, late=2), "2 bytes were printed after the command itself"),
    ],
)
def test_what_the_unmodified_code_does_not_print_is_not_believed(
    usual: Prints, odd: Prints, why: str
) -> None:
    doubt, _ = known(usual).doubting("metric", odd)
    assert doubt
    assert doubt.status is Status.METRIC_ERROR
    assert why in doubt.reason
    assert known(usual).doubting("metric", usual)[0] is None


def test_what_varies_before_the_number_is_no_reason() -> None:
    assert known(Prints(times=1, before=4)).doubting("metric", Prints(times=1, before=9))[0] is None


def test_a_report_that_tells_more_than_pytest_saw_is_forged_where_both_once_agreed() -> None:
    agreed = known(seen(a="passed", listed=listing(a="passed")))
    doubt, _ = agreed.doubting("metric", seen(a="passed", listed=listing(a="passed", b="passed")))
    assert doubt
    assert doubt.reason.startswith("the report was forged")
    never = known(seen(a="passed", listed=listing(a="passed", b="passed")))
    again = seen(a="passed", listed=listing(a="passed", b="passed"))
    assert never.doubting("metric", again)[0] is None


def test_what_a_report_lists_is_compared_as_well() -> None:
    doubt, _ = known(seen(listed=listing(a="passed"))).doubting("metric", seen(listed=listing()))
    assert doubt
    assert "1 missing" in doubt.reason


def test_where_tests_are_known_one_by_one_nobody_counts_lines() -> None:
    many, few = PrintedLines.of("a\nb\nc\n"), PrintedLines.of("")
    before = MEASURED.having_seen("metric", replace(seen(a="passed"), output=many))
    _, after = before.doubting("metric", replace(seen(a="passed"), output=few))
    assert after.missing == {}
    _, after = MEASURED.having_seen("metric", Prints(output=many)).doubting(
        "metric", Prints(output=few)
    )
    assert set(after.missing) == {"metric"}
    assert after.after(DecisionRuns(), DISCARD, "").missing == {}


def test_roles_do_not_mix() -> None:
    knowledge = known(seen(a="passed"))
    assert knowledge.doubting("guard 0", seen(2, b="failed")) == (None, knowledge)


def test_the_curve_to_keep_up_with_is_the_last_kept_candidates() -> None:
    points = ((0.5, 2.0), (1.0, 1.0))
    before = replace(MEASURED, curve=Curve(points=((1.0, 3.0),)))
    assert before.after(DecisionRuns(), KEEP, "", points).curve == Curve(points=points)
    assert before.after(DecisionRuns(), KEEP, "").curve is None
    assert before.after(DecisionRuns(), DISCARD, "", points).curve == before.curve


def test_every_judgement_moves_the_session_on() -> None:
    session = MEASURED.session
    evidence = DecisionRuns(runs=((Side.CANDIDATE, 4.0), (Side.INCUMBENT, 5.0)))
    after = MEASURED.after(evidence, KEEP, "id")
    assert after.session == session.after(evidence, KEEP, "id")
    assert after.session.keeps == (1,)


def test_the_longest_time_counts_and_nothing_is_forgotten() -> None:
    knowledge = Knowledge().having_taken("make", 2.0).having_taken("make", 1.0)
    knowledge = knowledge.having_taken("test", 3.0).without_plugin("make").without_plugin("x")
    knowledge = knowledge.failing_now_and_then("metric").having_numbered("guard 1", 5.0)
    assert knowledge.durations == {"make": 2.0, "test": 3.0}
    assert knowledge.blind == {"make", "x"}
    assert knowledge.flaky == {"metric"}
    assert knowledge.baselines == {"guard 1": 5.0}


def test_an_incumbent_that_is_measured_again_relaxes_its_standard() -> None:
    knowledge = known(seen(a="passed", b="passed"), seen(a="passed", b="failed"))
    assert knowledge.standards["metric"].ranks == Standard.of(listing(a="passed", b="failed")).ranks


def test_what_a_run_has_printed_is_remembered_in_numbers() -> None:
    """Records hold nothing else, and are read strictly."""
    printed = known(Prints(times=1, handed_over=True, stream="stderr")).printed
    assert {type(count) for count in printed.values()} == {int}
