"""The many ways to write `proposer:` come down to turns and agents."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from autoresearch_ci.config.proposers import Proposers
from autoresearch_ci.config.resolve import load
from autoresearch_ci.errors import ConfigError

START = "scope: [a.py]\nmetric: {command: echo 1}\n"


def proposers(value: str) -> Proposers:
    return load(text=f"{START}proposer: {value}\n").config.proposer


@pytest.mark.parametrize(
    ("written", "turns"),
    [
        ("search", (("search", 1),)),
        ("script:moves.jsonl", (("script:moves.jsonl", 1),)),
        ("[claude, search]", (("claude", 1), ("search", 1))),
        ("claude,search", (("claude", 1), ("search", 1))),
        ("{mix: {claude: 1, search: 4}}", (("claude", 1), ("search", 4))),
        ("codex", (("codex", 1),)),
        ("{command: my-agent --edit}", (("command", 1),)),
        ("[{preset: aider, model: a/b}, search]", (("aider", 1), ("search", 1))),
    ],
)
def test_every_form_says_whose_turn_it_is(written: str, turns: Any) -> None:
    assert proposers(written).turns == turns


def test_an_agent_keeps_its_settings() -> None:
    found = proposers("{command: [agent, -f, '{prompt_file}'], timeout: 5m, pass_env: [MY_KEY]}")
    agent = found.agents["command"]
    assert (agent.command, agent.timeout) == (("agent", "-f", "{prompt_file}"), 300.0)
    assert agent.pass_env == ("MY_KEY",)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("gpt", "is not a proposer ('gpt')"),
        ("[]", "is empty"),
        ("[search, search]", "has search twice"),
        ("{mix: {search: 0}}", "bad share for search"),
        ("{mix: {search: 101}}", "bad share for search"),
        ("{mix: {}}", "unusable mix"),
        ("{command: a, preset: codex}", "either command or preset"),
        ("{timeout: 5m}", "either command or preset"),
        ("{preset: gpt}", "preset"),
        ("{command: a, timeout: soon}", "timeout: is not a duration"),
        ("{comand: a}", "comand"),
        ("7", "is not a proposer"),
    ],
)
def test_a_mistake_is_named(written: str, words: str) -> None:
    assert yaml.safe_load(f"proposer: {written}")
    with pytest.raises(ConfigError) as error:
        proposers(written)
    assert words in str(error.value)
    assert str(error.value).startswith(".github/autoresearch.yml:3: proposer")


def test_the_secrets_of_an_agent_are_not_shown() -> None:
    found = proposers("{command: a, env: {KEY: hunter2}}")
    assert "hunter2" not in repr(found)
    assert "hunter2" not in str(found)


def test_another_server_is_named_with_its_own_key_or_not_at_all() -> None:
    written = START + "claude: {fallbacks: [{base_url: 'http://elsewhere:1'%s}]}\n"
    with pytest.raises(ConfigError, match="key_variable"):
        load(text=written % "")
    claude = load(text=written % ", key_variable: OTHER").config.claude
    assert claude.in_turn()[1].key_variable == "OTHER"
