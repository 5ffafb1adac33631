"""`autoresearch-ci publish`: a job that may write publishes what `run --publish bundle` wrote."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TextIO

from autoresearch_ci.cli.config import effective
from autoresearch_ci.errors import PublishError
from autoresearch_ci.experiment import Published
from autoresearch_ci.publish.bundle import read
from autoresearch_ci.publish.publish_bundle import publish_bundle, ruling_commit
from autoresearch_ci.report.console import make_progress


def main(options: argparse.Namespace) -> int:
    """Check the bundle and publish it, by the configuration of the commit that rules it."""
    manifest, commits = read(options.bundle)
    resolved, path = effective(options, commit=ruling_commit(Path.cwd(), manifest))
    with make_progress(sys.stdout, json=False) as observe:
        published = publish_bundle(
            manifest,
            commits,
            resolved.config,
            start=Path.cwd(),
            config_path=path,
            environment=options.environment,
            observe=observe,
        )
    tell(published, sys.stdout)
    return 0


def tell(published: Published, target: TextIO) -> None:
    """Where it went. Raises `PublishError` when the forge refused it."""
    if published.refused:
        raise PublishError(f"{published.refused}\nopen it yourself: {published.compare}")
    if published.branch:
        print(f"pushed: {published.branch}", file=target)
    if published.pull_request or published.file:
        print(f"published: {published.pull_request or published.file}", file=target)
