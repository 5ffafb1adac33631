"""What a tool tells in SARIF 2.1.0: its results, and what it says that it has missed; pure.

Which results count, and as what, a repair and a look at security decide each for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from autoresearch_ci.measure.diagnostics.adapter import (
    ToolOutput,
    code_of,
    document,
    items,
    mapping,
    number_at,
    stopped,
    text_at,
)

_Rules = Sequence[list[dict[str, Any]]]
"""Those of the driver first, then those of each extension."""


@dataclass(frozen=True, kw_only=True)
class SarifResult:
    """One of them."""

    code: str
    """Of its rule."""
    path: str
    """Empty: it has no place."""
    line: int
    column: int
    end_line: int
    level: str
    """`error`, `warning`, `note`, `none`; empty: neither it nor its rule says so."""
    score: float | None
    """How bad it is for security, of ten; `None`: nobody says."""
    words: str
    is_suppressed: bool
    rule: Mapping[str, Any]
    """What the tool says of all results of this kind."""
    facts: Sequence[Mapping[str, Any]]
    """The `properties` of the result, and of its rule."""


def sarif_results(said: ToolOutput, tool: str) -> tuple[list[SarifResult], str]:
    """All that stand, and why these may not be all. Raises `Unusable`."""
    report = mapping(document(said, tool), f"what {tool} wrote")
    found: list[SarifResult] = []
    gaps: list[str] = []
    runs = items(report.get("runs"), "runs")
    for run in runs:
        about = mapping(run.get("tool"), "tool")
        driver = mapping(about.get("driver"), "driver")
        name = code_of(text_at(driver, "name")) or tool
        if run.get("results") is None:
            gaps.append(f"{name} wrote no results")
            continue
        parts = [driver, *items(about.get("extensions") or [], "extensions")]
        rules = [items(part.get("rules") or [], "rules") for part in parts]
        for result in items(run.get("results"), "results"):
            kind = text_at(result, "kind")
            if kind in ("", "fail", "open", "review") and result.get("baselineState") != "absent":
                found.append(_result(said, result, rules))
        gaps += _missed(said, name, run)
    if not runs:
        gaps.append(f"{tool} wrote no run")
    return found, stopped(said, tool, range(126)) or "; ".join(gaps[:3])


def _missed(said: ToolOutput, name: str, run: Mapping[str, Any]) -> Iterator[str]:
    """What a run says of its own gaps."""
    for invocation in items(run.get("invocations") or [], "invocations"):
        if invocation.get("executionSuccessful") is False:
            yield f"{name} says that it did not succeed"
        for kind in ("toolExecutionNotifications", "toolConfigurationNotifications"):
            for notice in items(invocation.get(kind) or [], kind):
                if text_at(notice, "level") == "error":
                    message = mapping(notice.get("message") or {}, "message")
                    yield f"{name}: {said.words(text_at(message, 'text'))[:300]}"


def _result(said: ToolOutput, result: Mapping[str, Any], rules: _Rules) -> SarifResult:
    rule = _rule(result, rules)
    usual = mapping(rule.get("defaultConfiguration") or {}, "defaultConfiguration")
    message = mapping(result.get("message") or {}, "message")
    facts = [mapping(holder.get("properties") or {}, "properties") for holder in (result, rule)]
    scores = (str(fact.get("security-severity")) for fact in facts)
    plain = (float(text) for text in scores if re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text))
    places = items(result.get("locations") or [], "locations")
    place = mapping((places or [{}])[0].get("physicalLocation") or {}, "physicalLocation")
    path = text_at(mapping(place.get("artifactLocation") or {}, "artifactLocation"), "uri")
    region = mapping(place.get("region") or {}, "region")
    return SarifResult(
        code=code_of(text_at(result, "ruleId") or text_at(rule, "id")),
        path=said.path(unquote(path)) if path else "",
        line=number_at(region, "startLine"),
        column=number_at(region, "startColumn"),
        end_line=number_at(region, "endLine"),
        level=text_at(result, "level") or text_at(usual, "level"),
        score=next(plain, None),
        words=said.words(text_at(message, "text") or text_at(message, "markdown")),
        is_suppressed=bool(result.get("suppressions")),
        rule=rule,
        facts=facts,
    )


def _rule(result: Mapping[str, Any], rules: _Rules) -> Mapping[str, Any]:
    """Of the driver's rules, or of those of the extension that is named."""
    told = mapping(result.get("rule") or {}, "rule")
    component = mapping(told.get("toolComponent") or {}, "toolComponent").get("index")
    known = _at(rules, component + 1 if isinstance(component, int) else 0) or []
    name = result.get("ruleId", told.get("id"))
    found: Mapping[str, Any] = _at(known, result.get("ruleIndex", told.get("index"))) or {}
    if found and name in (None, found.get("id")):
        return found
    every = (rule for part in rules for rule in part)
    return next((rule for rule in every if rule.get("id") == name), found)


def _at(values: Sequence[Any], index: object) -> Any:
    """What stands there; `None`: nothing."""
    inside = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(values)
    return values[index] if inside else None  # type: ignore[call-overload]
