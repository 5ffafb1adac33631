"""What is known of tests whose runner writes no report: unittest's text, and what a package's own
`test` script, or make's rule, prints.

Where a runner that we know is behind it, its list of tests is read, so that one that is deleted is
noticed; else the exit code is all there is. Who writes reports is reported_suites.py's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    Parser,
    ToolOutput,
    UnusableOutput,
    diagnosis,
    line_number,
    parser,
)
from autoresearch_ci.measure.diagnostics.any_tool import by_pattern
from autoresearch_ci.measure.diagnostics.mocha import read_mocha_spec, read_node_spec
from autoresearch_ci.measure.diagnostics.printed_tests import ANSI, Listed
from autoresearch_ci.measure.diagnostics.tap import read_tap

_ENDED = (0, 1)
_BLOCK = re.compile(
    r"(?m)^={70}\n(?P<how>FAIL|ERROR|UNEXPECTED SUCCESS): (?P<test>\S+) \((?P<owner>[\w.<>]+)\).*\n"
)
_RAN = re.compile(r"(?m)^Ran (\d+) tests? in [\d.]+s\n\n(OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$")
_LAST_WORDS = re.compile(r"(?m)^(?:-{70}\n)?Ran \d")
_COUNTED = re.compile(r"(?:^|, )(?:failures|errors|unexpected successes)=(\d+)")
_FRAME = re.compile(r'(?m)^\s*File "([^"\n]{1,400})", line (\d+)')
_NOT_LOADED = "unittest.loader._FailedTest"
_SET_UP = ("setUpModule", "setUpClass", "tearDownClass", "tearDownModule")


@parser("unittest")
def read_unittest(said: ToolOutput) -> Diagnosis:
    text = said.stderr
    problems = list(_problems(said, text))
    ended = [*_RAN.finditer(text)]
    incomplete = said.stopped("unittest", (*_ENDED, 5))  # 5: from 3.12 on, where none ran
    if not incomplete and not ended:
        incomplete = "unittest does not say how many tests ran"
    if not incomplete and not int(ended[-1][1]) and not problems:
        incomplete = "unittest ran no test: tests that do not run are not passing tests"
    announced = sum(map(int, _COUNTED.findall(ended[-1][3] or ""))) if ended else 0
    blocks = len(_BLOCK.findall(text))
    if not incomplete and announced > blocks:
        incomplete = f"unittest announces {announced} failures and shows {blocks}"
    if not incomplete and not problems and (said.result.exit_code or ended[-1][2] != "OK"):
        incomplete = f"unittest shows no failure, and yet: {said.result.reason or ended[-1][2]}"
    return diagnosis("unittest", problems, incomplete, _listed_by(text, ended))


def _problems(said: ToolOutput, text: str) -> Iterator[Problem]:
    """One for each test, however many of its parts fail."""
    blocks, known = [*_BLOCK.finditer(text)], set[str]()
    for number, block in enumerate(blocks):
        end = blocks[number + 1].start() if number + 1 < len(blocks) else len(text)
        told = _LAST_WORDS.split(text[block.end() : end])[0]
        test, owner = block["test"], block["owner"]
        name = _name(test, owner).removeprefix(f"{_NOT_LOADED}.")
        if name in known:
            continue
        known.add(name)
        lines = [line for line in told.splitlines() if line and not line.startswith((" ", "---"))]
        path, line = _place(said, told)
        loading = _NOT_LOADED in owner or test in _SET_UP
        yield Problem(
            category=Category.BUILD if loading else Category.TEST,
            path=path,
            line=line,
            code="collection" if loading else "",
            message=said.words(lines[-1] if lines else block["how"].lower()),
            name=said.words(name),
        )


def _place(said: ToolOutput, trace: str) -> tuple[str, int]:
    """The last line of ours on the way to where it went wrong."""
    found = ("", 0)
    for frame in _FRAME.finditer(trace[:20_000]):
        path = said.path(frame[1])
        if not path.startswith("/"):
            found = path, line_number(frame[2])
    return found


_VERBOSE = re.compile(r"(?m)(?:^|\.\.\. )(?P<test>[^\s()]+) \((?P<owner>[\w.<>]+)\)")
_STATUS = re.compile(
    r"(?m)(?:(?P<ok>ok)|(?P<failed>FAIL)|(?P<error>ERROR)|(?P<skipped>skipped .*)"
    r"|(?P<xfailed>expected failure)|(?P<xpassed>unexpected success))$"
)


def _listed_by(text: str, ended: Sequence[re.Match[str]]) -> SuiteResult | None:
    """How each test ended, which `-v` tells; `None`: it was not asked, or not all can be read."""
    body = text[: ended[-1].start()] if ended else ""
    body = body.partition("=" * 70)[0]
    heads = [*_VERBOSE.finditer(body)]
    outcomes: dict[str, str] = {}
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(body)
        # The first: what follows may be a class that could not be set up, which has no name.
        status = _STATUS.search(body[head.end() : end])
        if head["test"] in _SET_UP or _NOT_LOADED in head["owner"]:
            continue
        name = _name(head["test"], head["owner"])
        outcomes[name] = (status.lastgroup if status else None) or "failed"
    broken = {_name(block["test"], block["owner"]) for block in _BLOCK.finditer(text)}
    bad = {name: "failed" for name in broken & outcomes.keys() if outcomes[name] != "error"}
    outcomes.update(bad)  # whatever was printed in between, or a part of it that failed
    if not outcomes or len(heads) < int(ended[-1][1]):
        return None
    return SuiteResult(
        of={name: "passed" if end == "ok" else end for name, end in outcomes.items()}
    )


def _name(test: str, owner: str) -> str:
    return owner if owner.endswith(f".{test}") or owner == test else f"{owner}.{test}"


# --- A line for each program, or each test: prove, ctest, automake's `check`, ava -----------------

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


# --- All of them ----------------------------------------------------------------------------------

_READERS = (
    read_tap,
    read_mocha_spec,
    read_node_spec,
    read_ava,
    read_prove,
    read_ctest,
    read_automake,
)


def whole_suite(tool: str, category: Category = Category.TEST) -> Parser:
    """A parser of what a task prints that may run tests: the lists of the runners that it starts,
    and whether it fails, as one more test of that name; as a failure of `category` without any."""
    by_exit_code = by_pattern(tool, "", category)

    @parser(tool)
    def read(said: ToolOutput) -> Diagnosis:
        alone = by_exit_code(said)
        listed = [found for reader in _READERS if (found := reader(said))]
        if not listed:
            return alone
        outcomes: dict[str, str] = {}
        for found in listed:
            outcomes.update(found.outcomes)
        outcomes[tool] = "failed" if said.result.exit_code else "passed"
        problems = _told_once(problem for found in listed for problem in found.problems)
        told = next((found.incomplete for found in listed if found.incomplete), "")
        suite = SuiteResult(of=outcomes)
        if not problems:
            return replace(alone, incomplete=alone.incomplete or told, suite=suite)
        return diagnosis(tool, problems, alone.incomplete or told, suite)

    return read


def _told_once(problems: Iterable[Problem]) -> list[Problem]:
    """Without programs whose own tests say what is wrong with them."""
    told = [*problems]
    names = {problem.name.partition(" > ")[0] for problem in told if " > " in problem.name}
    return [problem for problem in told if problem.name not in names]


@parser("TAP")
def read_only_tap(said: ToolOutput) -> Diagnosis:
    """For a command that is known to print TAP: anything else is incomplete."""
    found = read_tap(said)
    if found is None:
        raise UnusableOutput("TAP was not printed: no plan, or no point")
    incomplete = said.stopped("the test run", range(126)) or found.incomplete
    incomplete = incomplete or said.untold("TAP", found.problems, "lists no failure")
    return diagnosis("tap", found.problems, incomplete, SuiteResult(of=found.outcomes))


NPM_TEST = "npm test"
ADAPTERS = (
    Adapter(
        tool="unittest",
        parse=read_unittest,
        command="python -m unittest -v",
        categories=(Category.BUILD, Category.TEST),
        writes="-v",
    ),
    Adapter(tool="tap", parse=read_only_tap, categories=(Category.TEST,)),
    Adapter(
        tool=NPM_TEST,
        parse=whole_suite(NPM_TEST),
        command="npm test --silent",
        categories=(Category.TEST,),
    ),
    *(
        Adapter(
            tool=rule,
            parse=whole_suite(rule),
            command=rule,
            categories=(Category.TEST,),
        )
        for rule in ("make check", "make test")
    ),
)
