"""Changed lines, traces, and where failing tests meet them."""

from __future__ import annotations

from autoresearch_ci.decide.changed_lines import LinesOfTest, changed_lines, ranges, spots, traced


def test_changed_and_removed_lines_are_named_as_they_are_now() -> None:
    assert changed_lines("a\nb\nc\n", "a\nB\nc\nd\n") == {2, 4}
    assert changed_lines("a\nb\nc\n", "a\nc\n") == {2}
    assert changed_lines("", "a\n") == {1}


def test_a_trace_names_files_of_the_repository_only() -> None:
    output = (
        'File "/tmp/w/tree/src/a.py", line 3, in f\n  File "/usr/lib/x.py", line 9\n'
        "tests/b.py:12: AssertionError\nsrc/main.rs:7:5 panicked\nhttp://x.y:80\n"
    )
    files = {"src/a.py", "tests/b.py", "src/main.rs"}
    assert traced(output, files, "/tmp/w/tree") == [
        *(("src/a.py", 3), ("tests/b.py", 12), ("src/main.rs", 7))
    ]


def test_lines_that_only_failing_tests_execute_come_first() -> None:
    failing = LinesOfTest(failed=True, lines={"a.py": frozenset({1, 2})})
    passing = LinesOfTest(failed=False, lines={"a.py": frozenset({1, 3})})
    changed = {"a.py": frozenset({1, 2, 3}), "b.py": frozenset({1})}
    found = spots(changed, [failing, passing], {"a.py": ["one", "two", "three"]})
    assert [(spot.line, spot.text, spot.passing) for spot in found] == [
        (2, "two", 0),
        (1, "one", 1),
    ]


def test_lines_are_told_as_ranges() -> None:
    assert ranges([9, 3, 7, 8]) == "3, 7-9"
    assert ranges([]) == ""
