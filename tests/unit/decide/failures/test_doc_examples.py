"""Examples in documentation are tests: a repair leaves what they ask, and what they expect."""

from __future__ import annotations

import time

import pytest

from autoresearch_ci.decide.failures.shortcuts.detect import shortcuts
from autoresearch_ci.decide.failures.shortcuts.doc_examples import doc_examples, runs_examples

PYTHON = '''\
def isbool(text):
    """Whether it is one.

    >>> isbool("False")
    True
    >>> for each in (1, 2):
    ...     print(each)
    1
    2
    >>> isbool(1)
    False"""
    return text in ("True",)


class Other:
    """>>> Other().size
    3
    """
'''
RST = "Use it::\n\n    >>> f(1)\n    2\n\n    >>> f(2)\n    3\n"
RUST = """\
//! Distances.

/// The distance.
///
/// ```
/// use x::levenshtein;
/// assert_eq!(3, levenshtein("kitten", "sitting"));
/// assert!((0.39 - near("a", "b")).abs() <
///         0.001);
/// ```
#[inline]
pub fn levenshtein(a: &str, b: &str) -> usize {
    0
}
"""


def rules(path: str, was: str, now: str) -> list[str]:
    return [
        f.rule for f in shortcuts({path: was.encode()}, {path: now.encode()}, runs_examples=bool)
    ]


@pytest.mark.parametrize(
    ("path", "text", "old", "new", "rule"),
    [
        ("a.py", PYTHON, '"False")\n    True', '"False")\n    False', "assertion-changed"),
        ("a.py", PYTHON, '    >>> isbool(1)\n    False"""', '    """', "assertion-removed"),
        ("a.py", PYTHON, "print(each)\n    1\n", "print(each)\n", "assertion-changed"),
        ("a.py", PYTHON, "isbool(1)\n", "isbool(0)\n", "assertion-removed"),
        (
            "a.py",
            PYTHON,
            ".size\n    3",
            ".size  # doctest: +ELLIPSIS\n    3",
            "assertion-weakened",
        ),
        ("a.py", PYTHON, ".size\n    3", ".size\n    4", "assertion-changed"),
        ("README.rst", RST, "f(2)\n    3", "f(2)\n    4", "assertion-changed"),
        ("a.rs", RUST, "(3, lev", "(2, lev", "assertion-removed"),
        ("a.rs", RUST, "0.001", "0.5", "assertion-removed"),
        ("a.rs", RUST, "/// ```\n/// use", "/// ```ignore\n/// use", "assertion-removed"),
    ],
)
def test_an_example_is_not_made_to_agree_with_the_code(
    path: str, text: str, old: str, new: str, rule: str
) -> None:
    assert old in text
    assert rule in rules(path, text, text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("path", "was", "now"),
    [
        ("a.py", PYTHON, PYTHON.replace('("True",)', '("True", "False")')),
        (
            "a.py",
            PYTHON,
            PYTHON.replace("    >>> isbool(1)", "    >>> isbool(2)\n    1\n    >>> isbool(1)"),
        ),
        ("a.py", PYTHON, PYTHON.replace("    ", "  ")),
        ("a.py", PYTHON, PYTHON.partition("class")[0]),  # with what it documents
        ("a.py", PYTHON, "class Other:" + PYTHON.partition("class Other:")[2]),
        ("a.rs", RUST, RUST.replace("    0\n", "    1\n")),
        (
            "a.rs",
            RUST,
            RUST.replace("/// ```\n#", '/// assert_eq!(1, levenshtein("", "a"));\n/// ```\n#'),
        ),
        ("a.rs", RUST, "//! Distances.\n"),
        ("a.rs", RUST.replace("```\n/// use", "```text\n/// use"), "pub fn levenshtein() {}\n"),
        ("README.rst", RST, "More.\n\n" + RST.replace("    ", "   ")),
    ],
)
def test_code_that_agrees_with_its_examples_may_move_and_get_more_of_them(
    path: str, was: str, now: str
) -> None:
    assert rules(path, was, now) == []


@pytest.mark.parametrize(
    ("path", "text", "new"),
    [
        (
            "a.py",
            'def fib(n):\n    """The nth.\n\n    >>> fib(10)\n    55\n    """\n    return n\n',
            "    if n == 10:\n        return 55\n    return n\n",
        ),
        (
            "a.rs",
            "/// ```\n/// assert_eq!(55, f(10));\n/// ```\nfn f(n: u8) -> u8 {\n    return n\n}\n",
            "    if n == 10 {\n        return 55;\n    }\n    return n\n",
        ),
    ],
)
def test_a_value_that_an_example_expects_is_not_written_into_the_code(
    path: str, text: str, new: str
) -> None:
    assert rules(path, text, text.replace("    return n\n", new)) == ["value-hardcoded"]
    other = new.replace("55", "89")
    assert rules(path, text, text.replace("    return n\n", other)) == []


@pytest.mark.parametrize("path", ["a.py", "a.rs", "a.md"])
@pytest.mark.parametrize(
    "text",
    [">>> " * 100_000, " " * 400_000, "/// ```\n" * 50_000, "'''" * 100_000, "\n>>> a\n" * 60_000],
)
def test_no_text_takes_long(path: str, text: str) -> None:
    begun = time.monotonic()
    assert len([*doc_examples(path, text, text + "\nx")]) < 2
    assert time.monotonic() - begun < 5


def test_examples_that_nobody_runs_are_words() -> None:
    now = PYTHON.replace('"False")\n    True', '"False")\n    False')
    assert shortcuts({"a.py": PYTHON.encode()}, {"a.py": now.encode()}) == []


@pytest.mark.parametrize(
    ("path", "run"),
    [
        ("src/pkg/calc.py", True),
        ("docs/use.md", True),
        ("src/pkg/other.py", False),
        ("pkg/calc.py", False),
        ("use.md", False),
        ("tests/test_a.py", True),
    ],
)
def test_who_runs_examples_is_seen_by_what_their_tests_are_called(path: str, run: bool) -> None:
    tests = ["src.pkg.calc::pkg.calc.f", "docs/use.md::use.md", "tests.test_a.T::test_a"]
    assert runs_examples(path, tests) is run
