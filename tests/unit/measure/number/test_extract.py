"""A measurement that is not exactly one plain finite number is an error, never a guess."""

from __future__ import annotations

import math
import re
import statistics
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.config.metric import ExtractRule
from autoresearch_ci.measure.number.extract import (
    OUTPUT_LIMIT,
    extract,
    mentions,
    named_numbers,
    report_path,
    unit,
)
from autoresearch_ci.safety.untrusted_values import MetricError

Where = tuple[str | None, ExtractRule | None]


def at(name: str | None = None, **rule: Any) -> Where:
    return name, ExtractRule(**rule) if rule else None


VAL_BPB = at("val_bpb")

FINITE = st.floats(-1e300, 1e300)


@given(FINITE)
def test_every_float_that_can_be_compared_survives_being_extracted(value: float) -> None:
    assert extract(f"noise\nval_bpb: {value!r}\n", *VAL_BPB) == value
    assert extract(f"METRIC val_bpb={value!r}", *at()) == value
    assert extract(f'{{"a": [{value!r}]}}', *at(json="$.a[0]")) == value


@given(
    st.text(alphabet="0123456789.eE+-_,naifNI١½ \n\r\t:=%\x1b[mMETRIC{}\"'x", max_size=60),
    st.sampled_from(
        [
            at(),
            at("x"),
            at(regex=r"(\S+)"),
            at(regex=r"(\S+)", many="mean"),
            (None, ExtractRule.model_construct(json_path="$")),
            at(last_number=True),
        ]
    ),
)
def test_garbage_is_a_finite_number_or_a_metric_error(output: str, where: Where) -> None:
    try:
        value = extract(output, *where)
    except MetricError:
        return
    assert math.isfinite(value)


@pytest.mark.parametrize(
    "output",
    [
        "val_bpb: 0.98",
        "val_bpb:          0.98",
        "  val_bpb : 0.98 \t\n",
        "val_bpb:0.98\r\n",
        "step 5 loss 2.1\rval_bpb: 0.98\n",  # after a progress bar
        "METRIC val_bpb=0.98",
        "METRIC  val_bpb = 0.98",
        "\x1b[1mval_bpb:\x1b[0m \x1b[32m0.98\x1b[0m\n",
        "best val_bpb: 0.5\nval_bpb_ema: 0.6\nval_bpb: 0.98\n",
    ],
)
def test_a_named_value_is_found(output: str) -> None:
    assert extract(output, *VAL_BPB) == 0.98


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("", "val_bpb was not printed"),
        ("loss: 1\nmfu: 2\n", "val_bpb was not printed; seen: loss, mfu"),
        ("val_bpb: 0.98\nval_bpb: 0.97\n", "val_bpb printed 2 times (0.98, 0.97)"),
        ("val_bpb: 0.98\nMETRIC val_bpb=0.98\n", "val_bpb printed 2 times (0.98, 0.98)"),
        ("val_bpb: diverged\nval_bpb: 0.97\n", "val_bpb printed 2 times (diverged, 0.97)"),
        ("val_bpb: nan", "val_bpb: 'nan' is not a plain finite number"),
        ("val_bpb: 0.98 MB", "val_bpb: '0.98 MB' is not a plain finite number"),
        ("val_bpb: 0.\x1b[31m98", "val_bpb: '0.\\x1b[31m98' is not a plain finite number"),
        ("VAL_BPB: 1\n", "val_bpb was not printed; seen: VAL_BPB"),
    ],
)
def test_the_reason_says_what_was_printed_instead(output: str, reason: str) -> None:
    with pytest.raises(MetricError) as caught:
        extract(output, *VAL_BPB)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("many", "value"),
    [("first", 3.0), ("last", 2.0), ("min", 1.0), ("max", 3.0), ("mean", 2.0), ("median", 2.0)],
)
def test_several_values_are_reduced_only_as_configured(many: str, value: float) -> None:
    output = "ms: 3\nms: 1\nms: 2\n"
    assert extract(output, *at("ms", many=many)) == value
    with pytest.raises(MetricError, match="printed 3 times"):
        extract(output, *at("ms"))


def test_one_bad_value_among_several_spoils_the_reduction() -> None:
    with pytest.raises(MetricError, match="nan"):
        extract("ms: nan\nms: 1\n", *at("ms", many="min"))


@pytest.mark.parametrize("many", ["mean", "median"])
def test_a_reduction_that_overflows_is_refused(many: str) -> None:
    with pytest.raises(MetricError, match="too large"):
        extract("ms: 1e300\nms: 1.7e300\n", *at("ms", many=many))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_the_median_is_the_statistical_one(values: list[float]) -> None:
    output = "".join(f"ms: {value!r}\n" for value in values)
    assert extract(output, *at("ms", many="median")) == statistics.median(values)


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("METRIC ms=4\nother: 5\n12\n", 4.0),
        ("building\n12\ndone\n", 12.0),
        ("  0.5  \n", 0.5),
    ],
)
def test_without_configuration_one_metric_line_or_one_bare_number_is_enough(
    output: str, value: float
) -> None:
    assert extract(output, *at()) == value


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("METRIC a=1\nMETRIC b=2\n", "set metric.name to one of: a, b"),
        ("loss: 1\nmfu: 2\n", "set metric.name to one of: loss, mfu"),
        ("1\n2\n", r"set metric.name or metric.extract\) printed 2 times \(1, 2\)"),
        ("0.5\nnan\n", r"printed 2 times \(0.5, nan\)"),
        ("all good\n", "print `METRIC name=value` or set metric.extract"),
    ],
)
def test_without_configuration_an_unclear_output_says_what_to_configure(
    output: str, advice: str
) -> None:
    with pytest.raises(MetricError, match=advice):
        extract(output, *at())


def test_a_regex_takes_its_first_group_and_knows_lines() -> None:
    output = "Requests/sec: 1523.7 (stdev 3)\nLatency 12 ms\n"
    assert extract(output, *at(regex=r"^Requests/sec:\s+(\S+)")) == 1523.7
    assert extract(output, *at("p95", regex=r"Latency (\d+) ms$")) == 12


@pytest.mark.parametrize(
    ("regex", "reason"),
    [
        (r"nothing (\d)", "was not printed"),
        (r"(\d)", "printed 2 times"),
        (r"\d", "put parentheses around the number"),
        (r"(", "is not valid"),
        (r"a(x)?", "is not a plain finite number"),
    ],
)
def test_a_regex_that_gives_no_single_number_is_an_error(regex: str, reason: str) -> None:
    with pytest.raises(MetricError, match=reason):
        extract("a 1 2", None, ExtractRule.model_construct(regex=regex))


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("Statements: 85.2%\n", 85.2),
        ("All files | 71.4 | 85.25 |\nfinished\n", 85.25),
        ("score=0.93.\n", 0.93),
        ("p95 sha256 v1.2 took 7", 7.0),
        ("loss:0.5", 0.5),
    ],
)
def test_the_last_number_is_found_in_prose(output: str, value: float) -> None:
    assert extract(output, *at(last_number=True)) == value


@pytest.mark.parametrize(
    "output",
    [
        *("", "no digits", "0.5 then nan", "0.5 then 1,234", "0.5 then $12", "0.5 at 10:00:00"),
        *("0.5 in 0.52s", "0.5 of 12/50", "0.5 on 2026-01-02", "0.5 ١٢"),
    ],
)
def test_a_last_number_that_is_not_plain_is_not_passed_over(output: str) -> None:
    with pytest.raises(MetricError):
        extract(output, *at(last_number=True))


@pytest.mark.parametrize(
    ("where", "report", "value"),
    [
        (at(json="$.a", file="r"), b'\xef\xbb\xbf{"a": 0.5}', 0.5),
        (at(regex=r"^ms (.*)$", file="r"), b"ms 3\n", 3.0),
        (at(junit="r", count="tests"), b"<testsuite><testcase/></testsuite>", 1.0),
        (at(coverage="r"), b'<coverage line-rate="0.5"/>', 50.0),
    ],
)
def test_the_number_is_read_from_the_report_and_not_from_the_output(
    where: Where, report: bytes, value: float
) -> None:
    assert report_path(where[1]) == "r"
    assert extract('{"a": 9}\nms 9\n', *where, report) == value


@pytest.mark.parametrize(
    "where", [at(junit="r.xml"), at(coverage="r.xml"), at(regex="(1)", file="r.xml")]
)
def test_a_report_that_was_not_written_is_never_replaced_by_the_output(where: Where) -> None:
    assert report_path(where[1]) == "r.xml"
    with pytest.raises(MetricError, match=r"r\.xml was not written"):
        extract("1", *where)


def test_named_numbers_are_those_without_doubt() -> None:
    output = "loss: 2\nval_bpb: 0.98\nloss: 3\nstate: ok\nMETRIC mfu_percent=39.8\nat 10:30: 5\n"
    assert named_numbers(output) == {"val_bpb": 0.98, "mfu_percent": 39.8}


def test_the_metric_at_the_end_of_a_huge_output_is_found() -> None:
    output = "x: 1\n" + "noise without end\n" * (OUTPUT_LIMIT // 18) + "x: 2\nval_bpb: 0.98\n"
    assert len(output) > OUTPUT_LIMIT
    assert extract(output, *VAL_BPB) == 0.98
    assert extract(output, *at(regex=r"^x: (\d)$")) == 2


@pytest.mark.parametrize("line", [" " * 400_000, "a" + " " * 400_000, "METRIC " * 60_000])
def test_one_endless_line_takes_linear_time(line: str) -> None:
    start = time.process_time()
    for where in (VAL_BPB, at(), at(last_number=True)):
        with pytest.raises(MetricError):
            extract(line, *where)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("output", "where", "times"),
    [
        ("cost: 1\n", at("cost"), 1),
        ("cost: 1\nMETRIC cost=2\ncosts: 3\n", at("cost"), 2),
        ("a=1 a=2", at(regex="a=([0-9])"), 2),
        ("1\n2\n", at(many="last"), 2),
        ("1\nMETRIC x=2\n", at(), 1),
        ('{"a": 1}\n{"a": 2}\nlog\n{broken\n', at(json="$.a"), 2),
        ('{"a":\n1}\n', at(json="$.a"), 1),
        ("nothing", at("cost"), 0),
        ("1 2 3", at(last_number=True), 1),
    ],
)
def test_how_often_the_number_was_printed(output: str, where: Where, times: int) -> None:
    before, found = mentions(output, *where)
    assert before + found == times


# --- what hides the ruler's own line is counted ---------------------------------------------------


@pytest.mark.parametrize(
    ("where", "line", "fake"),
    [
        (at("cost"), "cost: 90", "cost: 1"),
        (at("cost"), "METRIC cost=90", "METRIC cost=1"),
        (at(), "METRIC cost=90", "METRIC cost=1"),
        (at(), "90", "1"),
        (at(regex=r"^cost: (\d+)$"), "cost: 90", "cost: 1"),
        (at(regex=r"^\s*cost: (\d+)\s*$", many="last"), "cost: 90", "cost: 1"),
        (at(regex=r"cost: (\d+)"), "cost: 90", "cost: 1"),
        (at(regex=r"\bcost=\[?(\d+)\b"), "cost=[90", "cost=1"),
        (at(json="$.cost"), '{"cost": 90}', '{"cost": 1}'),
        (at(json="$.a[0].b"), '{"a": [{"b": 90}]}', '{"a": [{"b": 1}]}'),
        (at(last_number=True), "90", "1"),
    ],
)
@pytest.mark.parametrize(
    "hide",
    [
        "{fake}\n. {line}\n",
        "{fake}\nx{line}\n",
        "{fake}\n" + "y" * 5000 + "{line}\n",
        "{line}\n{fake}\n",
        ". {line}\n{fake}\n",
        "{fake}\n\x1b[{line}\n",
        "{fake}\n\x1b]0;{line}\x07\n",
        "{fake}\n {line} \n",
    ],
)
def test_a_line_of_the_ruler_that_another_text_hides_still_counts(
    where: Where, line: str, fake: str, hide: str
) -> None:
    assert mentions(f"{line}\n", *where) == (0, 1)
    assert sum(mentions(hide.format(line=line, fake=fake), *where)) > 1


def test_what_stands_before_the_number_is_told_apart_from_what_follows_it() -> None:
    output = "best cost: 5\nstep cost: 4\ncost: 3\n. cost: 2\n"
    assert mentions(output, *at("cost")) == (2, 2)
    assert mentions('{"n": 1} {"n": 2}\n{"n": 3}\n', *at(json="$.n")) == (2, 1)
    assert mentions('[1] started\n[2] {x\n{"n": 3}\n', *at(json="$.n")) == (0, 1)


# --- what a terminal would make of it -------------------------------------------------------------


@pytest.mark.parametrize(
    "output",
    [
        "\r 10%|#         | 1/10\r100%|##########| 10/10\r          \rval_bpb: 0.98\n",  # tqdm
        "val_bpb: 3.1\rval_bpb: 2.2\rval_bpb: 0.98\n",
        "val_bpb: 3.1\rval_bpb: 0.98\r\n",
        "val_bpb: 0.98\r\r\n",
        "\x1b[?25l\x1b[2K\x1b[1Gworking\x1b[1A\x1b[2K\x1b[?25h\nval_bpb: 0.98\n",  # rich
        "\x1b[2K\x1b[1A\x1b[2K\x1b[Gval_bpb: \x1b[1;36m0.98\x1b[0m\x1b[K\n",
        "\x1b]9;4;1;50\x07\x1b[K   Building\r\x1b]9;4;0;\x1b\\\nval_bpb: 0.98\x07\n",  # cargo
        "\x1b]8;;http://x\x1b\\val_bpb: 0.98\x1b]8;;\x1b\\\n",
        "|\b/\b-\b\\\bval_bpb: 0.98\n",  # npm
        "\x1b(B\x1b[mval_bpb: 0.98\x1b(B\n",
        "\x1b7\x1b[Hval_bpb: 0.98\x1b8\n",
        "\x9b2Kval_bpb: 0.98\n",
    ],
)
def test_progress_bars_and_terminal_codes_are_no_part_of_a_number(output: str) -> None:
    assert extract(output, *VAL_BPB) == 0.98
    assert extract(output, *at(regex=r"^val_bpb: (\S+)$")) == 0.98
    assert extract(output.replace("val_bpb: ", ""), *at()) == 0.98


@pytest.mark.parametrize("code", ["\x1b[31m", "\x1b[K", "\x1b]0;t\x07", "\x07"])
def test_a_code_within_a_number_is_refused(code: str) -> None:
    with pytest.raises(MetricError):
        extract(f"val_bpb: 0.{code}98\n", *VAL_BPB)


@pytest.mark.parametrize(
    ("output", "regex", "found"),
    [
        ("took 1.2 ms\n", "took ([0-9.]+)", "ms"),
        ("took 1.2ms, 3 s in all", "took ([0-9.]+)", "ms"),
        ("took 950 \N{MICRO SIGN}s", "took ([0-9.]+)", "us"),
        ("took 1 second", "took ([0-9.]+)", "s"),
        ("took 2 seconds.", "took ([0-9.]+)", "s"),
        ("rate: 1.2 MiB/s", "rate: ([0-9.]+)", "MiB"),
        ("4.0K\tdist", "([0-9.]+)", "K"),
        ("covered 90%", "covered ([0-9.]+)", "%"),
        ("score 10 points", "score ([0-9.]+)", ""),
        ("score 10 spoons", "score ([0-9.]+)", ""),
        ("score 10\nms is no unit", "score ([0-9.]+)", ""),
        ("score 10", "score ([0-9.]+)", ""),
    ],
)
def test_the_unit_behind_a_number_is_known_and_prose_is_none(
    output: str, regex: str, found: str
) -> None:
    assert unit(output, ExtractRule(regex=regex)) == found
    if not re.search(r"[0-9][a-zA-Z]|no unit", output):
        assert unit(output, ExtractRule(last_number=True)) == found


def test_of_several_numbers_each_unit_counts_but_for_those_that_are_left() -> None:
    output, regex = "a 1 ms\nb 2 s\nc 3 ms\n", r"^\w ([0-9]+)"
    found = {many: unit(output, ExtractRule(regex=regex, many=many)) for many in ("first", "mean")}
    assert found == {"first": "ms", "mean": "ms, s"}


def test_a_number_with_a_place_of_its_own_has_no_unit_to_look_for() -> None:
    assert unit("1 ms", None) is None
    assert unit('{"a": 1}', ExtractRule(json="$.a")) is None
