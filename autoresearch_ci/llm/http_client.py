"""The SDK's client of a model's service: built from the configuration, its answers bounded.

A server may be broken, or not ours. What is asked with the client, and what its errors mean, is
messages_api.py's business.
"""

from __future__ import annotations

import functools
import importlib
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import anthropic
import httpx2

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.llm.credentials import (
    IDENTITY,
    address,
    all_headers,
    aws_keys,
    identity,
    proxy_routes,
)
from autoresearch_ci.safety.untrusted_values import MIB, shown_size

Client = anthropic.Anthropic | anthropic.AnthropicBedrock | anthropic.AnthropicVertex

QUIET_SECONDS = 600.0
"""Without a byte from the server; then the connection is given up."""
_NEEDED = {"bedrock": "botocore", "vertex": "google.auth"}
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
        mounts={
            k: httpx2.HTTPTransport(proxy=v, verify=_trusted()) if v else None for k, v in routes
        },
        verify=_trusted(),
    )


@functools.cache
def _trusted() -> ssl.SSLContext:
    """To read all certificates takes longer than the rest of a client, and each role has one."""
    return httpx2.create_ssl_context()


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


def make_client(claude: Claude, environment: Mapping[str, str], variable: str) -> Client:
    """A client that leaves retrying to us; `variable` is what gives access, `""` when nothing.

    Raises `ProposerError` when it cannot be built.
    """
    timeout = httpx2.Timeout(QUIET_SECONDS, connect=10.0)
    options: dict[str, Any] = {
        "max_retries": 0,
        "timeout": timeout,
        "http_client": bounded_client(timeout, proxies=proxy_routes(environment)),
        "default_headers": all_headers(claude, environment),
    }
    if claude.provider != "anthropic":
        if claude.base_url:
            options["base_url"] = claude.base_url
        return _of_a_cloud(claude.provider, environment, options)
    if url := address(claude, environment):
        options["base_url"] = url
    try:
        return anthropic.Anthropic(**options, **_key(claude, environment, variable))
    except (anthropic.AnthropicError, ValueError) as error:
        raise ProposerError(
            f"the credentials that {variable} names cannot be used: {error}\n"
            "usually: the profile or the identity token is not where the variable says.\n"
            "do: correct it, or set ANTHROPIC_API_KEY instead."
        ) from error


def _of_a_cloud(
    provider: Literal["bedrock", "vertex"],
    environment: Mapping[str, str],
    options: Mapping[str, Any],
) -> Client:
    try:
        importlib.import_module(_NEEDED[provider])  # else missed at the first request
        if provider == "bedrock":
            return anthropic.AnthropicBedrock(**options, **aws_keys(environment))
        return anthropic.AnthropicVertex(**options)
    except (ImportError, ValueError) as error:
        raise ProposerError(
            f"the {provider} client cannot be used: {error}\n"
            f"usually: `anthropic[{provider}]` is not installed, or no region is set.\n"
            f"do: pip install 'anthropic[{provider}]', and set the cloud's own variables."
        ) from error


def _key(claude: Claude, environment: Mapping[str, str], variable: str) -> dict[str, Any]:
    """The option that gives access; none for a profile, which the SDK reads by itself."""
    if not variable:
        return {"api_key": "not-needed"}  # a local server: the SDK wants some key
    if variable == "ANTHROPIC_AUTH_TOKEN":
        return {"auth_token": environment[variable]}
    if variable in ("ANTHROPIC_API_KEY", claude.key_variable):
        return {"api_key": environment[variable]}
    if variable not in IDENTITY:
        return {}
    file, token, who = identity(environment)
    provider = anthropic.IdentityTokenFile(file) if file else lambda: token
    return {
        "credentials": anthropic.WorkloadIdentityCredentials(
            identity_token_provider=provider, **who
        )
    }
