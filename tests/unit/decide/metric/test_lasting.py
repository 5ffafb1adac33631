"""Three experiments that die of the same are no search."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoresearch_ci.decide.metric.judged_before import (
    as_judged,
    is_expected,
    known,
    lasting_failure,
)
from autoresearch_ci.experiment import Experiment, Status
from tests import journal_rows


def rows(*ends: tuple[Status, str]) -> list[Experiment]:
    return [
        journal_rows.row(
            number,
            timestamp="",
            commit="",
            metric=None,
            delta=None,
            status=status,
            description=f"idea {number}",
            best=None,
            seconds=0.0,
            reason=reason,
        )
        for number, (status, reason) in enumerate(ends)
    ]


CRASH = (Status.CRASH, "exit code 1: OSError: no space")
HOOK = (Status.HOOK_BLOCKED, "the pre-commit hook refused it: exit code 1: took 12 s")


@pytest.mark.parametrize("end", [CRASH, HOOK, (Status.METRIC_ERROR, "score was not printed")])
def test_the_same_three_times_is_a_failure_that_lasts(end: tuple[Status, str]) -> None:
    assert lasting_failure(rows((Status.BASELINE, ""), end, end)) == ""
    assert lasting_failure(rows((Status.BASELINE, ""), end, end, end)).endswith(f": {end[1]}")
    assert lasting_failure(rows(end, end, end, (Status.DISCARD, ""))) == ""


def test_a_hooks_times_are_not_its_words() -> None:
    again = (HOOK[0], HOOK[1].replace("12", "7"))
    assert lasting_failure(rows(HOOK, again, HOOK))
    assert not lasting_failure(rows(CRASH, (CRASH[0], CRASH[1].replace("1:", "2:")), CRASH))


def test_different_ends_are_a_search() -> None:
    other = (Status.CRASH, "exit code 1: KeyError: 'a'")
    assert lasting_failure(rows(CRASH, other, CRASH)) == ""
    assert lasting_failure(rows(*[(Status.DISCARD, "no better")] * 5)) == ""
    assert lasting_failure(rows(*[(Status.NO_OP, "nothing")] * 5)) == ""


@pytest.mark.parametrize("start", ["guard failed: ", "the incumbent could not be measured again: "])
def test_a_discard_that_may_be_nobodys_fault_is_looked_at_every_third_time(start: str) -> None:
    end = (Status.DISCARD, f"{start}exit code 7: connection refused")
    found = [bool(lasting_failure(rows(*[end] * count))) for count in range(1, 8)]
    assert found == [False, False, True, False, False, True, False]


def test_ideas_that_are_only_slow_are_an_answer() -> None:
    slow = (Status.CRASH, "timed out after 30 s")
    assert lasting_failure(rows(slow, slow, slow))
    assert is_expected(rows(slow, slow, slow))
    assert not is_expected(rows(CRASH, CRASH, CRASH))


def test_a_hook_that_finds_something_else_each_time_is_an_answer() -> None:
    again = (HOOK[0], HOOK[1].replace("12", "7"))
    assert is_expected(rows(HOOK, again, HOOK))
    assert not is_expected(rows(again, HOOK, HOOK, HOOK))


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ((Status.DISCARD, "no better: -1.0 %"), "experiment 1, discard: no better: -1.0 %"),
        ((Status.DISCARD, "guard failed: exit code 1"), "experiment 1, discard: guard failed: "),
        ((Status.METRIC_ERROR, "nan"), "experiment 1, metric-error: nan"),
        ((Status.KEEP, "+1.0 %"), "experiment 1, keep: +1.0 %"),
        (CRASH, "experiment 1, crash: exit code 1: OSError: no space"),
        ((Status.DISCARD, "clearly worse: -9.0 %"), "experiment 1, discard: clearly worse: -9.0 %"),
        # The keep rule wants to see more of it, nothing was judged, or it was the machine, perhaps.
        ((Status.DISCARD, "clearly worse by old runs: -9.0 % (CI -9.1..-8.9)"), ""),
        ((Status.DISCARD, "distrusted, the incumbent is worse by 9 % since this ran: +9.0 %"), ""),
        ((Status.DISCARD, "promising: +1.0 %"), ""),
        ((Status.DISCARD, "the incumbent could not be measured again: exit code 1"), ""),
        (
            (
                Status.METRIC_ERROR,
                "nobody can say: a: a did not end by itself: timed out after 9 s",
            ),
            "",
        ),
        (HOOK, ""),
    ],
)
def test_what_was_judged_is_known_by_its_end(end: tuple[Status, str], why: str) -> None:
    row = rows((Status.BASELINE, ""), end)[1]
    found = known(row)
    assert found.startswith(f"the same code as {why}") if why else found == ""
    if found:  # and the next is seen as ending like it
        again = as_judged(replace(row, status=Status.NO_OP, reason=found))
        assert (again.status, again.reason) == end
    assert "baseline" in known(rows((Status.BASELINE, ""))[0])
    assert "which crashed or failed a guard" in known(row, counted=False)


@pytest.mark.parametrize(
    "end",
    [
        CRASH,
        (Status.METRIC_ERROR, "score was not printed"),
        (Status.DISCARD, "guard failed: exit code 7: connection refused"),
        HOOK,
    ],
)
def test_what_failed_before_a_resume_is_measured_again(end: tuple[Status, str]) -> None:
    assert known(rows((Status.BASELINE, ""), end)[1], resumed=True) == ""
    assert known(rows((Status.BASELINE, ""), end)[1], counted=False, resumed=True) == ""


@pytest.mark.parametrize("status", [Status.BASELINE, Status.KEEP, Status.DISCARD])
def test_what_was_compared_before_a_resume_stays_judged(status: Status) -> None:
    assert known(rows((status, "no better: -1.0 %"))[0], resumed=True)


def test_a_failure_that_is_only_proposed_again_lasts_like_one_that_is_measured_again() -> None:
    again = (Status.NO_OP, known(rows((Status.BASELINE, ""), CRASH)[1]))
    ends = [as_judged(row) for row in rows(CRASH, again, again)]
    assert lasting_failure(ends).endswith(CRASH[1])
    assert not is_expected(ends)


def test_what_was_not_measured_is_not_known() -> None:
    assert known(replace(rows((Status.DISCARD, "out-of-scope: other"))[0], samples=0)) == ""
