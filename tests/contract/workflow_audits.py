"""Further audits of workflows and composite actions, after those of zizmor and actionlint.

Each is named as the tool names it, and needs no network. What the tools check besides is either
part of workflow_rules.py (pins, templates, permissions, triggers, checkout), impossible in what its
schema allows (containers, their credentials, anonymous definitions), or asks GitHub.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_CONTEXTS = {
    *("github", "env", "vars", "job", "jobs", "steps", "runner", "secrets"),
    *("strategy", "matrix", "needs", "inputs"),
}
_CRON = re.compile(r"(\S+ ){4}\S+")
_CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_SHELLS = ("bash", "sh", "python", "pwsh")


def step_audits(step: Mapping[str, Any]) -> Iterator[str]:
    """One step of a workflow, or of a composite action."""
    uses, run, given = step.get("uses", ""), step.get("run", ""), step.get("with", {})
    if re.search(r"GITHUB_(ENV|PATH)\b", run):
        yield "github-env: writes the environment of later steps"
    if "ACTIONS_ALLOW_UNSECURE_COMMANDS" in step.get("env", {}):
        yield "insecure-commands: commands in the log may set variables"
    if step.get("shell", "bash") not in _SHELLS or "pip-install" in given:
        yield "misfeature: a shell that nobody knows, or packages installed globally"
    if re.search(r"//|(^|/)\.\.(/|$)", uses.removeprefix("./").partition("@")[0]):
        yield "obfuscation: an odd path"
    if uses.startswith("actions/upload-artifact@") and given.get("path") in (".", "./"):
        yield "artipacked: uploads the whole workspace"
    if re.match(r"actions/(upload|download)-artifact@", uses) and "name" not in given:
        yield "an artifact without a name"


def workflow_audits(workflow: Mapping[str, Any], inputs: tuple[str, ...]) -> Iterator[str]:
    """A whole workflow; `inputs` are those of our own action."""
    yield from _expressions(repr(workflow))
    if "ACTIONS_ALLOW_UNSECURE_COMMANDS" in repr(workflow.get("env", {})):
        yield "insecure-commands: commands in the log may set variables"
    yield from _event_audits(workflow["on"])
    for output in (workflow["on"].get("workflow_call") or {}).get("outputs", {}).values():
        for job, name in re.findall(r"jobs\.([\w-]+)\.outputs\.([\w-]+)", output["value"]):
            if name not in workflow["jobs"].get(job, {}).get("outputs", {}):
                yield f"unknown jobs.{job}.outputs.{name}"
    for name, job in workflow["jobs"].items():
        yield from (f"{name}: {problem}" for problem in _job_audits(job, workflow, inputs))
    yield from _circles(workflow["jobs"])


def _event_audits(events: Mapping[str, Any]) -> Iterator[str]:
    for item in events.get("schedule", []):
        if not _is_cron(item["cron"]):
            yield f"no cron: {item['cron']}"
    types = {"string": str, "number": (int, float), "boolean": bool}
    for name, about in (events.get("workflow_call") or {}).get("inputs", {}).items():
        if "default" in about and not isinstance(about["default"], types[about["type"]]):
            yield f"the default of {name} is no {about['type']}"


def _is_cron(text: str) -> bool:
    """Five fields of numbers, ranges, lists and steps, within their bounds."""
    if not _CRON.fullmatch(text):
        return False
    for field, (low, high) in zip(text.split(), _CRON_FIELDS, strict=True):
        if not re.fullmatch(r"(\*|\d+(-\d+)?)(/\d+)?(,(\d+(-\d+)?)(/\d+)?)*", field):
            return False
        numbers = [int(n) for n in re.findall(r"(?<!/)\b\d+", field)]
        if any(not low <= number <= high for number in numbers):
            return False
    return True


def _job_audits(
    job: Mapping[str, Any], workflow: Mapping[str, Any], inputs: tuple[str, ...]
) -> Iterator[str]:
    events, steps = workflow["on"], job.get("steps", [])
    for part in (job, *steps):
        yield from _condition(str(part.get("if", "")))
    if "self-hosted" in repr(job.get("runs-on")) and "pull_request" in events:
        yield "self-hosted-runner: strangers' pull requests start it"
    writes = "write" in job.get("permissions", {}).values()
    ids = [step["id"] for step in steps if "id" in step]
    yield from (f"two steps are called {name}" for name in {i for i in ids if ids.count(i) > 1})
    dimensions = job.get("strategy", {}).get("matrix", {})
    for name in re.findall(r"\bmatrix\.([\w-]+)", repr(job)):
        if name not in dimensions:
            yield f"unknown matrix.{name}"
    for step in steps:
        yield from step_audits(step)
        uses, given = step.get("uses", ""), step.get("with", {})
        if writes and ("actions/cache" in uses or given.get("cache")):
            yield "cache-poisoning: a job that may write believes a cache"
        if re.match(
            r"(\.(/\.autoresearch-ci)?|OWNER/autoresearch-ci)/?(composite|gpu)?(@|$)", uses
        ):
            yield from (f"our action has no input {n}" for n in given.keys() - {*inputs})


def _condition(text: str) -> Iterator[str]:
    if "${{" in text and not re.fullmatch(r"\$\{\{[^}]*\}\}", text):
        yield "unsound-condition: text around the expression makes it true"
    if re.search(r"github\.(actor|triggering_actor)\b", text):
        yield "bot-conditions: the actor is whoever pushed last"
    if re.search(r"contains\(\s*'", text):
        yield "unsound-contains: a part of a word is contained, too"


def _expressions(text: str) -> Iterator[str]:
    for expression in _EXPRESSION.findall(text):
        if re.search(r"toJSON\(\s*secrets\s*\)|\bsecrets\[", expression, re.IGNORECASE):
            yield "overprovisioned-secrets: all secrets at once"
        if re.search(r"fromJSON\(\s*secrets\.", expression, re.IGNORECASE):
            yield "unredacted-secrets: a part of a secret is not masked"
        if re.search(r"&&\s*(''|\"\"|\\'\\'|0|false|null)\s*\|\|", expression):
            yield "unsound-ternary: the first value is false"
        bare = re.sub(r"\\?'.*?\\?'", "", expression)
        for name in re.findall(r"(?<![\w.-])([a-z][\w-]*)\.", bare):
            if name not in _CONTEXTS:
                yield f"unknown context {name}"


def _circles(jobs: Mapping[str, Any]) -> Iterator[str]:
    before = {name: needed(job) for name, job in jobs.items()}
    for name in jobs:
        seen, left = set[str](), list(before[name])
        while left:
            other = left.pop()
            if other not in seen:
                seen.add(other)
                left += before.get(other, ())
        if name in seen:
            yield f"{name}: waits for itself"


def needed(job: Mapping[str, Any]) -> list[str]:
    """The jobs that must have ended before."""
    names = job.get("needs", [])
    return [names] if isinstance(names, str) else list(names)
