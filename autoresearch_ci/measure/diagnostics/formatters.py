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


# --- Of other languages ---------------------------------------------------------------------------

_LEFT_OUT = re.compile(r"(^|/)(vendor|testdata|node_modules|_[^/]*)/")
"""What Go itself leaves out."""
_OF_GOFMT = re.compile(rf"(?m)^{_PLACE}:{_LINE}{_COLUMN}: {_WHY}$")
_OF_RUSTFMT = re.compile(rf"(?m)^error: {_WHY}\n *--> {_PLACE}:{_LINE}{_COLUMN}$")
_OF_PRETTIER = re.compile(rf"(?m)^\[error\] {_PLACE}: SyntaxError: {_WHY} \({_LINE}{_COLUMN}\)$")
_WARNED = re.compile(r"(?m)^\[warn\] (?!Code style issues)([^\n]{1,400}\.[\w-]{1,20})$")
_COUNTED = re.compile(
    r"(?m)^(?:\[(?:warn|error)\] )?"
    r"(?P<what>Code style issues found|Error occurred when checking code style)"
    r" in (?:the above|(?P<count>[0-9]{1,9})) file"
)
_ALL_WELL = "All matched files use Prettier code style"


def _listed(said: ToolOutput, tool: str, anew: list[str], broken: list[Problem]) -> list[Problem]:
    told = (said.problem(Category.LINT, path, message=f"{tool} would reformat it") for path in anew)
    return [*broken, *told]


@parser("gofmt")
def read_gofmt(said: ToolOutput) -> Diagnosis:
    """Of `-l`: a name a line, and 0 whatever it lists."""
    anew = [path for path in said.stdout.splitlines() if path and not _LEFT_OUT.search(path)]
    errors = [*_OF_GOFMT.finditer(said.stderr)]
    broken = [_unparsed(said, match) for match in errors if not _LEFT_OUT.search(match["path"])]
    incomplete = said.stopped("gofmt", (0, 1, 2) if errors else (0, 1))
    incomplete = incomplete or said.untold("gofmt", said.stdout.strip() or errors)
    return diagnosis("gofmt", _listed(said, "gofmt", anew, broken), incomplete)


@parser("cargo fmt")
def read_cargo_fmt(said: ToolOutput) -> Diagnosis:
    """Of `--check -l`: a name a line."""
    broken = [_unparsed(said, match) for match in _OF_RUSTFMT.finditer(said.stderr)]
    problems = _listed(said, "cargo fmt", [*filter(None, said.stdout.splitlines())], broken)
    incomplete = said.stopped("cargo fmt", (0, 1))
    return diagnosis("cargo fmt", problems, incomplete or said.untold("cargo fmt", problems))


@parser("prettier")
def read_prettier(said: ToolOutput) -> Diagnosis:
    """Of `--check`."""
    text = f"{said.stdout}\n{said.stderr}"
    broken = [_unparsed(said, match) for match in _OF_PRETTIER.finditer(text)]
    anew, counted = _WARNED.findall(text), _COUNTED.search(text)
    incomplete = said.stopped("prettier", (0, 1, 2) if broken else (0, 1))
    incomplete = incomplete or said.untold("prettier", [*broken, *anew])
    if not incomplete and not counted and _ALL_WELL not in text:
        incomplete = "prettier did not say that it has looked at anything"
    if not incomplete and counted:
        listed = anew if counted["what"].startswith("Code") else broken
        if int(counted["count"] or 1) != len(listed):
            incomplete = "prettier announces other files than it lists"
    return diagnosis("prettier", _listed(said, "prettier", anew, broken), incomplete)


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
    Adapter(
        tool="gofmt",
        parse=read_gofmt,
        command="gofmt -l .",
        categories=_TOLD,
        levels=True,
        writes="-l",
    ),
    Adapter(
        tool="cargo fmt",
        parse=read_cargo_fmt,
        command="cargo fmt -- --check -l",
        categories=_TOLD,
        writes="-- --check -l",
    ),
    Adapter(
        tool="prettier",
        parse=read_prettier,
        command="npx --no-install prettier --check .",
        categories=_TOLD,
        writes="--check",
    ),
)
