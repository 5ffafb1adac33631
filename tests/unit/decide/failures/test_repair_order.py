"""What becomes of a failure follows from the journal and its cause, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.decide.failures.causes.ground import Cause
from autoresearch_ci.decide.failures.causes.verdicts import Verdict
from autoresearch_ci.decide.failures.failure import Category, Failure, journal_id
from autoresearch_ci.decide.failures.repair_order import in_vain, left, tried_at
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
        assert left([A, B], rows, attempts=3).waiting == (B, A), tried
        rows.append(row(tried + 1, B.id))
    found = left([A, B], rows, attempts=3)
    assert found.waiting == (A,)
    assert found.aside == {B.id: "blocked after 3 attempts"}
    assert left([B], rows, attempts=3).end
    assert left([B], rows, attempts=4).waiting == (B,)


@pytest.mark.parametrize(
    "status", [Status.DISCARD, Status.CRASH, Status.NO_OP, Status.METRIC_ERROR, Status.HOOK_BLOCKED]
)
def test_whatever_came_of_it_an_attempt_counts(status: Status) -> None:
    assert len(in_vain(tried_at(A, [row(1, A.id, status), row(2, B.id), row(3)]))) == 1


def test_what_was_mended_and_comes_back_is_tried_anew() -> None:
    rows = [row(1, A.id), row(2, A.id), row(3, A.id, Status.KEEP), row(4, A.id)]
    assert [e.iteration for e in in_vain(tried_at(A, rows))] == [4]
    assert left([A], rows, attempts=3).waiting == (A,)


def test_an_id_that_no_cell_can_hold_is_found_by_what_stands_in_the_journal() -> None:
    odd = failure("pytest:tests.a::test[ü|\t x]")
    rows = [row(n, odd.id) for n in range(3)]
    assert not left([odd], rows, attempts=3).waiting


@pytest.mark.parametrize("cause", list(Cause))
def test_by_its_cause_a_failure_is_reported_or_repaired(cause: Cause) -> None:
    found = left([A], [], attempts=3, verdicts={A.id: Verdict(cause=cause, evidence="x")})
    reported = cause in (Cause.ENVIRONMENT, Cause.FLAKY, Cause.UNSURE)
    assert found.aside == ({A.id: f"{cause}: x"} if reported else {})


def test_the_answer_that_nothing_is_to_be_done_ends_the_attempts() -> None:
    rows = [row(1, A.id, Status.NO_OP, description="nothing to do: no network")]
    assert left([A], rows, attempts=3).aside == {A.id: "nothing to do: no network"}
    edited = [row(1, A.id, Status.DISCARD, description="nothing to do: no network")]
    assert left([A], edited, attempts=3).waiting == (A,)
