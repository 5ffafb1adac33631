"""What a change makes linters leave out is named, and what was left out before is not."""

from __future__ import annotations

from autoresearch_ci.decide.failures.shortcuts.left_out import left_out

FILES = ("a.py", "pkg/b.py", "pkg/c.py", "build.log")


def named(path: str, before: str | None, after: str | None) -> list[str]:
    old, new = (None if text is None else text.encode() for text in (before, after))
    return list(left_out({path: old}, {path: new}, FILES))


def test_only_files_that_are_there_and_were_looked_at_are_named() -> None:
    assert "names pkg/b.py and 1 more" in named(".gitignore", "", "pkg/\n")[0]
    assert ".ignore names a.py:" in named(".ignore", None, "# no\na.py\n")[0]
    assert "pkg/.gitignore names pkg/c.py:" in named("pkg/.gitignore", "b.py\n", "*.py\n")[0]
    assert "names a.py" in named(".gitignore", "*.py\n!a.py\n", "*.py\n")[0]
    assert not named(".gitignore", "pkg/\n", "pkg/\n.venv/\n*.pyc\n")
    assert not named(".gitignore", "pkg/\n", None)
    assert not named("docs/notes", "", "*.py\n")
    assert not named("sub/.gitignore", "", "*.py\n")


def test_no_text_is_an_accident() -> None:
    for text in (
        "[",
        "\\",
        "!",
        "\0",
        "[z-a]\n**/**\n",
        "\udcff".encode(errors="replace").decode(),
    ):
        named(".gitignore", "", text)
