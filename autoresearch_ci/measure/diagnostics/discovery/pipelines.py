"""Task runners, workflows and hooks: what they start, whatever it is written in."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from autoresearch_ci.decide.failures.failure import Category
from autoresearch_ci.measure.diagnostics.discovery.found import HOOKS, FoundHints, depth, topmost
from autoresearch_ci.measure.diagnostics.registry import TOOLS

MAKEFILES = ("Makefile", "makefile", "GNUmakefile")
_JUSTFILES = ("justfile", ".justfile")
_WORKFLOW = re.compile(r"\.github/workflows/[^/]+\.ya?ml")
_DENIES = re.compile(r"(?:-D ?|--deny[= ])warnings")
_CHECK_RULE = re.compile(r"(?m)^(check|test)\s*:(?!=)")
_SUITE_RULE = re.compile(r"(?m)^(run[_-]?tests?|tests|all[_-]tests|unit[_-]?tests?)\s*:(?!=)")
_TEST_PROGRAM = re.compile(
    r"(?mi)^((?:[\w-]*[_-])?tests?(?:[_-][\w-]*)?)\s*:(?![:=]).*\n\t.*\s-o\s"
)
"""A rule that links a program of its own name."""
_FIRST_RULE = re.compile(r"(?m)^([A-Za-z0-9_][\w./-]*)[ \t]*:(?![:=])([^\n;#]*)")
"""What make makes when nobody names a goal."""
_TESTS = re.compile(r"check|tests?|run[_-]?tests?|all[_-]tests|unit[_-]?tests?")
_PROGRAMS = ("configure.ac", "configure.in")
_MESON = (
    "meson setup build && ln -sf {report} build/meson-logs/testlog.junit.xml"
    " && meson test -C build --print-errorlogs"
)
_HOOKS = {
    "ruff-check": "ruff",
    "ruff-format": "ruff format",
    **{name: name for name in ("ruff", "mypy", "eslint", "shellcheck", "actionlint", "pyright")},
}


def look(found: FoundHints) -> None:
    for path in sorted(found.named(*MAKEFILES, *_JUSTFILES), key=depth):
        for line in found.text(path).replace("\\\n", " ").splitlines():
            if line[:1] == "\t" or (line[:1] == " " and path.endswith("justfile")):
                # Each has a shell of its own.
                found.mentions(line.lstrip().lstrip("@-+"), path, posixpath.dirname(path))
    for path in found.named(".shellcheckrc"):
        found.add("shellcheck", posixpath.dirname(path), f"{path}: is there")
    for path in (".github/actionlint.yaml", ".github/actionlint.yml"):
        if path in found.known:
            found.add("actionlint", "", f"{path}: is there")
    for path in found.paths:
        if _WORKFLOW.fullmatch(path):
            for folder, lines, flags in _steps(found.yaml(path)):
                found.mentions(lines, path, folder if any(found.below(folder)) else "", flags)
    for hook in _hooks(found.yaml(HOOKS)) if HOOKS in found.known else ():
        if hook in _HOOKS:
            found.add(_HOOKS[hook], "", f"{HOOKS}: {hook}")


def look_for_rules(found: FoundHints) -> None:
    """What is left to ask where nobody lists tests one by one: whether make's all pass."""
    for path in sorted(found.named(*MAKEFILES), key=depth):
        text, folder = found.text(path), posixpath.dirname(path)
        if rule := _CHECK_RULE.search(text):
            _add_rule(found, f"make {rule[1]}", folder, f"{path}: {rule[1]}")
        elif rule := _SUITE_RULE.search(text):
            _add_rule(found, "make test", folder, f"{path}: {rule[1]}", f"make {rule[1]}")
        elif program := _TEST_PROGRAM.search(text):
            command = f"make {program[1]} && ./{program[1]}"
            _add_rule(found, "make test", folder, f"{path}: {program[1]}", command)
        _let_tests_fail(found, path, text)
    for path in sorted(found.named(*_PROGRAMS), key=depth):  # automake has the rule in each
        folder = posixpath.dirname(path)
        command = "autoreconf -fi && ./configure && make check"
        if posixpath.join(folder, "Makefile.am") in found.known:
            _add_rule(found, "make check", folder, f"{path}: is there", command)
    for path in topmost(found.named("meson.build")):
        folder = posixpath.dirname(path)
        lists = (each for each in found.below(folder) if each.endswith("meson.build"))
        if any(re.search(r"(?m)^\s*test\s*\(", found.text(each)) for each in lists):
            _add_rule(found, "junit", folder, f"{path}: is there", _MESON)


def _let_tests_fail(found: FoundHints, path: str, text: str) -> None:
    """A build that runs the tests fails for them, and has told of all that does not compile."""
    folder = posixpath.dirname(path)
    first = _FIRST_RULE.search(text)
    tests = first and any(_TESTS.fullmatch(name) for name in (first[1], *first[2].split()))
    asked = any((rule, folder) in found.hints for rule in ("make check", "make test"))
    for tool in ("gcc", "javac"):
        if tests and asked and (tool, folder) in found.hints:
            why = f"{path}: its first rule runs the tests, of which make tells by itself"
            found.add(tool, folder, why, f"{TOOLS[tool].command} || :")


def _add_rule(found: FoundHints, rule: str, folder: str, reason: str, command: str = "") -> None:
    known = (tool for tool, where in found.hints if not folder or where == folder)
    nested = found.is_asked_around(("make check", "make test", "junit"), folder)
    if not nested and not any(Category.TEST in TOOLS[tool].categories for tool in known):
        found.add(rule, folder, reason, command)


def _steps(workflow: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(folder, lines of shell, what rustc is told besides) of each step that runs some."""
    jobs = workflow.get("jobs")
    for job in jobs.values() if isinstance(jobs, dict) else ():
        steps = job.get("steps") if isinstance(job, dict) else None
        for step in steps if isinstance(steps, list) else ():
            run = step.get("run") if isinstance(step, dict) else None
            if isinstance(run, str):
                folder = step.get("working-directory")
                folder = posixpath.normpath(folder) if isinstance(folder, str) else ""
                yield folder, run, _rust_flags(workflow, job, step)


def _rust_flags(*places: dict[str, Any]) -> str:
    """With which a warning fails, as the innermost place has them; empty: it does not."""
    told = [env for place in places if isinstance(env := place.get("env"), dict)]
    flags = next((env["RUSTFLAGS"] for env in reversed(told) if "RUSTFLAGS" in env), "")
    return flags if isinstance(flags, str) and _DENIES.fullmatch(flags.strip()) else ""


def _hooks(settings: dict[str, Any]) -> Iterator[str]:
    repositories = settings.get("repos")
    for repository in repositories if isinstance(repositories, list) else ():
        hooks = repository.get("hooks") if isinstance(repository, dict) else None
        for hook in hooks if isinstance(hooks, list) else ():
            if isinstance(hook, dict) and isinstance(hook.get("id"), str):
                yield hook["id"]
