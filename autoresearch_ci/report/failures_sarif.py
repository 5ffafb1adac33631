"""Failures as SARIF 2.1.0, within what GitHub's code scanning takes in.

https://docs.github.com/code-security/reference/code-scanning/sarif-files/sarif-support
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import autoresearch_ci
from autoresearch_ci.decide.failures import Failure
from autoresearch_ci.decide.gates import Age, Judged, Ruling
from autoresearch_ci.report.gate_pieces import inside
from autoresearch_ci.report.gate_report import WORDS, GateReport, fingerprint, rule
from autoresearch_ci.safety.characters import without_hidden

RESULTS = 5_000
"""Of a run, as many as are shown; more than 25,000 would have the file refused."""
_NAME = 200
_AGES = {Age.NEW: "new", Age.OLD: "unchanged", Age.FLAKY: "unchanged"}


def failures_sarif(report: GateReport) -> dict[str, Any]:
    """The log: one run of ours, a rule for each rule of each tool."""
    items = report.verdict.items[:RESULTS]
    rules = list(dict.fromkeys(_rule_id(judged) for judged in items))
    at = {name: number for number, name in enumerate(rules)}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "autoresearch-ci fix",
                        "version": autoresearch_ci.__version__,
                        "rules": [{"id": r, "shortDescription": {"text": r}} for r in rules],
                    }
                },
                "automationDetails": {"id": "autoresearch-ci/fix/"},
                "invocations": [_invocation(report)],
                "columnKind": "utf16CodeUnits",
                "results": [_result(judged, at[_rule_id(judged)]) for judged in items],
            }
        ],
    }


def _invocation(report: GateReport) -> dict[str, Any]:
    verdict = report.verdict
    told = [*verdict.missed, *verdict.gone]
    if (more := len(verdict.items) - RESULTS) > 0:
        told.append(f"{more} failures are left out here; failures.json has them")
    return {
        "executionSuccessful": verdict.ruling is not Ruling.INCOMPLETE,
        "exitCode": verdict.exit_code,
        "toolExecutionNotifications": _notifications(told),
    }


def _notifications(told: Sequence[str]) -> list[dict[str, Any]]:
    return [{"level": "error", "message": {"text": _words(text)}} for text in told]


def _result(judged: Judged[Failure], number: int) -> dict[str, Any]:
    failure, key = judged.item, fingerprint(judged)
    more = f" ({judged.note})" if judged.note else ""
    found: dict[str, Any] = {
        "ruleId": _rule_id(judged),
        "ruleIndex": number,
        "level": level(judged),
        "message": {"text": _words(f"{failure.message or failure.id}{more}")},
        "locations": [{"physicalLocation": _location(failure)}],
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


def level(judged: Judged[Failure]) -> str:
    """How loud: what blocks, what the base does not have, and the rest."""
    if judged.blocks:
        return "error"
    return "warning" if judged.age in (Age.NEW, Age.UNKNOWN, Age.HIDDEN) else "note"


def _location(failure: Failure) -> dict[str, Any]:
    # A result must be somewhere, and what is of no file is of the repository.
    found: dict[str, Any] = {
        "artifactLocation": {"uri": quote(inside(failure.path) or ".", errors="replace")}
    }
    if failure.line > 0 and inside(failure.path):
        found["region"] = {"startLine": failure.line}
    return found


def _rule_id(judged: Judged[Failure]) -> str:
    return without_hidden(rule(judged.item))[:_NAME] or "failure"


def _words(text: str) -> str:
    return without_hidden(text)[:WORDS].strip() or "(no words)"
