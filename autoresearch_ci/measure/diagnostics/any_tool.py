"""Tools that no adapter knows: those that write SARIF, and those that print lines of a shape that
somebody describes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    Parser,
    ToolOutput,
    UnusableOutput,
    code_of,
    diagnosis,
    parser,
)
from autoresearch_ci.measure.diagnostics.sarif_results import SarifResult, sarif_results

# --- SARIF ----------------------------------------------------------------------------------------

_SEVERE = 7.0
"""Security severity from which on GitHub says `high`."""


@parser("the scanner")
def read_sarif(said: ToolOutput) -> Diagnosis:
    """Results that are not suppressed; a run that says it did not succeed is incomplete."""
    found, incomplete = sarif_results(said, "the scanner")
    problems = [_problem(r) for r in found if not r.is_suppressed and r.level != "none"]
    return diagnosis("sarif", problems, incomplete or said.untold("the scanner", problems))


def _problem(result: SarifResult) -> Problem:
    category = Category.LINT if result.level == "error" else Category.WARNING
    if (result.score or 0) >= _SEVERE:
        category = Category.CRITICAL
    return Problem(
        category=category,
        path=result.path,
        line=result.line,
        column=result.column,
        code=result.code,
        message=result.words,
    )


# --- Exit code and regular expression -------------------------------------------------------------

_GROUPS = {"path", "line", "column", "code", "message", "name"}


def by_pattern(tool: str, pattern: str, category: Category) -> Parser:
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
    def read(said: ToolOutput) -> Diagnosis:
        problems = list(_matches(said, compiled, category)) if pattern else []
        incomplete = said.stopped(tool, (0, 1) if pattern else _BY_ITSELF)
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


def _matches(said: ToolOutput, pattern: re.Pattern[str], category: Category) -> Iterator[Problem]:
    import regex

    timed = regex.compile(pattern.pattern)
    for line in said.text.splitlines():
        try:
            match = timed.search(line[:_LONGEST_LINE], timeout=1)
        except TimeoutError as error:
            raise UnusableOutput(f"the pattern takes too long on the line {line[:80]!r}") from error
        if match is None:
            continue
        found = {key: value or "" for key, value in match.groupdict().items()}
        yield said.problem(
            category,
            *(found.get(key) for key in ("path", "line", "column")),
            code=code_of(found.get("code", "")),
            message=found.get("message") or match[0],
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
