"""`autoresearch-ci debug`: what makes a command fail, from its first run to the pages about it.

Without a key it says how surely it fails, which commit brought it and which changed lines the
failing tests execute; with one it goes on with hypotheses. What was found `fix` repairs, if asked.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.fix import main as repair
from autoresearch_ci.cli.main import make_parser
from autoresearch_ci.cli.open_investigation import EVERYTHING, Desk, opened_desk
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.resolve import Setting
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.findings import Evidence, fingerprint
from autoresearch_ci.decide.selected_tests import suite_command
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.investigate.bisect import Bisected, Bisection, refuse_unrelated
from autoresearch_ci.investigate.differential import Differential, differential
from autoresearch_ci.investigate.experiments import Experiments, interpreter
from autoresearch_ci.investigate.groundwork import (
    Symptom,
    inventory,
    own_commands,
    reproduce,
    told,
)
from autoresearch_ci.investigate.program import Program, bundled, from_file
from autoresearch_ci.measure.commands import OutOfTime
from autoresearch_ci.preflight import Options, changed_since
from autoresearch_ci.record.investigation_records import Item, Started, peek
from autoresearch_ci.record.run_names import (
    chosen_investigation,
    refuse_vanished_base,
    run_store,
)
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.report.finding_pages import Finding, Report, handoff
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.workspace.repository import Repository

NAME = "debug"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks of the failure."""

    command: str = ""
    """Empty: the repository's own checks say what fails."""
    symptom: str = ""
    """In a person's words."""
    good: str = ""
    """A commit where it did not fail; empty: no bisection."""
    technique: str = ""
    severity: str = ""

    def as_flags(self) -> dict[str, str]:
        return {
            "command": self.command,
            "symptom": self.symptom,
            "bisect": self.good,
            "technique": self.technique,
        }


def main(options: argparse.Namespace) -> int:
    """Look for the cause, write the pages, and say where they are."""
    began = time.monotonic()
    program = from_file(Path(options.program)) if options.program else bundled(NAME)
    asked = Asked(
        command=options.failing or "",
        symptom=options.symptom or "",
        good=options.bisect or "",
        technique=options.technique or "",
        severity=options.severity or "",
    )
    _refuse_unknown(asked, program)
    repository = Repository.open(Path.cwd())
    with closing(repository):
        place, asked, config, typed = _placed(options, program, asked, repository)
        good = refuse_unrelated(repository, asked.good, place.base or "") if asked.good else ""
    people = sys.stderr if options.json else sys.stdout
    with (
        make_progress(people, json=False) as observe,
        opened_desk(
            config,
            program,
            place,
            command=NAME,
            asked=asked.as_flags(),
            iterations=config.iterations if typed else program.facts.defaults.iterations,
            severity=asked.severity,
            observe=observe,
            stop=obey_signals(),
            environment=options.environment,
        ) as desk,
    ):
        debug(desk, asked, good)
    report = desk.write()
    if options.json:
        print(handoff(report))
    for text in _ending(report, desk.pages.folder):
        print(text, file=people)
    handed = desk.pages.folder / "handoff.json"
    if not options.fix or not handed.exists() or not _open(report):
        return 0
    words = _repairing(
        options, config, asked, handed, seconds=time.monotonic() - began, report=report
    )
    print(f"next: autoresearch-ci {shlex.join(words)}", file=people, flush=True)
    fixing = make_parser(words).parse_args(words)
    fixing.environment = options.environment
    fixing.typed = [*_for_fix(options), *getattr(fixing, "typed", [])]
    return repair(fixing)


def _open(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.finding == "open"]


def _repairing(
    options: argparse.Namespace,
    config: Config,
    asked: Asked,
    handed: Path,
    *,
    seconds: float,
    report: Report,
) -> list[str]:
    """`fix` with what is left of the budget."""
    words = ["fix", "--from-debug", str(handed)]
    words += ["--config", options.config] if options.config else []
    words += ["--symptom", asked.command] if asked.command else []
    words += ["--json"] if options.json else []
    if minutes := config.budget.minutes:
        words += ["--minutes", f"{max(minutes - seconds / 60, 0.01):.2f}"]
    if usd := config.budget.usd:
        words += ["--budget-usd", f"{max(usd - report.cost_usd, 0.0001):.4f}"]
    return words


_OF_DEBUG = ("iterations", "budget.minutes", "budget.usd", "scope")


def _for_fix(options: argparse.Namespace) -> list[tuple[str, Any]]:
    """What was typed for both; what is left of the budget is told anew."""
    return [(key, value) for key, value in getattr(options, "typed", []) if key not in _OF_DEBUG]


def _placed(
    options: argparse.Namespace, program: Program, asked: Asked, repository: Repository
) -> tuple[Options, Asked, Config, bool]:
    """Which commit is looked at, under which tag, with which configuration.

    Last, whether somebody typed how many iterations there may be.
    """
    tag = chosen_investigation(repository, NAME, options.tag, resume=options.resume)
    known = peek(run_store(repository, f"{NAME}-{tag}")).start if options.resume else None
    asked = _continued(asked, known)
    base = known.base if known else repository.head()
    refuse_vanished_base(repository, base)
    config, path, typed = _configured(options, program, asked, repository, base)
    place = Options(
        start=Path.cwd(),
        config_path=path,
        tag=tag,
        resume=options.resume,
        output=options.output,
        base=base,
    )
    return place, asked, config, typed


def _refuse_unknown(asked: Asked, program: Program) -> None:
    """Words that must be among the program's. Raises `ConfigError`."""
    known = program.facts.grid.get("technique", ())
    if asked.technique and asked.technique not in known:
        raise ConfigError(
            f"--technique {asked.technique!r}: expected one of {', '.join(known) or 'none'}."
        )


def _continued(asked: Asked, known: Started | None) -> Asked:
    """What an earlier process was asked; asking something else is a mistake."""
    if known is None:
        return asked
    for name, value in asked.as_flags().items():
        if value and known.asked.get(name, "") != value:
            raise ConfigError(
                f"--resume: --{name} was {known.asked.get(name) or 'not given'!r} when it began.\n"
                "do: leave it out, or start anew with another --tag."
            )
    return replace(
        asked,
        command=known.asked.get("command", ""),
        symptom=known.asked.get("symptom", ""),
        good=known.asked.get("bisect", ""),
        technique=known.asked.get("technique", ""),
    )


def _configured(
    options: argparse.Namespace,
    program: Program,
    asked: Asked,
    repository: Repository,
    base: str,
) -> tuple[Config, str | None, bool]:
    """Configuration, its path, and whether somebody typed how many iterations there may be.

    The metric's place is taken by what is run here; setup, sandbox and environment stay.
    """
    files = repository.files(base)
    commands = [asked.command] if asked.command else []
    if not commands:
        regular = {path: version for path, version in files.items() if version.regular}
        commands = own_commands(regular, lambda path: repository.read(regular[path]))
    if not commands and not asked.symptom:
        raise ConfigError(
            "there is nothing that could fail: no command is given, and none was found.\n"
            "do: name a command that fails: autoresearch-ci debug --command 'make test'"
        )
    first, *others = commands or ["true"]
    if "script" in program.facts.experiments.kinds:  # what a script would be started with
        others.append(f"{interpreter(first, 'python')} -c ''")
    resolved, path = effective(
        options,
        defaults=[Setting(at=("scope",), value=list(EVERYTHING), flag="default")],
        forced=[
            Setting(at=("metric",), value={"command": first}, flag="--command"),
            Setting(at=("guards",), value=others, flag="--command"),
        ],
    )
    typed = any(
        key == "iterations" or (key == "set" and words.startswith("iterations="))
        for key, words in getattr(options, "typed", [])
    )
    return resolved.config, path, typed


def debug(desk: Desk, asked: Asked, good: str) -> None:
    """All steps in order; each is skipped when an earlier process has finished it.

    `good`: name of the commit where it did not fail; empty: no bisection.
    """
    try:
        symptom = _symptom(desk, asked)
        if symptom and symptom.outcome:
            bisected = _bisected(desk, symptom, good)
            _differential(desk, symptom, bisected, good)
        _think(desk, asked, symptom)
    except OutOfTime:
        desk.missing.append("the time was used up; --resume goes on")


def _symptom(desk: Desk, asked: Asked) -> Symptom | None:
    """What fails, and how surely; `None`: there is no command to show it."""
    command = asked.command or _most_pressing(desk)
    if not command:
        desk.missing.append(
            "no command shows the failure: name one with --command to have it reproduced"
        )
        return None
    symptom = reproduce(desk.runs, command)
    desk.collaborators.observe(told(symptom))
    desk.facts.append(("How surely it fails", told(symptom).message))
    if failed := symptom.failed:
        desk.facts.append(("Its output", failed.tail))
    if symptom.outcome is None:
        times, base = symptom.reproduction.runs, desk.runs.base[:12]
        desk.missing.append(
            f"{command}: passes {times} of {times} at {base}, so there is nothing to look for"
        )
    desk.write()
    return symptom


def _most_pressing(desk: Desk) -> str:
    """A command that shows it, of all that the repository's own checks complain about."""
    context, store = desk.collaborators.context, desk.collaborators.store
    regular = {path: version for path, version in context.files.items() if version.regular}
    found = inventory(desk.runs, regular, lambda path: store.read(regular[path]))
    desk.missing += [f"inventory: {why}" for why in found.incomplete]
    nothing = f"nothing, by {', '.join(found.targets) or 'no tool'}"
    desk.facts.append((f"What fails ({found.count})", "\n".join(found.failures) or nothing))
    return found.command


def _bisected(desk: Desk, symptom: Symptom, good: str) -> Bisected | None:
    if not good:
        return None
    context, note = desk.collaborators.context, desk.collaborators.note
    found = Bisection(desk.runs, context.repository, symptom, context.files, note).run(good)
    note(found.words())
    desk.facts.append(("Bisection", found.words()))
    if not found.culprit:
        desk.missing.append(found.why)
    desk.write()
    return found


def _differential(desk: Desk, symptom: Symptom, bisected: Bisected | None, good: str) -> None:
    """What changed and is executed, at the commit that brought it if that is known."""
    repository, commit = desk.collaborators.context.repository, desk.runs.base
    since = good or changed_since(repository, commit)
    if bisected and bisected.culprit and bisected.parents:
        commit, since = bisected.culprit, bisected.parents[0]
    found = None
    if since:
        found = differential(desk.runs, repository, symptom, since=since, commit=commit)
        desk.facts.append((f"Changed since {since[:12]} and executed", found.words()))
    if bisected and bisected.culprit and not desk.records.known.items:
        subject = line(repository.message(bisected.culprit).partition("\n")[0], 200)
        desk.records.append(_culprit(desk, symptom, bisected, found, subject))
    desk.write()


def _culprit(
    desk: Desk, symptom: Symptom, bisected: Bisected, found: Differential | None, subject: str
) -> Item:
    """The commit that brought it, as a finding that every run of the bisection proves."""
    facts, culprit = desk.program.facts, bisected.culprit[:12]
    path, at = found.place if found else ("", 0)
    runs = [desk.records.known.runs[number] for number in bisected.runs]
    claim = f"{culprit} brought it: {subject}"
    status = next((name for name, rule in facts.statuses.items() if rule.finding == "open"), "")
    parents = ", ".join(parent[:12] for parent in bisected.parents) or "nothing before it"
    return Item(
        iteration=0,
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
        status=status,
        claimed=status,
        answer={
            facts.claim: claim,
            "title": claim,
            "technique": "recent-change",
            "why": f"{symptom.command} fails at {culprit} and passes at {parents}; "
            f"{bisected.tested} commits were tested",
        },
        evidence=tuple(
            Evidence(kind="command", run=r.number, command=r.command, exit_code=r.exit_code)
            for r in runs
        ),
        fingerprint=fingerprint(NAME, path, "", claim),
        path=path,
        line=at,
        runs=bisected.runs,
    )


def _think(desk: Desk, asked: Asked, symptom: Symptom | None) -> None:
    """Hypotheses, when a model can be asked and there is something to explain."""
    if not (asked.symptom or (symptom and symptom.outcome)):
        desk.without_model("nothing fails; --symptom TEXT says what goes wrong in your words")
        return
    if why := desk.why_no_model():
        desk.without_model(why)
        return
    collaborators = desk.collaborators
    command = symptom.command if symptom else collaborators.config.metric.command
    files = collaborators.context.files
    experiments = Experiments(
        runs=desk.runs,
        store=collaborators.store,
        suite=suite_command(command, files),
        files=files,
        symptom=symptom.outcome if symptom else None,
    )
    said = [("What goes wrong, as somebody says", asked.symptom)] if asked.symptom else []
    only = {"technique": (asked.technique,)} if asked.technique else None
    desk.ask(experiments, first=said, only=only)


def _ending(report: Report, folder: Path) -> Iterator[str]:
    """What is said at the end."""
    open_ones = _open(report)
    for finding in open_ones:
        yield f"confirmed: {line(finding.title, 200)} ({finding.place or 'place not told'})"
    if not open_ones:
        yield "confirmed: nothing"
    for why in report.missing:
        yield f"not looked at: {line(why, 300)}"
    yield f"report: {folder}/findings.md"
