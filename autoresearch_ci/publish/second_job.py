"""`autoresearch-ci publish --bundle FILE`: checks what another job wrote, then publishes it.

Runs no code of the repository: it reads commits, never a working tree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from autoresearch_ci.config import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Observer
from autoresearch_ci.preflight import committed_scope
from autoresearch_ci.publish import Published
from autoresearch_ci.publish.bundle import Manifest
from autoresearch_ci.publish.chosen import make_forge, settings
from autoresearch_ci.publish.publication import Publication
from autoresearch_ci.publish.verification import require_base, verified
from autoresearch_ci.remote import Remote
from autoresearch_ci.report.summary import RunInfo
from autoresearch_ci.workspace import Repository


def publish_bundle(
    manifest: Manifest,
    commits: bytes,
    config: Config,
    *,
    start: Path,
    config_path: str | None,
    environment: Mapping[str, str],
    observe: Observer,
    sleep: Callable[[float], None] = time.sleep,
) -> Published:
    """`config` is the base commit's. Raises `WorkspaceError` when the bundle is refused."""
    repository = Repository.open(start)
    require_base(repository, manifest)
    scope = committed_scope(config, config_path, repository, manifest.base)
    publish = config.publish
    if publish.mode not in ("github", "gitlab"):
        mode = "gitlab" if environment.get("GITLAB_CI") else "github"
        publish = publish.model_copy(update={"mode": mode})
    if publish.branch_name(manifest.tag) != manifest.branch:
        raise ConfigError(
            f"the bundle is for the branch {manifest.branch!r}, and publish.branch says another.\n"
            "usually: the two jobs were given different flags.\n"
            "do: put publish.branch into the configuration file."
        )
    with verified(manifest, commits, repository, scope, config.metric.direction) as story:
        forge = make_forge(publish, repository, environment, observe, sleep)
        remote = Remote(
            forge.address, repository, token=forge.token, objects=story.objects, sleep=sleep
        )
        known = settings(config, manifest.tag, environment)
        publication = Publication(forge, remote, repository, known, observe)
        try:
            beginning = publication.place(manifest.tag, manifest.head)
            info = _told(manifest.info, config, manifest)
            publication.follow(story, beginning, lambda: info)
            return publication.finish(hurry=False)
        finally:
            publication.close()
            repository.close()


def _told(info: RunInfo, config: Config, manifest: Manifest) -> RunInfo:
    """What the bundle says, except for what the base commit knows better."""
    return replace(
        info,
        tag=manifest.tag,
        base_commit=manifest.base,
        metric_name=config.metric.name or "metric",
        direction=config.metric.direction,
        metric_command=config.metric.command,
        guards=[guard.command for guard in config.guards],
        goal=config.goal,
    )
