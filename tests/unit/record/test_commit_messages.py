"""What a run writes over its commits is known again, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.config.schema import CommitStyle
from autoresearch_ci.record.commit_messages import NOTE, PLAIN, is_ours, of_experiment, of_note

STYLES = [PLAIN, CommitStyle(message="perf({tag}): {description} [#{iteration}]"), NOTE]
PIECES = ["[", "]", "skip", " ", "ci", "***", "NO_CI", "@", "#", "1", "GH-", ":", "//", "##["]
words = st.lists(
    st.sampled_from([*PIECES, "\n", "\t", "\x1b", "experiment: ", "x" * 90]), max_size=12
).map("".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=150)


@settings(max_examples=300, deadline=None)
@given(words, words, st.sampled_from(STYLES), st.none() | st.floats())
def test_a_run_knows_every_message_of_its_own(
    text: str, failure: str, style: CommitStyle, metric: float | None
) -> None:
    message = of_experiment("t", 7, text, metric, repaired=[failure], style=style)
    assert is_ours(message, "t", style)
    assert is_ours(of_note("t", 7, text), "t", NOTE)


MESSAGE = of_experiment("t", 7, "try 9", 9.0, repaired=["test_a"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("try 9", "try 9 [skip ci]"),
        ("\n\n", "\n\nFixes #1\n\n"),
        ("\n\n", "\n\n\n"),
        ("Iteration: 7", "Iteration: 07"),
        ("Iteration: 7", "Iteration: seven"),
        ("Run: t", "Run: u"),
        ("9.0", "9"),
        ("test_a", "#1"),
        ("test_a\n", "test_a\nskip-checks: true\n"),
        ("test_a\n", "test_a"),
    ],
)
def test_whatever_is_changed_in_a_message_is_seen(old: str, new: str) -> None:
    assert is_ours(MESSAGE, "t", PLAIN)
    changed = MESSAGE.replace(old, new, 1)
    assert changed != MESSAGE
    assert not is_ours(changed, "t", PLAIN)
