"""Configuration -> the collaborators of a run; what they do together is run.py's business."""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch_ci.candidate import Evaluator
from autoresearch_ci.cli import confinement
from autoresearch_ci.config.proposers import Agent, Claude, ToolServer
from autoresearch_ci.config.resolve import Config
from autoresearch_ci.decide.budget import Limits
from autoresearch_ci.decide.decision import Policy
from autoresearch_ci.decide.gaming.ruler import Ruler
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.extract import report_path
from autoresearch_ci.preflight import Options, RunContext
from autoresearch_ci.propose.briefing import Briefing
from autoresearch_ci.propose.proposer import Context, Proposer
from autoresearch_ci.publish.forge.choose import Sleep, make_forge
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.publisher import NoPublisher, Publisher
from autoresearch_ci.publish.run_identity import run_identity
from autoresearch_ci.record.durable_records import Records
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.record.notebook import RunFacts
from autoresearch_ci.report.run_folder import metric_name
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.secret_values import declared_values, secret_values
from autoresearch_ci.workspace.command_files import command_files
from autoresearch_ci.workspace.earlier_change import EarlierChange
from autoresearch_ci.workspace.measure_tree import Layout, MeasureTree
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.scratch import draft_beside
from autoresearch_ci.workspace.store import Store

if TYPE_CHECKING:
    from autoresearch_ci.experiment import Spent
    from autoresearch_ci.llm.messages_api import MessagesService
    from autoresearch_ci.llm.tools import MoreTools
    from autoresearch_ci.measure.judge import Judge
    from autoresearch_ci.propose.claude import ClaudeProposer


PROGRAM_LIMIT = 1_000_000
"""Bytes of the human's brief; one that is so large is another file."""


def make_briefing(workshop: RunWorkshop, evaluator: Evaluator) -> Briefing:
    """What every proposer is told. Raises `ConfigError` when the program is not committed."""
    from autoresearch_ci.propose.prompt import PROGRAM_BYTES

    config, context = workshop.config, workshop.context
    program = ""
    if config.program:
        version = context.files.get(config.program)
        if version is None or not version.regular:
            raise ConfigError(
                f"program: {config.program} is not a file of the base commit.\n"
                "do: commit it, or correct the path; it is relative to the repository's root."
            )
        size = workshop.store.size(version)
        if size > PROGRAM_LIMIT:
            raise ConfigError(
                f"program: {config.program} has {size} bytes, at most {PROGRAM_LIMIT} may be; a "
                f"prompt holds the first {PROGRAM_BYTES} of them.\n"
                "do: shorten it, or name the right file."
            )
        program = workshop.store.read(version).decode(errors="replace")
    return Briefing(
        goal=config.goal,
        metric=metric_name(config),
        program=program,
        hidden=workshop.hidden,
        seed=config.seed,
        limits=make_limits(config),
        direction=evaluator.policy.direction,
        ledger=evaluator.ledger,
        tree=evaluator.tree,
    )


def hidden_files(config: Config, context: RunContext, config_path: str | None) -> tuple[str, ...]:
    """The holdout's own files, and the configuration that names them."""
    if not config.holdout:
        return ()
    metric = set(command_files(config.metric.command, context.files))
    own = [p for p in command_files(config.holdout.command, context.files) if p not in metric]
    return (*own, config_path) if config_path else tuple(own)


def make_limits(config: Config) -> Limits:
    """Where the run stops."""
    minutes = config.budget.minutes
    return Limits(
        iterations=config.iterations,
        seconds=minutes * 60 if minutes else None,
        target=config.metric.target,
        plateau=config.plateau,
        usd=config.budget.usd,
        tokens=config.budget.tokens,
    )


def mcp_tools(workshop: RunWorkshop, stack: ExitStack) -> MoreTools | None:
    """The configured servers, started: a server started later would not outlive a measurement."""
    servers = workshop.config.mcp
    if not servers:
        return None
    if importlib.util.find_spec("mcp") is None:
        raise ConfigError(
            "mcp: servers are configured, but the extra is not installed.\n"
            "do: pip install 'autoresearch-ci[mcp]'"
        )
    from autoresearch_ci.llm.mcp import McpTools

    tools = McpTools(
        servers,
        environment=workshop.environment,
        redactor=workshop.redactor,
        note=workshop.note,
        check=workshop.stop.check,
    )
    return stack.enter_context(tools)


def make_service(
    workshop: Workshop, stack: ExitStack, claude: Claude, *, role: str = ""
) -> MessagesService:
    """The model's service; `role` precedes its notes. Raises `ProposerError` without a key."""
    from autoresearch_ci.llm.messages_api import MessagesService

    service = MessagesService(
        claude,
        workshop.environment,
        redactor=workshop.redactor,
        check=workshop.stop.check,
        note=lambda message: workshop.note(role + message),
    )
    stack.callback(service.close)
    return service


def _make_claude(workshop: RunWorkshop, stack: ExitStack) -> ClaudeProposer:
    from autoresearch_ci.llm.prices import is_known
    from autoresearch_ci.propose.claude import ClaudeProposer

    claude = workshop.config.claude
    more = mcp_tools(workshop, stack)
    service = make_service(workshop, stack, claude)
    if not is_known(claude):
        workshop.observe(
            Warning(
                message=f"the price of {claude.model} is unknown: tokens are counted, "
                "dollars are not, and budget.usd cannot be kept. Set claude.price."
            )
        )
    service.verify()
    return ClaudeProposer(
        claude,
        workshop.config.budget,
        workshop.context.scope,
        service,
        redactor=workshop.redactor,
        more=more,
        paid=workshop.ledger.pay,
    )


def make_evaluator(
    workshop: RunWorkshop, bench: Bench, unwanted: Sequence[EarlierChange] = ()
) -> Evaluator:
    """The evaluator of a run; `unwanted` is what people asked not to try again."""
    config, context = workshop.config, workshop.context
    return Evaluator(
        policy=_policy(config),
        scope=context.scope,
        files=context.files,
        bench=bench,
        store=workshop.store,
        ledger=workshop.ledger,
        ruler=make_ruler(config, context),
        warn=workshop.observe if config.gaming == "warn" else None,
        redactor=workshop.redactor,
        unwanted=tuple(unwanted),
    )


def make_ruler(config: Config, context: RunContext) -> Ruler | None:
    """What no candidate may play against; `None` when that is allowed."""
    if config.gaming == "allow":
        return None
    metrics = [part for part in (config.metric, config.holdout) if part]
    commands = [part.command for part in (*metrics, *config.guards)]
    named = (path for command in commands for path in command_files(command, context.files))
    rules = [part.extract for part in metrics if part.extract]
    reports = [*map(report_path, rules), *(guard.junit for guard in config.guards)]
    names = [*(part.name for part in metrics), *(guard.metric for guard in config.guards)]
    patterns = [rule.regex for rule in rules]
    if not config.metric.name:
        patterns.append(r"^[ \t]*METRIC[ \t]+[\w.-]+[ \t]*=")
    return Ruler(
        names=tuple(filter(None, names)),
        patterns=tuple(filter(None, patterns)),
        files=(*(p for p in named if context.scope.refusal(p)), *filter(None, reports)),
    )


def _policy(config: Config) -> Policy:
    """The keep rule's constants."""
    return Policy(
        direction=config.metric.direction,
        min_effect=config.metric.min_effect,
        repeats_min=config.metric.repeats.min,
        repeats_max=config.metric.repeats.max,
        exact=not config.metric.rubric,
    )


def make_proposer(
    workshop: RunWorkshop, stack: ExitStack, again: Sequence[EarlierChange] = ()
) -> Proposer:
    """The proposer that the configuration names, after what people asked to have measured `again`.

    What it holds open is closed with `stack`. Raises `ConfigError` or `ProposerError`.
    """
    proposer = _configured(workshop, stack)
    if not again:
        return proposer
    from autoresearch_ci.propose.mixture import AgainProposer

    return AgainProposer(proposer, again)


def _configured(workshop: RunWorkshop, stack: ExitStack) -> Proposer:
    turns = workshop.config.proposer.turns
    if len(turns) == 1:
        return _second_look(_proposer(turns[0][0], workshop, stack))
    from autoresearch_ci.propose.mixture import Member, MixtureProposer

    members = [
        Member(
            name=_column(name, workshop), proposer=_proposer(name, workshop, stack), weight=weight
        )
        for name, weight in turns
    ]
    return _second_look(MixtureProposer(members, note=workshop.note))


def chosen(name: str, environment: Mapping[str, str]) -> str:
    """What `auto` means: Claude when a key or a workload identity is there, else the search."""
    if name != "auto":
        return name
    from autoresearch_ci.llm.credentials import has_credentials

    return "claude" if has_credentials(environment) else "search"


def agent_prompt(workshop: RunWorkshop) -> Callable[[Context], str]:
    """What an agent CLI is told."""
    from autoresearch_ci.propose.journal_digest import DiffSummaries
    from autoresearch_ci.propose.prompt import render

    diffs, globs = DiffSummaries(), workshop.context.scope.include
    redact = workshop.redactor.redact
    return lambda context: redact(render(context, diffs, globs=globs).for_agent())


def _second_look(proposer: Proposer) -> Proposer:
    from autoresearch_ci.propose.mixture import SecondLook
    from autoresearch_ci.propose.script import ScriptProposer

    # A script says what every single iteration proposes.
    return proposer if isinstance(proposer, ScriptProposer) else SecondLook(proposer)


def _column(name: str, workshop: RunWorkshop) -> str:
    """What a proposer writes into the journal's `proposer` column."""
    if name == "auto":
        return chosen(name, workshop.environment)
    return "script" if name.startswith("script:") else name


def _proposer(name: str, workshop: RunWorkshop, stack: ExitStack) -> Proposer:
    name = chosen(name, workshop.environment)
    if name.startswith("script:"):
        from autoresearch_ci.propose.script import ScriptProposer

        return ScriptProposer(workshop.start / name.removeprefix("script:"))
    if name == "claude":
        return _make_claude(workshop, stack)
    if name in workshop.config.proposer.agents:
        return _agent(name, workshop, stack)
    from autoresearch_ci.propose.search.proposer import SearchProposer

    return SearchProposer()


def _agent(name: str, workshop: RunWorkshop, stack: ExitStack) -> Proposer:
    from autoresearch_ci.propose.agent_cli import AgentCliProposer
    from autoresearch_ci.propose.agent_presets import PRESETS
    from autoresearch_ci.workspace.draft_tree import DraftTree, Material

    agent = workshop.config.proposer.agents[name]
    context, ledger = workshop.context, workshop.ledger
    scratch = draft_beside(context.scratch, name)
    draft = DraftTree(
        scratch,
        Material(
            files=context.files,
            incumbent=lambda: ledger.changes(ledger.incumbent),
            read=workshop.store.read,
            scope=context.scope,
            ignored=context.repository.ignored,
            hidden=frozenset(workshop.hidden),
        ),
        confinement.agent(
            workshop.config,
            context,
            scratch,
            PRESETS[agent.preset].program if agent.preset else agent.command or "",
            workshop.hidden,
        ),
    )
    stack.callback(draft.remove)
    if missing := draft.sandbox.kept_root:
        workshop.observe(Warning(message=str(missing)))
    logs = context.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return AgentCliProposer(
        agent,
        prompt=agent_prompt(workshop),
        draft=draft,
        inherit=workshop.environment,
        stop=workshop.stop,
        note=workshop.note,
        redactor=workshop.redactor,
        logs=logs,
    )


def make_redactor(config: Config, environment: Mapping[str, str]) -> Redactor:
    """Knows what is secret by its name or looks, and what the configuration says is a key."""
    servers = tuple(config.mcp.values())
    parts: tuple[Config | Agent | ToolServer, ...]
    parts = (config, *config.proposer.agents.values(), *servers)
    headers = [config.claude.headers, *(server.headers for server in servers)]
    passed = {name for part in parts for name in part.pass_env if name in environment}
    given = [*(part.env for part in parts), *headers, {name: environment[name] for name in passed}]
    named = [config.claude.key_variable or "", *_variables(headers)]
    addresses = [config.claude.base_url or "", *(server.url or "" for server in servers)]
    declared = (value for variables in given for value in declared_values(variables))
    return Redactor([*secret_values(environment, named), *addresses, *declared])


def _variables(headers: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Names of the variables that headers are filled from."""
    for values in headers:
        for value in values.values():
            yield from re.findall(r"\$\{?(\w+)", value)


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What a bench is built from."""

    config: Config
    context: RunContext
    store: Store
    observe: Observer
    stop: Stop
    environment: Mapping[str, str]
    """To be read instead of `os.environ`, which holds no secrets."""
    redactor: Redactor

    def note(self, message: str) -> None:
        self.observe(Note(message=message))


@dataclass(frozen=True, kw_only=True)
class RunWorkshop(Workshop):
    """What proposers are built from: a run, that is, with a past."""

    ledger: Ledger
    hidden: tuple[str, ...]
    """Files that no proposer may read."""
    start: Path
    """Where the command was called; `script:FILE` is relative to it."""


def make_ledger(
    config: Config,
    context: RunContext,
    store: Store,
    records: Records,
    redact: Callable[[str], str] = str,
) -> Ledger:
    """A run's memory, still empty."""
    facts = RunFacts(
        tag=context.tag,
        branch=context.branch,
        base=context.base,
        direction=config.metric.direction,
        folder=context.folder,
    )
    return Ledger(
        facts=facts, repository=context.repository, store=store, records=records, redact=redact
    )


def make_publisher(
    config: Config,
    options: Options,
    *,
    environment: Mapping[str, str],
    observe: Observer,
    sleep: Sleep = time.sleep,
) -> Publisher:
    """`options.tag` is known. Raises `ConfigError` when a token or the repository's name lacks."""
    mode, tag = config.publish.mode, options.tag or ""
    if mode in ("none", "local"):
        return NoPublisher()
    repository = Repository.open(options.start)
    if mode == "bundle":
        from autoresearch_ci.publish.bundle import BundlePublisher
        from autoresearch_ci.publish.resolve_start import resolve_start_without_writing

        resolve_start = partial(
            resolve_start_without_writing,
            config=config,
            repository=repository,
            environment=environment,
            observe=observe,
            sleep=sleep,
        )
        return BundlePublisher(repository, config.publish.branch_name(tag), resolve_start)
    from autoresearch_ci.publish.forge_publisher import ForgePublisher

    forge = make_forge(config.publish, repository, environment, observe, sleep)
    remote = Remote(forge.address, repository, token=forge.token, sleep=sleep)
    run = run_identity(config, tag, environment)
    return ForgePublisher(forge, remote, repository, config.publish, run, observe)


def open_bench(
    workshop: Workshop, stack: ExitStack, *, paid: Callable[[Spent], None] = lambda cost: None
) -> Bench:
    """A bench whose tree is created and set up; what it holds open is closed with `stack`.

    `paid`: is told what the judge costs. Raises `BaselineError` or `ProposerError`.
    """
    tree = _make_tree(workshop)
    stack.callback(tree.sandbox.close)
    tree.create(workshop.context.modules)
    bench = _make_bench(workshop, tree, _make_judge(workshop, stack, paid))
    bench.set_up(workshop.config.setup)
    return bench


def idle_bench(workshop: Workshop) -> Bench:
    """A bench that never measures anything."""
    return _make_bench(workshop, _make_tree(workshop), None)


def _make_tree(workshop: Workshop) -> MeasureTree:
    config, context = workshop.config, workshop.context
    layout = Layout(
        scratch=context.scratch,
        pristine=context.run_store / "pristine",
        checkout=context.repository.root,
        share=context.share,
        cache=tuple(config.cache),
    )
    own = (layout.tree, layout.home, layout.temporary)
    sandbox = confinement.measured(config, context, own)
    return MeasureTree(layout, workshop.store, context.base, context.files, sandbox)


def _make_bench(workshop: Workshop, tree: MeasureTree, judge: Judge | None) -> Bench:
    config, context, environment = workshop.config, workshop.context, workshop.environment
    logs, private_logs = context.folder / "logs", context.run_store / "holdout"
    for folder in (logs, private_logs):
        folder.mkdir(parents=True, exist_ok=True)
    return Bench(
        tree=tree,
        metric=config.metric,
        guards=config.guards,
        holdout=config.holdout,
        hooks=context.repository.hooks() if config.hooks else None,
        environment={
            **{name: environment[name] for name in config.pass_env if name in environment},
            **config.env,
        },
        inherit=environment,
        redact=workshop.redactor.redact,
        stop=workshop.stop,
        observe=workshop.observe,
        logs=logs,
        private_logs=private_logs,
        judge=judge,
    )


def _make_judge(
    workshop: Workshop, stack: ExitStack, paid: Callable[[Spent], None]
) -> Judge | None:
    """Who gives the number of a rubric. Raises `ProposerError` when the service is unusable."""
    config = workshop.config
    if not config.metric.rubric:
        return None
    from autoresearch_ci.llm.tools import Dialect
    from autoresearch_ci.measure.judge import Judge

    model = config.metric.judge.model or config.claude.model
    claude = config.claude.model_copy(update={"model": model})
    service = make_service(workshop, stack, claude, role="judge: ")
    native = service.dialect is Dialect.NATIVE
    if native:
        service.verify()
    return Judge(config.metric, claude, native=native, ask=service.ask, paid=paid)
