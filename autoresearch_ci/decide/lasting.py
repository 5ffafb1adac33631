"""A failure that lasts: the same words again and again say that something is broken.

CORE: rows in, words out. Whether the ground is broken or the proposals are, a measurement of the
incumbent tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from autoresearch_ci.experiment import Experiment, Status

IN_A_ROW = 3
"""Experiments that end in the same way."""
GO_ON = (
    "do: look at the last log in the run's folder; mend the machine, or say in `goal` or `program` "
    "what candidates must not do; then go on with --resume."
)
_FAILURES = (Status.CRASH, Status.METRIC_ERROR, Status.HOOK_BLOCKED)
_LEARNS = ("search",)
"""Proposers to whom a failure is a value like any other: they step away from it."""


def lasting_failure(experiments: Sequence[Experiment]) -> str:
    """What the last few all died of; empty: they did not, or not of the same."""
    last = experiments[-IN_A_ROW:]
    if len(last) < IN_A_ROW or any(e.status not in _FAILURES for e in last):
        return ""
    if len({(e.status, _same(e)) for e in last}) > 1:
        return ""
    return f"the same failure {IN_A_ROW} times in a row: {last[-1].reason}"


def is_expected(experiments: Sequence[Experiment]) -> bool:
    """Whether whoever proposed them goes on from failures by itself."""
    return all(e.proposer in _LEARNS for e in experiments[-IN_A_ROW:])


def _same(experiment: Experiment) -> str:
    """Its words; a hook tells times and numbers of its own."""
    hook = experiment.status is Status.HOOK_BLOCKED
    return re.sub(r"\d+", "0", experiment.reason) if hook else experiment.reason
