"""Configuration -> what asks Claude: its settings, its proposer, the servers that it may call."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from typing import TYPE_CHECKING

from autoresearch_ci.cli.workshop import RunWorkshop
from autoresearch_ci.config.resolve import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Warning

if TYPE_CHECKING:
    from autoresearch_ci.llm.client import ClaudeSettings
    from autoresearch_ci.llm.tools import MoreTools
    from autoresearch_ci.propose.claude import ClaudeProposer


def claude_settings(config: Config) -> ClaudeSettings:
    """Which model, where, and how much of it."""
    from autoresearch_ci.llm.client import ClaudeSettings
    from autoresearch_ci.llm.prices import Price
    from autoresearch_ci.llm.tools import Dialect

    claude, budget = config.claude, config.budget
    return ClaudeSettings(
        model=claude.model,
        provider=claude.provider,
        base_url=claude.base_url,
        headers=claude.headers,
        key_variable=claude.key_variable or "",
        dialect=None if claude.dialect == "auto" else Dialect(claude.dialect),
        max_tokens=claude.max_tokens,
        effort=claude.effort,
        turns=claude.turns,
        file_bytes=claude.file_bytes,
        cache_ttl=claude.cache_ttl,
        patience=claude.patience,
        iteration_tokens=budget.iteration_tokens,
        iteration_usd=budget.iteration_usd,
        price=Price(**claude.price.model_dump()) if claude.price else None,
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
    from autoresearch_ci.llm.mcp import McpServer, McpTools

    tools = McpTools(
        [McpServer(name=name, **dict(server)) for name, server in sorted(servers.items())],
        environment=workshop.environment,
        note=workshop.note,
        check=workshop.stop.check,
    )
    return stack.enter_context(tools)


def make_claude(workshop: RunWorkshop, more: MoreTools | None = None) -> ClaudeProposer:
    """Claude with the configured settings. Raises `ProposerError` when there is no key."""
    from autoresearch_ci.propose.claude import ClaudeProposer

    proposer = ClaudeProposer(
        claude_settings(workshop.config),
        workshop.ground.scope,
        environment=workshop.environment,
        check=workshop.stop.check,
        note=workshop.note,
        more=more,
        paid=workshop.ledger.pay,
        redactor=workshop.redactor,
    )
    if not proposer.price_known:
        workshop.observe(
            Warning(
                message=f"the price of {proposer.settings.model} is unknown: tokens are counted, "
                "dollars are not, and budget.usd cannot be kept. Set claude.price."
            )
        )
    return proposer
