"""TRX, what `dotnet test --logger trx` writes -> cases as a JUnit report has them; parses no text.

What the cases come to is xml_reports.py's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_BAD = {"failed": "failure", "error": "error", "timeout": "error", "aborted": "error"}
_TIME = re.compile(r"(?:([0-9]{1,4})\.)?([0-9]{1,2}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,9})?)")


def cases(root: Element) -> Iterator[Element]:
    """One `<testcase>` for each result of the `<TestRun>`, in its order."""
    from xml.etree.ElementTree import Element, SubElement

    classes = {}
    for test in root.iter("UnitTest"):
        for method in test.iter("TestMethod"):
            classes[test.get("id")] = method.get("className", "").partition(",")[0]
    for result in root.iter("UnitTestResult"):
        case = Element("testcase", name=result.get("testName", ""))
        case.set("classname", classes.get(result.get("testId"), ""))
        case.set("time", _seconds(result.get("duration", "")))
        outcome = result.get("outcome", "").lower()
        if outcome in _BAD:
            SubElement(case, _BAD[outcome])
        elif outcome != "passed":
            SubElement(case, "skipped", type=outcome)
        yield case


def announced(root: Element) -> int:
    """Bad tests in the totals."""
    totals = [counters.get(name, "") for counters in root.iter("Counters") for name in _BAD]
    return sum(int(total) for total in totals if re.fullmatch("[0-9]{1,9}", total))


def _seconds(duration: str) -> str:
    """`1.5`, of `00:00:01.5000000`; what is no duration stays, and is refused by who counts."""
    match = _TIME.fullmatch(duration)
    if not match:
        return duration
    days, hours, minutes, seconds = match.groups(default="0")
    whole = (int(days) * 24 + int(hours)) * 3600 + int(minutes) * 60
    return f"{whole + float(seconds):.7f}"
