"""Words of others stay words: in Markdown, as GitHub extends it, and in commit messages."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from autoresearch_ci.safety.markdown_text import block, inline, subject

PAYLOADS = (
    *("@octocat", "@org/team", "a@evil.example", "x @everyone", "<me@evil.example>"),
    *("#1", "fixes #1", "Closes: #2", "resolves GH-3", "gh-4", "owner/repo#5", "!6", "a!7"),
    *(
        "https://github.com/o/r/issues/1",
        "fixes https://github.com/o/r/issues/1",
        "ftp://e.example",
    ),
    *("http://evil.example", "www.evil.example", "WWW.evil.example", "mailto:a@b.c", "xmpp:a@b.c"),
    *("[x](http://evil.example)", "![i](//evil.example/i.png)", "[x]: http://e.example", "[x][x]"),
    *("<script>alert(1)</script>", "<img src=x onerror=y>", "<!-- autoresearch-ci:key -->", "-->"),
    *("</details>", "<a href=x>", "&#64;octocat", "&lt;b&gt;", "&commat;octocat"),
    *("# heading", "- item", "+ item", "* item", "1. item", "1) item", "---", "===", "***", "___"),
    *("- [ ] task", "> quote", "> [!NOTE]", "[^1]", "[^1]: note", "| a | b |", "|---|", "\tcode"),
    *("```", "~~~", "`x`", "``x``", "$x$", "$$x$$", "$`x`$", "\\", "\\@octocat", "\\#1", "~~x~~"),
    *("**b**", "_i_", "__b__", "deadbeefcafe", "0123456789abcdef0123456789abcdef01234567"),
    *(
        "/close",
        "/assign @me",
        "x\n\n# y",
        "x\r- y",
        "\u202e@x",
        "\u200b#1",
        "##[error]x",
        "::error::x",
    ),
)
hostile = st.lists(
    st.one_of(
        st.sampled_from(PAYLOADS),
        st.text(alphabet=" \n\t@#:/.wGgHh-_*~`$[]()<>!&;|\\+=0123abcdef", max_size=8),
        st.text(max_size=4),
    ),
    min_size=1,
    max_size=6,
).map("".join)

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ALLOWED = {"paragraph_open", "paragraph_close", "inline", "text", "html_inline", "text_special"}
# What GitHub makes of rendered text: mentions, references, links, commits.
JOINED = re.compile(
    r"@\w|[#!]\d|#\w|GH-\d|://|www\.|(?:mailto|xmpp):|\b(?=[0-9]*[a-f])[0-9a-f]{7,40}\b",
    re.IGNORECASE,
)


def tokens(text: str) -> list[Token]:
    found: list[Token] = []
    for token in PARSER.parse(text):
        found += [token, *(token.children or [])]
    return found


def rendered(text: str) -> str:
    """The text nodes as a filter over the page's HTML sees them."""
    return "".join(t.content for t in tokens(text) if t.type in ("text", "text_special"))


def assert_inert(page: str) -> None:
    found = tokens(page)
    assert {t.type for t in found} <= ALLOWED, page
    assert {t.content for t in found if t.type == "html_inline"} <= {"<span>", "</span>"}
    assert not JOINED.search(rendered(page)), rendered(page)
    assert "$" not in re.sub(r"<span>\$</span>", "", page)


@pytest.mark.parametrize("text", PAYLOADS)
def test_no_payload_means_anything_at_the_start_of_a_line(text: str) -> None:
    assert_inert(inline(text))


@settings(max_examples=300)
@given(hostile)
def test_no_mixture_means_anything_at_the_start_of_a_line(text: str) -> None:
    assert_inert(inline(text, 400))


@settings(max_examples=100)
@given(hostile, hostile)
def test_two_cells_cannot_work_together(first: str, second: str) -> None:
    page = f"| a | b |\n| --- | --- |\n| {inline(first)} | {inline(second)} |\n"
    kinds = [t.type for t in tokens(page)]
    assert kinds.count("td_open") == 2
    assert kinds.count("tr_open") == 2
    assert not {"link_open", "image", "em_open", "strong_open", "s_open", "code_inline"} & {*kinds}


@settings(max_examples=200)
@given(hostile)
def test_nothing_closes_a_block(text: str) -> None:
    found = [t.type for t in PARSER.parse(f"before\n\n{block(text)}\n\nafter")]
    paragraph = ["paragraph_open", "inline", "paragraph_close"]
    assert found == [*paragraph, "fence", *paragraph]


@given(st.integers(3, 60))
def test_a_fence_is_longer_than_any_inside(length: int) -> None:
    page = block("`" * length + "\n# out")
    assert [t.type for t in tokens(page)] == ["fence"]


@settings(max_examples=100)
@given(hostile, st.integers(5, 60))
def test_what_is_shown_is_bounded(text: str, limit: int) -> None:
    words = text * 50
    assert len(inline(words, limit)) <= 14 * limit * len("\\U000e0041")
    assert len(block(words, limit)) <= 40 + (limit + 1) * (3 + len("\\U000e0041"))


@settings(max_examples=200)
@given(hostile)
def test_a_commit_message_mentions_nobody_closes_nothing_and_skips_no_check(text: str) -> None:
    line = subject(text)
    assert len(line.splitlines()) <= 1
    assert not re.search(r"[@#!]\w|GH-\d|://", line, re.IGNORECASE)
    assert subject(line) == line


@pytest.mark.parametrize(
    "text",
    [
        *("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"),
        *("x ***NO_CI***", "[a [skip ci] b]", "******NO_CI******"),
    ],
)
def test_a_commit_message_cannot_switch_the_checks_off(text: str) -> None:
    line = subject(f"raise A {text}").lower()
    assert text.lower() not in line
    assert "[" not in line
    assert "***" not in line


@pytest.mark.parametrize(
    "text",
    [
        *("raise MATRIX_LR from 0.04 to 0.057", "a - b", "-0.1 % worse", "+5 %", "3.5 is best"),
        *("batch 1048576", "use f(x) = 2", "Größe ≤ 3 µs → 日本語"),
    ],
)
def test_ordinary_words_stay_as_they_are(text: str) -> None:
    assert inline(text) == text
    assert subject(text) == text
