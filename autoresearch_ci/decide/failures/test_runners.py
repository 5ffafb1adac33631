"""How test runners are told which tests to run, and what they print when one has run; a table.

A test is asked for as `path::name`, whatever the runner. A name becomes a pattern of it alone where
the runner takes patterns. Running is somebody else's business, and so is quoting for a shell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal


class NotAllowed(Exception):
    """Why a selection is refused; the text is for whoever asked."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One that is asked for."""

    path: str
    name: str = ""
    """Behind the first `::`; empty: all of the file."""

    @property
    def whole(self) -> str:
        return f"{self.path}::{self.name}" if self.name else self.path


Tests = Sequence[Chosen]


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One that can be told."""

    name: str
    begins: re.Pattern[str]
    """The words that start it, each followed by a blank; its own arguments come behind them."""
    told: Callable[[Tests], list[str]]
    """Arguments that select. Raises `NotAllowed`."""
    valued: re.Pattern[str] = re.compile(r"(?!)")
    """Options whose value is the next word; what is selected with them is dropped."""
    selects: re.Pattern[str] = re.compile(r"(?!)")
    """Options that choose tests, with or without `=VALUE`."""
    ran: re.Pattern[str] | None = None
    """In its output when a test has really run; `None`: its exit code says so."""
    words: Literal["files", "all", "none"] = "files"
    """Which arguments that are no options choose tests: those that name files or match them, ..."""


_PATTERN = re.compile(r"[.*+?^${}()|\[\]\\/]")


def _exactly(words: str) -> str:
    """A regular expression, of any dialect, that means these words."""
    return _PATTERN.sub(r"\\\g<0>", words)


def _any_of(names: Sequence[str], whole: bool = False) -> str:
    several = "|".join(map(_exactly, dict.fromkeys(names)))
    return f"^({several})$" if whole else several


def _named(tests: Tests) -> list[str]:
    """Names, if they are asked for throughout: a pattern would keep whole files from running."""
    names = [test.name for test in tests]
    if any(names) and not all(names):
        raise NotAllowed("name tests, or whole files, not both at once")
    return [name for name in names if name]


def _paths(tests: Tests) -> list[str]:
    return list(dict.fromkeys(test.path for test in tests))


def _by_pattern(option: str) -> Callable[[Tests], list[str]]:
    """Files, and one pattern for all names: as JavaScript's runners want it."""

    def told(tests: Tests) -> list[str]:
        names = _named(tests)
        return [*([option, _any_of(names)] if names else []), *_paths(tests)]

    return told


def _pytest(tests: Tests) -> list[str]:
    return [test.whole for test in tests]


def _unittest(tests: Tests) -> list[str]:
    return [_dotted(test.path.removesuffix(".py").replace("/", "."), test.name) for test in tests]


def _unittest_discovered(tests: Tests) -> list[str]:
    """By file name and part of the id, as it does not take modules."""
    if len(_paths(tests)) > 1:
        raise NotAllowed("tests of one file at a time, as the command discovers them")
    file = PurePosixPath(tests[0].path).name
    chosen = [word for name in _named(tests) for word in ("-k", _dotted("", name))]
    return ["-p", file, *chosen]


def _dotted(module: str, name: str) -> str:
    words = ".".join(filter(None, (module, name.replace("::", "."))))
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", words):
        raise NotAllowed("a test is named by a path and `::Class::method`")
    return words


def _node(tests: Tests) -> list[str]:
    names = [f"--test-name-pattern={_exactly(name)}" for name in _named(tests)]
    return [*names, *_paths(tests)]


def _go(tests: Tests) -> list[str]:
    """Packages, and the functions in them; behind `/` a test within one."""
    packages = list(dict.fromkeys(f"./{PurePosixPath(test.path).parent}" for test in tests))
    names, inner = _named(tests), [name for name in _named(tests) if "/" in name]
    if inner and len(tests) > 1:
        raise NotAllowed("one test within another at a time")
    if inner:
        pattern = "/".join(f"^{_exactly(part)}$" for part in inner[0].split("/"))
    else:
        pattern = _any_of(names, whole=True)
    return ["-count=1", *(["-run", pattern] if names else []), *packages]


def _cargo(tests: Tests) -> list[str]:
    """Names are parts of a test's path; a file below `tests/` is a program of its own."""
    own = [path for path in map(PurePosixPath, _paths(tests)) if path.parent.name == "tests"]
    targets = [word for path in own if path.suffix == ".rs" for word in ("--test", path.stem)]
    names = _named(tests)
    return [*(targets if len(own) == len(_paths(tests)) else []), "--", *names]


def _class(path: str) -> str:
    """Full name of the class that a file of Java, Kotlin or Groovy holds."""
    parts = PurePosixPath(path).with_suffix("").parts
    roots = [n for n, part in enumerate(parts) if part in ("java", "kotlin", "groovy")]
    return _dotted(".".join(parts[roots[-1] + 1 if roots else -1 :]), "")


def _gradle(tests: Tests) -> list[str]:
    of = [_dotted(_class(test.path), test.name.replace("#", ".")) for test in tests]
    return [word for name in of for word in ("--tests", name)]


def _maven(tests: Tests) -> list[str]:
    of = [(_class(test.path), test.name.rpartition("::")[2]) for test in tests]
    for _, name in of:
        if name and not re.fullmatch(r"\w+", name):
            raise NotAllowed("a test is named by a path and `::method`")
    return ["-Dtest=" + ",".join(f"{c}#{name}" if name else c for c, name in of)]


def _ctest(tests: Tests) -> list[str]:
    names = _named(tests)
    if not names:
        raise NotAllowed("a test of ctest is named behind `::`, as `ctest -N` lists it")
    return ["-R", _any_of(names, whole=True)]


def _of(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|.*? )(?:\S*/)?{pattern} ")


_RAN_UNITTESTS = re.compile(
    r"\A(?!.*unittest\.loader\._FailedTest).*?^Ran [1-9]", re.MULTILINE | re.DOTALL
)
"""What cannot be loaded is counted as a test that ran."""

RUNNERS: Sequence[Runner] = (
    Runner(
        name="pytest",
        begins=_of(r"(?:pytest|py\.test)"),
        told=_pytest,
        valued=re.compile(r"-[ckmnopW]|--(?:rootdir|confcutdir|maxfail|ignore|deselect|timeout)"),
    ),
    Runner(
        name="unittest discover",
        begins=_of(r"python[0-9.]* -m unittest discover"),
        told=_unittest_discovered,
        valued=re.compile(r"-[stpk]|--(?:start-directory|pattern|top-level-directory)"),
        selects=re.compile(r"(?:-[pk]|--pattern)(?:=.*)?"),
        ran=_RAN_UNITTESTS,
    ),
    Runner(
        name="unittest",
        begins=_of(r"python[0-9.]* -m unittest"),
        told=_unittest,
        valued=re.compile(r"-k"),
        selects=re.compile(r"-k"),
        ran=_RAN_UNITTESTS,
        words="all",
    ),
    Runner(
        name="jest",
        begins=_of(r"jest"),
        told=_by_pattern("-t"),
        valued=re.compile(r"-[ctw]|--(?:config|testNamePattern|maxWorkers|reporters|env)"),
        selects=re.compile(r"(?:-t|--testNamePattern|--testPathPatterns?)(?:=.*)?"),
        ran=re.compile(r"^\s*Tests:.*\b[1-9]\d* (?:passed|failed)", re.MULTILINE),
    ),
    Runner(
        name="vitest",
        begins=_of(r"vitest(?: run)?"),
        told=_by_pattern("-t"),
        valued=re.compile(r"-[crt]|--(?:config|root|testNamePattern|reporter|project)"),
        selects=re.compile(r"(?:-t|--testNamePattern)(?:=.*)?"),
        ran=re.compile(r"^\s*Tests\s.*\b[1-9]\d* (?:passed|failed)", re.MULTILINE),
    ),
    Runner(
        name="mocha",
        begins=_of(r"mocha"),
        told=_by_pattern("--grep"),
        valued=re.compile(r"-[fgrRtu]|--(?:grep|fgrep|require|reporter|timeout|ui|config|spec)"),
        selects=re.compile(r"(?:-[fg]|--f?grep|--spec)(?:=.*)?"),
        ran=re.compile(r"^\s*[1-9]\d* (?:passing|failing)", re.MULTILINE),
    ),
    Runner(
        name="node --test",
        begins=_of(r"node(?: (?:-r|--require|--import|--loader) \S+| --?[\w=./:@-]+)*? --test"),
        told=_node,
        valued=re.compile(r"-r|--(?:require|import|loader|test-name-pattern|test-reporter)"),
        selects=re.compile(r"--test-name-pattern(?:=.*)?"),
        ran=re.compile(r"^(?:# |ℹ )(?:pass|fail) [1-9]", re.MULTILINE),
    ),
    Runner(
        name="go test",
        begins=_of(r"go test"),
        told=_go,
        valued=re.compile(
            r"--?(?:run|skip|bench|tags|timeout|count|cpu|parallel|p|exec|mod|shuffle|ldflags"
            r"|gcflags|vet|o|coverprofile|covermode|coverpkg)"
        ),
        selects=re.compile(r"--?(?:run|skip|count)(?:=.*)?"),
        ran=re.compile(r"^(?:ok|FAIL)\s+\S+\s+[0-9.]+s(?:\s+coverage:.*)?\s*$", re.MULTILINE),
        words="all",
    ),
    Runner(
        name="cargo test",
        begins=_of(r"cargo(?: \+\S+)? (?:test|t)"),
        told=_cargo,
        valued=re.compile(
            r"-[pjFZ]|--(?:package|features|target|target-dir|profile|jobs|manifest-path|test|bin"
            r"|bench|example|exclude)"
        ),
        selects=re.compile(r"--(?:test|lib|bins?|doc)(?:=.*)?"),
        ran=re.compile(r"^test result: .*\b[1-9]\d* (?:passed|failed);", re.MULTILINE),
        words="all",
    ),
    Runner(
        name="gradle",
        words="none",
        begins=_of(r"gradlew?(?: --?[\w=.-]+)* (?::?[\w:-]+:)?test"),
        told=_gradle,
        valued=re.compile(r"--tests|-[pPDx]"),
        selects=re.compile(r"--tests(?:=.*)?"),
    ),
    Runner(
        name="maven",
        words="none",
        begins=_of(r"mvnw?"),
        told=_maven,
        valued=re.compile(r"-[fPplsT]|-pl"),
        selects=re.compile(r"-Dtest=.*"),
        ran=re.compile(r"Tests run: [1-9]"),
    ),
    Runner(
        name="ctest",
        words="none",
        begins=_of(r"ctest"),
        told=_ctest,
        valued=re.compile(r"-[RELCjDMTSI]|--(?:test-dir|timeout|tests-regex|preset|parallel)"),
        selects=re.compile(r"(?:-[RELI]|--tests-regex)(?:=.*)?"),
        ran=re.compile(r"tests passed, .* out of [1-9]"),
    ),
)
"""The more special one first."""
