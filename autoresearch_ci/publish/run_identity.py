"""What a run is called on the forge, and what its numbers mean there.

Only what no section of the configuration says by itself; the section `publish` is handed on as it
is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch_ci.config.schema import Config
from autoresearch_ci.experiment import Direction
from autoresearch_ci.record.remote_notebooks import ruler_mark
from autoresearch_ci.report.run_folder import metric_name


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """One run, for the forge and for the runs that follow it."""

    branch: str
    """`publish.branch` with the tag filled in: the first name that is tried."""
    into: str
    """Branch to merge into; empty: the forge's default branch."""
    job: str
    """Address of the job that runs; empty: it has none."""
    metric: str
    direction: Direction
    holdout: str
    """The holdout's name; empty: there is none."""
    ruler: str
    """The mark of what the numbers mean, see remote_notebooks.py."""
    goal: str
    """The mark of what is to become better: the metric, its direction, and the scope."""


def run_identity(config: Config, tag: str, environment: Mapping[str, str]) -> RunIdentity:
    """Of the run called `tag`, in this job."""
    branch = config.publish.branch_name(tag)
    into = config.publish.base or _job_branch(environment)
    return RunIdentity(
        branch=branch,
        into="" if into == branch else into,
        job=_job(environment),
        metric=metric_name(config),
        direction=config.metric.direction,
        holdout=(config.holdout.name or "a second metric") if config.holdout else "",
        ruler=ruler_mark(config),
        goal=_goal(config),
    )


def _goal(config: Config) -> str:
    """Unlike the ruler's mark, another guard or another way to prepare is no other goal."""
    metric = config.metric.model_dump(mode="json", include={"command", "extract", "direction"})
    known = [metric, metric_name(config), list(config.scope)]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:20]


def _job_branch(environment: Mapping[str, str]) -> str:
    """The branch that the job runs on; empty: the forge's default branch."""
    if environment.get("GITHUB_HEAD_REF"):  # of a pull request: ours goes on top of it
        return environment["GITHUB_HEAD_REF"]
    if environment.get("GITHUB_REF_TYPE") == "branch":
        return environment.get("GITHUB_REF_NAME", "")
    return environment.get("CI_COMMIT_BRANCH", "")


def _job(environment: Mapping[str, str]) -> str:
    server, slug, run = (
        environment.get(name, "")
        for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    )
    if server and slug and run.isdigit():
        return f"{server.rstrip('/')}/{slug}/actions/runs/{run}"
    return environment.get("CI_JOB_URL", "")
