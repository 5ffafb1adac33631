"""A report that hides its tests, or is no report, is an error and never a zero."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch_ci.decide.suite_standards import Standard
from autoresearch_ci.measure.xml_reports import (
    BYTES_LIMIT,
    coverage_percent,
    junit_number,
    junit_suite,
)
from autoresearch_ci.safety.bounded import MetricError

PYTEST_REPORT = (Path(__file__).parent / "data" / "pytest-report.xml").read_bytes()


@settings(deadline=None)  # loaded runners are slow, not wrong
@given(st.binary(max_size=200))
def test_a_garbage_report_is_a_metric_error(report: bytes) -> None:
    with pytest.raises(MetricError):
        junit_number(report, "r.xml", "failures")
    with pytest.raises(MetricError):
        coverage_percent(report, "c.xml")


@pytest.mark.parametrize(
    ("count", "value"),
    [("failures", 1), ("errors", 1), ("failed", 2), ("skipped", 2), ("passed", 1), ("tests", 5)],
)
def test_a_report_of_pytest_is_counted(count: str, value: float) -> None:
    assert junit_number(PYTEST_REPORT, "r.xml", count) == value


def test_nested_suites_are_counted_and_their_seconds_added() -> None:
    report = b"""<testsuites><testsuite failures="1"><testsuite>
      <testcase name="a" time="0.25"/></testsuite>
      <testcase name="b" time="1.5"><failure/></testcase></testsuite></testsuites>"""
    assert junit_number(report, "r.xml", "tests") == 2
    assert junit_number(report, "r.xml", "seconds") == 1.75


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
        (b" " * (BYTES_LIMIT + 1), "larger than"),
        (b"<testsuite>" + b"<a/>" * 1_000_000 + b"</testsuite>", "more than 1000000 tags"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[:30]),
)
def test_a_report_that_hides_its_tests_is_not_a_report_without_failures(
    report: bytes, reason: str
) -> None:
    with pytest.raises(MetricError, match=reason):
        junit_number(report, "r.xml", "failures")


@pytest.mark.parametrize("time", ["", "nan", "1,5"])
def test_a_case_without_a_plain_time_has_no_seconds(time: str) -> None:
    report = f'<testsuite><testcase name="slow" time="{time}"/></testsuite>'.encode()
    with pytest.raises(MetricError, match="slow has no time"):
        junit_number(report, "r.xml", "seconds")


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
    with pytest.raises(MetricError, match="EntitiesForbidden"):
        junit_number(report.encode(), "r.xml", "failures")
    with pytest.raises(MetricError, match="EntitiesForbidden"):
        coverage_percent(report.encode(), "r.xml")
    assert time.monotonic() - start < 1


def test_a_cobertura_report_gives_its_line_rate_in_percent() -> None:
    report = b"""<?xml version="1.0" ?>
    <!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
    <coverage line-rate="0.8532" branch-rate="0" lines-valid="500"><packages/></coverage>"""
    assert coverage_percent(report, "coverage.xml") == 85.32


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
        coverage_percent(report, "coverage.xml")


def test_a_count_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(MetricError, match="count flaky is not one of: failures, errors"):
        junit_number(PYTEST_REPORT, "r.xml", "flaky")


# --- test by test --------------------------------------------------------------------------------


def case(name: str, inner: str = "") -> str:
    return f'<testcase classname="k" name="{name}">{inner}</testcase>'


def report(*cases: str) -> bytes:
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>".encode()


def test_a_report_tells_how_each_test_ended() -> None:
    found = junit_suite(
        report(
            case("a"),
            case("b", "<failure/>"),
            case("c", "<failure/><error/>"),
            case("d", "<skipped/>"),
            case("e", '<skipped type="pytest.xfail"/>'),
        ),
        "r.xml",
    )
    assert [*found.of.values()] == ["passed", "failed", "error", "skipped", "xfailed"]
    assert next(iter(found.of)) == "k::a"


def test_tests_of_the_same_name_are_counted_in_any_order() -> None:
    one = junit_suite(report(case("a"), case("a", "<failure/>"), case("a")), "r.xml")
    other = junit_suite(report(case("a", "<failure/>"), case("a"), case("a")), "r.xml")
    assert one == other
    standard = Standard.of(one)
    assert "1 missing" in standard.loss(junit_suite(report(case("a"), case("a")), "r.xml"))


def test_a_report_that_is_none_is_an_error() -> None:
    for broken in (b"", b"<x/>", report()):
        with pytest.raises(MetricError):
            junit_suite(broken, "r.xml")
