"""When each kept commit is left out in turn although nobody asked for it."""

from __future__ import annotations

from typing import Any

import pytest

from autoresearch_ci.ablation import ablates_unasked
from autoresearch_ci.experiment import Experiment, Status
from tests.unit.report.test_summary import experiment


def search(kept: int, discarded: int = 0, samples: int = 3) -> list[Experiment]:
    statuses = [Status.BASELINE] + [Status.KEEP] * kept + [Status.DISCARD] * discarded
    return [experiment(n, status, 1.0, samples=samples) for n, status in enumerate(statuses)]


CHEAP = {
    "deterministic": True,
    "pairs": None,
    "paid": False,
    "late": False,
    "confirmed": True,
}


@pytest.mark.parametrize(
    ("experiments", "changed", "ablates"),
    [
        (search(2), {}, True),  # 4 runs beside 9
        (search(2, samples=2), {}, False),  # 4 beside 6
        (search(2, discarded=1, samples=2), {}, True),  # 4 beside 8
        (search(1, discarded=9), {}, False),  # that is the base
        (search(2), {"deterministic": False}, False),  # 20 beside 9
        (search(2, discarded=11), {"deterministic": False}, True),  # 20 beside 42
        (search(2, discarded=11), {"deterministic": False, "pairs": 6}, False),  # 24 beside 42
        (search(2), {"paid": True}, False),
        (search(2), {"late": True}, False),
        (search(2), {"confirmed": False}, False),
    ],
)
def test_kept_commits_are_left_out_unasked_where_that_is_cheap_and_free(
    experiments: list[Experiment], changed: dict[str, Any], ablates: bool
) -> None:
    assert ablates_unasked(experiments, **CHEAP | changed) is ablates
