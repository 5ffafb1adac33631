"""What is left for proposing is what the run has, without what its end takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from autoresearch_ci.decide.budget import Limits
from autoresearch_ci.experiment import Direction, Spent
from autoresearch_ci.propose.briefing import Briefing
from tests.memory_tree import Files


def briefing(limits: Limits, spent: Spent, unfinished: Spent) -> Briefing:
    ledger: Any = SimpleNamespace(
        experiments=[],
        incumbent="",
        facts=SimpleNamespace(base=""),
        spent=spent,
        history=SimpleNamespace(unfinished=unfinished, attempts=()),
    )
    return Briefing(
        goal="",
        metric="",
        program="",
        hidden=(),
        seed=0,
        limits=limits,
        direction=Direction.MINIMIZE,
        ledger=ledger,
        tree=lambda _: Files({}),
    )


def test_what_is_kept_back_for_the_end_is_not_there_for_a_proposal() -> None:
    told = briefing(Limits(iterations=1, seconds=100), Spent(), Spent()).context(kept_back=30)
    assert told.remaining.seconds
    assert 60 < told.remaining.seconds <= 70


def test_a_repair_may_cost_what_the_iteration_has_left() -> None:
    limits = Limits(iterations=1, usd=9, tokens=900, iteration_usd=2, iteration_tokens=200)
    spent, unfinished = Spent(tokens=800, cost_usd=8.5), Spent(tokens=150, cost_usd=1.75)
    left = briefing(limits, spent, unfinished).context().remaining
    assert (left.usd, left.tokens) == (0.5, 100)
    assert (left.most_usd, left.most_tokens) == (0.25, 50)
