"""What may take kept changes back: a loss that noise could hide is not let through."""

from __future__ import annotations

import random

import pytest

from autoresearch_ci.decide.metric.decision import NoWorse
from autoresearch_ci.decide.metric.run_statistics import DecisionRuns, Policy, RunStatistics, Side
from autoresearch_ci.experiment import Decision, Direction, Status

POLICY = Policy(direction=Direction.MINIMIZE)


def judged(rule: NoWorse, own: float, rival: float, noise: float, seed: int) -> Decision:
    dice = random.Random(seed)
    session = RunStatistics.calibrated([dice.gauss(rival, noise) for _ in range(5)], POLICY)
    evidence, asked = DecisionRuns(), []
    while isinstance(step := rule.judge(evidence, session, POLICY), Side):
        asked.append(step)
        evidence = evidence.plus(step, dice.gauss(own if step is Side.CANDIDATE else rival, noise))
    assert [asked.count(side) for side in Side] == [rule.pairs, rule.pairs]
    neighbours = [asked[n : n + 2] for n in range(0, len(asked), 2)]
    assert all(len(set(pair)) == 2 for pair in neighbours)
    return step


def kept(rule: NoWorse, loss: float, noise: float) -> float:
    """How often it is let through."""
    found = [judged(rule, 100 * (1 + loss), 100, noise, seed) for seed in range(400)]
    return sum(d.status is Status.KEEP for d in found) / len(found)


def test_what_loses_as_much_as_it_may_hardly_passes_and_what_loses_nothing_does() -> None:
    rule = NoWorse(pairs=5, margin=0.05)
    assert kept(rule, loss=0.05, noise=1.5) < 0.04
    assert kept(rule, loss=0.0, noise=1.5) > 0.9


def test_noise_that_hides_a_loss_lets_nothing_through() -> None:
    assert kept(NoWorse(pairs=5, margin=0.005), loss=0.0, noise=5.0) < 0.15


@pytest.mark.parametrize(("own", "status"), [(100, "keep"), (99, "keep"), (101, "discard")])
def test_of_an_exact_metric_one_pair_tells(own: float, status: str) -> None:
    decision = judged(NoWorse(pairs=1, margin=0.5), own, 100, 0.0, 1)
    assert decision.status == status


def test_what_turns_out_to_vary_is_not_judged_by_one_pair() -> None:
    session = RunStatistics.calibrated([100.0] * 3, POLICY)
    evidence = DecisionRuns().plus(Side.CANDIDATE, 100.0).plus(Side.INCUMBENT, 101.0)
    decision = NoWorse(pairs=1, margin=0.5).judge(evidence, session, POLICY)
    assert isinstance(decision, Decision)
    assert decision.status is Status.DISCARD
