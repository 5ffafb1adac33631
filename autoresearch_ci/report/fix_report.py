"""What the gate of `fix` tells of a commit, as one value, and as JSON; other forms are elsewhere.

For people: fix_page.py. For tools: sarif.py, failures_junit.py, annotations.py.
"""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoresearch_ci.decide.failures.causes.verdicts import detected_with
from autoresearch_ci.decide.failures.failure import Category, Failure
from autoresearch_ci.decide.gates import Age, GateVerdict, Judged
from autoresearch_ci.safety.wording import shortened

SCHEMA = 1
"""Of `failures.json`; a number more when a member changes its meaning."""
LISTED = 20_000
"""Failures in one file."""
WORDS = 1_000
"""Characters of a message in a file for tools."""


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """All that is told of one look at a commit."""

    verdict: GateVerdict[Failure]
    commit: str
    base: str = ""
    """The merge base; empty: there was none to compare with, or nobody asked it."""
    no_base: str = ""
    """Why not."""
    words: tuple[str, ...] = ()
    """What makes it fail, as `--fail-on` names it."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """By the name of each target at the head: what a person types at the repository's root."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """By the name of a target: the end of what its tool printed."""
    staged: bool = False
    """It is what would be committed: no ref names it, and `fix`, which repairs HEAD, has it not."""
    looks: int = 1
    """At each commit, where tests failed that did not at the base."""
    doubts: tuple[str, ...] = ()
    """What in the change makes failures go away and mends nothing, or what was not searched for
    that. A sentence each; none of them decides."""
    files_url: str = ""
    """Address of the commit's files, up to the slash before a path; empty: there is none."""

    @property
    def standing(self) -> int:
        """Failures that are there at each look; of warnings, those that somebody asked about."""
        steady = (j for j in self.verdict.items if j.age is not Age.FLAKY)
        return sum(j.blocks or j.item.category is not Category.WARNING for j in steady)

    def counts(self, target: str | None = None) -> Counter[Age]:
        """How many items there are of each age, of one target or of all."""
        return Counter(j.age for j in self.verdict.items if target in (None, j.target))

    def named(self, age: Age) -> str:
        """For people: without a base nobody compared anything."""
        return "broken" if age is Age.UNKNOWN and not self.base else str(age)

    @property
    def again(self) -> str:
        """The command that does all of this again."""
        words = "".join(f" --fail-on {word}" for word in self.words)
        base = " --staged" if self.staged else f" --base {self.base}" if self.base else ""
        return f"autoresearch-ci fix --check{words}{base}"

    def by_hand(self, target: str) -> str:
        """What shows the target's failures without us; empty: nobody knows."""
        command = self.commands.get(target, "")
        return command.replace("{report}", "report.xml") if command else ""


def rule(failure: Failure) -> str:
    """The name of what is violated: `ruff/F401`; of a tool without such names, its own."""
    return f"{failure.tool}/{failure.code}" if failure.code else failure.tool


def fingerprint(judged: Judged[Failure]) -> str:
    """The same in every report, as long as it is the same thing; has no line number in it."""
    text = f"{judged.target}\0{judged.item.id}"
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def headline(judged: Judged[Failure], width: int = 120) -> str:
    """What is broken, in a line: a test's name, a rule and its words."""
    failure = judged.item
    name = failure.id.removeprefix(f"{failure.tool}:")
    is_test = failure.category == "test"
    return shortened(name if is_test else f"{rule(failure)}: {failure.message}", width)


def nodes(items: Iterable[Judged[Failure]]) -> Iterator[str]:
    """The failed tests of pytest, as its command line takes them."""
    for failure in (judged.item for judged in items):
        holder, found, name = failure.id.removeprefix("pytest:").rpartition("::")
        module = failure.path.removesuffix(".py").replace("/", ".")
        if failure.tool != "pytest" or not found or not failure.path.endswith(".py"):
            continue
        if holder == failure.path or holder.startswith(f"{failure.path}::"):
            yield f"{holder}::{name}"
        elif holder == module or holder.startswith(f"{module}."):
            classes = holder[len(module) + 1 :].split(".")
            yield "::".join(filter(None, (failure.path, *classes, name)))


_NODES = 5


def reproduce(report: GateReport) -> Iterator[str]:
    """Lines of shell: the commit, then each tool that tells of something, then all of it."""
    if not report.staged:
        yield f"git fetch origin {report.commit} && git switch --detach {report.commit}"
    told = [j for j in report.verdict.items if j.blocks] or [*report.verdict.items]
    targets = dict.fromkeys(j.target for j in told)
    for target in dict.fromkeys([*targets, *report.verdict.unseen]):
        if command := report.by_hand(target):
            yield command
        tests = [*nodes(j for j in told if j.target == target)][:_NODES]
        if tests:
            yield f"python -m pytest {shlex.join(tests)}"
    yield report.again


def gate_json(report: GateReport, annotations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`failures.json`: for scripts and for the step around us."""
    verdict = report.verdict
    return {
        "schema": SCHEMA,
        "verdict": str(verdict.ruling),
        "reason": verdict.reason,
        "failures": report.standing,
        "counts": {str(age): report.counts()[age] for age in Age},
        "commit": report.commit,
        "base": report.base,
        "no_base": report.no_base,
        "fail_on": list(report.words),
        "targets": [
            {
                "name": name,
                "command": command,
                "counts": {str(age): report.counts(name)[age] for age in Age},
            }
            for name, command in report.commands.items()
        ],
        "lost": dict(verdict.lost),
        "absent": list(verdict.absent),
        "unseen": dict(verdict.unseen),
        "doubts": list(report.doubts),
        "looks": report.looks,
        "detection": {str(rate): detected_with(report.looks, rate) for rate in (0.5, 0.1)},
        "reproduce": list(reproduce(report)),
        "annotations": list(annotations),
        "items": [_item(judged) for judged in verdict.items[:LISTED]],
        "items_left_out": max(0, len(verdict.items) - LISTED),
    }


def _item(judged: Judged[Failure]) -> dict[str, Any]:
    failure = judged.item
    return {
        "id": failure.id,
        "fingerprint": fingerprint(judged),
        "age": str(judged.age),
        "blocks": judged.blocks,
        "category": str(failure.category),
        "target": judged.target,
        "tool": failure.tool,
        "path": failure.path,
        "line": failure.line,
        "code": failure.code,
        "message": failure.message[:WORDS],
        "note": judged.note,
    }
