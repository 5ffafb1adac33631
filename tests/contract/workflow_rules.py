"""What we ask of every workflow and action file; each rule returns sentences about what breaks it.

The syntax is that of docs.github.com (workflow syntax, metadata syntax) as far as our files use it;
the rest are the rules of actionlint and zizmor that are cheap to have without them (more of them in
workflow_audits.py). CI runs the real schemas and zizmor as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.workflow_audits import needed, workflow_audits

TEXT = {"type": "string"}
TEXTS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\$\{\{.*\}\}$"}]}
PERMISSIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        name: {"enum": ["read", "write", "none"]}
        for name in (
            *("actions", "attestations", "checks", "contents", "id-token", "issues"),
            *("packages", "pull-requests", "security-events"),
        )
    },
}


def mapping(needed: str = "", /, **properties: Any) -> dict[str, Any]:
    """A mapping of exactly these keys; `_` in a name is a hyphen, as YAML's `with_` is `with`."""
    named = {key.rstrip("_").replace("_", "-"): value for key, value in properties.items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": named,
        "required": needed.split(),
    }


def each(value: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "patternProperties": {r"^[A-Za-z_][\w-]*$": value},
        "additionalProperties": False,
    }


STEP = mapping(
    id=TEXT,
    name=TEXT,
    if_=TEXT,
    uses=TEXT,
    run=TEXT,
    shell=TEXT,
    with_=TEXTS,
    env=TEXTS,
    timeout_minutes=NUMBER,
    continue_on_error={"const": True},
)
JOB = mapping(
    name=TEXT,
    needs={"type": ["string", "array"]},
    if_=TEXT,
    runs_on={"type": ["string", "array"]},
    timeout_minutes=NUMBER,
    permissions=PERMISSIONS,
    environment=TEXT,
    outputs=each(TEXT),
    strategy={"type": "object"},
    steps={"type": "array", "items": STEP},
    uses=TEXT,
    with_=TEXTS,
    secrets=each(TEXT),
)
CALL_INPUT = mapping(
    "type description",
    description=TEXT,
    type={"enum": ["string", "number", "boolean"]},
    default={"type": ["string", "number", "boolean"]},
    required={"type": "boolean"},
)
CALL = mapping(
    inputs=each(CALL_INPUT),
    secrets=each(mapping("description", description=TEXT, required={"type": "boolean"})),
    outputs=each(mapping("description value", description=TEXT, value=TEXT)),
)
PULL_REQUEST = {"anyOf": [{"type": "null"}, mapping(types={"type": "array"})]}
WORKFLOW = mapping(
    "name on jobs",
    name=TEXT,
    on=mapping(
        push=mapping(branches={"type": "array"}),
        pull_request=PULL_REQUEST,
        workflow_dispatch={"anyOf": [{"type": "null"}, mapping(inputs=each(CALL_INPUT))]},
        schedule={"type": "array", "items": mapping("cron", cron=TEXT)},
        issues=mapping("types", types={"type": "array"}),
        issue_comment=mapping("types", types={"type": "array"}),
        workflow_call=CALL,
    ),
    permissions=PERMISSIONS,
    concurrency=mapping(
        "group cancel-in-progress",
        group=TEXT,
        cancel_in_progress={"type": ["boolean", "string"]},
    ),
    env=TEXTS,
    jobs=each(JOB),
)
# `workflow_call` and its like are spelt with an underscore.
_EVENTS = WORKFLOW["properties"]["on"]["properties"]
WORKFLOW["properties"]["on"]["properties"] = {k.replace("-", "_"): v for k, v in _EVENTS.items()}

ACTION = mapping(
    "name description inputs outputs runs",
    name=TEXT,
    description={"type": "string", "maxLength": 125},
    author=TEXT,
    branding=mapping("icon color", icon={"const": "trending-down"}, color={"const": "green"}),
    inputs=each(mapping("description", description=TEXT, default=TEXT)),
    outputs=each(mapping("description", description=TEXT, value=TEXT)),
    runs={
        "oneOf": [
            mapping(
                "using image entrypoint args",
                using={"const": "docker"},
                image=TEXT,
                entrypoint=TEXT,
                pre_entrypoint=TEXT,
                post_entrypoint=TEXT,
                args={"type": "array", "items": TEXT},
                env=TEXTS,
            ),
            mapping(
                "using steps",
                using={"const": "composite"},
                steps={"type": "array", "items": STEP},
            ),
        ]
    },
)

GITLAB_HEADER = mapping(
    "spec",
    spec=mapping(
        "inputs",
        inputs=each(
            mapping(
                description=TEXT,
                type={"enum": ["string", "number", "boolean", "array"]},
                default={"type": ["string", "number", "boolean", "array"]},
                options={"type": "array"},
                regex=TEXT,
            )
        ),
    ),
)
_LINES = {"type": "array", "items": TEXT, "minItems": 1}
_VARIABLE = mapping("value", value=TEXT, expand={"type": "boolean"})
_GITLAB_JOB = mapping(
    "stage script rules",
    stage=TEXT,
    image=TEXT,
    tags={"anyOf": [_LINES, {"type": "string", "pattern": r"^\$\[\[.*\]\]$"}]},
    timeout=TEXT,
    interruptible={"type": "boolean"},
    rules={
        "type": "array",
        "items": mapping("if", if_=TEXT, variables=each(TEXT)),
        "minItems": 1,
    },
    variables=each({"anyOf": [TEXT, _VARIABLE]}),
    script=_LINES,
    artifacts=mapping(
        "paths",
        when={"enum": ["on_success", "on_failure", "always"]},
        paths=_LINES,
        reports=mapping(codequality=TEXT, junit=TEXT, sast=TEXT),
    ),
)
# GitLab's keys are spelt with underscores.
_KEYS = _GITLAB_JOB["properties"]
_KEYS |= {"before_script": _LINES, "resource_group": TEXT}
_KEYS["artifacts"]["properties"]["expire_in"] = TEXT
GITLAB_JOBS = each(_GITLAB_JOB)

OWN = ".autoresearch-ci"
"""Where a workflow that others call checks out our own action."""
_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_DOOR = r"(/(composite|gpu))?"
_OURS = re.compile(
    rf"\./(composite|gpu)?|\./{re.escape(OWN)}{_DOOR}"
    rf"|OWNER/autoresearch-ci({_DOOR}|/\.github/workflows/[\w-]+\.yml)@v\d+\.\d+\.\d+"
)
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_PRIVILEGED = ("pull_request_target", "workflow_run", "issue_comment")


def workflow_problems(
    workflow: Mapping[str, Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> Iterator[str]:
    """Everything wrong with one workflow; `inputs` and `outputs` are those of our own action."""
    yield from workflow_audits(workflow, inputs)
    events = workflow["on"]
    yield from (f"privileged event {name}" for name in _PRIVILEGED if name in events)
    lent = [job for job in workflow["jobs"].values() if is_lent(job)]
    if workflow.get("permissions") not in ((None,) if lent else ({}, {"contents": "read"})):
        yield "permissions of the whole workflow"
    if lent and [*events] != ["workflow_call"]:
        yield "a job without permissions that nobody lends any"
    calls = all("uses" in job for job in workflow["jobs"].values())
    if "concurrency" not in workflow and not calls:
        yield "no concurrency group"
    for name, job in workflow["jobs"].items():
        yield from (f"{name}: {problem}" for problem in _job_problems(job))
        for other in needed(job):
            if other not in workflow["jobs"]:
                yield f"{name}: needs the unknown job {other}"
        yield from (f"{name}: {problem}" for problem in _references(job, workflow, outputs))


def _job_problems(job: Mapping[str, Any]) -> Iterator[str]:
    if "permissions" not in job and not is_lent(job):
        yield "no permissions"
    if job.get("secrets") == "inherit":
        yield "inherits every secret"
    if "uses" in job:
        yield from pin_problems(job["uses"])
        return
    limit = job.get("timeout-minutes")
    if limit is None:
        yield "no timeout-minutes"
    yield from _own_checkout_problems(job["steps"])
    for step in job["steps"]:
        yield from step_problems(step)
        if ours(step):
            if measures(step) and "write" in job.get("permissions", {}).values():
                yield "measured code beside a token that may write"
            own, budget = step.get("timeout-minutes"), step.get("with", {}).get("max-minutes")
            if own is None:
                yield "our step has no timeout-minutes"
            elif isinstance(own, int) and isinstance(limit, int) and own >= limit:
                yield "our step may last as long as its job"
            elif isinstance(own, int) and isinstance(budget, int) and budget > own - 2:
                yield "our run may last as long as its step"


_ONLY_HANDS_ON = ("actions/download-artifact@", "github/codeql-action/upload-sarif@")


def is_lent(job: Mapping[str, Any]) -> bool:
    """Whether it has the rights of the job that calls it, and only hands a report on with them."""
    steps = job.get("steps", [])
    handing = all(step.get("uses", "").startswith(_ONLY_HANDS_ON) for step in steps)
    return "permissions" not in job and bool(steps) and handing


def ours(step: Mapping[str, Any]) -> bool:
    return bool(_OURS.fullmatch(step.get("uses", "")))


def measures(step: Mapping[str, Any]) -> bool:
    """Whether a step of ours runs the repository's code."""
    return step.get("with", {}).get("command", "run") in ("run", "fix", "compare", "doctor", "init")


def _own_checkout_problems(steps: list[Mapping[str, Any]]) -> Iterator[str]:
    """Called from elsewhere, `./` is the caller's code: ours comes from where the workflow does."""
    there = False
    for step in steps:
        given = step.get("with", {})
        if given.get("path") == OWN and step.get("uses", "").startswith("actions/checkout@"):
            # without a repository, checkout would take the caller's
            there = given["repository"] == "${{ job.workflow_repository || 'unknown' }}"
            there &= given["ref"] == "${{ job.workflow_sha }}"
        if step.get("uses", "").startswith(f"./{OWN}") and not there:
            yield "our own action is not checked out at the workflow's commit"


def step_problems(step: Mapping[str, Any]) -> Iterator[str]:
    """Of a workflow's step, or a composite action's."""
    if _EXPRESSION.search(step.get("run", "")):
        yield "an expression inside of a script: pass it by env"
    uses = step.get("uses", "")
    if uses:
        yield from pin_problems(uses)
    if (
        uses.startswith("actions/checkout@")
        and step.get("with", {}).get("persist-credentials") is not False
    ):
        yield "checkout leaves its token in the workspace"


def pin_problems(uses: str) -> Iterator[str]:
    """Somebody else's code must be named by a commit, and all as the runner reads it.

    Its parsers (PipelineTemplateConverter.cs, WorkflowTemplateConverter.cs) take `docker://`, `./`
    and `owner/name[/path]@ref`. `$/`, this repository, needs a path behind it for the one, and is
    unknown to the other.
    """
    if not (_PINNED.fullmatch(uses) or _OURS.fullmatch(uses)):
        yield f"not pinned to a commit: {uses}"


def _sets(step: Mapping[str, Any], output: str, ours_are: tuple[str, ...]) -> bool:
    """Whether a step has that output, as far as can be told: not of other people's actions."""
    if "run" in step:
        return f"{output}=" in step["run"]
    return output in ours_are or bool(_PINNED.fullmatch(step["uses"]))


def _references(
    job: Mapping[str, Any], workflow: Mapping[str, Any], outputs: tuple[str, ...]
) -> Iterator[str]:
    """`inputs.x`, `secrets.x`, `steps.x.outputs.y` and `needs.x.outputs.y` that do not exist."""
    call = (workflow["on"].get("workflow_call")) or {}
    asked = (workflow["on"].get("workflow_dispatch") or {}).get("inputs", {})
    ids = {step["id"]: step for step in job.get("steps", []) if "id" in step}
    for expression in _EXPRESSION.findall(repr(job)):
        for kind, name in re.findall(r"\b(inputs|secrets)\.([\w-]+)", expression):
            known = call.get(kind, {}) if call else {**asked, "ANTHROPIC_API_KEY": 0}
            if name not in known:
                yield f"unknown {kind}.{name}"
        for step, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", expression):
            if step not in ids:
                yield f"unknown step {step}"
            elif not _sets(ids[step], output, outputs):
                yield f"unknown output {output}"
        for other, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", expression):
            if output not in workflow["jobs"].get(other, {}).get("outputs", {}):
                yield f"unknown needs.{other}.outputs.{output}"
