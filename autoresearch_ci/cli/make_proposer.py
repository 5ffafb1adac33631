"""Configuration -> who proposes: the search, Claude, agent CLIs, a script, or several in turns."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from autoresearch_ci.cli import make_sandbox
from autoresearch_ci.cli.assembly import Collaborators, make_service
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Warning
from autoresearch_ci.propose.proposer import Context, Proposer
from autoresearch_ci.record.ledger import Ledger
from autoresearch_ci.workspace.earlier_change import EarlierChange
from autoresearch_ci.workspace.scratch import draft_beside

if TYPE_CHECKING:
    from autoresearch_ci.llm.tools import MoreTools
    from autoresearch_ci.propose.agent_cli import AgentCliProposer
    from autoresearch_ci.propose.claude import ClaudeProposer


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
        return proposer
    from autoresearch_ci.propose.mixture import AgainProposer

    return AgainProposer(proposer, again)


def _configured(collaborators: Collaborators, ledger: Ledger, stack: ExitStack) -> Proposer:
    turns = collaborators.config.proposer.turns
    if len(turns) == 1:
        return _second_look(_proposer(turns[0][0], collaborators, ledger, stack))
    from autoresearch_ci.propose.mixture import Member, MixtureProposer

    members = [
        Member(
            name=_column(name, collaborators),
            proposer=_proposer(name, collaborators, ledger, stack),
            weight=weight,
        )
        for name, weight in turns
    ]
    return _second_look(MixtureProposer(members, note=collaborators.note))


def _second_look(proposer: Proposer) -> Proposer:
    from autoresearch_ci.propose.mixture import SecondLook
    from autoresearch_ci.propose.script import ScriptProposer

    # A script says what every single iteration proposes.
    return proposer if isinstance(proposer, ScriptProposer) else SecondLook(proposer)


def _column(name: str, collaborators: Collaborators) -> str:
    """What a proposer writes into the journal's `proposer` column."""
    if name == "auto":
        return chosen(name, collaborators.environment)
    return "script" if name.startswith("script:") else name


def chosen(name: str, environment: Mapping[str, str]) -> str:
    """What `auto` means: Claude when a key or a workload identity is there, else the search."""
    if name != "auto":
        return name
    from autoresearch_ci.llm.credentials import has_credentials

    return "claude" if has_credentials(environment) else "search"


def _proposer(
    name: str, collaborators: Collaborators, ledger: Ledger, stack: ExitStack
) -> Proposer:
    name = chosen(name, collaborators.environment)
    if name.startswith("script:"):
        from autoresearch_ci.propose.script import ScriptProposer

        return ScriptProposer(collaborators.context.start / name.removeprefix("script:"))
    if name == "claude":
        return _claude(collaborators, ledger, stack)
    if name in collaborators.config.proposer.agents:
        return _agent(name, collaborators, ledger, stack)
    from autoresearch_ci.propose.search.proposer import SearchProposer

    return SearchProposer()


def _claude(collaborators: Collaborators, ledger: Ledger, stack: ExitStack) -> ClaudeProposer:
    from autoresearch_ci.llm.prices import is_known
    from autoresearch_ci.propose.claude import ClaudeProposer

    claude = collaborators.config.claude
    more = mcp_tools(collaborators, stack)
    service = make_service(collaborators, stack, claude)
    if not is_known(claude):
        collaborators.observe(
            Warning(
                message=f"the price of {claude.model} is unknown: tokens are counted, "
                "dollars are not, and budget.usd cannot be kept. Set claude.price."
            )
        )
    service.verify()
    return ClaudeProposer(
        claude,
        collaborators.config.budget,
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
            "mcp: servers are configured, but the extra is not installed.\n"
            "do: pip install 'autoresearch-ci[mcp]'"
        )
    from autoresearch_ci.llm.mcp import McpTools

    tools = McpTools(
        servers,
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
    from autoresearch_ci.workspace.draft_tree import DraftTree, Material

    agent = collaborators.config.proposer.agents[name]
    context = collaborators.context
    scratch = draft_beside(context.scratch, name)
    draft = DraftTree(
        scratch,
        Material(
            files=context.files,
            incumbent=lambda: ledger.changes(ledger.incumbent),
            read=collaborators.store.read,
            scope=context.scope,
            ignored=context.repository.ignored,
            hidden=frozenset(context.hidden),
        ),
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
    )


def agent_prompt(collaborators: Collaborators) -> Callable[[Context], str]:
    """What an agent CLI is told."""
    from autoresearch_ci.propose.journal_digest import DiffSummaries
    from autoresearch_ci.propose.prompt import render

    diffs, globs = DiffSummaries(), collaborators.context.scope.include
    redact = collaborators.redactor.redact
    return lambda context: redact(render(context, diffs, globs=globs).for_agent())
