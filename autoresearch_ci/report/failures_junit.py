"""Failures as a JUnit report: a suite a target, a case a failure, for whatever shows such files.

What does not block is reported as skipped, so that a reader is red exactly when the gate is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch_ci.decide.failures.failure import Failure
from autoresearch_ci.decide.gates import Judged, Ruling
from autoresearch_ci.report.fix_report import LISTED, WORDS, GateReport, headline
from autoresearch_ci.safety.characters import replaced

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def failures_junit(report: GateReport) -> bytes:
    """The document, in UTF-8."""
    from xml.etree.ElementTree import Element, tostring

    verdict = report.verdict
    root = Element("testsuites", name="autoresearch-ci fix")
    passed = verdict.ruling is Ruling.PASS
    by_target: dict[str, list[Judged[Failure]]] = {name: [] for name in report.commands}
    for judged in verdict.items[:LISTED]:
        by_target.setdefault(judged.target, []).append(judged)
    for name, items in by_target.items():
        suite = _suite(root, name)
        for judged in items:
            _case(suite, judged, report.named(judged.age))
        for told, tag in ((verdict.unseen, "error"), (verdict.lost, "failure")):
            if name in told:
                _told(suite, name, "skipped" if passed else tag, told[name])
        if not len(suite):
            _case_element(suite, name, "nothing is broken")
        _count(suite)
    gate = _suite(root, "gate")
    _told(gate, "gate", "" if passed else "failure", verdict.reason)
    _count(gate)
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _suite(root: Element, name: str) -> Element:
    from xml.etree.ElementTree import SubElement

    return SubElement(root, "testsuite", name=_xml(name))


def _case_element(suite: Element, group: str, name: str) -> Element:
    from xml.etree.ElementTree import SubElement

    return SubElement(suite, "testcase", classname=_xml(group), name=_xml(name), time="0")


def _case(suite: Element, judged: Judged[Failure], age: str) -> None:
    from xml.etree.ElementTree import SubElement

    failure = judged.item
    case = _case_element(suite, judged.target, failure.id)
    if failure.path:
        case.set("file", _xml(failure.path))
        case.set("line", str(failure.line))
    tag = "failure" if judged.blocks else "skipped"
    kind = f"{age}, {failure.category}"
    words = f"{kind}: {headline(judged)}"
    told = SubElement(case, tag, message=_xml(words), type=_xml(age))
    told.text = _xml("\n".join(filter(None, (failure.message[:WORDS], judged.note))))


def _told(suite: Element, group: str, tag: str, text: str) -> None:
    from xml.etree.ElementTree import SubElement

    case = _case_element(suite, group, "looked at to the end, and nothing is lost")
    if tag:
        SubElement(case, tag, message=_xml(text), type=tag)


def _count(suite: Element) -> None:
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite)))


def _xml(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return replaced(text, lambda char: " ")
