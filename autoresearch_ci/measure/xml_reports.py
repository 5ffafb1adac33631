"""JUnit or Cobertura XML -> one number. Which report to read, and whether it is there, is not ours.

defusedxml parses the text, as the XML parser behind junitparser would expand entities; what the
elements of a case mean, junitparser says.
Fails closed: a report that lists no test, or covers no line, is not a report without failures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from autoresearch_ci.decide.suite_standards import SuiteResult
from autoresearch_ci.safety.bounded import MetricError, parse_number

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from junitparser import TestCase

BYTES_LIMIT = 16 * 2**20
TAGS_LIMIT = 1_000_000
"""Some 100 bytes of memory each, however short they are written."""

_OF_A_CASE: dict[str, Callable[[TestCase], bool]] = {
    "failures": lambda case: case.is_failure,
    "errors": lambda case: case.is_error,
    "failed": lambda case: case.is_failure or case.is_error,
    "skipped": lambda case: case.is_skipped,
    "passed": lambda case: case.is_passed,
    "tests": lambda case: True,
}
COUNTS = (*_OF_A_CASE, "seconds")
"""`failed` is failures and errors, `seconds` the sum of the cases' times."""


def junit_number(report: bytes, path: str, count: str) -> float:
    """One of `COUNTS`, over the cases of all suites. Raises `MetricError`."""
    listed = _listed(report, path)
    if count == "seconds":
        return math.fsum(_seconds(case, path) for case in listed)
    if count not in _OF_A_CASE:
        raise MetricError(f"count {count} is not one of: {', '.join(COUNTS)}")
    return float(sum(1 for case in _cases(listed) if _OF_A_CASE[count](case)))


def junit_suite(report: bytes, path: str) -> SuiteResult:
    """How each test ended, by class and name. Raises `MetricError`."""
    ended: dict[str, list[str]] = {}
    for case in _cases(_listed(report, path)):
        test = "::".join(filter(None, (case.classname, case.name)))
        ended.setdefault(test, []).append(_ended(case))
    # A name may occur several times, in any order; then it stands for that many tests.
    found = {
        test if not number else f"{test} #{number + 1}": outcome
        for test, words in ended.items()
        for number, outcome in enumerate(sorted(words, key=_BAD_LAST.index))
    }
    return SuiteResult(of=found)


_BAD_LAST = ("passed", "skipped", "xfailed", "failed", "error")


def _ended(case: TestCase) -> str:
    if case.is_error:
        return "error"
    if case.is_failure:
        return "failed"
    kinds = [result.type for result in case.result]
    if not kinds:
        return "passed"
    return "xfailed" if "pytest.xfail" in kinds else "skipped"


def coverage_percent(report: bytes, path: str) -> float:
    """The line rate of a Cobertura report. Raises `MetricError`."""
    root = _parse(report, path)
    text = root.get("line-rate")
    if root.tag != "coverage" or text is None:
        raise MetricError(f"{path} is not a Cobertura report: no <coverage line-rate>")
    if not 0 <= parse_number(text) <= 1:
        raise MetricError(f"{path}: line-rate {text} is not between 0 and 1")
    if root.get("lines-valid") == "0":
        raise MetricError(f"{path} covers no line at all")
    return float(Decimal(text) * 100)  # in decimal, so that 0.8532 is 85.32


def _parse(report: bytes, path: str) -> Element:
    """The report's root element; entities are refused, and nothing outside the report is read."""
    from xml.etree.ElementTree import ParseError

    import defusedxml.ElementTree

    if len(report) > BYTES_LIMIT:
        raise MetricError(f"{path} is larger than {BYTES_LIMIT >> 20} MiB")
    if report.count(b"<") > TAGS_LIMIT:
        raise MetricError(f"{path} has more than {TAGS_LIMIT} tags")
    try:
        # A bare DOCTYPE stays allowed: Cobertura reports carry one.
        root: Element = defusedxml.ElementTree.fromstring(report)
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise MetricError(f"{path} is not usable XML: {error}") from error
    return root


def _listed(report: bytes, path: str) -> list[Element]:
    """The cases themselves are counted, in nested suites too; the totals only have to agree."""
    root = _parse(report, path)
    if root.tag not in ("testsuites", "testsuite"):
        raise MetricError(f"{path} is not a JUnit report: its root is <{root.tag[:40]}>")
    # Not by junitparser's own way through the suites, which recurses as deep as a report likes.
    cases = list(root.iter("testcase"))
    if not cases:
        raise MetricError(f"{path} lists no test: tests that do not run are not passing tests")
    listed = sum(1 for case in cases for child in case if child.tag in ("failure", "error"))
    if _announced(root) > listed:
        raise MetricError(f"{path} announces {_announced(root)} bad tests, lists {listed}")
    return cases


def _cases(elements: list[Element]) -> list[TestCase]:
    from junitparser import TestCase

    return [TestCase.fromelem(element) for element in elements]  # type: ignore[no-untyped-call]


def _announced(root: Element) -> int:
    """Failures and errors that the totals announce: a suite can fail without listing a case."""
    tops = [root] if "failures" in root.attrib or "errors" in root.attrib else list(root)
    totals = [top.get(name, "") for top in tops for name in ("failures", "errors")]
    return sum(int(total) for total in totals if re.fullmatch("[0-9]{1,9}", total))


def _seconds(case: Element, path: str) -> float:
    """Stricter than junitparser, which takes commas and infinity for numbers."""
    try:
        return parse_number(case.get("time", ""))
    except MetricError as error:
        raise MetricError(f"{path}: {case.get('name', '?')[:60]} has no time: {error}") from error
