"""A workflow or a composite action as the rules see it: jobs, steps, triggers, and their lines.

What GitHub would refuse is not judged. Whatever has another type than GitHub knows is as if it were
not there; what is written there is scanned by other tools as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoresearch_ci.config.reader import Path, read_foreign
from autoresearch_ci.errors import ConfigError

OUTSIDERS = frozenset(
    {
        *("issues", "issue_comment", "pull_request_target", "discussion", "discussion_comment"),
        *("workflow_run", "gollum", "watch", "fork"),
    }
)
"""Anybody can set these off, and the job has the repository's secrets and a token of its own."""
PROPOSALS = frozenset({"pull_request", "pull_request_review", "pull_request_review_comment"})
"""Anybody can set these off; what comes from a fork has neither secrets nor a token that writes."""
CALLED = "workflow_call"
"""Set off by whatever sets its caller off."""

STEPS = 1_000
"""Of one file; GitHub itself starts no more jobs than 256."""
TEXT = 20_000
"""Characters of one value. What is longer is not looked at, and so the file is not."""

_WORKFLOW = re.compile(r"(^|/)\.github/workflows/[^/]+\.ya?ml$")
_ACTION = re.compile(r"(^|/)action\.ya?ml$")


def is_workflow(path: str) -> bool:
    """Whether GitHub would run it, of this or of a nested repository."""
    return _WORKFLOW.search(path) is not None


def is_action(path: str) -> bool:
    """Whether it describes an action."""
    return _ACTION.search(path) is not None


@dataclass(frozen=True, kw_only=True)
class WorkflowStep:
    """One step."""

    at: Path
    """Where it stands: `("jobs", "review", "steps", 2)`."""
    id: str
    uses: str
    run: str
    inputs: Mapping[str, str]
    env: Mapping[str, str]
    condition: str

    def texts(self) -> Iterator[tuple[Path, str]]:
        """All that the step is told, each with its place."""
        if self.run:
            yield (*self.at, "run"), self.run
        for name, value in self.inputs.items():
            yield (*self.at, "with", name), value
        for name, value in self.env.items():
            yield (*self.at, "env", name), value


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job; of a composite action, all of it."""

    name: str
    steps: Sequence[WorkflowStep]
    env: Mapping[str, str]
    """The workflow's, too."""
    permissions: Mapping[str, str] | str | None
    """By scope `read`, `write` or `none`; or `read-all`, `write-all`; `None`: nobody says."""
    condition: str
    needs: Sequence[str]
    environment: bool
    """Whether it names a deployment environment, which may ask somebody to approve."""
    outputs: Mapping[str, str]
    isolated: bool
    """Whether its container has no network."""


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """One file."""

    path: str
    triggers: frozenset[str]
    jobs: Mapping[str, Job]
    lines: Mapping[Path, int]
    source: Sequence[str]
    called: bool = field(default=False)
    """Whether other files decide when it runs."""

    def line(self, at: Path, words: str = "") -> int:
        """1-based, of a key; with `words`, of the line in its value where they begin."""
        while at and at not in self.lines:
            at = at[:-1]
        first = self.lines.get(at, 1)
        for number in range(first, min(first + _LONGEST, len(self.source)) + 1):
            if words and words in self.source[number - 1]:
                return number
        return first


_LONGEST = 400
"""Lines of one value."""


def parse(path: str, content: str) -> Workflow:
    """Raises `ConfigError` for what is not YAML, not a mapping, or more than is looked at."""
    document = read_foreign(content, path)
    data = document.data
    _refuse_endless(path, data)
    triggers, jobs = _triggers(data.get("on")), {}
    if isinstance(data.get("runs"), Mapping) and "jobs" not in data:
        runs = data["runs"]
        jobs[""] = _job(("runs",), "", {**runs, "env": {}}, {}, None)
    else:
        env, permissions = _texts(data.get("env")), _permissions(data.get("permissions"))
        for name, job in _mapping(data.get("jobs")).items():
            if isinstance(job, Mapping):
                jobs[name] = _job(("jobs", name), name, job, env, permissions)
    return Workflow(
        path=path,
        triggers=triggers,
        jobs=jobs,
        lines=document.lines,
        source=content.splitlines(),
        called=CALLED in triggers or not is_workflow(path),
    )


def _refuse_endless(path: str, value: object) -> None:
    pending, steps = [value], 0
    while pending:
        found = pending.pop()
        if isinstance(found, Mapping):
            steps += ("run" in found) or ("uses" in found)
            pending += found.values()
        elif isinstance(found, list):
            pending += found
        elif isinstance(found, str) and len(found) > TEXT:
            raise ConfigError(f"{path}: a value has more than {TEXT} characters")
    if steps > STEPS:
        raise ConfigError(f"{path}: has more than {STEPS} steps")


def _job(
    at: Path,
    name: str,
    job: Mapping[str, Any],
    env: Mapping[str, str],
    permissions: Mapping[str, str] | str | None,
) -> Job:
    own = _permissions(job.get("permissions"))
    needs = job.get("needs")
    steps = job.get("steps")
    return Job(
        name=name,
        steps=[
            _step((*at, "steps", number), step)
            for number, step in enumerate(steps if isinstance(steps, list) else ())
            if isinstance(step, Mapping)
        ]
        or [_step(at, job)],
        env={**env, **_texts(job.get("env"))},
        permissions=permissions if own is None else own,
        condition=_text(job.get("if")),
        needs=[needs] if isinstance(needs, str) else [n for n in needs or () if isinstance(n, str)],
        environment=bool(job.get("environment")),
        outputs=_texts(job.get("outputs")),
        isolated="--network none" in _text(_mapping(job.get("container")).get("options")),
    )


def _step(at: Path, step: Mapping[str, Any]) -> WorkflowStep:
    """Also of a job that calls a workflow: it has `uses`, `with` and `secrets`."""
    return WorkflowStep(
        at=at,
        id=_text(step.get("id")),
        uses=_text(step.get("uses")),
        run=_text(step.get("run")),
        inputs=_texts(step.get("with")),
        env=_texts(step.get("env")),
        condition=_text(step.get("if")),
    )


def _triggers(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, (list, Mapping)):
        return frozenset(name for name in value if isinstance(name, str))
    return frozenset()


def _permissions(value: object) -> Mapping[str, str] | str | None:
    if isinstance(value, Mapping):
        return _texts(value)
    return value if isinstance(value, str) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> dict[str, str]:
    return {key: _text(found) for key, found in _mapping(value).items()}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or isinstance(value, (list, Mapping)) else str(value)
