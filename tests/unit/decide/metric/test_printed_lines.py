"""A run that ends before its last words is noticed, and an honest one that prints less is not."""

from __future__ import annotations

import re
from functools import reduce

import pytest

from autoresearch_ci.decide.knowledge import Knowledge, Prints
from autoresearch_ci.decide.metric.printed_lines import PrintedLines


def printed(output: str) -> PrintedLines:
    """Of a run whose number is called cost, or is that of a benchmark."""
    number = re.search(r"(?:cost: |BenchmarkSum-2\s+\d+\s+)([\d.]+).*\n", output)
    behind, value = (output[number.end() :], float(number[1])) if number else ("", None)
    return PrintedLines.of(output, behind=behind, value=value)


def missing(candidate: str, *baseline: str) -> str:
    return reduce(PrintedLines.joined, map(printed, baseline)).missing_in(printed(candidate))


GO = "goos: linux\npkg: example.org/x\nBenchmarkSum-2  \t 100\t 93 ns/op\nPASS\nok x 1.2s\n"
CASES = "".join(f"case {n}: {n * 7} us\n" for n in range(1, 9)) + "cost: 90\n"
ENDS_EARLY = {
    "a benchmark's line and exit": ("BenchmarkSum-2 100 1 ns/op\n", [GO]),
    "the last line": ("start\ncost: 1\n", ["start\ncost: 90\nall done\n"] * 2),
    "nothing at all": ("", ["start\ncost: 90\n"]),
    "what a guard says": ("", ["checking\nall good\n"]),
    "most of it, the number being the last": (
        "start\ncost: 1\n",
        ["start\nanswer 42\ncost: 90\n"] * 2,
    ),
    "half-way": ("case 1: 7 us\ncase 2: 9 us\ncost: 1\n", [CASES] * 2),
    "behind a bar": ("\r10 %\r20 %\ncost: 1\n", ["\r10 %\r100 %\ncost: 90\n\x1b[1mdone\x1b[0m\n"]),
}


@pytest.mark.parametrize("case", ENDS_EARLY)
def test_lines_that_every_run_had_and_this_one_lacks_are_told(case: str) -> None:
    candidate, baseline = ENDS_EARLY[case]
    assert missing(candidate, *baseline).startswith(("printed ", "lacks what a test printed"))


def test_what_is_missing_is_named() -> None:
    told = missing("a\ncost: 1\n", "a\ncost: 90\ndone in 12.3 s\n")
    assert told == "printed 2 of at least 3 lines; missing: done in N"


def steps(count: int, end: str = "---\nval_bpb: 1.9\n") -> str:
    return (
        "".join(f"step {n:05} ({n * 3.1:.1f}%) | loss: {9 / n:.4f}\n" for n in range(1, count))
        + end
    )


def findings(count: int) -> str:
    rows = [f"work.py:{n * 3}: error: {'abcdefghijklm'[n]} is not defined" for n in range(count)]
    return "\n".join([*rows, f"Found {count} errors in 1 file", f"cost: {count}"]) + "\n"


HONEST = {
    "fewer findings": (findings(3), [findings(10)] * 3),
    "a few findings less, of a score": (
        findings(8).replace("cost: 8", "cost: 7.5"),
        [findings(10).replace("cost: 10", "cost: 6.5")] * 3,
    ),
    "one line that was printed for people": (
        "a\nb\nc\nd\ncost: 1.5\n",
        ["a\nb\nc\nd\nwarming up\ncost: 90.5\n"] * 3,
    ),
    "other numbers": ("took 12 ms\ncost: 1\n", ["took 1.2 s\ncost: 90\n"]),
    "fewer steps in the same time": (steps(20), [steps(53), steps(54), steps(53)]),
    "somewhat fewer steps": (steps(30), [steps(54)] * 3),
    "what some runs do not print": ("cost: 1\n", ["cost: 90\nretrying\n", "cost: 90\n"]),
    "more than before": ("a\nb\nc\ncost: 1\n", ["a\nz\ncost: 90\n"]),
    "slow tests are told with their time": (
        "✔ works\n1 passing (9ms)\n",
        ["✔ works (213ms)\n1 passing (1s)\n"],
    ),
    "no number more than this": ("1\n", ["90\n"] * 3),
    "one run of a long series": (steps(20), [steps(60)]),
}


PASSED = {
    "node": ("✔ a (0.6ms)\nℹ tests 1\n", "✔ /x/test/w.test.js (40ms)\nℹ tests 1\n"),
    "tap": ("ok 1 - adds\n1..1\n", "ok 1 - w.test.js\n1..1\n"),
    "unittest": ("test_a (t.T.test_a) ... ok\nOK\n", "something else\nOK\n"),
    "rust": ("test works ... ok\nx\n", "y\nx\n"),
    "go": ("--- PASS: TestSum (0.00s)\nPASS\n", "hello\nPASS\n"),
}


@pytest.mark.parametrize("runner", PASSED)
def test_a_test_that_passed_and_is_not_told_again_is_missed(runner: str) -> None:
    before, after = PASSED[runner]
    assert missing(after, before).startswith("lacks what a test printed that passed")
    assert missing(before, before) == ""


@pytest.mark.parametrize("case", HONEST)
def test_a_run_that_does_the_same_work_lacks_nothing(case: str) -> None:
    candidate, baseline = HONEST[case]
    assert missing(candidate, *baseline) == ""


SUITES = {
    "unittest": ("\nRan 12 tests in 0.003s\n\nOK\n", 12),
    "node": ("\u2139 tests 12\n\u2139 suites 0\n\u2139 pass 12\n\u2139 fail 0\n", 12),
    "tap": ("# tests 12\n# pass 12\n# fail 0\n", 12),
    "cargo": (
        "\nrunning 1 test\n.\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; "
        "0 filtered out; finished in 0.00s\n\n\nrunning 0 tests\n\ntest result: ok. 0 passed; "
        "0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        1,
    ),
    "jest": ("Tests:       12 passed, 12 total\n", 12),
    "mocha": ("  12 passing (8ms)\n", 12),
    "rspec": ("12 examples, 0 failures\n", 12),
    "phpunit": ("OK (12 tests, 30 assertions)\n", 12),
    "googletest": ("[  PASSED  ] 12 tests.\n", 12),
    "surefire": ("Tests run: 12, Failures: 0, Errors: 0, Skipped: 0\n", 12),
    "dotnet": ("Passed!  - Failed: 0, Passed: 12, Skipped: 0\n", 12),
    "swift": ("Executed 12 tests, with 0 failures (0 unexpected) in 0.1 seconds\n", 12),
    "no tests": ("100 ns per op, 3.5 passed, 12 tests failed, 7 tests per second\n", 0),
}


@pytest.mark.parametrize("runner", SUITES)
def test_the_tests_that_a_runner_says_to_have_run_are_counted(runner: str) -> None:
    text, count = SUITES[runner]
    assert PrintedLines.of(text).ran == count


def test_a_test_that_is_skipped_is_missed_though_its_runner_counts_it_as_one() -> None:
    before, after = ("# tests 12\n# pass {}\n# skipped {}\n".format(*n) for n in ((12, 0), (11, 1)))
    assert "1 skipped" in missing(after, before)


def test_fewer_tests_are_told_and_less_than_half_of_them_are_lost() -> None:
    def judged(ran: int) -> tuple[str, str]:
        knowledge = Knowledge().having_seen("guard 0", seen(12))
        doubt, after = knowledge.doubting("guard 0", seen(ran))
        return after.missing.get("guard 0", ""), doubt.reason if doubt else ""

    def seen(ran: int) -> Prints:
        return Prints(output=PrintedLines.of(f"Ran {ran} tests in 0.1s\nOK\n"))

    assert judged(12) == judged(13) == ("", "")
    told, gone = judged(11)
    assert (told, gone) == ("ran 11 of 12 tests by its own account", "")
    assert judged(0)[1] == "tests lost: 0 of 12 ran by its own account"


SKIPPING = {
    "unittest": "Ran 12 tests in 0.1s\n\nOK (skipped={})\n",
    "unittest, expected": "Ran 12 tests in 0.1s\n\nOK (expected failures={})\n",
    "node": "\u2139 tests 12\n\u2139 pass 11\n\u2139 skipped {}\n\u2139 todo 0\n",
    "tap": "# tests 12\n# pass 12\n# skipped {}\n",
    "cargo": "test result: ok. 11 passed; 0 failed; {} ignored; finished in 0.00s\n",
    "jest": "Tests:       {} skipped, 11 passed, 12 total\n",
    "mocha": "  11 passing (8ms)\n  {} pending\n",
    "rspec": "12 examples, 0 failures, {} pending\n",
    "phpunit": "Tests: 12, Assertions: 1, Skipped: {}.\n",
    "googletest": "[  PASSED  ] 11 tests.\n[  SKIPPED ] {} tests, listed below:\n",
    "surefire": "Tests run: 12, Failures: 0, Errors: 0, Skipped: {}\n",
    "dotnet": "Passed!  - Failed: 0, Passed: 11, Skipped: {}\n",
}


@pytest.mark.parametrize("runner", SKIPPING)
def test_a_runner_that_skips_more_tests_than_it_ever_did_has_lost_them(runner: str) -> None:
    some, more = (PrintedLines.of(SKIPPING[runner].format(count)) for count in (2, 3))
    assert some.tests_gone_in(more) == "tests lost: 3 skipped by its own account, before 2"
    assert some.joined(more).tests_gone_in(more) == more.tests_gone_in(some) == ""


def test_what_is_skipped_and_is_no_test_is_no_loss() -> None:
    formatter = PrintedLines.of("All done! 3 files left unchanged, 0 files skipped.\n")
    assert formatter.tests_gone_in(PrintedLines.of("All done! 9 files skipped.\n")) == ""
    ran = "Ran 12 tests in 0.1s\nOK\n"
    before, after = (f"cache: {n} skipped, ignored: {n} rows\n{ran}" for n in (1, 9))
    assert PrintedLines.of(before).tests_gone_in(PrintedLines.of(after)) == ""


def test_what_is_remembered_of_a_long_output_is_bounded() -> None:
    words = "\n".join(f"{'x' * (n % 90)}{chr(97 + n % 26)}{n % 7 * 'y'}" for n in range(50_000))
    printed = PrintedLines.of(words)
    assert printed.lines == 50_000
    assert len(printed.kinds) <= 60
    assert max(map(len, printed.kinds)) <= 80
