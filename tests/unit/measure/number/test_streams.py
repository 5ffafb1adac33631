"""A number is the ruler's on the stream where the ruler prints it, and before it has ended."""

from __future__ import annotations

import pytest

from autoresearch_ci.config.metric import ExtractRule
from autoresearch_ci.decide.knowledge import Knowledge, Prints, Stream
from autoresearch_ci.execution.command import CommandResult, Printed
from autoresearch_ci.measure.number.streams import read_number
from autoresearch_ci.safety.untrusted_values import MetricError

LAST = ExtractRule(last_number=True)


def printing(out: str = "", err: str = "", late: str = "", **of: bool) -> CommandResult:
    stdout = Printed(text=out + late, in_time=out, late=len(late), **of)
    stderr = Printed(text=err, in_time=err)
    return CommandResult(
        command="", exit_code=0, output=out, tail=out, stdout=stdout, stderr=stderr
    )


@pytest.mark.parametrize(
    ("name", "out", "err"),
    [(None, "7\n", "10\n"), (None, "METRIC a=7\n", "10\n"), ("cost", "cost: 7\n", "cost: 10\n")],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_number_counts_on_the_stream_that_the_unmodified_code_has_it_on(
    name: str | None, out: str, err: str, swapped: bool
) -> None:
    usual: list[Stream] = ["stdout" if swapped else "stderr"]
    both = (err, out) if swapped else (out, err)
    read = read_number(printing(*both), name, None, usual=usual, strict=True)
    assert (read.value, read.seen.stream) == (10, usual[0])
    other = (out, "") if not swapped else ("", out)
    with pytest.raises(MetricError, match="by the unmodified code on standard"):
        read_number(printing(*other), name, None, usual=usual, strict=True)
    # Code that nobody blames may change its mind, and teaches it.
    assert read_number(printing(*other), name, None, usual=usual).value == 7


def test_what_is_printed_beside_a_number_with_a_name_counts_on_either_stream() -> None:
    result = printing("cost: 7\n", "cost: 10\n")
    assert read_number(result, "cost", None, usual=["stderr"], strict=True).seen.before == 1


def test_where_nothing_is_known_standard_output_goes_first() -> None:
    assert read_number(printing("7\n", "10\n"), None, None).value == 7
    assert read_number(printing("text\n", "10\n"), None, None).seen.stream == "stderr"


@pytest.mark.parametrize(
    ("rule", "out", "late", "decides"),
    [
        (None, "cost: 9\n", "bye\n", False),
        (None, "cost: 9\n", "", False),
        (None, "", "cost: 9\n", True),
        (LAST, "cost: 9\n", "bye\n", False),
        (LAST, "cost: 9\n", "cost: 1\n", True),
        (ExtractRule(many="min"), "cost: 9\n", "cost: 1\n", True),
        (ExtractRule(many="min"), "cost: 9\n", "cost: 10\n", False),
    ],
)
def test_what_comes_late_is_held_against_a_run_where_it_decides(
    rule: ExtractRule | None, out: str, late: str, decides: bool
) -> None:
    seen = read_number(printing(out, late=late), "cost", rule).seen
    assert bool(seen.late) == decides
    usual = Knowledge().having_seen("metric", Prints(times=seen.times, before=seen.before))
    assert bool(usual.doubting("metric", seen)[0]) == decides


def test_where_a_helper_passes_on_what_the_unmodified_code_prints_it_may_come_late() -> None:
    usual = read_number(printing("cost: 9\n", handed_over=True), "cost", None).seen
    known = Knowledge().having_seen("metric", usual)
    late = read_number(printing(late="cost: 9\n", handed_over=True), "cost", None).seen
    assert late.late
    assert known.doubting("metric", late)[0] is None
