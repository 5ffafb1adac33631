"""Settings and context -> the body of one Messages request; who sends it is claude.py's business.

Needs no SDK, so `autoresearch-ci prompt` can show what would be sent without a key and at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from autoresearch_ci.llm.client import ClaudeSettings
from autoresearch_ci.llm.tools import Dialect, definitions
from autoresearch_ci.propose.digest import DiffSummaries
from autoresearch_ci.propose.prompt import render
from autoresearch_ci.propose.proposer import Context

_SHORT_CACHE = 240.0  # seconds; the service's short cache lasts 300


def build_request(
    context: Context,
    settings: ClaudeSettings,
    environment: Mapping[str, str],
    *,
    globs: Sequence[str],
    diffs: DiffSummaries,
    more: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The first request of a proposal, exactly as the SDK is given it."""
    dialect = settings.tools(environment)
    tools = [*definitions(dialect), *more]
    prompt = render(
        context,
        diffs,
        globs=globs,
        file_bytes=settings.file_bytes,
        tool_bytes=len(json.dumps(tools)),
    )
    brief: dict[str, Any] = {"type": "text", "text": prompt.brief}
    files: dict[str, Any] = {"type": "text", "text": prompt.files}
    request: dict[str, Any] = {
        "model": settings.model,
        "max_tokens": settings.max_tokens,
        "system": [{"type": "text", "text": prompt.rules}, brief],
        "tools": tools,
    }
    if dialect is Dialect.NATIVE:
        brief["cache_control"] = files["cache_control"] = _mark(context, settings)
        if settings.provider == "anthropic":
            # Moves along with the conversation, so that a turn reads what the last one wrote.
            request["cache_control"] = {"type": "ephemeral"}
        if settings.effort:
            request["output_config"] = {"effort": settings.effort}
    blocks = [*([files] if prompt.files else []), {"type": "text", "text": prompt.state}]
    request["messages"] = [{"role": "user", "content": blocks}]
    return request


def _mark(context: Context, settings: ClaudeSettings) -> dict[str, str]:
    seconds = [row.seconds for row in context.history[-5:]]
    slow = bool(seconds) and median(seconds) > _SHORT_CACHE
    if settings.cache_ttl == "1h" or (settings.cache_ttl == "auto" and slow):
        return {"type": "ephemeral", "ttl": "1h"}
    return {"type": "ephemeral"}
