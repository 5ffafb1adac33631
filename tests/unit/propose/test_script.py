"""The scripted proposer: one line, one iteration, exact bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import Direction, Proposal, Tree
from autoresearch_ci.propose.proposer import Context, EditError, Request, nothing_to_do
from autoresearch_ci.propose.script import ScriptProposer
from tests.memory_tree import Files


def no_history(commit: str) -> Tree:
    raise AssertionError(f"{commit} was opened")


def context(iteration: int = 1, files: Mapping[str, bytes] | None = None, **more: Any) -> Context:
    tree = Files({"a.py": b"x = 1\ny = 2\n"} if files is None else files)
    return Context(
        goal="",
        direction=Direction.MINIMIZE,
        iteration=iteration,
        incumbent=tree,
        base=tree,
        at=no_history,
        history=[],
        seed=0,
        **more,
    )


def script(*lines: Mapping[str, Any]) -> ScriptProposer:
    return ScriptProposer("".join(json.dumps(line) + "\n" for line in lines).encode())


def edit(old: str, new: str, path: str = "a.py") -> dict[str, str]:
    return {"path": path, "old": old, "new": new}


def contents(proposal: Proposal | None) -> dict[str, bytes | None]:
    assert proposal is not None
    return {edit.path: edit.content for edit in proposal.edits}


def test_line_i_belongs_to_iteration_i_whatever_was_asked_before() -> None:
    lines = [{"description": f"idea {i}", "edits": [edit("x = 1", f"x = {i}")]} for i in (1, 2, 3)]

    third = script(*lines).propose(context(3))

    assert third is not None
    assert third.description == "idea 3"
    assert contents(third) == {"a.py": b"x = 3\ny = 2\n"}
    assert script(*lines).propose(context(4)) is None


def test_edits_of_one_line_apply_on_top_of_each_other() -> None:
    line = {"description": "d", "edits": [edit("x = 1", "x = 7"), edit("x = 7\ny", "z")]}

    assert contents(script(line).propose(context())) == {"a.py": b"z = 2\n"}


def test_files_are_written_whole_and_null_deletes() -> None:
    line = {"description": "d", "files": {"new.txt": "ü\r\n", "a.py": None}}

    assert contents(script(line).propose(context())) == {"new.txt": "ü\r\n".encode(), "a.py": None}


def test_an_empty_line_of_edits_is_a_proposal_without_edits() -> None:
    assert contents(script({"description": "d", "edits": []}).propose(context())) == {}


def test_a_line_can_answer_that_there_is_nothing_to_do() -> None:
    words = "nothing to do: there is no network here"
    found = script({"description": words, "edits": []}).propose(context())
    assert found is not None
    assert (nothing_to_do(found.description), found.edits) == (words, ())


@pytest.mark.parametrize(
    ("old", "reason"),
    [
        ("q = 1", "a.py: 'q = 1' does not occur"),
        ("aa", "a.py: 'aa' occurs more than once"),  # the two overlap
    ],
)
def test_an_edit_that_does_not_fit_exactly_once_is_an_edit_error(old: str, reason: str) -> None:
    proposer = script({"description": "d", "edits": [edit(old, "")]})

    with pytest.raises(EditError) as caught:
        proposer.propose(context(files={"a.py": b"x = 1\r\naaa\r\n"}))
    assert str(caught.value) == reason
    assert caught.value.proposal.description == "d"
    assert caught.value.proposal.proposer == "script"


def test_editing_a_file_that_is_not_there_is_an_edit_error() -> None:
    with pytest.raises(EditError, match=r"gone\.py: no such file"):
        script({"description": "d", "edits": [edit("a", "b", "gone.py")]}).propose(context())


def test_bytes_that_are_not_utf8_survive_beside_an_edit() -> None:
    files = {"a.py": b"\xff\xfe \x00 name = caf\xe9\r\nx = 1"}

    proposal = script({"description": "d", "edits": [edit("x = 1", "x = é")]}).propose(
        context(files=files)
    )

    assert contents(proposal) == {
        "a.py": b"\xff\xfe \x00 name = caf\xe9\r\nx = " + "é".encode(),
    }


def test_windows_line_ends_are_matched_and_stay() -> None:
    files = {"a.py": b"x = 1\r\ny = 2\r\nz = 3\r\n"}
    change = {"description": "d", "edits": [edit("x = 1\ny = 2\n", "x = 4\n\ny = 5\n")]}
    proposal = script(change).propose(context(files=files))
    assert contents(proposal) == {"a.py": b"x = 4\r\n\r\ny = 5\r\nz = 3\r\n"}
    change = {"description": "d", "edits": [edit("y = 2", "y = 2\nw = 1")]}
    proposal = script(change).propose(context(files=files))
    assert contents(proposal) == {"a.py": b"x = 1\r\ny = 2\r\nw = 1\r\nz = 3\r\n"}


def test_the_kth_request_takes_the_kth_repair_on_top_of_what_was_proposed() -> None:
    proposer = script(
        {
            "description": "d",
            "edits": [edit("x = 1", "x = 10")],
            "repairs": [
                {"description": "first", "edits": [edit("x = 10", "x = 11"), edit("y", "z")]},
                {"description": "second", "files": {"b.py": "new"}},
            ],
        }
    )
    proposed = proposer.propose(context())
    first = proposer.propose(context(request=Request.REPAIR, attempt=2, previous=proposed))
    second = proposer.propose(context(request=Request.REWORK, attempt=3, previous=first))

    assert first is not None
    assert first.description == "first"
    assert contents(first) == {"a.py": b"x = 11\nz = 2\n"}
    assert contents(second) == {"a.py": b"x = 11\nz = 2\n", "b.py": b"new"}
    assert proposer.propose(context(request=Request.REPAIR, attempt=4, previous=second)) is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "line 2"),
        (b"{", "not JSON"),
        (b"[]", "dictionary"),
        (b'{"edits": []}', "`description`: field required"),
        (b'{"description": "d"}', "needs either `edits` or `files`"),
        (b'{"description": "d", "edits": [], "files": {}}', "needs either"),
        (b'{"description": "d", "edit": []}', "unknown key `edit`, did you mean `edits`?"),
        (b'{"description": "d", "edits": [{"path": "a", "old": "", "new": ""}]}', "edits.0.old"),
        (b'{"description": "d", "files": {"a": 1}}', "files.a"),
        (b'{"description": "d", "files": {"a": "\\ud800"}}', "surrogates"),
        (b'{"description": "d", "edits": [], "repairs": [{"fils": {}}]}', "repairs.0.fils"),
    ],
)
def test_an_unusable_line_is_refused_before_anything_runs(
    tmp_path: Path, line: bytes, complaint: str
) -> None:
    path = tmp_path / "script.jsonl"
    path.write_bytes(b'{"description": "fine", "edits": []}\n' + line + b"\n")

    with pytest.raises(ConfigError) as caught:
        ScriptProposer(path)
    assert f"{path}:2: " in str(caught.value)
    assert complaint.removeprefix("line 2") in str(caught.value)


def test_a_script_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the script"):
        ScriptProposer(tmp_path / "missing.jsonl")
    with pytest.raises(ConfigError, match=r"UTF-8"):
        ScriptProposer(b"\xff")


def test_a_byte_order_mark_crlf_and_a_missing_final_newline_are_fine() -> None:
    line = '{"description": "a\u2028b", "edits": []}'
    proposer = ScriptProposer(f"\ufeff{line}\r\n{line}".encode())

    assert proposer.propose(context(2)) is not None
    assert proposer.propose(context(3)) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"description": "x", "path": "a", "old": "b", "new": "c"}', "`old` belongs into `edits`"),
        ('{"description": "x", "edits": [{"path": "a", "old": "b", "neww": "c"}]}', "mean `new`?"),
        ('{"description": "x", "files": {}, "repairs": [{"repairs": []}]}', "does not belong"),
    ],
)
def test_a_key_in_the_wrong_place_is_not_suggested_instead_of_itself(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ScriptProposer(line.encode())
    assert said in str(caught.value)
