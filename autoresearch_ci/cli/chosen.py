"""Configuration and environment -> the publisher of a run."""

from __future__ import annotations

import time
from collections.abc import Mapping

from autoresearch_ci.config.resolve import Config
from autoresearch_ci.events import Observer
from autoresearch_ci.preflight import Options
from autoresearch_ci.publish.forge.choose import Sleep, make_forge, settings
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.publisher import Publisher, Silent
from autoresearch_ci.workspace.repository import Repository


def make_publisher(
    config: Config,
    options: Options,
    *,
    environment: Mapping[str, str],
    observe: Observer,
    sleep: Sleep = time.sleep,
) -> Publisher:
    """`options.tag` is known. Raises `ConfigError` when a token or the repository's name lacks."""
    mode, tag = config.publish.mode, options.tag or ""
    if mode in ("none", "local"):
        return Silent()
    repository = Repository.open(options.start)
    if mode == "bundle":
        from autoresearch_ci.publish.bundle import BundleWriter
        from autoresearch_ci.publish.start_point import Look

        look = Look(
            config=config,
            repository=repository,
            environment=environment,
            observe=observe,
            sleep=sleep,
        )
        return BundleWriter(repository, config.publish.branch_name(tag), look)
    from autoresearch_ci.publish.publication import Publication

    forge = make_forge(config.publish, repository, environment, observe, sleep)
    remote = Remote(forge.address, repository, token=forge.token, sleep=sleep)
    return Publication(forge, remote, repository, settings(config, tag, environment), observe)
