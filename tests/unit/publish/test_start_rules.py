"""Where a run begins: one answer for each state of branch and pull request."""

from __future__ import annotations

import dataclasses
import json

import pytest

from autoresearch_ci.publish.comment_commands import CommentCommand, wishes
from autoresearch_ci.publish.forge.choose import _slug
from autoresearch_ci.publish.forge.forge import PullState
from autoresearch_ci.publish.publisher import StartPoint, recalled
from autoresearch_ci.publish.start_rules import Relation, Way, names, way
from autoresearch_ci.workspace.changes import EarlierChange


@pytest.mark.parametrize(
    ("relation", "pull", "expected"),
    [
        (Relation.ABSENT, None, Way.FRESH),
        (Relation.ABSENT, PullState.MERGED, Way.FRESH),
        (Relation.ABSENT, PullState.CLOSED, Way.ASIDE),
        (Relation.CONTAINED, None, Way.FRESH),
        (Relation.CONTAINED, PullState.OPEN, Way.FRESH),
        (Relation.CONTAINED, PullState.MERGED, Way.FRESH),
        (Relation.CONTAINED, PullState.CLOSED, Way.ASIDE),
        (Relation.AHEAD, None, Way.CONTINUE),
        (Relation.AHEAD, PullState.OPEN, Way.CONTINUE),
        (Relation.AHEAD, PullState.MERGED, Way.ASIDE),
        (Relation.AHEAD, PullState.CLOSED, Way.ASIDE),
        (Relation.DIVERGED, None, Way.MERGE),
        (Relation.DIVERGED, PullState.OPEN, Way.MERGE),
        (Relation.DIVERGED, PullState.MERGED, Way.ASIDE),
        (Relation.DIVERGED, PullState.CLOSED, Way.ASIDE),
    ],
)
def test_every_state_has_one_answer(
    relation: Relation, pull: PullState | None, expected: Way
) -> None:
    assert way(relation, pull) is expected


def test_further_names_are_counted() -> None:
    assert list(names("t", 3)) == ["t", "t-2", "t-3"]


def word(verb: str, argument: str = "", at: str = "") -> CommentCommand:
    return CommentCommand(author="a", verb=verb, argument=argument, at=at)


@pytest.mark.parametrize(
    ("verbs", "stopped"),
    [([], False), (["stop"], True), (["stop", "retry"], False), (["retry", "stop"], True)],
)
def test_the_last_of_stop_and_retry_counts(verbs: list[str], stopped: bool) -> None:
    assert (wishes([word(verb) for verb in verbs]).stop is not None) is stopped


def test_what_is_ignored_stays_ignored_and_is_named_once() -> None:
    said = [word("ignore", "abcd"), word("retry"), word("ignore", "abcd"), word("ignore", "1234")]
    assert wishes(said).ignore == ("abcd", "1234")


def test_what_is_to_be_measured_again_is_so_by_the_first_run_after_it_was_said() -> None:
    said = [word("retry", "abcd", "2026-01-01"), word("retry", "1234", "2026-01-03")]
    first, second = wishes(said[:1]), wishes(said, heard="2026-01-01")
    assert (first.again, first.heard) == (("abcd",), "2026-01-01")
    assert (second.again, second.heard) == (("1234",), "2026-01-03")
    assert wishes(said, heard=second.heard).again == ()
    assert wishes([], heard="2026-01-03").heard == "2026-01-03"


def test_what_people_asked_for_survives_a_resumption() -> None:
    change = EarlierChange(commit="c" * 40, description="d", files={"f": ("a\n", None)})
    began = StartPoint(branch="b", unwanted=(change,), again=(change,), heard="2026-01-03")
    found = recalled(json.loads(json.dumps(dataclasses.asdict(began))))
    assert (*found.unwanted, *found.again, found.heard) == (change, change, "2026-01-03")


def test_a_record_whose_journal_is_none_is_not_recalled() -> None:
    assert recalled(dataclasses.asdict(StartPoint(branch="b", kept="garbage\n"))) == StartPoint()


def test_the_last_word_on_a_commit_counts_however_it_is_abbreviated() -> None:
    ignore, retry = word("ignore", "abcdef", "1"), word("retry", "abcd", "2")
    assert (wishes([ignore, retry]).ignore, wishes([ignore, retry]).again) == ((), ("abcd",))
    assert (wishes([retry, ignore]).ignore, wishes([retry, ignore]).again) == (("abcdef",), ())


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
