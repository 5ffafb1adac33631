"""How bad a tool's word is: one table, the same that docs/security.md shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from autoresearch_ci.decide.security.weakness import Severity

_PLAIN = {str(severity): severity for severity in Severity}

WORDS: Mapping[str, Mapping[str, Severity]] = {
    "bandit": {
        "high": Severity.HIGH,
        "medium": Severity.MEDIUM,
        "low": Severity.LOW,
        "undefined": Severity.INFO,
    },
    "zizmor": {
        "high": Severity.HIGH,
        "medium": Severity.MEDIUM,
        "low": Severity.LOW,
        "informational": Severity.INFO,
        "unknown": Severity.INFO,
    },
    "npm audit": {**_PLAIN, "moderate": Severity.MEDIUM},
    "semgrep": {
        **_PLAIN,
        "error": Severity.HIGH,
        "warning": Severity.MEDIUM,
        "inventory": Severity.INFO,
        "experiment": Severity.INFO,
    },
    "sarif": {
        "error": Severity.HIGH,
        "warning": Severity.MEDIUM,
        "note": Severity.LOW,
        "none": Severity.INFO,
    },
    "osv-scanner": {**_PLAIN, "moderate": Severity.MEDIUM},
}
"""By tool, its words in small letters. A SARIF result with a score goes by the score."""

OF_SHELL: Mapping[str, tuple[Severity, int]] = {
    **dict.fromkeys(("SC2091", "SC2156", "SC2294"), (Severity.MEDIUM, 78)),
    "SC2115": (Severity.MEDIUM, 73),
    **dict.fromkeys(("SC2029", "SC2064", "SC2087", "SC2089", "SC2090"), (Severity.LOW, 78)),
    **dict.fromkeys(("SC2046", "SC2048", "SC2068", "SC2086"), (Severity.INFO, 88)),
    "SC2059": (Severity.LOW, 134),
    **dict.fromkeys(("DL3002", "DL3004"), (Severity.MEDIUM, 250)),
    **dict.fromkeys(("DL3006", "DL3007"), (Severity.LOW, 1357)),
}
"""Rules of ShellCheck and hadolint that are about security, each with its CWE."""

FIXED: Mapping[str, Severity] = {
    "detect-secrets": Severity.HIGH,
    "gitleaks": Severity.HIGH,
    "pip-audit": Severity.HIGH,
}
"""Of tools that do not say how bad it is."""

SCORES = (
    (9.0, Severity.CRITICAL),
    (7.0, Severity.HIGH),
    (4.0, Severity.MEDIUM),
    (0.1, Severity.LOW),
)
"""CVSS, and `security-severity` in SARIF: from that score on. The bounds are those of CVSS 3 and of
GitHub."""
TYPICAL: Mapping[Severity, float] = {
    Severity.CRITICAL: 9.5,
    Severity.HIGH: 8.0,
    Severity.MEDIUM: 5.5,
    Severity.LOW: 2.0,
    Severity.INFO: 0.0,
}
"""The score that is told where a format asks for a number."""


def by_word(tool: str, word: str) -> Severity | None:
    """`None`: the tool has no such word, as far as is known here."""
    return WORDS[tool].get(word.lower())


def by_score(score: float) -> Severity:
    """Of 0 to 10."""
    return next((severity for least, severity in SCORES if score >= least), Severity.INFO)
