"""The draft: one path policy for every read and write, exact edits, nothing outside of memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from autoresearch_ci.experiment import FileEdit, Tree
from autoresearch_ci.llm.draft import MAX_FILES, Draft, DraftError, OutOfScope
from autoresearch_ci.workspace.scope import Scope

FILES = {
    "src/a.py": b"x = 1\ny = 2\n",
    "src/b.py": b"from a import x\n",
    "src/crlf.txt": b"one\r\ntwo\r\n",
    "src/hidden.md": "a\u200bb\n".encode(),
    "src/data.bin": b"\xff\xfe\0",
    "README.md": b"read me\n",
    "bench/holdout.sh": b"secret\n",
}


@dataclass(frozen=True)
class Files(Tree):
    """A commit."""

    files: Mapping[str, bytes] = field(default_factory=lambda: FILES)

    def read(self, path: str) -> bytes:
        return self.files[path]

    def paths(self) -> Sequence[str]:
        return sorted(path for path in self.files if path.startswith("src/"))

    def all_paths(self) -> Sequence[str]:
        return sorted(self.files)


@pytest.fixture
def draft() -> Draft:
    return Draft(Files(), Scope(include=["src/"]), hidden=["bench"])


def content(draft: Draft, path: str) -> bytes | None:
    return {edit.path: edit.content for edit in draft.edits()}[path]


def test_an_edit_shows_in_reads_and_in_the_result_and_nowhere_else(draft: Draft) -> None:
    draft.replace("src/a.py", "x = 1", "x = 3")
    assert draft.text("src/a.py") == "x = 3\ny = 2\n"
    assert draft.edits() == (FileEdit(path="src/a.py", content=b"x = 3\ny = 2\n"),)
    assert FILES["src/a.py"] == b"x = 1\ny = 2\n"


@pytest.mark.parametrize(
    "path",
    ["README.md", "other.py", ".github/workflows/ci.yml", "src/conftest.py", "src/.git/config"],
)
def test_a_write_outside_the_scope_is_refused_and_counted(draft: Draft, path: str) -> None:
    with pytest.raises(OutOfScope, match="out-of-scope"):
        draft.write(path, "x")
    assert draft.edits() == ()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../up", "src/../README.md", "src//a.py", "~/x", "src\\a.py", "a\0b", "", "."],
)
def test_a_path_that_is_not_plain_and_relative_is_refused(draft: Draft, path: str) -> None:
    with pytest.raises(DraftError):
        draft.read(path)
    with pytest.raises(DraftError):
        draft.write(path, "x")


def test_what_lies_outside_the_scope_can_be_read_but_the_holdout_cannot(draft: Draft) -> None:
    assert draft.text("README.md") == "read me\n"
    with pytest.raises(DraftError, match="no such file"):
        draft.read("bench/holdout.sh")
    assert draft.glob("**/*.sh") == []
    assert draft.grep("secret") == []


def test_a_hidden_file_in_scope_cannot_be_written_either() -> None:
    draft = Draft(Files(), Scope(include=["**"]), hidden=["bench/holdout.sh"])
    with pytest.raises(OutOfScope):
        draft.write("bench/holdout.sh", "x")


@pytest.mark.parametrize(
    ("old", "says"),
    [
        ("z = 1", "does not occur"),
        ("= ", "occurs more than once"),
        ("", "is empty"),
        ("x = 1\nz", "line"),
    ],
)
def test_text_that_does_not_occur_exactly_once_is_not_replaced(
    draft: Draft, old: str, says: str
) -> None:
    with pytest.raises(DraftError, match=says):
        draft.replace("src/a.py", old, "new")
    assert draft.edits() == ()


def test_windows_line_ends_survive_an_edit_that_was_written_without_them(draft: Draft) -> None:
    draft.replace("src/crlf.txt", "one\ntwo", "one\nhalf\ntwo")
    assert content(draft, "src/crlf.txt") == b"one\r\nhalf\r\ntwo\r\n"
    draft.replace("src/crlf.txt", "half", "a\nb")
    assert content(draft, "src/crlf.txt") == b"one\r\na\r\nb\r\ntwo\r\n"
    draft.replace("src/crlf.txt", "a\r\nb", "half")
    draft.insert("src/crlf.txt", 0, "zero")
    assert content(draft, "src/crlf.txt") == b"zero\r\none\r\nhalf\r\ntwo\r\n"
    draft.write("src/crlf.txt", "all\nnew\n")
    assert content(draft, "src/crlf.txt") == b"all\r\nnew\r\n"


def test_a_hidden_character_is_edited_by_the_name_under_which_it_was_shown(draft: Draft) -> None:
    draft.replace("src/hidden.md", "a⟨U+200B⟩b", "a⟨U+200B⟩c")
    assert content(draft, "src/hidden.md") == "a\u200bc\n".encode()


@pytest.mark.parametrize(
    ("after", "whole"),
    [(0, b"n\nx = 1\ny = 2\n"), (1, b"x = 1\nn\ny = 2\n"), (2, b"x = 1\ny = 2\nn\n")],
)
def test_lines_are_inserted_after_the_line_named(draft: Draft, after: int, whole: bytes) -> None:
    draft.insert("src/a.py", after, "n")
    assert content(draft, "src/a.py") == whole


def test_overlapping_occurrences_are_two() -> None:
    draft = Draft(Files({"src/a": b"aaa\n"}), Scope(include=["src/"]))
    with pytest.raises(DraftError, match="more than once"):
        draft.replace("src/a", "aa", "b")


def test_a_line_inserted_at_an_unfinished_end_does_not_join_the_last_line() -> None:
    draft = Draft(Files({"src/a": b"one"}), Scope(include=["src/"]))
    draft.insert("src/a", 1, "two\n")
    assert content(draft, "src/a") == b"one\ntwo"


def test_an_insert_past_the_end_is_refused(draft: Draft) -> None:
    with pytest.raises(DraftError, match="it has 2 lines"):
        draft.insert("src/a.py", 3, "n")


def test_a_new_file_must_not_replace_a_folder_or_lie_below_a_file(draft: Draft) -> None:
    with pytest.raises(DraftError, match="is a file"):
        draft.write("src/a.py/new", "x")
    draft.write("src/deep/new.py", "x")
    with pytest.raises(DraftError, match="is a folder"):
        draft.write("src/deep", "x")


def test_a_file_that_is_not_text_is_not_edited_as_text(draft: Draft) -> None:
    with pytest.raises(DraftError, match="not a text file"):
        draft.replace("src/data.bin", "a", "b")


def test_text_that_no_file_can_hold_is_refused(draft: Draft) -> None:
    with pytest.raises(DraftError, match="surrogate"):
        draft.write("src/a.py", "\ud800")


def test_a_revert_leaves_no_edit_behind(draft: Draft) -> None:
    draft.write("src/a.py", "x")
    draft.delete("src/b.py")
    assert draft.changed() == ["src/a.py", "src/b.py"]
    draft.revert("src/a.py")
    draft.revert("src/b.py")
    assert draft.edits() == ()


def test_an_edit_undone_by_hand_is_no_edit(draft: Draft) -> None:
    draft.write("src/a.py", "x")
    draft.write("src/a.py", FILES["src/a.py"].decode())
    assert draft.edits() == ()
    assert draft.size().files == 0


def test_a_repair_that_takes_back_a_file_says_so_to_whoever_lays_it_over_the_first_attempt() -> (
    None
):
    before = (
        FileEdit(path="src/a.py", content=b"broken\n"),
        FileEdit(path="src/new.py", content=b"new\n"),
    )
    draft = Draft(Files(), Scope(include=["src/"]), start=before)
    assert draft.text("src/a.py") == "broken\n"
    draft.revert("src/a.py")
    draft.delete("src/new.py")
    assert draft.edits() == (
        FileEdit(path="src/a.py", content=FILES["src/a.py"]),
        FileEdit(path="src/new.py", content=None),
    )


def test_a_search_names_path_line_and_text_and_knows_the_draft(draft: Draft) -> None:
    draft.replace("src/b.py", "import x", "import y")
    assert draft.grep(r"import \w$") == ["src/b.py:1: from a import y"]
    assert draft.grep("READ", glob="*.md", ignore_case=True) == ["README.md:1: read me"]
    with pytest.raises(DraftError, match="bad regular expression"):
        draft.grep("(")


def test_an_expression_that_backtracks_for_ever_is_stopped() -> None:
    draft = Draft(Files({"src/a": b"a" * 60 + b"!"}), Scope(include=["src/"]))
    assert draft.grep(r"(a|aa)+(a|aa)+(a|aa)+$", seconds=0.05) == [
        "(stopped: too slow; narrow the glob or the expression)"
    ]


@pytest.mark.parametrize("pattern", ["[z-a]", "\\", "src/[z-a]*.py"])
def test_a_pattern_that_is_none_is_told_to_the_model(draft: Draft, pattern: str) -> None:
    with pytest.raises(DraftError, match="bad pattern"):
        draft.glob(pattern)
    with pytest.raises(DraftError):
        draft.grep("x", glob=pattern)


@pytest.mark.parametrize("pattern", ["*a" * 20, "x" * 1000])
def test_a_pattern_that_could_take_for_ever_is_refused(draft: Draft, pattern: str) -> None:
    with pytest.raises(DraftError, match="simpler"):
        draft.glob(pattern)
    with pytest.raises(DraftError):
        draft.grep("x", glob=pattern)


def test_one_draft_cannot_touch_the_whole_repository(draft: Draft) -> None:
    for number in range(MAX_FILES):
        draft.write(f"src/{number}", "x")
    with pytest.raises(DraftError, match="at most"):
        draft.write("src/one-more", "x")


def test_hunks_are_counted_where_changes_lie_apart(draft: Draft) -> None:
    tree = Files({"src/a": b"".join(b"%d\n" % n for n in range(50)), "src/b": b"b\n"})
    draft = Draft(tree, Scope(include=["src/"]))
    draft.replace("src/a", "\n10\n", "\nten\n")
    draft.replace("src/a", "\n40\n", "\nforty\n")
    draft.delete("src/b")
    size = draft.size()
    assert (size.files, size.hunks) == (2, 3)
