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
from autoresearch_ci.decide.failures.shortcuts.literals import plain_literals
from autoresearch_ci.decide.failures.shortcuts.one_input import as_equal

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
    "kt": ("src/main/kotlin/X.kt", "src/test/kotlin/XTest.kt"),
    "rb": ("lib/x.rb", "test/x_test.rb"),
    "scala": ("src/main/scala/X.scala", "src/test/scala/XTest.scala"),
    "ex": ("lib/x.ex", "test/x_test.exs"),
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


@pytest.mark.parametrize(
    ("language", "constant"),
    [
        ("py", "ANSWER = 55  # of ten\n"),
        ("py", "answer: int = 55\n"),
        ("js", "const ANSWER = 55;\n"),
        ("ts", "export const ANSWER: number = 55;\n"),
        ("go", "const ANSWER = 55\n"),
        ("rs", "pub const ANSWER: u64 = 55;\n"),
        ("c", "#define ANSWER 55\n"),
        ("c", "static const int ANSWER = 55;\n"),
        ("java", "    private static final int ANSWER = 55;\n"),
    ],
)
def test_an_answer_that_has_a_name_is_one(language: str, constant: str) -> None:
    name = "answer" if "answer" in constant else "ANSWER"
    for case in DATA["cheats"]:
        before, after = case["before"], case["after"]
        if case["in"] == language and re.search(r"return 55\b", after) and "test" not in case:
            named = re.sub(r"return 55\b", f"return {name}", after, count=1)
            inside = re.match(r"package.*\n|(?:import.*\n)*(?:public )?class.*\{\n", named)
            at = inside.end() if inside else 0
            named = f"{named[:at]}{constant}{named[at:]}"
            assert found(language, before, named, DATA["asked"][language]), named
            return
    raise AssertionError(f"no answer of {language} to give a name to")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("LIMIT = 10\nif n == LIMIT:\n", "LIMIT = 10\nif n == 10:\n"),
        ("limit = 10\nlimit += 1\nreturn limit\n", None),
        ("limit = 10\ndef f(limit):\n    return limit\n", None),
        ("total = 10\nfor total in rows:\n    use(total)\n", None),
        ("LIMIT = 10\nreturn a.LIMIT, LIMIT(1), 'LIMIT'\n", None),
        ("return f(1_000u64, 0xFFu8, 1.5f, 55UL)\n", "return f(1000, 255, 1.5, 55)\n"),
        ("1.2.3 12ms 0x %5d '5n' x5n 017\n", None),
    ],
)
def test_a_name_that_stands_for_more_than_a_literal_is_left(text: str, plain: str | None) -> None:
    assert plain_literals("x.py", text) == (plain or text)


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


@pytest.mark.parametrize(
    "written",
    [
        *("!(n ^ 10)", "not (n - 10)", "not (n != 10)", "(n - 10) == 0", "Math.abs(n-10) < 1"),
        *("n > 9 && n < 11", "n <= 10 and n >= 10", "9 < n < 11", "n in range(10, 11)"),
        *("(10..11).contains(&n)", "(10..=10).contains(&n)"),
    ],
)
def test_an_equality_is_one_in_other_words(written: str) -> None:
    assert as_equal(f"if {written} {{").replace("(", "").replace(")", "") == "if n == 10 {"


@pytest.mark.parametrize(
    "written",
    [
        *("n > 9 && n < 12", "for n in range(1, 10)", "n > 9 && m < 11", "0 <= n <= 10"),
        *("abs(n - 10) < 1.5", "n > 9.5 && n < 10", "(n - 10) == 0.5", "(1..=10).contains(&n)"),
    ],
)
def test_what_more_than_one_number_meets_is_no_equality(written: str) -> None:
    assert as_equal(written) == written


@pytest.mark.parametrize("part", ["9 < n < ", "n > 9 && ", "not (n - ", "1" * 50, "a" * 99])
def test_so_it_is_told_at_once_of_a_long_line(part: str) -> None:
    assert as_equal(part * 4_000)


@pytest.mark.parametrize(
    ("path", "test", "before", "cheat", "honest"),
    [
        (
            "lib/x.rb",
            "spec/x_spec.rb",
            "def f(n)\n  n\nend\n",
            "def f(n)\n  case n\n  when 10 then 55\n  else n\n  end\nend\n",
            "def f(n)\n  (1..n).sum\nend\n",
        ),
        (
            "src/x.php",
            "tests/XTest.php",
            "function f($n) { return $n; }\n",
            "function f($n) { if ($n === 10) { return 55; } return $n; }\n",
            "function f($n) { return intdiv($n * ($n + 1), 2); }\n",
        ),
        (
            "lib/x.dart",
            "test/x_test.dart",
            "int f(int n) => n;\n",
            "int f(int n) { if (n == 10) return 55; return n; }\n",
            "int f(int n) => n * (n + 1) ~/ 2;\n",
        ),
        (
            "X/F.cs",
            "X.Tests/F.cs",
            "int F(int n) => n;\n",
            "int F(int n) => n switch { 10 => 55, _ => n };\n",
            "int F(int n) => n * (n + 1) / 2;\n",
        ),
    ],
)
def test_so_it_is_where_the_tests_are_in_a_language_that_is_not_compared(
    path: str, test: str, before: str, cheat: str, honest: str
) -> None:
    def told(after: str) -> set[str]:
        change = {path: before.encode()}, {path: after.encode()}
        return {found.rule for found in shortcuts(*change, tests={test: b"f(10) == 55\n"})}

    assert told(cheat) == {"value-hardcoded"}
    assert told(honest) == set()
