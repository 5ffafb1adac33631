"""A line of shell is taken apart as a shell would, and no worse where a quote is left open."""

from __future__ import annotations

import pytest

from autoresearch_ci.decide.shell_line import parts, simple_commands, tokens


@pytest.mark.parametrize(
    ("line", "words", "signs"),
    [
        ("A=b c 'd e'\"f\" g\\ h", ["A=b", "c", "d ef", "g h"], []),
        (r'a "b\"c\\d\n" ""', ["a", 'b"c\\d\\n', ""], []),
        ("a>b 2>&1|c&&(d)", ["a", "b", "1", "c", "d"], [">", "2>&", "|", "&&(", ")"]),
        ("a 'x;y' ';' \\; b", ["a", "x;y", ";", ";", "b"], []),
        ("a\n\nb \\\n c;", ["a", "b", "c"], ["\n\n", ";"]),
        ("a 'b c", ["a", "b", "c"], []),
        ("git+https://a/b#c # d", ["git+https://a/b#c"], []),
        ("# it's d;e\na 'b c'\\ #f $# \\#;#g", ["a", "b c #f", "$#", "#"], ["\n", ";"]),
        ("a # b \\\nc 'd\\\ne' \\\r\n f\\\\\ng", ["a", "c", "d\\\ne", "f\\", "g"], ["\n", "\n"]),
        ("ma\\\nke 'a\\\nb'\"c\\\nd\" e\\\n f", ["make", "a\\\nbcd", "e", "f"], []),
        ("a\tb\u00a0c\x0bd\r\n", ["a", "b\u00a0c\x0bd"], ["\n"]),
    ],
)
def test_words_are_those_that_a_program_is_given(
    line: str, words: list[str], signs: list[str]
) -> None:
    found = tokens(line)
    assert [token.text for token in found if not token.is_sign] == words
    assert [token.text for token in found if token.is_sign] == signs


def test_what_stands_in_a_comment_is_read_where_it_may_be_none() -> None:
    assert [token.text for token in tokens("a # b", comments=True)] == ["a", "#", "b"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a && b || c; d\ne", ["a", "b", "c", "d", "e"]),
        ("a 'b && c' | d & e", ["a 'b && c' | d & e"]),
        ("(a&&b);(c)", ["a", "b", "(c)"]),
        ('a "b;\\"c" ;; x && ', ['a "b;\\"c"', "x"]),
        ("it's; b", ["it's", "b"]),
    ],
)
def test_commands_are_parted_where_the_next_one_waits_for_them(
    line: str, expected: list[str]
) -> None:
    assert parts(line) == expected


def test_a_simple_command_ends_at_a_sign_but_not_at_a_redirection() -> None:
    found = list(simple_commands("a b < c > d | e & (f 2>&1);"))
    assert found == [
        (["a", "b", "<", "c", ">", "d"], "|"),
        (["e"], "&"),
        (["f", "2>&", "1"], ");"),
    ]
