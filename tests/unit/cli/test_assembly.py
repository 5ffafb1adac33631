"""Configuration -> collaborators: what a run knows to be secret."""

from __future__ import annotations

import pytest

from autoresearch_ci.cli.assembly import make_redactor
from autoresearch_ci.config.schema import Config

GIVEN = "c0rrect-horse-battery"
WEBHOOK = "T0K3Nabcdefgh1234567"
CONFIG = Config.model_validate(
    {
        "scope": ["a"],
        "metric": {"command": "true"},
        "claude": {
            "base_url": f"https://user:{GIVEN}-1@gateway.invalid/v1",
            "key_variable": "GATEWAY",
            "headers": {"x-team": "$TEAM_SECRET"},
        },
        "proposer": {"command": "true", "env": {"AGENT_KEY": f"{GIVEN}-2"}},
        "mcp": {
            "web": {"url": f"https://mcp.invalid/hooks/{WEBHOOK}/sse"},
            "own": {"command": ["true"], "pass_env": ["OWN_TOKEN"]},
        },
    }
)
ENVIRONMENT = {
    "GATEWAY": f"{GIVEN}-3",
    "TEAM_SECRET": f"{GIVEN}-4",
    "OWN_TOKEN": f"{GIVEN}-5",
    "HOME": "/home/somebody",
}


@pytest.mark.parametrize("secret", [WEBHOOK, *(f"{GIVEN}-{number}" for number in range(1, 6))])
def test_a_secret_is_known_wherever_the_configuration_has_it(secret: str) -> None:
    redactor = make_redactor(CONFIG, ENVIRONMENT)
    assert secret not in redactor.redact(f"it said {secret} and no more")


def test_an_address_without_a_secret_may_be_told() -> None:
    redactor = make_redactor(CONFIG, ENVIRONMENT)
    assert redactor.redact("https://mcp.invalid/hooks") == "https://mcp.invalid/hooks"
