"""The command line gives any key a value, with the file's own types and checks."""

from __future__ import annotations

import argparse

import pytest

from autoresearch_ci.config.flags import FLAGS, add_flags, every_key, given, spelled_out
from autoresearch_ci.config.resolve import Resolved, load
from autoresearch_ci.errors import ConfigError

NEEDED = ["--scope", "a.py", "--metric", "echo 1"]
FILE = "scope: [src/]\nmetric:\n  command: make bench\nenv: {A: b}\nbudget: {usd: 1}\n"


def parsed(*words: str) -> dict[str, object]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(parser)
    settings = given(parser.parse_args(words))
    return {".".join(map(str, setting.at)): setting.value for setting in settings}


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["--hooks"], "hooks", True),
        (["--sandbox-read-only", "false"], "sandbox.read_only", False),
        (["--metric-timeout", "10m"], "metric.timeout", "10m"),
        (["--metric-min-effect=1%"], "metric.min_effect", "1%"),
        (["--metric-extract-regex", "score: (.*)"], "metric.extract.regex", "score: (.*)"),
        (["--metric-extract-json", "$.a[0]"], "metric.extract.json", "$.a[0]"),
        (["--setup", "make a: b", "make c"], "setup", ["make a: b", "make c"]),
        (["--share", "auto"], "share", "auto"),
        (["--share", "a", "b"], "share", ["a", "b"]),
        (["--claude-headers", "X-A=1"], "claude.headers", {"X-A": "1"}),
        (["--seed", "3", "--iterations", "2"], "seed", 3),
    ],
)
def test_the_name_of_a_key_that_has_no_flag_is_read_as_set(
    words: list[str], key: str, value: object
) -> None:
    assert parsed(*spelled_out(words))[key] == value


def test_a_flag_that_names_no_key_stays_unknown() -> None:
    assert spelled_out(["--metric-tmeout", "1"]) == ["--metric-tmeout", "1"]


def test_the_name_of_a_key_without_its_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="--metric-timeout: expected a value"):
        spelled_out(["--metric-timeout", "--seed", "3"])


def loaded(*words: str) -> Resolved:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(parser)
    return load(text=FILE, path="f.yml", given=given(parser.parse_args(words)))


def refused(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(*words)
    return str(caught.value)


def test_only_what_was_given_appears() -> None:
    assert parsed() == {}
    assert parsed("--iterations", "3") == {"iterations": 3}


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["--metric-repeats-max", "3"], "metric.repeats.max", 3),
        (["--minutes", "1.5"], "budget.minutes", 1.5),
        (["--publish-draft"], "publish.draft", True),
        (["--publish-draft", "false"], "publish.draft", False),
        (["--guard", "a", "--guard", "b"], "guards", ["a", "b"]),
        (["--scope", "a.py", "b.py"], "scope", ["a.py", "b.py"]),
        (["--env", "A=b=c", "--env", "D="], "env", {"A": "b=c", "D": ""}),
        (["--goal", "5: five"], "goal", "5: five"),
        (["--proposer", "{command: x}"], "proposer", {"command": "x"}),
        (["--proposer", "[search, {command: x}]"], "proposer", ["search", {"command": "x"}]),
        (["--proposer", "{mix: {search: 2}}"], "proposer", {"mix": {"search": 2}}),
        (["--proposer", "script:a: b.jsonl"], "proposer", "script:a: b.jsonl"),
        (["--publish", "none"], "publish.mode", "none"),
        (["--set", "metric.repeats.max=3"], "metric.repeats.max", 3),
        (["--set", "metric.min_effect=0.2%"], "metric.min_effect", "0.2%"),
        (["--set", "metric.timeout=10m"], "metric.timeout", "10m"),
        (["--set", "publish.draft=false"], "publish.draft", False),
        (["--set", "scope=[a, b]"], "scope", ["a", "b"]),
        (["--set", "guards=[{command: make test}]"], "guards", [{"command": "make test"}]),
        (["--set", "goal=a=b"], "goal", "a=b"),
        (["--set", "env.VERSION=3.10"], "env.VERSION", "3.10"),
        (["--set", "env={COUNT: 007}"], "env", {"COUNT": "007"}),
        (["--set", "mcp.x.command=[python, x.py]"], "mcp.x.command", ["python", "x.py"]),
        (["--set", "metric.target=null"], "metric.target", None),
        (["--set", "metric.command=echo u8 = 3: x"], "metric.command", "echo u8 = 3: x"),
        (["--set", "metric.command=[ -f a ] && b"], "metric.command", "[ -f a ] && b"),
        (["--set", "proposer.command=echo u8 = 3: x"], "proposer.command", "echo u8 = 3: x"),
        (["--set", "proposer.command=[a, b]"], "proposer.command", ["a", "b"]),
        (["--set", "publish.base=007"], "publish.base", "007"),
        (["--set", "goal=!x"], "goal", "!x"),
        (["--set", "goal='a: b'"], "goal", "a: b"),
        (["--set", "goal= Fix #3\nfirst "], "goal", "Fix #3\nfirst"),
        (["--set", "goal=#3"], "goal", "#3"),
        (["--set", "publish.base= ~ "], "publish.base", None),
        (["--set", "metric.command=grep ' #' a"], "metric.command", "grep ' #' a"),
        (["--set", "env.A=b: 2"], "env.A", "b: 2"),
        (["--set", "claude.headers.x=2"], "claude.headers.x", "2"),
    ],
)
def test_a_value_has_the_type_that_it_would_have_in_the_file(
    words: list[str], key: str, value: object
) -> None:
    assert parsed(*words)[key] == value
    loaded(*NEEDED, *words)


def test_every_key_has_a_meaning_and_every_flag_a_key() -> None:
    keys = dict(every_key())
    assert len(keys) > 80
    assert all(keys.values())
    assert FLAGS.keys() <= keys.keys()


def test_the_last_one_wins_whether_flag_or_set() -> None:
    assert loaded("--iterations", "1", "--set", "iterations=2").config.iterations == 2
    assert loaded("--set", "iterations=2", "--iterations", "1").config.iterations == 1
    assert loaded("--set", "iterations=2", "--set", "iterations=3").config.iterations == 3
    assert loaded("--scope", "a", "--set", "scope=[b]").config.scope == ("b",)


def test_a_key_of_a_mapping_is_added_to_what_the_file_says_and_a_mapping_replaces_it() -> None:
    added = loaded("--set", "env.C=d", "--set", "budget.minutes=2").config
    assert (added.env, added.budget.usd, added.budget.minutes) == ({"A": "b", "C": "d"}, 1, 2)
    whole = loaded("--set", "env={C: d}", "--set", "budget={minutes: 2}").config
    assert (whole.env, whole.budget.usd, whole.budget.minutes) == ({"C": "d"}, None, 2)


def test_what_was_set_is_its_origin() -> None:
    words = ("--set", "metric.repeats.max=3", "--set", "budget={minutes: 2}", "--set", "env.C=d")
    origins = loaded(*words, "--set", "publish=none", "--goal", "x").origins
    keys = ["metric.repeats.max", "budget.minutes", "budget.usd", "publish.mode"]
    assert [origins[key] for key in keys] == ["--set", "--set", "default", "--set"]
    assert (origins["env"], origins["goal"]) == ("f.yml:4, --set", "--goal")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "metric.repeats.max=many",
            "--set metric.repeats.max=many: has the wrong type, expected a whole number",
        ),
        (
            "metric.repeats.mx=3",
            "--set metric.repeats.mx: unknown key, did you mean `metric.repeats.max`?",
        ),
        ("repeat.max=3", "--set repeat.max: unknown key, did you mean `metric.repeats.max`?"),
        ("timeout=3", "--set timeout: unknown key, did you mean `metric.timeout`?"),
        (
            "budget={eur: 5}",
            "--set budget: budget.eur: unknown key; the keys here are minutes, usd, tokens, "
            "iteration_usd, iteration_tokens",
        ),
        (
            "budget={minutes: soon}",
            "--set budget: budget.minutes: has the wrong type ('soon'), expected a number",
        ),
        (
            "guards=[{command: x, tolerence: 1%}]",
            "--set guards: guards[0].tolerence: unknown key, did you mean `tolerance`?",
        ),
        ("setup=make", "--set setup=make: has the wrong type, expected a list, such as [make]"),
        ("scope.0=a", "--set scope.0: scope is no mapping (f.yml:1), set it as a whole"),
        ("scope=!x", "--set scope: tags (!) are not supported; quote a text that starts with !"),
        ("env={A: [hunter2]}", "--set env: env.A: has the wrong type, expected text"),
        (
            "a..b=1",
            "--set a..b: no key is called like that, expected one such as metric.timeout",
        ),
    ],
)
def test_what_is_wrong_is_said_as_it_was_typed(word: str, message: str) -> None:
    assert refused("--set", word) == message


def test_a_value_that_is_no_yaml_is_refused_without_a_line() -> None:
    assert refused("--set", "scope=[a").startswith("--set scope: is not valid YAML: ")


@pytest.mark.parametrize("key", ["a\nb", ".".join("a" * 50_000)])
def test_a_key_that_cannot_be_one_is_refused_in_a_line(key: str) -> None:
    told = refused("--set", f"{key}=1")
    assert told.isprintable()
    assert len(told) < 200


@pytest.mark.parametrize("flag", ["--env", "--set"])
def test_a_malformed_assignment_is_refused_without_being_shown(flag: str) -> None:
    told = refused(flag, "hunter2")
    assert flag in told
    assert "hunter2" not in told
