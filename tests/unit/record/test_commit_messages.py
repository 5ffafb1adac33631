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


@settings(max_examples=300)
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


TRAILERS = "Autoresearch-Run: t\nAutoresearch-Iteration: 4\n"


@pytest.mark.parametrize(
    "message",
    [
        "experiment: try 7\n",
        f"experiment: try 7 [skip ci]\n\n{TRAILERS}",
        f"experiment: try 7\n\n\nskip-checks: true\n\n{TRAILERS}",
        f"experiment: try 7\n\n{TRAILERS}skip-checks: true\n",
        f"experiment: fixes #1\n\n{TRAILERS}",
        f"experiment: try 7\n\nFixes #1, closes #2 @owner\n\n{TRAILERS}",
        f"experiment: try 7\n\n{TRAILERS}Co-authored-by: Boss <boss@example.org>\n",
        f"experiment: try 7\n\n{TRAILERS}Autoresearch-Repaired: closes #1\n",
        f"experiment: try 7\n\n{TRAILERS}Autoresearch-Metric: 7.0 [skip ci]\n",
        f"experiment: try 7\n\n{TRAILERS}".replace("Run: t", "Run: u"),
    ],
)
def test_what_would_skip_checks_close_issues_or_name_an_author_is_not_ours(message: str) -> None:
    assert is_ours(f"experiment: try 7\n\n{TRAILERS}", "t", PLAIN)
    assert not is_ours(message, "t", PLAIN)


def test_a_commit_names_what_pages_refer_to_it_for() -> None:
    names = [f"pytest:tests.test_a::test_{number}" for number in range(1200)]
    message = of_experiment("t", 1, "mend it", 0.0, repaired=names)
    assert [name for name in names if f": {name}\n" in f"{message}\n"] == names[:1000]
    assert is_ours(message, "t", CommitStyle())
