"""How a model's service is reached: its address, key, price and dialect, and an HTTP client for it.

What the SDK would read from `os.environ`, which holds no secrets, is read here instead. Answers are
read within bounds: a server may be broken, or not ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import anthropic
import httpx2

from autoresearch_ci.llm.prices import Price
from autoresearch_ci.llm.tools import Dialect
from autoresearch_ci.safety.bounded import MIB, shown_size

ANSWER_BYTES = 64 * MIB
"""On the wire. The longest answer that a model may give takes about four."""
COMPRESSED_BYTES = MIB
"""Deflate makes at most a thousand times as much of it. We ask for plain answers."""


def bounded_client(
    timeout: httpx2.Timeout,
    limit: int = ANSWER_BYTES,
    proxies: Mapping[str, str | None] | None = None,
) -> httpx2.Client:
    """Raises `httpx2.ReadError` in the middle of an answer of more than `limit` bytes.

    `proxies`: URL pattern to proxy, `None` for none; others come from the environment.
    """
    routes = (proxies or {}).items()

    def bound(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.SyncByteStream)
        plain = response.headers.get("content-encoding", "identity") == "identity"
        response.stream = _Bounded(response.stream, limit if plain else COMPRESSED_BYTES)

    return anthropic.DefaultHttpxClient(
        timeout=timeout,
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [bound]},
        mounts={k: httpx2.HTTPTransport(proxy=v) if v else None for k, v in routes},
    )


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        left = self._limit
        for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx2.ReadError(f"the answer is larger than {shown_size(self._limit)}")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def custom_headers(environment: Mapping[str, str]) -> dict[str, str]:
    """`ANTHROPIC_CUSTOM_HEADERS`: one `name: value` a line."""
    lines = environment.get("ANTHROPIC_CUSTOM_HEADERS", "").split("\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def identity(environment: Mapping[str, str]) -> tuple[str, str, dict[str, Any]]:
    """Workload identity: the token's file, else the token; and who asks to be let in."""
    return (
        environment.get("ANTHROPIC_IDENTITY_TOKEN_FILE", ""),
        environment.get("ANTHROPIC_IDENTITY_TOKEN", ""),
        {
            "federation_rule_id": environment["ANTHROPIC_FEDERATION_RULE_ID"],
            "organization_id": environment["ANTHROPIC_ORGANIZATION_ID"],
            "service_account_id": environment.get("ANTHROPIC_SERVICE_ACCOUNT_ID"),
            # An empty one would be sent as such.
            "workspace_id": environment.get("ANTHROPIC_WORKSPACE_ID") or None,
            "scope": environment.get("ANTHROPIC_SCOPE"),
        },
    )


def aws_keys(environment: Mapping[str, str]) -> dict[str, Any]:
    """Static keys for Bedrock; roles and profiles are found by the cloud's own SDK."""
    if key := environment.get("AWS_BEARER_TOKEN_BEDROCK"):
        return {"api_key": key}
    names = {
        "aws_access_key": "AWS_ACCESS_KEY_ID",
        "aws_secret_key": "AWS_SECRET_ACCESS_KEY",
        "aws_session_token": "AWS_SESSION_TOKEN",
    }
    return {name: environment[v] for name, v in names.items() if environment.get(v)}


def proxy_routes(environment: Mapping[str, str]) -> dict[str, str | None]:
    """URL pattern -> proxy, `None` for none, when one wants a login; the SDK finds the others."""
    routes: dict[str, str | None] = {}
    for scheme in ("http", "https", "all"):
        name = f"{scheme}_proxy"
        url = environment.get(name) or environment.get(name.upper(), "")
        if "@" in url:
            routes[f"{scheme}://"] = url
    if not routes:
        return {}
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY", "")
    for host in filter(None, (part.strip().lstrip(".") for part in exempt.split(","))):
        if host == "*":
            return {}
        routes[f"all://{host}"] = None
        if not host.replace(".", "").isdigit() and host != "localhost":
            routes[f"all://*.{host}"] = None
    return routes


DEFAULT_MODEL = "claude-opus-5-5"


KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


_FEDERATION = ("ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID")


IDENTITY = ("ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_IDENTITY_TOKEN")


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
