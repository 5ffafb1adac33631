"""The guard before stdout and stderr: whatever is printed, nothing of it is obeyed."""

from __future__ import annotations

import io
import json
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.safety.log_text import (
    LINE_LIMIT,
    LINES_LIMIT,
    clipped,
    defuse,
    json_text,
    message_lines,
)
from autoresearch_ci.safety.output_streams import GuardedStream
from tests.runner_commands import obeyed, payloads

PAYLOADS = payloads("pwn")
hostile = st.lists(
    st.one_of(
        st.sampled_from(PAYLOADS),
        st.sampled_from(("#", "##", "[", "::", ":", "\r", "\n", "\u200b", "\ufe0f", "\x1b[")),
        st.text(max_size=6),
        st.binary(max_size=12).map(lambda data: data.decode("latin-1")),
    ),
    max_size=10,
).map("".join)
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]*")


def through_guard(*parts: str) -> str:
    below = io.StringIO()
    guard = GuardedStream(below)
    for part in parts:
        guard.write(part)
        guard.flush()
    guard.finish()
    return below.getvalue()


def test_the_ported_parser_knows_what_is_obeyed() -> None:
    assert obeyed("::error file=a::b") == ["error: '::error file=a::b'"]
    assert len(obeyed("x\n  ::set-output name=a::b\rfoo ##[add-mask]x\n::ok\n##[x]")) == 2
    assert all(obeyed(payload) for payload in PAYLOADS)


@pytest.mark.parametrize("payload", PAYLOADS[: len(PAYLOADS) // 15])
def test_no_payload_passes_the_guard(payload: str) -> None:
    assert obeyed(through_guard(payload, "\n")) == []


def test_no_payload_of_any_command_passes_in_any_form() -> None:
    assert obeyed(through_guard("\n".join(PAYLOADS))) == []
    assert obeyed(json_text(PAYLOADS, indent=2)) == []
    assert obeyed(json_text(PAYLOADS, indent=2, readable=True)) == []
    assert obeyed("\n".join(message_lines("\n".join(PAYLOADS)))) == []


@settings(max_examples=300)
@given(st.lists(hostile, max_size=5))
def test_no_seam_between_two_writes_makes_a_command(parts: list[str]) -> None:
    shown = through_guard(*parts)
    assert obeyed(shown) == []
    assert all(PRINTABLE.fullmatch(line) for line in shown.split("\n"))


def test_every_byte_is_printable_when_it_is_printed() -> None:
    for first in range(256):
        text = bytes([first]).decode("latin-1") + "::error::x"
        assert obeyed(through_guard(text)) == []
    shown = through_guard(bytes(range(256)).decode("latin-1"))
    assert all(PRINTABLE.fullmatch(line) for line in shown.split("\n"))


@settings(max_examples=300)
@given(st.dictionaries(hostile, st.one_of(hostile, st.floats(), st.lists(hostile)), max_size=3))
def test_json_means_the_same_and_is_never_obeyed(value: dict[str, object]) -> None:
    plain = json.loads(json.dumps(value, allow_nan=True), parse_constant=lambda _: None)
    for readable in (False, True):
        text = json_text(value, indent=1, readable=readable)
        assert json.loads(text) == plain
        assert obeyed(text) == []
        assert all(PRINTABLE.fullmatch(line) for line in text.split("\n"))
        assert through_guard(text) == text, "the guard must not spoil JSON"


@given(hostile, st.integers(2, 50))
def test_a_line_is_bounded(text: str, width: int) -> None:
    line = clipped(text, width)
    assert len(line) <= width
    assert clipped(text, 10**6) == defuse(text)
    assert obeyed(line) == []


def test_a_message_cannot_flood_a_log() -> None:
    lines = message_lines("x" * 10_000_000 + "\n" + "y\n" * 1_000_000)
    assert len(lines) <= LINES_LIMIT + 1
    assert all(len(line) <= LINE_LIMIT for line in lines)
    assert lines[-1] == f"({1_000_001 - LINES_LIMIT} more lines)"


def test_the_end_of_what_was_printed_is_not_lost() -> None:
    assert through_guard("a", "b\nc") == "ab\nc"
    assert all(a < b for a, b in pairwise([len(through_guard("x" * n)) for n in (1, 2, 3)]))
