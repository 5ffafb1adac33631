"""Signs of a gain that is hard to believe: from values alone, and rare where all is well."""

from __future__ import annotations

import random

import pytest

from autoresearch_ci.decide.gaming import Ruler
from autoresearch_ci.decide.metric.credibility import (
    doubt,
    is_witness,
    naming_lines,
    told_by_output,
    unlikely_numbers,
)
from autoresearch_ci.decide.metric.run_statistics import DecisionRuns, Policy, RunStatistics, Side
from autoresearch_ci.experiment import Direction

DOWN, UP = Direction.MINIMIZE, Direction.MAXIMIZE
NOISY = (100.3, 99.8, 101.2, 100.9, 99.1)


def signs(
    baseline: tuple[float, ...], candidate: tuple[float, ...], direction: Direction = DOWN
) -> list[str]:
    session = RunStatistics.calibrated(baseline, Policy(direction=direction))
    evidence = DecisionRuns(runs=tuple((Side.CANDIDATE, value) for value in candidate))
    return unlikely_numbers(evidence, session, direction)


@pytest.mark.parametrize(
    ("before", "after", "direction", "told"),
    [
        (1100.0, 67.0, DOWN, ["a gain of 93.9 %"]),
        (10.0, 1.0, DOWN, []),
        (10.0, 0.99, DOWN, ["a gain of 90.1 %"]),
        (10.0, 0.0, DOWN, ["a gain of 100.0 %"]),
        (13141.0, 1.0, DOWN, ["a gain of 100.0 %"]),
        (10.0, 18.0, UP, []),
        (10.0, 20.0, UP, []),
        (10.0, 100.0, UP, []),
        (10.0, 101.0, UP, ["a gain of 910.0 %"]),
        (-10.0, -101.0, DOWN, ["a gain of 910.0 %"]),
        (-10.0, 5.0, UP, ["a gain of 150.0 %"]),
        (0.0, 5.0, UP, ["a gain of 100.0 %"]),
        (10.0, 20.0, DOWN, []),
        (10.0, 500.0, DOWN, []),
        (-10.0, -0.5, UP, ["a gain of 95.0 %"]),
        (10.0, 11.0, DOWN, []),
    ],
)
def test_more_than_tenfold_asks_for_a_witness_either_way(
    before: float, after: float, direction: Direction, told: list[str]
) -> None:
    assert signs((before,) * 3, (after,) * 3, direction) == told


def test_a_constant_from_a_metric_that_varies_is_a_sign() -> None:
    (told,) = signs(NOISY, (60.0, 60.0, 60.0))
    assert told == "3 runs gave exactly 60, though the metric varies"
    assert signs(NOISY, (60.4, 60.1, 60.2)) == []
    assert signs((100.0,) * 3, (60.0,) * 3) == []


def test_equal_values_of_a_coarse_metric_are_no_sign() -> None:
    assert signs((10.0, 11.0, 10.0, 10.0, 11.0), (9.0, 9.0, 9.0)) == []
    told, tried = 0, 300
    for seed in range(tried):
        dice = random.Random(seed)

        def run(level: float, dice: random.Random = dice) -> float:
            return round(dice.gauss(level, 1.0))

        baseline = tuple(run(100) for _ in range(5))
        if len(set(baseline)) > 1:
            told += bool(signs(baseline, tuple(run(90) for _ in range(4))))
    assert told <= tried / 20


RULER = Ruler(
    names=("cost", "p95_ms"),
    patterns=(r"^BenchmarkSum\S*\s+\d+\s+(\S+) ns/op$",),
    keys=("combined_score",),
)
NAMING = [
    'static void __attribute__((constructor)) f(void) { printf("cost: 1\\n"); _exit(0); }',
    '    fmt.Println("BenchmarkSum-2 100 1 ns/op")',
    "console.log(`cost: ${1}`)",
    "process.stdout.write('cost=' + 1)",
    'std::cout << "cost" << ": 1";',
    'println!("p95_ms: {}", 1);',
    "echo cost: 1",
    'puts "METRIC cost=1"',
    'const line = f"p95_ms = {x}"',
    'return json.dumps({"combined_score": 0.0})',
]
ORDINARY = [
    "# this lowers the cost: p95_ms gets better",
    "// print cost: later",
    '"""Lower the cost: fewer steps."""',
    "cost = compute(cost)",
    "cost: int = 3",
    "self.cost += cost_of(x)",
    'log.info("done")',
    "total = sum(costs)",
    'raise ValueError("too costly: x")',
    "print(combined_score)",
    'print("10 ns/op")',
]


@pytest.mark.parametrize("line", NAMING)
def test_a_new_line_that_looks_like_the_metrics_own_is_named(line: str) -> None:
    assert naming_lines({"a": b"x\n"}, {"a": f"x\n{line}\n".encode()}, RULER) == ["a:2"]


@pytest.mark.parametrize("line", ORDINARY)
def test_an_ordinary_line_is_not(line: str) -> None:
    assert naming_lines({"a": b""}, {"a": line.encode()}, RULER) == []


def test_only_what_is_new_is_named() -> None:
    line = b'printf("cost: %d", n);\n'
    assert naming_lines({"a": line}, {"a": b"x\n    " + line}, RULER) == []
    assert naming_lines({"a": line, "b": None}, {"a": None, "b": line}, RULER) == []
    assert naming_lines({"a": line}, {"a": line * 2}, RULER) == ["a:2"]
    assert naming_lines({"a": None}, {"a": b"\0" + line}, RULER) == []


def test_of_the_holdout_nothing_is_told_but_that_it_printed_less() -> None:
    told = told_by_output({"holdout": "secret 31337", "guard 1": "printed", "metric": "ran"})
    assert told == [
        "the metric command ran",
        "the holdout printed less than on the unmodified code",
        "a guard printed",
    ]


def test_a_guard_that_only_reads_what_the_metric_printed_is_no_witness() -> None:
    assert not is_witness([], "train")
    assert not is_witness(["train", "train"], "train")
    assert is_witness(["train", "pytest"], "train")


def test_a_doubt_is_hard_to_believe_where_nobody_vouches() -> None:
    assert doubt([], vouched=False) == ""
    assert doubt(["a", "b"], vouched=True) == "a; b"
    assert doubt(["a", "b"], vouched=False) == "hard to believe: a; b"
