"""Whether a project asks to be told of AI is read from what it tells contributors."""

from __future__ import annotations

import pytest

from autoresearch_ci.workspace.ai_disclosure import asking_file, asks_for_disclosure
from autoresearch_ci.workspace.repository import FileVersion


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("## AI\n\nPlease disclose any use of AI tools in the pull request.", True),
        ("- Code written with an LLM must be labelled as such", True),
        ("If Copilot or ChatGPT wrote parts of it, state which.", True),
        ("We maintain this by hand.\n\nMention the issue in the commit.", False),
        ("Our AI team meets on Mondays.\n\nPlease declare all variables.", False),
    ],
)
def test_a_paragraph_that_speaks_of_ai_and_of_telling_asks(text: str, asks: bool) -> None:
    assert asks_for_disclosure(text) is asks


def test_only_what_speaks_to_contributors_is_read() -> None:
    text = b"Please disclose the use of AI."
    version = FileVersion(mode="100644", blob="a" * 40)
    files = {"src/contributing.md": version, ".github/CONTRIBUTING.md": version, "README": version}
    assert asking_file(files, lambda path: text) == ".github/CONTRIBUTING.md"
    assert asking_file({"README.md": version}, lambda path: text) == ""
