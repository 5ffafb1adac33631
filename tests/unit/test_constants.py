"""Finding and rewriting constants: what is offered, in which range, and that nothing else moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.constants import (
    Constant,
    Kind,
    Value,
    find_constants,
    follow,
    parse,
    rewrite,
    rounded,
)
from autoresearch_ci.errors import ProposerError


def found(text: str | bytes, path: str = "a.py") -> dict[str, Constant]:
    data = text.encode() if isinstance(text, str) else text
    constants = find_constants(path, data)
    for constant in constants:
        assert data[constant.start : constant.end].decode("latin-1") == constant.literal
    return {constant.name: constant for constant in constants}


def only(text: str | bytes, path: str = "a.py") -> Constant:
    (constant,) = found(text, path).values()
    return constant


def rewritten(text: str, value: Value, path: str = "a.py") -> str:
    return rewrite(text.encode(), {only(text, path): value}).decode()


PYTHON = """\
LR = 0.04
STEPS: int = 3_000
BATCH = 2**19
FUSED = True
BETAS = (0.8, [-0.95, 7])
OPTIONS = {"lr": 1e-4, "deep": {1: False}}
"""


def test_every_kind_of_module_level_constant_is_found_in_file_order() -> None:
    assert [(c.name, c.kind, c.value) for c in find_constants("a.py", PYTHON.encode())] == [
        ("LR", Kind.FLOAT, 0.04),
        ("STEPS", Kind.INT, 3000),
        ("BATCH", Kind.POWER, 2**19),
        ("FUSED", Kind.BOOL, True),
        ("BETAS[0]", Kind.FLOAT, 0.8),
        ("BETAS[1][0]", Kind.FLOAT, -0.95),
        ("BETAS[1][1]", Kind.INT, 7),
        ("OPTIONS['lr']", Kind.FLOAT, 1e-4),
        ("OPTIONS['deep'][1]", Kind.BOOL, False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "A = 1\nA = 2\n",
        "A = 1\ndef f():\n    global A\n    A = 2\n",
        "A = 1\nA += 1\n",
        "A = B = 1\n",
        "lower = 0.5\n",
        "def f():\n    A = 1\n",
        "if x:\n    A = 1\n",
        "A = 'sgd'\n",
        "A = 0x10\n",
        "A = 0\n",  # an index or a switch; no multiple of it is another value
        "A = None\n",
        "A = 1j\n",
        "A = 0.5 * B\n",
        "A = 1e999\n",
        f"A = {2**60}\n",  # not exact as a float
        f"A = {list(range(1, 10))}\n",  # a table
        "SEED = 1\nDATA_VERSION = 2\nH100_PEAK_FLOPS = 1e15\nPORT = 80\nEVAL_STEPS = 5\n",
    ],
)
def test_what_is_no_knob_is_left_alone(text: str) -> None:
    assert found(text) == {}


def test_an_annotation_offers_what_would_be_left_alone_and_takes_away_what_would_not() -> None:
    text = "SEED = 1  # tune: 1..9\nLR = 0.1  # tune: skip\nA = 1\nA = 2  # tune: 1..3\n"

    assert [c.name for c in found(text).values()] == ["SEED", "A"]


def test_an_annotation_on_a_statements_first_or_last_line_speaks_for_all_of_it() -> None:
    assert found("A = (  # tune: skip\n  1,\n  2,\n)\n") == {}
    assert found("A = (\n  1,\n  2,\n)  # tune: skip\n") == {}
    inner = found("A = {\n  'x': 1,  # tune: 5..6\n  'y': 2,\n}\n")
    assert (inner["A['x']"].low, inner["A['y']"].low) == (5, 1)


@pytest.mark.parametrize(
    ("literal", "low", "high", "log"),
    [
        ("0.04", 0.01, 0.16, True),
        ("3.0", 0.75, 12.0, True),
        ("0.4", 0.1, 1.0, True),  # not above 1
        ("0.95", 0.8, 0.9875, False),  # a fraction near 1 moves by its distance to 1
        ("0.0", 0.0, 0.1, False),
        ("-2.0", -8.0, -0.5, False),
        ("8", 2, 32, True),
        ("1", 1, 4, True),
        ("-2", -8, -1, False),
        ("2**19", 2**17, 2**21, True),
        ("2 ** 1", 1, 8, True),
    ],
)
def test_default_ranges(literal: str, low: float, high: float, log: bool) -> None:
    constant = only(f"A = {literal}\n")

    assert (constant.low, constant.high, constant.log) == (low, high, log)


def test_a_plain_size_stays_a_power_of_two() -> None:
    assert only("A = 128\n").choices == (32, 64, 128, 256, 512)
    assert only("A = 8\n").choices == ()
    assert only("A = 128  # tune: 1..512\n").choices == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A = 1.0  # tune: 1e-4..1 log", (Kind.FLOAT, 1e-4, 1, True, ())),
        ("A = 4 # tune: -8 .. 8", (Kind.INT, -8, 8, False, ())),
        ("A = 0  # tune: 0..0.5", (Kind.FLOAT, 0, 0.5, False, ())),  # `0` was meant as a float
        ("A = 2**4  # tune: 10..2**7", (Kind.POWER, 16, 128, True, ())),
        ("A = 4  # tune: [2, 4, 8]", (Kind.INT, None, None, False, (2, 4, 8))),
        ("A = 1.0  # tune: [1, 2.5]", (Kind.FLOAT, None, None, False, (1.0, 2.5))),
        ("A = 'sgd'  # tune: [\"sgd\", adam]", (Kind.STRING, None, None, False, ("sgd", "adam"))),
        ("A = True  # tune: [true, False]", (Kind.BOOL, None, None, False, (True, False))),
    ],
)
def test_annotations_set_the_space(line: str, expected: tuple[object, ...]) -> None:
    c = only(f"{line}\n")

    assert (c.kind, c.low, c.high, c.log, c.choices) == expected


def test_a_condition_names_another_constant_of_the_file() -> None:
    text = "OPT = 'sgd'  # tune: [sgd, adam]\nMOM = 0.9  # tune: 0..0.99 when OPT == 'sgd'\n"
    condition = found(text)["MOM"].condition

    assert condition is not None
    assert (condition.name, condition.value, condition.equal) == ("OPT", "sgd", True)
    with pytest.raises(ProposerError, match=r"a\.py:1: MOM is tuned `when OPT"):
        found(text.splitlines()[1])


@pytest.mark.parametrize(
    "annotation",
    [
        "",
        "fast",
        "3..1",
        "0..1 log",
        "1..1e999",
        "[1]",
        "[1, 1.0]",
        "['a', 2]",
        "[a, b]",  # the literal is a number
        "[true, false]",
        "1..9007199254740994",
        "skip when B == 1",
    ],
)
@pytest.mark.parametrize("path", ["a.py", "conf/a.toml"])
def test_a_malformed_annotation_names_the_line_and_what_is_expected(
    path: str, annotation: str
) -> None:
    with pytest.raises(ProposerError) as caught:
        found(f"\nA = 1 # tune: {annotation}\n", path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert "Expected `tune: LOW..HIGH`" in str(caught.value)


def test_a_comment_alone_on_its_line_is_prose_unless_it_would_be_an_annotation() -> None:
    assert found("# tune: the learning rate first\nA = 1\n")
    with pytest.raises(ProposerError, match="behind the value, on the same line"):
        found("# tune: 1..4\nA = 1\n")


def test_python_strings_and_prose_files_hold_no_annotations() -> None:
    assert list(found('A = 1\nS = """\nB = 2  # tune: nonsense\n"""\n')) == ["A"]
    assert found("x = 1  # tune: nonsense\n", "README.md") == {}


@pytest.mark.parametrize(
    ("path", "line", "name", "value"),
    [
        ("a.yaml", "  learning-rate: 0.1  # tune: 0..1", "learning-rate", 0.1),
        ("a.yaml", "opt: sgd # tune: [sgd, adam]", "opt", "sgd"),
        ("a.yaml", "wait: 10ms  # tune: 5..20", "wait", 10),
        ("a.yaml", "on: true  # tune: [true, false]", "on", True),
        ("a.toml", "block = 64  # tune: 16..256 log", "block", 64),
        ("a.ini", "x = .5 ; tune: 0..1", "x", 0.5),
        ("a.lua", "local y = 7 -- tune: 1..9", "y", 7),
        ("a.json5", '  "depth": 4, // tune: 1..9', "depth", 4),
        ("a.c", "#define RATE 0.5f // tune: 0..1", "RATE", 0.5),
        ("a.c", "static const int kA = 0x10, kB = -3; /* tune: -9..9 */", "kB", -3),
        ("a.js", "const n = a-3; // tune: 1..9", "n", 3),  # the minus is an operator
        ("a.ts", "const n: number = 5-3; // tune: 1..9", "n", 3),
        ("a.ts", 'const mode: string = "x"; // tune: ["x", "y"]', "mode", "x"),
        ("a.py", "def f(n: int = 3):  # tune: 1..9\n    pass", "n", 3),
        ("a.py", "def f():\n  return [\n    0.5,  # tune: 0..1\n  ]", "value", 0.5),
        ("broken.py", "x = = 3  # tune: 1..9", "x", 3),
    ],
)
def test_an_annotated_line_of_any_language_offers_its_last_literal(
    path: str, line: str, name: str, value: Value
) -> None:
    constant = only(f"{line}\n", path)

    assert (constant.name, constant.value) == (name, value)


@pytest.mark.parametrize(
    "line",
    [
        "x = 3 # tune: [a, b]",
        'x["key"] = 3 # tune: [a, b]',
        "x[0] = y # tune: 0..9",
        "f(0, n=m) # tune: 0..9",
    ],
)
def test_a_key_or_an_index_is_not_taken_for_the_value(line: str) -> None:
    with pytest.raises(ProposerError, match="No literal before the comment fits"):
        found(f"{line}\n", "a.toml")


def test_the_second_of_one_name_gets_its_own_name() -> None:
    text = "a:\n  lr: 1.0 # tune: 0..9\nb:\n  lr: 2.0 # tune: 0..9\n"

    assert {c.name: c.value for c in found(text, "a.yaml").values()} == {"lr": 1.0, "lr#2": 2.0}


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ("A = 3_000\n", 12000, "A = 12_000\n"),
        ("A = 2 ** 10\n", 2**12, "A = 2 ** 12\n"),
        ("A = 0.04\n", 0.00005, "A = 0.00005\n"),
        ("A = 0.04\n", 5.0, "A = 5.0\n"),
        ("A = -0.5\n", 1.0, "A = 1.0\n"),
        ("A = 1e-4\n", 0.00032, "A = 3.2e-4\n"),
        ("A = 1e-4\n", 0.0003, "A = 3e-4\n"),
        ("A = 1.0e-4\n", 0.0003, "A = 3.0e-4\n"),  # PyYAML reads 3e-4 as a string
        ("A = 1E-4\n", 20000.0, "A = 2E+4\n"),
        ("A = 1e-4\n", 0.05, "A = 0.05\n"),
        ("A = 1e6\n", 2500000.0, "A = 2.5e6\n"),
        ("A = 1e-4\n", -0.0003, "A = -3e-4\n"),
        ("A = True\n", False, "A = False\n"),
        ("a = true # tune: [true, false]\n", False, "a = false # tune: [true, false]\n"),
        ("A = 'x' # tune: [x, y]\n", "y", "A = 'y' # tune: [x, y]\n"),
        ('A = "x" # tune: [x, y]\n', "y", 'A = "y" # tune: [x, y]\n'),
        ("A = x # tune: [x, y]\n", "y", "A = y # tune: [x, y]\n"),
    ],
)
def test_the_style_of_a_literal_is_kept(old: str, value: Value, new: str) -> None:
    assert rewritten(old, value) == new
    assert only(new).value == value


def test_rounding_keeps_four_significant_digits() -> None:
    assert rounded(only("A = 0.04\n"), 0.05678912) == 0.05679
    assert rounded(only("A = 9000\n"), 12345) == 12340
    assert rounded(only("A = 1.0  # tune: [1.23456, 2]\n"), 1.23456) == 1.23456


def test_choices_that_the_literals_style_cannot_hold_are_refused() -> None:
    for line in ("A = 'x' # tune: [x, \"it's\"]", "a: x # tune: [x, 'two words']"):
        with pytest.raises(ProposerError, match="No literal before the comment fits"):
            found(line, "a.yaml")


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfLR = 0.04\r\nB = 3",
        b"\xef\xbb\xbfLR = 0.04  # tune: 0..1\nB = 3",
        "É = 'é'  # ü\nLR = 0.04; B = 3\n".encode(),
        b"# -*- coding: latin-1 -*-\nS = 'caf\xe9'; LR = 0.04\nB = 3",
        b"S = '\xff\xfe'; LR = 0.04\rB = 3\r",
        b"\x0cLR = 0.04\n\x0c\nB = 3\n",
    ],
    ids=["bom-crlf", "bom-note", "utf8", "latin1", "invalid-utf8-lone-cr", "form-feed"],
)
def test_bytes_outside_the_literal_are_identical(data: bytes) -> None:
    constants = found(data)

    new = rewrite(data, {constants["LR"]: 0.125, constants["B"]: 12})

    assert new == data.replace(b"0.04", b"0.125").replace(b"B = 3", b"B = 12")


def test_non_ascii_choices_are_written_in_the_files_own_bytes() -> None:
    data = "A = 'é'  # tune: ['é', 'ü']\n".encode()
    constant = only(data)

    assert rewrite(data, {constant: constant.choices[1]}).startswith("A = 'ü'".encode())


def test_binary_files_hold_no_constants() -> None:
    assert found(b"A = 1  # tune: 1..9\n\0") == {}


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["0.5", "1e-4", "1.0E+9"]))
def test_any_float_is_read_back_as_it_was_written(value: float, style: str) -> None:
    text = f"A = {style}\n"

    new = rewritten(text, value)

    assert parse(new[4:-1]) == (Kind.FLOAT, value)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_surrounds_an_annotated_line_survives(before: bytes, after: bytes) -> None:
    line = b"x: 0.5  # tune: 0..1\n"
    before, after = (part.replace(b"\0", b"").replace(b"tune", b"") for part in (before, after))
    constant = only(before + b"\n" + line + after, "a.yaml")

    new = rewrite(before + b"\n" + line + after, {constant: 0.75})

    assert new == before + b"\n" + line.replace(b"0.5", b"0.75") + after


def test_following_gives_what_finding_would_unless_more_than_literals_changed() -> None:
    text = PYTHON + "OPT = 'sgd'  # tune: [sgd, adam]\n"
    data = text.encode()
    constants = find_constants("a.py", data)
    by_name = {constant.name: constant for constant in constants}
    changed = rewrite(data, {by_name["LR"]: 0.0625, by_name["BATCH"]: 2**5, by_name["OPT"]: "adam"})

    followed = follow(constants, data, changed)

    assert followed is not None
    places = [(c.name, c.value, c.literal, c.start, c.end) for c in followed]
    assert places == [
        (c.name, c.value, c.literal, c.start, c.end) for c in find_constants("a.py", changed)
    ]
    assert follow(constants, data, changed + b"#") is None
    assert follow(constants, data, data.replace(b"0.04", b"rate")) is None
    assert follow(constants, data, data.replace(b"2**19", b"524288")) is None
    assert follow(constants, data, data.replace(b"BATCH", b"SIZE")) is None
