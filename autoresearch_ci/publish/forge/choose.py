"""Configuration and environment -> which forge, repository and token, and what is told about it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from autoresearch_ci.config.resolve import Config, Publish
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Note, Observer
from autoresearch_ci.publish.forge.forge import Forge
from autoresearch_ci.publish.forge.settings import Settings
from autoresearch_ci.record.past_notebooks import ruler_mark
from autoresearch_ci.workspace.repository import Repository

_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]+:(?!//)(?P<path>.+)")
Sleep = Callable[[float], None]


def make_forge(
    publish: Publish,
    repository: Repository,
    environment: Mapping[str, str],
    observe: Observer,
    sleep: Sleep = time.sleep,
) -> Forge:
    """GitHub or GitLab; `publish.mode` or, where that names none, the job says which.

    Raises `ConfigError` when a token or the repository's name lacks.
    """
    named = publish.mode in ("github", "gitlab")
    gitlab = publish.mode == "gitlab" if named else bool(environment.get("GITLAB_CI"))
    name = "CI_PROJECT_PATH" if gitlab else "GITHUB_REPOSITORY"
    slug = publish.repository or environment.get(name, "")
    slug = slug or _slug(repository.remote_url(publish.remote))
    if not slug:
        raise ConfigError(
            f"publish: which repository? {name} is not set, and there is no remote "
            f"{publish.remote!r} whose address says it.\n"
            "do: set publish.repository to owner/name."
        )
    if gitlab:
        from autoresearch_ci.publish.forge.gitlab import GitLab

        return GitLab(slug, environment)
    from autoresearch_ci.publish.forge.github import GitHub

    def note(message: str) -> None:
        observe(Note(message=message))

    return GitHub(slug, environment, sleep=sleep, note=note)


def settings(config: Config, tag: str, environment: Mapping[str, str]) -> Settings:
    """What a publication needs to know."""
    publish = config.publish
    branch = publish.branch_name(tag)
    base = publish.base or _base(environment)
    return Settings(
        branch=branch,
        base="" if base == branch else base,
        metric=config.metric.name or "metric",
        direction=config.metric.direction,
        draft=publish.draft,
        ready=publish.ready,
        labels=publish.labels,
        reviewers=publish.reviewers,
        holdout=(config.holdout.name or "a second metric") if config.holdout else "",
        ruler=ruler_mark(config),
        job=_job(environment),
    )


def _base(environment: Mapping[str, str]) -> str:
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


def _slug(url: str) -> str:
    """`owner/name` of a remote's address, whatever its form."""
    scp = _SCP.fullmatch(url)
    path = scp["path"] if scp and "://" not in url else urlsplit(url).path
    return path.strip("/").removesuffix(".git") if url.startswith(("http", "ssh:")) or scp else ""
