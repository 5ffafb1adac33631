"""What is said of workflows and actions: zizmor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autoresearch_ci.decide.security.agentic.workflow import is_action, is_workflow
from autoresearch_ci.decide.security.weakness import Weakness
from autoresearch_ci.measure.diagnostics.adapter import (
    ToolOutput,
    UnusableOutput,
    code_of,
    document,
    items,
    mapping,
    number_at,
    stopped,
    text_at,
    untold,
)
from autoresearch_ci.measure.scanners.scanner import (
    Scan,
    ScannedFile,
    Scanner,
    ScannerTask,
    confidence,
    parser,
    scan,
    severity,
)

_OTHERS = re.compile(r"(^|/)(\.github/dependabot\.ya?ml|\.pre-commit-(?:config|hooks)\.ya?ml)$")
_ENDED = (0, 11, 12, 13, 14)
"""Nothing, or how bad the worst is."""

CWES: Mapping[str, int] = {
    "adhoc-packages": 829,
    "anonymous-definition": 1059,
    "archived-uses": 1104,
    "artipacked": 522,
    "bot-conditions": 290,
    "cache-poisoning": 349,
    "dangerous-triggers": 829,
    "dependabot-cooldown": 1357,
    "dependabot-execution": 829,
    "excessive-permissions": 250,
    "forbidden-uses": 829,
    "github-env": 77,
    "github-app": 250,
    "hardcoded-container-credentials": 798,
    "impostor-commit": 494,
    "insecure-commands": 78,
    "insecure-url-scheme": 319,
    "known-vulnerable-actions": 1395,
    "overprovisioned-secrets": 200,
    "ref-confusion": 494,
    "ref-version-mismatch": 494,
    "secrets-inherit": 200,
    "secrets-outside-env": 200,
    "self-hosted-runner": 668,
    "stale-action-refs": 494,
    "template-injection": 94,
    "typosquat-uses": 829,
    "undocumented-permissions": 250,
    "unpinned-images": 829,
    "unpinned-tools": 829,
    "unpinned-uses": 829,
    "unredacted-secrets": 532,
    "unsound-condition": 697,
    "unsound-contains": 183,
    "unsound-ternary": 697,
    "use-trusted-publishing": 522,
}
"""By audit, what it is about; zizmor itself does not say."""


def _takes(subject: ScannedFile) -> bool:
    path = subject.path
    return is_workflow(path) or is_action(path) or bool(_OTHERS.search(path))


def _zizmor(task: ScannerTask) -> list[str]:
    # Without --strict-collection a file that it cannot read is left out with a warning.
    own = ["--offline", "--no-config", "--no-ignores", "--collect", "all", "--strict-collection"]
    return [task.program, *own, "--no-progress", "--quiet", "--format", "json", *task.files]


@parser("zizmor")
def read_zizmor(said: ToolOutput) -> Scan:
    if not said.document().strip():
        told = stopped(said, "zizmor", _ENDED) or "zizmor wrote nothing where it writes JSON"
        cause = re.search(r"(?m)^ +0: (.{1,300})$", said.stderr)
        raise UnusableOutput(f"zizmor: {said.words(cause[1])}" if cause else told)
    found = [_weakness(said, f) for f in items(document(said, "zizmor"), "what zizmor wrote")]
    return scan("zizmor", found, stopped(said, "zizmor", _ENDED) or untold(said, "zizmor", found))


def _weakness(said: ToolOutput, finding: Mapping[str, Any]) -> Weakness:
    how = mapping(finding.get("determinations"), "determinations")
    places = items(finding.get("locations"), "locations")
    symbols = [mapping(place.get("symbolic"), "symbolic") for place in places]
    first = next((n for n, s in enumerate(symbols) if s.get("kind") == "Primary"), 0)
    if not places:
        raise UnusableOutput("zizmor tells of a finding without a place")
    key = mapping(symbols[first].get("key"), "key")
    local = mapping(key.get("Local"), "Local")
    concrete = mapping(mapping(places[first].get("concrete"), "concrete").get("location"), "place")
    start, end = (mapping(concrete.get(f"{side}_point"), side) for side in ("start", "end"))
    last = number_at(end, "row") + (1 if number_at(end, "column") else 0)
    ident = code_of(text_at(finding, "ident"))
    note = said.words(text_at(symbols[first], "annotation"))
    return Weakness(
        rule=f"zizmor/{ident}",
        path=said.path(text_at(local, "verbatim_path")),
        line=number_at(start, "row") + 1,
        end_line=last,
        severity=severity("zizmor", text_at(how, "severity")),
        confidence=confidence(text_at(how, "confidence")),
        title=f"{said.words(text_at(finding, 'desc'))}: {note}",
        why=f"See {said.words(text_at(finding, 'url'))}",
        cwe=CWES.get(ident, 0),
        sources=("zizmor",),
    )


SCANNERS = (
    Scanner(
        name="zizmor",
        program="zizmor",
        takes=_takes,
        argv=_zizmor,
        parse=read_zizmor,
        alone=True,
    ),
)
