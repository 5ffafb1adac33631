"""Action inputs become exactly the arguments that a person would type."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from autoresearch_ci.cli.action.inputs import INPUTS, VARIABLES, arguments, read_inputs
from autoresearch_ci.errors import ConfigError

CLAIM = "/tmp/claim.md"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["run", "--json"]),
        ({"iterations": "3", "goal": "go; rm -rf x"}, ["--goal", "go; rm -rf x", "--iterations"]),
        ({"max-minutes": "9"}, ["--minutes", "9"]),
        ({"max-usd": "2.5"}, ["--budget-usd", "2.5"]),
        ({"model": "m"}, ["--claude-model", "m"]),
        ({"resume": "true"}, ["run", "--json", "--resume"]),
        ({"resume": "false"}, ["run", "--json"]),
        ({"base": "main", "draft": "false"}, ["--publish-draft", "false", "--publish-base"]),
        ({"args": "--tag 'my run' # why"}, ["run", "--json", "--tag", "my run"]),
        ({"command": "compare"}, ["compare", "--json"]),
        ({"command": "compare", "base": "main"}, ["compare", "main", "--json"]),
        (
            {"command": "compare", "fail-on": "regression:1%, claim-not-reproduced"},
            [
                *("--fail-on", "regression:1%", "--fail-on", "claim-not-reproduced"),
                *("--claim", "/tmp/claim.md"),
            ],
        ),
        (
            {"command": "compare", "fail-on": "claim-not-reproduced", "args": "--claim run.json"},
            ["--fail-on", "claim-not-reproduced", "--claim", "run.json"],
        ),
        (
            {"command": "fix", "args": "--check", "fail-on": "new,test", "base": "main"},
            ["fix", "--json", "--base", "main", "--fail-on", "new", "--fail-on", "test", "--check"],
        ),
        ({"command": "fix", "base": "main"}, ["fix", "--json", "--publish-base", "main"]),
        (
            {"command": "fix", "category": "build, type", "skip-lint": "true", "goal": "green"},
            [
                *("fix", "--json", "--skip-lint", "--goal", "green"),
                *("--category", "build", "--category", "type"),
            ],
        ),
        ({"command": "fix", "until-green": "true"}, ["fix", "--json", "--until-green"]),
        ({"command": "fix", "until-green": "false", "skip-lint": "false"}, ["fix", "--json"]),
        ({"command": "fix", "resume": "true"}, ["fix", "--json", "--resume"]),
        (
            {"command": "debug", "failing-command": "a; b 'c'", "good-ref": "v1", "max-usd": "5"},
            ["debug", "--json", "--budget-usd", "5", "--command", "a; b 'c'", "--bisect", "v1"],
        ),
        (
            {"command": "debug", "iterations": "3", "resume": "true", "model": "m"},
            ["debug", "--json", "--resume", "--iterations", "3", "--claude-model", "m"],
        ),
        ({"command": "publish", "args": "--bundle b"}, ["publish", "--bundle", "b"]),
        ({"command": "doctor", "config": "c.yml"}, ["doctor", "--config", "c.yml"]),
    ],
)
def test_inputs_become_arguments(given: Mapping[str, str], expected: list[str]) -> None:
    words = arguments(given, CLAIM)
    assert any(words[i : i + len(expected)] == expected for i in range(len(words))), words


def test_a_secret_is_never_an_argument() -> None:
    secret = {name: "hidden" for name, about in INPUTS.items() if about.secret}
    assert "hidden" not in arguments(secret, CLAIM)
    assert secret.keys() <= VARIABLES.keys()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"command": "comprae"}, "Did you mean 'compare'"),
        ({"command": "compare", "iterations": "3"}, "'iterations' has no meaning"),
        ({"command": "run", "category": "build"}, "'category' has no meaning"),
        ({"command": "fix", "until-green": "yes"}, "'until-green': expected true or false"),
        ({"resume": "yes"}, "expected true or false"),
        ({"draft": "1"}, "expected true or false"),
        ({"args": "'"}, "args"),
    ],
)
def test_an_input_without_meaning_is_an_error(given: Mapping[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        arguments(given, CLAIM)


@pytest.mark.parametrize("name", ["INPUT_FAIL-ON", "INPUT_FAIL_ON"])
def test_a_name_is_the_same_with_hyphen_or_underscore(name: str) -> None:
    assert read_inputs({name: " regression ", "INPUT_GOAL": " ", "FAIL_ON": "x"}) == {
        "fail-on": "regression"
    }


def test_debug_repairs_in_a_step_of_its_own() -> None:
    with pytest.raises(ConfigError, match="command: fix"):
        arguments({"command": "debug", "args": "--tag t --fix"}, CLAIM)
