"""What a gate says of an investigation: fails, passes, or cannot say; pure."""

from __future__ import annotations

from collections.abc import Sequence

from autoresearch_ci.decide.gates import GateVerdict, Ruling
from autoresearch_ci.decide.investigation.finding import SEVERITIES


def ruled(
    severities: Sequence[str],
    missing: Sequence[str],
    *,
    fail_on: str,
    allow_incomplete: bool = False,
) -> GateVerdict[str]:
    """`severities`: of all that is open; `missing`: what was not looked at.

    An open finding that tells no severity counts as the worst.
    """
    if fail_on == "never":
        return GateVerdict(ruling=Ruling.PASS, reason="nothing that is found fails it")
    worst = [_rank(severity) for severity in severities]
    reached = sum(rank <= SEVERITIES.index(fail_on) for rank in worst)
    if reached:
        reason = f"{reached} open from {fail_on} on"
        return GateVerdict(ruling=Ruling.FAIL, reason=reason)
    if missing and not allow_incomplete:
        return GateVerdict(ruling=Ruling.INCOMPLETE, reason=f"not looked at: {missing[0]}")
    return GateVerdict(ruling=Ruling.PASS, reason=f"nothing open from {fail_on} on")


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0
