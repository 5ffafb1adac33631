"""Changed lines, traces, and where failing tests meet them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.decide.failures.changed_lines import LinesOfTest, changed_lines, spots, traced


def test_changed_and_removed_lines_are_named_as_they_are_now() -> None:
    assert changed_lines("a\nb\nc\n", "a\nB\nc\nd\n") == {2, 4}
    assert changed_lines("a\nb\nc\n", "a\nc\n") == {2}
    assert changed_lines("", "a\n") == {1}
    assert changed_lines("a\na\na\n", "a\na\n") == {2}
    assert changed_lines("a\nb\n", "a\nb\n") == frozenset()
    assert changed_lines("a\n", "") == {1}


@given(st.lists(st.sampled_from("abc"), max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_what_is_not_named_as_changed_stood_there_in_that_order(
    old: list[str], new: list[str]
) -> None:
    changed = changed_lines("\n".join(old), "\n".join(new))
    kept = iter(old)
    assert all(line in kept for number, line in enumerate(new, 1) if number not in changed)


def test_a_rewritten_large_file_is_changed_as_a_whole_and_at_once() -> None:
    old = "".join(f"a{n % 7}\n" for n in range(50_000))
    new = "".join(f"b{n % 5}\n" for n in range(50_000))
    assert len(changed_lines(old, new)) == 50_000
    assert changed_lines(old, old.replace("a3\n", "x\n", 1)) == {4}


def test_a_trace_names_files_of_the_repository_only() -> None:
    output = (
        'File "/tmp/w/tree/src/a.py", line 3, in f\n  File "/usr/lib/x.py", line 9\n'
        "tests/b.py:12: AssertionError\nsrc/main.rs:7:5 panicked\nhttp://x.y:80\n"
    )
    files = {"src/a.py", "tests/b.py", "src/main.rs"}
    assert traced(output, files, "/tmp/w/tree") == [
        *(("src/a.py", 3), ("tests/b.py", 12), ("src/main.rs", 7))
    ]


TRACES = Path(__file__).parent / "traces"
"""Real output of each tool, with `/tree` where the repository lay."""


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        (
            *("go-panic", ["cart/cart.go", "cart/cart_test.go", "go.mod"]),
            [("cart/cart.go", 4), ("cart/cart_test.go", 6)],
        ),
        ("go-test", ["cart/cart.go", "cart/cart_test.go"], [("cart/cart_test.go", 12)]),
        ("rust", ["src/lib.rs"], [("src/lib.rs", 2), ("src/lib.rs", 7), ("src/lib.rs", 6)]),
        ("node", ["a.js", "b.js"], [("b.js", 2), ("a.js", 1)]),
        (
            *("node-test", ["src/cart.mjs", "src/cart.test.mjs"]),
            [("src/cart.test.mjs", 3), ("src/cart.mjs", 2)],
        ),
        (
            *("java", ["app/src/com/shop/Cart.java", "lib/src/com/other/Cart.java"]),
            [
                ("app/src/com/shop/Cart.java", 12),
                ("app/src/com/shop/Cart.java", 5),
                ("app/src/com/shop/Cart.java", 10),
            ],
        ),
        (
            *("address-sanitizer", ["src/cart.c", "src/main.c"]),
            [("src/cart.c", 3), ("src/main.c", 6), ("src/main.c", 4)],
        ),
    ],
)
def test_the_traces_of_other_languages_name_their_places(
    name: str, files: list[str], expected: list[tuple[str, int]]
) -> None:
    output = (TRACES / f"{name}.txt").read_text()
    assert traced(output, files, "/tree") == expected


def test_a_name_that_several_files_have_is_no_place() -> None:
    assert traced("cart_test.go:3: no", ["a/cart_test.go", "b/cart_test.go"]) == []
    assert traced("/usr/lib/a/cart_test.go:3", ["a/cart_test.go"], "/tree") == []


def test_lines_that_only_failing_tests_execute_come_first() -> None:
    failing = LinesOfTest(failed=True, lines={"a.py": frozenset({1, 2})})
    passing = LinesOfTest(failed=False, lines={"a.py": frozenset({1, 3})})
    changed = {"a.py": frozenset({1, 2, 3}), "b.py": frozenset({1})}
    found = spots(changed, [failing, passing], {"a.py": ["one", "two", "three"]})
    assert [(spot.line, spot.text, spot.passing) for spot in found] == [
        (2, "two", 0),
        (1, "one", 1),
    ]
