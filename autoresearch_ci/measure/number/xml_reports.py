"""JUnit, TRX, Cobertura or JaCoCo XML -> one number. Which report to read, and whether it is there,
is not ours.

defusedxml parses the text, as the XML parser behind junitparser would expand entities. junitparser
says what the elements of a case mean; what tools write besides, into attributes and elements of
their own, is said by no standard: samples of it lie in the tests' data.
Fails closed: a report that lists no test, or covers no line, is not a report without failures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.safety.untrusted_values import MetricError, parse_number

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

BYTES_LIMIT = 16 * 2**20
"""Of one report, and of all that belong together."""
TAGS_LIMIT = 1_000_000
"""Of tags, and of attributes: some 100 bytes of memory each, however short they are written."""
COUNTS = ("failures", "errors", "failed", "skipped", "passed", "tests", "seconds")
"""`failed` is failures and errors, `skipped` all that did not run, `seconds` the sum of the cases'
times, those of every attempt."""

Reports = bytes | Sequence[bytes]
"""The content of one report, or of several that list tests of one run."""

_OTHERS = {
    "assemblies": "xUnit.net's own format",
    "assembly": "xUnit.net's own format",
    "test-run": "NUnit's own format",
    "test-results": "NUnit's own format",
    "testng-results": "TestNG's own format",
    "Site": "CTest's dashboard format (write JUnit with ctest --output-junit)",
    "robot": "Robot Framework's own format (write JUnit with --xunit)",
    "CheckStyle": "a Checkstyle report",
    "coverage": "a coverage report",
}
"""By root element, what people take for JUnit."""


def junit_number(reports: Reports, path: str, count: str) -> float:
    """One of `COUNTS`, over the tests of all suites. Raises `MetricError`.

    A test that was tried several times is one test, and ended as its last attempt did.
    """
    if count == "seconds":
        return math.fsum(_seconds(case, path) for part in _listed(reports, path) for case in part)
    if count not in COUNTS:
        raise MetricError(f"count {count} is not one of: {', '.join(COUNTS)}")
    suite = junit_suite(reports, path)
    bad, passed, tests = suite.count("failed", "error"), suite.count("passed"), len(suite.of)
    return float(
        {
            "failures": suite.count("failed"),
            "errors": suite.count("error"),
            "failed": bad,
            "skipped": tests - bad - passed,
            "passed": passed,
            "tests": tests,
        }[count]
    )


class CaseRun(NamedTuple):
    """One attempt of one test."""

    test: str
    """Class and name."""
    end: str
    case: Element
    """All that is said of it."""


def junit_suite(reports: Reports, path: str) -> SuiteResult:
    """How each test ended, by class and name. Raises `MetricError`."""
    return junit_attempts(reports, path)[0]


def junit_attempts(reports: Reports, path: str) -> tuple[SuiteResult, list[CaseRun]]:
    """The same, and every attempt of every test, in order. Raises `MetricError`."""
    parts = [
        [CaseRun(_test_of(case), _ended(case), case) for case in cases]
        for cases in _listed(reports, path)
    ]
    return _suite(parts), [attempt for part in parts for attempt in part]


def _suite(parts: Iterable[Iterable[CaseRun]]) -> SuiteResult:
    ends: dict[str, list[str]] = {}
    again = set()
    for part in parts:
        attempts: dict[str, list[str]] = {}
        for attempt in part:
            attempts.setdefault(attempt.test, []).append(attempt.end)
            if any(child.tag.startswith(("flaky", "rerun")) for child in attempt.case):
                again.add(attempt.test)
        # Nobody tries a test again in another report: those are variants, and each counts.
        for test, words in attempts.items():
            verdicts = _verdicts(words)
            if len(verdicts) < len(words):
                again.add(test)
            ends.setdefault(test, []).extend(verdicts)
    found: dict[str, str] = {}
    for test, words in ends.items():
        ordered = sorted(words, key=_WORST_LAST.index) if len(words) > 1 else words
        for number, word in enumerate(ordered, start=1):
            found[test if number == 1 else f"{test} #{number}"] = word
    return SuiteResult(of=found, reran=frozenset(again))


def _test_of(case: Element) -> str:
    return "::".join(filter(None, (case.get("classname"), case.get("name"))))


_BAD = ("failed", "error")
_BAD_LAST = ("passed", "skipped", "disabled", "not run", "xfailed")
_WORST_LAST = (*_BAD_LAST, *_BAD)


def _verdicts(words: Sequence[str]) -> list[str]:
    """How the tests of one name ended, whose attempts are listed in this order.

    Only what failed is tried again. So each attempt that did not fail ends a test of its own, in
    any order, and one that fails at the very end was the last of somebody's.
    """
    good = sorted((word for word in words if word not in _BAD), key=_BAD_LAST.index)
    return [*good[:-1], words[-1]] if words[-1] in _BAD else good


_NOT_RUN = {
    **dict.fromkeys(("disabled", "suppressed", "deactivated", "inactive"), "disabled"),
    **dict.fromkeys(
        (
            *("skip", "skipped", "ignore", "ignored", "pending", "todo", "incomplete"),
            *("inconclusive", "inapplicable", "excluded", "filtered", "deselected", "quarantined"),
            *("cancelled", "canceled", "blocked", "unknown", "undefined", "untested", "warning"),
            *("abandoned", "omitted", "dryrun", "rerun", "xfail", "xfailed", "xpass", "xpassed"),
        ),
        "skipped",
    ),
    **dict.fromkeys(
        ("notrun", "notexecuted", "notstarted", "notrunnable", "norun", "unexecuted", "neverrun"),
        "not run",
    ),
}
_WENT_WRONG = {
    **dict.fromkeys(("fail", "failed", "failure", "failing", "broken", "unexpected"), "failed"),
    **dict.fromkeys(
        ("error", "errored", "crash", "crashed", "aborted", "interrupted", "timeout", "timedout"),
        "error",
    ),
}
"""What tools write into `status` or `result`; GoogleTest and CTest say there alone what did not
run. Any other word (run, completed, passed) says nothing."""
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")


def _ended(case: Element) -> str:
    """The worst that is said of one attempt."""
    from junitparser import TestCase

    known = TestCase.fromelem(case)  # type: ignore[no-untyped-call]
    if known.is_error:
        return "error"
    if known.is_failure:
        return "failed"
    children = {_word(child.tag): child for child in case}
    said = [_word(case.get(name, "")) for name in ("status", "result", "outcome", "state")]
    wrong = [_WENT_WRONG[word] for word in said if word in _WENT_WRONG]
    if wrong:
        return wrong[0]
    if not any(tag.startswith("flaky") for tag in children):
        # Of Surefire and nextest: what was tried again and is not flaky never passed.
        tried = {"rerunfailure": "failed", "rerunerror": "error"}
        wrong = [word for tag, word in tried.items() if tag in children]
        if wrong:
            return wrong[0]
    skipped = children.get("skipped")
    if skipped is not None and skipped.get("type") == "pytest.xfail":
        return "xfailed"
    idle = [_NOT_RUN[word] for word in (*said, *children) if word in _NOT_RUN]
    if idle:
        return idle[0]
    for name, value in case.items():
        word = _word(name)
        if word in _NOT_RUN and value.lower() in _YES:
            return _NOT_RUN[word]
        if word in ("executed", "run") and value.lower() in _NO:
            return "not run"
    return "passed"


def _word(text: str) -> str:
    """`notrun`, of `NOT_RUN`, `notRun` and `not run`."""
    return re.sub(r"[\W_]", "", text).lower()


def coverage_percent(report: bytes, path: str) -> float:
    """The line rate of a Cobertura or JaCoCo report in percent. Raises `MetricError`.

    The counts of lines where they say the same: the rate itself is often rounded to four digits.
    """
    root = _parse(report, path)
    if root.tag == "report":
        return _jacoco(root, path)
    text = root.get("line-rate")
    if root.tag != "coverage" or text is None:
        raise MetricError(
            f"{path} is not a Cobertura report, nor one of JaCoCo: no <coverage line-rate>"
        )
    try:
        rate = parse_number(text)
    except MetricError as error:
        raise MetricError(f"{path}: line-rate {error}") from error
    if not 0 <= rate <= 1:
        raise MetricError(f"{path}: line-rate {text} is not between 0 and 1")
    counts = [root.get(name, "") for name in ("lines-covered", "lines-valid")]
    if counts[1] == "0":
        raise MetricError(f"{path} covers no line at all")
    if all(re.fullmatch("[0-9]{1,15}", count) for count in counts):
        covered, valid = map(int, counts)
        if valid and abs(covered / valid - rate) <= _step(text):
            return 100 * covered / valid
    return float(Decimal(text) * 100)  # in decimal, so that 0.8532 is 85.32


def _jacoco(root: Element, path: str) -> float:
    """Of the counter for all, which stands beside the packages (JaCoCo's report.dtd)."""
    lines = next((c for c in root.findall("counter") if c.get("type") == "LINE"), None)
    if lines is None:
        raise MetricError(
            f"{path} is no JaCoCo report that counts lines: no <counter type=LINE> in <report>"
        )
    counts = [lines.get(name, "") for name in ("covered", "missed")]
    if not all(re.fullmatch("[0-9]{1,15}", count) for count in counts):
        raise MetricError(f"{path}: {counts} are no counts of lines")
    covered, missed = map(int, counts)
    if not covered + missed:
        raise MetricError(f"{path} covers no line at all")
    return 100 * covered / (covered + missed)


def _step(text: str) -> float:
    """How far what stands for the rate may lie from it: one in its last place, at least the fourth.

    `1` may stand for 0.99996, and `0.53` for 0.53004: trailing zeros are often left out.
    """
    exponent = Decimal(text).as_tuple().exponent
    return float(10.0 ** min(int(exponent), -4))


def _pieces(report: bytes) -> int:
    """At most as many tags, or attributes."""
    return max(report.count(b"<"), report.count(b'="') + report.count(b"='"))


def _parse(report: bytes, path: str) -> Element:
    """The report's root element; entities are refused, and nothing outside the report is read."""
    from xml.etree.ElementTree import ParseError

    import defusedxml.ElementTree

    if len(report) > BYTES_LIMIT:
        raise MetricError(f"{path} is larger than {BYTES_LIMIT >> 20} MiB")
    if _pieces(report) > TAGS_LIMIT:
        raise MetricError(f"{path} has more than {TAGS_LIMIT} tags or attributes")
    try:
        # A bare DOCTYPE stays allowed: reports of coverage carry one.
        root: Element = defusedxml.ElementTree.fromstring(report)
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise MetricError(f"{path} is not usable XML: {error}") from error
    for element in root.iter():  # without namespaces, which no two tools agree on
        if isinstance(element.tag, str) and element.tag.startswith("{"):
            element.tag = element.tag.rpartition("}")[2]
    return root


def _listed(reports: Reports, path: str) -> list[list[Element]]:
    """The cases of each report, in nested suites too; the totals only have to agree."""
    contents = [reports] if isinstance(reports, bytes) else reports
    if sum(map(len, contents)) > BYTES_LIMIT:
        raise MetricError(f"{path} is larger than {BYTES_LIMIT >> 20} MiB")
    parts: list[list[Element]] = []
    announced = pieces = 0
    for content in contents:
        pieces += _pieces(content)
        if pieces > TAGS_LIMIT:
            raise MetricError(f"{path} has more than {TAGS_LIMIT} tags or attributes")
        root = _parse(content, path)
        if root.tag == "TestRun":
            announced += _trx_announced(root)
            parts.append(list(_trx_cases(root)))
            continue
        if root.tag not in ("testsuites", "testsuite"):
            raise MetricError(f"{path} is not a JUnit report: {_instead(root.tag)}")
        announced += _announced(root)
        parts.append(list(root.iter("testcase")))
    cases = [case for part in parts for case in part]
    if not cases:
        raise MetricError(f"{path} lists no test: tests that do not run are not passing tests")
    listed = sum(1 for case in cases for child in case if child.tag in ("failure", "error"))
    if announced > listed:
        raise MetricError(f"{path} announces {announced} bad tests, lists {listed}")
    return parts


def _instead(tag: str) -> str:
    known = f", {_OTHERS[tag]}" if tag in _OTHERS else ""
    return f"its root is <{tag[:40]}>{known}"


def _announced(root: Element) -> int:
    """Failures and errors that the totals announce: a suite can fail without listing a case."""
    tops = [root] if "failures" in root.attrib or "errors" in root.attrib else list(root)
    totals = [top.get(name, "") for top in tops for name in ("failures", "errors")]
    return sum(int(total) for total in totals if re.fullmatch("[0-9]{1,9}", total))


def _seconds(case: Element, path: str) -> float:
    """A plain number: no comma, no infinity."""
    try:
        return parse_number(case.get("time", ""))
    except MetricError as error:
        raise MetricError(f"{path}: {case.get('name', '?')[:60]} has no time: {error}") from error


# --- TRX: what `dotnet test --logger trx` writes, as JUnit has it ---------------------------------

_TRX_BAD = {"failed": "failure", "error": "error", "timeout": "error", "aborted": "error"}
_TRX_TIME = re.compile(r"(?:([0-9]{1,4})\.)?([0-9]{1,2}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,9})?)")


def _trx_cases(root: Element) -> Iterator[Element]:
    """One `<testcase>` for each result of the `<TestRun>`, in its order."""
    from xml.etree.ElementTree import Element, SubElement

    classes = {}
    for test in root.iter("UnitTest"):
        for method in test.iter("TestMethod"):
            classes[test.get("id")] = method.get("className", "").partition(",")[0]
    for result in root.iter("UnitTestResult"):
        case = Element("testcase", name=result.get("testName", ""))
        case.set("classname", classes.get(result.get("testId"), ""))
        case.set("time", _trx_seconds(result.get("duration", "")))
        outcome = result.get("outcome", "").lower()
        if outcome in _TRX_BAD:
            SubElement(case, _TRX_BAD[outcome])
        elif outcome != "passed":
            SubElement(case, "skipped", type=outcome)
        yield case


def _trx_announced(root: Element) -> int:
    """Bad tests in the totals."""
    totals = [counters.get(name, "") for counters in root.iter("Counters") for name in _TRX_BAD]
    return sum(int(total) for total in totals if re.fullmatch("[0-9]{1,9}", total))


def _trx_seconds(duration: str) -> str:
    """`1.5`, of `00:00:01.5000000`; what is no duration stays, and is refused by who counts."""
    match = _TRX_TIME.fullmatch(duration)
    if not match:
        return duration
    days, hours, minutes, seconds = match.groups(default="0")
    whole = (int(days) * 24 + int(hours)) * 3600 + int(minutes) * 60
    return f"{whole + float(seconds):.7f}"
