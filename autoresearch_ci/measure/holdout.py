"""The metric that no proposer sees: asked only about would-be keeps, answered with yes or no.

Its numbers stand in the run store alone, never in the journal, a prompt or the run folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from autoresearch_ci.config.plans import MetricPlan
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.record.durable_records import Attempt
from autoresearch_ci.workspace.repository import Changes

BASELINE_RUNS = 3
"""Runs that tell the holdout's own noise."""


class Holdout:
    """Knows how much the holdout varies on unmodified code."""

    def __init__(self, bench: Bench, plan: MetricPlan) -> None:
        self._bench = bench
        self._plan = plan
        self._spread = 0.0

    def calibrate(self) -> None:
        """Measure the unmodified code. Raises `BaselineError`."""
        values = [self._value({}, 0) for _ in range(BASELINE_RUNS)]
        if None in values:
            raise BaselineError(
                "the holdout cannot be measured on the unmodified code; its output is in the run "
                "store (.git/autoresearch/TAG/holdout/0.log), out of the proposer's sight.\n"
                + self._bench.confinement_hint()
            )
        known = [value for value in values if value is not None]
        self._spread = max(known) - min(known)

    def confirms(self, attempt: Attempt, incumbent: Changes) -> bool:
        """Whether the candidate is no worse than the incumbent, beyond twice the known spread.

        A deterministic holdout costs one run of each, a noisy one two, in the order A B B A.
        """
        order = [attempt.changes, incumbent]
        if self._spread:
            order += [incumbent, attempt.changes]
        values = [
            self._value(changes, attempt.iteration, incumbent=changes is incumbent)
            for changes in order
        ]
        own = [v for v, c in zip(values, order, strict=True) if c is attempt.changes]
        rival = [v for v, c in zip(values, order, strict=True) if c is incumbent]
        if None in own or None in rival:
            return False
        gain = self._plan.direction.gain(
            median(v for v in rival if v is not None), median(v for v in own if v is not None)
        )
        return gain >= -2 * self._spread

    def memory(self) -> dict[str, Any]:
        """What was learnt on the baseline, as plain JSON values."""
        return {"spread": self._spread}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Inverse of `memory`."""
        self._spread = memory["spread"]

    def _value(self, changes: Changes, iteration: int, *, incumbent: bool = False) -> float | None:
        run = self._bench.metric(
            changes, iteration, stage="holdout", plan=self._plan, incumbent=incumbent
        )
        return run.value
