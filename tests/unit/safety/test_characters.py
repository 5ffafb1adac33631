"""Characters that nobody sees: one table, and nobody who shows text to people lets one through."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable

import pytest
import regex

from autoresearch_ci.experiment import Experiment, Status
from autoresearch_ci.record.journal_tsv import format_row
from autoresearch_ci.safety import log_text, markdown_text, prompt_text
from autoresearch_ci.safety.characters import has_hidden, is_hidden, replaced_for_people
from autoresearch_ci.workspace.scope import Scope

EVERYTHING = "".join(map(chr, range(0x110000)))
SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))
IGNORABLE = frozenset(regex.findall(r"\p{Default_Ignorable_Code_Point}", EVERYTHING))
"""As Unicode lists them, written apart from our own table."""
OF_HFS = map(chr, (*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF))
"""What git takes for nothing in a name (`next_hfs_char` in utf8.c)."""
HIDDEN = sorted(
    {
        *IGNORABLE,
        *regex.findall(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]", EVERYTHING),
        # of the many that are private, unassigned or half of a pair
        *"\ue000\uf8ff\U000f0000\U0010fffd\ufdd0\ufdef\ufffe\uffff\U0001ffff\ud800\udfff\u0378",
    }
    - {"\n", "\t"}
)


def journal(text: str) -> str:
    row = Experiment(
        **dict.fromkeys(("timestamp", "commit", "guard", "proposer", "reason"), "-"),
        **dict.fromkeys(("metric", "delta", "guard_metric", "best", "ci_low", "ci_high")),
        **dict.fromkeys(("iteration", "samples", "tokens", "attempts"), 1),
        **dict.fromkeys(("seconds", "cost_usd", "peak_memory_mb"), 1.0),
        status=Status.KEEP,
        description=text,
    )
    return format_row(row).split("\t")[8]


CONSUMERS: dict[str, Callable[[str], str]] = {
    "log": log_text.defuse,
    "log, cut": log_text.clipped,
    "log, a message": lambda text: "\n".join(log_text.message_lines(text)),
    "log, JSON": lambda text: log_text.json_text({"a": text}, readable=True),
    "journal": journal,
    "prompt, a line": lambda text: prompt_text.line(text, 100),
    "prompt, an output": lambda text: prompt_text.tail(text, 100),
    "prompt, a file": prompt_text.shown,
    "prompt, a path": prompt_text.quoted,
    "Markdown, words": markdown_text.inline,
    "Markdown, lines": markdown_text.block,
    "Markdown, a commit": markdown_text.subject,
}


def test_the_table_holds_all_that_unicode_calls_ignorable_and_all_that_is_no_character() -> None:
    others = {c for c in EVERYTHING if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"}
    assert {c for c in EVERYTHING if is_hidden(c)} == (others | IGNORABLE) - {"\n", "\t"}


@pytest.mark.parametrize("name", CONSUMERS)
def test_no_hidden_character_passes(name: str) -> None:
    show = CONSUMERS[name]
    for char in HIDDEN:
        for text in (f"a{char}b", f"##{char}[error]", f"{char}::error::x", f"é{char}{char}"):
            seen = show(text)
            found = {c for c in seen if is_hidden(c)}
            if found and char in SELECTORS and "prompt" not in name:  # at home after an é, once
                assert f"é{char}" in seen
                found -= {char}
                assert seen.count(char) == 1
            assert not found, (hex(ord(char)), text)


@pytest.mark.parametrize("name", sorted(set(CONSUMERS) - {"Markdown, words"}))
def test_what_people_can_see_is_left_alone(name: str) -> None:
    text = "naïve ≤ 3 µs → 日本語 हिन्दी עברית 🎉"
    seen = CONSUMERS[name](text)
    assert text in (seen if name != "prompt, a path" else text)


def test_an_emoji_keeps_the_selector_that_chooses_its_look() -> None:
    for name in ("log", "journal", "Markdown, words"):
        assert CONSUMERS[name]("❤\ufe0f ok") == "❤\ufe0f ok"
    assert log_text.defuse("❤\ufe0f\ufe0f\ufe01") == "❤\ufe0f\\ufe0f\\ufe01"
    assert log_text.defuse("\ufe0fa\ufe0f \ufe0f") == "\\ufe0fa\\ufe0f \\ufe0f"


def test_a_json_text_means_what_it_meant() -> None:
    for char in HIDDEN:
        text = f"a{char}b❤\ufe0f"
        assert json.loads(log_text.json_text(text, readable=True)) == text


def test_what_a_file_shows_can_be_named_in_an_edit() -> None:
    for char in HIDDEN:
        assert prompt_text.unshown(prompt_text.shown(f"a{char}b")) == f"a{char}b"


def test_a_name_with_hidden_characters_is_a_twin_of_the_one_without() -> None:
    scope = Scope(include=["*"], frozen=["bench.py"])
    for char in {*HIDDEN, *OF_HFS} - {"\0"}:
        assert scope.refusal(f"be{char}nch.py"), hex(ord(char))
        assert scope.refusal(f".g{char}it/config"), hex(ord(char))
        assert scope.refusal(f"{char}conftest.py{char}"), hex(ord(char))
    assert scope.refusal("bénch.py") is None


def test_plain_text_is_not_even_copied() -> None:
    text = "plain text"
    assert replaced_for_people(text, str) is text
    assert not has_hidden(text)
    assert not has_hidden("two\n\tlines")
    assert has_hidden("\x7f")
