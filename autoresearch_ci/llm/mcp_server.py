"""An MCP server as it is configured: what it is given, and what is wrong before it is started."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autoresearch_ci.errors import ProposerError
from autoresearch_ci.safety.prompt import line

_NAME = re.compile(r"(?!.*__)[A-Za-z0-9_-]{1,32}")
_VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True, kw_only=True)
class McpServer:
    """One server, by command (stdio) or by address (streamable HTTP)."""

    name: str
    """Letters, digits, `-` and single `_`; part of what its tools are called."""
    command: Sequence[str] | None = None
    """An argv; runs where we run, with a home of its own."""
    url: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables for `command`, besides the toolchain's."""
    pass_env: Sequence[str] = ()
    """Names of our variables that `command` may see."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """For `url`; `$NAME` in a value is read from the environment."""
    timeout: float = 60.0
    """Seconds of one call."""
    max_calls: int = 20
    """In one iteration."""


def look_at(server: McpServer, environment: Mapping[str, str]) -> None:
    """Raises `ProposerError` for what is wrong before anything is started."""
    if not _NAME.fullmatch(server.name):
        raise _unusable(server, "its name may hold letters, digits, `-` and single `_`, 32 at most")
    if bool(server.command) == bool(server.url):
        raise _unusable(server, "it needs either `command` or `url`")
    if server.url and not re.match(r"https?://[^/\s]", server.url):
        raise _unusable(server, "`url` must start with http:// or https://")
    used = {name for value in server.headers.values() for name in _VARIABLE.findall(value)}
    for name in sorted({*server.pass_env, *used}):
        if not environment.get(name):
            raise ProposerError(
                f"MCP server {server.name} is to be given {name}, which is not set.\n"
                "usually: the workflow does not pass the secret on.\n"
                f"do: set {name} (in GitHub Actions: `env: {{{name}: ${{{{ secrets.{name} }}}}}}`)"
                f", or remove it from `mcp.{server.name}`."
            )


def filled(value: str, environment: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: environment[match[1]], value)


def secrets_of(server: McpServer, environment: Mapping[str, str]) -> list[str]:
    """Longest first; what is very short would blot out ordinary words."""
    headers = (
        *server.headers.values(),
        *(filled(v, environment) for v in server.headers.values()),
    )
    read = {name for value in headers for name in _VARIABLE.findall(value)}
    named = [server.url or "", *(environment[name] for name in (*server.pass_env, *read))]
    return sorted({value for value in (*headers, *named) if len(value) >= 8}, key=len, reverse=True)


def _unusable(server: McpServer, why: str) -> ProposerError:
    return ProposerError(
        f"MCP server {line(server.name, 40)!r} cannot be used: {why}.\n"
        "usually: a slip in `mcp` of the configuration.\n"
        "do: `mcp: {NAME: {command: [program, argument]}}`, or `mcp: {NAME: {url: https://…}}`."
    )
