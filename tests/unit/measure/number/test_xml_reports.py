"""A report that hides its tests, or is no report, is an error and never a zero."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_ci.decide.failures.lost_tests import Standard
from autoresearch_ci.measure.number.xml_reports import (
    BYTES_LIMIT,
    coverage_percent,
    junit_number,
    junit_suite,
)
from autoresearch_ci.safety.untrusted_values import MetricError

DATA = Path(__file__).parent / "data"
PYTEST_REPORT = (DATA / "pytest-report.xml").read_bytes()


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
    ],
)
def test_a_report_that_hides_its_tests_is_not_a_report_without_failures(
    report: bytes, reason: str
) -> None:
    with pytest.raises(MetricError, match=reason):
        junit_number(report, "r.xml", "failures")


def test_a_huge_report_is_not_a_report_without_failures() -> None:
    for report, reason in (
        (b"<testsuite>" * 100_000 + b"</testsuite>" * 100_000, "lists no test"),
        (b" " * (BYTES_LIMIT + 1), "larger than"),
        (b"<testsuite>" + b"<a/>" * 1_000_000 + b"</testsuite>", "more than 1000000 tags"),
        (b"<testsuite" + b" a=''" * 1_000_001 + b"/>", "more than 1000000 tags or attributes"),
    ):
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
    start = time.process_time()
    with pytest.raises(MetricError, match="EntitiesForbidden"):
        junit_number(report.encode(), "r.xml", "failures")
    with pytest.raises(MetricError, match="EntitiesForbidden"):
        coverage_percent(report.encode(), "r.xml")
    assert time.process_time() - start < 1


def test_a_cobertura_report_gives_its_line_rate_in_percent() -> None:
    report = b"""<?xml version="1.0" ?>
    <!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
    <coverage line-rate="0.8532" branch-rate="0" lines-valid="500"><packages/></coverage>"""
    assert coverage_percent(report, "coverage.xml") == 85.32


def test_a_jacoco_report_gives_its_lines_in_percent() -> None:
    """Of the whole: packages and classes have counters of their own."""
    report = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
    <!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd"><report name="a">
    <package name="p"><counter type="LINE" missed="9" covered="1"/></package>
    <counter type="INSTRUCTION" missed="5" covered="5"/>
    <counter type="LINE" missed="3" covered="5"/></report>"""
    assert coverage_percent(report, "jacoco.xml") == 62.5


@pytest.mark.parametrize(
    ("attributes", "percent"),
    [
        ('lines-valid="100000" lines-covered="53004" line-rate="0.53"', 53.004),
        ('lines-valid="100000" lines-covered="99996" line-rate="1"', 99.996),
        ('lines-valid="100000" lines-covered="4" line-rate="4e-05"', 0.004),
        ('lines-valid="3" lines-covered="2" line-rate="0.6667"', 100 * 2 / 3),
        ('lines-valid="10" lines-covered="5" line-rate="0.75"', 75.0),  # two different things
        ('lines-valid="10" lines-covered="x" line-rate="0.5"', 50.0),
        ('lines-covered="5" line-rate="0.8532"', 85.32),
    ],
)
def test_a_rounded_rate_gives_way_to_counts_that_agree(attributes: str, percent: float) -> None:
    report = f"<coverage {attributes}><packages/></coverage>".encode()
    assert coverage_percent(report, "coverage.xml") == percent


@pytest.mark.parametrize(
    "report",
    [
        b"<coverage/>",
        b'<testsuite line-rate="0.5"/>',
        b'<coverage line-rate="1.5"/>',
        b'<coverage line-rate="-0.5"/>',
        b'<coverage line-rate="nan"/>',
        b'<coverage line-rate="1" lines-valid="0"/>',
        b'<report><package><counter type="LINE" missed="0" covered="1"/></package></report>',
        b'<report><counter type="LINE" missed="0" covered="0"/></report>',
        b'<report><counter type="LINE" missed="-1" covered="1"/></report>',
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
    one = junit_suite(report(case("a"), case("a", "<skipped/>"), case("a")), "r.xml")
    other = junit_suite(report(case("a", "<skipped/>"), case("a"), case("a")), "r.xml")
    assert one == other
    standard = Standard.of(one)
    assert standard.loss(other) == ""
    assert "1 missing" in standard.loss(junit_suite(report(case("a")), "r.xml"))


P, F, E, S = "", "<failure/>", "<error/>", "<skipped/>"


@pytest.mark.parametrize(
    ("attempts", "ended", "reran"),
    [
        ([F, P], ["passed"], True),
        ([F, F, P], ["passed"], True),
        ([E, F, P], ["passed"], True),
        ([F, F], ["failed"], True),
        ([F, E], ["error"], True),
        ([P, F], ["failed"], True),
        ([F, S], ["skipped"], True),
        ([P, P], ["passed", "passed"], False),
        ([P, S], ["passed", "skipped"], False),
        ([F, P, P], ["passed", "passed"], True),
        (["<flakyFailure/>"], ["passed"], True),
        (["<flakyError/><flakyFailure/>"], ["passed"], True),
        (["<failure/><rerunFailure/>"], ["failed"], True),
        (["<rerunError/>"], ["error"], True),
        ([P], ["passed"], False),
    ],
)
def test_attempts_of_a_test_are_one_test_and_the_last_counts(
    attempts: list[str], ended: list[str], reran: bool
) -> None:
    found = junit_suite(report(*(case("a", attempt) for attempt in attempts)), "r.xml")
    assert list(found.of.values()) == ended
    assert found.reran == ({"k::a"} if reran else set())
    assert junit_number(report(*(case("a", a) for a in attempts)), "r", "tests") == len(ended)


def test_whether_a_test_needed_another_attempt_is_no_loss() -> None:
    twice = Standard.of(junit_suite(report(case("a", F), case("a")), "r.xml"))
    assert twice.loss(junit_suite(report(case("a")), "r.xml")) == ""
    assert "1 failed" in twice.loss(junit_suite(report(case("a", F), case("a", F)), "r.xml"))
    assert "1 failed" in twice.loss(junit_suite(report(case("a", F)), "r.xml"))
    two = Standard.of(junit_suite(report(case("a"), case("a")), "r.xml"))
    assert "1 missing" in two.loss(junit_suite(report(case("a", F), case("a")), "r.xml"))


@pytest.mark.parametrize(
    "now",
    [
        *('status="disabled"', 'status="notrun"', 'status="skipped"', 'status="NotRun"'),
        *('result="suppressed"', 'result="skipped"', 'status="run" result="skipped"'),
        *('status="pending"', 'status="not run"', 'status="TODO"', 'result="Inconclusive"'),
        *('disabled="true"', 'skipped="1"', 'executed="False"', 'ignored="yes"'),
        *("<skipped/>", "<disabled/>", "<ignored/>", '<skipped type="pytest.xfail"/>'),
        *('status="fail"', 'result="Error"', "<warning/>"),
    ],
)
def test_a_test_that_passed_and_no_longer_runs_is_lost(now: str) -> None:
    attributes, inner = ("", now) if now.startswith("<") else (now, "")
    changed = f'<testcase classname="k" name="a" {attributes}>{inner}</testcase>'
    passed = '<testcase classname="k" name="a" status="run" result="completed"/>'
    standard = Standard.of(junit_suite(report(passed), "r.xml"))
    assert "1 of 1 tests lost" in standard.loss(junit_suite(report(changed), "r.xml"))
    assert junit_number(report(changed), "r.xml", "passed") == 0
    assert junit_number(report(passed), "r.xml", "passed") == 1


# --- as tools write them -------------------------------------------------------------------------

TOOLS: dict[str, dict[str, str]] = {
    # Maven Surefire 3 with rerunFailingTestsCount
    "surefire.xml": {
        "shop.CartTest::adds": "passed",
        "shop.CartTest::pays": "failed, reran",
        "shop.CartTest::ships": "error, reran",
        "shop.CartTest::wraps": "passed, reran",
        "shop.CartTest::weighs": "passed, reran",
        "shop.CartTest::returns": "skipped",
    },
    # Gradle with its test-retry plugin
    "gradle.xml": {
        "shop.CartTest::adds()": "passed",
        "shop.CartTest::pays()": "failed, reran",
        "shop.CartTest::returns()": "skipped",
        "shop.CartTest::ships()": "passed, reran",
    },
    # ctest --output-junit
    "ctest.xml": {
        "passes::passes": "passed",
        "fails::fails": "failed",
        "off::off": "disabled",
        "skips::skips": "not run",
        "absent::absent": "not run",
    },
    # --gtest_output=xml
    "googletest.xml": {
        "Cart::Adds": "passed",
        "Cart::Pays": "failed",
        "Cart::DISABLED_Ships": "not run",
        "Cart::Returns": "skipped",
        "Sizes/CartOf::Fits/0": "passed",
    },
    # jest-junit 16. What is `test.todo` it lists like what passed.
    "jest-junit.xml": {
        "shop passes::shop passes": "passed",
        "shop fails::shop fails": "failed",
        "shop is skipped::shop is skipped": "skipped",
        "shop is to do::shop is to do": "passed",
        "shop is retried::shop is retried": "passed",
        "shop twice::shop twice": "passed",
        "shop twice::shop twice #2": "passed",
    },
    "vitest.xml": {
        "shop.test.js::shop > passes": "passed",
        "shop.test.js::shop > fails": "failed",
        "shop.test.js::shop > is skipped": "skipped",
        "shop.test.js::shop > is to do": "skipped",
        "shop.test.js::shop > fails as expected": "passed",
        "shop.test.js::shop > is retried": "passed",
    },
    # mocha --reporter xunit
    "mocha-xunit.xml": {
        "shop::passes": "passed",
        "shop::fails": "failed",
        "shop::is skipped": "skipped",
        "shop::is pending": "skipped",
        "shop::is retried": "passed",
    },
    "go-junit-report.xml": {
        "example.com/shop::TestAdds": "passed",
        "example.com/shop::TestPays": "failed",
        "example.com/shop::TestReturns": "skipped",
        "example.com/shop::TestSizes/small": "passed",
    },
    # gotestsum --rerun-fails --junitfile
    "gotestsum.xml": {
        "example.com/shop::TestAdds": "passed",
        "example.com/shop::TestPays": "passed, reran",
        "example.com/shop::TestReturns": "skipped",
    },
    # cargo nextest with retries and [profile.ci.junit]
    "nextest.xml": {
        "shop::cart::adds": "passed",
        "shop::cart::pays": "failed, reran",
        "shop::cart::ships": "passed, reran",
        "shop::cart::wraps": "passed",
    },
    # phpunit --log-junit
    "phpunit.xml": {
        "CartTest::testAdds": "passed",
        "CartTest::testPays": "failed",
        "CartTest::testShips": "error",
        "CartTest::testReturns": "skipped",
        "CartTest::testIsIncomplete": "skipped",
        "CartTest::testFits with data set #0": "passed",
    },
    # dotnet test --logger trx
    "dotnet.trx": {
        "Shop.CartTest::Shop.CartTest.Adds": "passed",
        "Shop.CartTest::Shop.CartTest.Pays": "failed",
        "Shop.CartTest::Shop.CartTest.Returns": "skipped",
    },
}


@pytest.mark.parametrize("name", TOOLS)
def test_the_report_of_a_tool_says_how_its_tests_ended(name: str) -> None:
    found = junit_suite((DATA / name).read_bytes(), name)
    told = {t: f"{word}, reran" if t in found.reran else word for t, word in found.of.items()}
    assert told == TOOLS[name]


def test_a_report_of_dotnet_has_seconds_and_announces_its_failures() -> None:
    trx = (DATA / "dotnet.trx").read_bytes()
    assert junit_number(trx, "r.trx", "seconds") == 1.75
    with pytest.raises(MetricError, match="announces 1 bad tests, lists 0"):
        junit_suite(
            trx.replace(b'outcome="Failed" testListId', b'outcome="Passed" testListId'), "r"
        )


def test_several_reports_are_one_in_which_each_test_counts() -> None:
    one, two = report(case("a")), report(case("b", "<failure/>"))
    assert junit_suite([one, two], "*.xml").of == {"k::a": "passed", "k::b": "failed"}
    assert junit_number([one, two, one], "*.xml", "tests") == 3
    with pytest.raises(MetricError, match="is not a JUnit report"):
        junit_suite([one, b"<html/>"], "*.xml")


@pytest.mark.parametrize("root", ["assemblies", "test-run", "testng-results", "Site"])
def test_another_format_is_refused_by_name(root: str) -> None:
    with pytest.raises(MetricError, match="format"):
        junit_suite(f"<{root}/>".encode(), "r.xml")


def test_a_report_that_is_none_is_an_error() -> None:
    for broken in (b"", b"<x/>", report()):
        with pytest.raises(MetricError):
            junit_suite(broken, "r.xml")


@pytest.mark.parametrize("rate", ["NaN", "nan", "", "1,0"])
def test_a_rate_that_is_no_number_is_said_with_the_name_of_its_file(rate: str) -> None:
    with pytest.raises(MetricError, match=r"out/cov\.xml: line-rate "):
        coverage_percent(f'<coverage line-rate="{rate}"/>'.encode(), "out/cov.xml")


@pytest.mark.parametrize("order", [1, -1])
def test_a_test_that_two_reports_list_counts_twice_and_a_failure_in_either(order: int) -> None:
    bad = b'<testsuite><testcase classname="C" name="t"><failure/></testcase></testsuite>'
    good = b'<testsuite><testcase classname="C" name="t"/></testsuite>'
    reports = [bad, good][::order]
    assert junit_number(reports, "TEST-*.xml", "failures") == 1
    assert junit_number(reports, "TEST-*.xml", "tests") == 2
    assert junit_suite(reports, "TEST-*.xml").of == {"C::t": "passed", "C::t #2": "failed"}
