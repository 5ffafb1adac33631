"""The metric that no proposer sees: asked only about would-be keeps, answered with yes or no.

Its numbers stand in the run store alone, never in the journal, a prompt or the run folder.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.commands import Subject

BASELINE_RUNS = 3
"""Runs that tell the holdout's own noise."""


def calibrated(bench: Bench, knowledge: Knowledge) -> Knowledge:
    """Measure the unmodified code, when there is a holdout. Raises `BaselineError`."""
    if not bench.holdout:
        return knowledge
    unmodified = Subject(changes={}, iteration=0)
    values, knowledge = _values(bench, [unmodified] * BASELINE_RUNS, knowledge)
    if len(values) < BASELINE_RUNS:
        raise BaselineError(
            "the holdout cannot be measured on the unmodified code; its output is in the run "
            "store (.git/autoresearch/TAG/holdout/0.log), out of the proposer's sight.\n"
            + bench.hints("")
        )
    return replace(knowledge, holdout_spread=max(values) - min(values))


def confirms(bench: Bench, candidate: Subject, knowledge: Knowledge) -> tuple[bool, Knowledge]:
    """Whether the candidate is no worse than the incumbent, beyond twice the known spread.

    A deterministic holdout costs one run of each, a noisy one two, in the order A B B A.
    """
    holdout, spread = bench.holdout, knowledge.holdout_spread
    if holdout is None:
        return True, knowledge
    order = [candidate, candidate.rival]
    if spread:
        order = [*order, *reversed(order)]
    values, knowledge = _values(bench, order, knowledge)
    if len(values) < len(order):
        return False, knowledge
    own, rival = values[0::3], values[1:3]
    direction = holdout.direction_beside(bench.metric)
    return direction.gain(median(rival), median(own)) >= -2 * spread, knowledge


def _values(
    bench: Bench, subjects: list[Subject], knowledge: Knowledge
) -> tuple[list[float], Knowledge]:
    """The numbers of those runs that gave one."""
    values = []
    for subject in subjects:
        run, knowledge = bench.run(subject, knowledge, stage="holdout")
        if run.value is not None:
            values.append(run.value)
    return values, knowledge
