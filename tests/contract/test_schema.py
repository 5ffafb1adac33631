"""The shipped JSON schema says what the model says, to editors and to people."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from autoresearch_ci import __version__
from autoresearch_ci.config.metric import ExtractRule
from autoresearch_ci.config.resolve import json_schema, load
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.measure.number.extract import PICKS
from autoresearch_ci.measure.number.xml_reports import COUNTS
from autoresearch_ci.plan.workflow_file import OURS, schema_line

SHIPPED: dict[str, Any] = json.loads(
    resources.files("autoresearch_ci").joinpath("schema.json").read_text(encoding="utf-8")
)
FULL = """\
goal: Lower validation bits per byte
scope: [trainer/train.py, "!trainer/data"]
metric:
  command: python trainer/train.py
  name: val_bpb
  direction: lower_is_better
  extract: {regex: 'val_bpb: (\\S+)', many: last}
  timeout: 1h30m
  repeats: {min: 1, max: 7}
  min_effect: 0.2%
  target: 0.9
  early_stop: {regex: 'progress=(\\S+) loss=(\\S+)'}
guards:
  - pytest -q
  - {command: ./mem, metric: mb, direction: minimize, tolerance: 10%, timeout: 90, junit: r.xml}
holdout: {command: ./h, name: p95, direction: max, must: hold, timeout: 5m,
          extract: {json: $.a, file: o.json}}
setup: [pip install -e .]
share: [node_modules]
cache: [target]
env: {A: b, N: 1}
pass_env: [CUDA_VISIBLE_DEVICES]
gaming: warn
iterations: 25
budget: {minutes: 480, usd: 20, tokens: 1000000, iteration_usd: 2, iteration_tokens: 200000}
proposer: [claude, search]
claude:
  model: some-model
  provider: anthropic
  base_url: http://localhost:8000
  headers: {x-team: research}
  key_variable: GATEWAY_KEY
  dialect: plain
  max_tokens: 8000
  effort: high
  turns: 20
  file_bytes: 100000
  cache_ttl: 1h
  fallbacks: [{model: another, base_url: "http://localhost:9000", key_variable: OTHER_KEY}]
  roles: {insider: {model: a-third, effort: low}}
  patience: 5m
  price: {input: 1, output: 5, cache_read: 0.1, cache_write: 1.25}
mcp:
  profiler: {command: [python, server.py], pass_env: [KEY], timeout: 30s, max_calls: 5}
seed: 1
program: program.md
hooks: false
plateau: 8
checkpoints: 5
calibrate: auto
confirm: {mode: auto, repeats: 5, ablate: true}
sandbox: {network: loopback, read_only: true, user: 65534, write: [/var/cache/data]}
publish: {mode: local, branch: "autoresearch/{tag}"}
fix:
  targets:
    - make check
    - {tool: ruff, command: ruff check --output-format json, folder: packages/web, timeout: 2m,
       label: web}
    - {tool: tidy, command: tidy, regex: "(?P<message>.+)", category: warning, reports: out/*.xml}
  skip: [actionlint]
  scope: [src/, "!src/vendor/"]
  categories: [build, test]
  allow: ["timeout-raised:tests/test_slow.py"]
  test_timeout: 30s
  from_debug: autoresearch/debug-t/handoff.json
  attempts: 2
security:
  fail_on: medium
  scanners: [gitleaks]
  dependencies: true
  semgrep: [rules]
  tools: [{name: trivy, command: 'trivy fs --format sarif -o {report} .', network: true}]
  exclude: ['*.bin']
  baseline: known.json
  accepted: .github/security-accepted.yml
  max_file_kb: 512
  max_files: 1000
  timeout: 5m
"""


def test_the_shipped_schema_is_the_one_the_model_generates() -> None:
    assert json_schema() == SHIPPED, (
        "run: autoresearch-ci config --schema > autoresearch_ci/schema.json"
    )


def test_the_documented_command_prints_the_schema() -> None:
    command = [sys.executable, "-m", "autoresearch_ci", "config", "--schema"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    assert json.loads(printed) == SHIPPED


def test_a_configuration_that_uses_every_key_loads_and_every_key_is_in_the_schema() -> None:
    load(text=FULL)
    data = yaml.safe_load(FULL)
    assert set(data) == set(SHIPPED["properties"])
    assert unknown_keys(data, SHIPPED) == []


def test_a_key_that_the_model_refuses_is_not_in_the_schema() -> None:
    data = yaml.safe_load(FULL)
    data["metric"]["direcion"] = "lower"
    data["guards"][1]["x"] = 1
    assert unknown_keys(data, SHIPPED) == ["direcion", "x"]


def test_every_object_of_the_schema_is_closed_but_the_environment() -> None:
    closed = [SHIPPED, *SHIPPED["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in closed)


def test_every_key_says_what_it_means() -> None:
    silent = [
        key
        for part in [SHIPPED, *SHIPPED["$defs"].values()]
        for key, value in part["properties"].items()
        if not resolved(value).get("description") and not value.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize(
    "written", ["90", "90s", "10m", "1h30m", "1.5h", "1h30", "10 m", "", "m", "-5s", "soon", "1m1h"]
)
def test_the_pattern_for_durations_accepts_what_the_reader_accepts(written: str) -> None:
    agrees("timeout", written)


@pytest.mark.parametrize("written", ["0.2%", "10 %", "100%", "%", "-1%", "1e3%", "ten", "1%%", ""])
def test_the_pattern_for_fractions_accepts_what_the_reader_accepts(written: str) -> None:
    agrees("min_effect", written)


@pytest.mark.parametrize("written", ["lower", "higher_is_better", "min", "up", "", "Min"])
def test_the_words_for_a_direction_are_the_ones_the_reader_accepts(written: str) -> None:
    schema = SHIPPED["$defs"]["Metric"]["properties"]["direction"]
    assert (written in schema["enum"]) == accepted("direction", written)


def test_what_can_be_counted_and_picked_is_what_the_metric_reader_knows() -> None:
    fields = ExtractRule.model_fields
    assert set(choices(fields["count"].annotation)) == set(COUNTS)
    assert set(choices(fields["many"].annotation)) == set(PICKS)


def choices(annotation: Any) -> tuple[Any, ...]:
    return next(get_args(member) for member in get_args(annotation) if get_args(member))


ROOT = Path(__file__).parents[2]
CONFIGURATIONS = sorted(
    [
        *ROOT.glob("examples/*/.github/*.yml"),
        *ROOT.glob("*/autoresearch.yml"),
        *ROOT.glob("examples/*/autoresearch.yml"),
    ]
)


@pytest.mark.parametrize(
    "path",
    [path for path in CONFIGURATIONS if path.parent.name != "templates"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_editors_are_told_where_the_schema_of_a_configuration_is(path: Path) -> None:
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    assert first == f"# {schema_line()}"
    assert unknown_keys(yaml.safe_load("\n".join(rest)), SHIPPED) == []


def test_the_address_of_the_schema_is_that_of_the_shipped_file() -> None:
    address = schema_line().partition("$schema=")[2]
    tag, path = address.removeprefix(f"https://raw.githubusercontent.com/{OURS}/").split("/", 1)
    assert json.loads((ROOT / path).read_text(encoding="utf-8")) == SHIPPED
    assert tag == f"v{__version__}"
    assert schema_line("me/autoresearch-ci@abc").endswith(f"/me/autoresearch-ci/abc/{path}")


def agrees(key: str, written: str) -> None:
    options = SHIPPED["$defs"]["Metric"]["properties"][key]["anyOf"]
    texts = [option for option in flat(options) if option.get("type") == "string"]
    fits = any(
        re.search(text["pattern"], written) and len(written) >= text.get("minLength", 0)
        for text in texts
    )
    assert bool(fits) == accepted(key, written)


def flat(options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [inner for option in options for inner in option.get("anyOf", [option])]


def accepted(key: str, written: str) -> bool:
    try:
        load(text=f"scope: [a]\nmetric: {{command: x, {key}: {json.dumps(written)}}}\n")
    except ConfigError:
        return False
    return True


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = SHIPPED["$defs"][schema["$ref"].rpartition("/")[2]]
    return found


def unknown_keys(data: Any, schema: dict[str, Any]) -> list[str]:
    """Keys of `data` that the schema does not know, a validator's job in miniature."""
    if isinstance(data, list):
        return [key for entry in data for key in unknown_keys(entry, item_schema(schema))]
    part = object_schema(schema)
    if not isinstance(data, dict) or "properties" not in part:
        return []
    unknown = [key for key in data if key not in part["properties"]]
    known = [(value, part["properties"][key]) for key, value in data.items() if key not in unknown]
    return unknown + [key for value, inner in known for key in unknown_keys(value, inner)]


def item_schema(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema.get("items", {})
    return found


def object_schema(schema: dict[str, Any]) -> dict[str, Any]:
    options = [resolved(option) for option in schema.get("anyOf", [schema])]
    return next((option for option in options if "properties" in option), {})
