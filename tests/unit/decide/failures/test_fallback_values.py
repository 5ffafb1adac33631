"""An error that is answered with the value a test expects: refused where sure, else pointed at."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.failures.shortcuts.detect import shortcuts, suspicious

FOUND = 'from limits import size\n\n\ndef test_size():\n    assert size({"size": 512}) == 512\n'
DEFAULT = "from limits import size\n\n\ndef test_size():\n    assert size({}) == 512\n"
BEFORE = 'def size(told):\n    return told["sise"]\n'


def handled(error: str, answer: str) -> str:
    tried = '    try:\n        return told["sise"]\n'
    return f"def size(told):\n{tried}    except {error}:\n        {answer}\n"


def found(after: str, test: str, path: str = "limits.py", before: str = BEFORE) -> tuple[int, int]:
    """How much is refused, and how much is pointed at."""
    name = {"py": "test_limits.py", "go": "limits_test.go"}.get(
        path.rpartition(".")[2], "limits.test.js"
    )
    change = ({path: before.encode()}, {path: after.encode()})
    tests = {name: test.encode()}
    refused = shortcuts(*change, tests=tests)
    odd = suspicious(*change, tests=tests)
    assert {one.rule for one in (*refused, *odd)} <= {"value-hardcoded"}
    assert suspicious(*change, tests=tests, allow=["value-hardcoded"]) == []
    return len(refused), len(odd)


TABLE = """import pytest
from limits import size


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"size": 512}, 512),
        ({"size": 1024}, 1024),
    ],
)
def test_size(told, expected):
    assert size(told) == expected
"""


@pytest.mark.parametrize("test", [FOUND, FOUND.replace("def", "async def"), TABLE])
def test_what_the_test_gives_the_code_to_find_is_no_default(test: str) -> None:
    assert found(handled("KeyError", "return 512"), test) == (1, 0)


def test_a_table_of_cases_may_ask_for_a_default() -> None:
    default = TABLE.replace('{"size": 512}', "{}")
    assert found(handled("KeyError", "return 512"), default) == (0, 1)


@pytest.mark.parametrize("error", ["NameError", "(KeyError, NotImplementedError)"])
def test_a_mistake_in_the_code_is_no_case_for_an_answer(error: str) -> None:
    assert found(handled(error, "return 512"), DEFAULT) == (1, 0)


def test_what_may_be_a_default_is_pointed_at() -> None:
    assert found(handled("KeyError", "return 512"), DEFAULT) == (0, 1)
    change = (
        {"limits.py": BEFORE.encode()},
        {"limits.py": handled("KeyError", "return 512").encode()},
    )
    (odd,) = suspicious(*change, tests={"test_limits.py": DEFAULT.encode()})
    assert (odd.path, odd.line) == ("limits.py", 5)
    assert "answers what test_limits.py asks wherever it fails" in odd.what


@pytest.mark.parametrize(
    "after",
    [
        handled("KeyError", "return 511"),
        handled("KeyError", "return None"),
        handled("KeyError", "return 0"),
        handled("KeyError", "raise ValueError(512)"),
        handled("KeyError", "return told.default"),
    ],
)
def test_an_answer_that_no_test_asks_for_is_none(after: str) -> None:
    assert found(after, DEFAULT) == (0, 0)
    assert found(after, DEFAULT.replace("512", "0").replace("0}", "512}")) == (0, 0)


def test_what_stood_there_before_is_no_news() -> None:
    before = handled("KeyError", "return 512")
    assert found(before + "\nX = 1\n", FOUND, before=before) == (0, 0)


@pytest.mark.parametrize(
    ("path", "after", "test"),
    [
        (
            "limits.js",
            "function size(t) { try { return t.a.b; } catch (e) { return 512; } }\n",
            "expect(size({size: SIZE})).toBe(512)\n",
        ),
        (
            "limits.go",
            "func size(t T) (int, error) {\n\tif err != nil {\n\t\treturn 512, nil\n\t}\n}\n",
            'if got := size(t); got != 512 { t.Errorf("expected") }\n',
        ),
    ],
)
def test_other_languages_are_read_by_their_text(path: str, after: str, test: str) -> None:
    assert found(after, test, path, before="") == (0, 1)
    assert found(after, test.replace("SIZE", "512").replace("size(t)", "size(512)"), path, "") == (
        1,
        0,
    )
