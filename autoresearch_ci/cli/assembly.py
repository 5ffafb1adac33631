"""Configuration -> the collaborators of a run; what they do together is run.py's business.

Who proposes is in make_proposer.py, what commands may see in make_sandbox.py.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from autoresearch_ci.candidate import Evaluator
from autoresearch_ci.cli import make_sandbox
from autoresearch_ci.config.proposers import Agent, Claude, ToolServer
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.budget import Limits
from autoresearch_ci.decide.gaming import Ruler, silenceable
from autoresearch_ci.decide.metric.run_statistics import Policy
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.execution.environment import clean_environment, of_downloads
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.number.extract import report_path
from autoresearch_ci.measure.number_objective import NumberObjective
from autoresearch_ci.measure.outcome import Objective
from autoresearch_ci.measure.run_diagnostics import OwnTarget
from autoresearch_ci.preflight import Options, RunContext
from autoresearch_ci.propose.briefing import Briefing
from autoresearch_ci.publish.forge.choose import make_forge
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.publisher import Publisher
from autoresearch_ci.publish.run_identity import run_identity
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.record.notebook import RunFacts
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.report.run_folder import metric_name
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.secret_values import declared_values, secret_values
from autoresearch_ci.workspace.command_files import command_files, command_text
from autoresearch_ci.workspace.earlier_change import EarlierChange
from autoresearch_ci.workspace.file_history import FileHistory
from autoresearch_ci.workspace.git import GitDirectory
from autoresearch_ci.workspace.measure_tree import Layout, MeasureTree, relocated
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.scratch import in_use
from autoresearch_ci.workspace.signing import Signing
from autoresearch_ci.workspace.snapshot import remove
from autoresearch_ci.workspace.store import Store, opened, signed_by

if TYPE_CHECKING:
    from autoresearch_ci.experiment import Experiment, Spent
    from autoresearch_ci.llm.messages_api import MessagesService
    from autoresearch_ci.measure.judge import Judge


_PROGRAM_LIMIT = 1_000_000
"""Bytes of the human's brief; one that is so large is another file."""


class Besides(Protocol):
    """What says what is broken in a run that repairs, where that is no command."""

    def targets(self, store: Store, context: RunContext) -> Mapping[str, OwnTarget]:
        """By the names of targets of the configuration."""

    def evidence(self, experiments: Sequence[Experiment]) -> str:
        """What was seen of each that is repaired, before and after; Markdown."""


@dataclass(frozen=True, kw_only=True)
class Collaborators:
    """What a command has at hand, and all others are built from."""

    config: Config
    context: RunContext
    store: Store
    observe: Observer
    stop: Stop
    environment: Mapping[str, str]
    """To be read instead of `os.environ`, which holds no secrets."""
    redactor: Redactor
    besides: Besides | None = None

    def note(self, message: str) -> None:
        self.observe(Note(message=message))


def passing(
    config: Config,
    context: RunContext,
    stack: ExitStack,
    *,
    observe: Observer,
    stop: Stop,
    environment: Mapping[str, str],
) -> Collaborators:
    """Of a command that no other one resumes: its run store is new, and gone after `stack`."""
    stack.callback(remove, context.run_store)
    stack.enter_context(in_use(context.scratch))
    remove(context.run_store)
    context.run_store.mkdir(parents=True, mode=0o700)
    return Collaborators(
        config=config,
        context=context,
        store=stack.enter_context(opened(context.repository, context.run_store / "git")),
        observe=observe,
        stop=stop,
        environment=environment,
        redactor=make_redactor(config, environment),
    )


def make_redactor(config: Config, environment: Mapping[str, str]) -> Redactor:
    """Knows what is secret by its name or looks, and what the configuration says is a key."""
    servers = tuple(config.mcp.values())
    parts: tuple[Config | Agent | ToolServer, ...]
    parts = (config, *config.proposer.agents.values(), *servers)
    claudes = config.claude.everybody()
    headers = [*(c.headers for c in claudes), *(server.headers for server in servers)]
    passed = {name for part in parts for name in part.pass_env if name in environment}
    given = [*(part.env for part in parts), *headers, {name: environment[name] for name in passed}]
    named = [*(c.key_variable or "" for c in claudes), *_variables(headers)]
    addresses = [*(c.base_url or "" for c in claudes), *(server.url or "" for server in servers)]
    declared = (value for variables in given for value in declared_values(variables))
    return Redactor([*secret_values(environment, named), *addresses, *declared])


def _variables(headers: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Names of the variables that headers are filled from."""
    for values in headers:
        for value in values.values():
            yield from re.findall(r"\$\{?(\w+)", value)


def make_ledger(
    config: Config,
    context: RunContext,
    store: Store,
    records: Records,
    redact: Callable[[str], str] = str,
    signing: Signing | None = None,
) -> Ledger:
    """A run's memory, still empty."""
    facts = RunFacts(
        tag=context.tag,
        branch=context.branch,
        base=context.base,
        direction=config.metric.direction,
        folder=context.folder,
        commit=config.publish.commit,
    )
    return Ledger(
        facts=facts,
        repository=context.repository,
        store=store,
        records=records,
        redact=redact,
        signing=signing,
    )


def make_signing(config: Config, start: Path, environment: Mapping[str, str]) -> Signing | None:
    """How kept commits are signed, tried once; `None`: they are not. Raises `ConfigError`."""
    style = config.publish.commit
    if not style.sign:
        return None
    if config.publish.mode == "bundle":
        raise ConfigError(
            "publish.commit.sign: what a bundle brings is published as it is, and the job that "
            "measures should hold no key.\n"
            "do: publish in one job (publish: github), or leave `sign` out and exclude the branch "
            "from the rule that wants signatures."
        )
    key = style.sign if isinstance(style.sign, str) else ""
    root = Repository.open(start).root
    return Signing.tried(root, key, signed_by(style.author, 1_000_000_000), environment)


def make_publisher(
    config: Config,
    options: Options,
    *,
    environment: Mapping[str, str],
    observe: Observer,
    signing: Signing | None = None,
) -> Publisher:
    """`options.tag` is known. Raises `ConfigError` when a token or the repository's name lacks."""
    mode, tag = config.publish.mode, options.tag or ""
    if mode in ("none", "local"):
        return Publisher()
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
            sleep=time.sleep,
        )
        return BundlePublisher(repository, config.publish.branch_name(tag), resolve_start)
    from autoresearch_ci.publish.forge_publisher import ForgePublisher

    forge = make_forge(config.publish, repository, environment, observe)
    remote = Remote(
        forge.address,
        repository,
        token=forge.token,
        author=config.publish.commit.author,
        signing=signing,
    )
    run = run_identity(config, tag, environment)
    return ForgePublisher(forge, remote, repository, config.publish, run, observe)


def open_bench(
    collaborators: Collaborators,
    stack: ExitStack,
    *,
    paid: Callable[[Spent], None] = lambda cost: None,
    fixed: bool = False,
) -> Bench:
    """A bench whose tree is created and set up; what it holds open is closed with `stack`.

    `paid`: is told what the judge costs. `fixed`: no candidate is measured there.
    Raises `BaselineError` or `ProposerError`.
    """
    tree = _make_tree(collaborators)
    stack.callback(tree.sandbox.close)
    make_sandbox.refuse_weaker(
        collaborators.config.sandbox, tree.sandbox, collaborators.environment
    )
    make_sandbox.refuse_unreached(tree.sandbox, collaborators.context.elsewhere)
    make_sandbox.refuse_signers(tree.sandbox, collaborators.context.keys)
    tree.create(collaborators.context.modules)
    if make_sandbox.starts_us(collaborators.config.commands):
        _link_own_program(tree.layout)
    bench = _make_bench(collaborators, tree, _make_judge(collaborators, stack, paid))
    bench.set_up(collaborators.config.setup)
    context = collaborators.context
    editable = context.scope.select(context.files)
    bench.prove(context.files, editable, collaborators.config, fixed=fixed)
    return bench


def idle_bench(collaborators: Collaborators) -> Bench:
    """A bench that never measures anything."""
    return _make_bench(collaborators, _make_tree(collaborators), None)


def _make_tree(collaborators: Collaborators) -> MeasureTree:
    config, context = collaborators.config, collaborators.context
    layout = Layout(
        scratch=context.scratch,
        pristine=context.run_store / "pristine",
        checkout=context.repository.root,
        share=context.share,
        filtered=context.filtered,
        cache=tuple(config.cache),
        withheld=context.withheld,
        elsewhere=tuple(map(str, context.elsewhere)),
    )
    own = (layout.tree, layout.home, layout.temporary)
    sandbox = make_sandbox.measured(config, context, own)
    return MeasureTree(layout, collaborators.store, context.base, context.files, sandbox)


def _make_bench(collaborators: Collaborators, tree: MeasureTree, judge: Judge | None) -> Bench:
    config, context = collaborators.config, collaborators.context
    logs, private_logs = context.folder / "logs", context.run_store / "holdout"
    for folder in (logs, private_logs):
        folder.mkdir(parents=True, exist_ok=True)
    return Bench(
        tree=tree,
        metric=config.metric,
        guards=config.guards,
        holdout=config.holdout,
        hooks=context.repository.hooks() if config.hooks else None,
        environment=_given(collaborators),
        inherit=_with_own_program(collaborators, tree.layout),
        redact=collaborators.redactor.redact,
        stop=collaborators.stop,
        observe=collaborators.observe,
        logs=logs,
        private_logs=private_logs,
        judge=judge,
        absent=context.absent,
        repairs=config.fix if config.repairs else None,
        own=collaborators.besides.targets(collaborators.store, context)
        if collaborators.besides
        else None,
    )


def _with_own_program(collaborators: Collaborators, layout: Layout) -> Mapping[str, str]:
    """`autoresearch-ci score` is found although nobody has put us on PATH; nothing else of ours."""
    inherit = collaborators.environment
    if not make_sandbox.starts_us(collaborators.config.commands):
        return inherit
    search = inherit.get("PATH", os.defpath)
    return {**inherit, "PATH": f"{search}{os.pathsep}{_own_folder(layout)}"}


def _own_folder(layout: Layout) -> Path:
    return layout.scratch / "program"


def _link_own_program(layout: Layout) -> None:
    program = Path(sys.executable).with_name(make_sandbox.PROGRAM)
    if program.exists():
        folder = _own_folder(layout)
        folder.mkdir()
        folder.chmod(0o755)
        (folder / make_sandbox.PROGRAM).symlink_to(program)


def _given(collaborators: Collaborators) -> dict[str, str]:
    """The variables that the configuration gives to measured code."""
    config, environment = collaborators.config, collaborators.environment
    passed = {name: environment[name] for name in config.pass_env if name in environment}
    return {**passed, **config.env}


def measured_environment(
    collaborators: Collaborators, layout: Layout, sandbox: Jail
) -> dict[str, str]:
    """The whole environment of measured code in another tree than the bench's."""
    inherit = collaborators.environment
    reached = of_downloads(inherit.get("HOME", ""), layout.home, sandbox.reaches)
    own = clean_environment(
        _given(collaborators), home=layout.home, tmp=layout.temporary, inherit=inherit
    )
    return relocated({**reached, **own}, layout)


def _make_judge(
    collaborators: Collaborators, stack: ExitStack, paid: Callable[[Spent], None]
) -> Judge | None:
    """Who gives the number of a rubric. Raises `ProposerError` when the service is unusable."""
    config = collaborators.config
    if not config.metric.rubric:
        return None
    from autoresearch_ci.llm.tools import Dialect
    from autoresearch_ci.measure.judge import Judge

    model = config.metric.judge.model or config.claude.model
    claude = config.claude.model_copy(update={"model": model})
    service = make_service(collaborators, stack, claude, role="judge: ")
    native = service.dialect is Dialect.NATIVE
    if native:
        service.verify()
    return Judge(config.metric, claude, native=native, ask=service.ask, paid=paid)


def make_service(
    collaborators: Collaborators, stack: ExitStack, claude: Claude, *, role: str = ""
) -> MessagesService:
    """The model's service; `role` precedes its notes. Raises `ProposerError` without a key."""
    from autoresearch_ci.llm.messages_api import MessagesService

    service = MessagesService(
        claude,
        collaborators.environment,
        redactor=collaborators.redactor,
        check=collaborators.stop.check,
        note=lambda message: collaborators.note(role + message),
    )
    stack.callback(service.close)
    return service


def tell_unknown_price(collaborators: Collaborators, claude: Claude) -> None:
    """That a limit in dollars cannot be kept, where it cannot."""
    from autoresearch_ci.llm.model_prices import is_known

    if not is_known(claude):
        message = (
            f"the price of {claude.model} is unknown: tokens are counted, dollars are not, and "
            "budget.usd cannot be kept. Set claude.price."
        )
        collaborators.observe(Warning(message=message))


def make_evaluator(
    collaborators: Collaborators,
    ledger: Ledger,
    bench: Bench,
    unwanted: Sequence[EarlierChange] = (),
) -> Evaluator:
    """The evaluator of a run; `unwanted` is what people asked not to try again."""
    config, context = collaborators.config, collaborators.context
    return Evaluator(
        policy=make_policy(config),
        scope=context.scope,
        files=context.files,
        bench=bench,
        objective=_objective(collaborators, bench),
        store=collaborators.store,
        ledger=ledger,
        ruler=make_ruler(collaborators),
        warn=collaborators.observe if config.gaming == "warn" else None,
        redactor=collaborators.redactor,
        unwanted=tuple(unwanted),
    )


def _objective(collaborators: Collaborators, bench: Bench) -> Objective:
    config, context, store = collaborators.config, collaborators.context, collaborators.store
    if not config.repairs:
        return NumberObjective(bench=bench, policy=make_policy(config))
    from autoresearch_ci.decide.failures.shortcuts.detect import BYTES_LIMIT, is_test
    from autoresearch_ci.measure.failure_objective import FailureObjective
    from autoresearch_ci.record.handoff import read_handoff

    judging, handoff = context.scope.started, config.fix.from_debug
    tests = {p: v for p, v in context.files.items() if v.regular and (is_test(p) or p in judging)}
    return FailureObjective(
        bench=bench,
        policy=make_policy(config),
        settings=config.fix,
        leads=read_handoff(context.repository.root / handoff).open if handoff else (),
        paths=context.files,
        tests={p: store.read(v) for p, v in tests.items() if store.size(v) <= BYTES_LIMIT},
    )


def make_ruler(collaborators: Collaborators) -> Ruler | None:
    """What no candidate may play against; `None` when that is allowed."""
    config, context, store = collaborators.config, collaborators.context, collaborators.store
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
    paths = [rule.json_path for rule in rules if rule.json_path]
    keys = [found[-1] for path in paths if (found := re.findall(r"[A-Za-z_][\w-]*", path))]
    regular = {path: version for path, version in context.files.items() if version.regular}

    def run_by(commands: Iterable[str]) -> str:
        return command_text(commands, regular, lambda path: store.read(regular[path]))

    return Ruler(
        names=tuple(filter(None, names)),
        patterns=tuple(filter(None, patterns)),
        keys=tuple(keys),
        files=(*(p for p in named if context.scope.refusal(p)), *filter(None, reports)),
        silenceable=not config.repairs
        and (
            bool(config.metric.extract and config.metric.extract.coverage)
            or silenceable(
                run_by(part.command for part in metrics),
                filter(None, (config.metric.name, *(rule.regex for rule in rules), *paths)),
            )
        ),
        text=None
        if config.repairs
        else "\n".join([run_by(commands), *filter(None, names), *map(str, reports)]),
    )


def make_policy(config: Config) -> Policy:
    """The keep rule's constants."""
    return Policy(
        direction=config.metric.direction,
        min_effect=config.metric.min_effect,
        repeats_min=config.metric.repeats.min,
        repeats_max=config.metric.repeats.max,
        exact=not config.metric.rubric,
    )


def make_briefing(collaborators: Collaborators, evaluator: Evaluator) -> Briefing:
    """What every proposer is told. Raises `ConfigError` when the program is not committed."""
    config, context = collaborators.config, collaborators.context
    return Briefing(
        goal=config.goal,
        metric=metric_name(config),
        program=_program(config, context, collaborators.store),
        hidden=context.hidden,
        seed=config.seed,
        limits=_limits(config),
        direction=evaluator.policy.direction,
        ledger=evaluator.ledger,
        tree=evaluator.tree,
        file_history=_file_history(context) if config.repairs else None,
    )


def _file_history(context: RunContext) -> FileHistory:
    repository = context.repository
    git = GitDirectory(repository.root, repository.git_dir)
    return FileHistory(git=git, base=context.base)


def _program(config: Config, context: RunContext, store: Store) -> str:
    """The human's brief, as the base commit has it."""
    from autoresearch_ci.propose.prompt import PROGRAM_BYTES

    if not config.program:
        return ""
    version = context.files.get(config.program)
    if version is None or not version.regular:
        raise ConfigError(
            f"program: {config.program} is not a file of the base commit.\n"
            "do: commit it, or correct the path; it is relative to the repository's root."
        )
    size = store.size(version)
    if size > _PROGRAM_LIMIT:
        raise ConfigError(
            f"program: {config.program} has {size} bytes, at most {_PROGRAM_LIMIT} may be; a "
            f"prompt holds the first {PROGRAM_BYTES} of them.\n"
            "do: shorten it, or name the right file."
        )
    return store.read(version).decode(errors="replace")


def _limits(config: Config) -> Limits:
    """Where the run stops."""
    minutes = config.budget.minutes
    return Limits(
        iterations=config.iterations,
        seconds=minutes * 60 if minutes else None,
        target=config.metric.target,
        plateau=config.plateau,
        usd=config.budget.usd,
        tokens=config.budget.tokens,
        iteration_usd=config.budget.iteration_usd,
        iteration_tokens=config.budget.iteration_tokens,
    )
