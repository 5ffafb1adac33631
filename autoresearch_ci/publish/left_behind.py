"""What an earlier run on this machine kept and could not push: published before the next begins.

Pushes are refused, and jobs are killed. Where the repository lasts, as on a runner of one's own, so
does the run store, and a bundle lies in it until what it holds is pushed. What was measured as the
new run measures is published without being asked for; all else is named, with the command.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import AutoresearchError, WorkspaceError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.publish.bundle import NAME, read
from autoresearch_ci.publish.publish_bundle import publish_bundle
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.workspace.repository import Repository

_JOB = ("GITHUB_RUN_ID", "CI_JOB_URL")
"""Of the job that finds it; another one measured it."""


def publish_left_behind(
    config: Config,
    ruler: Mapping[str, Any],
    *,
    start: Path,
    config_path: str | None,
    environment: Mapping[str, str],
    observe: Observer,
) -> bool:
    """Publish the newest that is left for the same branch; whether anything went there.

    `ruler`: what the new run's numbers mean, as it writes it down. Never fails: what cannot be
    published stays where it is, and that is said.
    """
    repository = Repository.open(start)
    stores = (repository.common_dir / "autoresearch").glob(f"*/{NAME}")
    environment = {name: value for name, value in environment.items() if name not in _JOB}
    tried = done = False
    for file in sorted(stores, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            records = Records(file.parent)
        except WorkspaceError:
            continue  # that run goes on
        try:
            with closing(records):
                manifest, commits = read(file)
                begun = records.read().start
                if config.publish.branch_name(manifest.tag) != manifest.branch:
                    continue  # of another schedule
                if tried:
                    why = "a newer one goes first"
                elif begun is None or begun.ruler != ruler:
                    why = "it was measured in another way than this run measures"
                else:
                    tried = True
                    why = publish_bundle(
                        manifest,
                        commits,
                        config,
                        start=start,
                        config_path=config_path,
                        environment=environment,
                        observe=observe,
                    ).refused
                    done = not file.exists()
                    if not why:
                        observe(Note(message=f"published what run {manifest.tag} had kept"))
        except AutoresearchError as error:
            why = str(error)
        if why:
            observe(_left(repository, file, why.partition("\n")[0]))
    repository.close()
    return done


def _left(repository: Repository, file: Path, why: str) -> Warning:
    inside = file.is_relative_to(repository.root)
    shown = shlex.quote(str(file.relative_to(repository.root) if inside else file))
    return Warning(
        message=f"what run {file.parent.name} kept was not published: {why}\n"
        f"do: autoresearch-ci publish --bundle {shown}, or delete that file."
    )
