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
from autoresearch_ci.measure.diagnostics.printed_programs import (
    read_automake,
    read_ava,
    read_ctest,
    read_prove,
)
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
