"""Output of any length costs a fixed amount, and its lines are the same however it is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.execution.command import HEAD_BYTES, LINE_BYTES, TAIL_BYTES, Output


def lines_of(*chunks: bytes) -> list[str]:
    lines: list[str] = []
    output = Output(lines.append)
    for chunk in chunks:
        output.feed(chunk)
    output.end()
    return lines


@given(st.binary(max_size=30), st.integers(0, 30))
def test_lines_do_not_depend_on_where_the_stream_is_cut(data: bytes, cut: int) -> None:
    assert lines_of(data[:cut], data[cut:]) == lines_of(data)


def test_a_line_that_arrives_in_pieces_is_cut_once() -> None:
    assert lines_of(b"x" * LINE_BYTES, b"y\n", b"z") == ["x" * LINE_BYTES, "z"]


def test_after_a_line_has_asked_to_stop_no_other_is_shown() -> None:
    seen: list[str] = []

    def enough(line: str) -> bool:
        seen.append(line)
        return line == "b"

    output = Output(enough)
    output.feed(b"a\nb\nc\n")
    assert (seen, output.asked_to_stop) == (["a", "b"], True)


def test_head_and_tail_are_kept_and_what_lies_between_is_counted() -> None:
    output = Output(None)
    output.feed(b"h" * HEAD_BYTES)
    for _ in range(3):
        output.feed(b"m" * TAIL_BYTES)
    output.feed(b"t" * TAIL_BYTES)
    marker = f"\n[... {3 * TAIL_BYTES} bytes not kept ...]\n"
    assert output.text() == "h" * HEAD_BYTES + marker + "t" * TAIL_BYTES
    assert output.tail_text() == "t" * TAIL_BYTES
