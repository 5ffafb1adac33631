"""What test runners report: JUnit XML (pytest's and anybody's), and the JSON of jest and vitest.

How each test ended is for xml_reports.py to say, so that a repair is held to the same standards as
any other change. A module that cannot be imported is no test: it is a failure of its own, and its
tests could not be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.measure.diagnostics.adapter import (
    MESSAGE_LIMIT,
    Adapter,
    JsonObject,
    ToolOutput,
    UnusableOutput,
    diagnosis,
    line_number,
    mapping,
    objects,
    parser,
)
from autoresearch_ci.measure.number.xml_reports import junit_attempts
from autoresearch_ci.safety.untrusted_values import MetricError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_BAD = ("failed", "error")
_ENDED = (0, 1)
_INTERRUPTED = 2
_USAGE = 4


# --- JUnit ----------------------------------------------------------------------------------------


def _suite(said: ToolOutput, tool: str) -> tuple[list[Problem], SuiteResult]:
    """What went wrong, and how each test ended. Raises `UnusableOutput`."""
    if said.report is None:
        raise UnusableOutput(f"{tool} wrote no report")
    details: dict[str, tuple[Element, bool]] = {}
    try:
        suite, attempts = junit_attempts(said.report, "the report")
    except MetricError as error:
        raise UnusableOutput(str(error)) from error
    for attempt in attempts:
        if attempt.end in _BAD:
            details.setdefault(attempt.test, (attempt.case, _is_collection(attempt.case)))
    problems, outcomes = [], {}
    for told, end in suite.of.items():
        test = said.words(told)
        found = details.get(re.sub(r" #[0-9]+$", "", told)) if end in _BAD else None
        if found is None:
            outcomes[test] = end
            continue
        case, collection = found
        problems.append(_problem(said, case, "" if collection else test))
        if not collection:
            outcomes[test] = end
    again = frozenset(map(said.words, suite.reran))
    return problems, replace(suite, of=outcomes, reran=again)


def _is_collection(case: Element) -> bool:
    """Whether pytest says that it could not import a module, or node names a file and no test."""
    named = re.fullmatch(r"/.*\.[cm]?[jt]sx?", case.get("name", ""))
    return bool(named) or any(child.get("message") == "collection failure" for child in case)


def _problem(said: ToolOutput, case: Element, test: str) -> Problem:
    told = next((child for child in case if child.tag in ("failure", "error")), case)
    trace = "\n".join(filter(None, (told.text, told.tail or "")))[:20_000]
    path = said.path(case.get("file", "")) if case.get("file") else ""
    line = line_number(case.get("line")) + bool(case.get("line"))  # pytest counts from 0
    # pytest names files from the folder of its settings, which may be above the one it runs in.
    above = replace(said, folder="").path(case.get("file", "")) if path else ""
    for match in _FRAME.finditer(trace):
        where, number = _place(said, match)
        if where in (path, above) or (not path and not where.startswith("/")):
            path, line = where, number
    message = told.get("message") or trace
    if not test:
        name = case.get("name") or ""
        module = name.removesuffix(".py").replace(".", "/")
        path = path or (said.path(name) if name.startswith("/") else f"{module}.py")
        message = _raised(trace) or message
    elif message.rstrip().endswith(": DocTestFailure"):
        message = _of_doctest(message)
    return Problem(
        category=Category.TEST if test else Category.BUILD,
        path=path,
        line=line,
        code=told.get("type", "")[:200] if test else "collection",
        message=said.words(message),
        name=test or _unloadable(path),
    )


def _of_doctest(message: str) -> str:
    """With what is wrong first: pytest begins with the lines of the file above it."""
    example, _, ended = message[-MESSAGE_LIMIT:].rpartition("\nExpected")
    wanted, _, got = ended.partition("\nGot")
    asked = (example.rpartition(">>> ")[2].splitlines() or [""])[0]
    told = [" ".join(text.strip(": \n").split("\n")[0].split()) for text in (wanted, got)]
    return (
        f"{asked}: expected {told[0]}, got {told[1]}\n{message}" if asked and all(told) else message
    )


def _unloadable(path: str) -> str:
    """What a file that cannot be loaded is called, whatever keeps it from being."""
    return f"{path} (loading)"


_FRAME = re.compile(
    r'(?m)^\s*(?:File "(?P<python>[^"\n]{1,300})", line (?P<a>\d+)|'
    r'(?P<plain>[^\s:"]{1,300}):(?P<b>\d+):)'
    r"|\((?:file://)?(?P<node>/[^\s():]{1,300}):(?P<c>\d+):\d+\)"
)


def _place(said: ToolOutput, frame: re.Match[str]) -> tuple[str, int]:
    where = said.path(frame["python"] or frame["plain"] or frame["node"])
    return where, line_number(frame["a"] or frame["b"] or frame["c"])


def _raised(trace: str) -> str:
    """The line of a trace that says what was raised."""
    lines = [line[1:].strip() for line in trace.splitlines() if line.startswith("E  ")]
    return lines[-1] if lines else ""


@parser("the test run")
def read_junit(said: ToolOutput) -> Diagnosis:
    problems, suite = _suite(said, "the test run")
    incomplete = said.stopped("the test run", range(126))
    incomplete = incomplete or said.untold("its report", problems, "lists no failure")
    return diagnosis("junit", problems, incomplete, suite)


@parser("pytest")
def read_pytest(said: ToolOutput) -> Diagnosis:
    code = said.result.exit_code
    if code == _USAGE and (found := _CONFTEST.search(said.text)):
        problem = _unloaded(said, found)
        return diagnosis("pytest", [problem], "pytest could not load its conftest")
    problems, suite = _suite(said, "pytest")
    if code in (1, _INTERRUPTED) and not suite.of and problems:
        return diagnosis("pytest", problems, "no test ran, as modules could not be imported", suite)
    incomplete = said.stopped("pytest", _ENDED)
    incomplete = incomplete or said.untold("the report", problems, "lists no failure")
    return diagnosis("pytest", problems, incomplete, suite)


_CONFTEST = re.compile(r"(?:ImportError|Error) while loading conftest '([^'\n]{1,400})'")


def _unloaded(said: ToolOutput, found: re.Match[str]) -> Problem:
    path, rest = said.path(found[1]), said.text[found.end() : found.end() + 20_000]
    lines = [
        line for where, line in (_place(said, m) for m in _FRAME.finditer(rest)) if where == path
    ]
    return Problem(
        category=Category.BUILD,
        path=path,
        line=lines[-1] if lines else 0,
        code="collection",
        message=said.words(_raised(rest) or "cannot be loaded"),
        name=_unloadable(path),
    )


# --- jest and vitest ------------------------------------------------------------------------------

_ENDS = {
    "passed": "passed",
    "failed": "failed",
    **dict.fromkeys(("pending", "skipped", "todo", "focused"), "skipped"),
    "disabled": "disabled",
}


def _json_reader(tool: str) -> Any:
    @parser(tool)
    def read(said: ToolOutput) -> Diagnosis:
        report = mapping(said.json(tool), "the report")
        problems: list[Problem] = []
        outcomes: dict[str, str] = {}
        for file in report.objects("testResults"):
            problems += _file_problems(said, file, outcomes)
        incomplete = said.stopped(tool, _ENDED)
        if not incomplete and not outcomes and not problems:
            incomplete = f"{tool} lists no test: tests that do not run are not passing tests"
        announced = report.number("numFailedTests")
        failed = sum(problem.category is Category.TEST for problem in problems)
        if not incomplete and announced > failed:
            incomplete = f"{tool} announces {announced} failed tests and lists {failed}"
        if not incomplete and not problems and (said.result.exit_code or not report.get("success")):
            incomplete = f"{tool} lists no failure, and yet: {said.result.reason or 'no success'}"
        return diagnosis(tool, problems, incomplete, SuiteResult(of=outcomes))

    return read


def _file_problems(
    said: ToolOutput, file: JsonObject, outcomes: dict[str, str]
) -> Iterator[Problem]:
    path = said.path(file.text("name"))
    tests = objects(file.get("assertionResults", []), "assertionResults")
    bad = 0
    for test in tests:
        titles = test.get("ancestorTitles")
        above = [str(title) for title in titles if title] if isinstance(titles, list) else []
        name = _numbered(f"{path} > {' > '.join([*above, test.text('title')])}", outcomes)
        # A word that is not known says that the test judges nothing.
        outcomes[name] = _ENDS.get(test.text("status"), "not run")
        if outcomes[name] != "failed":
            continue
        bad += 1
        messages = test.get("failureMessages")
        message = "\n".join(map(str, messages)) if isinstance(messages, list) else ""
        yield Problem(
            category=Category.TEST,
            path=path,
            line=_line_in(said, path, message, test.get("location")),
            message=said.words(_ANSI.sub("", message)),
            name=name,
        )
    if file.text("status") == "failed" and not bad:
        message = _ANSI.sub("", file.text("message"))
        yield Problem(
            category=Category.BUILD,
            path=path,
            line=_line_in(said, path, message, None),
            code="collection",
            message=said.words(message) or "the test file failed before its tests",
            name=_unloadable(path),
        )


_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def _numbered(name: str, taken: Mapping[str, str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name} #{number}" in taken:
        number += 1
    return f"{name} #{number}"


def _line_in(said: ToolOutput, path: str, trace: str, location: Any) -> int:
    for match in re.finditer(r"[( ]((?:file://)?[^\s():]{1,300}):(\d+):\d+\)?", trace[:20_000]):
        if said.path(match[1]) == path:
            return line_number(match[2])
    return JsonObject(location).number("line") if isinstance(location, dict) else 0


read_jest = _json_reader("jest")
read_vitest = _json_reader("vitest")

_TOLD = (Category.BUILD, Category.TEST)
ADAPTERS = (
    Adapter(
        tool="pytest",
        parse=read_pytest,
        command=(
            "python -m pytest -q --continue-on-collection-errors -p no:cacheprovider "
            "-o junit_family=xunit1 --junitxml={report}"
        ),
        categories=_TOLD,
        writes="--continue-on-collection-errors -o junit_family=xunit1 --junitxml={report}",
    ),
    Adapter(tool="junit", parse=read_junit, categories=_TOLD),
    Adapter(
        tool="node --test",
        parse=read_junit,
        command="node --test --test-reporter=junit --test-reporter-destination={report}",
        categories=_TOLD,
        writes="--test-reporter=junit --test-reporter-destination={report}",
    ),
    Adapter(
        tool="jest",
        parse=read_jest,
        command="npx --no-install jest --ci --json --outputFile={report}",
        categories=_TOLD,
        writes="--ci --json --outputFile={report}",
    ),
    Adapter(
        tool="vitest",
        parse=read_vitest,
        command="npx --no-install vitest run --reporter=json --outputFile={report}",
        categories=_TOLD,
        writes="--run --reporter=json --outputFile={report}",
    ),
)
