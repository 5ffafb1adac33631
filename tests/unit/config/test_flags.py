"""Every key of the configuration can be given on the command line, with the file's own types."""

from __future__ import annotations

import argparse

import pytest

from autoresearch_ci.config.flags import add_flags, configuration_keys, given
from autoresearch_ci.config.resolve import load
from autoresearch_ci.errors import ConfigError

NEEDED = ["--scope", "a.py", "--metric", "echo 1"]


def parsed(*words: str) -> dict[str, object]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(parser)
    return given(parser.parse_args(words))


def test_only_flags_that_were_given_appear() -> None:
    assert parsed() == {}
    assert parsed("--iterations", "3") == {"iterations": 3}


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["--metric-repeats-max", "3"], "metric.repeats.max", 3),
        (["--metric-min-effect", "0.2%"], "metric.min_effect", "0.2%"),
        (["--metric-timeout", "90"], "metric.timeout", 90.0),
        (["--metric-timeout", "10m"], "metric.timeout", "10m"),
        (["--minutes", "1.5"], "budget.minutes", 1.5),
        (["--hooks"], "hooks", True),
        (["--hooks", "false"], "hooks", False),
        (["--guard", "a", "--guard", "b"], "guards", ["a", "b"]),
        (["--scope", "a.py", "b.py"], "scope", ["a.py", "b.py"]),
        (["--share", "none"], "share", "none"),
        (["--share", "deps"], "share", ["deps"]),
        (["--env", "A=b=c", "--env", "D="], "env", {"A": "b=c", "D": ""}),
        (["--goal", "5"], "goal", "5"),
        (["--publish", "none"], "publish.mode", "none"),
    ],
)
def test_a_flag_has_the_type_of_its_key(words: list[str], key: str, value: object) -> None:
    assert parsed(*words) == {key: value}
    load(text=None, flags=parsed(*NEEDED, *words))


def test_every_key_has_a_flag_and_a_description() -> None:
    assert len(configuration_keys()) > 40
    for key, description in configuration_keys():
        assert description, key


def test_a_malformed_assignment_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as error:
        parsed("--env", "hunter2")
    assert "--env" in str(error.value)
    assert "hunter2" not in str(error.value)
