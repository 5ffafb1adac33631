"""Runners that print a line for each program, or each test, and keep the rest to themselves: prove,
ctest, automake's `check`, ava."""

from __future__ import annotations

import re

from autoresearch_ci.decide.failures.failure import Category
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput
from autoresearch_ci.measure.diagnostics.printed_tests import ANSI, Listed

_PROVE = re.compile(
    r"(?m)^(?P<name>\S{1,300}) \.{2,}[ \t]*(?:\n(?!\S+ \.\.)[^\n]*)*?"
    r"(?:(?P<good>ok)\b|(?P<skipped>skipped: )|Failed \d+/\d+|Dubious|No subtests run|Errors)"
)
_PROVE_END = re.compile(r"(?m)^Files=(\d{1,6}), Tests=\d+")
_CTEST = re.compile(
    r"(?m)^ *\d+/\d+ Test +#\d+: (?P<name>\S.*?) \.*[ *]*"
    r"(?P<end>Passed|Failed|Not Run(?: \(Disabled\))?|Timeout|Skipped|Exception: [^\n]{0,60}"
    r"|Subprocess aborted|Bad[_ ]Command|Required regular [^\n]{0,99})(?: |$)"
)
_CTEST_END = re.compile(r"(?m)^\d+% tests passed, \d+ tests? failed out of (\d{1,6})")
_AUTOMAKE = re.compile(r"(?m)^(PASS|FAIL|XFAIL|XPASS|SKIP|ERROR): (\S[^\n]{0,400})$")
_AUTOMAKE_ENDS = {
    "PASS": "passed",
    "FAIL": "failed",
    "ERROR": "error",
    "XFAIL": "xfailed",
    "XPASS": "xpassed",
    "SKIP": "skipped",
}
_AUTOMAKE_END = re.compile(r"(?m)^# TOTAL: +(\d{1,6})$|^(?:All )?(\d{1,6}) (?:of \d+ )?tests? ")
_AVA = re.compile(
    r"(?m)^  (?:(?P<good>✔)|(?P<bad>✘ \[fail\]:)|(?P<other>- \[(?:skip|todo)\])) (?P<name>.+?)"
    r"(?: \([\d.]+m?s\))?$"
)
_AVA_COUNT = re.compile(r"(?m)^  (\d{1,6}) (?:tests?|known failures?|uncaught)[^\n]*$")


def read_prove(said: ToolOutput) -> Listed | None:
    """Each file as one test; `prove -v` lists more, and is TAP."""
    if not (ended := _PROVE_END.search(said.text)):
        return None
    ends = {}
    for match in _PROVE.finditer(said.text):
        ends[match["name"]] = (
            "passed" if match["good"] else "skipped" if match["skipped"] else "failed"
        )
    return _found(said, ends, int(ended[1]), "prove")


def read_ctest(said: ToolOutput) -> Listed | None:
    """Each test that CMake knows."""
    ended = _CTEST_END.search(said.text)
    if not ended:
        return None
    words = {"Passed": "passed", "Skipped": "skipped", "Not Run (Disabled)": "disabled"}
    told = _CTEST.finditer(said.text)
    ends = {match["name"]: words.get(match["end"], "failed") for match in told}
    return _found(said, ends, int(ended[1]), "ctest")


def read_automake(said: ToolOutput) -> Listed | None:
    """Each program of TESTS."""
    told = _AUTOMAKE.findall(said.stdout)
    if not told or not (ended := _AUTOMAKE_END.search(said.stdout)):
        return None
    ends = {name: _AUTOMAKE_ENDS[word] for word, name in told}
    return _found(said, ends, int(ended[1] or ended[2] or 0), "automake")


def read_ava(said: ToolOutput) -> Listed | None:
    """What ava prints for people."""
    text = ANSI.sub("", said.stdout)
    told = [*_AVA.finditer(text)]
    counts = [int(number) for number in _AVA_COUNT.findall(text)]
    if not counts or not told:
        return None
    found = Listed()
    for match in told:
        end = "passed" if match["good"] else "failed" if match["bad"] else "skipped"
        name = found.add(said.words(match["name"]), end)
        if end == "failed":
            where = re.search(rf"(?m)^  {re.escape(match['name'])}\n\n  (\S+):(\d+)$", text)
            place, message = where.groups() if where else ("",), f"{match['name']} fails"
            found.problems.append(said.problem(Category.TEST, *place, message=message, name=name))
    if sum(counts) > len(told):
        found.incomplete = f"ava announces {sum(counts)} tests and lists {len(told)}"
    return found


def _found(said: ToolOutput, ends: dict[str, str], announced: int, tool: str) -> Listed:
    found = Listed(outcomes={said.words(name): end for name, end in ends.items()})
    for name, end in found.outcomes.items():
        if end in ("failed", "error"):
            path = said.path(name)
            file = name if re.search(r"\.\w+$", path) and not path.startswith("/") else ""
            problem = said.problem(Category.TEST, file, message=f"{name} fails", name=name)
            found.problems.append(problem)
    if announced > len(ends):
        found.incomplete = f"{tool} announces {announced} tests and lists {len(ends)}"
    return found
