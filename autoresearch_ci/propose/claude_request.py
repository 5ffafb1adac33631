"""Configuration and context -> the body of one Messages request; claude.py sends it.

Needs no SDK, so `autoresearch-ci prompt` can show what would be sent without a key and at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.llm.tools import Dialect, definitions
from autoresearch_ci.propose.journal_digest import DiffSummaries
from autoresearch_ci.propose.prompt import render
from autoresearch_ci.propose.proposer import Context

_SHORT_CACHE = 240.0  # seconds; the service's short cache lasts 300


def build_request(
    context: Context,
    claude: Claude,
    dialect: Dialect,
    *,
    globs: Sequence[str],
    diffs: DiffSummaries,
    more: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The first request of a proposal, exactly as the SDK is given it."""
    tools = [*definitions(dialect), *more]
    prompt = render(
        context,
        diffs,
        globs=globs,
        file_bytes=claude.file_bytes,
        tool_bytes=len(json.dumps(tools)),
    )
    brief: dict[str, Any] = {"type": "text", "text": prompt.brief}
    files: dict[str, Any] = {"type": "text", "text": prompt.files}
    request: dict[str, Any] = {
        "model": claude.model,
        "max_tokens": claude.max_tokens,
        "system": [{"type": "text", "text": prompt.rules}, brief],
        "tools": tools,
    }
    if dialect is Dialect.NATIVE:
        brief["cache_control"] = files["cache_control"] = _mark(context, claude)
        if claude.provider == "anthropic":
            # Moves along with the conversation, so that a turn reads what the last one wrote.
            request["cache_control"] = {"type": "ephemeral"}
        if claude.effort:
            request["output_config"] = {"effort": claude.effort}
    blocks = [*([files] if prompt.files else []), {"type": "text", "text": prompt.state}]
    request["messages"] = [{"role": "user", "content": blocks}]
    return request


def _mark(context: Context, claude: Claude) -> dict[str, str]:
    seconds = [row.seconds for row in context.history[-5:]]
    slow = bool(seconds) and median(seconds) > _SHORT_CACHE
    if claude.cache_ttl == "1h" or (claude.cache_ttl == "auto" and slow):
        return {"type": "ephemeral", "ttl": "1h"}
    return {"type": "ephemeral"}
