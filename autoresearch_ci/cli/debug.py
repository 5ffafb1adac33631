"""`autoresearch-ci debug`: what makes a command fail, from its first run to the pages about it.

Without a key it says how surely it fails, which commit brought it and which changed lines the
failing tests execute; with one it goes on with hypotheses. Nothing is repaired here.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import autoresearch_ci
from autoresearch_ci.cli.assembly import (
    Collaborators,
    make_redactor,
    make_service,
    open_bench,
    tell_unknown_price,
)
from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.resolve import Setting
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.findings import Evidence, fingerprint
from autoresearch_ci.decide.saturation import is_complete
from autoresearch_ci.decide.selected_tests import suite_command
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.events import Event, Note, Observer, Warning, redacted
from autoresearch_ci.execution.command import Stop
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
from autoresearch_ci.investigate.investigation import Investigation
from autoresearch_ci.investigate.outcome_pages import Pages
from autoresearch_ci.investigate.program import Program, bundled, from_file
from autoresearch_ci.investigate.runs import Runs
from autoresearch_ci.llm.credentials import credential
from autoresearch_ci.llm.draft import Draft
from autoresearch_ci.measure.commands import MeasuredCommands, OutOfTime
from autoresearch_ci.preflight import (
    Options,
    RunContext,
    at_commit,
    changed_since,
    investigation_context,
)
from autoresearch_ci.record.investigation_records import (
    Ended,
    InvestigationRecords,
    Item,
    Started,
    peek,
)
from autoresearch_ci.record.run_names import (
    chosen_investigation,
    refuse_vanished_base,
    run_store,
)
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.report.finding_pages import Report, handoff
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.scope import Scope
from autoresearch_ci.workspace.scratch import in_use
from autoresearch_ci.workspace.store import CommitTree, opened

if TYPE_CHECKING:
    from autoresearch_ci.llm.messages_api import MessagesService

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
    with make_progress(sys.stderr if options.json else sys.stdout, json=False) as observe:
        report, folder = debug(
            config,
            program,
            asked,
            place,
            iterations=config.iterations if typed else program.facts.defaults.iterations,
            observe=observe,
            stop=obey_signals(),
            environment=options.environment,
        )
    if options.json:
        print(handoff(report))
    for text in _ending(report, folder, fix=options.fix):
        print(text, file=sys.stderr if options.json else sys.stdout)
    return 0


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
        defaults=[Setting(at=("scope",), value=["**"], flag="default")],
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


def debug(
    config: Config,
    program: Program,
    asked: Asked,
    place: Options,
    *,
    iterations: int,
    observe: Observer,
    stop: Stop,
    environment: Mapping[str, str],
) -> tuple[Report, Path]:
    """The whole investigation, also when it is resumed. Raises `AutoresearchError`.

    Whatever happens, what was found until then is written down.
    """
    began = time.monotonic()
    redactor = make_redactor(config, environment)
    observe = redacted(observe, redactor.redact)
    context = investigation_context(config, place, NAME)
    good = refuse_unrelated(context.repository, asked.good, context.base) if asked.good else ""
    with ExitStack() as stack:
        records = InvestigationRecords(context.run_store)
        stack.callback(records.close)
        _begin(records, program, asked, context, place.tag or "", resume=place.resume)
        context.repository.exclude(f"/autoresearch/{NAME}-*/")
        stack.enter_context(in_use(context.scratch))
        store = stack.enter_context(opened(context.repository, context.run_store / "git"))
        collaborators = Collaborators(
            config=config,
            context=context,
            store=store,
            observe=observe,
            stop=stop,
            environment=environment,
            redactor=redactor,
        )
        for warning in context.warnings:
            observe(Warning(message=warning))
        minutes = config.budget.minutes
        runs = Runs(
            records,
            lambda commit, inner: _open_at(collaborators, commit, inner),
            base=context.base,
            until=began + minutes * 60 if minutes else None,
        )
        stack.callback(runs.close)
        pages = Pages(
            program=program,
            folder=context.folder,
            severity=asked.severity,
            scope=() if config.scope == ("**",) else config.scope,
            redact=redactor.redact_all,
        )
        search = _Search(
            collaborators=collaborators,
            program=program,
            asked=asked,
            good=good,
            records=records,
            runs=runs,
            pages=pages,
            iterations=iterations,
            began=began,
        )
        try:
            search.run()
        finally:
            report = search.write()
    return report, context.folder


def _begin(
    records: InvestigationRecords,
    program: Program,
    asked: Asked,
    context: RunContext,
    tag: str,
    *,
    resume: bool,
) -> None:
    """What an earlier process left behind, or a fresh start written down."""
    known = records.read()
    if known.start is None:
        records.append(
            Started(
                base=context.base,
                tag=tag,
                program=program.facts.name,
                digest=program.digest,
                version=autoresearch_ci.__version__,
                asked=asked.as_flags(),
            )
        )
    elif not resume:  # begun since we looked
        raise WorkspaceError(
            f"the tag {tag!r} was used in the meantime.\n"
            "do: continue it with --resume, or choose another --tag."
        )
    elif known.start.digest != program.digest:
        raise ConfigError(
            f"--resume: the program {program.facts.name} is not the one that it began with.\n"
            "do: name the same --program, or start anew with another --tag."
        )


def _open_at(collaborators: Collaborators, commit: str, stack: ExitStack) -> MeasuredCommands:
    """A tree of a commit, set up as the audited one's."""
    context = collaborators.context
    if commit != context.base:
        collaborators = replace(
            collaborators,
            context=at_commit(context, commit),
            observe=_without_notes(collaborators.observe),
        )
    return open_bench(collaborators, stack).commands


def _without_notes(observe: Observer) -> Observer:
    """What is said of each tree alike was said of the first one."""

    def tell(event: Event) -> None:
        if not isinstance(event, (Note, Warning)):
            observe(event)

    return tell


@dataclass(kw_only=True)
class _Search:
    """The steps, in order; each is skipped when an earlier process has finished it."""

    collaborators: Collaborators
    program: Program
    asked: Asked
    good: str
    records: InvestigationRecords
    runs: Runs
    pages: Pages
    iterations: int
    began: float
    facts: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def run(self) -> None:
        try:
            symptom = self._symptom()
            if symptom and symptom.outcome:
                bisected = self._bisected(symptom)
                self._differential(symptom, bisected)
            self._think(symptom)
        except OutOfTime:
            self.missing.append("the time was used up; --resume goes on")

    def write(self) -> Report:
        return self.pages.write(self.records.known, self.facts, self.missing)

    def _symptom(self) -> Symptom | None:
        """What fails, and how surely; `None`: there is no command to show it."""
        context, store = self.collaborators.context, self.collaborators.store
        command = self.asked.command
        if not command:
            regular = {p: v for p, v in context.files.items() if v.regular}
            found = inventory(self.runs, regular, lambda path: store.read(regular[path]))
            command = found.command
            self.missing += [f"inventory: {why}" for why in found.incomplete]
            nothing = f"nothing, by {', '.join(found.targets) or 'no tool'}"
            text = "\n".join(found.failures) or nothing
            self.facts.append((f"What fails ({found.count})", text))
        if not command:
            self.missing.append(
                "no command shows the failure: name one with --command to have it reproduced"
            )
            return None
        symptom = reproduce(self.runs, command)
        self.collaborators.observe(told(symptom))
        self.facts.append(("How surely it fails", told(symptom).message))
        if failed := symptom.failed:
            self.facts.append(("Its output", failed.tail))
        if symptom.outcome is None:
            self.missing.append(
                f"{command}: passes {symptom.reproduction.runs} of {symptom.reproduction.runs} at "
                f"{context.base[:12]}, so there is nothing to look for"
            )
        self.write()
        return symptom

    def _bisected(self, symptom: Symptom) -> Bisected | None:
        if not self.good:
            return None
        context, note = self.collaborators.context, self.collaborators.note
        bisection = Bisection(self.runs, context.repository, symptom, context.files, note)
        found = bisection.run(self.good)
        note(_bisected_words(found))
        self.facts.append(("Bisection", _bisected_words(found)))
        if not found.culprit:
            self.missing.append(found.why)
        self.write()
        return found

    def _differential(self, symptom: Symptom, bisected: Bisected | None) -> None:
        """What changed and is executed, at the commit that brought it if that is known."""
        repository, base = self.collaborators.context.repository, self.collaborators.context.base
        commit, since = base, self.good or changed_since(repository, base)
        if bisected and bisected.culprit and bisected.parents:
            commit, since = bisected.culprit, bisected.parents[0]
        found = None
        if since:
            found = differential(self.runs, repository, symptom, since=since, commit=commit)
            self.facts.append((f"Changed since {since[:12]} and executed", _spots_words(found)))
        if bisected and bisected.culprit and not self.records.known.items:
            self.records.append(self._culprit(symptom, bisected, found))
        self.write()

    def _culprit(self, symptom: Symptom, bisected: Bisected, found: Differential | None) -> Item:
        """The commit that brought it, as a finding that every run of the bisection proves."""
        repository = self.collaborators.context.repository
        subject = line(repository.message(bisected.culprit).partition("\n")[0], 200)
        spot = found.spots[0] if found and found.spots else None
        path = spot.path if spot else (found.files[0] if found and found.files else "")
        runs = [self.records.known.runs[number] for number in bisected.runs]
        evidence = [
            Evidence(kind="command", run=r.number, command=r.command, exit_code=r.exit_code)
            for r in runs
        ]
        claim = f"{bisected.culprit[:12]} brought it: {subject}"
        facts = self.program.facts
        status = next((n for n, rule in facts.statuses.items() if rule.finding == "open"), "")
        parents = ", ".join(parent[:12] for parent in bisected.parents)
        return Item(
            iteration=0,
            timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
            status=status,
            claimed=status,
            answer={
                facts.claim: claim,
                "title": claim,
                "technique": "recent-change",
                "why": f"{symptom.command} fails at {bisected.culprit[:12]} and passes at "
                f"{parents or 'nothing before it'}; {bisected.tested} commits were tested",
            },
            evidence=tuple(evidence),
            fingerprint=fingerprint(NAME, path, "", claim),
            path=path,
            line=spot.line if spot else 0,
        )

    def _think(self, symptom: Symptom | None) -> None:
        """Hypotheses, when a model can be asked and there is something to explain."""
        config = self.collaborators.config
        why = self._why_no_model(symptom)
        if why:
            self.missing.append(f"no model was asked for causes: {why}")
            self.records.append(Ended(reason="all that can be done without a model is done"))
            return
        with ExitStack() as stack:
            service = make_service(self.collaborators, stack, config.claude)
            tell_unknown_price(self.collaborators, config.claude)
            service.verify()
            reason = self._investigation(symptom, service).run()
        if not is_complete(reason):
            self.missing.append(f"more causes: {reason}; --resume goes on")

    def _why_no_model(self, symptom: Symptom | None) -> str:
        config = self.collaborators.config
        if not (self.asked.symptom or (symptom and symptom.outcome)):
            return "nothing fails; --symptom TEXT says what goes wrong in your words"
        if self.iterations == 0:
            return "iterations is 0"
        if credential(config.claude, self.collaborators.environment) is None:
            return "there is no key; set ANTHROPIC_API_KEY for hypotheses"
        return ""

    def _investigation(self, symptom: Symptom | None, service: MessagesService) -> Investigation:
        collaborators, facts = self.collaborators, self.program.facts
        config, context = collaborators.config, collaborators.context
        minutes, budget = config.budget.minutes, config.budget
        command = symptom.command if symptom else config.metric.command
        tree = CommitTree(
            files=context.files, changes={}, scope=Scope(include=()), store=collaborators.store
        )
        grid = dict(facts.grid)
        if self.asked.technique:
            grid["technique"] = (self.asked.technique,)
        own = [("What goes wrong, as somebody says", self.asked.symptom)]
        return Investigation(
            program=self.program,
            records=self.records,
            service=service,
            claude=config.claude,
            budget=budget,
            limits=self.program.limits(
                self.iterations, minutes * 60 if minutes else None, budget.usd, budget.tokens
            ),
            grid=grid,
            tree=Draft(tree, Scope(include=()), hidden=context.hidden),
            experiments=Experiments(
                runs=self.runs,
                store=collaborators.store,
                suite=suite_command(command, context.files),
                files=context.files,
                symptom=symptom.outcome if symptom else None,
            ),
            facts=[*(own if self.asked.symptom else []), *self.facts, *self._history()],
            redactor=collaborators.redactor,
            observe=collaborators.observe,
            began=self.began,
            written=self.write,
        )

    def _history(self) -> list[tuple[str, str]]:
        """What was committed lately, in the scope if there is one."""
        context = self.collaborators.context
        scope = [path for path in self.pages.scope if path in context.files]
        recent = context.repository.recent(15, scope, at=context.base)
        facts = [("Latest commits", "\n".join(recent))]
        if self.pages.scope:
            facts.append(("Where to look first", "\n".join(self.pages.scope)))
        return facts


def _bisected_words(found: Bisected) -> str:
    skipped = [f"{c[:12]} was skipped: {why}" for c, why in found.skipped.items()]
    if found.culprit:
        head = f"{found.culprit} is the first bad commit ({found.tested} tested)"
    else:
        head = found.why
    among = [f"suspect: {commit[:12]}" for commit in found.suspects if not found.culprit]
    return "\n".join([head, *among[:20], *skipped[:20]])


def _spots_words(found: Differential) -> str:
    shown = [
        f"{spot.path}:{spot.line} (failing {spot.failing}, passing {spot.passing}): {spot.text}"
        for spot in found.spots[:20]
    ]
    where = ", ".join(f"{path}:{at}" for path, at in found.trace[:10])
    return "\n".join(
        [
            f"by {found.how}; {len(found.files)} files differ",
            *(shown or ["no changed line is known to be executed"]),
            *([f"the output names {where}"] if where else []),
        ]
    )


def _ending(report: Report, folder: Path, *, fix: bool) -> Iterator[str]:
    """What is said at the end."""
    open_ones = [finding for finding in report.findings if finding.finding == "open"]
    for finding in open_ones:
        yield f"confirmed: {line(finding.title, 200)} ({finding.place or 'place not told'})"
    if not open_ones:
        yield "confirmed: nothing"
    for why in report.missing:
        yield f"not looked at: {line(why, 300)}"
    yield f"report: {folder}/findings.md"
    if fix and open_ones:
        yield f"next: autoresearch-ci fix --from-debug {shlex.quote(str(folder / 'handoff.json'))}"
