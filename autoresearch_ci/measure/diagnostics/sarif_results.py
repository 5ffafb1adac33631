"""What a tool tells in SARIF 2.1.0: its results, and what it says that it has missed; pure.

Which results count, and as what, a repair and a look at security decide each for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from autoresearch_ci.measure.diagnostics.adapter import JsonObject, ToolOutput, code_of

_Rules = Sequence[list[JsonObject]]
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
    rule: JsonObject
    """What the tool says of all results of this kind."""
    facts: Sequence[JsonObject]
    """The `properties` of the result, and of its rule."""


def sarif_results(said: ToolOutput, tool: str) -> tuple[list[SarifResult], str]:
    """All that stand, and why these may not be all. Raises `Unusable`."""
    report = said.json_object(tool)
    found: list[SarifResult] = []
    gaps: list[str] = []
    runs = report.objects("runs")
    for run in runs:
        about = run.mapping("tool")
        driver = about.mapping("driver")
        name = driver.code("name") or tool
        if run.get("results") is None:
            gaps.append(f"{name} wrote no results")
            continue
        parts = [driver, *about.objects("extensions", optional=True)]
        rules = [part.objects("rules", optional=True) for part in parts]
        for result in run.objects("results"):
            kind = result.text("kind")
            if kind in ("", "fail", "open", "review") and result.get("baselineState") != "absent":
                found.append(_result(said, result, rules))
        gaps += _missed(said, name, run)
    if not runs:
        gaps.append(f"{tool} wrote no run")
    return found, said.stopped(tool, range(126)) or "; ".join(gaps[:3])


def _missed(said: ToolOutput, name: str, run: JsonObject) -> Iterator[str]:
    """What a run says of its own gaps."""
    for invocation in run.objects("invocations", optional=True):
        if invocation.get("executionSuccessful") is False:
            yield f"{name} says that it did not succeed"
        for kind in ("toolExecutionNotifications", "toolConfigurationNotifications"):
            for notice in invocation.objects(kind, optional=True):
                if notice.text("level") == "error":
                    message = notice.mapping("message", optional=True)
                    yield f"{name}: {said.words(message.text('text'))[:300]}"


def _result(said: ToolOutput, result: JsonObject, rules: _Rules) -> SarifResult:
    rule = _rule(result, rules)
    usual = rule.mapping("defaultConfiguration", optional=True)
    message = result.mapping("message", optional=True)
    facts = [holder.mapping("properties", optional=True) for holder in (result, rule)]
    scores = (str(fact.get("security-severity")) for fact in facts)
    plain = (float(text) for text in scores if re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text))
    places = result.objects("locations", optional=True) or [JsonObject()]
    place = places[0].mapping("physicalLocation", optional=True)
    path = place.mapping("artifactLocation", optional=True).text("uri")
    region = place.mapping("region", optional=True)
    return SarifResult(
        code=code_of(result.text("ruleId") or rule.text("id")),
        path=said.path(unquote(path)) if path else "",
        line=region.number("startLine"),
        column=region.number("startColumn"),
        end_line=region.number("endLine"),
        level=result.text("level") or usual.text("level"),
        score=next(plain, None),
        words=said.words(message.text("text") or message.text("markdown")),
        is_suppressed=bool(result.get("suppressions")),
        rule=rule,
        facts=facts,
    )


def _rule(result: JsonObject, rules: _Rules) -> JsonObject:
    """Of the driver's rules, or of those of the extension that is named."""
    told = result.mapping("rule", optional=True)
    component = told.mapping("toolComponent", optional=True).get("index")
    known = _at(rules, component + 1 if isinstance(component, int) else 0) or []
    name = result.get("ruleId", told.get("id"))
    found: JsonObject = _at(known, result.get("ruleIndex", told.get("index"))) or JsonObject()
    if found and name in (None, found.get("id")):
        return found
    every = (rule for part in rules for rule in part)
    return next((rule for rule in every if rule.get("id") == name), found)


def _at(values: Sequence[Any], index: object) -> Any:
    """What stands there; `None`: nothing."""
    inside = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(values)
    return values[index] if inside else None  # type: ignore[call-overload]
