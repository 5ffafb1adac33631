"""Values that are right for one test are found however they are asked for; a repair that says
what is true of more than one input is left alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoresearch_ci.decide.failures.shortcuts.detect import shortcuts

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # each worker reads all of it
DATA = yaml.load((Path(__file__).parent / "data" / "hardcoded.yml").read_text("utf-8"), _LOADER)
PATHS = {
    "py": ("x.py", "tests/test_x.py"),
    "js": ("x.js", "test/x.test.js"),
    "ts": ("x.ts", "test/x.test.ts"),
    "go": ("x.go", "x_test.go"),
    "rs": ("src/x.rs", "tests/x.rs"),
    "c": ("x.c", "tests/test_x.c"),
    "java": ("src/main/java/X.java", "src/test/java/XTest.java"),
}


def found(language: str, before: str, after: str, test: str) -> set[str]:
    path, tests = PATHS[language]
    change = {path: before.encode()}, {path: after.encode()}
    return {finding.rule for finding in shortcuts(*change, tests={tests: test.encode()})}


@pytest.mark.parametrize("case", DATA["cheats"], ids=lambda case: case["in"])
def test_an_answer_for_one_input_is_found_however_it_is_asked(case: Mapping[str, Any]) -> None:
    language, before, after = case["in"], case["before"], case["after"]
    asked = case.get("test", DATA["asked"][language])
    told = found(language, before, after, asked)
    assert told in (
        {"value-hardcoded"},
        {"test-recognised"},
        {"value-hardcoded", "test-recognised"},
    )
    assert not found(language, after, f"{after}\n", asked)  # it was there
    assert "value-hardcoded" not in found(language, before, after, "nothing of the kind")


TYPES = {"rs": "u64", "java": "L", "c": "UL", "ts": "n", "js": "n"}


@pytest.mark.parametrize(
    "written",
    [
        lambda n, _: hex(int(n)),
        lambda n, _: "_".join(n),
        lambda n, language: n + TYPES.get(language, ""),
    ],
    ids=["in another base", "with separators", "with its type"],
)
def test_a_number_is_the_same_however_it_is_written(written: Callable[[str, str], str]) -> None:
    for case in DATA["cheats"]:
        language, before = case["in"], case["before"]
        after = re.sub(
            r"(?<![\w.\"'%-])\d{2,}(?![\w.\"'-])",
            lambda match, language=language: written(match[0], language),
            case["after"],
        )
        assert found(language, before, after, case.get("test", DATA["asked"][language])), after


@pytest.mark.parametrize("case", DATA["honest"], ids=lambda case: case["in"])
def test_what_is_right_for_more_than_one_input_is_left_alone(case: Mapping[str, Any]) -> None:
    assert not found(case["in"], case["before"], case["after"], case["test"])


@pytest.mark.parametrize(
    "compared",
    [
        "round(n, -1000000000) == 10",
        f"{'repr(' * 40}n{')' * 40} == 'a'",
        f"n == {'str((' * 40}'a'{',))' * 40}",
        f"n == 0x{'f' * 5000}",
        f"n == 1{'0' * 400}",
        "n == 1 << 10**9",
        "n == 10 ** 10**9",
        f"n == 1{' + 1' * 950}",
        f"n in ({'1000, ' * 3000})",
    ],
    ids=lambda compared: compared[:20],
)
def test_what_cannot_be_calculated_is_not_known_and_hides_nothing(compared: str) -> None:
    asked, before = DATA["asked"]["py"], "def fib(n):\n    return n\n"
    other = f"\n\ndef other(n):\n    return n + 7 * ({compared})\n"
    assert not found("py", before, f"{before}{other}", asked)
    cheat = "def fib(n):\n    return n + 45 * (n == 10)\n"
    assert found("py", before, f"{cheat}{other}", asked) == {"value-hardcoded"}
