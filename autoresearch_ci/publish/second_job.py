"""`autoresearch-ci publish --bundle FILE`: checks what another job wrote, then publishes it.

Runs no code of the repository: it reads commits, never a working tree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from autoresearch_ci.config.resolve import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Observer
from autoresearch_ci.experiment import Published
from autoresearch_ci.preflight import committed_scope
from autoresearch_ci.publish.bases import Bases, is_checked_out
from autoresearch_ci.publish.bundle import Manifest
from autoresearch_ci.publish.forge.choose import make_forge, settings
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.publication import Publication
from autoresearch_ci.publish.verification import verified
from autoresearch_ci.report.summary import RunInfo
from autoresearch_ci.workspace.repository import Repository


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
    """`config` is that of `ruling_commit`. Raises `WorkspaceError` when the bundle is refused."""
    repository = Repository.open(start)
    publish = config.publish
    if publish.branch_name(manifest.tag) != manifest.branch:
        raise ConfigError(
            f"the bundle is for the branch {manifest.branch!r}, and publish.branch says another.\n"
            "usually: the two jobs were given different flags.\n"
            "do: put publish.branch into the configuration file."
        )
    known = settings(config, manifest.tag, environment)
    forge = make_forge(publish, repository, environment, observe, sleep)
    with ExitStack() as stack:
        stack.callback(repository.close)
        reader = Remote(forge.address, repository, token=forge.token, sleep=sleep)
        stack.callback(reader.close)
        bases = Bases(repository=repository, remote=reader, branch=known.branch, into=known.base)
        bases.require(manifest)
        scope = committed_scope(config, config_path, repository, manifest.base)
        direction = config.metric.direction
        story = stack.enter_context(verified(manifest, commits, repository, scope, direction))
        remote = Remote(
            forge.address, repository, token=forge.token, objects=story.objects, sleep=sleep
        )
        publication = Publication(forge, remote, repository, known, observe)
        stack.callback(publication.close)
        beginning = publication.place(manifest.tag, manifest.head, manifest.notebook)
        info = _told(manifest.info, config, manifest)
        publication.follow(story, beginning, lambda: info)
        return publication.finish(hurry=False)


def ruling_commit(start: Path, manifest: Manifest) -> str:
    """Whose configuration rules: the base's, or HEAD's where the base is a branch of ours.

    HEAD is what people have agreed on; a branch of ours may be pushed to by anybody who may write.
    """
    repository = Repository.open(start)
    try:
        return manifest.base if is_checked_out(repository, manifest.base) else repository.head()
    finally:
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
