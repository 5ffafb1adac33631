"""Configuration -> who proposes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from autoresearch_ci.cli import confinement
from autoresearch_ci.cli.claude import make_claude, mcp_tools
from autoresearch_ci.cli.workshop import RunWorkshop
from autoresearch_ci.events import Warning
from autoresearch_ci.propose.proposer import Context, Proposer
from autoresearch_ci.workspace.changes import EarlierChange
from autoresearch_ci.workspace.scratch import draft_beside


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
    from autoresearch_ci.llm.client import has_credentials

    return "claude" if has_credentials(environment) else "search"


def agent_prompt(workshop: RunWorkshop) -> Callable[[Context], str]:
    """What an agent CLI is told."""
    from autoresearch_ci.propose.digest import DiffSummaries
    from autoresearch_ci.propose.prompt import render

    diffs, globs = DiffSummaries(), workshop.ground.scope.include
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
        claude = make_claude(workshop, mcp_tools(workshop, stack))
        stack.callback(claude.close)
        claude.verify()
        return claude
    if name in workshop.config.proposer.agents:
        return _agent(name, workshop, stack)
    from autoresearch_ci.propose.search.proposer import SearchProposer

    return SearchProposer()


def _agent(name: str, workshop: RunWorkshop, stack: ExitStack) -> Proposer:
    from autoresearch_ci.propose.agent import AgentCliProposer, AgentSettings
    from autoresearch_ci.propose.agent_presets import PRESETS
    from autoresearch_ci.workspace.draft_tree import DraftTree, Material

    agent, ground, ledger = workshop.config.proposer.agents[name], workshop.ground, workshop.ledger
    command = agent.command
    settings = AgentSettings(
        preset=agent.preset,
        command=command if isinstance(command, str) else tuple(command or ()),
        model=agent.model,
        timeout=agent.timeout,
        max_usd=agent.max_usd,
        env=agent.env,
        pass_env=agent.pass_env,
    )
    box = draft_beside(ground.box, name)
    draft = DraftTree(
        box,
        Material(
            files=ground.files,
            incumbent=lambda: ledger.changes(ledger.incumbent),
            read=workshop.store.read,
            scope=ground.scope,
            ignored=ground.repository.ignored,
            hidden=frozenset(workshop.hidden),
        ),
        confinement.agent(
            workshop.config,
            ground,
            box,
            PRESETS[agent.preset].program if agent.preset else agent.command or "",
            workshop.hidden,
        ),
    )
    stack.callback(draft.remove)
    if missing := draft.sandbox.kept_root:
        workshop.observe(Warning(message=str(missing)))
    logs = ground.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return AgentCliProposer(
        settings,
        prompt=agent_prompt(workshop),
        draft=draft,
        inherit=workshop.environment,
        stop=workshop.stop,
        note=workshop.note,
        redactor=workshop.redactor,
        logs=logs,
    )
