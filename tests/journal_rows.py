"""Rows of a journal, as a run of repairs writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autoresearch_ci.experiment import Experiment, Status


def row(number: int, **changes: Any) -> Experiment:
    first = Experiment(
        iteration=number,
        timestamp="2026-01-01T00:00:00+00:00",
        commit=f"c{number}",
        metric=3.0,
        delta=0.0,
        guard="-",
        guard_metric=None,
        status=Status.DISCARD if number else Status.BASELINE,
        description=f"repair {number}",
        best=3.0,
        samples=1,
        ci_low=None,
        ci_high=None,
        seconds=1.0,
        tokens=0,
        cost_usd=0.0,
        peak_memory_mb=None,
        proposer="claude",
        attempts=1,
        reason="the same failures as before",
    )
    return replace(first, **changes)
