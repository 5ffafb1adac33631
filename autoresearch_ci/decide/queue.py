"""What becomes of each failure that is left: taken next, given up, or never ours to repair.

CORE: failures, journal and verdicts in, a sorting out. Nothing but the journal remembers attempts,
so a resumed run sorts as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from autoresearch_ci.decide.causes import Verdict, is_editable
from autoresearch_ci.decide.failures import Failure, journal_id, ordered
from autoresearch_ci.experiment import NOTHING_TO_DO, Experiment, Status


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The failures that are left, each in one of four places, most pressing first."""

    open: tuple[Failure, ...] = ()
    """To be repaired; the first is next."""
    blocked: tuple[Failure, ...] = ()
    """Tried as often as anybody may."""
    answered: tuple[Failure, ...] = ()
    """A proposer has said that nothing is to be changed; no program has checked that."""
    reported: tuple[Failure, ...] = ()
    """By their cause nothing that an edit mends."""

    @property
    def is_over(self) -> bool:
        """Whether no repair is left to be tried."""
        return not self.open


def queue(
    failures: Collection[Failure],
    experiments: Sequence[Experiment],
    verdicts: Mapping[str, Verdict],
    attempts: int,
) -> Queue:
    """`attempts`: at one failure, before the next is taken. `verdicts`: by the failure's id."""
    places: dict[str, list[Failure]] = {"open": [], "blocked": [], "answered": [], "reported": []}
    known = _by_failure(experiments)
    for failure in ordered(failures):
        tried = known.get(journal_id(failure.id), ())
        verdict = verdicts.get(failure.id)
        if verdict is not None and not is_editable(verdict.cause):
            place = "reported"
        elif any(is_answer(row) for row in tried):
            place = "answered"
        else:
            place = "blocked" if len(tried) >= attempts else "open"
        places[place].append(failure)
    return Queue(**{place: tuple(found) for place, found in places.items()})


def attempts_at(failure_id: str, experiments: Sequence[Experiment]) -> tuple[Experiment, ...]:
    """What was tried at a failure in vain, oldest first; since it was last mended, if it was."""
    name = journal_id(failure_id)
    own = [row for row in experiments if row.failure == name]
    return _by_failure(own).get(name, ())


def _by_failure(experiments: Sequence[Experiment]) -> dict[str, tuple[Experiment, ...]]:
    tried: dict[str, list[Experiment]] = {}
    for row in experiments:
        if row.failure and row.status is Status.KEEP:
            tried.pop(row.failure, None)
        elif row.failure:
            tried.setdefault(row.failure, []).append(row)
    return {name: tuple(rows) for name, rows in tried.items()}


def is_answer(row: Experiment) -> bool:
    """Whether its proposer said that nothing is to be changed."""
    return row.status is Status.NO_OP and row.description.startswith(NOTHING_TO_DO)
