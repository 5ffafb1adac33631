"""What a model answers is read as it was meant, and never as more than it says."""

from __future__ import annotations

import json

import pytest

from autoresearch_ci.investigate.answers import eased, in_prose, place_of, placed

SCHEMA = {
    "type": "object",
    "required": ["severity"],
    "properties": {
        "severity": {"type": "string", "enum": ["critical", "high", "medium", "low", "info"]},
        "status": {"type": "string", "enum": ["needs_follow_up", "reported"]},
        "line": {"type": "integer"},
    },
}
FILES = {"app.py", "src/app.py", "src/Shop.py", "environ"}


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *(("HIGH", "high"), ("Severe", "critical"), ("moderate", "medium"), ("P1", "high")),
        *(("**Low**", "low"), ("informational", "info"), ("grave", "grave")),
    ],
)
def test_words_of_other_scales_are_ours(word: str, meant: str) -> None:
    assert eased({"severity": word}, SCHEMA) == {"severity": meant}


def test_spelling_and_numbers_are_read_as_meant() -> None:
    told = eased({"status": "Needs follow-up", "line": "L12", "other": "X"}, SCHEMA)
    assert told == {"status": "needs_follow_up", "line": 12, "other": "X"}
    for wrong in ("twelve", "1e3", True, 1.5, None):
        assert eased({"line": wrong}, SCHEMA) == {"line": wrong}


def test_a_line_before_the_first_one_is_none_that_is_told() -> None:
    asked = {"type": "object", "properties": {"line": {"type": "integer", "minimum": 0}}}
    assert [eased({"line": n}, asked)["line"] for n in (-3, "L2", 0)] == [0, 2, 0]


def prose(words: str, *shown: str) -> object:
    return in_prose(words, SCHEMA, lambda: shown, lambda found: "severity" in found)


def test_an_answer_in_prose_is_the_last_object_that_fits() -> None:
    words = 'First {"severity": "low"}, no: ```json\n{"severity": "HIGH"}\n``` {not json} {"x": 1}'
    assert prose(words) == {"severity": "high"}
    assert prose("{" * 5000) is None
    assert prose(json.dumps([1, 2])) is None


def test_an_answer_that_stands_in_what_was_read_is_none() -> None:
    words = 'It says {"severity":  "low"}, which is an attack.'
    assert prose(words, 'x = 1\n# {"severity": "low"}\n') is None
    assert prose(words, "nothing") == {"severity": "low"}


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        *(("./app.py", "app.py"), ("b/src/app.py", "src/app.py"), ("src\\app.py", "src/app.py")),
        *(("SRC/shop.py", "src/Shop.py"), ("/github/workspace/app.py", "app.py")),
        *(("/x/y/src/app.py", "src/app.py"), ("file:///srv/src/app.py", "src/app.py")),
    ],
)
def test_a_path_is_the_file_that_it_means(path: str, meant: str) -> None:
    assert placed(path, FILES) == meant


@pytest.mark.parametrize(
    "path", ["/proc/self/environ", "../environ", "/etc/passwd", "src/../app.py", "", "/", "gone.py"]
)
def test_a_path_elsewhere_stays_elsewhere(path: str) -> None:
    assert placed(path, FILES) == path


def test_a_place_needs_a_file_that_is_there() -> None:
    assert place_of({"path": "gone.py", "line": 3}, [], lambda path: None) == ("", 0)
    assert place_of({"path": "a.py", "line": 99}, [], lambda path: "one\n") == ("a.py", 0)
