"""Any investigating program, by its name or its file: `autoresearch-ci predict`, or one's own.

What it asks, accepts and writes is in the program; here is only how it is called and how it ends.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.investigate.open_investigation import (
    EVERYTHING,
    Desk,
    iterations_of,
    opened_desk,
    place_of,
)
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.resolve import Setting
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.gates import GateVerdict, Ruling
from autoresearch_ci.decide.investigation.gate import ruled
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.investigate.loop_with_steps import focused
from autoresearch_ci.investigate.program import Program, bundled, from_file
from autoresearch_ci.preflight import Options
from autoresearch_ci.record.investigation_history import InvestigationStarted
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.report.investigation_pages import Report, handoff
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.workspace.repository import Repository


@dataclass(frozen=True, kw_only=True)
class ProgramTask:
    """One investigation, as it is to be made."""

    program: Program
    asked: Mapping[str, str]
    """What a person says, by flag."""
    facts: tuple[tuple[str, str], ...]
    """The same as the model is told it."""
    place: Options
    config: Config
    iterations: int


def main(options: argparse.Namespace) -> int:
    """Ask, write the pages, and say what it came to. Raises `AutoresearchError`."""
    with closing(Repository.open(Path.cwd())) as repository:
        task = task_of(options, repository)
    if options.dry_run:
        plan = _plan(task)
        print(json_text(plan, indent=2) if options.json else "\n".join(_plan_lines(plan)))
        return 0
    people = sys.stderr if options.json else sys.stdout
    with (
        make_progress(people, json=False) as observe,
        opened_desk(
            task.config,
            task.program,
            task.place,
            command=task.program.facts.name,
            asked=task.asked,
            iterations=task.iterations,
            observe=observe,
            stop=obey_signals(),
            environment=options.environment,
        ) as desk,
    ):
        if options.max_findings:
            desk.pages = replace(desk.pages, most=options.max_findings)
        investigate(desk, task)
    report = desk.write()
    verdict = _verdict(report, options)
    if options.json:
        print(handoff(report))
    for text in _ending(report, verdict, options.fail_on):
        print(text, file=people)
    print(f"report: {desk.pages.folder}", file=people)
    return verdict.exit_code


def investigate(desk: Desk, task: ProgramTask) -> None:
    """By the program's shape. What nobody can be asked is told, not raised, where a gate is."""
    if why := desk.why_no_model():
        desk.without_model(why)
    elif task.program.facts.panel:
        desk.debate(first=task.facts)
    else:
        work = desk.look_into(None, first=task.facts)
        desk.missing += work.incomplete(desk.records.known)


def _verdict(report: Report, options: argparse.Namespace) -> GateVerdict[str]:
    open_ones = [finding for finding in report.findings if finding.finding == "open"]
    severities = [str(finding.answer.get("severity", "")) for finding in open_ones]
    return ruled(
        severities,
        report.missing,
        fail_on=options.fail_on,
        allow_incomplete=options.allow_incomplete,
    )


def _ending(report: Report, verdict: GateVerdict[str], fail_on: str) -> Iterator[str]:
    for finding in report.findings:
        if finding.finding == "open":
            severity = line(str(finding.answer.get("severity", "")), 20)
            yield f"{finding.status} {severity}: {line(finding.title, 200)} ({finding.place})"
    for why in report.missing:
        yield f"not looked at: {line(why, 300)}"
    if fail_on != "never":
        yield f"verdict: {verdict.ruling}: {line(verdict.reason, 300)}"
    if verdict.ruling is Ruling.INCOMPLETE:
        yield "incomplete is no pass; --allow-incomplete makes it one"


# --- What is asked --------------------------------------------------------------------------------


def task_of(options: argparse.Namespace, repository: Repository) -> ProgramTask:
    """Raises `ConfigError`, `WorkspaceError`."""
    program = bundled(options.name) if options.name else from_file(Path(options.program))
    place, known = place_of(options, program.facts.name, repository)
    config, path = _configured(options)
    asked = _asked(options, program, config, known.start)
    program = _shaped(program, asked, options)
    program, words = focused(program, asked.get("focus", ""))
    return ProgramTask(
        program=program,
        asked=asked,
        facts=(*_facts(program, asked), *words),
        place=replace(place, config_path=path),
        config=config,
        iterations=iterations_of(options, program, config),
    )


def _configured(options: argparse.Namespace) -> tuple[Config, str | None]:
    """Nothing of the repository is run, so the metric has no say."""
    resolved, path = effective(
        options,
        defaults=[Setting(at=("scope",), value=list(EVERYTHING), flag="default")],
        forced=[Setting(at=("metric",), value={"command": "true"}, flag="(this command)")],
    )
    return resolved.config, path


_OF_ALL = ("depth", "focus", "adversarial", "personas", "rounds")


def _asked(
    options: argparse.Namespace,
    program: Program,
    config: Config,
    known: InvestigationStarted | None,
) -> dict[str, str]:
    """By flag; what an earlier process was asked holds. Raises `ConfigError`."""
    said = _said(getattr(options, "say", []), program)
    typed = ((name, getattr(options, name)) for name in _OF_ALL)
    said |= {name: "" if words is None else str(words) for name, words in typed}
    said["goal"] = config.goal
    given = {name: words for name, words in said.items() if words}
    if known is None:
        _refuse_missing(program, given)
        return given
    for name, words in given.items():
        if known.asked.get(name, "") != words:
            raise ConfigError(
                f"--resume: {name} was {known.asked.get(name) or 'not given'!r} when it began.\n"
                "do: leave it out, or start anew with another --tag."
            )
    return dict(known.asked)


def _said(pairs: Sequence[str], program: Program) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, is_pair, words = pair.partition("=")
        asked = program.facts.inputs.get(name)
        if not is_pair or asked is None:
            known = ", ".join(program.facts.inputs) or "none"
            raise ConfigError(f"--say {pair!r}: expected NAME=TEXT, with a name of {known}.")
        if asked.choices and words not in asked.choices:
            raise ConfigError(f"--say {pair!r}: expected one of {', '.join(asked.choices)}.")
        found[name] = words
    return found


def _refuse_missing(program: Program, given: Mapping[str, str]) -> None:
    inputs = program.facts.inputs.items()
    missing = [name for name, asked in inputs if asked.required and name not in given]
    if missing:
        told = ", ".join(
            f"--say {name}=... ({program.facts.inputs[name].about})" for name in missing
        )
        raise ConfigError(f"{program.facts.name} must be told more: {told}.")


def _shaped(program: Program, asked: Mapping[str, str], options: argparse.Namespace) -> Program:
    """With the depth, and the roles of a panel, that are asked for. Raises `ConfigError`."""
    if options.max_findings is not None and options.max_findings < 1:
        raise ConfigError(f"--max-findings {options.max_findings}: expected 1 or more.")
    program = program.at_depth(asked.get("depth", ""))
    if asked.get("adversarial"):
        program = program.called(asked["adversarial"])
    panel = program.facts.panel
    if panel is None:
        flags = ("adversarial", "personas", "rounds")
        if wrong := next((flag for flag in flags if asked.get(flag)), None):
            raise ConfigError(f"--{wrong} is for panels, and {program.facts.name} is none.")
        return program
    told = {"personas": asked.get("personas"), "rounds": asked.get("rounds"),
            "findings": options.max_findings}  # fmt: skip
    given = {name: int(value) for name, value in told.items() if value}
    personas, most = given.get("personas", panel.personas), len(program.facts.roles)
    if not 2 <= personas <= most and "personas" in given:
        raise ConfigError(f"--personas {personas}: expected 2 to {most}, as many as it has roles.")
    if not 0 <= given.get("rounds", 0) <= 5:
        raise ConfigError(f"--rounds {given['rounds']}: expected 0 to 5.")
    panel = panel.model_copy(update={**given, "personas": min(personas, most)})
    return replace(program, facts=program.facts.model_copy(update={"panel": panel}))


def _facts(program: Program, asked: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if asked.get("goal"):
        yield "What somebody wants to know", asked["goal"]
    for name, about in program.facts.inputs.items():
        if asked.get(name):
            yield about.about, asked[name]


def _plan(task: ProgramTask) -> dict[str, Any]:
    """What would be asked, of whom, and how often."""
    facts, claude = task.program.facts, task.config.claude
    plan: dict[str, Any] = {
        "program": facts.name,
        "about": facts.about,
        "commit": task.place.base or "",
        "asked": dict(task.asked),
        "budget_usd": task.config.budget.usd,
    }
    if facts.panel is None:
        models = [each.model for each in claude.in_turn()]
        return {**plan, "models": models, "talks": task.iterations, "steps": len(facts.steps)}
    roles = facts.roles[: facts.panel.personas]
    return {
        **plan,
        "roles": {role: [each.model for each in claude.in_turn(role)] for role in roles},
        "findings": facts.panel.findings,
        "rounds": facts.panel.rounds,
        "talks": len(roles) * (1 + facts.panel.rounds),
    }


def _plan_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    yield f"{plan['program']} at {plan['commit'][:12]}: {plan['about']}"
    for name, words in plan["asked"].items():
        yield f"{name}: {line(words, 200)}"
    if "roles" in plan:
        for role, models in plan["roles"].items():
            yield f"role {role}: {', '.join(models)}"
        yield f"at most {plan['findings']} findings, {plan['rounds']} rounds of votes"
        yield f"talks: {plan['talks']}"
    else:
        yield f"models: {', '.join(plan['models'])}"
        yield f"talks: {plan['talks']} and {plan['steps']} kinds of steps"
    budget = plan["budget_usd"]
    yield f"budget: {f'${budget:g}' if budget else 'no limit in dollars'}"
