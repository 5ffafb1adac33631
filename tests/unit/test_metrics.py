"""A measurement that is not exactly one plain finite number is an error, never a guess."""

from __future__ import annotations

import math
import statistics
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.metrics import (
    OUTPUT_LIMIT,
    XML_LIMIT,
    Extract,
    MetricError,
    extract,
    named_numbers,
    parse_number,
    report_path,
)

PYTEST_REPORT = (Path(__file__).parent / "data" / "pytest-report.xml").read_bytes()
VAL_BPB = Extract(name="val_bpb")

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.98", 0.98),
        ("-3", -3.0),
        ("+1.9", 1.9),
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        (".5", 0.5),  # as bc prints it
        ("5.", 5.0),  # as numpy prints it
        ("007", 7.0),
    ],
)
def test_plain_numbers_are_read(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            ".",
            "-",
            "e5",
            "1e",
            "nan",
            "NaN",
            "inf",
            "-inf",
            "Infinity",
            "1e400",
            "-1e400",
        ),
        *("1,234.5", "1.234,5", "1_000", "0x1F", "1 2", "1\n", " 1", "--1", "1.2.3", "12s", "85%"),
        *("١٢", "１２", "½", "²", "0.\x1b[31m98", "9" * 5000, "1e" + "9" * 400),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MetricError):
        parse_number(text)


@settings(deadline=None)  # loaded runners are slow, not wrong
@given(FINITE)
def test_every_finite_float_survives_printing_and_reading(value: float) -> None:
    assert parse_number(repr(value)) == value
    assert extract(f"noise\nval_bpb: {value!r}\n", VAL_BPB) == value
    assert extract(f"METRIC val_bpb={value!r}", Extract()) == value
    assert extract(f'{{"a": [{value!r}]}}', Extract(json="$.a[0]")) == value


@settings(deadline=None)  # loaded runners are slow, not wrong
@given(
    st.text(alphabet="0123456789.eE+-_,naifNI١½ \n\r\t:=%\x1b[mMETRIC{}\"'x", max_size=60),
    st.sampled_from(
        [
            Extract(),
            Extract(name="x"),
            Extract(regex=r"(\S+)"),
            Extract(regex=r"(\S+)", many="mean"),
            Extract(json="$"),
            Extract(last_number=True),
        ]
    ),
)
def test_garbage_is_a_finite_number_or_a_metric_error(output: str, spec: Extract) -> None:
    try:
        value = extract(output, spec)
    except MetricError:
        return
    assert math.isfinite(value)


@settings(deadline=None)  # loaded runners are slow, not wrong
@given(st.binary(max_size=200))
def test_a_garbage_report_is_a_metric_error(report: bytes) -> None:
    for spec in (Extract(junit="r.xml"), Extract(coverage="c.xml")):
        with pytest.raises(MetricError):
            extract("", spec, report)


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
    assert extract(output, VAL_BPB) == 0.98


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
        extract(output, VAL_BPB)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("many", "value"),
    [("first", 3.0), ("last", 2.0), ("min", 1.0), ("max", 3.0), ("mean", 2.0), ("median", 2.0)],
)
def test_several_values_are_reduced_only_as_configured(many: str, value: float) -> None:
    output = "ms: 3\nms: 1\nms: 2\n"
    assert extract(output, Extract(name="ms", many=many)) == value
    with pytest.raises(MetricError, match="printed 3 times"):
        extract(output, Extract(name="ms"))


def test_one_bad_value_among_several_spoils_the_reduction() -> None:
    with pytest.raises(MetricError, match="nan"):
        extract("ms: nan\nms: 1\n", Extract(name="ms", many="min"))


@pytest.mark.parametrize("many", ["mean", "median"])
def test_a_reduction_that_overflows_is_refused(many: str) -> None:
    with pytest.raises(MetricError, match="too large"):
        extract("ms: 1e308\nms: 1.7e308\n", Extract(name="ms", many=many))


@settings(deadline=None)  # loaded runners are slow, not wrong
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_the_median_is_the_statistical_one(values: list[float]) -> None:
    output = "".join(f"ms: {value!r}\n" for value in values)
    assert extract(output, Extract(name="ms", many="median")) == statistics.median(values)


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
    assert extract(output, Extract()) == value


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
        extract(output, Extract())


def test_a_regex_takes_its_first_group_and_knows_lines() -> None:
    output = "Requests/sec: 1523.7 (stdev 3)\nLatency 12 ms\n"
    assert extract(output, Extract(regex=r"^Requests/sec:\s+(\S+)")) == 1523.7
    assert extract(output, Extract(name="p95", regex=r"Latency (\d+) ms$")) == 12


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
        extract("a 1 2", Extract(regex=regex))


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
    assert extract(output, Extract(last_number=True)) == value


@pytest.mark.parametrize(
    "output",
    [
        *("", "no digits", "0.5 then nan", "0.5 then 1,234", "0.5 then $12", "0.5 at 10:00:00"),
        *("0.5 in 0.52s", "0.5 of 12/50", "0.5 on 2026-01-02", "0.5 ١٢"),
    ],
)
def test_a_last_number_that_is_not_plain_is_not_passed_over(output: str) -> None:
    with pytest.raises(MetricError):
        extract(output, Extract(last_number=True))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.results[0].mean", 1.5),
        ("results[1].mean", 2.5),
        ("$.results[-1].mean", 2.5),
        ("$['p 95'][\"a.b\"]", 9e-3),
    ],
)
def test_a_json_path_is_followed(path: str, value: float) -> None:
    text = '{"results": [{"mean": 1.5}, {"mean": 2.5}], "p 95": {"a.b": 9e-3}, "bad": NaN}'
    assert extract(text, Extract(json=path)) == value
    assert extract(f'[log] starting\n{{"old": 1}}\n{text}\n[done]\n', Extract(json=path)) == value
    spec = Extract(json=path, file="out.json")
    assert report_path(spec) == "out.json"
    assert extract("ignored", spec, b"\xef\xbb\xbf" + text.encode()) == value


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ('{"a": NaN}', "$.a", "'NaN' is not a plain finite number"),
        ('{"a": -Infinity}', "$.a", "not a plain finite number"),
        ('{"a": 1e400}', "$.a", "too large"),
        ('{"a": "0.5"}', "$.a", "is a JSON str"),
        ('{"a": true}', "$.a", "is a JSON bool"),
        ('{"a": 1}', "$.b", "has no 'b'"),
        ('{"a": 1}', "$.a[0]", "JSON str|has no 0"),
        ('{"a": [1]}', "$.a[7]", "has no 7"),
        ('{"a": 1, "a": 2}', "$.a", "same key twice"),
        ('{"a": 1}', "$..a", "only steps like"),
        ('{"a": 1}', "$.*", "only steps like"),
        ("no json", "$.a", "no JSON"),
        ("[" * 200_000, "$.a", "nested too deeply"),
        ('{"a":' * 200_000, "$.a", "nested too deeply"),
        (f'{{"a": {"9" * 5000}}}', "$.a", "not a plain finite number"),
    ],
)
def test_json_without_that_number_is_an_error(text: str, path: str, reason: str) -> None:
    with pytest.raises(MetricError, match=reason):
        extract(text, Extract(json=path))


@pytest.mark.parametrize(
    ("count", "value"),
    [("failures", 1), ("errors", 1), ("failed", 2), ("skipped", 2), ("passed", 1), ("tests", 5)],
)
def test_a_report_of_pytest_is_counted(count: str, value: float) -> None:
    assert extract("", Extract(junit="r.xml", count=count), PYTEST_REPORT) == value


def test_nested_suites_are_counted_and_their_seconds_added() -> None:
    report = b"""<testsuites><testsuite failures="1"><testsuite>
      <testcase name="a" time="0.25"/></testsuite>
      <testcase name="b" time="1.5"><failure/></testcase></testsuite></testsuites>"""
    assert extract("", Extract(junit="r.xml", count="tests"), report) == 2
    assert extract("", Extract(junit="r.xml", count="seconds"), report) == 1.75


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (b"<testsuites/>", "lists no test"),
        (b'<testsuite tests="5" failures="0"/>', "lists no test"),
        (b'<testsuite errors="1"><testcase/></testsuite>', "announces 1 bad tests, lists 0"),
        (b"<html/>", "is not a JUnit report"),
        (b"<testsuite><testcase>", "not usable XML"),
        (b"", "not usable XML"),
        (b'<?xml version="1.0" encoding="hex"?><testsuite/>', "not usable XML"),
        (b"<testsuite>" * 100_000 + b"</testsuite>" * 100_000, "lists no test"),
        (b" " * (XML_LIMIT + 1), "larger than"),
        (b"<testsuite>" + b"<a/>" * 1_000_000 + b"</testsuite>", "more than 1000000 tags"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[:30]),
)
def test_a_report_that_hides_its_tests_is_not_a_report_without_failures(
    report: bytes, reason: str
) -> None:
    with pytest.raises(MetricError, match=reason):
        extract("", Extract(junit="r.xml"), report)


@pytest.mark.parametrize("time", ["", "nan", "1,5"])
def test_a_case_without_a_plain_time_has_no_seconds(time: str) -> None:
    report = f'<testsuite><testcase name="slow" time="{time}"/></testsuite>'.encode()
    with pytest.raises(MetricError, match="slow has no time"):
        extract("", Extract(junit="r.xml", count="seconds"), report)


@pytest.mark.parametrize(
    "declarations",
    [
        "".join(
            f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "lol">'
            for n in range(10)
        ),
        '<!ENTITY l9 SYSTEM "file:///etc/passwd">',
    ],
    ids=["billion laughs", "external entity"],
)
def test_entities_are_refused_at_once(declarations: str) -> None:
    report = f"<!DOCTYPE x [{declarations}]><testsuite><testcase>&l9;</testcase></testsuite>"
    start = time.monotonic()
    for spec in (Extract(junit="r.xml"), Extract(coverage="r.xml")):
        with pytest.raises(MetricError, match="EntitiesForbidden"):
            extract("", spec, report.encode())
    assert time.monotonic() - start < 1


def test_a_cobertura_report_gives_its_line_rate_in_percent() -> None:
    report = b"""<?xml version="1.0" ?>
    <!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
    <coverage line-rate="0.8532" branch-rate="0" lines-valid="500"><packages/></coverage>"""
    assert extract("", Extract(coverage="coverage.xml"), report) == 85.32


@pytest.mark.parametrize(
    "report",
    [
        b"<coverage/>",
        b'<testsuite line-rate="0.5"/>',
        b'<coverage line-rate="1.5"/>',
        b'<coverage line-rate="-0.5"/>',
        b'<coverage line-rate="nan"/>',
        b'<coverage line-rate="1" lines-valid="0"/>',
    ],
)
def test_a_coverage_report_without_a_rate_is_an_error(report: bytes) -> None:
    with pytest.raises(MetricError):
        extract("", Extract(coverage="coverage.xml"), report)


@pytest.mark.parametrize(
    "spec", [Extract(junit="r.xml"), Extract(coverage="r.xml"), Extract(regex="(1)", file="r.xml")]
)
def test_a_report_that_was_not_written_is_never_replaced_by_the_output(spec: Extract) -> None:
    assert report_path(spec) == "r.xml"
    with pytest.raises(MetricError, match=r"r\.xml was not written"):
        extract("1", spec)


def test_named_numbers_are_those_without_doubt() -> None:
    output = "loss: 2\nval_bpb: 0.98\nloss: 3\nstate: ok\nMETRIC mfu_percent=39.8\nat 10:30: 5\n"
    assert named_numbers(output) == {"val_bpb": 0.98, "mfu_percent": 39.8}


def test_the_metric_at_the_end_of_a_huge_output_is_found() -> None:
    output = "x: 1\n" + "noise without end\n" * (OUTPUT_LIMIT // 18) + "x: 2\nval_bpb: 0.98\n"
    assert len(output) > OUTPUT_LIMIT
    assert extract(output, VAL_BPB) == 0.98
    assert extract(output, Extract(regex=r"^x: (\d)$")) == 2


@pytest.mark.parametrize("line", [" " * 2_000_000, "a" + " " * 2_000_000, "METRIC " * 300_000])
def test_one_endless_line_takes_linear_time(line: str) -> None:
    start = time.monotonic()
    for spec in (VAL_BPB, Extract(), Extract(last_number=True)):
        with pytest.raises(MetricError):
            extract(line, spec)
    assert time.monotonic() - start < 5
