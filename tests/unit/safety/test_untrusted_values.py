"""What others wrote is looked at before it is opened, and bounded before it is parsed."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import (
    JSON_DEPTH,
    JSON_ITEMS,
    MIB,
    Unreadable,
    json_value,
)

LIMIT = 8 * MIB
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**100), 10**100),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=40,
)


@given(values, st.booleans())
def test_ordinary_json_is_read_as_it_is(value: object, ascii_only: bool) -> None:
    assert json_value(json.dumps(value, ensure_ascii=ascii_only), limit=LIMIT) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ('["\\"",' + "[" * (JSON_DEPTH + 1), "nested too deeply"),
        ("[" + "0," * JSON_ITEMS + "0]", "JSON values"),
        ("9" * (LIMIT + 1), "8 MiB of JSON"),
        ("9" * 5000, "too many digits"),
        ("1e999", "too large for a number"),
        ("[NaN]", "not a number"),
        ("-Infinity", "not a number"),
        ('{"a": 1, "a": 2}', "same key twice"),
    ],
    ids=range(11),
)
def test_a_bomb_is_refused_before_it_goes_off(text: str, why: str) -> None:
    began = time.process_time()
    with pytest.raises(Unreadable, match=why):
        json_value(text, limit=LIMIT)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text", ["", "[", '"', '"\\', "[1,]", "{", "\x00", '{"a" 1}', '"' * 4000001]
)
def test_what_is_no_json_is_an_ordinary_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_value(text, limit=LIMIT)


def test_brackets_in_strings_are_no_nesting() -> None:
    text = "[" * 1000 + '"\\\\' + "{" * 1000
    assert json_value(json.dumps([text, text]), limit=LIMIT) == [text, text]


def test_quotes_without_end_cost_no_more_than_their_length() -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=r"."):
        json_value('["' + '\\"' * (MIB // 2) + "[" * 100, limit=LIMIT)
    assert time.process_time() - began < 5


def test_numbers_can_be_left_as_they_are_written() -> None:
    assert json_value("[1e999, NaN, 1.50]", limit=LIMIT, number=str) == ["1e999", "NaN", "1.50"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "sparse", "long", "link", "broken"])
def test_what_is_no_small_file_is_refused_without_reading_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)  # nobody writes: whoever opened it would wait for ever
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 10 << 30)
    elif kind == "long":
        path.write_bytes(b"x" * 1001)
    else:
        path.symlink_to(tmp_path / "target")
        if kind == "link":
            (tmp_path / "target").write_bytes(b"secret")
    with pytest.raises(Unreadable, match=r"is a folder|is a pipe|larger than 1 kB|is a link"):
        file_bytes(path, 1000, follow=False)


def test_a_link_is_followed_where_the_user_named_it(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"text")
    (tmp_path / "x").symlink_to(tmp_path / "target")
    assert file_bytes(tmp_path / "x", 4) == b"text"


def test_a_file_that_says_it_is_empty_is_still_bounded() -> None:
    # as one that grows between the look and the read
    assert re.match(rb"[\x20-\x7e]", file_bytes(Path("/proc/version"), 10_000))
    with pytest.raises(Unreadable, match="larger than 5 bytes"):
        file_bytes(Path("/proc/version"), 5)


def test_what_is_not_there_is_said_as_ever(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_bytes(tmp_path / "nothing", 1)
