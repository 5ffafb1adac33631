"""What a runner's log and a terminal are never asked to obey."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.safety.log_text import defuse

hostile = st.lists(
    st.one_of(
        st.sampled_from(
            (
                *("::error::x", "##[add-mask]", "#", "[", ":", " ", "\u00a0", "\u200b", "\u202e"),
                *(
                    "\t",
                    "\ufe0f",
                    "\x1b]8;;http://x\x07",
                    "\r",
                    "\n",
                    "\u2028",
                    "\ud800",
                    "\U000e0041",
                ),
            )
        ),
        st.text(max_size=5),
        st.characters(),
    ),
    max_size=12,
).map("".join)


@given(hostile)
def test_no_text_survives_as_a_workflow_command(text: str) -> None:
    safe = defuse(text)
    assert not safe.lstrip().startswith("::")
    assert not re.search("#[\ufe00-\ufe0f]*#[\ufe00-\ufe0f]*\\[", safe)


@given(hostile)
def test_nothing_invisible_survives_and_the_result_is_one_encodable_line(text: str) -> None:
    safe = defuse(text)
    assert not {unicodedata.category(char) for char in safe} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(safe.splitlines()) <= 1
    safe.encode("utf-8")


@given(hostile)
def test_defusing_twice_changes_nothing(text: str) -> None:
    assert defuse(defuse(text)) == defuse(text)


@pytest.mark.parametrize(
    "text",
    ["raise MATRIX_LR from 0.04 to 0.057", "Größe ≤ 3 µs → ❤️ 日本語", "a::b ## [x]", "std::vector"],
)
def test_harmless_text_is_left_alone(text: str) -> None:
    assert defuse(text) == text


def test_what_was_hidden_is_written_out() -> None:
    assert defuse("\x1b[31mred\u202e\x00") == "\\x1b[31mred\\u202e\\x00"
    assert defuse("  ::set-output name=x::1") == "  :\\:set-output name=x::1"
    assert defuse("foo ##[error]x") == "foo ##\\[error]x"
