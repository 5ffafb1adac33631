"""Secrets that stand in files: detect-secrets and gitleaks. No answer of theirs is shown as it is:
a report must not carry the secret further than it already is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoresearch_ci.decide.severities import FIXED
from autoresearch_ci.decide.weaknesses import Confidence, Severity, Weakness
from autoresearch_ci.measure.diagnostics.adapter import (
    Said,
    code_of,
    document,
    items,
    mapping,
    number_at,
    stopped,
    text_at,
)
from autoresearch_ci.measure.scanners.scanner import Scan, Scanner, Task, all_at_once, parser, scan

_CWE = 798
_GUESSES: Mapping[str, Severity] = {
    "Base64 High Entropy String": Severity.LOW,
    "Hex High Entropy String": Severity.LOW,
    "Secret Keyword": Severity.MEDIUM,
    "Basic Auth Credentials": Severity.MEDIUM,
    "Public IP (ipv4)": Severity.INFO,
}
"""What detect-secrets infers from how a text looks, or from a name beside it."""
_FULL_OF_HASHES = re.compile(
    r"(?i)(?:^|[/.-])lock\.json$|\.(?:lock|sum|map|svg|css|resolved)$|(?:^|/)npm-shrinkwrap\.json$"
)
"""Files of which every line looks random: in those, only what has the form of a secret is looked
for."""
_FIX = "Take the secret back where it was issued, then read it from the environment."


_TYPES = re.compile(
    r"\.(?:cls|example|eyaml|go|java|js|m|php|pyi?|swift|tf|ya?ml|cs|c|cpp|cnf|conf|cfg|cf|ini"
    r"|properties|toml)$"
)
"""Names that tell detect-secrets how to read a file."""


def _called(path: str) -> str:
    """With an ending that says nothing: it leaves out `.css`, `.lock`, `.svg` and forty others,
    without a word, and no option keeps it from that."""
    return path if _TYPES.search(path) else f"{path}.as-text"


def _detect_secrets(task: Task) -> list[str]:
    filters = ["allowlist.is_line_allowlisted", "heuristic.is_swagger_file"]
    off = [
        word for name in filters for word in ("--disable-filter", f"detect_secrets.filters.{name}")
    ]
    if all(map(_is_full_of_hashes, task.files)):
        for plugin in ("Base64HighEntropyString", "HexHighEntropyString"):
            off += ["--disable-plugin", plugin]
    return [task.program, "scan", "--no-verify", *off, "--all-files", *task.files]


def _is_full_of_hashes(path: str) -> bool:
    return _FULL_OF_HASHES.search(path.removesuffix(".as-text")) is not None


def _apart(files: Sequence[str]) -> list[list[str]]:
    """Those that are full of hashes by themselves."""
    kinds = ([f for f in files if _is_full_of_hashes(f) is wanted] for wanted in (False, True))
    return [batch for kind in kinds if kind for batch in all_at_once(kind)]


@parser("detect-secrets")
def read_detect_secrets(said: Said) -> Scan:
    report = mapping(document(said, "detect-secrets"), "what detect-secrets wrote")
    results = mapping(report.get("results"), "results")
    found = [w for path, told in results.items() for w in _of_file(said, path, items(told, path))]
    return scan("detect-secrets", found, stopped(said, "detect-secrets", (0,)))


def _of_file(said: Said, path: str, told: list[dict[str, Any]]) -> Iterator[Weakness]:
    for secret in told:
        kind = code_of(text_at(secret, "type"))
        guessed = _GUESSES.get(kind)
        yield Weakness(
            rule=f"detect-secrets/{kind.lower().replace(' ', '-')}",
            path=said.path(path),
            line=number_at(secret, "line_number"),
            severity=guessed or FIXED["detect-secrets"],
            confidence=Confidence.LOW if guessed else Confidence.HIGH,
            title=f"looks like a secret in the code: {kind}",
            why="Whoever can read the repository, or a copy of it, has it.",
            fix=_FIX,
            cwe=_CWE,
            key=text_at(secret, "hashed_secret"),
            sources=("detect-secrets",),
        )


def _gitleaks(task: Task) -> list[str]:
    own = ["--no-banner", "--log-level", "error", "--ignore-gitleaks-allow", "--redact"]
    own += ["--config", task.settings, "--gitleaks-ignore-path", "/nothing"]
    return [task.program, "dir", *own, "--report-format", "json", "--report-path", "-", "."]


@parser("gitleaks")
def read_gitleaks(said: Said) -> Scan:
    """Of its JSON; it says `[]` when it is well."""
    found = [
        Weakness(
            rule=f"gitleaks/{code_of(text_at(leak, 'RuleID'))}",
            path=said.path(text_at(leak, "File")),
            line=number_at(leak, "StartLine"),
            end_line=number_at(leak, "EndLine"),
            severity=FIXED["gitleaks"],
            confidence=Confidence.HIGH,
            title=f"looks like a secret in the code: {said.words(text_at(leak, 'Description'))}",
            why="Whoever can read the repository, or a copy of it, has it.",
            fix=_FIX,
            cwe=_CWE,
            key=text_at(leak, "RuleID"),
            sources=("gitleaks",),
        )
        for leak in items(document(said, "gitleaks"), "what gitleaks wrote")
    ]
    incomplete = stopped(said, "gitleaks", (0, 1))
    if not incomplete and said.result.exit_code and not found:
        incomplete = f"gitleaks lists nothing, and yet: {said.result.reason}"
    return scan("gitleaks", found, incomplete)


WORDS_ONLY = ("detect-secrets", "gitleaks")
"""Look for what looks like a secret, in whatever language it stands."""

SCANNERS = (
    Scanner(
        name="detect-secrets",
        program="detect-secrets",
        takes=lambda subject: True,
        argv=_detect_secrets,
        parse=read_detect_secrets,
        called=_called,
        batches=_apart,
    ),
    Scanner(
        name="gitleaks",
        program="gitleaks",
        takes=lambda subject: not subject.path.endswith(".gitleaksignore"),
        argv=_gitleaks,
        parse=read_gitleaks,
        settings="[extend]\nuseDefault = true\n",
    ),
)
