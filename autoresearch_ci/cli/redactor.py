"""Configuration and environment -> what must be blotted out wherever we print, record or send."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from autoresearch_ci.config.resolve import Config
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.secret_values import declared_values, secret_values


def make_redactor(config: Config, environment: Mapping[str, str]) -> Redactor:
    """Knows what is secret by its name or looks, and what the configuration says is a key."""
    servers = config.mcp.values()
    headers = [config.claude.headers, *(dict(server)["headers"] for server in servers)]
    named = [config.claude.key_variable or "", *_variables(headers)]
    given = [config.env, *(agent.env for agent in config.proposer.agents.values())]
    given += [dict(server)["env"] for server in servers]
    passed = [*config.pass_env]
    passed += [name for agent in config.proposer.agents.values() for name in agent.pass_env]
    passed += [name for server in servers for name in dict(server)["pass_env"]]
    given += headers
    given.append({name: environment[name] for name in passed if name in environment})
    values = secret_values(environment, named)
    values += [value for variables in given for value in declared_values(variables)]
    return Redactor(values)


def _variables(headers: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Names of the variables that headers are filled from."""
    for values in headers:
        for value in values.values():
            yield from re.findall(r"\$\{?(\w+)", value)
