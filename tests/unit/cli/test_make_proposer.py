"""Who proposes: for repairs the tools' own fixers before any model, for a metric never."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from autoresearch_ci.cli.make_proposer import proposer_name, turns_of
from autoresearch_ci.config.fix import FAILURES
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError

KEY = {"ANTHROPIC_API_KEY": "k"}
AGENT = {"command": "true"}


def config(proposer: object, command: str) -> Config:
    return Config.model_validate(
        {"scope": ["a"], "metric": {"command": command}, "proposer": proposer}
    )


def repairs(proposer: object, environment: Mapping[str, str] = KEY) -> str:
    return proposer_name(config(proposer, FAILURES), environment)


def test_auto_has_tools_mend_what_they_can_and_asks_a_model_for_the_rest() -> None:
    assert repairs("auto") == "autofix, claude"
    assert repairs("auto", {}) == "autofix"
    assert repairs(["auto", AGENT]) == "autofix, claude, command"


def test_who_names_a_proposer_of_repairs_gets_that_one() -> None:
    assert repairs("claude", {}) == "claude"
    assert repairs(["autofix", "claude"]) == "autofix, claude"
    assert repairs(AGENT) == "command"
    assert repairs({"mix": {"claude": 3, "autofix": 2}}) == "claude x3, autofix x2"


def test_a_search_has_nothing_to_mend() -> None:
    assert repairs("search") == "autofix"
    assert repairs(["search", "claude"]) == "claude"


def test_a_fixer_has_nothing_to_tune() -> None:
    assert turns_of(config(["autofix", "claude"], "true"), KEY) == (("claude", 1),)
    assert turns_of(config("auto", "true"), KEY) == (("claude", 1),)
    assert turns_of(config("auto", "true"), {}) == (("search", 1),)
    with pytest.raises(ConfigError, match="autoresearch-ci fix"):
        turns_of(config("autofix", "true"), {})
