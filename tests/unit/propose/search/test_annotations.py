"""What a `tune:` comment may say, and what its writer is told when it says something else."""

from __future__ import annotations

import pytest

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.propose.search.constant_finder import find_constants


@pytest.mark.parametrize(
    "annotation",
    [
        "",
        "fast",
        "3..1",
        "0..1 log",
        "1..1e999",
        "[1]",
        "[1, 1.0]",
        "['a', 2]",
        "[a, b]",  # the literal is a number
        "[true, false]",
        "1..9007199254740994",
        "skip when B == 1",
    ],
)
@pytest.mark.parametrize("path", ["a.py", "conf/a.toml"])
def test_a_malformed_annotation_names_the_line_and_what_is_expected(
    path: str, annotation: str
) -> None:
    with pytest.raises(ProposerError) as caught:
        find_constants(path, f"\nA = 1 # tune: {annotation}\n".encode())
    assert str(caught.value).startswith(f"{path}:2: ")
    assert "Expected `tune: LOW..HIGH`" in str(caught.value)


def test_a_comment_alone_on_its_line_is_prose_unless_it_would_be_an_annotation() -> None:
    assert find_constants("a.py", b"# tune: the learning rate first\nA = 1\n")
    with pytest.raises(ProposerError, match="behind the value, on the same line"):
        find_constants("a.py", b"# tune: 1..4\nA = 1\n")
