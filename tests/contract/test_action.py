"""action.yml, composite/action.yml, their page and the code name the same inputs and outputs.

And what every workflow that we ship or show must be: workflow_rules.py.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from autoresearch_ci.cli.action.inputs import COMMANDS, INPUTS
from autoresearch_ci.cli.action.outputs import OUTPUTS
from autoresearch_ci.cli.arguments import make_parser
from autoresearch_ci.propose.search.constant_finder import find_constants
from tests.contract.workflow_audits import step_audits
from tests.contract.workflow_rules import (
    ACTION,
    GITLAB_HEADER,
    GITLAB_JOBS,
    OWN,
    WORKFLOW,
    is_lent,
    step_problems,
    workflow_problems,
)

ROOT = Path(__file__).parents[2]
PAGE = "docs/github-actions.md"
WORKFLOWS = sorted((*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/workflows/*.yml")))
AWAITED = {"--publish-draft", "--publish-base"}
"""Flags that publishing brings; remove them from here when they are there."""


def load(path: Path) -> Any:
    """YAML as GitHub reads it: `on` is a word, not true."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:bool"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader.add_implicit_resolver(  # type: ignore[attr-defined]
        "tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf")
    )
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)


DOCKER, COMPOSITE = load(ROOT / "action.yml"), load(ROOT / "composite/action.yml")
GPU = load(ROOT / "gpu/action.yml")


# --- inputs and outputs ---------------------------------------------------------------------------


@pytest.mark.parametrize("action", [DOCKER, COMPOSITE], ids=["docker", "composite"])
def test_the_inputs_and_outputs_are_those_of_the_code(action: dict[str, Any]) -> None:
    assert list(action["inputs"]) == list(INPUTS)
    assert list(action["outputs"]) == list(OUTPUTS)


def test_both_doors_describe_them_alike() -> None:
    assert DOCKER["inputs"] == COMPOSITE["inputs"]
    for name, output in COMPOSITE["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"
        assert output["description"] == DOCKER["outputs"][name]["description"]


def test_the_door_with_a_gpu_differs_in_its_image_alone() -> None:
    said = {key: DOCKER[key] for key in ("name", "description")}
    image = {**DOCKER["runs"], "image": GPU["runs"]["image"]}
    assert {**GPU, **said} == {**DOCKER, "runs": image}


def variable(name: str) -> tuple[str, str]:
    return f"INPUT_{name.upper().replace('-', '_')}", f"${{{{ inputs.{name} }}}}"


def test_every_input_arrives_under_a_name_that_no_shell_drops() -> None:
    assert DOCKER["runs"]["env"] == dict(variable(name) for name in INPUTS if "-" in name)
    run = next(step for step in COMPOSITE["runs"]["steps"] if step.get("id") == "run")
    assert run["env"] == dict(variable(name) for name in INPUTS)


def test_the_runner_appends_no_input_to_dockers_command_line() -> None:
    # without `args` it takes the input of that name (actions/runner, ContainerActionHandler.cs)
    assert DOCKER["runs"]["args"] == []
    assert "entrypoint" in DOCKER["runs"]


def test_signals_reach_python_in_a_composite_step() -> None:
    for step in COMPOSITE["runs"]["steps"][1:]:
        assert step["run"].startswith("exec ")
        assert step["run"].count("\n") == 0


def test_the_entry_points_are_installed_with_the_package() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    entry = re.search(r'^ENTRYPOINT \["([\w-]+)"\]$', dockerfile, re.MULTILINE)
    assert entry
    wanted = {DOCKER["runs"][key] for key in ("entrypoint", "post-entrypoint")}
    assert {*wanted, entry[1]} <= scripts.keys()


def test_every_input_is_a_flag_of_its_commands() -> None:
    commands = next(a.choices for a in make_parser()._actions if a.dest != "help" and a.choices)
    assert isinstance(commands, dict)
    for name, about in INPUTS.items():
        for command in set(about.commands or COMMANDS) & commands.keys():
            known = {flag for a in commands[command]._actions for flag in a.option_strings}
            assert not about.flag or about.flag in known | AWAITED, name


# --- their page -----------------------------------------------------------------------------------


def table(kind: str) -> str:
    rows = []
    for name, about in DOCKER[kind].items():
        default = f" Default: `{about['default']}`." if "default" in about else ""
        rows.append(f"| `{name}` | {about['description']}{default} |")
    head = f"| {kind.removesuffix('s')} | meaning |"
    return "\n".join([head, "| --- | --- |", *rows, ""])


@pytest.mark.parametrize("kind", ["inputs", "outputs"])
def test_their_page_lists_them(kind: str, generated: Callable[[str, str, str], None]) -> None:
    generated(PAGE, kind, table(kind))


def test_their_page_asks_for_the_permissions_of_the_workflows() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+\.yml)` \| (.*?) \|", text, re.MULTILINE)
    listed = {name: set(re.findall(r"`([\w-]+: \w+)`", text)) for name, text in rows}
    for path in sorted((ROOT / "examples/workflows").glob("*.yml")):
        jobs = load(path)["jobs"].values()
        asked = {f"{n}: {level}" for job in jobs for n, level in job["permissions"].items()}
        assert listed.get(path.name) == asked, path.name


# --- workflows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_workflow_keeps_the_rules(path: Path) -> None:
    workflow = load(path)
    jsonschema.validate(workflow, WORKFLOW)
    found = list(workflow_problems(workflow, tuple(INPUTS), OUTPUTS))
    if path.name == "one-job.yml":  # what it says of itself, and what the other examples avoid
        assert (
            "the job that runs your\n# code also holds a token that may write" in path.read_text()
        )
        assert found.pop() == "nightly: measured code beside a token that may write"
    if path.name == "plan.yml":  # an answer comes as a comment, and the questions go as one
        assert "types: [created]" in path.read_text()
        assert "the author may write" in path.read_text()
        assert load(path)["jobs"]["plan"]["permissions"] == {"contents": "read", "issues": "write"}
        assert found == [
            "privileged event issue_comment",
            "plan: measured code beside a token that may write",
        ]
        found.clear()
    assert found == []


@pytest.mark.parametrize("action", [DOCKER, COMPOSITE, GPU], ids=["docker", "composite", "gpu"])
def test_an_action_keeps_the_rules(action: dict[str, Any]) -> None:
    jsonschema.validate(action, ACTION)
    steps = action["runs"].get("steps", [])
    found = [(*step_problems(step), *step_audits(step)) for step in steps]
    assert not any(found), found


def test_every_pin_names_its_version() -> None:
    for path in WORKFLOWS:
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"@[0-9a-f]{40}", line):
                assert re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), f"{path}: {line}"


@pytest.mark.parametrize(
    ("name", "job", "command"),
    [
        ("fix", "propose", "fix"),
        ("fix", "verify", "publish"),
        ("fix", "verify", "fix"),
        ("gate", "check", "fix"),
    ],
)
def test_one_of_two_doors_is_taken_with_the_same_inputs(name: str, job: str, command: str) -> None:
    steps = load(ROOT / f".github/workflows/{name}.yml")["jobs"][job]["steps"]
    doors = [step for step in steps if step.get("with", {}).get("command") == command]
    assert [step["uses"] for step in doors] == [f"./{OWN}{door}" for door in ("", "/composite")]
    container, host = (step["if"] for step in doors)
    assert container.replace("!inputs.host", "inputs.host") == host != container
    temporary = ("/github/runner_temp", "'${{ runner.temp }}")
    words = [
        str(step["with"]).replace(root, "TEMP") for step, root in zip(doors, temporary, strict=True)
    ]
    assert words[0] == words[1].replace(".bundle'", ".bundle").replace('"', "'")
    assert doors[0]["timeout-minutes"] == doors[1]["timeout-minutes"]


def test_what_is_published_is_what_was_looked_at_by_a_job_without_rights() -> None:
    jobs = load(ROOT / ".github/workflows/fix.yml")["jobs"]
    propose, verify, publish = (jobs[name] for name in ("propose", "verify", "publish"))
    assert set(verify["permissions"].values()) == {"read"}
    assert "secrets." not in repr(verify)
    assert "anthropic" not in repr(publish)
    assert "write" not in repr(propose["permissions"])
    assert publish["if"] == "${{ always() && needs.verify.result == 'success' }}"
    args = publish["steps"][-1]["with"]["args"]
    assert "--made-by fix --head ${{ needs.verify.outputs.head }}" in args
    checks = [s for s in verify["steps"] if s.get("with", {}).get("command") == "fix"]
    assert all(step["with"]["base"] == "${{ github.sha }}" for step in checks)
    assert all("--check" in step["with"]["args"] for step in checks)


def test_a_gate_may_read_only() -> None:
    for path in (".github/workflows/gate.yml", "examples/workflows/gate.yml"):
        workflow = load(ROOT / path)
        assert "secrets" not in repr(workflow)
        for job in workflow["jobs"].values():
            assert is_lent(job) or job["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(
    ("event", "head", "asked", "runs"),
    [
        ("pull_request", "own/code", True, True),
        ("pull_request", "own/code", False, False),
        ("pull_request", "fork/code", True, False),
        ("push", "", True, True),
    ],
)
def test_code_scanning_is_told_where_that_is_asked_and_no_fork(
    event: str, head: str, asked: bool, runs: bool
) -> None:
    job = load(ROOT / ".github/workflows/gate.yml")["jobs"]["code-scanning"]
    known = {
        "!cancelled()": "True",
        "inputs.code-scanning": str(asked),
        "github.event_name": repr(event),
        "github.event.pull_request.head.repo.full_name": repr(head),
        "github.repository": "'own/code'",
        "&&": " and ",
        "||": " or ",
    }
    condition = job["if"].removeprefix("${{").removesuffix("}}").strip()
    for name, value in known.items():
        condition = condition.replace(name, value)
    assert eval(condition, {"__builtins__": {}}) is runs


def test_what_is_uploaded_is_what_the_gate_wrote_and_never_fails_it() -> None:
    jobs = load(ROOT / ".github/workflows/gate.yml")["jobs"]
    upload = jobs["code-scanning"]
    steps = upload["steps"]
    for job, fetch, send in (("check", *steps[:2]), ("security", *steps[2:])):
        kept, fetched, sent = jobs[job]["steps"][-1]["with"], fetch["with"], send["with"]
        assert (fetched["name"], fetched["path"]) == (kept["name"], sent["sarif_file"])
        assert fetch["if"] == send["if"] == jobs[job]["if"]
    assert all(step["continue-on-error"] is True for step in steps)
    assert len({step["with"]["category"] for step in steps[1::2]}) == 2  # one would end the other
    assert "checkout" not in repr(upload)


@pytest.mark.parametrize(("name", "job"), [("nightly", "measure"), ("reverify", "compare")])
def test_one_door_is_taken_with_the_same_inputs(name: str, job: str) -> None:
    found = load(ROOT / f".github/workflows/{name}.yml")["jobs"][job]
    doors = [step for step in found["steps"] if step["uses"].startswith("./")]
    assert [step["uses"] for step in doors] == [
        f"./{OWN}{door}" for door in ("", "/gpu", "/composite")
    ]
    assert [step["if"] for step in doors] == [
        "${{ !inputs.host && !inputs.gpu }}",
        "${{ !inputs.host && inputs.gpu }}",
        "${{ inputs.host }}",
    ]
    for key in ("with", "timeout-minutes"):
        assert all(step[key] == doors[0][key] for step in doors)
    for output, value in found["outputs"].items():
        read = [f"steps.{step['id']}.outputs.{output}" for step in doors]
        assert value == f"${{{{ {' || '.join(read)} }}}}"


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("examples/workflows/*.yml")), ids=lambda p: p.name
)
def test_an_example_passes_only_what_is_taken(path: Path) -> None:
    for job in load(path)["jobs"].values():
        if "uses" in job:
            called = load(ROOT / job["uses"].split("@")[0].removeprefix("OWNER/autoresearch-ci/"))
            call = called["on"]["workflow_call"]
            assert job.get("with", {}).keys() <= call["inputs"].keys()
            assert job.get("secrets", {}).keys() <= call.get("secrets", {}).keys()
            for needed in called["jobs"].values():  # a called workflow can only be given less
                given = set(job["permissions"].items())
                assert needed.get("permissions", {}).items() <= given | {
                    (k, "read") for k, _ in given
                }
        for step in job.get("steps", []):
            if "OWNER/" in step.get("uses", ""):
                assert step["with"].keys() <= INPUTS.keys()


GOOD = """
name: Good
on: {push: {branches: [main]}}
permissions: {}
concurrency: {group: a, cancel-in-progress: false}
jobs:
  one:
    runs-on: x
    timeout-minutes: 10
    permissions: {}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
        with: {persist-credentials: false}
      - {id: run, uses: ./, timeout-minutes: 8, with: {max-minutes: 6}}
      - {run: 'echo "$X"', env: {X: '${{ steps.run.outputs.best }}'}}
"""


CALLED = (
    "on: {workflow_call: {inputs: {a: {type: number, default: '1'}}, "
    "outputs: {b: {description: c, value: '${{ jobs.one.outputs.best }}'}}}}"
)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("on: {push: {branches: [main]}}", "on: {pull_request_target: }", "privileged event"),
        ("permissions: {}\nconc", "permissions: {contents: write}\nconc", "permissions of the"),
        ("    permissions: {}\n", "", "no permissions"),
        (
            "    permissions: {}\n",
            "    permissions: {contents: write}\n",
            "beside a token that may",
        ),
        ("uses: ./,", "uses: $/,", "not pinned"),
        ("uses: ./,", "uses: $/composite,", "not pinned"),
        ("uses: ./,", "uses: OWNER/autoresearch-ci@main,", "not pinned"),
        ("uses: ./,", "uses: ./.autoresearch-ci,", "not checked out at the workflow's commit"),
        ("concurrency: {group: a, cancel-in-progress: false}\n", "", "no concurrency"),
        ("    timeout-minutes: 10\n", "", "no timeout-minutes"),
        ("timeout-minutes: 8", "timeout-minutes: 10", "as long as its job"),
        ("max-minutes: 6", "max-minutes: 7", "as long as its step"),
        (", timeout-minutes: 8", "", "our step has no timeout-minutes"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "not pinned to a commit"),
        ("persist-credentials: false", "fetch-depth: 0", "leaves its token"),
        ('echo "$X"', "echo ${{ github.event.issue.title }}", "inside of a script"),
        ("outputs.best", "outputs.bets", "unknown output bets"),
        ("steps.run.", "steps.ran.", "unknown step ran"),
        ("steps.run.outputs.best", "inputs.best", "unknown inputs.best"),
        ("steps.run.outputs.best", "toJSON(secrets)", "overprovisioned-secrets"),
        ("steps.run.outputs.best", "fromJSON(secrets.ANTHROPIC_API_KEY).a", "unredacted-secrets"),
        ("steps.run.outputs.best", "github.ref && false || github.sha", "unsound-ternary"),
        ("steps.run.outputs.best", "matrix.best", "unknown matrix.best"),
        ("steps.run.outputs.best", "step.run", "unknown context step"),
        ('echo "$X"', 'echo A=1 >> "$GITHUB_ENV"', "github-env"),
        ("env: {X:", "env: {ACTIONS_ALLOW_UNSECURE_COMMANDS:", "insecure-commands"),
        ("      - {run:", "      - {shell: cmd, run:", "misfeature"),
        ("      - {run:", "      - {id: run, run:", "two steps are called run"),
        ("uses: ./,", "uses: ./a/../b,", "obfuscation"),
        ("runs-on: x", "runs-on: x\n    if: github.actor == 'a'", "bot-conditions"),
        ("runs-on: x", "runs-on: x\n    if: '!${{ true }}'", "unsound-condition"),
        ("runs-on: x", "runs-on: x\n    if: contains('a b', github.ref)", "unsound-contains"),
        ("runs-on: x", "runs-on: x\n    needs: one", "waits for itself"),
        ("runs-on: x", "runs-on: x\n    needs: [two]", "needs the unknown job two"),
        ("max-minutes: 6", "max-minute: 6", "our action has no input max-minute"),
        ("on: {push:", "on: {schedule: [{cron: '60 1 * * *'}], push:", "no cron"),
        (
            "permissions: {}\n    steps:",
            "permissions: {contents: write}\n    steps:\n      - uses: actions/cache@v4",
            "cache-poisoning",
        ),
        (
            "permissions: {}\n    steps:",
            "permissions: {}\n    steps:\n      - {uses: actions/upload-artifact@v4, "
            "with: {path: .}}",
            "artipacked",
        ),
        ("on: {push: {branches: [main]}}", CALLED, "the default of a is no number"),
        ("on: {push: {branches: [main]}}", CALLED, "unknown jobs.one.outputs.best"),
    ],
)
def test_each_rule_can_be_broken(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "workflow.yml"
    path.write_text(GOOD)
    assert list(workflow_problems(load(path), tuple(INPUTS), OUTPUTS)) == []
    assert GOOD.count(old) == 1
    path.write_text(GOOD.replace(old, new))
    found = list(workflow_problems(load(path), tuple(INPUTS), OUTPUTS))
    assert any(problem in sentence for sentence in found), found


def test_a_strangers_pull_request_reaches_no_runner_of_our_own(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yml"
    path.write_text(GOOD.replace("runs-on: x", "runs-on: [self-hosted, gpu]"))
    assert list(workflow_problems(load(path), tuple(INPUTS), OUTPUTS)) == []
    path.write_text(path.read_text().replace("{push: {branches: [main]}}", "{pull_request: }"))
    (found,) = workflow_problems(load(path), tuple(INPUTS), OUTPUTS)
    assert "self-hosted-runner" in found


@pytest.mark.parametrize(
    ("old", "new"),
    [("runs-on", "run-on"), ("timeout-minutes: 10", "timeout-minutes: ten"), ("one:", "1 one:")],
)
def test_a_misspelt_key_is_no_workflow(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "workflow.yml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(load(path), WORKFLOW)


SCHEMAS = Path(os.environ.get("AUTORESEARCH_SCHEMAS", "/nowhere"))
"""A folder with github-workflow.json and github-action.json of SchemaStore."""


@pytest.mark.skipif(
    not SCHEMAS.is_dir(), reason="AUTORESEARCH_SCHEMAS names no folder; CI has them"
)
@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-workflow.json", WORKFLOWS),
        (
            "github-action.json",
            [ROOT / name for name in ("action.yml", "composite/action.yml", "gpu/action.yml")],
        ),
    ],
)
def test_the_published_schemas_hold(schema: str, paths: list[Path]) -> None:
    found = json.loads((SCHEMAS / schema).read_text(encoding="utf-8"))
    for path in paths:
        jsonschema.validate(load(path), found)


def test_a_key_beside_a_strangers_commit_waits_for_a_person_and_brings_only_the_bases_rules() -> (
    None
):
    workflow = load(ROOT / "examples" / "workflows" / "security-audit.yml")
    assert [*workflow["on"]] == ["workflow_dispatch"]
    (job,) = workflow["jobs"].values()
    checkout, step = job["steps"]
    assert (job["environment"], job["permissions"]) == ("security-audit", {"contents": "read"})
    assert checkout["with"]["ref"] == "${{ inputs.commit }}"
    assert {"--proposed", "none"} <= {*step["with"]["args"].split()}
    assert "anthropic-api-key" in step["with"]


# --- GitLab ---------------------------------------------------------------------------------------


COMPONENTS = pytest.mark.parametrize("name", ["autoresearch", "fix", "gate", "plan", "security"])


def component(name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    text = (ROOT / "templates" / f"{name}.yml").read_text(encoding="utf-8")
    header, jobs = yaml.safe_load_all(text)
    return text, header, jobs


@COMPONENTS
def test_a_gitlab_component_is_found_by_the_name_that_its_users_write(name: str) -> None:
    text, _, jobs = component(name)
    assert re.findall(r"component: \S+/autoresearch-ci/(\S+)@", text) == [name]
    assert list(jobs) == [name]


def test_gitlabs_catalogue_finds_every_component() -> None:
    # TEMPLATE_PATH_REGEX of its app/models/ci/catalog/components_project.rb
    for path in (ROOT / "templates").rglob("*.*"):
        assert re.fullmatch(r"templates/[\w-]+(/template)?\.yml", str(path.relative_to(ROOT)))


@COMPONENTS
def test_a_gitlab_component_is_of_gitlabs_syntax(name: str) -> None:
    _, header, jobs = component(name)
    jsonschema.validate(header, GITLAB_HEADER)
    jsonschema.validate(jobs, GITLAB_JOBS)
    for wrong in ("stage", "script", "rules"):
        broken = {name: {**jobs[name], wrong: {"a": 1}}}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, GITLAB_JOBS)


@COMPONENTS
def test_a_gitlab_component_takes_its_inputs_as_variables(name: str) -> None:
    text, header, jobs = component(name)
    inputs, job = header["spec"]["inputs"], jobs[name]
    used = set(re.findall(r"\$\[\[ inputs\.([\w-]+) \]\]", text.split("\n---\n")[1]))
    assert used == inputs.keys()
    assert "$[[" not in "".join((*job["script"], *job["before_script"]))
    given = {name.removeprefix("INPUT_").replace("_", "-").lower() for name in job["variables"]}
    assert given - {"git-depth", "autoresearch-package"} <= INPUTS.keys()
    (ours,) = (line for line in job["script"] if line.endswith("-m autoresearch_ci.cli.action"))
    assert ours.startswith("exec ") or name == "plan"  # which brings what was written
    # What holds a token that may write does not start for a merge request.
    reads_only = name in ("gate", "security")
    assert ("merge_request_event" in text) == reads_only == ("GITLAB_TOKEN" not in text)


@COMPONENTS
def test_a_gitlab_component_installs_us_from_a_repository_and_from_no_index(name: str) -> None:
    package = component(name)[1]["spec"]["inputs"]["package"]["default"]
    assert re.fullmatch(r"autoresearch-ci(\[\w+\])? @ git\+https://\S+@\S+", package)


def test_gitlab_judges_what_a_merge_request_brings_and_on_a_schedule_all_of_it() -> None:
    _, _, jobs = component("security")
    proposed, whole = jobs["security"]["rules"]
    assert "merge_request_event" in proposed["if"]
    assert proposed["variables"] == {"INPUT_ARGS": "--diff --publish none"}
    assert "variables" not in whole
    assert jobs["security"]["variables"]["INPUT_ARGS"] == "--publish none"
    reports = jobs["security"]["artifacts"]["reports"]
    assert {*reports} == {"codequality", "sast"}
    names = {pattern.removeprefix("autoresearch/security-*/") for pattern in reports.values()}
    assert names == {"gl-code-quality-report.json", "gl-sast-report.json"}


def test_the_changes_that_ci_tries_on_the_trainer_can_be_made() -> None:
    lines = (ROOT / "trainer" / "changes.jsonl").read_text(encoding="utf-8").splitlines()
    edits = [edit for line in lines for edit in json.loads(line)["edits"]]
    assert len(edits) > 1
    for edit in edits:
        found = (ROOT / edit["path"]).read_text(encoding="utf-8").count(edit["old"])
        assert found == 1, edit
        assert edit["new"] != edit["old"]


def test_the_search_finds_the_trainers_constants() -> None:
    source = ROOT / "trainer" / "train.py"
    found = find_constants("trainer/train.py", source.read_bytes())
    assert {"DEPTH", "MATRIX_LR", "PAIR_ROWS"} <= {constant.name for constant in found}


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/nightly.yml",
        ".github/workflows/fix.yml",
        "examples/workflows/one-job.yml",
    ],
)
def test_what_is_kept_is_uploaded_however_a_night_ends(path: str) -> None:
    """The run folder with its bundle; and the second job does not wait for the first to succeed."""
    jobs = load(ROOT / path)["jobs"]
    run, *more = jobs.values()
    (upload,) = (s for s in run["steps"] if s.get("uses", "").startswith("actions/upload-artifact"))
    told = [str(step.get("with", {}).get("args")) for step in run["steps"]]
    tags = {found[1] for text in told if (found := re.search(r"--tag (.+) --publish-b", text))}
    folders = {f"autoresearch/run-{tag}/" for tag in tags}
    if path.endswith("fix.yml"):  # what its own folder is called depends on the tag
        folders = {f"{text.rpartition('--output ')[2]}/" for text in told if "--output" in text}
    assert upload["if"] == "always()"
    assert {upload["with"]["path"]} == folders
    assert all("always()" in job["if"] for job in more)
