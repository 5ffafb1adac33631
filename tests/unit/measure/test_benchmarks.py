"""What benchmark tools print, as they print it, and the time of one operation that it says."""

from __future__ import annotations

import pytest

from autoresearch_ci.measure.scorers.benchmarks import results

VITEST = """\
 ✓ test/a.bench.ts > joins 1200ms
     name                hz     min     max    mean     p75     p99    p995    p999     rme  samples
   · join      2,000,000.00  0.0001  0.2000  0.0002  0.0002  0.0003  0.0004  0.0010  ±0.50%  1000000
   · concat      500,000.00  0.0010  0.2000  0.0020  0.0020  0.0030  0.0040  0.0100  ±0.50%   250000
"""
TINYBENCH = """\
┌─────────┬───────────┬──────────────────┬───────────────────┬────────────────────────┬─────────┐
│ (index) │ Task name │ Latency avg (ns) │ Latency med (ns)  │ Throughput avg (ops/s) │ Samples │
├─────────┼───────────┼──────────────────┼───────────────────┼────────────────────────┼─────────┤
│ 0       │ 'join'    │ '600.1 ± 1.2%'   │ '500.00 ± 1.00'   │ '2000000 ± 0.01%'      │ 1000    │
│ 1       │ 'concat'  │ '2,100 ± 1.2%'   │ '2,000.0 ± 1.00'  │ '500000 ± 0.01%'       │ 1000    │
└─────────┴───────────┴──────────────────┴───────────────────┴────────────────────────┴─────────┘
"""
OLD_TINYBENCH = """\
│ (index) │ Task Name │  ops/sec  │ Average Time (ns) │ Margin  │ Samples │
│    0    │  'join'   │ '2,000,000' │ 500.0             │ '±0.4%' │  10000  │
│    1    │ 'concat'  │ '500,000' │ 2000.0            │ '±0.4%' │  10000  │
"""
ASV = """\
· Discovering benchmarks
· Running 4 total benchmarks (1 commits * 1 environments * 4 benchmarks)
[ 0.00%] ·· Benchmarking existing-py_venv_bin_python
[25.00%] ··· b.Suite.time_f                                                  ok
[25.00%] ··· ======== =============
              param1
             -------- -------------
                10     1.05±0.07μs
               1000      107±4μs
             ======== =============

[50.00%] ··· b.Suite.track_x                                                 ok
[50.00%] ··· ======== ======
              param1
             -------- ------
                10      10
               1000    1000
             ======== ======

[75.00%] ··· b.mem_l                                                        856
[100.00%] ··· b.time_one                                              5.32±0.3μs
"""
PYTEST = """{"benchmarks": [
 {"group": null, "name": "test_a", "fullname": "b.py::test_a[\\"x\\"]", "stats": {"median": 5e-07}},
 {"group": null, "name": "test_b", "fullname": "b.py::test_b", "stats": {"median": 0.000002}}]}
"""


@pytest.mark.parametrize(
    "output",
    [
        "goos: linux\nBenchmarkJoin-8   \t 100\t   500 ns/op\t 15 B/op\t 1 allocs/op\n"
        "BenchmarkConcat-8 \t 100\t  2000 ns/op\nPASS\nok  a 1.234s\n",
        "test join   ... bench:         500 ns/iter (+/- 9)\n"
        "test concat ... bench:       2,000 ns/iter (+/- 12)\n",
        "join                    time:   [490.00 ns 500.00 ns 510.00 ns]\n"
        "                        change: [-1.0% +0.2% +1.0%] (p = 0.5 > 0.05)\n"
        "concat                  time:   [1.9900 µs 2.0000 µs 2.0100 µs]\n",
        "bench     fastest       │ slowest   │ median    │ mean      │ samples │ iters\n"
        "├─ join   400.5 ns      │ 990 ns    │ 500 ns    │ 520 ns    │ 100     │ 100\n"
        "╰─ concat 1.9 µs        │ 3.1 µs    │ 2 µs      │ 2.1 µs    │ 100     │ 100\n",
        ".....................\njoin: Mean +- std dev: 500 ns +- 10 ns\n"
        ".....................\nconcat: Mean +- std dev: 2.00 us +- 0.05 us\n",
        "500000 loops, best of 5: 500 nsec per loop\n100000 loops, best of 5: 2 usec per loop\n",
        "Run on (8 X 24 MHz CPU s)\nLoad Average: 1.2, 3.4\n"
        "Benchmark              Time             CPU   Iterations\n"
        "BM_Join/8            501 ns          500 ns      1000000\n"
        "BM_Concat/8         2100 ns         2000 ns       500000\n",
        "[ 25.00%] ··· Running (bench.time_join--).\n"
        "[ 50.00%] ··· bench.time_join                500±3ns\n"
        "[100.00%] ··· bench.Suite.time_concat       2.00±0.1μs\n",
        "Benchmark      Mode  Cnt    Score    Error  Units\n"
        "Join.join      avgt    5  500.000 ±  1.123  ns/op\n"
        "Join.concat    avgt    5    2.000 ±  0.100  us/op\n",
        "Benchmark      Mode  Cnt    Score    Error   Units\n"
        "Join.join     thrpt    5    2.000 ±  0.123  ops/us\n"
        "Join.concat   thrpt    5  500.000 ±  0.123  ops/ms\n",
        "cpu: x\nbenchmark              avg (min … max) p75\n"
        "\x1b[1mjoin\x1b[0m       \x1b[33m500.00 ns/iter\x1b[0m 510.00 ns\n"
        "concat       2.00 µs/iter   2.10 µs\n",
        "join x 2,000,000 ops/sec ±0.49% (92 runs sampled)\n"
        "concat x 500,000 ops/sec ±1.2% (90 runs sampled)\nFastest is join\n",
        "  join:\n    2 000 000 ops/s, ±0.37%   | fastest\n"
        "  concat:\n    500 000 ops/s, ±1%   | slowest\n",
        VITEST,
        TINYBENCH,
        OLD_TINYBENCH,
        PYTEST,
    ],
    ids=[
        *("go", "libtest", "criterion", "divan", "pyperf", "timeit", "google", "asv", "jmh"),
        *(
            "jmh-rate",
            "mitata",
            "benchmark.js",
            "benny",
            "vitest",
            "tinybench",
            "tinybench-2",
            "pytest",
        ),
    ],
)
def test_every_tool_s_results_are_read_in_one_unit(output: str) -> None:
    found = results(output)
    assert found.results == 2
    assert found.nanoseconds == pytest.approx(1000)


def test_each_parameter_of_asv_is_a_benchmark_and_what_is_no_time_is_none() -> None:
    assert results(ASV).results == 3
    assert results(ASV).nanoseconds == pytest.approx((1050 * 107_000 * 5320) ** (1 / 3))
    with pytest.raises(ValueError, match=r"time_f failed"):
        results(ASV.replace("107±4μs", "failed "))


def test_repetitions_of_go_are_one_benchmark_by_its_median() -> None:
    lines = [f"BenchmarkA-2  10  {ns} ns/op" for ns in (100, 5000, 110)]
    found = results("\n".join([*lines, "BenchmarkB-2  10  110 ns/op"]))
    assert found.nanoseconds == pytest.approx(110)
    assert found.results == 4


def test_hyperfine_tells_milliseconds() -> None:
    text = "Benchmark 1: ./a\n  Time (mean ± σ):      12.5 ms ±   0.6 ms    [User: 2 ms]\n"
    assert results(text).nanoseconds == pytest.approx(12.5e6)


def test_what_is_compared_with_can_be_left_out() -> None:
    text = "clsx 21   1,000 ops/sec ±1%\nothers x 5 ops/sec ±1%\n  clsx (lite) x 1,000 ops/sec\n"
    found = results(text, only="clsx")
    assert (found.results, found.nanoseconds) == (2, pytest.approx(1e6))


@pytest.mark.parametrize(
    "output",
    [
        "",
        "took 3 s\nall done\n",
        "BenchmarkA-2  10  0 ns/op\n",
        "ok  a  0.123s\n",
        "a x 0 ops/sec\n",
    ],
)
def test_no_result_and_no_time_are_no_number(output: str) -> None:
    with pytest.raises(ValueError, match=r"result|takes"):
        results(output)


@pytest.mark.parametrize(
    "unread",
    [
        "BM_Other ERROR OCCURRED: 'no data'",
        "[ 75.00%] ··· bench.time_other           failed",
        "[ 75.00%] ··· bench.time_other               ok",
        "other  error: boom",
        "      1000\t      5 ns/op",
        "A.other    10  avgt    5  12.345 ± 0.100  ns/op",
        "A.other  avgt    5  12,345 ± 0,100  ns/op",
    ],
)
def test_a_benchmark_of_which_no_number_can_be_read_is_not_left_out(unread: str) -> None:
    told = "BenchmarkJoin-8 10 500 ns/op"
    assert results(told).results == 1
    with pytest.raises(ValueError, match="no number can be read in"):
        results(f"{told}\n{unread}\n")


@pytest.mark.parametrize(
    "beside",
    ["A.b:gc.alloc.rate.norm  avgt  5  24.000 ± 0.001  B/op", "A.b:p0.50  sample  3  us/op"],
)
def test_what_is_told_besides_of_a_benchmark_is_no_result(beside: str) -> None:
    assert results(f"A.b  avgt  5  7.0 ± 0.1  ns/op\n{beside}\n").nanoseconds == pytest.approx(7)


@pytest.mark.parametrize(
    ("output", "nanoseconds"),
    [
        ("a x 2\u202f000\u202f000 ops/sec ±1%", 500),
        ("a x 2\u00a0000 ops/sec ±1%", 500_000),
        ("a x 2,000 ops/sec ±1%", 500_000),
    ],
)
def test_thousands_are_parted_by_a_comma_or_a_thin_blank(output: str, nanoseconds: float) -> None:
    assert results(output).nanoseconds == pytest.approx(nanoseconds)


@pytest.mark.parametrize(
    "output", ["A.b  thrpt  5  12,345 ± 0,1  ops/s", "9 loops, best of 5: 41,3 usec per loop"]
)
def test_a_comma_before_decimals_is_no_number(output: str) -> None:
    with pytest.raises(ValueError, match="no result"):
        results(output)


def test_aggregates_of_repetitions_are_no_benchmarks_of_their_own() -> None:
    line = "BM_{}  {} ns  {} ns  100\n"
    runs = line.format("a", 10, 10) + line.format("a", 20, 20)
    told = {"mean": 15, "median": 15, "stddev": 5}
    aggregates = "".join(line.format(f"a_{name}", n, n) for name, n in told.items())
    assert results(runs + aggregates) == results(runs)
    assert results(aggregates).results == 1
    assert results(line.format("of_a_mean", 15, 15)).results == 1


def test_benchmarks_of_one_name_in_two_packages_are_two() -> None:
    told = "pkg: {}\nBenchmarkA-8 10 {} ns/op\n"
    found = results(told.format("a", 100) + told.format("b", 10_000))
    assert found.nanoseconds == pytest.approx(1000)


@pytest.mark.parametrize(("second", "told"), [("ns/op\t 0 B/op", 3), ("ns/op", None)])
def test_what_go_allocates_is_told_where_each_benchmark_tells_it(
    second: str, told: float | None
) -> None:
    first = "BenchmarkA-8  9  10.0 ns/op\t 7.5 MB/s\t 15 B/op\t 1 allocs/op\n"
    found = results(f"{first}BenchmarkB-8  9  4 {second}\n").bytes_per_op
    assert found == (told and pytest.approx(told))
