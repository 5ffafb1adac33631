"""`autoresearch-ci publish --bundle FILE`: checks what another job wrote, then publishes it.

Runs no code of the repository: it reads commits, never a working tree. The base decides what is
allowed, so it is part of the checkout, or of a branch that the forge itself has, or the merge of
two such commits, which is made again here.

The same publishes what an earlier run on this machine could not push. Where the repository lasts,
as on a runner of one's own, so does the run store, and a bundle lies in it until what it holds is
pushed. What was measured as the new run measures needs nobody to ask for it; all else is named,
with the command.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import AutoresearchError, ConfigError, WorkspaceError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.experiment import Published
from autoresearch_ci.preflight import Judges, committed_scope
from autoresearch_ci.publish.bundle import NAME, Manifest, read
from autoresearch_ci.publish.forge.choose import make_forge
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.forge_publisher import ForgePublisher
from autoresearch_ci.publish.run_identity import run_identity
from autoresearch_ci.publish.start_rules import numbered
from autoresearch_ci.publish.verify_bundle import bring, refuse_shortcuts, verified
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.report.run_folder import measured_by, metric_name
from autoresearch_ci.report.run_summary import Repairs, RunInfo
from autoresearch_ci.workspace.ai_disclosure import asking_file
from autoresearch_ci.workspace.repository import Repository


def is_checked_out(repository: Repository, commit: str) -> bool:
    """Whether the checkout holds that commit."""
    return repository.ref(commit) == commit and repository.contains(commit)


@dataclass(frozen=True, kw_only=True)
class KnownBases:
    """What a bundle may start from; what is fetched stays in the repository, as of any fetch."""

    repository: Repository
    remote: Remote
    branch: str
    """The first name of ours; `-2` and so on may follow."""
    into: str
    """The branch to merge into; empty: unknown."""

    def require(self, manifest: Manifest) -> None:
        """Raises `WorkspaceError` for a base that nobody but the bundle vouches for."""
        if not self._is_merge(manifest) and not self._is_known(manifest.base):
            raise WorkspaceError(
                f"the bundle starts from {manifest.base[:12]}, which is neither part of this "
                f"checkout nor of {self.branch} on the forge.\n"
                "usually: this job checked out another branch, the clone is shallow, or the branch "
                "was force-pushed, or merged and deleted, while the first job ran.\n"
                "do: actions/checkout with fetch-depth: 0 and the `ref:` of the first job, as the "
                "workflow knows it (github.sha) and never as that job says; if the branch is gone, "
                "run both jobs again."
            )

    def _is_merge(self, manifest: Manifest) -> bool:
        if len(manifest.merges) != 2 or not all(map(self._is_known, manifest.merges)):
            return False
        ours, theirs = manifest.merges
        return self.remote.merge(ours, theirs) == manifest.base

    def _is_known(self, commit: str) -> bool:
        return is_checked_out(self.repository, commit) or any(
            self.remote.is_ancestor(commit, tip) for tip in self._tips()
        )

    def _tips(self) -> Iterator[str]:
        """Newest commits of our branches on the forge, and of the one to merge into."""
        ours = f"refs/heads/{self.branch}"
        found = self.remote.refs(ours, f"{ours}-*", f"refs/heads/{self.into or self.branch}")
        for name in (*numbered(self.branch), self.into):
            if f"refs/heads/{name}" in found and (tip := self.remote.fetch(f"refs/heads/{name}")):
                yield tip


def publish_bundle(
    manifest: Manifest,
    commits: bytes,
    config: Config,
    *,
    start: Path,
    config_path: str | None,
    environment: Mapping[str, str],
    observe: Observer,
    only_fetch: str = "",
    today: tuple[Config, str | None] | None = None,
) -> Published:
    """`config` is that of `ruling_commit`. Raises `WorkspaceError` when the bundle is refused.

    `today`: HEAD's configuration and its path; what that does not allow is not published either.
    `only_fetch`: a ref that its newest commit gets in this repository, and nothing is published.
    """
    repository = Repository.open(start)
    publish = config.publish
    if publish.branch_name(manifest.tag) != manifest.branch:
        raise ConfigError(
            f"the bundle is for the branch {manifest.branch!r}, and publish.branch says another.\n"
            "usually: the two jobs were given different flags.\n"
            "do: put publish.branch into the configuration file."
        )
    run = run_identity(config, manifest.tag, environment)
    forge = make_forge(publish, repository, environment, observe)
    with ExitStack() as stack:
        stack.callback(repository.close)
        reader = Remote(
            forge.address,
            repository,
            token=forge.token,
            author=config.publish.commit.author,
        )
        stack.callback(reader.close)
        bases = KnownBases(repository=repository, remote=reader, branch=run.branch, into=run.into)
        bases.require(manifest)
        origin = manifest.info.lineage.origin
        if origin and not reader.is_ancestor(origin, manifest.base):
            raise WorkspaceError(
                f"the bundle says what it gains on {origin[:12]}, which is not part of what it "
                "builds upon, so nothing is published.\n"
                "usually: it was changed after the first job wrote it.\n"
                "do: run both jobs again."
            )
        told = (config.repairs and manifest.info.repairs) or Repairs()
        also = Judges(rulers=told.rulers, judges=told.judges)
        scopes = [(config, committed_scope(config, config_path, repository, manifest.base, also))]
        if today:
            scope = committed_scope(*today, repository, repository.head(), also)
            scopes.append((today[0], scope))
        direction, style = config.metric.direction, config.publish.commit
        allowed = [scope for _, scope in scopes]
        record = stack.enter_context(
            verified(manifest, commits, repository, allowed, direction, style)
        )
        for ruling, scope in scopes:
            if ruling.repairs:
                refuse_shortcuts(record, ruling, repository, scope.started)
        if only_fetch:
            bring(record, repository, only_fetch)
            return Published()
        remote = Remote(
            forge.address,
            repository,
            token=forge.token,
            objects=record.objects,
            author=config.publish.commit.author,
        )
        publisher = ForgePublisher(forge, remote, repository, publish, run, observe, file=False)
        stack.callback(publisher.close)
        start_point = publisher.resolve_finished(manifest.tag, manifest.head, manifest.notebook)
        files = repository.files(manifest.base)
        info = replace(
            _run_info(manifest.info, config, manifest),
            disclose=asking_file(files, lambda path: reader.read(manifest.base, path) or b""),
        )
        if start_point.because == "moved" and not origin:
            start_point = replace(start_point, because=publisher.why_apart())
        publisher.follow(record, start_point, lambda: info)
        return publisher.finish(hurry=False)


def ruling_commit(start: Path, manifest: Manifest) -> str:
    """Whose configuration rules: the base's, or HEAD's where the base is a branch of ours.

    HEAD is what people have agreed on; a branch of ours may be pushed to by anybody who may write.
    The bundle chooses its base, so HEAD's configuration is asked besides, see `publish_bundle`.
    """
    with closing(Repository.open(start)) as repository:
        return manifest.base if is_checked_out(repository, manifest.base) else repository.head()


def _run_info(info: RunInfo, config: Config, manifest: Manifest) -> RunInfo:
    """What the bundle says, except for what the base commit knows better."""
    return replace(
        info,
        tag=manifest.tag,
        base_commit=manifest.base,
        metric_name=metric_name(config),
        direction=config.metric.direction,
        metric_command=measured_by(config),
        guards=[guard.command for guard in config.guards],
        goal=config.goal,
        repairs=(info.repairs or Repairs()) if config.repairs else None,
        evidence="",  # a page within ours: whoever wrote the bundle could say anything in it
    )


# --- What an earlier run left ---------------------------------------------------------------------

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
