"""`autoresearch-ci publish`: a job that may write publishes what `run --publish bundle` wrote."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from autoresearch_ci.cli.config import effective
from autoresearch_ci.errors import PublishError
from autoresearch_ci.experiment import NOT_PUBLISHED, Published
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
        target = sys.stderr  # whoever reads the error must know what is there all the same
    if published.nothing:
        print(f"{NOT_PUBLISHED}{published.nothing}", file=target)
        if published.standing:
            print(f"branch: {published.standing}", file=target)
        if published.pull_request:
            print(f"pull request: {published.pull_request}", file=target)
    else:
        if published.branch:
            print(f"pushed: {published.branch}", file=target)
        if shown := published.pull_request or ("" if published.refused else published.file):
            print(f"published: {shown}", file=target)
    if published.refused:
        raise PublishError("\n".join([published.refused, *_what_to_do(published)]))


def _what_to_do(published: Published) -> Iterator[str]:
    """Where what was kept is now, and how it gets where it should be."""
    if published.compare:
        yield f"it is pushed; open the pull request yourself: {published.compare}"
    elif published.file:
        yield (
            f"what was kept is in {published.file}: keep that file, as our workflows do by "
            "uploading it, and once the cause is mended:\n"
            f"  autoresearch-ci publish --bundle {Path(published.file).name}"
        )
