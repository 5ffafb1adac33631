"""What of a repository can be measured, as metric, scope and guards; one function a kind of number.

Pure. An offer is a suggestion: whether its command prints a number is tried elsewhere.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autoresearch_ci.plan.benchmarks import Benchmark
from autoresearch_ci.plan.builds import notebook_run
from autoresearch_ci.plan.stack import Stack
from autoresearch_ci.plan.suite_guards import ASIDE, guard_of, guards_of, suites

SCORE = "autoresearch-ci score"
_NOTEBOOKS = 8
"""More than that take longer than a night is for."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One number that could get better."""

    title: str
    """What a menu says."""
    goal: str
    """The sentence of the configuration."""
    metric: Mapping[str, Any]
    """The section of the configuration."""
    scope: tuple[str, ...]
    guards: tuple[Mapping[str, Any], ...]
    reason: str
    """Where the repository says that this can be measured."""
    least: float = 0.0
    """A smaller number is mostly that of the tool which measures, and hides what the scope does; of
    a report's seconds the share of the run."""


def _offer(
    stack: Stack,
    title: str,
    goal: str,
    metric: Mapping[str, Any],
    reason: str,
    *,
    scope: tuple[str, ...] | None = None,
    guards: tuple[Mapping[str, Any], ...] | None = None,
    least: float = 0.0,
) -> Offer:
    return Offer(
        title=title,
        goal=goal,
        metric=metric,
        scope=stack.scope if scope is None else scope,
        guards=tuple(guards_of(stack)) if guards is None else guards,
        reason=reason,
        least=least,
    )


# --- Time, memory, benchmarks ---------------------------------------------------------------------


def training(stack: Stack) -> Iterator[Offer]:
    """karpathy/autoresearch's own case."""
    for found in stack.benchmarks:
        if found.name == "val_bpb":
            metric = {"command": found.command, "name": "val_bpb", "direction": "minimize"}
            script = found.command.split()[-1]
            goal = "Lower validation bits per byte at a fixed time budget"
            yield _offer(stack, "val_bpb", goal, metric, found.reason, scope=(script,), guards=())


_LEAST, _LEAST_OF_MAKE, _LEAST_OF_CASES = 1.0, 4.0, 0.1
"""Of tests: seconds where the start of a program is counted, and of a rule of make, by which each
may be one; the share of a run where only their cases are. Of a benchmark by the clock: seconds, as
starting a program that does nothing takes."""


def benchmark_runs(stack: Stack) -> Iterator[Offer]:
    """Each benchmark by the number that it prints, else by the time that it takes."""
    for found in stack.benchmarks:
        if found.name != "val_bpb":
            metric = _metric_of(found)
            better = f"{'Raise' if found.maximize else 'Lower'} {found.name}"
            yield _offer(
                stack,
                "benchmarks",
                better if found.name == metric["name"] else "Make the benchmarks faster",
                metric,
                found.reason,
                least=0.0 if found.is_tool or found.name else _LEAST_OF_CASES,
            )


def _metric_of(found: Benchmark) -> dict[str, Any]:
    before = f"{found.before} && " if found.before else ""
    if found.is_tool:
        only = f" --only {shlex.quote(found.only)}" if found.only else ""
        command = f"{before}{SCORE} bench{only} -- {shlex.quote(found.command)}"
        return {"command": command, "name": "nanoseconds", "direction": "minimize"}
    if found.name:
        direction = "maximize" if found.maximize else "minimize"
        return {"command": f"{before}{found.command}", "name": found.name, "direction": direction}
    command = f"{before}{timed(found.command)}"
    return {"command": command, "name": "seconds", "direction": "minimize"}


def timed(command: str) -> str:
    """A command line that prints what another one costs."""
    plain = not re.search(r"[;&|<>$`(){}*?#~]|^\w+=", command)
    return f"{SCORE} time -- {command if plain else f'bash -c {shlex.quote(command)}'}"


def suite_time(stack: Stack) -> Iterator[Offer]:
    """Of the tests, as their runner reports it, else by the clock."""
    for target in suites(stack)[:1]:
        guard = guard_of(target)
        command, report = without_linters(guard["command"], stack), guard.get("junit", "")
        if report:
            for built, options in _OPTIMISED.items():
                command = command.replace(built, f"{built} {options}", 1)
            metric = {"command": command, "extract": {"junit": report, "count": "seconds"}}
        elif target.tool == "cargo test":
            # Those in the documentation are compiled anew each time.
            if " --tests" not in command:
                command = command.replace("cargo test", "cargo test --tests", 1)
            built = command.replace("cargo test", "cargo test --no-run", 1)
            metric = {"command": f"{built} && {timed(command)}", "name": "seconds"}
        elif target.tool == "go test":
            # The detector of races takes several times as long.
            plain = command.replace(" -race", "").removesuffix(" -v")
            fresh = plain.replace("go test", "go test -count=1", 1)
            built = plain.replace("go test", "go test -run=^$", 1)
            metric = {"command": f"{built} && {timed(fresh)}", "name": "seconds"}
        else:  # what is built before is no part of it
            built, and_, tests = command.rpartition(" && ")
            if re.match(r"make \w", tests) and "configure" not in built:
                built, and_ = command, " && "
            metric = {"command": f"{built}{and_}{timed(tests)}", "name": "seconds"}
        metric["direction"] = "minimize"
        yield _offer(
            stack,
            "the time of the tests",
            "Make the code that the tests run faster",
            metric,
            target.reasons[0],
            least=_LEAST_OF_CASES
            if "extract" in metric
            else _LEAST_OF_MAKE
            if "make " in command
            else _LEAST,
        )


_OPTIMISED = {
    "cmake -S . -B build": "-DCMAKE_C_FLAGS=-O2 -DCMAKE_CXX_FLAGS=-O2",
    "meson setup build": "--optimization=2",
}
"""What has to be said: without a type of build nothing is."""


_RUNNERS = ("ava", "mocha", "uvu", "tap", "tape", "jasmine", "vitest", "jest")


_COUNTS_LINES = re.compile(r"^(?:nyc|c8) (?:-\S+(?: \d+)? )*")


def without_linters(command: str, stack: Stack) -> str:
    """Of a script `test` that lints and counts covered lines as well, what runs the code."""
    steps = [*_steps("test", stack.scripts)]
    runs = [step for step in steps if step.split(" ")[0] in _RUNNERS]
    is_script = command.startswith("npm test --silent")
    if not is_script or len(runs) != 1 or runs == [stack.scripts.get("test")]:
        return command
    return f"npx --no-install {runs[0]}"


def _steps(name: str, scripts: Mapping[str, str]) -> Iterator[str]:
    """What a script of package.json starts, also by way of others."""
    others = {other: line for other, line in scripts.items() if other != name}
    for step in map(str.strip, scripts.get(name, "").split("&&")):
        if match := re.fullmatch(r"npm run (?:-\S+ )*([\w:-]+)", step):
            yield from _steps(match[1], others)
        else:
            yield _COUNTS_LINES.sub("", step)


def notebooks(stack: Stack) -> Iterator[Offer]:
    """The time that it takes to run them all, by the clock: their kernels are other processes."""
    if stack.notebooks:
        command = timed(notebook_run(stack.notebooks[:_NOTEBOOKS]))
        metric = {"command": command, "name": "seconds", "direction": "minimize"}
        goal = "Make the notebooks run faster, with the same results"
        yield _offer(
            stack, "the time of the notebooks", goal, metric, f"{stack.notebooks[0]}: runs"
        )


_IN_PROCESS = ("pytest", "unittest", "node --test", "vitest", "jest", "npm test", "tests")
"""Runners that are the process of the tests, or take less; of others the peak is that of a compiler
or their own."""


def memory(stack: Stack) -> Iterator[Offer]:
    """What Go's benchmarks allocate, else the peak of a benchmark or of the tests; what takes no
    more than an empty program is told none, and what builds them is not measured."""
    for found in stack.benchmarks:
        if found.command.startswith("go test "):
            asked = found.command.replace(" -bench .", " -bench . -benchmem", 1)
            metric = {**_metric_of(replace(found, command=asked)), "name": "bytes_per_op"}
            yield _offer(stack, "memory", "Allocate less memory", metric, found.reason)
    work = [(b.before, b.command, b.reason) for b in stack.benchmarks if not b.is_tool]
    for target in suites(stack)[:1]:
        if target.tool in _IN_PROCESS:
            command = without_linters(guard_of(target)["command"], stack)
            built, _, tests = command.rpartition(" && ")
            work.append((built, tests, target.reasons[0]))
    for before, command, reason in work[:3]:
        line = f"{before} && {timed(command)}" if before else timed(command)
        metric = {"command": line, "name": "peak_memory_mb", "direction": "minimize"}
        goal = f"Lower the peak memory of {command}"
        yield _offer(stack, "peak memory", goal, metric, reason, least=_LEAST)


# --- Sizes ----------------------------------------------------------------------------------------


def bundle(stack: Stack) -> Iterator[Offer]:
    """What size-limit says, else what the build of a JavaScript project writes, compressed."""
    limits = next((name for name, line in stack.scripts.items() if "size-limit" in line), "")
    if limits:
        built = "npm run --silent build && " if "build" in stack.scripts else ""
        metric = {
            "command": f"{built}npx --no-install size-limit --json",
            "extract": {"regex": r'"size":\s*(\d+)', "many": "mean"},
            "direction": "minimize",
        }
        goal, reason = "Make what size-limit watches smaller", f"package.json: script {limits}"
        yield _offer(stack, "size-limit", goal, metric, reason)
    if "build" in stack.scripts and stack.output:
        files = f"'{stack.output}'" if "*" in stack.output else shlex.quote(stack.output)
        command = f"npm run --silent build && {SCORE} size {files}"
        metric = {"command": command, "name": "gzip_bytes", "direction": "minimize"}
        goal = f"Make the built {stack.output} smaller, compressed"
        yield _offer(stack, "bundle size", goal, metric, "package.json: script build")


def lighthouse(stack: Stack) -> Iterator[Offer]:
    """Of the page that a build writes, else of one that is there."""
    if not stack.page:
        return
    build, folder, reason = stack.page
    command = f"{f'{build} && ' if build else ''}{SCORE} lighthouse {shlex.quote(folder)}"
    metric = {"command": command, "name": "performance", "direction": "maximize", "target": 100}
    top = "" if build or folder == "." else f"{folder}/"
    shown = tuple(f"{top}**/*{end}" for end in (".html", ".css"))
    code = stack.scope if build else (f"{top}**/*.js", *(f"!{glob}" for glob in stack.tests))
    goal = "Raise Lighthouse's score of performance, with the same page"
    yield _offer(stack, "Lighthouse", goal, metric, reason, scope=(*code, *shown))


def binary(stack: Stack) -> Iterator[Offer]:
    """Of the first program that the build makes."""
    for build, program, reason in stack.programs[:1]:
        command = f"{build} && {SCORE} size {program}"
        metric = {"command": command, "name": "bytes", "direction": "minimize"}
        what = program.strip("'").rpartition("/")[2]
        what = "the library" if "lib*" in what else what
        yield _offer(stack, "binary size", f"Make {what} smaller", metric, reason)


# --- Tests, types, lint ---------------------------------------------------------------------------


def coverage(stack: Stack) -> Iterator[Offer]:
    """Of lines, by new tests: the scope is where tests are."""
    for target in suites(stack)[:1]:
        guard = guard_of(target)
        command = guard["command"]
        read: dict[str, Any] = {"coverage": "coverage/cobertura-coverage.xml"}
        if target.tool == "pytest":
            command = f"{command} {_covered(stack.scope)} --cov-report=xml:coverage.xml"
            read = {"coverage": "coverage.xml"}
        elif target.tool == "vitest":
            command = f"{command} --coverage --coverage.reporter=cobertura"
        elif target.tool == "jest":
            command = f"{command} --coverage --coverageReporters=cobertura"
        elif target.tool == "go test":
            command = command.replace("go test", "go test -coverprofile=cover.out", 1)
            command = f"{command} && go tool cover -func=cover.out"
            read = {"regex": r"total:\s+\(statements\)\s+([\d.]+)%"}
        elif target.tool == "unittest" and command.startswith("python -m unittest"):
            counted = f"python -m coverage run {_covered(stack.scope, '--source=')} -m unittest"
            command = command.replace("python -m unittest", counted, 1)
            command = f"{command} && python -m coverage xml -o coverage.xml"
            read = {"coverage": "coverage.xml"}
        elif target.tool == "cargo test":
            command = "cargo llvm-cov --workspace --cobertura --output-path coverage.xml"
            read = {"coverage": "coverage.xml"}
        elif stack.is_of_node and (counter := _COUNTER.search("\n".join(stack.scripts.values()))):
            command = f"{counter[0]} --reporter=cobertura {without_linters(command, stack)}"
            command = f"npx --no-install {command}"
        else:
            continue
        metric = {"command": command, "extract": read, "direction": "maximize"}
        yield _offer(
            stack,
            "test coverage",
            "Raise the line coverage by tests that check behaviour",
            metric,
            target.reasons[0],
            scope=tuple(re.sub("/$", "/**", t) for t in stack.tests if not t.startswith(ASIDE))
            or stack.scope,
            guards=({**guard, "command": command},),
        )


_COUNTER = re.compile(r"(?<!\S)(?:nyc|c8)(?!\S)")


def _covered(scope: Sequence[str], option: str = "--cov=") -> str:
    """Options for the sources: without any the lines of the tests are counted, too, and whoever
    makes those longer has covered more. pytest-cov repeats its own, coverage has one list."""
    sources = set()
    for glob in (each.removeprefix("/") for each in scope if not each.startswith("!")):
        folder, _, name = glob.rpartition("/")
        if "/**" in glob:
            sources.add(glob.split("/**")[0])
        elif folder or "*" not in name:  # a file at the root by the name of its module
            sources.add(folder or name.removesuffix(".py"))
    if option == "--cov=":
        return " ".join(f"--cov={shlex.quote(source)}" for source in sorted(sources)) or "--cov"
    return f"{option}{shlex.quote(','.join(sorted(sources)) or '.')}"


_TYPES, _LINTERS = ("mypy", "pyright", "tsc"), ("ruff", "eslint", "cargo", "go vet", "shellcheck")


def type_errors(stack: Stack) -> Iterator[Offer]:
    yield from _problems(stack, _TYPES, "type errors", "Fix type errors without silencing them")


def lint(stack: Stack) -> Iterator[Offer]:
    yield from _problems(stack, _LINTERS, "lint findings", "Fix lint findings, not by silencing")


def compiler_warnings(stack: Stack) -> Iterator[Offer]:
    """Those that gcc and clang keep to themselves unless they are asked."""
    for target in stack.checks.targets:
        if target.tool == "gcc" and "cmake -S" in target.command:
            asked = "cmake -S . -B build -DCMAKE_C_FLAGS=-Wall -DCMAKE_CXX_FLAGS=-Wall"
            asking = target.command.replace("cmake -S . -B build", asked, 1)
            checks = replace(stack.checks, targets=(replace(target, command=asking),))
            told = replace(stack, checks=checks)
            for offer in _problems(told, ("gcc",), "warnings", "Fix what the compiler warns of"):
                yield replace(offer, guards=tuple(guards_of(stack)))


def _problems(stack: Stack, tools: tuple[str, ...], title: str, goal: str) -> Iterator[Offer]:
    for target in stack.checks.targets:
        if target.tool in tools and not target.folder:
            command = f"{SCORE} problems --tool {target.tool!r} -- {shlex.quote(target.command)}"
            metric = {"command": command, "name": "problems", "direction": "minimize", "target": 0}
            tool = "clippy" if target.tool == "cargo" else target.tool
            yield _offer(stack, f"{title} of {tool}", goal, metric, target.reasons[0])


# --- What needs no run ----------------------------------------------------------------------------


def _globs(scope: tuple[str, ...]) -> str:
    """As `score` takes them: what the scope leaves out is not counted either."""
    kept = [shlex.quote(glob.lstrip("/")) for glob in scope if not glob.startswith("!")]
    left_out = [f"--exclude {shlex.quote(glob[1:])}" for glob in scope if glob.startswith("!")]
    return " ".join((*kept, *left_out))


def complexity(stack: Stack) -> Iterator[Offer]:
    if stack.scope and stack.main not in ("docs", "prompts", "SQL", "notebooks"):
        metric = {
            "command": f"{SCORE} complexity {_globs(stack.scope)}",
            "name": "complexity",
            "direction": "minimize",
        }
        goal = "Lower the cyclomatic complexity"
        yield _offer(stack, "complexity", goal, metric, stack.counted)


def marks(stack: Stack) -> Iterator[Offer]:
    if stack.scope:
        metric = {
            "command": f"{SCORE} marks {_globs(stack.scope)}",
            "name": "marks",
            "direction": "minimize",
            "target": 0,
        }
        goal = "Do what TODO and FIXME ask for, instead of removing the words"
        yield _offer(stack, "TODO marks", goal, metric, stack.counted)


def docstrings(stack: Stack) -> Iterator[Offer]:
    if stack.main == "Python" and stack.scope:
        metric = {
            "command": f"{SCORE} docstrings {_globs(stack.scope)}",
            "name": "documented_percent",
            "direction": "maximize",
        }
        goal = "Document public names with what a reader needs to know"
        yield _offer(stack, "documented names", goal, metric, stack.counted)


def readability(stack: Stack) -> Iterator[Offer]:
    """Of pages; a link that breaks is refused."""
    for scope, reason in _written(stack):
        command = f"{SCORE} readability {_globs(scope)}"
        metric = {"command": command, "name": "reading_ease", "direction": "maximize"}
        links = {"command": f"{SCORE} links {_globs(scope)}", "metric": "broken_links"}
        size = f"{SCORE} size {_globs(scope)}"  # what is left out is easy to read
        whole = {"command": size, "metric": "gzip_bytes", "direction": "maximize", "tolerance": 0.2}
        goal = "Make the pages easier to read without losing what they say"
        yield _offer(stack, "readability", goal, metric, reason, scope=scope, guards=(links, whole))


def page_warnings(stack: Stack) -> Iterator[Offer]:
    """Of the tool that builds the documentation."""
    for command, reason in stack.sites[:1]:
        regex = "--regex '(^|: )(WARNING|ERROR|CRITICAL|SEVERE)\\b' --exit-codes 0"
        metric = {
            "command": f"{SCORE} lines {regex} -- {shlex.quote(command)}",
            "name": "lines",
            "direction": "minimize",
            "target": 0,
        }
        goal = "Mend what the build of the documentation warns of"
        yield _offer(
            stack,
            "warnings of the pages",
            goal,
            metric,
            reason,
            scope=_site_scope(stack),
            guards=(),
        )


def _site_scope(stack: Stack) -> tuple[str, ...]:
    folder = re.search(r"sphinx-build \S+ \S+ \S+ (\S+)", stack.sites[0][0])
    return (f"{folder[1]}/**/*.rst", f"{folder[1]}/**/*.md") if folder else stack.page_scope


def links(stack: Stack) -> Iterator[Offer]:
    for scope, reason in _written(stack):
        command = f"{SCORE} links {_globs(scope)}"
        metric = {"command": command, "name": "broken_links", "direction": "minimize", "target": 0}
        goal = "Mend links that lead nowhere"
        yield _offer(stack, "broken links", goal, metric, reason, scope=scope, guards=())


def spelling(stack: Stack) -> Iterator[Offer]:
    for scope, reason in _written(stack):
        files = " ".join(
            re.sub(r"[^\w*./-]", r"\\\g<0>", f"./{glob.lstrip('/')}") for glob in scope
        )
        command = f"{SCORE} lines --exit-codes 0,65 -- codespell {files}"
        metric = {"command": command, "name": "lines", "direction": "minimize", "target": 0}
        links = {"command": f"{SCORE} links {_globs(scope)}", "metric": "broken_links"}
        goal = "Correct misspelt words"
        yield _offer(stack, "spelling", goal, metric, reason, scope=scope, guards=(links,))


def _written(stack: Stack) -> Iterator[tuple[tuple[str, ...], str]]:
    if stack.page_scope:
        yield stack.page_scope, f"{len(stack.pages or stack.prompts)} Markdown files"


def sql(stack: Stack) -> Iterator[Offer]:
    """Instructions of SQLite, with a schema that is there."""
    queries = tuple(path for path in stack.queries if path not in stack.tables)
    if queries:
        loaded = "".join(
            f" --load {shlex.quote(path)}" for path in stack.queries if path in stack.tables
        )
        command = f"{SCORE} sql {_globs(queries[:20])}{loaded}"
        metric = {"command": command, "name": "vm_steps", "direction": "minimize"}
        goal = "Make the queries cheaper, with the same answers"
        yield _offer(stack, "SQL in SQLite", goal, metric, f"{queries[0]}: SQL", scope=queries[:20])
