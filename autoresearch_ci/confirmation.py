"""The honest headline: base and final state measured afresh, in turns, when the run is over.

A search's own numbers are those of winners, and winners were lucky; these are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.decide.noise import ComparisonResult, compare, confirm_interval
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.measure.bench import Bench, crashed
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.report.run_summary import Confirmation
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.store import Store

PAIRS = 5
"""Runs of each side when nothing else is configured."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What the complete pairs of runs gave."""

    base: tuple[float, ...] = ()
    head: tuple[float, ...] = ()
    knowledge: Knowledge
    """What the run knows after them."""


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Two states of the code, measured in turns."""

    bench: Bench
    direction: Direction
    iteration: int
    """Number under which the runs are logged."""
    knowledge: Knowledge = field(default_factory=Knowledge)
    nothing_left: Callable[[], str | None] = lambda: None
    """Which budget another run would exceed; asked before each pair."""

    def runs(self, base: Changes, head: Changes, pairs: int, *, done: int = 0) -> Pairs:
        """Measure both, pair by pair: base head, head base, ... so that drift cancels.

        `done` pairs went before. Ends early when a run fails or a budget is used up.
        """
        found = Pairs(knowledge=self.knowledge)
        for pair in range(done, done + pairs):
            if self.nothing_left():
                break
            order = (head, base) if pair % 2 else (base, head)
            values, knowledge = self._values(order, found.knowledge)
            found = replace(found, knowledge=knowledge)
            numbers = [value for value in values if value is not None]
            if len(numbers) < 2:
                break
            of_base, of_head = reversed(numbers) if pair % 2 else numbers
            found = replace(found, base=(*found.base, of_base), head=(*found.head, of_head))
        return found

    def _values(
        self, order: Sequence[Changes], knowledge: Knowledge
    ) -> tuple[list[float | None], Knowledge]:
        """As in the run itself, what fails twice fails."""
        values = []
        for changes in order:
            subject = Subject(changes=changes, iteration=self.iteration)
            run, knowledge = self.bench.run(subject, knowledge, stage="confirm")
            if crashed(run):
                run, knowledge = self.bench.run(subject, knowledge, stage="confirm")
            values.append(run.value)
        return values, knowledge


def confirm(
    paired: PairedComparison,
    head: Changes,
    *,
    deterministic: bool,
    pairs: int | None,
    known: tuple[float | None, float | None],
) -> Confirmation | None:
    """Measure base and head; `None` when one of them can no longer be measured.

    `known`: what the run has measured of both. Where that is said to be exact and is not found
    again, it was not exact.
    """
    wanted = 1 if deterministic and pairs is None else pairs or PAIRS
    if not deterministic:
        wanted = max(2, wanted)  # one pair says nothing about its own spread
    found = paired.runs({}, head, wanted)
    base_values, head_values = found.base, found.head
    if deterministic and any(pair != known for pair in zip(base_values, head_values, strict=True)):
        deterministic = False
        more = paired.runs({}, head, PAIRS - wanted, done=wanted)
        base_values, head_values = base_values + more.base, head_values + more.head
    if len(base_values) < (1 if deterministic else 2):
        return None
    gain, low, high = confirm_interval(base_values, head_values, paired.direction)
    if deterministic and len(set(base_values)) == len(set(head_values)) == 1:
        low = high = gain
    return Confirmation(
        base=median(base_values),
        head=median(head_values),
        gain=gain,
        ci_low=low,
        ci_high=high,
        n_base=len(base_values),
        n_head=len(head_values),
        holds=low > 0,
    )


def idle_commits(
    paired: PairedComparison,
    ledger: Ledger,
    files: Mapping[str, FileVersion],
    store: Store,
    *,
    deterministic: bool,
    pairs: int | None,
) -> tuple[list[Experiment], list[Experiment]]:
    """Kept experiments without which the final state is no worse, each left out in turn.

    Also returns those that cannot be left out, because later ones changed the same lines.
    """
    head = ledger.changes(ledger.incumbent)
    idle, entangled = [], []
    before: Changes = {}
    for experiment in ledger.history.kept:
        change = ledger.changes(experiment.commit)
        without = _without(change, before, head, files, store)
        before = change
        if without is None:
            entangled.append(experiment)
            continue
        wanted = 1 if deterministic else max(3, pairs or PAIRS)  # as many as `compare` needs
        found = paired.runs(without, head, wanted)
        if len(found.base) == wanted and not _better(
            found.base, found.head, paired.direction, deterministic=deterministic
        ):
            idle.append(experiment)
    return idle, entangled


def _better(
    without: Sequence[float],
    head: Sequence[float],
    direction: Direction,
    *,
    deterministic: bool,
) -> bool:
    if deterministic:
        return direction.better(head[0], without[0])
    verdict = compare(without, head, direction, pairs_max=len(head), may_be_exact=False)
    return verdict is not None and verdict.verdict is ComparisonResult.IMPROVED


def _without(
    change: Changes,
    before: Changes,
    head: Changes,
    files: Mapping[str, FileVersion],
    store: Store,
) -> dict[str, FileVersion | None] | None:
    """`head` with the step from `before` to `change` taken back; `None` on a conflict."""
    result = dict(head)
    for path in change.keys() | before.keys():
        ours, old, new = (c.get(path, files.get(path)) for c in (head, change, before))
        if old == new:
            continue
        if ours == old:
            result[path] = new
        elif ours and old and new:
            merged = store.merge(ours, old, new)
            if merged is None:
                return None
            result[path] = merged
        else:
            return None
    return result
