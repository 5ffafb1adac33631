"""The metric that no proposer sees: asked only about would-be keeps, answered with a word.

Its numbers stand in the run store alone, never in the journal, a prompt or the run folder.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from statistics import median

from autoresearch_ci.config.metric import Holdout
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.metric.noise import ComparisonResult, compare
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.events import Warning
from autoresearch_ci.experiment import HOLDOUT_SAYS, HoldoutVerdict, MetricRun
from autoresearch_ci.measure.bench import Bench, crashed
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.measure.second_chance import with_second_chance

BASELINE_RUNS = 3
"""Runs that tell the holdout's own noise."""
_LEVEL = 0.1
"""Of calling equal code better or worse, half of it each: the metric has paid for its own error."""
_FLAKY = (
    "the holdout fails now and then on code that is not a candidate's: where it fails it gets a "
    "second run"
)


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


def asked(
    bench: Bench, candidate: Subject, knowledge: Knowledge, *, hold: bool = False
) -> tuple[HoldoutVerdict | None, Knowledge]:
    """What the holdout says of the candidate, measured beside the incumbent.

    `None`: nothing, as it fails on the incumbent, too. `hold`: nobody expects a gain of this one.
    """
    holdout = bench.holdout
    if holdout is None:
        return HoldoutVerdict.NONE, knowledge
    if gains := holdout.must == "gain" and not hold:
        agrees, knowledge = _gains(bench, holdout, candidate, knowledge)
    else:
        agrees, knowledge = _holds(bench, holdout, candidate, knowledge)
    if agrees is None:
        return None, knowledge
    if not agrees:
        return HoldoutVerdict.DENIES, knowledge
    return HoldoutVerdict.GAINS if gains else HoldoutVerdict.HOLDS, knowledge


def measured(bench: Bench, subject: Subject, knowledge: Knowledge) -> tuple[MetricRun, Knowledge]:
    """One state of the code; a second time where the command failed, as with metric and guards."""
    found = with_second_chance(
        "holdout",
        lambda subject, knowledge: bench.run(subject, knowledge, stage="holdout"),
        subject,
        knowledge,
        may_pass=crashed,
    )
    if "holdout" in found.knowledge.flaky - knowledge.flaky:
        bench.observe(Warning(message=_FLAKY))
    return found.run, found.knowledge


def _gains(
    bench: Bench, holdout: Holdout, candidate: Subject, knowledge: Knowledge
) -> tuple[bool | None, Knowledge]:
    """Whether the candidate is better, by pairs of runs until that is clear or hardly possible.

    A deterministic holdout denies after one pair and agrees after two or three equal ones.
    """
    direction, spread = holdout.direction_beside(bench.metric), knowledge.holdout_spread
    most = max(3, bench.metric.repeats.max)
    base: list[float] = []
    head: list[float] = []
    while True:
        order = [candidate.rival, candidate]
        if swapped := len(base) % 2 == 1:
            order.reverse()
        values, knowledge = _values(bench, order, knowledge)
        if len(values) < len(order):
            return _without_number(bench, order[len(values)], knowledge)
        base.append(values[swapped])
        head.append(values[not swapped])
        gain = direction.gain(median(base), median(head))
        constant = not spread and len(set(base)) == len(set(head)) == 1
        if gain < -2 * spread or (gain <= 0 and constant):
            return False, knowledge
        found = compare(
            base, head, direction, pairs_max=most, alpha=_LEVEL, may_be_exact=not spread
        )
        if found:
            return found.verdict is ComparisonResult.IMPROVED, knowledge


def _holds(
    bench: Bench, holdout: Holdout, candidate: Subject, knowledge: Knowledge
) -> tuple[bool | None, Knowledge]:
    """Whether the candidate is no worse than the incumbent, beyond twice the known spread, nor with
    all that was kept so far than chance explains: else a small loss each time adds up.

    A deterministic holdout costs one run of each, a noisy one two, in the order A B B A.
    """
    spread = knowledge.holdout_spread
    order = [candidate, candidate.rival]
    if spread:
        order = [*order, *reversed(order)]
    values, knowledge = _values(bench, order, knowledge)
    if len(values) < len(order):
        return _without_number(bench, order[len(values)], knowledge)
    own, rival = values[0::3], values[1:3]
    direction = holdout.direction_beside(bench.metric)
    gain = direction.gain(median(rival), median(own))
    steps = (*knowledge.held, gain)
    holds = gain >= -2 * spread and sum(steps) >= -2 * spread * sqrt(len(steps))
    return holds, replace(knowledge, holding=gain)


def lost(bench: Bench, head: Subject, knowledge: Knowledge) -> str:
    """Why the holdout speaks against a result, measured beside its base; empty: it does not.

    One pair of runs is enough where it is no worse; a loss must be there in `BASELINE_RUNS` of
    them, beyond twice what equal code is seen to vary. No number is told.
    """
    if bench.holdout is None:
        return ""
    direction = bench.holdout.direction_beside(bench.metric)
    base: list[float] = []
    own: list[float] = []
    while len(own) < BASELINE_RUNS:
        sides = [(head.rival, base), (head, own)]
        for subject, values in reversed(sides) if len(own) % 2 else sides:
            run, knowledge = measured(bench, subject, knowledge)
            if run.value is None:
                which = "result" if subject.is_candidate else "unmodified code"
                return f"{HOLDOUT_SAYS}cannot be measured on the {which}"
            values.append(run.value)
        spread = max(knowledge.holdout_spread, *(max(v) - min(v) for v in (base, own)))
        if direction.gain(median(base), median(own)) >= -2 * spread:
            return ""
    return f"{HOLDOUT_SAYS}is worse than on the unmodified code"


def _values(
    bench: Bench, subjects: list[Subject], knowledge: Knowledge
) -> tuple[list[float], Knowledge]:
    """Their numbers, up to the first that has none."""
    values: list[float] = []
    for subject in subjects:
        run, knowledge = measured(bench, subject, knowledge)
        if run.value is None:
            break
        values.append(run.value)
    return values, knowledge


def _without_number(
    bench: Bench, failed: Subject, knowledge: Knowledge
) -> tuple[bool | None, Knowledge]:
    """No, of a candidate; but where the incumbent has none, either, nobody can tell."""
    if not failed.is_candidate:
        return None, knowledge
    run, knowledge = measured(bench, failed.rival, knowledge)
    return (None if run.failed else False), knowledge
