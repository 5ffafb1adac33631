"""`autoresearch-ci publish`: a job that may write publishes what another one wrote into a file."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO

from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.fix_targets import targets_of, with_targets
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError, PublishError, WorkspaceError
from autoresearch_ci.experiment import NOT_PUBLISHED, Published
from autoresearch_ci.publish.bundle import Manifest, read
from autoresearch_ci.publish.publish_bundle import publish_bundle, ruling_commit
from autoresearch_ci.record.run_names import is_tag
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.workspace.repository import Repository


def main(options: argparse.Namespace) -> int:
    """Check the bundle and publish it, by the configuration of the commit that rules it."""
    manifest, commits = read(options.bundle)
    if options.head not in (None, manifest.head):
        raise WorkspaceError(
            f"the bundle's newest commit is {manifest.head[:12]}, and {options.head[:12]!r} was to "
            "be published, so nothing is.\n"
            "usually: the file was replaced after another job had looked at it.\n"
            "do: run the workflow again."
        )
    start = Path.cwd()
    commit = ruling_commit(start, manifest)
    config, path = _ruling(options, manifest, commit)
    with closing(Repository.open(start)) as repository:
        head = repository.head()
    today = None if commit == head else _ruling(options, manifest, head)
    people = sys.stderr if options.json else sys.stdout
    with make_progress(people, json=False) as observe:
        published = publish_bundle(
            manifest,
            commits,
            config,
            start=start,
            config_path=path,
            environment=options.environment,
            observe=observe,
            only_fetch=_ref(options.only_fetch),
            today=today,
        )
    if options.json:
        print(json_text({"head": manifest.head, **dataclasses.asdict(published)}, indent=2))
    if options.only_fetch:
        print(f"checked: {manifest.head}", file=people)
    tell(published, people)
    return 0


def _ruling(
    options: argparse.Namespace, manifest: Manifest, commit: str
) -> tuple[Config, str | None]:
    """A commit's configuration that a bundle is held to, and its path.

    Which part of it applies, the file says that nobody vouches for: it may choose only between what
    the commit allows, and where a workflow knows what it publishes, not at all.
    """
    if options.made_by not in (None, manifest.command):
        raise WorkspaceError(
            f"the bundle says that {manifest.command} made it, and this job publishes what "
            f"{options.made_by} makes, so nothing is published.\n"
            "usually: another job's file was downloaded; else it was changed after the first job "
            "wrote it.\n"
            f"do: publish --made-by {manifest.command} if that is what the first job runs."
        )
    if manifest.command == "fix" and not options.made_by:
        _require_about_fix(options, commit)
    resolved, path = effective(options, commit=commit, command=manifest.command)
    config = resolved.config
    if manifest.command == "fix":
        with closing(Repository.open(Path.cwd())) as repository:
            config = with_targets(config, targets_of(config, repository, commit))
    return config, path


def _require_about_fix(options: argparse.Namespace, commit: str) -> None:
    """Without a word of its own about repairs, a configuration of `run` allows what it names only:
    `fix` may touch nearly everything by default.
    """
    try:
        resolved, _ = effective(options, commit=commit)
    except ConfigError:
        return  # it configures no run that could be meant instead; `fix` says what else is wrong
    if any(key.startswith("fix.") and at != "default" for key, at in resolved.origins.items()):
        return
    raise WorkspaceError(
        "the bundle says that fix made it, and the configuration is one of run that does not speak "
        "of fix, so nothing is published.\n"
        "usually: the first job runs fix in a repository that has been configured for run; else "
        "the bundle was changed after the first job wrote it.\n"
        "do: publish --made-by fix in this job, or say in the configuration what may be repaired, "
        "such as  fix: {scope: [src/**]}"
    )


def _ref(name: str | None) -> str:
    """Where a checked commit goes; empty: nowhere, it is published."""
    if name is None:
        return ""
    if not is_tag(name):
        raise ConfigError(f"--only-fetch {name!r}: expected a word of letters, digits, - and _.")
    return f"refs/autoresearch/{name}"


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
