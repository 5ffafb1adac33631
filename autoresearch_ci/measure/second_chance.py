"""Whose fault is it when a command fails now and then?

One rule for metric and guards, the same for both sides: what fails twice fails. Nothing that only a
candidate does is forgiven, so none is kept that made a sound command unsound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.experiment import GuardRun, MetricRun
from autoresearch_ci.measure.commands import Subject

TRIES = 3
"""Runs that show whether a command fails now and then on code that nobody blames."""

AnyRun = TypeVar("AnyRun", MetricRun, GuardRun)
Measure = Callable[[Subject, Knowledge], tuple[AnyRun, Knowledge]]


@dataclass(frozen=True, kw_only=True)
class Measured(Generic[AnyRun]):
    """One measurement, and what it took."""

    run: AnyRun
    """The one that counts."""
    runs: tuple[AnyRun, ...]
    """All of them, the incumbent's included."""
    knowledge: Knowledge
    forgiven: str = ""
    """Why the first run failed, where that does not count."""


def with_second_chance(
    role: str,
    measure: Measure[AnyRun],
    subject: Subject,
    knowledge: Knowledge,
    *,
    may_pass: Callable[[AnyRun], bool],
) -> Measured[AnyRun]:
    """Measure; and again where the command failed, but `may_pass` on the same code.

    What then passes is believed when the command fails now and then on the incumbent, too.
    """
    first, knowledge = measure(subject, knowledge)
    if not may_pass(first):
        return Measured(run=first, runs=(first,), knowledge=knowledge)
    second, knowledge = measure(subject, knowledge)
    runs = [first, second]
    if second.failed:
        return Measured(run=second, runs=tuple(runs), knowledge=knowledge)
    if not subject.is_candidate:
        knowledge = knowledge.failing_now_and_then(role)
        return Measured(run=second, runs=tuple(runs), knowledge=knowledge)
    tries = 0
    while role not in knowledge.flaky and tries < TRIES:
        tries += 1
        run, knowledge = measure(subject.rival, knowledge)
        runs.append(run)
        if may_pass(run):
            knowledge = knowledge.failing_now_and_then(role)
    if role in knowledge.flaky:
        return Measured(run=second, runs=tuple(runs), knowledge=knowledge, forgiven=first.reason)
    reason = (
        f"{first.reason} (it passed when it was run again, but never failed in {TRIES} runs on the "
        "incumbent)"
    )
    return Measured(run=replace(first, reason=reason), runs=tuple(runs), knowledge=knowledge)
