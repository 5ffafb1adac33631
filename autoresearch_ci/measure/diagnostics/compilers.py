"""What compilers print that know no machine-readable form: gcc, clang and their linkers; javac,
alone and within Maven and Gradle."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    ToolOutput,
    diagnosis,
    line_number,
    parser,
)
from autoresearch_ci.measure.diagnostics.reported_suites import read_junit

# --- C and C++ ------------------------------------------------------------------------------------

_C = re.compile(
    r"(?m)^(?P<path>[^\s:][^:\n]{0,400}):(?P<line>\d+):(?:(?P<column>\d+):)? "
    r"(?P<level>fatal error|error|warning): (?P<message>[^\n]*?)(?: \[(?P<code>-W[^\]\n]+)\])?$"
)
_LINKER = re.compile(
    r"(?m)^(?:(?P<path>[^\s:][^:\n]{0,400}\.\w{1,4}):[^\n]{0,200}?)?(?P<message>"
    r"undefined reference to [^\n]+|multiple definition of [^\n;]+"
    r"|(?:\S*ld\S*: )(?:error: )?(?:undefined symbol|duplicate symbol|cannot find"
    r"|library not found)[^\n]*)$"
)
_MISSING = re.compile(r"No such file or directory$|file not found$|module '.*' not found")
_PARSE = re.compile(
    r"\bexpected\b|\bstray\b|unterminated|missing terminating|extraneous|^parse error"
)
_TOO_MANY = re.compile(r"too many errors emitted|compilation terminated due to -fmax-errors")
_MAKE = re.compile(r"(?m)^(?:g?make(?:\[\d+\])?|ninja): (?:\*\*\* )?(No rule to make [^\n]+)")
_C_ENDED = range(1, 126)


@parser("the compiler")
def read_c(said: ToolOutput) -> Diagnosis:
    problems = [*_c_problems(said), *_link_problems(said)]
    built = any(problem.category is Category.BUILD for problem in problems)
    incomplete = said.stopped("the build", (0, *_C_ENDED))
    incomplete = incomplete or said.untold("the build", built, "names no error")
    if not incomplete and (found := _MAKE.search(said.text)):
        incomplete = f"the build did not get everywhere: {said.words(found[1])[:200]}"
    if not incomplete and _TOO_MANY.search(said.text):
        incomplete = "the compiler stopped after too many errors"
    return diagnosis("gcc", problems, incomplete)


def _c_problems(said: ToolOutput) -> Iterator[Problem]:
    for match in _C.finditer(said.text):
        message, warning = match["message"], match["level"] == "warning"
        code = match["code"] or ""
        if not warning and not code:
            code = "syntax" if _PARSE.search(message) else ""
            code = "import" if _MISSING.search(message) else code
        yield said.problem_in(match, Category.WARNING if warning else Category.BUILD, code)


def _link_problems(said: ToolOutput) -> Iterator[Problem]:
    for match in _LINKER.finditer(said.text):
        path = match["path"] or ""
        source = path if re.search(r"\.(c|cc|cpp|cxx|m|mm|f90)$", path) else ""
        words = re.sub(r"^\S*ld\S*: (error: )?", "", match["message"])
        yield said.problem(Category.BUILD, source, code="link", message=words)


# --- Java -----------------------------------------------------------------------------------------

_JAVAC = re.compile(
    r"(?m)^(?P<path>[^\s:\[][^:\n]{0,400}\.(?:java|kt|groovy|scala)):(?P<line>\d+): "
    r"(?P<level>error|warning): (?:\[(?P<code>[\w-]+)\] )?(?P<message>[^\n]*)"
    r"(?P<more>(?:\n(?!\S+\.(?:java|kt):\d+:|\d+ (?:error|warning)|\S+: )[^\n]*){0,8})"
)
_SYMBOL = re.compile(r"^(?:\[ERROR\])? {1,8}symbol: +(\S[^\n]*)$", re.MULTILINE)
_TOTAL = re.compile(r"(?m)^(\d{1,6}) errors?$")
_LIMITED = re.compile(r"(?m)^only showing the first ")
_GLOBAL = re.compile(r"(?m)^error: ([^\n]+)$")
_OF_MAKE = 2
"""For any code of what it started; javac ends so where it says itself why it could not begin."""
_JAVA_PARSE = re.compile(
    r"expected$|^illegal start|reached end of file|unclosed|^not a statement|orphaned|without 'if'"
)
_JAVA_NAMES = re.compile(r"cannot find symbol|does not exist|cannot access|not found")
_JAVA_FLOW = re.compile(
    r"might (?:not|already) have been|missing return|unreachable|unreported exception"
    r"|effectively final"
)


def _java_problem(
    said: ToolOutput, path: str, line: str, level: str, message: str, more: str, code: str = ""
) -> Problem:
    warning = level.lower().startswith("warn")
    if not warning:
        kinds = ((_JAVA_PARSE, "syntax"), (_JAVA_NAMES, "import"), (_JAVA_FLOW, "flow"))
        code = next((word for pattern, word in kinds if pattern.search(message)), "")
    if symbol := _SYMBOL.search(more):
        message = f"{message}: {symbol[1].strip()}"
    category = Category.WARNING if warning else Category.BUILD
    return said.problem(category, path, line, code=code, message=message)


def _javac_problems(said: ToolOutput) -> list[Problem]:
    return [
        _java_problem(
            said, m["path"], m["line"], m["level"], m["message"], m["more"], m["code"] or ""
        )
        for m in _JAVAC.finditer(said.text)
    ]


@parser("javac")
def read_javac(said: ToolOutput) -> Diagnosis:
    problems = _javac_problems(said)
    errors = sum(problem.category is Category.BUILD for problem in problems)
    incomplete = said.stopped("javac", (0, 1, _OF_MAKE))
    if not incomplete and (found := _GLOBAL.search(said.text)):
        incomplete = f"javac could not begin: {said.words(found[1])[:200]}"
    incomplete = incomplete or said.untold("javac", errors, "names no error")
    totals = [line_number(total[1]) for total in _TOTAL.finditer(said.text)]
    if not incomplete and (_LIMITED.search(said.text) or sum(totals) > errors):
        incomplete = "javac announces more errors than it lists"
    return diagnosis("javac", problems, incomplete)


# --- Maven and Gradle -----------------------------------------------------------------------------

_MAVEN = re.compile(
    r"(?m)^\[(?P<level>ERROR|WARNING)\] "
    r"(?P<path>/?[^\s:\[][^:\n\[]{0,400}\.(?:java|kt|groovy|scala)):"
    r"\[(?P<line>\d+)(?:,\d+)?\] (?:error: )?(?P<message>[^\n]*)"
    r"(?P<more>(?:\n(?:\[ERROR\])? {2,8}(?:symbol|location):[^\n]*){0,2})"
)
_KOTLIN = re.compile(
    r"(?m)^(?P<level>[ew]): (?:file://)?(?P<path>/?[^\s:][^:\n]{0,400}\.kts?):"
    r" ?\(?(?P<line>\d+)[:,] ?\d+\)?:? (?P<message>[^\n]*)"
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def _with_suite(said: ToolOutput, tool: str, problems: list[Problem], ended: str) -> Diagnosis:
    """The compiler's problems and the tests' reports; `ended` matches the tool's last word."""
    text = _COLOURS.sub("", said.text)
    incomplete = said.stopped(tool, (0, 1))
    if not incomplete and not re.search(ended, text):
        incomplete = f"{tool} did not say how it ended"
    own = diagnosis(tool, dict.fromkeys(problems))
    built = any(failure.category is Category.BUILD for failure in own.failures)
    tests = read_junit(said) if said.report is not None else None
    failures = own.failures + (tests.failures if tests else ())
    if not incomplete and said.result.exit_code and not built and not (tests and tests.failures):
        first = re.search(r"(?m)^(?:\[ERROR\] |\* What went wrong:\n)(\S[^\n]*)", text)
        why = said.words(first[1])[:300] if first else said.result.reason
        incomplete = f"{tool} names no error, and yet: {why}"
    if not incomplete and tests and tests.incomplete and not built:
        incomplete = tests.incomplete
    suite = tests.suite if tests else None
    return Diagnosis(failures=failures, incomplete=incomplete, suite=suite)


@parser("maven")
def read_maven(said: ToolOutput) -> Diagnosis:
    text = _COLOURS.sub("", said.text)
    problems = [
        _java_problem(said, m["path"], m["line"], m["level"], m["message"], m["more"])
        for m in _MAVEN.finditer(text)
    ]
    return _with_suite(said, "maven", problems, r"BUILD (SUCCESS|FAILURE)")


@parser("gradle")
def read_gradle(said: ToolOutput) -> Diagnosis:
    text = _COLOURS.sub("", said.text)
    levels = {"e": "error", "w": "warning"}
    kotlin = [
        _java_problem(said, m["path"], m["line"], levels[m["level"]], m["message"], "")
        for m in _KOTLIN.finditer(text)
    ]
    return _with_suite(
        said, "gradle", [*_javac_problems(said), *kotlin], r"BUILD (SUCCESSFUL|FAILED)"
    )


_TOLD = (Category.BUILD, Category.WARNING)
ADAPTERS = (
    # What an earlier build has left is built again: who skips it, skips its warnings.
    Adapter(tool="gcc", parse=read_c, command="make -k -B", categories=_TOLD),
    Adapter(tool="javac", parse=read_javac, command="make -k -B", categories=_TOLD),
    Adapter(
        tool="maven",
        parse=read_maven,
        command="mvn -B -fae test",
        reports="**/target/surefire-reports/TEST-*.xml",
        categories=(Category.BUILD, Category.TEST, Category.WARNING),
        writes="-B -fae",
    ),
    Adapter(
        tool="gradle",
        parse=read_gradle,
        command="./gradlew --console=plain --continue --rerun-tasks check",
        reports="**/build/test-results/**/TEST-*.xml",
        categories=(Category.BUILD, Category.TEST, Category.WARNING),
        writes="--console=plain --continue",
    ),
)
