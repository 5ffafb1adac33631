"""The honest headline: base and final state measured afresh, in turns, when the run is over.

A search's own numbers are those of winners, and winners were lucky; these are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from autoresearch_ci.decide.noise import ComparisonResult, compare, confirm_interval
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.guards import crashed
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.report.run_summary import Confirmation
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.store import Store

PAIRS = 5
"""Runs of each side when nothing else is configured."""


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Two states of the code, measured in turns."""

    bench: Bench
    direction: Direction
    iteration: int
    """Number under which the runs are logged."""
    nothing_left: Callable[[], str | None] = lambda: None
    """Which budget another run would exceed; asked before each pair."""

    def runs(
        self, base: Changes, head: Changes, pairs: int, *, done: int = 0
    ) -> tuple[list[float], list[float]]:
        """Values of both, pair by pair: base head, head base, ... so that drift cancels.

        `done` pairs went before. Ends early when a run fails or a budget is used up; the lists
        then hold the pairs that were complete.
        """
        values: tuple[list[float], list[float]] = ([], [])
        for pair in range(done, done + pairs):
            if self.nothing_left():
                break
            found = list(self._pair(base, head, swapped=pair % 2 == 1))
            if None in found:
                break
            values[0].extend(v for v in found[:1] if v is not None)
            values[1].extend(v for v in found[1:] if v is not None)
        return values

    def _pair(self, base: Changes, head: Changes, *, swapped: bool) -> Iterator[float | None]:
        order = (head, base) if swapped else (base, head)
        values = [self._value(changes) for changes in order]
        yield from reversed(values) if swapped else values

    def _value(self, changes: Changes) -> float | None:
        """As in the run itself, what fails twice fails."""
        run = self.bench.metric(changes, self.iteration, stage="confirm")
        if crashed(run):
            run = self.bench.metric(changes, self.iteration, stage="confirm")
        return run.value


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
    base_values, head_values = paired.runs({}, head, wanted)
    found = zip(base_values, head_values, strict=True)
    if deterministic and any(pair != known for pair in found):
        deterministic = False
        more = paired.runs({}, head, PAIRS - wanted, done=wanted)
        base_values, head_values = base_values + more[0], head_values + more[1]
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
        left, whole = paired.runs(without, head, wanted)
        if len(left) == wanted and not _better(
            left, whole, paired.direction, deterministic=deterministic
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
