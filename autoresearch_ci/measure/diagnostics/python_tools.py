"""What Python's own tools say: its compiler, ruff, mypy and pyright."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from autoresearch_ci.decide.failures.failure import MACHINE, Category, Diagnosis, Problem
from autoresearch_ci.measure.diagnostics.adapter import Adapter, ToolOutput, diagnosis, parser

_ENDED = (0, 1)

# --- Python itself --------------------------------------------------------------------------------

_OTHERS = r"/(node_modules|vendor|third_party|site-packages|\.?venv|\.tox|\.nox|fixtures|testdata)/"
"""Folders of code that others wrote, often for another Python, or that is broken on purpose."""
_COMPILED = re.compile(r"(?m)^\*\*\* Error compiling '(?P<path>[^'\n]{1,400})'\.\.\.$")
_FILE_LINE = re.compile(r'File "[^"\n]{1,400}", line (\d+)')
_RAISED = re.compile(r"(?m)^\s*\*{0,3} ?(?:Sorry: )?((?:\w+Error|ValueError): .*)$")
_NO_FAULT = re.compile(r"(?:OS|Permission|FileNotFound|Memory|IO|Blocking\w*)Error: \[Errno \d+\]")
"""Of the text, that is: it could not be read, or what was made of it not be written."""


@parser("compileall")
def read_compileall(said: ToolOutput) -> Diagnosis:
    problems = []
    marks = list(_COMPILED.finditer(said.stdout))
    for mark, after in itertools.zip_longest(marks, marks[1:]):
        told = said.stdout[mark.end() : after.start() if after else None]
        line, raised = _FILE_LINE.search(told), _RAISED.search(told)
        code = MACHINE if raised and _NO_FAULT.match(raised[1]) else "syntax"
        where = (mark["path"], line[1] if line else 0)
        message = raised[1] if raised else told
        problems.append(said.problem(Category.BUILD, *where, code=code, message=message))
    incomplete = said.stopped("Python's compiler", _ENDED)
    incomplete = incomplete or said.untold("Python's compiler", problems, "names no file")
    return diagnosis("python", problems, incomplete)


# --- ruff -----------------------------------------------------------------------------------------

_UNDEFINED = ("F821", "F822", "F823")
_PARSING = ("", "E999", "E902", "invalid-syntax")


@parser("ruff")
def read_ruff(said: ToolOutput) -> Diagnosis:
    problems = []
    for item in said.json_objects("ruff"):
        code = item.code("code")
        place = item.mapping("location", optional=True)
        category = Category.CRITICAL if code in _UNDEFINED else Category.LINT
        if code in _PARSING:
            category, code = Category.BUILD, "syntax"
        where = (item.text("filename"), place.number("row"), place.number("column"))
        problems.append(said.problem(category, *where, code=code, message=item.text("message")))
    incomplete = said.stopped("ruff", _ENDED)
    if not incomplete and "No Python files found" in said.stderr:
        incomplete = "ruff found no Python file"
    return diagnosis("ruff", problems, incomplete or said.untold("ruff", problems))


# --- mypy -----------------------------------------------------------------------------------------

_MYPY = re.compile(
    r"(?m)^(?P<path>[^\s:][^:\n]{0,400}):(?:(?P<line>\d+):)?(?:(?P<column>\d+):)?"
    r" (?P<severity>error|note|warning): (?P<message>[^\n]*?)(?:  \[(?P<code>[\w-]+)\])?\s*$"
)
_SUMMARY = re.compile(
    r"(?m)^(Success: no issues found in \d+ source|Found \d+ errors? in \d+ file)"
)
_MYPY_ENDED = (0, 1, 2)


@parser("mypy")
def read_mypy(said: ToolOutput) -> Diagnosis:
    """Its lines of JSON, of text, or both: old versions tell of what blocks them in text only."""
    problems = [
        *_mypy_json(said),
        *(
            said.problem_in(found, _of_mypy(found["code"] or ""), found["code"])
            for found in _MYPY.finditer(said.stdout)
            if found["severity"] != "note"
        ),
    ]
    incomplete = said.stopped("mypy", _MYPY_ENDED)
    if not incomplete and (said.result.exit_code == 2 or "prevented further checking" in said.text):
        # Of a file that it cannot parse it speaks, and of nothing else; or it was not started.
        incomplete = "mypy stopped at what it could not read" if problems else said.result.reason
    incomplete = incomplete or said.untold("mypy", problems, "lists no error")
    # With JSON it says nothing when all is well; with text it always says a last word.
    silent = not said.stdout.strip() and _ASKED_FOR_JSON.search(said.result.command)
    json = said.stdout.startswith("{") or silent
    if not incomplete and not json and not _SUMMARY.search(said.text):
        incomplete = "mypy did not say how many files it has checked"
    return diagnosis("mypy", problems, incomplete)


_ASKED_FOR_JSON = re.compile(r"(--output|-O)[ =]?json\b")


def _mypy_json(said: ToolOutput) -> Iterator[Problem]:
    for item in said.json_lines("mypy"):
        if item.text("severity") != "note":
            where = (item.text("file"), item.number("line"), item.number("column"))
            code, message = item.code("code"), item.text("message")
            yield said.problem(_of_mypy(code), *where, code=code, message=message)


def _of_mypy(code: str) -> Category:
    if code == "syntax":
        return Category.BUILD
    return Category.CRITICAL if code in ("name-defined", "used-before-def") else Category.TYPE


# --- pyright --------------------------------------------------------------------------------------

_PYRIGHT = {"error": Category.TYPE, "warning": Category.WARNING}


@parser("pyright")
def read_pyright(said: ToolOutput) -> Diagnosis:
    report = said.json_object("pyright")
    problems = []
    for item in report.objects("generalDiagnostics"):
        category = _PYRIGHT.get(item.text("severity"))
        if category is None:
            continue
        rule = item.code("rule")
        if category is Category.TYPE and not rule:
            category, rule = Category.BUILD, "syntax"
        elif rule == "reportUndefinedVariable":
            category = Category.CRITICAL
        start = item.mapping("range", optional=True).mapping("start", optional=True)
        line = start.number("line") + 1 if start else 0
        where = (item.text("file") or item.text("uri"), line, start.number("character"))
        problems.append(said.problem(category, *where, code=rule, message=item.text("message")))
    summary = report.mapping("summary")
    incomplete = said.stopped("pyright", _ENDED)
    if not incomplete and summary.number("filesAnalyzed") == 0:
        incomplete = "pyright looked at no file"
    errors = sum(problem.category is not Category.WARNING for problem in problems)
    if not incomplete and summary.number("errorCount") > errors:
        incomplete = "pyright announces more errors than it lists"
    incomplete = incomplete or said.untold("pyright", errors, "lists no error")
    return diagnosis("pyright", problems, incomplete)


ADAPTERS = (
    Adapter(
        tool="python",
        parse=read_compileall,
        # Nothing is written into the tree: the cache is another folder's.
        command=f"PYTHONPYCACHEPREFIX=\"$(mktemp -d)\" python -m compileall -q -x '{_OTHERS}' .",
        categories=(Category.BUILD,),
    ),
    Adapter(
        tool="ruff",
        parse=read_ruff,
        command="ruff check --no-fix --no-cache --output-format json --output-file {report} .",
        categories=(Category.BUILD, Category.CRITICAL, Category.LINT),
        writes="--no-fix --no-cache --output-format json --output-file {report}",
    ),
    Adapter(
        tool="mypy",
        parse=read_mypy,
        command="mypy --no-pretty --show-error-codes --show-column-numbers --no-color-output .",
        categories=(Category.BUILD, Category.CRITICAL, Category.TYPE),
        writes="--no-pretty --show-error-codes --show-column-numbers --no-color-output",
    ),
    Adapter(
        tool="pyright",
        parse=read_pyright,
        command="pyright --outputjson",
        categories=(Category.BUILD, Category.CRITICAL, Category.TYPE, Category.WARNING),
        writes="--outputjson",
    ),
)
