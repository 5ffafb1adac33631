"""What people ask for in comments: the last command counts, and a retry counts once."""

from __future__ import annotations

import pytest

from autoresearch_ci.publish.comment_commands import CommentCommand, standing_requests


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


def test_the_last_word_on_a_commit_counts_however_it_is_abbreviated() -> None:
    ignore, retry = command("ignore", "abcdef", "1"), command("retry", "abcd", "2")
    retried, ignored = (standing_requests(said) for said in ([ignore, retry], [retry, ignore]))
    assert (retried.ignore, retried.retry) == ((), ("abcd",))
    assert (ignored.ignore, ignored.retry) == (("abcdef",), ())
