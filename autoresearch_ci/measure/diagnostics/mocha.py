"""What mocha and node's own runner print for people (`spec`), and mocha's JSON.

What is printed for people is only a list of tests where it is as long as the runner says it is:
whatever else a program printed in between may look like a title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    JsonObject,
    ToolOutput,
    diagnosis,
    from_json,
    mapping,
    parser,
)
from autoresearch_ci.measure.diagnostics.printed_tests import ANSI, Listed, failing, own_frame

_SUMMARY = re.compile(r"  (\d{1,7}) passing \([\d.]+\w+\)")
_FAILING = re.compile(r"  (\d{1,7}) failing")
_TEST = re.compile(
    r"(?P<indent> {2,40})(?:(?P<good>[✔✓√]|\.)|(?P<bad>\d{1,6})\)|(?P<pending>-)) (?P<title>.+?)"
    r"(?: \(\d+ms\))?"
)
_TITLE = re.compile(r"(?P<indent> {2,40})(?P<title>\S.*)")
_BLOCK = re.compile(r"(?m)^  (\d{1,6})\) ")


def read_mocha_spec(said: ToolOutput) -> Listed | None:
    """`None`: mocha printed no summary, or something else stands between its lines."""
    found = Listed()
    lines = ANSI.sub("", said.stdout).splitlines()
    start, ran = 0, False
    for number, line in enumerate(lines):
        if summary := _SUMMARY.fullmatch(line.rstrip()):
            end = _end(lines, number)
            one = _spec(said, lines[start:number], "\n".join(lines[number:end]), found)
            if one != int(summary[1]):
                return None
            start, ran = end, True
    return found if ran else None


def _end(lines: Sequence[str], summary: int) -> int:
    """Where the details of a run end: with two empty lines after the last of its failures."""
    told = (_FAILING.fullmatch(line.rstrip()) for line in lines[summary : summary + 4])
    failing = next(filter(None, told), None)
    if failing is None:
        return summary + 1
    after = range(summary, len(lines) - 1)
    last = next((n for n in after if lines[n].startswith(f"  {failing[1]}) ")), summary)
    empty = (n for n in after[last - summary :] if not "".join(lines[n : n + 2]).strip())
    return next(empty, len(lines))


def _spec(said: ToolOutput, body: Sequence[str], after: str, found: Listed) -> int:
    """Adds what one run lists; how many tests passed."""
    groups: list[tuple[int, str]] = []
    names: dict[str, str] = {}
    passed = 0
    for line in body:
        if test := _TEST.fullmatch(line.rstrip()):
            indent = len(test["indent"])
            above = [title for place, title in groups if place < indent]
            passed += bool(test["good"])
            end = "passed" if test["good"] else "skipped" if test["pending"] else "failed"
            name = found.add(said.words(" > ".join([*above, test["title"]])), end)
            if test["bad"]:
                names[test["bad"]] = name
        elif title := _TITLE.fullmatch(line.rstrip()):
            indent = len(title["indent"])
            groups = [group for group in groups if group[0] < indent]
            groups.append((indent, title["title"]))
    found.problems += _spec_problems(said, after, names)
    failing = _FAILING.search(after)
    if failing and int(failing[1]) != len(names):
        found.incomplete = f"mocha announces {failing[1]} failing tests and lists {len(names)}"
    return passed


def _spec_problems(said: ToolOutput, after: str, names: Mapping[str, str]) -> Iterator[Problem]:
    blocks = _BLOCK.split(after)
    told = dict(zip(blocks[1::2], blocks[2::2], strict=True))
    for number, name in names.items():
        text = told.get(number, "")
        title, _, trace = text.partition(":\n")
        words = "\n".join([row.strip() for row in trace.splitlines() if row.strip()][:6])
        yield failing(said, name, own_frame(said, trace), words or title.strip() or "fails")


# --- node's own -----------------------------------------------------------------------------------

_NODE_COUNT = re.compile(r"ℹ (tests|pass|fail|cancelled|skipped|todo) (\d{1,7})")
_NODE_TEST = re.compile(
    r"(?P<indent>(?:  ){0,20})(?:(?P<good>✔)|(?P<bad>✖)|(?P<skipped>﹣)|(?P<group>▶)|⚠) "
    r"(?P<title>.+?)(?: \([\d.]+ms\))?(?P<told> # (?P<word>SKIP|TODO|\S.*))?"
)


def read_node_spec(said: ToolOutput) -> Listed | None:
    """`None`: it is not what node's runner prints, or something else stands in between."""
    found = Listed()
    groups: list[tuple[int, str]] = []
    counts: dict[str, int] = {}
    lines = ANSI.sub("", said.stdout).splitlines()
    for number, line in enumerate(lines):
        if count := _NODE_COUNT.fullmatch(line.rstrip()):
            counts[count[1]] = counts.get(count[1], 0) + int(count[2])
        elif (test := _NODE_TEST.fullmatch(line.rstrip())) and line.strip() != _NODE_AGAIN:
            _node_test(said, test, lines[number + 1 : number + 60], groups, found)
        elif line.strip() == _NODE_AGAIN and counts:
            break  # the same failures once more
    again = lines.index(_NODE_AGAIN) if _NODE_AGAIN in lines else len(lines)
    _with_details(said, found, "\n".join(lines[again:]))
    passed = sum(end == "passed" for end in found.outcomes.values())
    if not counts or passed < counts.get("pass", 0):
        return None
    return found


_NODE_AGAIN = "✖ failing tests:"


def _node_test(
    said: ToolOutput,
    test: re.Match[str],
    below: Sequence[str],
    groups: list[tuple[int, str]],
    found: Listed,
) -> None:
    indent = len(test["indent"])
    inside = [title for place, title in groups if place == indent]
    groups[:] = [group for group in groups if group[0] < indent]
    if test["title"] in inside:
        return  # the end of a group, which its tests have told
    if test["group"]:
        groups.append((indent, test["title"]))
        return
    end = _node_end(test)
    path = [*(title for _, title in groups), test["title"]]
    name = found.add(said.words(" > ".join(path)), end)
    if end == "failed":
        found.problems.append(_node_problem(said, name, indent, below))


_NODE_DETAIL = re.compile(
    r"(?m)^test at (?P<path>[^\n]{1,300}?):(?P<line>\d+):\d+\n✖ (?P<title>.+?)(?: \([\d.]+ms\))?$"
    r"(?P<told>(?:\n(?!test at )[^\n]*)*)"
)


def _with_details(said: ToolOutput, found: Listed, text: str) -> None:
    """From node 22 on what is wrong stands at the end."""
    told = {match["title"]: match for match in _NODE_DETAIL.finditer(text)}
    for number, problem in enumerate(found.problems):
        match = told.get(problem.name.rpartition(" > ")[2])
        if match and not problem.path:
            words = [row.strip() for row in match["told"].splitlines() if row.strip()]
            place = own_frame(said, match["told"])
            path, line = place if place[0] else (said.path(match["path"]), int(match["line"]))
            message = said.words("\n".join(words[:6]) or problem.message)
            found.problems[number] = replace(problem, path=path, line=line, message=message)


def _node_end(test: re.Match[str]) -> str:
    word = (test["word"] or "").upper()
    if word.startswith("SKIP") or test["skipped"]:
        return "skipped"
    if word.startswith("TODO"):
        return "xpassed" if test["good"] else "xfailed"
    return "passed" if test["good"] else "failed"


def _node_problem(said: ToolOutput, name: str, indent: int, below: Sequence[str]) -> Problem:
    rows = []
    for row in below:
        if row.strip() and len(row) - len(row.lstrip()) <= indent:
            break
        rows.append(row.strip())
    words = "\n".join([row for row in rows if row][:6])
    return failing(said, name, own_frame(said, "\n".join(rows)), words or f"{name} fails")


# --- JSON -----------------------------------------------------------------------------------------


@parser("mocha")
def read_mocha(said: ToolOutput) -> Diagnosis:
    """The `json` reporter's answer, in its file or at the end of what was printed."""
    start = said.stdout.find('{\n  "stats"') if said.report is None else -1
    value = from_json(said.stdout[start:], "mocha") if start >= 0 else said.json("mocha")
    report = mapping(value, "the report")
    found = Listed()
    problems: list[Problem] = []
    for kind, end in (("passes", "passed"), ("pending", "skipped"), ("failures", "failed")):
        for test in report.objects(kind):
            name = found.add(_full_name(said, test), end)
            if end == "failed":
                problems.append(_json_problem(said, test, name))
    incomplete = said.stopped("mocha", range(126))
    stats = report.mapping("stats")
    if not incomplete and not found.outcomes:
        incomplete = "mocha lists no test: tests that do not run are not passing tests"
    if not incomplete and stats.number("failures") > len(problems):
        incomplete = "mocha announces more failures than it lists"
    incomplete = incomplete or said.untold("mocha", problems, "lists no failure")
    return diagnosis("mocha", problems, incomplete, SuiteResult(of=found.outcomes))


def _full_name(said: ToolOutput, test: JsonObject) -> str:
    path = said.path(file) if (file := test.text("file")) else ""
    return said.words(" > ".join(filter(None, (path, test.text("fullTitle")))))


def _json_problem(said: ToolOutput, test: JsonObject, name: str) -> Problem:
    error = test.mapping("err", optional=True)
    stack = error.text("stack")
    path, line = own_frame(said, stack)
    if not path and (told := test.text("file")):
        path = said.path(told)
    words = error.text("message") or stack.partition("\n")[0] or "fails"
    return failing(said, name, (path, line), words)


ADAPTERS = (
    Adapter(
        tool="mocha",
        parse=read_mocha,
        command="npx --no-install mocha --reporter json --reporter-option output={report}",
        categories=(Category.TEST,),
        writes="--reporter json --reporter-option output={report}",
    ),
)
