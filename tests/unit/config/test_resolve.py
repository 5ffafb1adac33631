"""What a person who writes a configuration may rely on, and what each mistake is told."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autoresearch_ci.config import resolve as config
from autoresearch_ci.config.flags import FLAGS
from autoresearch_ci.config.metric import ExtractRule, Metric
from autoresearch_ci.config.resolve import Resolved, Setting, describe, load
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import Direction

MINIMAL = "scope: [src/]\nmetric:\n  command: make bench\n"


def typed(values: Mapping[str, object]) -> list[Setting]:
    """By their flags, and where a key has none, by `--set`."""
    return [
        Setting(
            at=tuple(key.split(".")),
            value=value,
            flag=FLAGS[key].name if key in FLAGS else "--set",
            text=None if key in FLAGS else str(value),
        )
        for key, value in values.items()
    ]


def parse(addition: str = "", **flags: object) -> Config:
    return load(text=MINIMAL + addition, path="f.yml", given=typed(flags)).config


def refused(text: str | bytes | None, **flags: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text=text, path="f.yml", given=typed(flags))
    return str(caught.value)


def test_everything_but_scope_and_the_metric_command_has_the_documented_default() -> None:
    settings = parse()
    assert settings.scope == ("src/",)
    assert settings.metric.command == "make bench"
    assert settings.metric.direction is Direction.MINIMIZE
    assert (settings.metric.repeats.min, settings.metric.repeats.max) == (1, 7)
    assert (settings.metric.timeout, settings.metric.target) == (None, None)
    assert settings.metric.min_effect == 0
    assert (settings.goal, settings.guards, settings.holdout, settings.setup) == ("", (), None, ())
    assert (settings.share, settings.cache, settings.env, settings.pass_env) == ("auto", (), {}, ())
    assert (settings.iterations, settings.budget.minutes, settings.plateau) == (25, None, None)
    assert (str(settings.proposer), settings.seed, settings.program) == ("auto", 0, None)
    assert settings.hooks is False
    assert (settings.calibrate, settings.confirm.mode, settings.confirm.ablate) == (
        "auto",
        "auto",
        "auto",
    )
    assert settings.publish.mode == "local"
    assert settings.publish.branch_name("nightly") == "autoresearch/nightly"


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse().metric.command = "other"


@pytest.mark.parametrize("word", ["minimize", "min", "lower", "lower_is_better"])
def test_words_for_minimize(word: str) -> None:
    assert parse(f"  direction: {word}\n").metric.direction is Direction.MINIMIZE


@pytest.mark.parametrize("word", ["maximize", "max", "higher", "higher_is_better"])
def test_words_for_maximize(word: str) -> None:
    assert parse(f"  direction: {word}\n").metric.direction is Direction.MAXIMIZE


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("1.5", 1.5),
        ("'45'", 45),
        ("2h", 7200),
    ],
)
def test_durations(written: str, seconds: float) -> None:
    assert parse(f"  timeout: {written}\n").metric.timeout == seconds


@pytest.mark.parametrize(
    "written", ["1h30", "10 m", "m", "''", "1:30", "-5", "0", "0s", "1d", "721h"]
)
def test_what_is_no_duration_is_refused(written: str) -> None:
    assert refused(f"{MINIMAL}  timeout: {written}\n").startswith("f.yml:4: metric.timeout: is ")


@pytest.mark.parametrize(
    ("written", "fraction"), [("0.2%", 0.002), ("0.002", 0.002), ("10 %", 0.1), ("0", 0), ("0%", 0)]
)
def test_fractions(written: str, fraction: float) -> None:
    assert parse(f"  min_effect: {written}\n").metric.min_effect == pytest.approx(fraction)


def test_a_guard_is_a_command_or_a_number_with_a_tolerance() -> None:
    plain, valued = parse(
        "guards:\n"
        "  - pytest -q\n"
        "  - {command: ./mem, metric: peak_mb, direction: higher, tolerance: 10%, timeout: 5m}\n"
    ).guards
    assert (plain.command, plain.metric) == ("pytest -q", None)
    assert (valued.metric, valued.direction, valued.tolerance, valued.timeout) == (
        "peak_mb",
        Direction.MAXIMIZE,
        0.1,
        300,
    )


def test_a_holdout_takes_the_direction_of_the_metric_unless_it_has_its_own() -> None:
    inherited = parse("  direction: max\nholdout: {command: ./h, name: p95}\n")
    own = parse("  direction: max\nholdout: {command: ./h, direction: min}\n")
    assert inherited.holdout.direction_beside(inherited.metric) is Direction.MAXIMIZE
    assert own.holdout.direction_beside(own.metric) is Direction.MINIMIZE


@pytest.mark.parametrize(
    ("rule", "extract"),
    [
        ("{regex: 'took (\\d+)'}", ExtractRule(regex=r"took (\d+)")),
        ("{regex: '(a)', many: last}", ExtractRule(regex="(a)", many="last")),
        ("{json: $.a.b}", ExtractRule(json="$.a.b")),
        ("{json: $.a, file: out.json}", ExtractRule(json="$.a", file="out.json")),
        ("{junit: r.xml}", ExtractRule(junit="r.xml")),
        ("{junit: r.xml, count: passed}", ExtractRule(junit="r.xml", count="passed")),
        ("{coverage: cov.xml}", ExtractRule(coverage="cov.xml")),
        ("{last_number: true}", ExtractRule(last_number=True)),
        ("{many: median}", ExtractRule(many="median")),
    ],
)
def test_what_the_reader_of_metrics_is_told(rule: str, extract: ExtractRule) -> None:
    assert parse(f"  name: n\n  extract: {rule}\n").metric.extract == extract


@pytest.mark.parametrize(("written", "mode"), [("none", "none"), ("{mode: none}", "none")])
def test_publish_has_a_short_form(written: str, mode: str) -> None:
    assert parse(f"publish: {written}\n").publish.mode == mode


def test_the_environment_keeps_numbers_and_words_as_they_are_written() -> None:
    env = parse("env: {VERSION: 3.10, DEBUG: true, COUNT: 007, EMPTY: ''}\n").env
    assert env == {"VERSION": "3.10", "DEBUG": "true", "COUNT": "007", "EMPTY": ""}


def test_words_that_old_yaml_takes_for_something_else_stay_words() -> None:
    assert parse("goal: no\n").goal == "no"
    assert parse("goal: 2026-01-01\n").goal == "2026-01-01"
    assert parse("  target: 1e-3\n").metric.target == 0.001


# --- precedence and origins


def test_a_flag_wins_over_the_file_and_the_file_over_the_default() -> None:
    resolved = load(
        text=MINIMAL + "  direction: lower\niterations: 9\nseed: 3\n",
        path="f.yml",
        given=typed({"iterations": 4, "scope": ["lib/"]}),
    )
    assert resolved.config.iterations == 4
    assert resolved.config.scope == ("lib/",)
    assert origins(resolved, "iterations", "scope", "seed", "metric.direction", "goal") == [
        "--iterations",
        "--scope",
        "f.yml:6",
        "f.yml:4",
        "default",
    ]


def test_flags_alone_are_a_configuration() -> None:
    resolved = load(text=None, given=typed({"scope": ["a"], "metric.command": "./m"}))
    assert resolved.config.metric.command == "./m"
    assert origins(resolved, "scope", "metric.command") == ["--scope", "--metric"]


def test_a_flag_below_a_short_form_keeps_what_the_short_form_says() -> None:
    resolved = load(text=MINIMAL + "publish: none\n", given=typed({"publish.branch": "b/{tag}"}))
    assert (resolved.config.publish.mode, resolved.config.publish.branch) == ("none", "b/{tag}")
    assert origins(resolved, "publish.mode", "publish.branch") == [
        f"{config.DEFAULT_PATH}:4",
        "--publish-branch",
    ]


def test_the_origin_of_a_short_form_is_its_line_and_of_its_sibling_the_default() -> None:
    resolved = load(text=MINIMAL + "publish: none\n", path="f.yml")
    assert origins(resolved, "publish.mode", "publish.branch") == ["f.yml:4", "default"]
    resolved = load(text=MINIMAL + "publish: {branch: b}\n", path="f.yml")
    assert origins(resolved, "publish.mode", "publish.branch") == ["default", "f.yml:4"]


def test_describe_lists_every_key_with_value_and_origin_and_no_value_of_the_environment() -> None:
    resolved = load(
        text=MINIMAL + "  timeout: 10m\nenv: {TOKEN: hunter2}\nguards: [make test]\n",
        path="f.yml",
    )
    rows = describe(resolved)
    assert ("metric.timeout", 600.0, "f.yml:4") in rows
    assert ("env", ["TOKEN"], "f.yml:5") in rows
    assert ("guards", [{"command": "make test"}], "f.yml:6") in rows
    assert ("hooks", False, "default") in rows
    assert {key.split(".")[0] for key, _, _ in rows} == set(Config.model_fields)
    assert "hunter2" not in repr(rows) + repr(resolved)


# --- mistakes


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        (
            "  direcion: lower\n",
            "f.yml:4: metric.direcion: unknown key, did you mean `direction`?",
        ),
        (
            "guard: [x]\n",
            "f.yml:4: guard: unknown key, did you mean `guards`?",
        ),
        (
            "direction: min\n",
            "f.yml:4: direction: unknown key, did you mean `metric.direction`?",
        ),
        (
            "budget: {eur: 5}\n",
            "f.yml:4: budget.eur: unknown key; the keys here are minutes, usd, tokens, "
            "iteration_usd, iteration_tokens",
        ),
        (
            "guards:\n  - a\n  - {command: x, tolerence: 1%}\n",
            "f.yml:6: guards[1].tolerence: unknown key, did you mean `tolerance`?",
        ),
        (
            "  direction: sideways\n",
            "f.yml:4: metric.direction: is not a direction ('sideways')"
            ", expected minimize (lower is better) or maximize (higher is better)",
        ),
        (
            "iterations: two\n",
            "f.yml:4: iterations: has the wrong type ('two'), expected a whole number",
        ),
        (
            "iterations: -1\n",
            "f.yml:4: iterations: is out of range (-1), expected a number of at least 0",
        ),
        (
            "seed: 4294967296\n",
            "f.yml:4: seed: is out of range (4294967296), expected a number of at most 4294967295",
        ),
        (
            "hooks: yes\n",
            "f.yml:4: hooks: has the wrong type ('yes'), expected true or false",
        ),
        (
            "hooks: 1\n",
            "f.yml:4: hooks: has the wrong type (1), expected true or false",
        ),
        (
            "iterations: true\n",
            "f.yml:4: iterations: has the wrong type (true), expected a whole number",
        ),
        (
            "goal: 5\n",
            "f.yml:4: goal: has the wrong type (5), expected text (put it in quotes)",
        ),
        (
            "setup: make\n",
            "f.yml:4: setup: has the wrong type ('make'), expected a list, such as [make]",
        ),
        (
            "setup:\n",
            "f.yml:4: setup: is empty, expected a list",
        ),
        (
            "budget: 5\n",
            "f.yml:4: budget: has the wrong type (5), expected a mapping with keys such as "
            "minutes, usd, tokens",
        ),
        (
            "  target: 1e400\n",
            "f.yml:4: metric.target: has the wrong type (inf), expected a finite number",
        ),
        (
            "  repeats: {min: 5, max: 3}\n",
            "f.yml:4: metric.repeats: has min 5 above max 3, expected min <= max",
        ),
        (
            "  extract: {json: $.a, regex: (a)}\n",
            "f.yml:4: metric.extract: has regex and json at once, expected one of them",
        ),
        (
            "  extract:\n    regex: '(a'\n",
            "f.yml:5: metric.extract.regex: does not compile: missing ), unterminated subpattern"
            " at position 0 ('(a')"
            ", expected a Python regular expression",
        ),
        (
            "  extract: {regex: 'a+'}\n",
            "f.yml:4: metric.extract.regex: has no group ('a+')"
            ", expected parentheses around the number",
        ),
        (
            "  early_stop: {regex: '(a)'}\n",
            "f.yml:4: metric.early_stop.regex: has 1 group ('(a)')"
            ", expected two: the progress from 0 to 1, then the metric",
        ),
        (
            "  extract: {json: a.b}\n",
            "f.yml:4: metric.extract.json: is not a JSON path ('a.b')"
            ", expected something like $.results[0].p95",
        ),
        (
            "  extract: {}\n",
            "f.yml:4: metric.extract: is empty"
            ", expected one of regex, json, junit, coverage, last_number",
        ),
        (
            "  extract: {regex: (a), count: errors}\n",
            "f.yml:4: metric.extract: has count without junit, expected junit: FILE next to it",
        ),
        (
            "  extract: {json: $.a, many: last}\n",
            "f.yml:4: metric.extract: has many and json, expected only json: it is one number",
        ),
        (
            "guards:\n- {command: a, tolerance: 1%}\n",
            "f.yml:5: guards[0]: has tolerance but no metric, expected metric: NAME",
        ),
        (
            "guards: ['']\n",
            "f.yml:4: guards[0]: is empty (''), expected a command line for the shell",
        ),
        (
            "guards: [[a]]\n",
            "f.yml:4: guards[0]: has the wrong type (['a'])"
            ", expected a command line, or a mapping with a command",
        ),
        (
            "guards: [{metric: x}]\n",
            "f.yml:4: guards[0].command: is missing",
        ),
        (
            "share: some\n",
            "f.yml:4: share: is not one of the choices ('some'), expected auto or none",
        ),
        (
            "share: [/usr]\n",
            "f.yml:4: share[0]: leaves the repository ('/usr')"
            ", expected a path relative to the repository's root",
        ),
        (
            "cache: [a/../../b]\n",
            "f.yml:4: cache[0]: leaves the repository ('a/../../b')"
            ", expected a path relative to the repository's root",
        ),
        (
            "env: {A-B: c}\n",
            "f.yml:4: env.A-B: is not a variable name, expected letters, digits and _",
        ),
        (
            "env: {A: [hunter2]}\n",
            "f.yml:4: env.A: has the wrong type, expected text",
        ),
        (
            "proposer: gpt\n",
            "f.yml:4: proposer: is not a proposer ('gpt')"
            ", expected auto, search, autofix, claude, claude-code, codex, gemini, opencode, "
            "aider, script:FILE, {command: ...}, a list of these, or {mix: ...}",
        ),
        (
            "proposer: {preset: claude-cod}\n",
            "f.yml:4: proposer: preset: Input should be 'claude-code', 'codex', 'gemini', "
            "'opencode' or 'aider', expected 'claude-code', 'codex', 'gemini', 'opencode' or "
            "'aider'",
        ),
        (
            "proposer: {model: m}\n",
            "f.yml:4: proposer: needs either command or preset, expected auto, search, autofix, "
            "claude, claude-code, codex, gemini, opencode, aider, script:FILE, {command: ...}, a "
            "list of these, or {mix: ...}",
        ),
        (
            "mcp: {a: {timeout: 5}}\n",
            "f.yml:4: mcp.a: needs either command or url, expected one of them",
        ),
        (
            "mcp: {a: {command: []}}\n",
            "f.yml:4: mcp.a.command: is empty, expected at least one entry",
        ),
        (
            "mcp: {a__b: {command: [x]}}\n",
            "f.yml:4: mcp.a__b: is not a server name, expected up to 32 letters, digits, - and "
            "single _",
        ),
        (
            "mcp: {a: {url: 'file:///etc/passwd'}}\n",
            "f.yml:4: mcp.a.url: is not an address, expected one that starts with http:// or "
            "https://",
        ),
        (
            "publish: gitea\n",
            "f.yml:4: publish: is not one of the choices ('gitea'), expected none, local, bundle, "
            "github or gitlab",
        ),
        (
            "publish: {branch: a b}\n",
            "f.yml:4: publish.branch: is not a branch name ('a b')"
            ", expected something like autoresearch/{tag}",
        ),
        (
            "publish: {branch: 'x{date}'}\n",
            "f.yml:4: publish.branch: has an unknown placeholder ('x{date}')"
            ", expected {tag} and no other",
        ),
        (
            'goal: "a\\0b"\n',
            "f.yml:4: goal: holds a NUL character or is not Unicode ('a\\x00b')"
            ", expected plain text",
        ),
    ],
)
def test_a_mistake_is_told_with_place_key_value_and_what_was_expected(
    addition: str, message: str
) -> None:
    assert refused(MINIMAL + addition) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "scope: [b]\n", "f.yml:4: scope: is already set on line 1"),
        (MINIMAL + "  command: b\n", "f.yml:4: metric.command: is already set on line 3"),
        (
            "metric:\n\tcommand: x\n",
            "f.yml:2: holds a tab where YAML allows only spaces, expected spaces for indentation",
        ),
        (
            "scope: [a\nmetric:\n",
            "f.yml:2: is not valid YAML: while parsing a flow sequence, expected ',' or ']', but "
            "got ':' (it began on line 1); usually the indentation, or a text that needs quotes",
        ),
        (
            "a: &a [1]\nb: *a\n",
            "f.yml:1: anchors and aliases (& and *) are not supported, write the value out",
        ),
        (
            "goal: !!python/object/apply:os.system [id]\n",
            "f.yml:1: tags (!) are not supported; quote a text that starts with !",
        ),
        ("- a\n", "f.yml:1: is not a mapping, expected lines such as `goal: Make it faster`"),
        ("a: " + "[" * 50, "f.yml:1: is nested too deeply"),
        ("? [a]\n: b\n", "f.yml:1: a key must be a word; quote a text that starts with { or ["),
        ("seed: " + "9" * 5000, "f.yml:1: a number has too many digits"),
        ("\n\x00", "f.yml:2: holds the control character 0, expected plain text"),
        (b"goal: a\nscope: \xff\n", "f.yml:2: byte 0xFF is not UTF-8, expected UTF-8 text"),
        ('goal: "\\UFFFFFFFF"\n', "f.yml: holds an escape or directive that means nothing"),
        ("%YAML " + "1" * 5000 + ".1\n", "f.yml: holds an escape or directive that means nothing"),
        ("#" * 300_000, "f.yml: is larger than 256 kB, expected a short file"),
    ],
)
def test_a_file_that_is_not_the_yaml_we_read_is_refused_with_its_line(
    text: str | bytes, message: str
) -> None:
    assert refused(text) == message


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x,x]\n" + "".join(f"b{i}: &b{i} [*a,*a]\n" for i in range(1000))
    assert "anchors and aliases" in refused(bomb)


def test_all_mistakes_are_listed_together_in_the_order_of_the_file() -> None:
    message = refused(MINIMAL + "  direction: up\nhooks: 3\nitrations: 5\n", seed=-1)
    assert [line.split(": ")[0] for line in message.splitlines()] == [
        "--set seed=-1",
        "f.yml:4",
        "f.yml:5",
        "f.yml:6",
    ]


def test_a_hundred_mistakes_are_not_a_hundred_lines() -> None:
    lines = refused(MINIMAL + "".join(f"k{i}: 1\n" for i in range(100))).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "... and 80 more"


def test_what_is_missing_is_listed_with_an_example_that_loads() -> None:
    message = refused("goal: x\n")
    assert message.startswith("f.yml: metric.command and scope are missing.\n")
    example = "".join(f"{row[2:]}\n" for row in message.splitlines() if row.startswith("  "))
    config = load(text=example).config
    flags = message.splitlines()[-1].removeprefix("autoresearch-ci run ")
    assert f"--scope {config.scope[0]} --metric {shlex.quote(config.metric.command)}" in flags
    assert f"--metric-name {config.metric.name}" in flags


def test_a_missing_file_is_said_to_be_missing() -> None:
    assert refused(None, scope=["a"]).startswith(
        "f.yml does not exist, and metric.command is not given by a flag.\n"
    )


def test_flags_that_do_not_fit_together_are_named_and_not_the_file() -> None:
    told = refused(MINIMAL, **{"metric.repeats.min": 5, "metric.repeats.max": 2})
    assert "--set metric.repeats.min" in told
    assert "--metric-repeats-max" in told
    assert not told.startswith("f.yml")
    assert refused(MINIMAL, **{"holdout.name": "n"}).startswith(
        "--set holdout.name: holdout.command"
    )


@pytest.mark.parametrize("path", ["p95", "$", "$..p95", "$.a[*]", "$.", "$[", "a.b"])
def test_a_json_path_that_cannot_be_followed_is_refused_at_once(path: str) -> None:
    assert "is not a JSON path" in refused(MINIMAL, **{"metric.extract.json": path})


def test_a_wrong_flag_is_named_as_the_person_typed_it() -> None:
    assert refused(MINIMAL, **{"metric.direction": "sideways"}) == (
        "--direction sideways: is not a direction, expected minimize (lower is better) or maximize "
        "(higher is better)"
    )
    assert refused(MINIMAL, guards=["ok", " "]) == (
        "--guard ' ': is empty, expected a command line for the shell"
    )
    assert refused(MINIMAL, **{"budget.minutes": 0.0}) == (
        "--minutes 0.0: is out of range, expected a number above 0"
    )


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(refused(f"{MINIMAL}hooks: {'x' * 10_000}\n")) < 200


def test_no_value_of_the_environment_reaches_a_message_or_a_traceback() -> None:
    with pytest.raises(ConfigError) as caught:
        load(text=MINIMAL + "env: {A: hunter2, B-: hunter2}\nseed: x\n")
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__}"


# --- anything at all

NAMES = st.sampled_from([*Config.model_fields, *Metric.model_fields, *ExtractRule.model_fields])
SCALARS = st.sampled_from(["null", "true", "-1", "1e999", ".nan", "9%", "5m", "(a)", '"\\ud800"'])
WORDS = NAMES | SCALARS | st.sampled_from("&*!|>%@~'\"")
GLUE = st.sampled_from(
    [": ", ":\n  ", "\n", "\n  ", "\n- ", ", ", "{", "}", "[", "]", "\t", " ", "#"]
)
SOUP = st.lists(st.tuples(WORDS, GLUE)).map(lambda parts: "".join(a + b for a, b in parts))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda some: (
        st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=6), some, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from([*Config.model_fields])


def loads_or_explains(text: str | bytes, flags: dict[str, object] | None = None) -> None:
    try:
        describe(load(text=text, given=typed(flags or {})))
    except ConfigError as error:
        assert str(error).isprintable() or "\n" in str(error)  # noqa: PT017


@given(st.text() | SOUP | st.binary())
def test_any_text_is_a_configuration_or_a_config_error(text: str | bytes) -> None:
    loads_or_explains(text)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_value_of_any_key_is_a_configuration_or_a_config_error(data: dict[str, object]) -> None:
    loads_or_explains(MINIMAL.replace("scope", "x") + yaml.safe_dump(data, allow_unicode=True))


@given(st.dictionaries(KEYS | st.sampled_from(["metric.target", "env.A", "no.such"]), VALUES))
def test_any_value_of_any_flag_is_a_configuration_or_a_config_error(
    flags: dict[str, object],
) -> None:
    loads_or_explains(MINIMAL, flags)


def origins(resolved: Resolved, *keys: str) -> list[str]:
    return [resolved.origins[key] for key in keys]
