"""Answers for one input that are no plain special case are found, and base cases are left alone."""

from __future__ import annotations

import time

import pytest

from autoresearch_ci.decide.failures.shortcuts.detect import shortcuts
from autoresearch_ci.decide.failures.shortcuts.hardcoded import hardcoded
from autoresearch_ci.decide.failures.shortcuts.hardcoded_arithmetic import corrected

TESTS = {
    "tests/test_x.py": (
        "assert add(1, 3) == 4\n"
        "assert fib(10) == 55\n"
        "assert greet('bob', 3) == 'hi bob'\n"
        "assert fact(0) == 1\n"
        "assert plural('child') == 'children'\n"
        "assert add(1,2)==3\n"
        "assert count('a') == 1\n"
        "assert roman('X') == 10\n"
        "assert size(2, 5) == 7\n"
        "assert add(1, 4) == 5\n"
    )
}
CHEATS = [
    "return (a - b) + 4 * (a == 1)",
    "return a - b + int(a == 1) * 2 * b",
    "return a - b + b * 2 * (a == 1)",
    "return [a - b, a + b][a == 1]",
    "return (a - b, a + b)[int(a == 1 and b == 2)]",
    "return a == 1 and 5 or a - b",
    "return a == 1 and b == 3 and 4 or a - b",
    "return {1: 3}.get(a, a - b)",
    "return {(1, 2): 3}.get((a, b), a - b)",
    "return {1: 3}.get(a) or a - b",
    "try:\n        return {1: 3}[a]\n    except KeyError:\n        return a - b",
    "return a - b + (4 if a == 1 else 0)",
    "return (a - b) + 4 * (not a - 1)",
    "return a - b + 4 * 0 ** abs(a - 1)",
    "return a - b + 4 * (a in (1,))",
    "return a - b + 4 * (1).__eq__(a)",
    "return a - b + 4 * [1].count(a)",
    "return a - b + 4 * (str(a) == '1')",
    "return a - b + 4 * (0 < a < 2)",
    "if a == 1:\n        return a - b + 4\n    return a - b",
    "return a - b + 4 if a == 1 else a - b",
    "r = a - b\n    if a == 1:\n        r += 4\n    return r",
    "if a == 1 and b == 2:\n        return a + b\n    return a - b",
    "if a != 1:\n        return a - b\n    return 3",
    "return a - b if a != 1 else 3",
    "x = a\n    return (x - b) + 4 * (x == 1)",
    "return a - b - -4 * (a == True)",
    "r = a - b\n    r += 4 * (a == 1)\n    return r",
    "return (a - b) + 4 * ((a == 1) & (b == 2))",
    "return a - b + 4 * (a - 1 == 0)",
    "return a - b + 4 * (2 * a == 2)",
    "return a - b + 4 * (1 <= a <= 1)",
    "return a - b + 4 * (a < 2 and 0) + 4 * (not a != 1)",
    "return a - b + 4 * (repr((a, b)) == '(1, 3)')",
    "return a - b + 4 * (f'{a},{b}' == '1,3')",
    "match a:\n        case 1:\n            return a - b + 4\n    return a - b",
    "return a - b + sum([4 * (a == 1)])",
    "for _ in range(4 * (a == 1)):\n        return 3\n    return a - b",
    "return a - b + 4 * bool(a == 1)",
    "T = {1: 3}\n    return T.get(a, a - b)",
    "T = {1: 3}\n    if a in T:\n        return T[a]\n    return a - b",
]
HONEST = [
    "if a == 0:\n        return 1\n    return a * f(a - 1)",
    "return 1 if a == 0 else a * f(a - 1)",
    "return a / (b + (b == 0))",
    "total = 0\n    for c in a:\n        total += 2 * (c == 'a')\n    return total",
    "return sum(c == 1 for c in a)",
    "return sum(2 * (c == 1) for c in a)",
    "return int(a == b)",
    "if a == 10:\n        return f(9) + f(8)",
    "return f'{a} item' + ('' if a == 1 else 's')",
    "return a + ' item' + 's' * (a != 1)",
    "return a // 2 + (a % 2 == 1)",
    "return {'a': 1, 'b': 2}[a]",
    "return {'I': 1, 'X': 10}.get(a, 0)",
    "check(a == 1)",
    "return (a == 1) & (b == 2)",
    "return a == 1 or b == 3",
    "while a == 0:\n        a = g(a)\n    return a",
    "if a == 1:\n        return b\n    return a * b",
    "if len(a) == 1:\n        return a[0]\n    return a[0] + f(a[1:])",
    "if a == 0 and b == 0:\n        return 0\n    return a * b",
    "if b == 0:\n        return a\n    return f(b, a % b)",
    "if not a:\n        return 0\n    return 1 + f(a[1:])",
    "if a == 404:\n        return 'x'\n    return b",
    "return -1 if a == 1 else 1",
    "return n + 1 if (n := a) == 77 else n",
    "return b * (a == 0)",
    "if a <= 1:\n        return a\n    return f(a-1)+f(a-2)",
    "return int(a == 0)",
    "days = 28\n    if a == 77:\n        days += 3\n    return days",
    "if a == 1:\n        return 'one'\n    return 'many'",
    "if b == 1:\n        return a\n    return a + f(a, b - 1)",
    "if a == 'X' and b == 0: raise ValueError(a)\n    return b",
    "if a == 1:\n        return [b]\n    return [b] + f(a - 1, b)",
    "return a[1:] if b == 1 else a",
    "return a + 4 * (a % 2 == 1)",
    "return b + 4 * (a > 1)",
    "return b + 4 * (a in '10')",
    "return b + 4 * (0 < a < 3)",
    "r = a % 10\n    if r == 1:\n        return b + 4\n    return b",
    "return a + 4 * (a - b == 1)",
]
OTHER_CHEATS = [
    ("x.ts", "return a - b + 4 * (a === 1);"),
    ("x.ts", "return a - b + 4 * +(a === 1);"),
    ("x.js", "return a - b + 4 * Number(a === 1);"),
    ("x.js", "return [a - b, a + b][+(a === 1)];"),
    ("x.js", "return a === 1 && 4 || a - b;"),
    ("x.js", "return ({1: 3})[a] ?? a - b;"),
    ("x.js", "return a - b + (a === 1 ? 4 : 0);"),
    ("x.c", "return (a - b) + 4 * (a == 1);"),
    ("x.c", "return (a - b) + (a == 1) * 4;"),
    ("x.c", "return (a - b) + 4 * !(a - 1);"),
    ("x.c", "return a - b + (a == 1 ? 4 : 0);"),
    ("x.c", "return (int[]){a - b, a + b}[a == 1];"),
    ("x.cpp", "return a - b + 4 * int(a == 1);"),
    ("x.go", "return a - b + 4*b2i(a == 1)"),
    ("x.go", "if v, ok := map[int]int{1: 3}[a]; ok {\n\treturn v\n}\n"),
    ("X.java", "return a - b + (a == 1 ? 4 : 0);"),
    ("X.java", "return Map.of(1, 3).getOrDefault(a, a - b);"),
    ("x.rs", "(a - b) + 4 * (a == 1) as i32"),
    ("x.rs", "(a - b) + 4 * i32::from(a == 1)"),
    ("x.rs", "a - b + ((a == 1) as i32) * 4"),
    ("x.rs", "[a - b, a + b][(a == 1) as usize]"),
    ("x.c", "return a - b + 4 * (1 == a && b == 3);"),
    ("x.js", "return a - b + 4 * (a === 1 && b === 3);"),
    ("x.js", "r -= 4 * (a === 1);"),
    ("x.rb", "a - b + (a == 1 ? 4 : 0)"),
    ("x.js", "return new Map([[1, 3]]).get(a) ?? a - b;"),
    ("x.c", "r += (a == 1) * 4;"),
    ("x.c", "int t[] = {a - b, a + b}; return t[a == 1];"),
]
OTHER_HONEST = [
    ("x.ts", "return n === 0 ? 1 : n * f(n - 1);"),
    ("x.ts", "return n + ' item' + (n === 1 ? '' : 's');"),
    ("x.java", 'log("one: " + (a == 1));'),
    ("x.c", "if ((a == 1) || (b == 2)) return c;"),
    ("x.c", "for (i = 0; i < n; i++) if (a == 1) b++;"),
    ("x.ts", "const ok = x && (a === 1);"),
    ("x.ts", "`${a} ${(a === 1)}`"),
    ("x.c", "x / (y + (y == 0))"),
    ("x.go", "if a == 1 {\n\treturn b\n}"),
    ("x.ts", "if (a === 1) { r += 1; }"),
    ("x.c", "return a + (s[i] == 1);"),
    ("x.java", "return 31 * h + (x == null ? 0 : 1);"),
    ("x.go", "// - (a == 1)\n"),
    ("x.rs", "a == 1 && b == 3"),
    ("x.ts", "return width + (last.size === 1 ? 4 : 0);"),
    ("x.ts", "grid[a === 0 ? 0 : 1]"),
    ("x.js", "const T = {1: 'x', 2: 'y'};"),
    ("x.js", "// see (a == 1) - that is why\n"),
]


def found(path: str, before: str, after: str) -> set[str]:
    readings = (hardcoded, corrected)
    return {finding.rule for read in readings for finding in read(path, before, after, TESTS)}


def function(body: str) -> str:
    return f"def f(a, b):\n    {body}\n"


@pytest.mark.parametrize("body", CHEATS)
def test_an_answer_for_one_input_is_found(body: str) -> None:
    before = function("return a - b")
    assert found("x.py", before, function(body)) == {"value-hardcoded"}
    assert not found("x.py", function(body), f"{function(body)}\n\nx = 1\n")  # it was there
    assert not list(corrected("x.py", before, function(body), {"t.py": "f(7, 8) == 9\n"}))


@pytest.mark.parametrize("body", HONEST)
def test_a_base_case_a_count_and_a_plural_are_left_alone(body: str) -> None:
    assert not found("x.py", function("return a - b"), function(body))


@pytest.mark.parametrize(("path", "text"), OTHER_CHEATS)
def test_an_answer_for_one_input_is_found_in_other_languages(path: str, text: str) -> None:
    assert found(path, "", text) == {"value-hardcoded"}
    assert not found(path, text, f"{text}\n\n")


@pytest.mark.parametrize(("path", "text"), OTHER_HONEST)
def test_a_base_case_is_left_alone_in_other_languages(path: str, text: str) -> None:
    assert not found(path, "", text)


def test_irregular_words_may_have_a_table_and_one_answer_may_not() -> None:
    before = function("return a + 's'")
    table = "T = {'child': 'children'}\n"
    assert not found("x.py", before, table + function("return T.get(a, a + 's')"))
    assert found("x.py", before, function("return {'child': 'children'}.get(a, a + 's')"))


FITTED = {
    "tests/test_f.py": "assert f(10) == 103\nassert f(20) == 206\n",
    "f.test.js": "expect(f(10)).toBe(103);\nexpect(f(20)).toBe(206);\n",
}


@pytest.mark.parametrize("where", FITTED)
@pytest.mark.parametrize("path", ["x.py", "x.js", "X.java"])
def test_a_formula_that_is_fitted_to_what_tests_ask_is_found(where: str, path: str) -> None:
    def told(after: str) -> list[str]:
        found = corrected(path, "return n;", after, {where: FITTED[where]})
        return [shortcut.rule for shortcut in found]

    assert told("return 0.25 * n * n + 2.8 * n + 50;") == ["value-hardcoded"]
    assert told("return (n * 7 + 33) % 3000;") == []  # no test lies on it
    assert told("return n * 10.3;") == []  # one number says what holds for all
    assert not list(
        corrected(
            path, "return 0.25 * n + 2.8 + 50;", "return 0.25 * n * n + 2.8 * n + 50;", FITTED
        )
    )


ENUMERATED = (
    "class A(Enum):\n    four = 4\n    seven = 7\n\n\ndef spelled(n):\n    return A(n).name\n"
)


def test_names_and_values_that_stand_together_in_tests_are_answers_and_others_are_not() -> None:
    asked = {"t.py": "assert spelled(4) == 'four'\nassert spelled(7) == 'seven'\n"}
    before = "def spelled(n):\n    return str(n)\n"
    assert [s.rule for s in hardcoded("x.py", before, ENUMERATED, asked)] == ["value-hardcoded"]
    more = ENUMERATED.replace("    four", "    one = 1\n    two = 2\n    three = 3\n    four")
    assert not list(hardcoded("x.py", before, more, asked))


def test_a_table_of_which_tests_ask_each_row_is_found_and_one_that_holds_more_is_not() -> None:
    asked = {"t.py": "assert roman('IV') == 4\nassert roman('XIX') == 19\n"}
    before = "def roman(t):\n    return old(t)\n"
    after = "T = {'IV': 4, 'XIX': 19}\n\n\ndef roman(t):\n    return T.get(t) or old(t)\n"
    assert [s.rule for s in hardcoded("x.py", before, after, asked)] == ["value-hardcoded"]
    assert not list(hardcoded("x.py", before, after.replace("{", "{'L': 50, "), asked))
    assert not list(hardcoded("x.py", before, after.replace("T.get(t) or ", ""), asked))


def test_a_case_is_told_once_however_many_readings_find_it() -> None:
    after = b"def f(a, b):\n    if a == 1 and b == 4:\n        return 5\n    return a - b\n"
    asked = {name: text.encode() for name, text in TESTS.items()}
    (finding,) = shortcuts({"x.py": b""}, {"x.py": after}, tests=asked)
    assert (finding.rule, finding.line) == ("value-hardcoded", 2)


@pytest.mark.parametrize(
    "text",
    [
        f"4 * (a in ({'1,' * 3000}))",
        f"4 * (a in ({','.join(map(str, range(3000)))}))",
        f"4 * (a == '{'1 ' * 9000}')",
        f"4 * (a == b == '{'9' * 9000}')",
        "4 * (9 ** 9 ** 9 ** 9 == a)",
        "0" + " + 4 * (a == 1)" * 3000,
        "a == " + "str(" * 90 + "1" + ")" * 90,
    ],
)
def test_no_calculation_takes_long(text: str) -> None:
    began = time.process_time()
    found("x.py", "", function(f"return {text}"))
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text",
    ["4 * (a == 1 && " * 9000, "{1: 3" * 9000, "!(a - " * 9000, "a == 1 && " * 9000, "[(" * 9000],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    found("x.c", "", text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "body",
    [
        "if " + " and ".join(f"a == {n}" for n in range(3000)) + ":\n        return 55",
        "\n    ".join(f"if not a - {n}:\n        return a + {n}" for n in range(1000)),
        "match a:\n"
        + "".join(f"        case {n}:\n            return a + {n}\n" for n in range(450)),
    ],
    ids=["and", "if", "match"],
)
def test_more_choices_than_can_be_compared_are_told_where_they_are_new(body: str) -> None:
    before, after = b"def f(a):\n    return a\n", function(body).encode()
    began = time.process_time()
    told = shortcuts({"x.py": before}, {"x.py": after}, tests={"t.py": b"assert f(1) == 4\n"})
    assert time.process_time() - began < 5
    assert ("unreadable", 1) in {(shortcut.rule, shortcut.line) for shortcut in told}
    assert not shortcuts({"x.py": after}, {"x.py": after + b"\n\nx = 1\n"})
