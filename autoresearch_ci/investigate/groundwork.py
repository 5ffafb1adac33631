"""Before anything is supposed: what fails, where, and how surely. Needs no model.

A command that is given is run until it is clear how often it fails; without one, what the
repository itself is checked with is run once, and the most pressing failure becomes the symptom.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.decide.failures.bisection import (
    FLAKY_RUNS,
    REPRODUCTIONS,
    FailureRate,
    RunEnd,
    judged,
    reproduction,
)
from autoresearch_ci.decide.failures.failure import (
    Category,
    Failure,
    ordered,
    ranked,
    summary,
)
from autoresearch_ci.decide.failures.selected_tests import suite_command
from autoresearch_ci.errors import BaselineError
from autoresearch_ci.events import Note
from autoresearch_ci.investigate.runs import Runs, outcome
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput
from autoresearch_ci.measure.diagnostics.registry import TOOLS
from autoresearch_ci.measure.run_diagnostics import adapter_of
from autoresearch_ci.record.investigation_history import Ran, StepDone
from autoresearch_ci.safety.prompt_text import line

_REPORT = "autoresearch-report"
"""Written into the measure tree, which is restored afterwards."""
_NO_TESTS = (4, 5)
"""Exit codes of pytest: it was called wrongly, or found no test."""
FAILURES_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """A command that fails, and how."""

    command: str
    outcome: RunEnd | None
    """`None`: it never failed."""
    reproduction: FailureRate
    runs: tuple[Ran, ...]

    @property
    def failed(self) -> Ran | None:
        """The first run that failed."""
        return next((run for run in self.runs if outcome(run).failed), None)


def reproduce(runs: Runs, command: str) -> Symptom:
    """Run it on the audited commit three times, and more often where it fails now and then.

    What an earlier process has run already counts. Raises `BaselineError` when it cannot be run.
    """
    done = runs.records.known.ran("reproduce", runs.base)
    while len(done) < REPRODUCTIONS or (len(done) < FLAKY_RUNS and _is_mixed(done)):
        ran = runs.execute(command, purpose="reproduce")
        _refuse_unrunnable(ran)
        done.append(ran)
    return symptom_of(command, done)


def symptom_of(command: str, done: Sequence[Ran]) -> Symptom:
    """What some runs of one command on one commit come to."""
    failed = [outcome(run) for run in done if outcome(run).failed]
    if not failed:
        rate = FailureRate(runs=len(done), failed=0)
        return Symptom(command=command, outcome=None, reproduction=rate, runs=tuple(done))
    first = failed[0]
    verdicts = [judged(first, outcome(run))[0] for run in done]
    return Symptom(
        command=command, outcome=first, reproduction=reproduction(verdicts), runs=tuple(done)
    )


def _is_mixed(done: Sequence[Ran]) -> bool:
    return len({outcome(run).failed for run in done}) == 2


def _refuse_unrunnable(ran: Ran) -> None:
    missing = ran.exit_code in (126, 127)
    is_pytest = bool(re.search(r"\b(pytest|py\.test)\b", ran.command))
    idle = is_pytest and ran.exit_code in _NO_TESTS and not (ran.failing or ran.unfit)
    if missing or idle:
        why = "it found no test to run" if idle else "it cannot be started"
        raise BaselineError(
            f"the command says nothing of the failure, {why}: {ran.command} ({ran.failure})\n"
            "usually: a misspelt path, or a program or package that measured code does not find; "
            "see `env`, `share` and `setup` in the configuration.\n"
            f"its last output:\n{ran.tail}"
        )


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Everything that the repository's own checks complain about."""

    count: int
    failures: tuple[str, ...]
    """The most pressing first: place and message of each, not of all if they are many."""
    incomplete: tuple[str, ...]
    """What may lack, and why."""
    command: str
    """Shows the most pressing failure of a test, or any; empty: nothing fails."""
    targets: tuple[str, ...]
    """What was run."""
    summary: str = ""
    """How many there are of each kind: `3 test, 52 warning`."""


def inventory(runs: Runs, targets: Sequence[FixTarget], files: Collection[str]) -> Inventory:
    """Run each of the repository's own checks once, if an earlier process has not.

    Raises `BaselineError`, `OutOfTime`.
    """
    if known := runs.records.known.steps.get("inventory"):
        return TypeAdapter(Inventory).validate_python(known)
    failures: list[Failure] = []
    incomplete: list[str] = []
    shows: list[tuple[bool, int, str]] = []
    for target in targets:
        seen, why, command = _asked(runs, target, files)
        failures += seen
        incomplete += [f"{target.name}: {why}"] if why else []
        if broken := [f for f in seen if f.category is not Category.WARNING]:
            is_test = any(failure.category is Category.TEST for failure in broken)
            rank = min(failure.category.rank for failure in broken)
            shows.append((not is_test, rank, command))
    result = Inventory(
        count=len(failures),
        failures=tuple(
            f"{failure.category} {failure.path}:{failure.line} {line(failure.message, 200)}"
            for failure in ordered(failures)[:FAILURES_SHOWN]
        ),
        incomplete=tuple(incomplete),
        command=min(shows)[2] if shows else "",
        targets=tuple(target.name for target in targets),
        summary=summary(failures),
    )
    runs.records.append(StepDone(name="inventory", found=asdict(result)))
    return result


def shows(target: FixTarget) -> str:
    """The command as a person types it, who wants no report."""
    known = TOOLS.get(target.tool)
    flags = known.writes.split() if known else []
    words = [word for word in target.command.split(" ") if word not in flags]
    plain = " ".join(filter(None, words)).replace(" --output-junit {report}", "")
    # No device: who renames the report to its place, as ctest does, replaces it where root asks.
    return plain.replace("{report}", '"$(mktemp)"')


def _asked(
    runs: Runs, target: FixTarget, files: Collection[str]
) -> tuple[tuple[Failure, ...], str, str]:
    """Failures, why they may not be all, and a command that shows the first of them."""
    commands = runs.at(runs.base)
    tree = str(commands.tree.layout.tree)
    inside = f"cd {shlex.quote(target.folder)} && " if target.folder else ""
    writes = "{report}" in target.command
    asked = target.command.replace("{report}", shlex.quote(f"{tree}/{_REPORT}"))
    report = _REPORT if writes else target.reports or None
    result, suite, written = runs.reported(f"{inside}{asked}", report)
    said = ToolOutput(result=result, report=written, root=tree, folder=target.folder or "")
    adapter = adapter_of(target)
    told = adapter.parse(said)
    told = told if adapter.levels else ranked(told, result.exit_code)
    plain = shows(target)
    command = f"{inside}{plain}"
    if suite and not inside:
        failing = [test for test, end in suite.of.items() if end in ("failed", "error")]
        chosen = suite_command(plain, files)
        here = [test for test in failing if test.partition("::")[0] in files]
        if here and chosen.is_watched:
            command = chosen.selecting(here[:1], files)
    return told.failures, told.incomplete, command


def told(symptom: Symptom) -> Note:
    """One line for people."""
    tests = symptom.outcome.failing if symptom.outcome else frozenset()
    named = f" ({', '.join(sorted(tests)[:3])})" if tests else ""
    return Note(message=f"{symptom.command}: {symptom.reproduction.words()}{named}")
