"""What earlier rows say of the next: what was judged stays judged, and what failed again lasts.

The same words again and again say that something is broken. CORE: rows in, words out. Whether the
ground is broken or the proposals are, a measurement of the incumbent tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from autoresearch_ci.decide.metric.decision import BY_OLD_RUNS, DISTRUSTED
from autoresearch_ci.experiment import Experiment, Status

IN_A_ROW = 3
"""Experiments that end in the same way."""
GO_ON = (
    "do: look at the last log in the run's folder; mend the machine, or say in `goal` or `program` "
    "what candidates must not do; then go on with --resume."
)
_KNOWN = re.compile(r"the same code as experiment \d+, (keep|discard|crash|metric-error): ")
_FAILURES = (Status.CRASH, Status.METRIC_ERROR, Status.HOOK_BLOCKED)
_GUARD = "guard failed: "
_NO_RIVAL = "the incumbent could not be measured again: "
NO_HOLDOUT = "the holdout could not be measured: it fails on what was kept, too"
_BLAMELESS = (_GUARD, _NO_RIVAL, NO_HOLDOUT)
"""How reasons of discards begin that may be no fault of the candidate's."""
_SLOW = "timed out"
_UNSEEN = "nobody can say: "
"""How it is told that a target of `fix` did not come to its end."""
LATE = "bytes were printed after the command itself had ended"
"""Where a helper prints for the command (`tee`, say), that is chance."""
_LEARNS = ("search",)
"""Proposers to whom a failure is a value like any other: they step away from it."""


def lasting_failure(experiments: Sequence[Experiment]) -> str:
    """What the last few all died of; empty: they did not, or not of the same.

    Said once in so many experiments: who then goes on has a reason to.
    """
    if not experiments or not _failed(experiments[-1]):
        return ""
    last = experiments[-1]
    end = (last.status, _same(last))
    same = list(takewhile(lambda e: (e.status, _same(e)) == end, reversed(experiments)))
    if len(same) % IN_A_ROW:
        return ""
    return f"the same failure {len(same)} times in a row: {last.reason}"


def _is_final(experiment: Experiment) -> bool:
    """Whether measuring the same code again would tell nothing: incumbents only get better.

    Not where the keep rule wants to see more of it, or nothing was measured, or it may have been
    the machine.
    """
    reason = experiment.reason
    unsure = reason.startswith(("promising", DISTRUSTED, _NO_RIVAL, NO_HOLDOUT))
    unsure = unsure or reason.partition(":")[0].endswith(BY_OLD_RUNS)
    if reason.startswith(_UNSEEN) and _SLOW in reason:
        return False
    if experiment.status is Status.DISCARD and unsure:
        return False
    return experiment.samples > 0 and experiment.status is not Status.HOOK_BLOCKED


def known(experiment: Experiment, *, counted: bool = True, resumed: bool = False) -> str:
    """Why the same code is not measured again; empty: it is.

    `counted`: whether it is what the row is about, or an attempt that needed a repair or a rework.
    `resumed`: whether the run was resumed since. What failed before may have been the machine's
    fault, and whoever goes on may have mended it.
    """
    if resumed and (not counted or _failed(experiment)):
        return ""
    if not counted:
        return (
            f"the same code as an attempt of experiment {experiment.iteration}, which crashed or "
            "failed a guard"
        )
    if not _is_final(experiment):
        return ""
    if experiment.status is Status.BASELINE:
        return "the same code as the baseline"
    how = f"{experiment.status}: {experiment.reason}" if experiment.reason else experiment.status
    return f"the same code as experiment {experiment.iteration}, {how}"


def as_judged(experiment: Experiment) -> Experiment:
    """The same, as its code had ended where that was not measured again: a failure repeated."""
    found = _KNOWN.match(experiment.reason) if experiment.status is Status.NO_OP else None
    if found is None:
        return experiment
    return replace(experiment, status=Status(found[1]), reason=experiment.reason[found.end() :])


def is_of_guard(experiment: Experiment) -> bool:
    """Whether only a guard refused it: its metric was measured."""
    return experiment.status is Status.DISCARD and experiment.reason.startswith(_GUARD)


def _failed(experiment: Experiment) -> bool:
    discarded = experiment.status is Status.DISCARD
    blameless = discarded and experiment.reason.startswith(_BLAMELESS)
    return blameless or experiment.status in _FAILURES


def is_expected(experiments: Sequence[Experiment]) -> bool:
    """Whether that is an answer: whoever proposed them learns from it, ideas are just slow, or a
    hook has found something else each time."""
    reason = experiments[-1].reason
    return (
        reason.startswith(_SLOW)
        or len({e.reason for e in experiments[-IN_A_ROW:]}) > 1
        or LATE in reason
        or all(e.proposer in _LEARNS for e in experiments[-IN_A_ROW:])
    )


def _same(experiment: Experiment) -> str:
    """Its words; a hook tells times and numbers of its own."""
    hook = experiment.status is Status.HOOK_BLOCKED
    return re.sub(r"\d+", "0", experiment.reason) if hook else experiment.reason
