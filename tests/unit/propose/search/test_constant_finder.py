"""Finding constants: what is offered in which language, and what is left alone."""

from __future__ import annotations

import pytest

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.propose.search.constant_finder import find_constants
from autoresearch_ci.propose.search.constants import Constant
from autoresearch_ci.propose.search.tune_comments import Kind, TunedValue


def found(text: str | bytes, path: str = "a.py") -> dict[str, Constant]:
    data = text.encode() if isinstance(text, str) else text
    constants = find_constants(path, data)
    for constant in constants:
        assert data[constant.start : constant.end].decode("latin-1") == constant.literal
    return {constant.name: constant for constant in constants}


def only(text: str | bytes, path: str = "a.py") -> Constant:
    (constant,) = found(text, path).values()
    return constant


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


def test_a_condition_names_another_constant_of_the_file() -> None:
    text = "OPT = 'sgd'  # tune: [sgd, adam]\nMOM = 0.9  # tune: 0..0.99 when OPT == 'sgd'\n"
    condition = found(text)["MOM"].condition

    assert condition is not None
    assert (condition.name, condition.value, condition.equal) == ("OPT", "sgd", True)
    with pytest.raises(ProposerError, match=r"a\.py:1: MOM is tuned `when OPT"):
        found(text.splitlines()[1])


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
    path: str, line: str, name: str, value: TunedValue
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


def test_binary_files_hold_no_constants() -> None:
    assert found(b"A = 1  # tune: 1..9\n\0") == {}
