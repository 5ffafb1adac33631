"""What the go command says: its build, vet and tests.

Lines of compilers look the same everywhere (`path:line:column: words`); vet and test put JSON
around what they know more of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoresearch_ci.decide.failures.failure import Category, Diagnosis, Problem
from autoresearch_ci.decide.failures.lost_tests import SuiteResult
from autoresearch_ci.measure.diagnostics.adapter import (
    Adapter,
    JsonObject,
    ToolOutput,
    UnusableOutput,
    code_of,
    diagnosis,
    from_json,
    mapping,
    objects,
    parser,
)

_ENDED = (0, 1)
_UNBUILT = 2
"""What versions before 1.20 end with where something does not build."""
_PATHS_IN_FULL = "$(go help testflag | grep -om1 -e -fullpath)"
"""Go knows it from 1.21 on, and refuses what it does not know."""
_LINE = re.compile(
    r"(?m)^(?P<vet>vet: )?(?P<path>[^\s:#{\"][^:\n]{0,400}\.\w{1,8}):(?P<line>\d+)"
    r"(?::(?P<column>\d+))?: (?P<message>[^\n]+(?:\n\t[^\n]+)*)"
)
_IMPORT = re.compile(
    r"no required module|is not in std|cannot find (package|module)|import cycle|^module \S+: "
    r"|could not import|missing go\.sum|no Go files"
)
_NOTHING = re.compile(r"matched no packages|no packages to (test|vet|build)")


def _compiler_problems(said: ToolOutput, text: str) -> Iterator[Problem]:
    for match in _LINE.finditer(text):
        message = match["message"]
        if message.startswith("too many errors"):
            continue
        code = "syntax" if message.startswith("syntax error") else ""
        code = "import" if _IMPORT.search(message) else code
        yield said.problem_in(match, Category.BUILD, code)


def _gap(said: ToolOutput, tool: str, problems: list[Problem]) -> str:
    unbuilt = any(problem.category is Category.BUILD for problem in problems)
    if why := said.stopped(tool, (*_ENDED, _UNBUILT) if unbuilt else _ENDED):
        return why
    if found := _NOTHING.search(said.text):
        return f"{tool}: {found[0]}"
    if why := said.untold(tool, problems, "names no place"):
        return why
    return f"{tool} stopped after too many errors" if "too many errors" in said.text else ""


@parser("go build")
def read_go_build(said: ToolOutput) -> Diagnosis:
    events = said.json_lines("go")
    told = "".join(e.text("Output") for e in events if e.get("Action") == "build-output")
    problems = list(_compiler_problems(said, f"{told}\n{said.stderr}"))
    return diagnosis("go", problems, _gap(said, "go build", problems))


# --- vet ------------------------------------------------------------------------------------------


@parser("go vet")
def read_go_vet(said: ToolOutput) -> Diagnosis:
    """With `-json`, whichever stream a version writes that to, or its lines."""
    text = f"{said.stdout}\n{said.stderr}"
    problems = []
    for package in _objects(text):
        for analyzers in package.values():
            for analyzer, found in mapping(analyzers, "a package").items():
                if isinstance(found, dict) and "error" in found:
                    raise UnusableOutput(f"go vet could not run {code_of(analyzer)}")
                problems += [
                    _finding(said, code_of(analyzer), item.text("posn"), item.text("message"))
                    for item in objects(found, "findings")
                ]
    plain = "\n".join(line for line in text.splitlines() if not line.startswith(("\t", "{", "}")))
    for match in _LINE.finditer(plain):
        if match["vet"] or _IMPORT.search(match["message"]):
            problems += _compiler_problems(said, match[0].removeprefix("vet: "))
        else:
            place = f"{match['path']}:{match['line']}:{match['column'] or 0}"
            problems.append(_finding(said, "vet", place, match["message"]))
    return diagnosis("go vet", problems, _gap(said, "go vet", problems))


def _objects(text: str) -> Iterator[JsonObject]:
    """Objects that begin and end with a line of their own."""
    lines: list[str] | None = None
    for line in text.splitlines():
        if line == "{":
            lines = []
        if lines is not None:
            lines.append(line)
            if line == "}":
                yield mapping(from_json("\n".join(lines), "go vet"), "what go vet wrote")
                lines = None
    if lines is not None:
        raise UnusableOutput("go vet broke off in the middle")


def _finding(said: ToolOutput, analyzer: str, place: str, message: str) -> Problem:
    found = re.fullmatch(r"(.{1,500}?):(\d+)(?::(\d+))?", place)
    where = found.groups() if found else ("",)
    return said.problem(Category.LINT, *where, code=analyzer, message=message)


# --- test -----------------------------------------------------------------------------------------

_ENDS = {"pass": "passed", "fail": "failed", "skip": "skipped"}
_BAD = ("failed", "error")
_PANIC = re.compile(r"(?m)^(panic: |fatal error: |signal: )")
_OUTPUT_LIMIT = 20_000
"""Characters that are kept of one test."""


class _Tests:
    """What the events of one run come to."""

    def __init__(self) -> None:
        self.ends: dict[str, str] = {}
        self.output: dict[str, str] = {}
        self.packages: dict[str, str] = {}
        self.built: list[str] = []
        self.broken: set[str] = set()
        """Packages that do not build."""

    def add(self, event: JsonObject) -> None:
        action, package = event.text("Action"), event.text("Package")
        test = event.text("Test")
        name = f"{package}::{test}" if test else package
        if action == "build-output":
            self.built.append(event.text("Output"))
        elif action == "output":
            said = self.output.get(name, "")
            if len(said) < _OUTPUT_LIMIT:
                self.output[name] = said + event.text("Output")
        elif test and action == "run":
            self.ends.setdefault(name, "error")  # until it says how it ended
        elif test and action in _ENDS:
            self.ends[name] = _ENDS[action]
        elif action in _ENDS:
            self.packages[package] = _ENDS[action]
            said = self.output.get(package, "")
            if event.get("FailedBuild") or "[build failed]" in said or "[setup failed]" in said:
                self.broken.add(package)


@parser("go test")
def read_go_test(said: ToolOutput) -> Diagnosis:
    tests = _Tests()
    for event in said.json_lines("go"):
        tests.add(event)
    problems = list(_compiler_problems(said, f"{''.join(tests.built)}\n{said.stderr}"))
    stopped_by = []
    # A test fails with its subtests, and without a word of its own.
    parents = {n.rpartition("/")[0] for n, end in tests.ends.items() if end in _BAD}
    for name, end in tests.ends.items():
        told = tests.output.get(name, "")
        if end in _BAD and name not in parents:
            problems.append(_failed(said, name, told))
        if end != "passed" and _PANIC.search(told):
            stopped_by.append(name)
    for package, end in tests.packages.items():
        if end != "failed" or package in tests.broken:
            continue
        own = f"{package}::"
        if not any(n.startswith(own) and e in _BAD for n, e in tests.ends.items()):
            problems.append(_failed(said, package, tests.output.get(package, "")))
            tests.ends[package] = "failed"
    incomplete = _gap(said, "go test", problems)
    if not incomplete and not tests.ends and not problems:
        incomplete = "go test lists no test: tests that do not run are not passing tests"
    if not incomplete and tests.broken and not any(p.category is Category.BUILD for p in problems):
        incomplete = f"go test does not say why {min(tests.broken)} does not build"
    if not incomplete and stopped_by:
        incomplete = f"{min(stopped_by)} ended the run of its package: tests after it did not run"
    return diagnosis("go test", problems, incomplete, SuiteResult(of=tests.ends))


def _failed(said: ToolOutput, name: str, told: str) -> Problem:
    """Of a failing test, with the first place in the tree that its output names in full."""
    for match in re.finditer(r"(?m)^\s+(\S{1,400}\.go):(\d+)(?::| )", told):
        if match[1].startswith("/") and not said.path(match[1]).startswith("/"):
            break
    else:
        match = None
    lines = [x for x in told.splitlines() if not re.match(r"\s*(=== |--- |FAIL|exit status)", x)]
    words = said.words("\n".join(lines)) or "failed without a word"
    where = (match[1], match[2]) if match else ("",)
    return said.problem(Category.TEST, *where, message=words, name=name)


ADAPTERS = (
    Adapter(
        tool="go build",
        parse=read_go_build,
        command="go build -gcflags=-e ./...",
        categories=(Category.BUILD,),
        writes="-gcflags=-e",
    ),
    Adapter(
        tool="go vet",
        parse=read_go_vet,
        command="go vet -json ./...",
        categories=(Category.BUILD, Category.LINT),
        levels=True,  # with -json it ends with 0 whatever it finds
        writes="-json",
    ),
    Adapter(
        tool="go test",
        parse=read_go_test,
        command=f"go test -json {_PATHS_IN_FULL} -vet=off ./...",
        categories=(Category.BUILD, Category.TEST),
        writes=f"-json {_PATHS_IN_FULL}",
    ),
)
