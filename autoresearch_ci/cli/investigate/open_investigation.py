"""Configuration and a program -> everything that an investigating command works with.

Which steps a command takes before anybody is asked is its own business (debug.py); the loop itself
is `investigate.investigation`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
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
from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.investigation.saturation import is_complete
from autoresearch_ci.errors import ConfigError, ProposerError, WorkspaceError
from autoresearch_ci.events import Event, Note, Observer, Warning, redacted
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.investigate.asking import Asking, cannot_be_asked
from autoresearch_ci.investigate.experiments import Experiments
from autoresearch_ci.investigate.loop_with_steps import Stepped
from autoresearch_ci.investigate.model_fallbacks import Providers
from autoresearch_ci.investigate.panel import Panel
from autoresearch_ci.investigate.program import Program, unknown_roles
from autoresearch_ci.investigate.runs import Runs
from autoresearch_ci.investigate.write_pages import Pages
from autoresearch_ci.llm.credentials import credential
from autoresearch_ci.llm.draft import Draft
from autoresearch_ci.measure.commands import MeasuredCommands
from autoresearch_ci.preflight import Options, at_commit, investigation_context
from autoresearch_ci.record.investigation_history import (
    InvestigationEnded,
    InvestigationStarted,
    Known,
)
from autoresearch_ci.record.investigation_records import InvestigationRecords, peek
from autoresearch_ci.record.run_names import (
    chosen_investigation,
    refuse_vanished_base,
    run_store,
)
from autoresearch_ci.report.investigation_pages import Report
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.scope import Scope
from autoresearch_ci.workspace.scratch import in_use
from autoresearch_ci.workspace.store import CommitTree, histories_kept, opened

if TYPE_CHECKING:
    from autoresearch_ci.llm.messages_api import MessagesService

EVERYTHING = ("**",)
"""The scope of who was told none."""


@dataclass(kw_only=True)
class Desk:
    """What one investigation has at hand, and what it has gathered so far."""

    collaborators: Collaborators
    program: Program
    records: InvestigationRecords
    runs: Runs
    pages: Pages
    iterations: int
    """The highest that may be reached."""
    began: float
    facts: list[tuple[str, str]] = field(default_factory=list)
    """Title and text of what was found without a model."""
    missing: list[str] = field(default_factory=list)
    """What was not looked at, and why."""

    def write(self) -> Report:
        """The pages, as far as they are known."""
        return self.pages.write(self.records.known, self.facts, self.missing)

    def why_no_model(self) -> str:
        """Empty when one can be asked."""
        if self.iterations == 0:
            return "iterations is 0"
        claudes = self.collaborators.config.claude.in_turn()
        if all(credential(c, self.collaborators.environment) is None for c in claudes):
            return "there is no key; set ANTHROPIC_API_KEY"
        return ""

    def without_model(self, why: str) -> None:
        """That is all."""
        self.missing.append(f"no model was asked: {why}")
        self.records.append(InvestigationEnded(reason="what can be done without a model is done"))

    def look_into(
        self,
        experiments: Experiments | None,
        *,
        first: Sequence[tuple[str, str]] = (),
        only: Mapping[str, Sequence[str]] | None = None,
    ) -> Stepped:
        """The loop, until it ends. Raises `ProposerError`, `OutOfTime`.

        `first`: facts that are told first; `only`: cells of the grid that are to be covered. What
        was not looked at is for the caller to ask.
        """
        work = Stepped(
            program=self.program.covering(only) if only else self.program,
            iterations=self.iterations,
            experiments=experiments,
            facts=[*first, *self.facts, *self._history()],
            observe=self.collaborators.observe,
            written=self.write,
        )
        with self.asking() as asking:
            work.run(asking)
        return work

    def debate(self, *, first: Sequence[tuple[str, str]] = ()) -> None:
        """The panel, until it ends. Raises `ProposerError`. `first`: facts that are told first."""
        rules = self.program.facts.panel
        assert rules is not None
        with self.asking() as asking:
            reason = Panel(
                program=self.program,
                rules=rules,
                asking=asking,
                facts=[*first, *self.facts],
                paths=self._in_scope(),
                note=self.collaborators.note,
            ).run()
        self.tell_end(reason)

    def tell_end(self, reason: str) -> None:
        """Why there may be more, if it broke off."""
        if not is_complete(reason):
            self.missing.append(f"more: {reason}; --resume goes on")

    def _in_scope(self) -> list[str]:
        context = self.collaborators.context
        chosen = Scope(include=tuple(self.pages.scope or EVERYTHING)).select(context.files)
        return sorted(chosen)

    @contextmanager
    def asking(self) -> Iterator[Asking]:
        """Whoever can be asked. Raises `ProposerError`, also written down, when nobody can."""
        collaborators, config = self.collaborators, self.collaborators.config
        minutes = config.budget.minutes
        with ExitStack() as stack:
            providers = Providers(
                config.claude,
                open=lambda claude: self._service(claude, stack),
                redactor=collaborators.redactor,
                note=collaborators.note,
            )
            try:
                providers.verify()
            except ProposerError as error:
                self.records.append(cannot_be_asked(error))
                raise
            yield Asking(
                providers=providers,
                records=self.records,
                budget=config.budget,
                tree=self.tree(),
                began=self.began,
                wall=minutes * 60 if minutes else None,
            )

    def _service(self, claude: Claude, stack: ExitStack) -> MessagesService:
        """Raises `ProposerError` when it cannot be used."""
        service = make_service(self.collaborators, stack, claude)
        service.verify()
        tell_unknown_price(self.collaborators, claude)
        return service

    def tree(self) -> Draft:
        """The audited commit, to be read: nothing is in scope."""
        context, nothing = self.collaborators.context, Scope(include=())
        store = self.collaborators.store
        tree = CommitTree(files=context.files, changes={}, scope=nothing, store=store)
        return Draft(tree, nothing, hidden=context.hidden)

    def _history(self) -> list[tuple[str, str]]:
        """What was committed lately, in the scope if there is one."""
        context, scope = self.collaborators.context, self.pages.scope
        named = [path for path in scope if path in context.files]
        recent = context.repository.recent(15, named, at=context.base)
        facts = [("Latest commits", "\n".join(recent))]
        return [*facts, ("Where to look first", "\n".join(scope))] if scope else facts


def place_of(
    options: argparse.Namespace, name: str, repository: Repository
) -> tuple[Options, Known]:
    """Which commit a program looks at, under which tag, and what an earlier process has found.

    Raises `ConfigError`, `WorkspaceError`.
    """
    tag = chosen_investigation(repository, name, options.tag, resume=options.resume)
    known = peek(run_store(repository, f"{name}-{tag}")) if options.resume else Known()
    base = known.start.base if known.start else repository.head()
    refuse_vanished_base(repository, base)
    place = Options(
        start=Path.cwd(), tag=tag, resume=options.resume, output=options.output, base=base
    )
    return place, known


def iterations_of(options: argparse.Namespace, program: Program, config: Config) -> int:
    """The program's own, unless somebody has typed how many there may be."""
    typed = any(
        key == "iterations" or (key == "set" and words.startswith("iterations="))
        for key, words in getattr(options, "typed", [])
    )
    return config.iterations if typed else program.facts.defaults.iterations


@contextmanager
def opened_desk(
    config: Config,
    program: Program,
    place: Options,
    *,
    command: str,
    asked: Mapping[str, str],
    iterations: int,
    severity: str = "",
    observe: Observer,
    stop: Stop,
    environment: Mapping[str, str],
) -> Iterator[Desk]:
    """`command`: its name, and the beginning of its run folder's. `place.tag` is known.

    However the block ends, the pages are written. Raises `AutoresearchError`.
    """
    began = time.monotonic()
    redactor = make_redactor(config, environment)
    observe = redacted(observe, redactor.redact)
    context = investigation_context(config, place, command)
    with ExitStack() as stack:
        records = InvestigationRecords(context.run_store)
        stack.callback(records.close)
        start = InvestigationStarted(
            base=context.base,
            tag=place.tag or "",
            program=program.facts.name,
            digest=program.digest,
            version=autoresearch_ci.__version__,
            asked=asked,
        )
        _begin(records, start, resume=place.resume)
        context.repository.exclude(f"/autoresearch/{command}-*/")
        stack.enter_context(in_use(context.scratch))
        stack.enter_context(histories_kept())
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
        for role in unknown_roles(config.claude.roles, program):
            told = f"claude.roles: no program of ours, nor this one, has a role {role!r}"
            observe(Warning(message=told))
        minutes = config.budget.minutes
        runs = Runs(
            records,
            _Trees(collaborators).open_at,
            base=context.base,
            until=began + minutes * 60 if minutes else None,
        )
        stack.callback(runs.close)
        desk = Desk(
            collaborators=collaborators,
            program=program,
            records=records,
            runs=runs,
            pages=Pages(
                program=program,
                folder=context.folder,
                severity=severity,
                scope=() if config.scope == EVERYTHING else config.scope,
                redact=redactor.redact_all,
            ),
            iterations=iterations,
            began=began,
        )
        try:
            yield desk
        finally:
            desk.write()


def _begin(records: InvestigationRecords, start: InvestigationStarted, *, resume: bool) -> None:
    """What an earlier process left behind, or a fresh start written down."""
    known = records.read().start
    if known is None:
        records.append(start)
    elif not resume:  # begun since we looked
        raise WorkspaceError(
            f"the tag {start.tag!r} was used in the meantime.\n"
            "do: continue it with --resume, or choose another --tag."
        )
    elif known.digest != start.digest:
        raise ConfigError(
            f"--resume: the program {start.program} is not the one that it began with.\n"
            "do: name the same --program, or start anew with another --tag."
        )


class _Trees:
    """Opens a tree of any commit, set up as the audited one's."""

    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators
        self._told = False

    def open_at(self, commit: str, stack: ExitStack) -> MeasuredCommands:
        """Raises `BaselineError` when the commit cannot be built."""
        collaborators = self._collaborators
        if commit != collaborators.context.base:
            context = at_commit(collaborators.context, commit)
            collaborators = replace(collaborators, context=context)
        if self._told:
            quiet = _without_notes(collaborators.observe)
            collaborators = replace(collaborators, observe=quiet)
        self._told = True
        return open_bench(collaborators, stack).commands


def _without_notes(observe: Observer) -> Observer:
    """What is said of each tree alike was said of the first one."""

    def tell(event: Event) -> None:
        if not isinstance(event, (Note, Warning)):
            observe(event)

    return tell
