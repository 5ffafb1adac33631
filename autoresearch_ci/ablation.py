"""Which kept changes do nothing by now, found by leaving each out of the result in turn.

What is done about them is not its business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoresearch_ci.confirmation import PAIRS, PairedComparison
from autoresearch_ci.decide.metric.noise import confirm_interval
from autoresearch_ci.decide.metric.taken_back import standing
from autoresearch_ci.experiment import Direction, Experiment
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.store import Store


def ablation_runs(*, deterministic: bool, pairs: int | None) -> int:
    """Of each side, for each kept commit."""
    return 1 if deterministic else max(3, pairs or PAIRS)  # as many as `compare` needs


def ablates_unasked(
    experiments: Sequence[Experiment],
    *,
    deterministic: bool,
    pairs: int | None,
    paid: bool,
    late: bool,
    confirmed: bool,
) -> bool:
    """Whether leaving out each kept commit takes half of the runs of the search, or fewer.

    Where only one was kept, leaving it out is the base, which is measured anyway. `paid`: each run
    costs money; `late`: there is no time for another pair; `confirmed`: base and result could be
    measured again.
    """
    if paid or late or not confirmed:
        return False
    kept = len(standing(experiments))
    runs = 2 * kept * ablation_runs(deterministic=deterministic, pairs=pairs)
    return kept > 1 and runs <= sum(e.samples for e in experiments) / 2


def idle_commits(
    paired: PairedComparison,
    ledger: Ledger,
    files: Mapping[str, FileVersion],
    store: Store,
    *,
    deterministic: bool,
    pairs: int | None,
) -> tuple[list[Experiment], list[Experiment]]:
    """Kept experiments that do nothing for the final state, each left out in turn.

    Of a noisy metric that is known where half of the gain that one was kept for is ruled out. Also
    returns those that cannot be left out, because later ones changed the same lines.
    """
    head = ledger.changes(ledger.incumbent)
    idle, entangled = [], []
    wanted = ablation_runs(deterministic=deterministic, pairs=pairs)
    for experiment in standing(ledger.experiments):
        left = without([experiment], ledger, files, store)
        if left is None:
            entangled.append(experiment)
            continue
        found = paired.runs(left, head, wanted)
        if len(found.base) != wanted:
            continue
        if deterministic:
            is_idle = not paired.direction.better(found.head[0], found.base[0])
        else:
            _, _, most = confirm_interval(found.base, found.head, paired.direction)
            is_idle = most < least_gain([experiment], paired.direction) / 2
        if is_idle:
            idle.append(experiment)
    return idle, entangled


def least_gain(experiments: Sequence[Experiment], direction: Direction) -> float:
    """The smallest relative gain that one of them was kept for; 0: there is no telling."""

    def gain(e: Experiment) -> float:
        rival = (e.metric or 0.0) - (e.delta or 0.0)
        return direction.gain(0.0, e.delta or 0.0) / abs(rival) if rival else 0.0

    return max(0.0, min(map(gain, experiments)))


def without(
    gone: Sequence[Experiment], ledger: Ledger, files: Mapping[str, FileVersion], store: Store
) -> Changes | None:
    """The final state with what these have changed taken back; `None` on a conflict."""
    kept = ledger.history.kept
    parents = [ledger.facts.base, *(e.commit for e in kept)]
    result: Changes | None = ledger.changes(ledger.incumbent)
    for parent, experiment in reversed(list(zip(parents, kept, strict=False))):
        if experiment in gone and result is not None:
            change, before = ledger.changes(experiment.commit), ledger.changes(parent)
            result = _without_step(change, before, result, files, store)
    return result


def _without_step(
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
