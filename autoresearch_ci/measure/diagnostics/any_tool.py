"""Tools that no adapter knows: those that write SARIF, and those that print lines of a shape that
somebody describes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from autoresearch_ci.decide.failures import Category, Diagnosis, Problem
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    Parser,
    Said,
    Unusable,
    code_of,
    diagnosis,
    document,
    items,
    line_number,
    mapping,
    number_at,
    parser,
    stopped,
    text_at,
)

# --- SARIF ----------------------------------------------------------------------------------------

_SEVERE = 7.0
"""Security severity from which on GitHub says `high`."""
_LEVELS = {
    "error": Category.LINT,
    "warning": Category.WARNING,
    "note": Category.WARNING,
}


@parser("the scanner")
def read_sarif(said: Said) -> Diagnosis:
    """Results that are not suppressed; a run that says it did not succeed is incomplete."""
    report = mapping(document(said, "the scanner"), "what the scanner wrote")
    problems: list[Problem] = []
    gaps: list[str] = []
    runs = items(report.get("runs"), "runs")
    for run in runs:
        driver = mapping(mapping(run.get("tool"), "tool").get("driver"), "driver")
        rules = items(driver.get("rules") or [], "rules")
        if run.get("results") is None:
            gaps.append(f"{code_of(text_at(driver, 'name'))} wrote no results")
            continue
        for result in items(run.get("results"), "results"):
            if not result.get("suppressions") and result.get("baselineState") != "absent":
                problems += _result(said, result, rules)
        for invocation in items(run.get("invocations") or [], "invocations"):
            if invocation.get("executionSuccessful") is False:
                gaps.append(f"{code_of(text_at(driver, 'name'))} says that it did not succeed")
    if not runs:
        gaps.append("the scanner wrote no run")
    incomplete = stopped(said, "the scanner", range(126)) or "; ".join(gaps[:3])
    if not incomplete and said.result.exit_code and not problems:
        incomplete = f"the scanner lists nothing, and yet: {said.result.reason}"
    return diagnosis("sarif", problems, incomplete)


def _result(
    said: Said, result: Mapping[str, Any], rules: list[dict[str, Any]]
) -> Iterator[Problem]:
    if text_at(result, "kind") not in ("", "fail", "open", "review"):
        return
    rule = _rule(result, rules)
    level = text_at(result, "level") or text_at(
        mapping(rule.get("defaultConfiguration") or {}, "defaultConfiguration"), "level"
    )
    if level == "none":
        return
    category = _LEVELS.get(level, Category.WARNING)
    if _severity(rule) >= _SEVERE:
        category = Category.CRITICAL
    path, line, column = _place(said, result)
    yield Problem(
        category=category,
        path=path,
        line=line,
        column=column,
        code=code_of(text_at(result, "ruleId") or text_at(rule, "id")),
        message=said.words(text_at(mapping(result.get("message") or {}, "message"), "text")),
    )


def _rule(result: Mapping[str, Any], rules: list[dict[str, Any]]) -> Mapping[str, Any]:
    index, name = result.get("ruleIndex"), result.get("ruleId")
    if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(rules):
        return rules[index]
    return next((rule for rule in rules if rule.get("id") == name), {})


def _severity(rule: Mapping[str, Any]) -> float:
    properties = rule.get("properties")
    told = properties.get("security-severity") if isinstance(properties, dict) else None
    text = str(told)
    return float(text) if re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text) else 0.0


def _place(said: Said, result: Mapping[str, Any]) -> tuple[str, int, int]:
    locations = items(result.get("locations") or [], "locations")
    if not locations:
        return "", 0, 0
    physical = mapping(locations[0].get("physicalLocation") or {}, "physicalLocation")
    artifact = mapping(physical.get("artifactLocation") or {}, "artifactLocation")
    region = mapping(physical.get("region") or {}, "region")
    path = unquote(text_at(artifact, "uri"))
    return (
        said.path(path) if path else "",
        number_at(region, "startLine"),
        number_at(region, "startColumn"),
    )


# --- Exit code and regular expression -------------------------------------------------------------

_GROUPS = {"path", "line", "column", "code", "message", "name"}


def by_pattern(
    tool: str, pattern: str, category: Category, *, ended: Collection[int] = (0, 1)
) -> Parser:
    """A parser of lines: `pattern` has named groups, at least `message`, `path` or `name`.

    Without a match a failed command is incomplete: something is broken, and nobody knows what.
    An empty pattern takes the exit code alone: then the command is one failure, whatever code
    it ends with by itself (make's is 2). Raises `ValueError` for what is no such pattern.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    groups = set(compiled.groupindex)
    if unknown := groups - _GROUPS:
        raise ValueError(f"has a group that means nothing here: {min(unknown)}")
    if pattern and not groups & {"message", "path", "name"}:
        raise ValueError("has no group that is called message, path or name")

    @parser(tool)
    def read(said: Said) -> Diagnosis:
        problems = list(_matches(said, compiled, category)) if pattern else []
        incomplete = stopped(said, tool, ended if pattern else _BY_ITSELF)
        if said.result.exit_code and not incomplete and not problems:
            if pattern:
                incomplete = f"{tool} failed, and no line matches: {said.result.reason}"
            else:
                message = f"{said.result.command} fails"
                problems = [Problem(category=category, path="", message=message, name=tool)]
        return diagnosis(tool, problems, incomplete)

    return read


_BY_ITSELF = range(126)
_LONGEST_LINE = 2_000
"""Characters; bounds what somebody's expression can cost on a line."""


def _matches(said: Said, pattern: re.Pattern[str], category: Category) -> Iterator[Problem]:
    import regex

    timed = regex.compile(pattern.pattern)
    for line in said.text.splitlines():
        try:
            match = timed.search(line[:_LONGEST_LINE], timeout=1)
        except TimeoutError as error:
            raise Unusable(f"the pattern takes too long on the line {line[:80]!r}") from error
        if match is None:
            continue
        found = {key: value or "" for key, value in match.groupdict().items()}
        yield Problem(
            category=category,
            path=said.path(found["path"]) if found.get("path") else "",
            line=line_number(found.get("line")),
            column=line_number(found.get("column")),
            code=code_of(found.get("code", "")),
            message=said.words(found.get("message") or match[0]),
            name=code_of(found.get("name", "")),
        )


ADAPTERS = (
    Adapter(
        tool="sarif",
        parse=read_sarif,
        categories=(Category.CRITICAL, Category.LINT, Category.WARNING),
        levels=True,
    ),
)
