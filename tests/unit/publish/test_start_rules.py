"""Where a run begins: one answer for each state of branch and pull request."""

from __future__ import annotations

import dataclasses
import json

import pytest

from autoresearch_ci.publish.comment_commands import CommentCommand, standing_requests
from autoresearch_ci.publish.forge.choose import _slug
from autoresearch_ci.publish.forge.forge import PullState
from autoresearch_ci.publish.publisher import StartPoint, recalled
from autoresearch_ci.publish.start_rules import BranchUse, Relation, branch_use, numbered
from autoresearch_ci.workspace.earlier_change import EarlierChange


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


def command(verb: str, argument: str = "", at: str = "") -> CommentCommand:
    return CommentCommand(author="a", verb=verb, argument=argument, at=at)


@pytest.mark.parametrize(
    ("verbs", "stopped"),
    [([], False), (["stop"], True), (["stop", "retry"], False), (["retry", "stop"], True)],
)
def test_the_last_of_stop_and_retry_counts(verbs: list[str], stopped: bool) -> None:
    assert (standing_requests([command(verb) for verb in verbs]).stop is not None) is stopped


def test_what_is_ignored_stays_ignored_and_is_named_once() -> None:
    said = [
        command("ignore", "abcd"),
        command("retry"),
        command("ignore", "abcd"),
        command("ignore", "1234"),
    ]
    assert standing_requests(said).ignore == ("abcd", "1234")


def test_what_is_to_be_measured_again_is_so_by_the_first_run_after_it_was_said() -> None:
    said = [command("retry", "abcd", "2026-01-01"), command("retry", "1234", "2026-01-03")]
    first, second = standing_requests(said[:1]), standing_requests(said, heard="2026-01-01")
    assert (first.retry, first.heard) == (("abcd",), "2026-01-01")
    assert (second.retry, second.heard) == (("1234",), "2026-01-03")
    assert standing_requests(said, heard=second.heard).retry == ()
    assert standing_requests([], heard="2026-01-03").heard == "2026-01-03"


def test_what_people_asked_for_survives_a_resumption() -> None:
    change = EarlierChange(commit="c" * 40, description="d", files={"f": ("a\n", None)})
    began = StartPoint(branch="b", unwanted=(change,), again=(change,), heard="2026-01-03")
    found = recalled(json.loads(json.dumps(dataclasses.asdict(began))))
    assert (*found.unwanted, *found.again, found.heard) == (change, change, "2026-01-03")


def test_a_record_whose_journal_is_none_is_not_recalled() -> None:
    assert recalled(dataclasses.asdict(StartPoint(branch="b", kept="garbage\n"))) == StartPoint()


def test_the_last_word_on_a_commit_counts_however_it_is_abbreviated() -> None:
    ignore, retry = command("ignore", "abcdef", "1"), command("retry", "abcd", "2")
    retried, ignored = (standing_requests(said) for said in ([ignore, retry], [retry, ignore]))
    assert (retried.ignore, retried.retry) == ((), ("abcd",))
    assert (ignored.ignore, ignored.retry) == (("abcdef",), ())


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://github.com/owner/name.git", "owner/name"),
        ("https://github.com/owner/name", "owner/name"),
        ("https://user:secret@ghes.example.org/owner/name/", "owner/name"),
        ("git@github.com:owner/name.git", "owner/name"),
        ("ssh://git@host:2222/group/sub/name.git", "group/sub/name"),
        ("/srv/git/name.git", ""),
        ("", ""),
    ],
)
def test_the_repository_is_read_from_the_remotes_address(url: str, slug: str) -> None:
    assert _slug(url) == slug
