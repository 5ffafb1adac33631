"""Weaknesses as SARIF 2.1.0, within what GitHub's code scanning takes in.

https://docs.github.com/code-security/reference/code-scanning/sarif-files/sarif-support
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import autoresearch_ci
from autoresearch_ci.decide.gates import Age, Judged, Ruling
from autoresearch_ci.decide.severities import TYPICAL
from autoresearch_ci.decide.weaknesses import MODEL, Severity, Weakness
from autoresearch_ci.report.gate_pieces import inside
from autoresearch_ci.report.security_report import WORDS, SecurityReport
from autoresearch_ci.safety.characters import without_hidden
from autoresearch_ci.safety.log_text import json_text

RESULTS = 5_000
"""Of a run, as many as are shown; more than 25,000 would have the file refused."""
BYTES = 10_000_000
"""Compressed, more is refused."""
_TAGS = 10
"""Of a rule, that are kept."""
_NAME = 200
_STEPS = 20
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}


def weaknesses_sarif(report: SecurityReport, results: int = RESULTS) -> dict[str, Any]:
    """The log, worst first; where it would be too large it lacks the mildest, and says so."""
    log = _log(report, results)
    while results > 1 and len(gzip.compress(json_text(log).encode(), 6)) > BYTES:
        results //= 2
        log = _log(report, results)
    return log


def _log(report: SecurityReport, results: int) -> dict[str, Any]:
    told = _told(report)
    items = told[:results]
    rules: dict[str, Weakness] = {}
    for judged in items:
        rules.setdefault(_rule_id(judged.item), judged.item)
    at = {name: number for number, name in enumerate(rules)}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "autoresearch-ci security",
                        "version": autoresearch_ci.__version__,
                        "rules": [_rule(name, item) for name, item in rules.items()],
                    }
                },
                "automationDetails": {"id": "autoresearch-ci/security/"},
                "invocations": [_invocation(report, len(told) - len(items))],
                "columnKind": "utf16CodeUnits",
                "results": [_result(judged, at[_rule_id(judged.item)]) for judged in items],
            }
        ],
    }


def _told(report: SecurityReport) -> list[Judged[Weakness]]:
    """The worst first. What only a model says, and code or another request does not bear out, would
    be an alert of something that is not there."""
    told = (
        judged
        for judged in report.verdict.items
        if judged.item.sources != (MODEL,) or judged.item.status in ("open", "accepted")
    )
    return sorted(told, key=lambda judged: judged.item.severity.rank)


def _rule(name: str, item: Weakness) -> dict[str, Any]:
    tags = ["security", *item.owasp.split()]
    if item.cwe:
        tags.append(f"external/cwe/cwe-{item.cwe:03d}")
    found: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": _words(item.title)},
        "defaultConfiguration": {"level": _LEVELS[item.severity]},
        "properties": {
            "tags": tags[:_TAGS],
            "security-severity": f"{TYPICAL[item.severity]:.1f}",
        },
    }
    if item.why or item.fix:
        found["help"] = {"text": _words(f"{item.why}\n{item.fix}")}
    return found


def _invocation(report: SecurityReport, left: int) -> dict[str, Any]:
    verdict = report.verdict
    told = [*verdict.missed]
    if left:
        told.append(f"{left} weaknesses, the mildest, are left out here; weaknesses.json has them")
    return {
        "executionSuccessful": verdict.ruling is not Ruling.INCOMPLETE,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": _notifications(told),
    }


def _notifications(told: Sequence[str]) -> list[dict[str, Any]]:
    return [{"level": "error", "message": {"text": _words(text)}} for text in told[:1000]]


def _result(judged: Judged[Weakness], number: int) -> dict[str, Any]:
    item = judged.item
    more = f" ({judged.note})" if judged.note else ""
    found: dict[str, Any] = {
        "ruleId": _rule_id(item),
        "ruleIndex": number,
        "level": _LEVELS[item.severity],
        "message": {"text": _words(f"{item.title}{more}")},
        "locations": [{"physicalLocation": _location(item)}],
        # The first is the one by which GitHub tells that two runs speak of the same thing.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{item.fingerprint}:1",
            "autoresearchWeakness/v1": item.fingerprint,
        },
        "properties": {
            "age": str(judged.age),
            "blocks": judged.blocks,
            "sources": list(item.sources),
            "confidence": str(item.confidence),
            "stride": item.stride,
            "security-severity": f"{TYPICAL[item.severity]:.1f}",
        },
    }
    if judged.age in (Age.NEW, Age.OLD):
        found["baselineState"] = "new" if judged.age is Age.NEW else "unchanged"
    # What several scanners mark of one place is no way.
    if MODEL in item.sources and len({(piece.path, piece.line) for piece in item.evidence}) > 1:
        found["codeFlows"] = [{"threadFlows": [{"locations": _steps(item)}]}]
    if item.status != "open":
        kind = "inSource" if judged.note.startswith("comment") else "external"
        found["suppressions"] = [{"kind": kind, "justification": _words(judged.note)}]
    return found


def _location(item: Weakness) -> dict[str, Any]:
    # A result must be somewhere, and what is of no file is of the repository.
    found: dict[str, Any] = {
        "artifactLocation": {"uri": quote(inside(item.path) or ".", errors="replace")}
    }
    if item.line > 0 and inside(item.path):
        found["region"] = {"startLine": item.line, "endLine": max(item.line, item.end_line)}
    return found


def _steps(item: Weakness) -> list[dict[str, Any]]:
    """From where it comes in to where it does harm, in the order in which that was quoted."""
    return [
        {
            "location": {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(inside(piece.path) or ".", errors="replace")},
                    "region": {"startLine": max(1, piece.line)},
                },
                "message": {"text": _words(piece.text)},
            }
        }
        for piece in item.evidence[:_STEPS]
    ]


def _rule_id(item: Weakness) -> str:
    return without_hidden(item.rule)[:_NAME] or "weakness"


def _words(text: str) -> str:
    return without_hidden(text)[:WORDS].strip() or "(no words)"
