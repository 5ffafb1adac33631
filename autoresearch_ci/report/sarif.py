"""Weaknesses and failures as SARIF 2.1.0, within what GitHub's code scanning takes in.

https://docs.github.com/code-security/reference/code-scanning/sarif-files/sarif-support
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote

import autoresearch_ci
from autoresearch_ci.decide.failures.failure import Failure
from autoresearch_ci.decide.gates import Age, Judged, Ruling
from autoresearch_ci.decide.security.severities import TYPICAL
from autoresearch_ci.decide.security.weakness import MODEL, Severity, Weakness
from autoresearch_ci.report.fix_report import WORDS, GateReport, fingerprint, rule
from autoresearch_ci.report.gate_pieces import inside
from autoresearch_ci.report.security_report import SecurityReport
from autoresearch_ci.safety.characters import without_hidden
from autoresearch_ci.safety.log_text import json_text

RESULTS = 5_000
"""Of a run, as many as are shown; more than 25,000 would have the file refused."""
BYTES = 10_000_000
"""Compressed, more is refused."""
_NOTIFICATIONS = 1_000
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


def weaknesses_sarif(report: SecurityReport) -> dict[str, Any]:
    """The log, worst first; where it would be too large it lacks the mildest, and says so."""
    results = RESULTS
    log = _log(report, results)
    while results > 1 and len(gzip.compress(json_text(log).encode(), 6)) > BYTES:
        results //= 2
        log = _log(report, results)
    return log


def _log(report: SecurityReport, most: int) -> dict[str, Any]:
    everything = _told(report)
    items = everything[:most]
    rules: dict[str, Weakness] = {}
    for judged in items:
        rules.setdefault(_name(judged.item.rule, "weakness"), judged.item)
    at = {name: number for number, name in enumerate(rules)}
    results = [_result(judged, at[_name(judged.item.rule, "weakness")]) for judged in items]
    told = [*report.verdict.missed]
    if left := len(everything) - len(items):
        told.append(f"{left} weaknesses, the mildest, are left out here; weaknesses.json has them")
    return _document(
        "security",
        [_rule(name, item) for name, item in rules.items()],
        results,
        _invocation(report.verdict.ruling, report.exit_code, told[:_NOTIFICATIONS]),
    )


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


def _result(judged: Judged[Weakness], number: int) -> dict[str, Any]:
    item = judged.item
    more = f" ({judged.note})" if judged.note else ""
    last = max(item.line, item.end_line)
    found: dict[str, Any] = {
        "ruleId": _name(item.rule, "weakness"),
        "ruleIndex": number,
        "level": _LEVELS[item.severity],
        "message": {"text": _words(f"{item.title}{more}")},
        "locations": [{"physicalLocation": _location(item.path, item.line, last)}],
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


def _steps(item: Weakness) -> list[dict[str, Any]]:
    """From where it comes in to where it does harm, in the order in which that was quoted."""
    return [
        {
            "location": {
                "physicalLocation": {
                    "artifactLocation": _artifact(piece.path),
                    "region": {"startLine": max(1, piece.line)},
                },
                "message": {"text": _words(piece.text)},
            }
        }
        for piece in item.evidence[:_STEPS]
    ]


# --- Failures -------------------------------------------------------------------------------------

_AGES = {Age.NEW: "new", Age.OLD: "unchanged", Age.FLAKY: "unchanged"}


def failures_sarif(report: GateReport) -> dict[str, Any]:
    """The log: one run of ours, a rule for each rule of each tool."""
    verdict = report.verdict
    items = verdict.items[:RESULTS]
    rules = list(dict.fromkeys(_broken_rule(judged) for judged in items))
    at = {name: number for number, name in enumerate(rules)}
    told = [*verdict.missed, *verdict.gone]
    if (more := len(verdict.items) - RESULTS) > 0:
        told.append(f"{more} failures are left out here; failures.json has them")
    return _document(
        "fix",
        [{"id": name, "shortDescription": {"text": name}} for name in rules],
        [_failure(judged, at[_broken_rule(judged)]) for judged in items],
        _invocation(verdict.ruling, verdict.exit_code, told),
    )


def _failure(judged: Judged[Failure], number: int) -> dict[str, Any]:
    failure, key = judged.item, fingerprint(judged)
    more = f" ({judged.note})" if judged.note else ""
    found: dict[str, Any] = {
        "ruleId": _broken_rule(judged),
        "ruleIndex": number,
        "level": level(judged),
        "message": {"text": _words(f"{failure.message or failure.id}{more}")},
        "locations": [{"physicalLocation": _location(failure.path, failure.line)}],
        # The first is the one by which GitHub tells that two runs speak of the same thing.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{key[:16]}:1",
            "autoresearchFailure/v1": key,
        },
        "properties": {
            "age": str(judged.age),
            "category": str(failure.category),
            "target": judged.target,
            "id": _words(failure.id),
        },
    }
    if judged.age in _AGES:
        found["baselineState"] = _AGES[judged.age]
    return found


def level(judged: Judged[Failure]) -> Literal["error", "warning", "note"]:
    """How loud: what blocks, what the base does not have, and the rest."""
    if judged.blocks:
        return "error"
    return "warning" if judged.age in (Age.NEW, Age.UNKNOWN, Age.HIDDEN) else "note"


def _broken_rule(judged: Judged[Failure]) -> str:
    return _name(rule(judged.item), "failure")


# --- The form -------------------------------------------------------------------------------------


def _document(
    command: str,
    rules: Sequence[dict[str, Any]],
    results: Sequence[dict[str, Any]],
    invocation: dict[str, Any],
) -> dict[str, Any]:
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": f"autoresearch-ci {command}",
                        "version": autoresearch_ci.__version__,
                        "rules": rules,
                    }
                },
                "automationDetails": {"id": f"autoresearch-ci/{command}/"},
                "invocations": [invocation],
                "columnKind": "utf16CodeUnits",
                "results": results,
            }
        ],
    }


def _invocation(ruling: Ruling, exit_code: int, told: Sequence[str]) -> dict[str, Any]:
    return {
        "executionSuccessful": ruling is not Ruling.INCOMPLETE,
        "exitCode": exit_code,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": _words(text)}} for text in told
        ],
    }


def _location(path: str, line: int, end_line: int = 0) -> dict[str, Any]:
    # A result must be somewhere, and what is of no file is of the repository.
    found: dict[str, Any] = {"artifactLocation": _artifact(path)}
    if line > 0 and inside(path):
        found["region"] = {"startLine": line}
        if end_line:
            found["region"]["endLine"] = end_line
    return found


def _artifact(path: str) -> dict[str, str]:
    return {"uri": quote(inside(path) or ".", errors="replace")}


def _name(rule: str, otherwise: str) -> str:
    return without_hidden(rule)[:_NAME] or otherwise


def _words(text: str) -> str:
    return without_hidden(text)[:WORDS].strip() or "(no words)"
