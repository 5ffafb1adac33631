"""How much error one test may have, so that a whole run seldom keeps what is not better. Pure."""

from __future__ import annotations

from collections.abc import Sequence

PASS = 0.5
"""At least this share of candidates as good as the incumbent gets past the screen."""
FIRST = 0.75
"""Share of alpha that may be spent before the first keep."""
PATIENCE = 10.0
"""Tests after which half of an allowance is spent."""


def level_of_next(tests: int, keeps: Sequence[int], alpha: float) -> float:
    """The error that the next test may have, after so many; `keeps`: which of them kept.

    Guarantee over a whole run, however long: if no candidate is better than its incumbent, the
    chance that anything is kept is at most `FIRST * alpha`; and whatever is real, at most a share
    of `alpha` of all keeps is expected to be false. This is LORD++ (Ramdas, Yang, Wainwright and
    Jordan 2017, "Online control of the false discovery rate with decaying memory"): an allowance at
    the start and one for every keep, each spent over the tests that follow, half of it in the first
    `PATIENCE`.

    Assumption: given the past, the two runs of a pair are exchangeable when the candidate is worth
    nothing, and the session's own steps show how large their differences are; the walk is then
    close to normal, as its steps are bounded (`noise.scale`). A second look at a promising
    candidate is a test of its own and pays for itself; its evidence adds up with the first look's
    only against the same incumbent, hence without a keep in between, so both levels were fixed
    before the first look and the union bound holds. Screened candidates began no test and pay
    nothing: the others pay for them, by the factor `PASS`.
    """
    first = FIRST * alpha
    grants = [(0, first), *((kept, alpha) for kept in keeps)]
    if keeps:
        grants[1] = (keeps[0], alpha - first)
    ages = ((tests - since, grant) for since, grant in grants)
    return PASS * sum(
        grant * PATIENCE * (1 / (PATIENCE + age) - 1 / (PATIENCE + age + 1)) for age, grant in ages
    )
