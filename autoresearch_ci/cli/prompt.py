"""`autoresearch-ci prompt`: exactly what the next iteration would send, without sending it.

Works on a copy of what it needs in a temporary folder: the run, if there is one, is only read.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.assembly import (
    Collaborators,
    idle_bench,
    make_briefing,
    make_evaluator,
    make_service,
)
from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.make_proposer import agent_prompt, mcp_tools, turns_of
from autoresearch_ci.cli.temporary_run import apart_from_runs
from autoresearch_ci.config.resolve import Resolved
from autoresearch_ci.errors import ConfigError, ProposerError
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.preflight import Options, survey
from autoresearch_ci.propose.proposer import Context
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.safety.log_text import json_text

_BYTES_PER_TOKEN = 4
"""Rule of thumb for English and code, for when the service cannot be asked."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would be sent."""

    text: str
    """The JSON body of the first request, or the words for an agent CLI."""
    tokens: int
    counted: bool
    """Whether the service counted the tokens; otherwise they are estimated."""


def main(options: argparse.Namespace) -> int:
    """Print it, and on standard error how long it is; with `--json` both together."""
    resolved, path = effective(options)
    found = preview(
        resolved,
        Options(start=Path.cwd(), config_path=path, tag=options.tag, resume=options.resume),
        environment=options.environment,
    )
    size = len(found.text.encode())
    if options.json:
        print(json_text({**dataclasses.asdict(found), "bytes": size}, indent=2, readable=True))
        return 0
    print(found.text)
    how = "counted by the service" if found.counted else "estimated"
    print(f"{found.tokens} tokens ({how}), {size} bytes", file=sys.stderr)
    return 0


def preview(resolved: Resolved, options: Options, *, environment: Mapping[str, str]) -> Preview:
    """The next prompt of the run, or of a new one.

    Raises `ConfigError` when the configured proposer sends no prompt.
    """
    config = resolved.config
    context = survey(config, options)
    history = Records.peek(context.run_store) if options.resume else None
    with apart_from_runs(config, context, environment, Stop()) as apart:
        if history:
            apart.ledger.load(history)
        told = apart.collaborators
        evaluator = make_evaluator(told, apart.ledger, idle_bench(told))
        return _rendered(told, make_briefing(told, evaluator).context(), apart.stack)


def _rendered(collaborators: Collaborators, context: Context, stack: ExitStack) -> Preview:
    config = collaborators.config
    names = [name for name, _ in turns_of(config, collaborators.environment)]
    if "claude" in names:
        return _of_claude(collaborators, context, stack)
    if config.proposer.agents:
        from autoresearch_ci.propose.agent_cli import closing

        text = agent_prompt(collaborators)(context) + closing(context)
        tokens = len(text.encode()) // _BYTES_PER_TOKEN
        return Preview(text=text, tokens=tokens, counted=False)
    raise ConfigError(
        f"the proposer {config.proposer} sends no prompt.\n"
        "do: --proposer claude, or another that asks a model."
    )


def _of_claude(collaborators: Collaborators, context: Context, stack: ExitStack) -> Preview:
    from autoresearch_ci.llm.credentials import dialect_of
    from autoresearch_ci.propose.claude_request import build_request
    from autoresearch_ci.propose.journal_digest import DiffSummaries

    claude = collaborators.config.claude
    tools = mcp_tools(collaborators, stack)
    request = build_request(
        context,
        claude,
        dialect_of(claude, collaborators.environment),
        globs=collaborators.context.scope.include,
        diffs=DiffSummaries(),
        more=tools.definitions() if tools else (),
    )
    request = collaborators.redactor.redact_all(request)
    text = json_text(request, indent=2, readable=True)
    counted = _count(collaborators, request, stack)
    estimate = len(json.dumps(request).encode()) // _BYTES_PER_TOKEN
    return Preview(text=text, tokens=counted or estimate, counted=counted is not None)


def _count(
    collaborators: Collaborators, request: Mapping[str, Any], stack: ExitStack
) -> int | None:
    """What the service says, when there is a key to ask it with."""
    try:
        service = make_service(collaborators, stack, collaborators.config.claude)
    except ProposerError:
        return None
    return service.count_tokens(request)
