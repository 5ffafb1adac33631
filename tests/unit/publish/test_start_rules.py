"""Where a run begins: one answer for each state of branch and pull request."""

from __future__ import annotations

import pytest

from autoresearch_ci.publish.forge.forge import PullState
from autoresearch_ci.publish.start_rules import BranchUse, Relation, branch_use, numbered


@pytest.mark.parametrize(
    ("relation", "pull", "expected"),
    [
        (Relation.ABSENT, None, BranchUse.FRESH),
        (Relation.ABSENT, PullState.MERGED, BranchUse.FRESH),
        (Relation.ABSENT, PullState.CLOSED, BranchUse.LEAVE),
        (Relation.CONTAINED, None, BranchUse.FRESH),
        (Relation.CONTAINED, PullState.OPEN, BranchUse.FRESH),
        (Relation.CONTAINED, PullState.MERGED, BranchUse.FRESH),
        (Relation.CONTAINED, PullState.CLOSED, BranchUse.LEAVE),
        (Relation.AHEAD, None, BranchUse.CONTINUE),
        (Relation.AHEAD, PullState.OPEN, BranchUse.CONTINUE),
        (Relation.AHEAD, PullState.MERGED, BranchUse.LEAVE),
        (Relation.AHEAD, PullState.CLOSED, BranchUse.LEAVE),
        (Relation.DIVERGED, None, BranchUse.MERGE),
        (Relation.DIVERGED, PullState.OPEN, BranchUse.MERGE),
        (Relation.DIVERGED, PullState.MERGED, BranchUse.LEAVE),
        (Relation.DIVERGED, PullState.CLOSED, BranchUse.LEAVE),
    ],
)
def test_every_state_has_one_answer(
    relation: Relation, pull: PullState | None, expected: BranchUse
) -> None:
    assert branch_use(relation, pull) is expected


@pytest.mark.parametrize("relation", [Relation.AHEAD, Relation.DIVERGED])
@pytest.mark.parametrize("pull", [None, PullState.OPEN])
def test_a_run_that_has_ended_continues_no_branch(
    relation: Relation, pull: PullState | None
) -> None:
    assert branch_use(relation, pull, may_continue=False) is BranchUse.LEAVE


def test_further_names_are_counted() -> None:
    assert list(numbered("t", 3)) == ["t", "t-2", "t-3"]
