"""What TypeScript's compiler and eslint say. Tests of JavaScript are reported_suites.py's."""

from __future__ import annotations

import re

from autoresearch_ci.decide.failures.failure import Category, Diagnosis
from autoresearch_ci.measure.diagnostics.adapter import Adapter, ToolOutput, diagnosis, parser

# --- tsc ------------------------------------------------------------------------------------------

_TSC = re.compile(
    r"(?m)^(?:(?P<path>\S[^\n]{0,400}?)\((?P<line>\d+),(?P<column>\d+)\): )?"
    r"error (?P<code>TS\d{1,6}): (?P<message>[^\n]*(?:\n[ \t]+[^\n]*)*)"
)
_NOTHING_TO_LOOK_AT = ("TS18002", "TS18003")
_SETTINGS = re.compile(r"TS(5\d{3}|6\d{3}|18\d{3})")
_TSC_ENDED = (0, 1, 2)


@parser("tsc")
def read_tsc(said: ToolOutput) -> Diagnosis:
    problems, unusable = [], ""
    for match in _TSC.finditer(said.stdout):
        code = match["code"]
        if not match["path"] and _SETTINGS.fullmatch(code):
            unusable = f"tsc could not begin: {code}: {said.words(match['message'])[:200]}"
            if code in _NOTHING_TO_LOOK_AT:
                continue
        # 1000 to 1999 are the parser's own, of which a few speak of settings.
        syntax = len(code) == 6 and code.startswith("TS1")
        category = Category.BUILD if syntax or not match["path"] else Category.TYPE
        problems.append(said.problem_in(match, category, code))
    incomplete = said.stopped("tsc", _TSC_ENDED) or unusable
    incomplete = incomplete or said.untold("tsc", problems, "lists no error")
    return diagnosis("tsc", problems, incomplete)


# --- eslint ---------------------------------------------------------------------------------------

_WARNING, _ERROR = 1, 2
_ESLINT_ENDED = (0, 1)
_UNDEFINED = ("no-undef", "no-const-assign", "no-obj-calls", "no-dupe-keys")


@parser("eslint")
def read_eslint(said: ToolOutput) -> Diagnosis:
    files = said.json_objects("eslint")
    problems = []
    for file in files:
        for item in file.objects("messages"):
            rule, severity = item.code("ruleId"), item.get("severity")
            category = Category.LINT if severity == _ERROR else Category.WARNING
            if item.get("fatal") is True:
                category, rule = Category.BUILD, "syntax"
            elif rule in _UNDEFINED and severity == _ERROR:
                category = Category.CRITICAL
            where = (file.text("filePath"), item.number("line"), item.number("column"))
            problems.append(said.problem(category, *where, code=rule, message=item.text("message")))
    incomplete = said.stopped("eslint", _ESLINT_ENDED)
    if not incomplete and not files:
        incomplete = "eslint looked at no file"
    incomplete = incomplete or said.untold("eslint", problems)
    announced = sum(file.number("errorCount") for file in files)
    errors = sum(problem.category is not Category.WARNING for problem in problems)
    if not incomplete and announced > errors:
        incomplete = "eslint announces more errors than it lists"
    return diagnosis("eslint", problems, incomplete)


ADAPTERS = (
    Adapter(
        tool="tsc",
        parse=read_tsc,
        command="npx --no-install tsc --noEmit --pretty false",
        categories=(Category.BUILD, Category.TYPE),
        writes="--pretty false",
    ),
    Adapter(
        tool="eslint",
        parse=read_eslint,
        command="npx --no-install eslint --format json --output-file {report} .",
        categories=(Category.BUILD, Category.CRITICAL, Category.LINT, Category.WARNING),
        writes="--format json --output-file {report}",
    ),
)
