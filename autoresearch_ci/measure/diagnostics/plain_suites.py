"""What is known of tests whose runner writes no report: unittest's text, and the exit code of a
package's own `test` script, or of make's rule.

Which tests passed is not known here, so nobody notices one that is deleted; test runners that
write reports are suites.py's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoresearch_ci.decide.failures import Category, Diagnosis, Problem
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    Said,
    diagnosis,
    line_number,
    parser,
    stopped,
)
from autoresearch_ci.measure.diagnostics.any_tool import by_pattern

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
def read_unittest(said: Said) -> Diagnosis:
    text = said.stderr
    problems = list(_problems(said, text))
    ended = [*_RAN.finditer(text)]
    incomplete = stopped(said, "unittest", (*_ENDED, 5))  # 5: from 3.12 on, where none ran
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
    return diagnosis("unittest", problems, incomplete)


def _problems(said: Said, text: str) -> Iterator[Problem]:
    """One for each test, however many of its parts fail."""
    blocks, known = [*_BLOCK.finditer(text)], set[str]()
    for number, block in enumerate(blocks):
        end = blocks[number + 1].start() if number + 1 < len(blocks) else len(text)
        told = _LAST_WORDS.split(text[block.end() : end])[0]
        test, owner = block["test"], block["owner"]
        name = owner if owner.endswith(f".{test}") or owner == test else f"{owner}.{test}"
        name = name.removeprefix(f"{_NOT_LOADED}.")
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


def _place(said: Said, trace: str) -> tuple[str, int]:
    """The last line of ours on the way to where it went wrong."""
    found = ("", 0)
    for frame in _FRAME.finditer(trace[:20_000]):
        path = said.path(frame[1])
        if not path.startswith("/"):
            found = path, line_number(frame[2])
    return found


NPM_TEST = "npm test"
ADAPTERS = (
    Adapter(
        tool="unittest",
        parse=read_unittest,
        command="python -m unittest",
        categories=(Category.BUILD, Category.TEST),
    ),
    Adapter(
        tool=NPM_TEST,
        parse=by_pattern(NPM_TEST, "", Category.TEST),
        command="npm test --silent",
        categories=(Category.TEST,),
    ),
    *(
        Adapter(
            tool=rule,
            parse=by_pattern(rule, "", Category.TEST),
            command=rule,
            categories=(Category.TEST,),
        )
        for rule in ("make check", "make test")
    ),
)
