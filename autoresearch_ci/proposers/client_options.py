"""What the anthropic SDK would read from `os.environ`, which holds no secrets: read here instead.

Pure; the client is built from it in messages_service.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
