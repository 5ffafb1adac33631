"""A journal row is a function of what was proposed and what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.candidate import Outcome
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.run_statistics import DecisionRuns, Side
from autoresearch_ci.experiment import (
    Decision,
    Experiment,
    FileEdit,
    GuardRun,
    MetricRun,
    Proposal,
    Spent,
    Status,
)
from autoresearch_ci.loop import MAX_REPAIRS, MAX_REWORKS, next_request, on_top, row_of
from autoresearch_ci.propose.proposer import Request

IDEA = Proposal(description="an idea", edits=(), proposer="p", tokens=10, cost_usd=0.5)
RED = GuardRun(command="g", passed=False)


def outcome(status: Status, *values: tuple[Side, float], **fields: Any) -> Outcome:
    runs = tuple(MetricRun(value=value, tokens=1, cost_usd=0.25) for _, value in values)
    given: dict[str, Any] = {
        "decision": Decision(status=status, reason="because", ci_low=0.1, ci_high=0.2),
        "knowledge": Knowledge(),
        "evidence": DecisionRuns(runs=values),
        "runs": runs,
        **fields,
    }
    return Outcome(**given)


def row(*outcomes: Outcome, proposal: Proposal = IDEA, best: float | None = 8.0) -> Experiment:
    return row_of(
        proposal,
        outcomes,
        iteration=3,
        timestamp="now",
        commit="abc",
        best=best,
        seconds=2.0,
        lost=Spent(tokens=100, cost_usd=1.0),
    )


CANDIDATE = (Side.CANDIDATE, 4.0), (Side.CANDIDATE, 6.0)
INCUMBENT = (Side.INCUMBENT, 7.0), (Side.INCUMBENT, 9.0)


def test_the_candidates_median_is_compared_with_the_incumbent_that_ran_beside_it() -> None:
    found = row(outcome(Status.KEEP, *CANDIDATE, *INCUMBENT), best=100.0)
    assert (found.metric, found.delta, found.best, found.samples) == (5.0, -3.0, 5.0, 4)


def test_without_fresh_runs_it_is_compared_with_the_best_so_far() -> None:
    found = row(outcome(Status.DISCARD, *CANDIDATE))
    assert (found.metric, found.delta, found.best) == (5.0, -3.0, 8.0)


@pytest.mark.parametrize("status", [Status.CRASH, Status.NO_OP, Status.METRIC_ERROR])
def test_without_a_value_there_is_no_difference_and_the_best_stays(status: Status) -> None:
    found = row(outcome(status))
    assert (found.metric, found.delta, found.best, found.guard) == (None, None, 8.0, "-")


def test_the_baseline_has_nothing_to_be_compared_with() -> None:
    found = row(outcome(Status.BASELINE, *CANDIDATE), best=None)
    assert (found.metric, found.delta, found.best) == (5.0, None, 5.0)


def test_every_attempt_is_paid_for_and_only_the_last_one_counts() -> None:
    found = row(outcome(Status.CRASH, *CANDIDATE), outcome(Status.DISCARD, *CANDIDATE))
    assert (found.attempts, found.samples, found.status) == (2, 4, Status.DISCARD)
    assert (found.tokens, found.cost_usd) == (10 + 4 + 100, 0.5 + 1.0 + 1.0)
    assert (found.reason, found.ci_low, found.ci_high) == ("because", 0.1, 0.2)


def test_guards_and_peak_memory_are_the_last_attempts() -> None:
    own = (MetricRun(value=1.0, peak_memory_mb=30.0), MetricRun(value=1.0, peak_memory_mb=20.0))
    guards = (GuardRun(command="g", passed=True), GuardRun(command="g", passed=True, value=7.0))
    found = row(outcome(Status.KEEP, *CANDIDATE, own=own, guards=guards))
    assert (found.guard, found.guard_metric, found.peak_memory_mb) == ("pass", 7.0, 30.0)
    assert row(outcome(Status.DISCARD, guards=(*guards, RED))).guard == "fail"


def test_what_held_a_secret_is_not_described() -> None:
    assert row(outcome(Status.DISCARD)).description == "an idea"
    assert row(outcome(Status.DISCARD, secret=True)).description == "withheld"


def test_a_crash_may_be_repaired_and_a_red_guard_reworked_so_many_times() -> None:
    crash, refused = outcome(Status.CRASH), outcome(Status.DISCARD, guards=(RED,))
    assert next_request([crash] * (MAX_REPAIRS - 1)) is Request.REPAIR
    assert next_request([crash] * MAX_REPAIRS) is None
    assert next_request([refused] * MAX_REWORKS) is Request.REWORK
    assert next_request([refused] * (MAX_REWORKS + 1)) is None
    assert next_request([crash, refused]) is Request.REWORK
    assert next_request([outcome(Status.DISCARD)]) is next_request([outcome(Status.KEEP)]) is None


def test_a_fix_contains_what_it_fixes_and_both_are_paid_for() -> None:
    def edits(**contents: bytes) -> tuple[FileEdit, ...]:
        return tuple(FileEdit(path=path, content=content) for path, content in contents.items())

    idea = Proposal(description="idea", edits=edits(a=b"1", b=b"1"), proposer="p", tokens=1)
    fix = Proposal(description="fix", edits=edits(b=b"2", c=b"2"), proposer="q", tokens=2)
    both = on_top(idea, fix)
    assert (both.description, both.proposer, both.tokens) == ("idea", "p", 3)
    assert {edit.path: edit.content for edit in both.edits} == {"a": b"1", "b": b"2", "c": b"2"}
    assert on_top(None, fix) is fix
