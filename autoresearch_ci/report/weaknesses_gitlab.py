"""Weaknesses for GitLab: its SAST report, and Code Quality for those who have no licence for that.

https://docs.gitlab.com/development/integrations/secure/ and its published schemas.
"""

from __future__ import annotations

import uuid
from typing import Any

import autoresearch_ci
from autoresearch_ci.decide.gates import Judged, Ruling
from autoresearch_ci.decide.security.weakness import Severity, Weakness
from autoresearch_ci.report.gate_pieces import inside
from autoresearch_ci.report.security_report import LISTED, WORDS, SecurityReport
from autoresearch_ci.safety.characters import without_hidden
from autoresearch_ci.safety.wording import shortened

SCHEMA = "15.2.4"
_SPACE = uuid.UUID("9f1e3a7c-2f0b-5c0e-8a51-0c8b7c1d6f10")
_SEVERITIES = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
    Severity.INFO: "Info",
}
_QUALITY = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
    Severity.INFO: "info",
}


def sast(report: SecurityReport, started: str, ended: str) -> dict[str, Any]:
    """The report; times as `2026-11-30T12:00:00`. GitLab compares two branches by itself."""
    tool = {
        "id": "autoresearch-ci",
        "name": "autoresearch-ci security",
        "version": autoresearch_ci.__version__,
        "vendor": {"name": "autoresearch-ci"},
    }
    verdict = report.verdict
    return {
        "version": SCHEMA,
        "scan": {
            "type": "sast",
            "status": "failure" if verdict.ruling is Ruling.INCOMPLETE else "success",
            "start_time": started,
            "end_time": ended,
            "analyzer": tool,
            "scanner": tool,
            "messages": [{"level": "warn", "value": _words(text)} for text in verdict.missed[:100]],
        },
        "vulnerabilities": [_vulnerability(j) for j in report.open[:LISTED]],
    }


def _vulnerability(judged: Judged[Weakness]) -> dict[str, Any]:
    item = judged.item
    found: dict[str, Any] = {
        "id": str(uuid.uuid5(_SPACE, item.fingerprint)),
        "name": _words(item.title)[:255],
        "description": _words(item.why or item.title),
        "severity": _SEVERITIES[item.severity],
        "location": {"file": inside(item.path) or ".", "start_line": max(1, item.line)},
        "identifiers": _identifiers(item),
    }
    if item.end_line > item.line > 0:
        found["location"]["end_line"] = item.end_line
    if item.fix:
        found["solution"] = _words(item.fix)
    return found


def _identifiers(item: Weakness) -> list[dict[str, str]]:
    """The first is the one by which GitLab tells weaknesses apart."""
    found = [
        {
            "type": "autoresearch_ci_rule",
            "name": _words(item.rule)[:255],
            "value": f"{_words(item.rule)[:200]}:{item.fingerprint}",
        }
    ]
    if item.cwe:
        number = str(item.cwe)
        url = f"https://cwe.mitre.org/data/definitions/{number}.html"
        found.append({"type": "cwe", "name": f"CWE-{number}", "value": number, "url": url})
    return found


def code_quality(report: SecurityReport) -> list[dict[str, Any]]:
    """https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format"""
    return [
        {
            "description": shortened(_words(judged.item.title), WORDS),
            "check_name": judged.item.rule,
            "fingerprint": judged.item.fingerprint,
            "severity": _QUALITY[judged.item.severity],
            "location": {
                "path": inside(judged.item.path) or ".",
                "lines": {"begin": max(1, judged.item.line)},
            },
        }
        for judged in report.open[:LISTED]
    ]


def _words(text: str) -> str:
    return without_hidden(text)[:WORDS].strip() or "(no words)"
