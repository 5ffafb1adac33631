"""What formatters say that only look: a failure is a file that would be written anew."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    ToolOutput,
    diagnosis,
    parser,
)

_UNFORMATTED = re.compile(
    r"(?m)^(?:unformatted: [^\n]{0,200}\n *--> (?P<path>[^\n]{1,400}?):[0-9]{1,9}:[0-9]{1,9}$"
    r"|(?P<short>[^\n:]{1,400}):[0-9]{1,9}:[0-9]{1,9}: unformatted: [^\n]{0,200}$"
    r"|[Ww]ould reformat:? (?P<plain>[^\n]{1,400})$)"
)
"""Of ruff since 0.15, also where its settings ask for `concise`, then of black and older ruffs."""
_PLACE, _LINE = r"(?P<path>[^\n]{1,400}?)", r"(?P<line>[0-9]{1,9})"
_WHY, _COLUMN = r"(?P<message>[^\n]{0,400})", r":[0-9]{1,9}"
_UNPARSED = [
    re.compile(rf"(?m)^{pattern}")
    for pattern in (
        rf"invalid-syntax: {_WHY}\n *--> {_PLACE}:{_LINE}{_COLUMN}$",
        rf"error: Failed to parse {_PLACE}:{_LINE}{_COLUMN}: {_WHY}",
        rf"error: cannot parse: {_PLACE}:{_LINE}{_COLUMN}$(?P<message>)",
        rf"error: cannot format {_PLACE}: Cannot parse[^\n]{{0,80}}?: {_LINE}{_COLUMN}: {_WHY}",
    )
]
"""Of ruff since 0.15 and before, then of black since 26 and before."""
_COUNT = re.compile(r"(?m)^(?P<count>[0-9]{1,9}) files? would be reformatted")
_WELL = re.compile(
    r"(?m)^(?:[0-9]{1,9} files? (?:would be reformatted|already formatted|would be left unchanged)"
    r"|[0-9]{1,9} files? would fail to reformat)"
)


@parser("ruff format")
def read_ruff_format(said: ToolOutput) -> Diagnosis:
    return _read(said, "ruff format", (0, 1, 2))


@parser("black")
def read_black(said: ToolOutput) -> Diagnosis:
    return _read(said, "black", (0, 1, 123))


def _read(said: ToolOutput, tool: str, ended: Sequence[int]) -> Diagnosis:
    text = f"{said.stdout}\n{said.stderr}"
    anew = [
        match["path"] or match["short"] or match["plain"] for match in _UNFORMATTED.finditer(text)
    ]
    problems = [
        said.problem(Category.LINT, path, message=f"{tool} would reformat it") for path in anew
    ]
    broken = [_unparsed(said, match) for each in _UNPARSED for match in each.finditer(text)]
    incomplete = said.stopped(tool, ended)
    if not incomplete and said.result.exit_code == ended[-1] and not broken:
        incomplete = f"{tool} failed: {said.result.reason}"
    if not incomplete and not _WELL.search(text) and not broken:
        incomplete = f"{tool} did not say how many files it has looked at"
    if not incomplete and (told := _COUNT.search(text)) and int(told["count"]) != len(anew):
        incomplete = f"{tool} announces other files than it lists"
    incomplete = incomplete or said.untold(tool, [*problems, *broken])
    return diagnosis(tool, [*broken, *problems], incomplete)


def _unparsed(said: ToolOutput, match: re.Match[str]) -> Problem:
    why = match["message"] or "cannot be parsed"
    return said.problem(Category.BUILD, match["path"], match["line"], message=why, code="syntax")


_TOLD = (Category.BUILD, Category.LINT)
ADAPTERS = (
    Adapter(
        tool="ruff format",
        parse=read_ruff_format,
        command="ruff format --check --no-cache .",
        categories=_TOLD,
        writes="--check --no-cache",
    ),
    Adapter(
        tool="black",
        parse=read_black,
        command="black --check .",
        categories=_TOLD,
        writes="--check",
    ),
)
