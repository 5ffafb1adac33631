"""Where a model's service is and what opens it: address, dialect, key, headers, proxies.

Read from the configuration and one mapping, as the SDK would read it from `os.environ`, which holds
no secrets. Needs no SDK: whether there is a key is asked before anybody knows that Claude is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.llm.tools import Dialect

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
IDENTITY = ("ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_IDENTITY_TOKEN")
_FEDERATION = ("ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID")


def address(claude: Claude, environment: Mapping[str, str]) -> str | None:
    """The server, when it is not the default one."""
    return claude.base_url or environment.get("ANTHROPIC_BASE_URL") or None


def dialect_of(claude: Claude, environment: Mapping[str, str]) -> Dialect:
    """`auto` is native for Anthropic's models at Anthropic or a cloud, plain for other servers."""
    if claude.dialect != "auto":
        return Dialect(claude.dialect)
    url = address(claude, environment)
    if claude.provider != "anthropic" or url is None:
        return Dialect.NATIVE
    host = (urlsplit(url).hostname or "").lower()
    own = host == "anthropic.com" or host.endswith(".anthropic.com")
    return Dialect.NATIVE if own else Dialect.PLAIN


def has_credentials(environment: Mapping[str, str]) -> bool:
    """Whether `proposer: auto` should choose Claude: a key, a profile or workload identity."""
    return bool(credential(Claude(dialect="native"), environment))


def credential(claude: Claude, environment: Mapping[str, str]) -> str | None:
    """Name of the variable that gives access, `""` where none is needed; `None`: there is none."""
    if claude.provider != "anthropic":
        return ""  # the cloud's own credentials, which its SDK finds
    if claude.key_variable:
        return claude.key_variable if environment.get(claude.key_variable) else None
    for name in (*KEYS, "ANTHROPIC_PROFILE"):
        if environment.get(name):
            return name
    if all(environment.get(name) for name in _FEDERATION):
        token = next((name for name in IDENTITY if environment.get(name)), None)
        if token:
            return token
    return "" if dialect_of(claude, environment) is Dialect.PLAIN else None


def needed_credential(claude: Claude, environment: Mapping[str, str]) -> str:
    """The same. Raises `ProposerError` where there is none."""
    variable = credential(claude, environment)
    if variable is not None:
        return variable
    name = claude.key_variable or KEYS[0]
    raise ProposerError(
        f"proposer `claude` needs a key, and {name} is not set.\n"
        "usually: the workflow does not pass the secret on, as in a pull request from a fork.\n"
        f"do: set {name} (in GitHub Actions: `env: {{{name}: ${{{{ secrets.{name} }}}}}}`), or use "
        "`proposer: search`, which needs none."
    )


def all_headers(claude: Claude, environment: Mapping[str, str]) -> dict[str, str]:
    """`ANTHROPIC_CUSTOM_HEADERS`, one `name: value` a line, and the configured ones.

    A configured value `$NAME` is read from the environment.
    """
    lines = environment.get("ANTHROPIC_CUSTOM_HEADERS", "").split("\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    for name, value in claude.headers.items():
        if value.startswith("$") and not environment.get(value[1:]):
            raise ProposerError(
                f"the header {name} is to be read from {value[1:]}, which is not set.\n"
                "usually: the workflow does not pass the secret on.\n"
                f"do: set {value[1:]}, or remove the header from `headers`."
            )
        headers[name] = environment[value[1:]] if value.startswith("$") else value
    return headers


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
