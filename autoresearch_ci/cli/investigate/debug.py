"""`autoresearch-ci debug`: what makes a command fail, from its first run to the pages about it.

Without a key it says how surely it fails, which commit brought it and which changed lines the
failing tests execute; with one it goes on with hypotheses. What was found `fix` repairs, if asked.
A step that an earlier process has finished is skipped.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.arguments import make_parser
from autoresearch_ci.cli.fix import main as repair
from autoresearch_ci.cli.investigate.debug_task import (
    HANDED,
    NAME,
    DebugRequest,
    DebugTask,
    task_of,
)
from autoresearch_ci.cli.investigate.open_investigation import Desk, opened_desk
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.failures.bisection import complaint
from autoresearch_ci.decide.failures.repair_order import Lead
from autoresearch_ci.decide.failures.selected_tests import suite_command
from autoresearch_ci.decide.failures.test_runners import NotAllowed
from autoresearch_ci.decide.investigation.finding import Evidence, fingerprint
from autoresearch_ci.investigate.bisect import Bisected, Bisection
from autoresearch_ci.investigate.differential import Differential, differential
from autoresearch_ci.investigate.experiments import Experiments
from autoresearch_ci.investigate.groundwork import Symptom, inventory, reproduce, told
from autoresearch_ci.measure.commands import OutOfTime
from autoresearch_ci.record.handoff import Handed
from autoresearch_ci.record.investigation_history import Item, StepDone
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.report.investigation_pages import Finding, Report, handoff
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.workspace.compared_commits import changed_since
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.scope import is_hidden_path


def main(options: argparse.Namespace) -> int:
    """Look for the cause, write the pages, and say where they are."""
    began = time.monotonic()
    with closing(Repository.open(Path.cwd())) as repository:
        task = task_of(options, repository)
    people = sys.stderr if options.json else sys.stdout
    with (
        make_progress(people, json=False) as observe,
        opened_desk(
            task.config,
            task.program,
            task.place,
            command=NAME,
            asked=task.asked.flags,
            iterations=task.iterations,
            severity=task.asked.severity,
            observe=observe,
            stop=obey_signals(),
            environment=options.environment,
        ) as desk,
    ):
        symptom = debug(desk, task)
    report = desk.write()
    if options.json:
        print(json_text(json.loads(handoff(report))))
    for text in _ending(report, desk.pages.folder):
        print(text, file=people)
    handed = desk.pages.folder / "handoff.json"
    if not options.fix or not handed.exists() or not _open(report):
        if options.fix and not _open(report):
            print("not repaired: nothing is confirmed for --fix to begin with", file=people)
        for text in _next(report, handed, symptom, task):
            print(text, file=people)
        return 0
    seconds = time.monotonic() - began
    words = _repairing(options, task.config, task.asked, handed, seconds=seconds, report=report)
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
    asked: DebugRequest,
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
    if tokens := config.budget.tokens:
        words += ["--set", f"budget.tokens={max(tokens - report.tokens, 1)}"]
    return words


_OF_DEBUG = ("iterations", "budget.minutes", "budget.usd", "budget.tokens", "scope")


def _for_fix(options: argparse.Namespace) -> list[tuple[str, Any]]:
    """What was typed for both; what is left of the budget is told anew."""
    return [(key, value) for key, value in getattr(options, "typed", []) if key not in _OF_DEBUG]


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


def _next(report: Report, handed: Path, symptom: Symptom | None, task: DebugTask) -> Iterator[str]:
    """What to type next."""
    fails = symptom is not None and symptom.outcome is not None
    given = ["--symptom", task.asked.command] if fails and task.asked.command else []
    if _open(report):
        words = shlex.join(["fix", "--from-debug", str(handed), *given])
        yield f"next: autoresearch-ci {words}   # repairs it"
        return
    if symptom and symptom.reproduction.certain and not task.good:
        words = shlex.join(["debug", "--command", symptom.command, "--bisect", "GOOD"])
        yield f"next: autoresearch-ci {words}   # which commit brought it; GOOD is one before"
    if fails:
        yield f"next: autoresearch-ci {shlex.join(['fix', *given])}   # repairs what is broken"


# --- Steps ----------------------------------------------------------------------------------------

_LEADS = 8
"""Of each kind that are told: the most severe."""


def debug(desk: Desk, task: DebugTask) -> Symptom | None:
    """All steps in order; what was used up before the end is said. Returns what fails, if known."""
    asked, good = task.asked, task.good
    symptom = None
    _take_in(desk, task)
    try:
        symptom = _symptom(desk, task)
        if symptom and symptom.outcome:
            bisected = _bisected(desk, symptom, good)
            _differential(desk, symptom, bisected, good)
        _think(desk, asked, symptom)
    except OutOfTime:
        desk.missing.append("the time was used up; --resume goes on")
    return symptom


def _take_in(desk: Desk, task: DebugTask) -> None:
    """What another tool supposes, told as its word: nothing of it has been checked."""
    if task.handed:
        found = {"lines": leads_told(task.handed, desk.runs.base)}
        desk.records.append(StepDone(name=HANDED, found=found))
    if known := desk.records.known.steps.get(HANDED):
        desk.facts.append(("Handed on, not checked", "\n".join(map(str, known["lines"]))))


def leads_told(handed: Handed, base: str) -> list[str]:
    """Lines for people and models; `base`: the commit that is looked at."""
    at = f"commit {handed.commit[:12]}" if handed.commit else "a commit that it does not name"
    other = "" if handed.commit == base else ", which is not the one looked at here"
    lines = [f"{handed.source} says of {at}{other}:"]
    for kind, leads in (
        ("open", handed.open),
        ("supposed", handed.supposed),
        ("not it", handed.disproven),
    ):
        told = [f"{kind}: {_told_lead(lead)}" for lead in leads]
        left = len(told) - _LEADS
        lines += [*told[:_LEADS], *([f"and {left} more"] if left > 0 else [])]
    return lines if len(lines) > 1 else [*lines, "nothing"]


def _told_lead(lead: Lead) -> str:
    severity = f"[{lead.severity}] " if lead.severity else ""
    place = f"{line(lead.path, 200)}:{lead.line}: " if lead.path else ""
    why = f" ({line(lead.why, 120)})" if lead.why else ""
    return f"{severity}{place}{line(lead.title, 160)}{why}"


def _symptom(desk: Desk, task: DebugTask) -> Symptom | None:
    """What fails, and how surely; `None`: there is no command to show it."""
    command = task.asked.command or _most_pressing(desk, task)
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
        hidden = next(filter(None, (complaint(run.tail) for run in symptom.runs)), "")
        why = (
            f"but its output tells of a failure ({line(hidden, 100)}): something hides the exit "
            "code, as a pipe or `|| true` does; give the command without it"
            if hidden
            else "so there is nothing to look for"
        )
        desk.missing.append(f"{command}: passes {times} of {times} at {base}, {why}")
    _alone(desk, symptom)
    desk.write()
    return symptom


def _alone(desk: Desk, symptom: Symptom) -> None:
    """Whether the failing tests need others before them, where it is known which they are."""
    failing = sorted(symptom.outcome.failing) if symptom.outcome else []
    suite = suite_command(symptom.command, desk.collaborators.context.files)
    if not (suite.is_watched and symptom.reproduction.certain and failing):
        return
    try:
        command = suite.selecting(failing, desk.collaborators.context.files)
    except NotAllowed:  # more than one asks for, or of files that the run has written
        return
    if shlex.split(command) == shlex.split(symptom.command):
        return
    done = desk.runs.records.known.ran("alone", desk.runs.base)
    ran = done[0] if done else desk.runs.execute(command, purpose="alone", watched=failing)
    if set(failing) <= set(ran.passing):
        told = f"{command}: passes. So they fail only when others have run before them."
        desk.facts.append(("The failing tests by themselves", told))
        desk.collaborators.note(line(told, 300))


def _most_pressing(desk: Desk, task: DebugTask) -> str:
    """A command that shows it, of all that the repository's own checks complain about."""
    found = inventory(desk.runs, task.targets, desk.collaborators.context.files)
    desk.missing += [f"inventory: {why}" for why in (*task.unread, *found.incomplete)]
    nothing = f"nothing, by {', '.join(found.targets) or 'no tool'}"
    if found.count > 1 and found.command:
        desk.collaborators.note(f"{found.summary}: one of them is looked into, tests first")
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


def _think(desk: Desk, asked: DebugRequest, symptom: Symptom | None) -> None:
    """Hypotheses, when a model can be asked and there is something to explain."""
    if not (asked.symptom or asked.handed or (symptom and symptom.outcome)):
        desk.without_model("nothing fails; --symptom TEXT says what goes wrong in your words")
        return
    if why := desk.why_no_model():
        desk.without_model(why)
        return
    collaborators = desk.collaborators
    command = symptom.command if symptom else collaborators.config.metric.command
    files, hidden = collaborators.context.files, collaborators.context.hidden
    experiments = Experiments(
        runs=desk.runs,
        store=collaborators.store,
        suite=suite_command(command, files),
        files={path: of for path, of in files.items() if not is_hidden_path(path, hidden)},
        symptom=symptom.outcome if symptom else None,
    )
    said = [("What goes wrong, as somebody says", asked.symptom)] if asked.symptom else []
    only = {"technique": (asked.technique,)} if asked.technique else None
    desk.look_into(experiments, first=said, only=only)
    desk.tell_end(desk.records.known.end)
