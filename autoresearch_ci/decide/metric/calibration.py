"""How often the unmodified code is measured before its noise is known."""

from __future__ import annotations

from collections.abc import Sequence

from autoresearch_ci.decide.metric import noise
from autoresearch_ci.decide.metric.run_statistics import CALIBRATION, Policy


def next_calibration_run(values: Sequence[float], policy: Policy) -> bool:
    """Whether the A/A measurement of the baseline needs one more run."""
    if len(values) < 2:
        return True
    if policy.exact and len(set(values)) == 1:
        return policy.repeats_max > 1 and not noise.exact(values)
    return len(values) < (2 if policy.repeats_max == 1 else CALIBRATION)
