"""Which way a number is better: nothing is minimised that was to be raised."""

from __future__ import annotations

import pytest

from autoresearch_ci.plan.brief import brief_of, drafts_of
from autoresearch_ci.plan.config_draft import ConfigDraft
from autoresearch_ci.plan.direction import direction_of


@pytest.mark.parametrize(
    ("name", "goal", "way"),
    [
        ("seconds", "improve the cold start", "minimize"),
        ("wall_time_ms", "", "minimize"),
        ("peakBytes", "", "minimize"),
        ("ops_per_sec", "reduce the cost", "maximize"),
        ("f1_score", "", "maximize"),
        ("ops_per_ms", "", "maximize"),
        ("bytes_per_second", "", "maximize"),
        ("accuracy_loss", "", "minimize"),
        ("throughput_test_seconds", "", "minimize"),
        ("warps", "", ""),
        ("users", "reduce the number of unhappy users", "minimize"),
        ("users", "Raise the number of happy users", "maximize"),
        ("users", "make users happy", ""),
        ("", "improve the start-up", ""),
        ("drops", "", ""),
        ("streams", "", ""),
    ],
)
def test_the_name_says_which_way_is_better_before_the_goal_does(
    name: str, goal: str, way: str
) -> None:
    assert direction_of(name, goal) == way


@pytest.mark.parametrize(
    ("brief", "way"),
    [
        ("Goal: shorten the cold start\nVerify: python bench.py", "minimize"),
        ("Goal: faster\nMetric: seconds\nVerify: python bench.py", "minimize"),
        ("Goal: fewer\nMetric: seconds (higher is better)\nVerify: python bench.py", "maximize"),
        ("Goal: happy users\nVerify: python bench.py", "maximize"),
    ],
)
def test_a_brief_without_a_direction_has_that_of_its_number(brief: str, way: str) -> None:
    usual = ConfigDraft(goal="", scope=("a.py",), metric={}, guards=())
    assert {d.metric["direction"] for d in drafts_of(brief_of(brief), usual)} == {way}
