"""What becomes of a failure follows from the journal and its cause, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.decide.causes import Verdict
from autoresearch_ci.decide.failures import Category, Failure, journal_id
from autoresearch_ci.decide.ground import Cause
from autoresearch_ci.decide.queue import Queue, attempts_at, queue
from autoresearch_ci.experiment import Experiment, Status


def failure(name: str, category: Category = Category.LINT, **more: Any) -> Failure:
    values = {"tool": "ruff", "path": "a.py", "line": 1, "code": "", "message": "m", **more}
    return Failure(category=category, id=name, **values)


def row(number: int, of: str = "", status: Status = Status.DISCARD, **more: Any) -> Experiment:
    values: dict[str, Any] = {
        "iteration": number,
        "timestamp": "",
        "commit": f"{number:040x}",
        "metric": None,
        "delta": None,
        "guard": "-",
        "guard_metric": None,
        "status": status,
        "description": f"try {number}",
        "best": None,
        "samples": 1,
        "ci_low": None,
        "ci_high": None,
        "seconds": 1.0,
        "tokens": 0,
        "cost_usd": 0.0,
        "peak_memory_mb": None,
        "proposer": "claude",
        "attempts": 1,
        "reason": "no better",
        "failure": journal_id(of) if of else "",
        **more,
    }
    return Experiment(**values)


A, B = failure("ruff:a.py:F401:a"), failure("mypy:a.py:x:b", Category.TYPE)


def test_the_most_pressing_is_taken_until_it_was_tried_often_enough() -> None:
    rows = [row(0, status=Status.BASELINE)]
    for tried in range(3):
        assert queue([A, B], rows, {}, 3).open == (B, A), tried
        rows.append(row(tried + 1, B.id))
    found = queue([A, B], rows, {}, 3)
    assert (found.open, found.blocked) == ((A,), (B,))
    assert not found.is_over
    assert queue([B], rows, {}, 3).is_over
    assert queue([B], rows, {}, 4).open == (B,)


@pytest.mark.parametrize(
    "status", [Status.DISCARD, Status.CRASH, Status.NO_OP, Status.METRIC_ERROR, Status.HOOK_BLOCKED]
)
def test_whatever_came_of_it_an_attempt_counts(status: Status) -> None:
    assert len(attempts_at(A.id, [row(1, A.id, status), row(2, B.id), row(3)])) == 1


def test_what_was_mended_and_comes_back_is_tried_anew() -> None:
    rows = [row(1, A.id), row(2, A.id), row(3, A.id, Status.KEEP), row(4, A.id)]
    assert [e.iteration for e in attempts_at(A.id, rows)] == [4]
    assert queue([A], rows, {}, 3).open == (A,)


def test_an_id_that_no_cell_can_hold_is_found_by_what_stands_in_the_journal() -> None:
    odd = failure("pytest:tests.a::test[ü|\t x]")
    rows = [row(n, odd.id) for n in range(3)]
    assert queue([odd], rows, {}, 3).blocked == (odd,)


@pytest.mark.parametrize("cause", list(Cause))
def test_by_its_cause_a_failure_is_reported_or_repaired(cause: Cause) -> None:
    found = queue([A], [], {A.id: Verdict(cause=cause, evidence="x")}, 3)
    reported = cause in (Cause.ENVIRONMENT, Cause.FLAKY, Cause.UNSURE)
    assert found == (Queue(reported=(A,)) if reported else Queue(open=(A,)))


def test_the_answer_that_nothing_is_to_be_done_ends_the_attempts() -> None:
    rows = [row(1, A.id, Status.NO_OP, description="nothing to do: no network")]
    assert queue([A], rows, {}, 3).answered == (A,)
    edited = [row(1, A.id, Status.DISCARD, description="nothing to do: no network")]
    assert queue([A], edited, {}, 3).open == (A,)
