"""Configuration -> who proposes: search, fixers, Claude, agent CLIs, a script, or several."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from autoresearch_ci.cli import make_sandbox
from autoresearch_ci.cli.assembly import (
    Collaborators,
    make_service,
    measured_environment,
    tell_unknown_price,
)
from autoresearch_ci.config.proposers import Agent, Proposers
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Warning
from autoresearch_ci.preflight import DEPENDENCIES, RunContext
from autoresearch_ci.propose.proposer import Context, Proposer
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.workspace.earlier_change import EarlierChange
from autoresearch_ci.workspace.measure_tree import Layout
from autoresearch_ci.workspace.scratch import TREE, draft_beside

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch_ci.llm.tools import MoreTools
    from autoresearch_ci.propose.agent_cli import AgentCliProposer
    from autoresearch_ci.propose.autofix import FixerContext
    from autoresearch_ci.propose.claude import ClaudeProposer
    from autoresearch_ci.workspace.draft_tree import Material


def make_proposer(
    collaborators: Collaborators,
    ledger: Ledger,
    stack: ExitStack,
    again: Sequence[EarlierChange] = (),
) -> Proposer:
    """The proposer that the configuration names, after what people asked to have measured `again`.

    What it holds open is closed with `stack`. Raises `ConfigError` or `ProposerError`.
    """
    proposer = _configured(collaborators, ledger, stack)
    if not again:
        config = collaborators.config
        alone = proposer_name(config, collaborators.environment) == "search"
        if alone and config.iterations and not ledger.experiments:
            verify_search(collaborators)
        return proposer
    from autoresearch_ci.propose.mixture import AgainProposer

    return AgainProposer(proposer, again)


def _configured(collaborators: Collaborators, ledger: Ledger, stack: ExitStack) -> Proposer:
    if not collaborators.config.repairs:
        return _second_look(_by_turns(collaborators, ledger, stack))
    from autoresearch_ci.propose.formatted import Formatted

    workshop = _workshop(collaborators, ledger, stack)
    return Formatted(_by_turns(collaborators, ledger, stack, workshop), workshop)


def _by_turns(
    collaborators: Collaborators,
    ledger: Ledger,
    stack: ExitStack,
    workshop: FixerContext | None = None,
) -> Proposer:
    from autoresearch_ci.propose.mixture import Member, MixtureProposer

    turns = turns_of(collaborators.config, collaborators.environment)
    members = [
        Member(
            name="script" if name.startswith("script:") else name,
            proposer=_proposer(name, collaborators, ledger, stack, workshop),
            weight=weight,
        )
        for name, weight in turns
    ]
    if len(members) == 1:
        return members[0].proposer
    # What a tool mends by itself no model is asked for.
    return MixtureProposer(members, first="autofix", note=collaborators.note)


def _second_look(proposer: Proposer) -> Proposer:
    from autoresearch_ci.propose.mixture import SecondLook
    from autoresearch_ci.propose.script import ScriptProposer

    # A script says what every single iteration proposes.
    return proposer if isinstance(proposer, ScriptProposer) else SecondLook(proposer)


def turns_of(config: Config, environment: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Who proposes, with the turns of each: `auto` is somebody, and who has no work here is left
    out. Raises `ConfigError` when nobody remains.

    `auto` is Claude when a key or a workload identity is there, else the search; of repairs it is
    the tools' own fixers and then Claude. A search has nothing to mend, a fixer nothing to tune.
    """
    idle = "search" if config.repairs else "autofix"
    turns: dict[str, int] = {}
    for name, weight in config.proposer.turns:
        for one in _meant(name, config, environment):
            if one != idle:
                turns.setdefault(one, weight)
    if turns:
        return tuple(turns.items())
    if config.repairs:  # for the one without a key the other one is meant
        return (("autofix", 1),)
    raise ConfigError(
        "proposer: autofix mends what the tools of `fix` complain of, and a metric has nothing to "
        "mend.\ndo: --proposer search or claude; or run autoresearch-ci fix."
    )


def _meant(name: str, config: Config, environment: Mapping[str, str]) -> tuple[str, ...]:
    if name != "auto":
        return (name,)
    from autoresearch_ci.llm.credentials import has_credentials

    keyless = "autofix" if config.repairs else "search"
    if not has_credentials(environment):
        return (keyless,)
    return (keyless, "claude") if config.repairs else ("claude",)


def proposer_name(config: Config, environment: Mapping[str, str]) -> str:
    """All who propose, for people."""
    return str(Proposers(turns=turns_of(config, environment)))


def _proposer(
    name: str,
    collaborators: Collaborators,
    ledger: Ledger,
    stack: ExitStack,
    workshop: FixerContext | None,
) -> Proposer:
    if name.startswith("script:"):
        from autoresearch_ci.propose.script import ScriptProposer

        return ScriptProposer(collaborators.context.repository.root / name.removeprefix("script:"))
    if name == "claude":
        return _claude(collaborators, ledger, stack)
    if name in collaborators.config.proposer.agents:
        return _agent(name, collaborators, ledger, stack)
    if workshop and name == "autofix":
        from autoresearch_ci.propose.autofix import Autofix, WithoutModel

        alone = len(turns_of(collaborators.config, collaborators.environment)) == 1
        return WithoutModel(Autofix(workshop)) if alone else Autofix(workshop)
    from autoresearch_ci.propose.search.proposer import SearchProposer

    return SearchProposer()


def verify_search(collaborators: Collaborators) -> None:
    """Before anything is measured. Raises `ProposerError` where there is nothing to vary."""
    from autoresearch_ci.propose.search.proposer import SearchProposer
    from autoresearch_ci.workspace.store import CommitTree

    context = collaborators.context
    SearchProposer().verify(
        CommitTree(files=context.files, changes={}, scope=context.scope, store=collaborators.store)
    )


def _claude(collaborators: Collaborators, ledger: Ledger, stack: ExitStack) -> ClaudeProposer:
    from autoresearch_ci.propose.claude import ClaudeProposer

    claude = collaborators.config.claude
    more = mcp_tools(collaborators, stack)
    service = make_service(collaborators, stack, claude)
    tell_unknown_price(collaborators, claude)
    service.verify()
    return ClaudeProposer(
        claude,
        collaborators.context.scope,
        service,
        redactor=collaborators.redactor,
        more=more,
        paid=ledger.pay,
    )


def mcp_tools(collaborators: Collaborators, stack: ExitStack) -> MoreTools | None:
    """The configured servers, started: a server started later would not outlive a measurement."""
    servers = collaborators.config.mcp
    if not servers:
        return None
    if importlib.util.find_spec("mcp") is None:
        raise ConfigError(
            "mcp: servers are configured, but the package mcp is not installed.\n"
            "do: pip install 'mcp>=2.3,<3'"
        )
    from autoresearch_ci.llm.mcp import McpTools

    tools = McpTools(
        servers,
        folder=collaborators.context.repository.root,
        environment=collaborators.environment,
        redactor=collaborators.redactor,
        note=collaborators.note,
        check=collaborators.stop.check,
    )
    return stack.enter_context(tools)


def _agent(
    name: str, collaborators: Collaborators, ledger: Ledger, stack: ExitStack
) -> AgentCliProposer:
    from autoresearch_ci.propose.agent_cli import AgentCliProposer
    from autoresearch_ci.propose.agent_presets import PRESETS
    from autoresearch_ci.workspace.draft_tree import DraftTree

    agent = collaborators.config.proposer.agents[name]
    context = collaborators.context
    scratch = draft_beside(context.scratch, name)
    draft = DraftTree(
        scratch,
        _material(collaborators, ledger),
        make_sandbox.agent(
            collaborators.config,
            context,
            scratch,
            PRESETS[agent.preset].program if agent.preset else agent.command or "",
        ),
    )
    stack.callback(draft.remove)
    if missing := draft.sandbox.kept_root:
        collaborators.observe(Warning(message=str(missing)))
    _tell_unknown_cost(collaborators, agent)
    logs = context.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return AgentCliProposer(
        agent,
        prompt=agent_prompt(collaborators),
        draft=draft,
        inherit=collaborators.environment,
        stop=collaborators.stop,
        note=collaborators.note,
        redactor=collaborators.redactor,
        logs=logs,
        paid=ledger.pay,
    )


def _tell_unknown_cost(collaborators: Collaborators, agent: Agent) -> None:
    """Which limits cannot be kept, as the agent does not say what it uses up."""
    from autoresearch_ci.propose.agent_presets import PRESETS

    untold = ["usd", "iteration_usd"]
    if agent.preset is None:
        untold += ["tokens", "iteration_tokens"]
    elif PRESETS[agent.preset].tells_usd:
        return
    budget = collaborators.config.budget
    if lost := [f"budget.{name}" for name in untold if getattr(budget, name)]:
        message = (
            f"{agent.name} does not say what it uses up of {', '.join(lost)}, which cannot be "
            "kept. Limit iterations or budget.minutes, or what its vendor takes."
        )
        collaborators.observe(Warning(message=message))


def _material(collaborators: Collaborators, ledger: Ledger) -> Material:
    from autoresearch_ci.workspace.draft_tree import Material

    context = collaborators.context
    return Material(
        files=context.files,
        incumbent=lambda: ledger.changes(ledger.incumbent),
        read=collaborators.store.read,
        scope=context.scope,
        ignored=context.repository.ignored,
        hidden=frozenset(context.hidden),
    )


def _workshop(collaborators: Collaborators, ledger: Ledger, stack: ExitStack) -> FixerContext:
    """Where the tools' own fixers run."""
    from autoresearch_ci.propose.autofix import MOST_FILES, NAME, FixerContext
    from autoresearch_ci.workspace.draft_tree import DraftTree

    config, context = collaborators.config, collaborators.context
    scratch = draft_beside(context.scratch, NAME)
    draft = DraftTree(
        scratch,
        replace(
            _material(collaborators, ledger),
            share=lambda: dependencies(context),
            most_files=MOST_FILES,
        ),
        make_sandbox.fixer(config, context, scratch),
    )
    stack.callback(draft.remove)
    logs = context.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    layout = Layout(
        scratch=scratch, pristine=scratch / "pristine", checkout=context.repository.root
    )
    return FixerContext(
        draft=draft,
        environment=lambda: measured_environment(collaborators, layout, draft.sandbox),
        stop=collaborators.stop,
        note=collaborators.note,
        redact=collaborators.redactor.redact,
        logs=logs,
    )


def dependencies(context: RunContext) -> Mapping[str, Path]:
    """Folders that a tool may live in, and the tree with the best copy of each: the measure tree's,
    as what `setup` installs is there only."""
    measured, checkout = context.scratch / TREE, context.repository.root
    found: dict[str, Path] = {}
    for name in dict.fromkeys((*context.share, *DEPENDENCIES)):
        there = measured / name
        # Setup may have made a link of it, which we would follow further than setup may.
        if there.is_dir() and there.resolve() == measured.resolve() / name:
            found[name] = measured
        elif name in context.share:
            found[name] = checkout
    tracked = {name for name in found for path in context.files if path.startswith(f"{name}/")}
    return {
        name: root for name, root in found.items() if name in context.share or name not in tracked
    }


def agent_prompt(collaborators: Collaborators) -> Callable[[Context], str]:
    """What an agent CLI is told."""
    from autoresearch_ci.propose.journal_digest import DiffSummaries
    from autoresearch_ci.propose.prompt import render

    diffs, globs = DiffSummaries(), collaborators.context.scope.include
    redact = collaborators.redactor.redact
    return lambda context: redact(render(context, diffs, globs=globs).for_agent())
