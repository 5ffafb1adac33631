"""Settings and context -> the body of one Messages request; who sends it is claude.py's business.

Needs no SDK, so `autoresearch-ci prompt` can show what would be sent without a key and at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal
from urllib.parse import urlsplit

from autoresearch_ci.prices import Price
from autoresearch_ci.proposers import Context
from autoresearch_ci.proposers.diff_summaries import DiffSummaries
from autoresearch_ci.proposers.prompt import render
from autoresearch_ci.proposers.tools import Dialect, definitions

DEFAULT_MODEL = "claude-opus-5-5"
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_FEDERATION = ("ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID")
IDENTITY = ("ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_IDENTITY_TOKEN")
_SHORT_CACHE = 240.0  # seconds; the service's short cache lasts 300


@dataclass(frozen=True, kw_only=True)
class ClaudeSettings:
    """Which model, where, and how much of it."""

    model: str = DEFAULT_MODEL
    provider: Literal["anthropic", "bedrock", "vertex"] = "anthropic"
    base_url: str | None = None
    """A server that speaks the Messages API; `None`: `ANTHROPIC_BASE_URL`, else Anthropic's."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request, for gateways; a value `$NAME` is read from the environment."""
    key_variable: str = ""
    """Environment variable with the key; empty: the SDK's own search."""
    dialect: Dialect | None = None
    """`None`: native for Anthropic's models at Anthropic or a cloud, plain for other servers."""
    max_tokens: int = 32_000
    """Of one answer."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    turns: int = 30
    """Requests that one proposal may take."""
    iteration_tokens: int | None = None
    """No further request of a proposal starts once it has used this many."""
    iteration_usd: float | None = None
    """The same in dollars."""
    file_bytes: int = 120_000
    """In-scope files that are sent whole; beyond it they are read with tools."""
    cache_ttl: Literal["auto", "5m", "1h"] = "auto"
    """How long the prefix stays cached; `auto`: an hour when iterations take over four minutes."""
    price: Price | None = None
    timeout: float = 600.0
    """Seconds without a byte from the server."""
    turn_seconds: float = 1800.0
    """Wall time of one answer."""
    retries: int = 8
    """Tries of one request after the first."""
    patience: float = 900.0
    """Seconds that one request may wait between tries, all waits together."""

    def url(self, environment: Mapping[str, str]) -> str | None:
        """The server, when it is not the default one."""
        return self.base_url or environment.get("ANTHROPIC_BASE_URL") or None

    def tools(self, environment: Mapping[str, str]) -> Dialect:
        """The dialect in effect."""
        if self.dialect is not None:
            return self.dialect
        url = self.url(environment)
        if self.provider != "anthropic" or url is None:
            return Dialect.NATIVE
        host = (urlsplit(url).hostname or "").lower()
        own = host == "anthropic.com" or host.endswith(".anthropic.com")
        return Dialect.NATIVE if own else Dialect.PLAIN

    def cloud(self) -> str:
        """Whose price list applies."""
        return {"bedrock": "aws", "vertex": "google"}.get(self.provider, "anthropic")


def credential(settings: ClaudeSettings, environment: Mapping[str, str]) -> str | None:
    """Name of the variable that gives access, `""` where none is needed; `None`: there is none."""
    if settings.provider != "anthropic":
        return ""  # the cloud's own credentials, which its SDK finds
    if settings.key_variable:
        return settings.key_variable if environment.get(settings.key_variable) else None
    for name in (*KEYS, "ANTHROPIC_PROFILE"):
        if environment.get(name):
            return name
    if all(environment.get(name) for name in _FEDERATION):
        token = next((name for name in IDENTITY if environment.get(name)), None)
        if token:
            return token
    return "" if settings.tools(environment) is Dialect.PLAIN else None


def has_credentials(environment: Mapping[str, str]) -> bool:
    """Whether `proposer: auto` should choose Claude: a key, a profile or workload identity."""
    return bool(credential(ClaudeSettings(dialect=Dialect.NATIVE), environment))


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
