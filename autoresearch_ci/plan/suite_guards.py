"""The repository's own tests as guards: how each runner is asked, and where its report lies."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from autoresearch_ci.measure.diagnostics.discovery.targets import Target
from autoresearch_ci.plan.stack import Stack

REPORT = "tests-report.xml"
"""At the root of the measure tree; JUnit's XML."""
_ASKED: Mapping[str, tuple[str, str]] = {
    "pytest": (f"-p no:cacheprovider --junitxml={REPORT}", REPORT),
    "node --test": (
        "--test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit "
        f"--test-reporter-destination={REPORT}",
        REPORT,
    ),
    "vitest": (f"--reporter=default --reporter=junit --outputFile.junit={REPORT}", REPORT),
    "jest": ("--ci", ""),
    "cargo test": ("", ""),
    "go test": ("-v", ""),
    "maven": ("-B -o", "**/target/surefire-reports/TEST-*.xml"),
    "gradle": ("--console=plain", "**/build/test-results/**/TEST-*.xml"),
}
"""What stands instead of what `fix` adds to read every failure, and the report."""
_ADDED = re.compile(
    r" (\$\(go help testflag [^)]*\)|--continue-on-collection-errors|-o junit_family=xunit1"
    r"|--junitxml=\{report\}"
    r"|-p no:cacheprovider|--test-reporter(-destination)?=\S+|--reporter=json"
    r"|--outputFile=\{report\}|--json|--ci|--no-fail-fast|--message-format=json|-json|-vet=off|-gcflags=\S+|-B|-fae"
    r"|--console=plain|--continue|--rerun-tasks)(?=\s|$)"
)
ASIDE = (".", "bench", "docs", "example")
"""What folders are called whose tests are not those of the code."""
_MOST = 2
"""More suites than that are named to the user, and left to them."""


def suites(stack: Stack) -> list[Target]:
    """Targets that are tests, those at the root first; one each folder, rather one that is for the
    main language, or for any: a script may be called like a test of another."""

    def order(target: Target) -> tuple[int, bool, bool]:
        foreign = stack.main not in _LANGUAGES.get(target.tool, (stack.main,))
        return target.folder.count("/"), target.folder != "", foreign

    found: dict[str, Target] = {}
    for target in sorted(stack.checks.targets, key=order):
        if target.tool in _SUITES and not target.folder.startswith(ASIDE):
            found.setdefault(target.folder, target)
    rooted = [target for folder, target in found.items() if not folder]
    return rooted[:1] or list(found.values())[:_MOST] or list(_scripted(stack))


_NO_TEST = re.compile(r"no test specified|^\s*(true|echo\b[^&|;]*)\s*$")


def _scripted(stack: Stack) -> Iterator[Target]:
    """Tests that only a script of the repository knows how to start."""
    line = stack.scripts.get("test", "")
    if line and not _NO_TEST.search(line):
        yield _script("npm test --silent", "", "package.json: script test")
    elif stack.test_script:
        folder, name = posixpath.split(stack.test_script)
        yield _script(f"./{name}", folder, f"{stack.test_script}: is there")


def _script(command: str, folder: str, reason: str) -> Target:
    return Target(
        name="tests", tool="tests", command=command, folder=folder, reports="", reasons=(reason,)
    )


_SUITES = (
    *_ASKED,
    *("unittest", "npm test", "junit", "make check", "make test"),
)


_LANGUAGES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("pytest", "unittest"), ("Python", "notebooks")),
    **dict.fromkeys(("node --test", "vitest", "jest", "npm test"), ("JavaScript", "TypeScript")),
    "cargo test": ("Rust",),
    "go test": ("Go",),
    "maven": ("Java",),
    "gradle": ("Java",),
}


def guard_of(target: Target) -> dict[str, Any]:
    """The guard of the configuration; with `junit` each test that passed must pass again."""
    command, report = target.command, ""
    if target.tool in _ASKED:
        words, report = _ASKED[target.tool]
        command = _ADDED.sub("", command)
        if target.tool == "node --test":  # which takes nothing behind the names of files
            command = command.replace(" --test", f" --test {words}", 1)
        else:
            command = f"{command} {words}".strip()
    elif "{report}" in command:
        command, report = command.replace("{report}", f'"$PWD/{REPORT}"'), REPORT
    if target.folder:
        command = f"cd {shlex.quote(target.folder)} && {command}"
        report = f"{target.folder}/{report}" if report == REPORT else report
    return {"command": command, **({"junit": report} if report else {})}


def failure_counts(stack: Stack) -> Iterator[dict[str, Any]]:
    """Of suites whose failures can be counted: that there are no more of them."""
    for target in suites(stack):
        if target.tool in _ASKED:
            count = f"autoresearch-ci score problems --tool {shlex.quote(target.tool)}"
            command = f"{count} -- {shlex.quote(target.command)}"
            if target.folder:
                command = f"cd {shlex.quote(target.folder)} && {command}"
            yield {"command": command, "metric": "problems"}


def guards_of(stack: Stack) -> list[dict[str, Any]]:
    """Of all suites that are taken."""
    return [guard_of(target) for target in suites(stack)]
