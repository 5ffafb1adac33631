"""What is said of workflows and actions: zizmor."""

from __future__ import annotations

import re
from collections.abc import Mapping

from autoresearch_ci.decide.security.agentic.workflow import is_action, is_workflow
from autoresearch_ci.decide.security.weakness import Weakness
from autoresearch_ci.measure.diagnostics.adapter import JsonObject, ToolOutput, UnusableOutput
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
        told = said.stopped("zizmor", _ENDED) or "zizmor wrote nothing where it writes JSON"
        cause = re.search(r"(?m)^ +0: (.{1,300})$", said.stderr)
        raise UnusableOutput(f"zizmor: {said.words(cause[1])}" if cause else told)
    found = [_weakness(said, f) for f in said.json_objects("zizmor")]
    return scan("zizmor", found, said.stopped("zizmor", _ENDED) or said.untold("zizmor", found))


def _weakness(said: ToolOutput, finding: JsonObject) -> Weakness:
    how = finding.mapping("determinations")
    places = finding.objects("locations")
    symbols = [place.mapping("symbolic") for place in places]
    first = next((n for n, s in enumerate(symbols) if s.get("kind") == "Primary"), 0)
    if not places:
        raise UnusableOutput("zizmor tells of a finding without a place")
    key = symbols[first].mapping("key")
    local = key.mapping("Local")
    concrete = places[first].mapping("concrete").mapping("location")
    start, end = (concrete.mapping(f"{side}_point") for side in ("start", "end"))
    last = end.number("row") + (1 if end.number("column") else 0)
    ident = finding.code("ident")
    note = said.words(symbols[first].text("annotation"))
    return Weakness(
        rule=f"zizmor/{ident}",
        path=said.path(local.text("verbatim_path")),
        line=start.number("row") + 1,
        end_line=last,
        severity=severity("zizmor", how.text("severity")),
        confidence=confidence(how.text("confidence")),
        title=f"{said.words(finding.text('desc'))}: {note}",
        why=f"See {said.words(finding.text('url'))}",
        cwe=CWES.get(ident, 0),
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
