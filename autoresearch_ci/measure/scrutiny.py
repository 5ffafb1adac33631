"""Can a candidate's run be believed? It is held against what the unmodified code did.

Which test ended how is witness.py's and outcomes.py's business; what a doubt means for the
candidate, measurement.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autoresearch_ci.experiment import Status
from autoresearch_ci.measure.suite_observer import Witness
from autoresearch_ci.measure.suite_standards import Outcomes, disagreement


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one run of a command left to look at."""

    outcomes: Outcomes | None = None
    """What pytest itself told us; `None` when it did not run."""
    listed: Outcomes | None = None
    """What the JUnit report says, where there is one."""
    times: int = 0
    """How often the number was printed; 0 where there is no telling."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why a run is not believed."""

    status: Status
    reason: str


class Scrutiny:
    """What the unmodified code did, by the role of the command (`metric`, `guard 0`)."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self._printed: dict[str, int] = {}

    def learn(self, role: str, seen: Seen) -> None:
        """The unmodified code, or the incumbent measured again, did this."""
        self._printed[role] = max(seen.times, self._printed.get(role, 0))
        self.witness.learn(role, seen.outcomes)
        self.witness.learn(_report(role), seen.listed)
        if seen.outcomes and seen.listed and not disagreement(seen.outcomes, seen.listed):
            self.witness.learn(_agreement(role), seen.listed)

    def doubt(self, role: str, seen: Seen) -> Doubt | None:
        """What is wrong with a candidate's run; `None` when nothing is."""
        if self._printed.get(role) == 1 < seen.times:
            why = f"the number was printed {seen.times} times, on the unmodified code once"
            return Doubt(status=Status.METRIC_ERROR, reason=why)
        lost = self.witness.loss(role, seen.outcomes)
        forged = self.witness.knows(_agreement(role)) and disagreement(seen.outcomes, seen.listed)
        if forged:
            return Doubt(status=Status.METRIC_ERROR, reason=forged)
        if not lost and seen.listed:
            lost = self.witness.loss(_report(role), seen.listed)
        return Doubt(status=Status.DISCARD, reason=lost) if lost else None

    def memory(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"printed": dict(self._printed), "tests": self.witness.memory()}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Inverse of `memory`. Raises `WorkspaceError`."""
        self._printed = dict(memory["printed"])
        self.witness.remember(memory["tests"])


def _report(role: str) -> str:
    return f"{role}, report"


def _agreement(role: str) -> str:
    return f"{role}, agreement"
