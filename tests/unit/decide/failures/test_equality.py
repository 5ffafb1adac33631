"""Values that say what they are equal to: refused where nobody needs that, else pointed at."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.failures.shortcuts.detect import shortcuts, suspicious

PYTHON = (
    "class Title{of}:\n    def __eq__(self, other):\n        return self.lower() == other.lower()\n"
)
JAVA = """class Ranking {of}{{
  @Override public boolean equals(Object o) {{ return o instanceof List; }}
}}
"""
RUST = """struct Money;
impl PartialEq for Money {
    fn eq(&self, o: &Money) -> bool { self.near(o) }
}
"""
DERIVED = [
    ("a.py", PYTHON.format(of="(str)")),
    ("a.py", PYTHON.format(of="(Loud, float)")),
    ("a.py", PYTHON.format(of="(\n    str,\n)")),
    ("A.java", JAVA.format(of="extends ArrayList<String> ")),
    ("a.js", "class N extends Number {\n  valueOf() { return answer; }\n}\n"),
    ("a.rb", "class Loud < String\n  def ==(other)\n    casecmp?(other)\n  end\nend\n"),
]
OWN = [
    ("a.py", PYTHON.format(of="")),
    ("a.py", PYTHON.format(of="(Base)")),
    ("A.java", JAVA.format(of="")),
    ("a.rs", RUST),
    ("a.cpp", "struct P {\n  bool operator==(const P& o) const { return near(o); }\n};\n"),
]


def found(path: str, before: str, after: str) -> tuple[int, int]:
    """How much is refused, and how much is pointed at."""
    change = ({path: before.encode()}, {path: after.encode()})
    return len(shortcuts(*change)), len(suspicious(*change))


@pytest.mark.parametrize(("path", "after"), DERIVED)
def test_a_new_text_or_list_has_no_equality_of_its_own(path: str, after: str) -> None:
    assert found(path, "", after) == (1, 0)
    assert found(path, after, after + "\n") == (0, 0)


@pytest.mark.parametrize(("path", "after"), OWN)
def test_a_class_may_have_lacked_its_equality_which_a_person_sees(path: str, after: str) -> None:
    assert found(path, "", after) == (0, 1)
    assert found(path, after, after + "\n") == (0, 0)


def test_a_text_that_was_there_may_have_lacked_its_equality() -> None:
    assert found("a.py", "class Title(str):\n    pass\n", PYTHON.format(of="(str)")) == (0, 1)


def test_to_ask_for_a_value_is_no_equality() -> None:
    after = "class Dates extends Map {\n  sum() { return this.first.valueOf() + 1; }\n}\n"
    assert found("a.js", "", after) == (0, 0)


def test_many_comparisons_and_classes_are_told_at_once() -> None:
    after = "boolean equals(a)\n" * 3_000 + "class A extends ArrayList\n" * 2_000
    assert found("A.java", "", after) == (0, 1)


def test_a_comparison_may_move_to_another_file_and_tests_may_define_some() -> None:
    after = PYTHON.format(of="(str)").encode()
    moved = ({"a.py": after, "b.py": None}, {"a.py": b"", "b.py": after})
    assert shortcuts(*moved) == suspicious(*moved) == []
    assert suspicious({"tests/help.py": b""}, {"tests/help.py": after}) == []
