"""Which commits a gate compares, and whose rules hold: from the job's event, a name, or the index.

The head is what is checked out. On a pull request's merge with its base that is what merging would
bring, and the base is the side that it is merged into. What is staged becomes a commit of its own
that no ref names; index and checkout stay as they are. Tests are then left to the gate for pull
requests, and a tool that nothing staged concerns is not asked; both is said.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from autoresearch_ci.cli.ci_job import COMMIT, CIJob
from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.decide.failures.failure import Category
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.measure.diagnostics.registry import concerned
from autoresearch_ci.measure.run_diagnostics import adapter_of
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.workspace.compared_commits import compared_commits
from autoresearch_ci.workspace.repository import SHALLOW, Repository

SETTLED = "AUTORESEARCH_CI_COMPARED"
"""What our action has found before anything of the repository ran; see `settled`."""
_ELSEWHERE = "origin is another repository than this job's"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The two commits, and what is known of the pull request."""

    head: str
    base: str = ""
    """Where the head left its base; empty: see `missing`."""
    missing: str = ""
    """Why there is no base."""
    proposed: bool = False
    """Whether somebody asks for the head, as a pull or merge request does, also from a merge queue:
    then only the rules of what it is for hold."""
    target: str = ""
    """The newest commit that this clone has of the branch that it is for; empty: none. The head
    itself where there is no base because it is part of the default branch already."""
    pull_request: int = 0
    """Its number, on GitLab the merge request's; 0: there is none."""
    fork: bool = False
    """Whether it comes from a repository that the job's token has no say in."""

    @property
    def rules(self) -> str | None:
        """The commit whose configuration rules; `None`: what is checked out.

        Whoever branched off long ago does not choose the rules of that day. Raises `ConfigError`
        where nobody knows what the head is compared with.
        """
        if not self.proposed:
            return None
        if not self.base:
            raise ConfigError(
                "the rules of the base hold for what a pull request brings, and they cannot be "
                f"read: {self.missing}.\n"
                f"usually: {SHALLOW}.\n"
                "do: fetch-depth: 2 for a pull request's merge commit, else fetch-depth: 0 "
                "(GitLab: GIT_DEPTH: 0)."
            )
        return self.target or self.base


def asked(options: argparse.Namespace, start: Path | None = None) -> Compared:
    """What a gate's command line compares: of `compare`, `fix --check` or `security`.

    `compare BASE HEAD` takes both as they are. Raises `ConfigError`.
    """
    start, environment = start or Path.cwd(), options.environment
    if SETTLED in environment:
        return Compared(**json.loads(environment[SETTLED]))
    proposed = options.proposed
    if options.command != "compare":
        named = options.diff if options.command == "security" else options.base
        return compared(start, environment, named or "", proposed=proposed)
    if not options.base:
        pair = compared(start, environment, proposed=proposed, needed=True)
        # A claim is of the merge with the newest base.
        newest = pair.target if options.claim and pair.proposed else ""
        return replace(pair, base=newest or pair.base)
    pair = compared(start, environment, proposed=proposed)
    with closing(Repository.open(start)) as repository:
        if pair.proposed and CIJob.of(repository, environment).misleading(options.base):
            raise ConfigError(
                f"{options.base} is no base for what somebody proposes: {_ELSEWHERE}, so whoever "
                "proposes it chooses what its branches are.\n"
                "do: name the commit by its whole SHA, as github.event.pull_request.base.sha; or "
                "name none."
            )
        names = compared_commits(start, options.base, options.head, environment)
        base, head = (repository.ref(name) or name for name in names)
    # Whose rules hold says the job. Nobody proposes: those of the base that is named.
    return replace(pair, base=base, head=head, missing="")


def settled(options: argparse.Namespace, start: Path) -> dict[str, str]:
    """The environment in which that command line compares the same, whatever becomes of refs, of
    HEAD and of the runner's files; empty where it is no gate. Raises `ConfigError`.
    """
    checks = options.command == "fix" and options.check
    gates = checks or options.command in ("compare", "security")
    if not gates or getattr(options, "staged", False):
        return {}
    options.environment = {k: v for k, v in options.environment.items() if k != SETTLED}
    return {SETTLED: json.dumps(asdict(asked(options, start)))}


def compared(
    start: Path,
    environment: Mapping[str, str],
    named: str = "",
    *,
    proposed: bool = False,
    needed: bool = False,
) -> Compared:
    """What is compared here. `named`: the base that a person asks for; that it leads nowhere raises
    `ConfigError`. What the job's event names may be missing from this clone, unless it is `needed`.
    `proposed`: it is known that somebody asks for HEAD.
    """
    with closing(Repository.open(start)) as repository:
        job = CIJob.of(repository, environment)
        found = Compared(
            head=repository.head(),
            proposed=proposed or job.proposed,
            target=_newest(job, named) if proposed or job.proposed else "",
            pull_request=job.number,
            fork=job.fork,
        )
        name = named or job.base or (job.default if job.event else "")
        side = None if named else job.merged_into
        if side is not None:
            base, missing = side, "the base's side of the merge is not in this clone"
        elif found.proposed and job.misleading(name):
            base, missing = "", _ELSEWHERE
        else:
            base, missing = _parted(job, start, name, raises=bool(named) or needed)
        if needed and not base:
            raise ConfigError(
                f"what to compare HEAD with is not known: {missing}.\n"
                f"usually: {SHALLOW}.\n"
                "do: fetch-depth: 0 (GitLab: GIT_DEPTH: 0); or name the commit: autoresearch-ci "
                "compare BASE HEAD"
            )
        if not named and base == found.head:
            missing = f"{found.head[:12]} is part of what it would be compared with"
            if needed:
                raise ConfigError(
                    f"there is nothing to compare HEAD with: {missing}.\n"
                    "do: name the commit before it: autoresearch-ci compare HEAD~1 HEAD"
                )
            base = ""
        if not base and job.merged:
            found = replace(found, target=found.head)
        return replace(found, base=base, missing="" if base else missing)


def fetched(
    pair: Compared, repository: Repository, remote: Remote, environment: Mapping[str, str]
) -> Compared:
    """The same with its base, of which a shallow clone does not have what it takes.

    Raises `ForgeRefused`.
    """
    job, parents = CIJob.of(repository, environment), repository.written_parents(pair.head)
    if len(parents) == 2 and parents[1] in job.heads and job.is_of(pair.head):
        remote.reach(parents[0])
        return replace(pair, base=parents[0], missing="")
    base = remote.parted(pair.head, job.base) if COMMIT.fullmatch(job.base) else None
    return replace(pair, base=base, missing="") if base and base != pair.head else pair


def _newest(job: CIJob, named: str) -> str:
    """The newest commit here of the branch that HEAD is for, without HEAD; empty: there is none."""
    repository, head, newest = job.repository, job.repository.head(), ""
    known = [job.merged_into, job.environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA")]
    # What a branch was before a push, who pushed has chosen.
    known += [job.base] if job.event != "push" else []
    known += [job.branch] if not job.foreign else []
    if named and not job.proposed:
        known = [named.partition("...")[0]]
    for name in filter(None, known):
        commit = repository.ref(name)
        later = commit and (not newest or repository.is_ancestor(newest, commit))
        if commit and later and not repository.is_ancestor(head, commit):
            newest = commit
    return newest


def _parted(job: CIJob, start: Path, name: str, *, raises: bool) -> tuple[str, str]:
    """Where HEAD left what is called that, or why it is not known."""
    try:
        commit, _ = compared_commits(
            start, f"{name}..." if name and "..." not in name else name, "", job.environment
        )
    except ConfigError as error:
        if raises:
            raise
        return "", str(error).partition("\n")[0].rstrip(".")
    return commit, ""


# --- What is about to be committed ----------------------------------------------------------------

INDEX = "AUTORESEARCH_CI_INDEX"
"""Where git keeps what `git commit -a` or `git commit FILE` is about to commit, if elsewhere."""
DEFAULT = ("new",)
"""What fails it, where nobody says: a repository that is red already can still be committed to."""


@dataclass(frozen=True, kw_only=True)
class Staged:
    """What would be committed, against HEAD."""

    pair: Compared
    paths: tuple[str, ...]
    words: Collection[str]
    """Of `--fail-on`."""

    def asks(self, target: FixTarget) -> bool:
        """Whether it is asked before a commit."""
        tests = Category.TEST in adapter_of(target).categories and "test" not in self.words
        return not tests and concerned(target.tool, self.paths)


def staged(start: Path, environment: Mapping[str, str], words: Collection[str] = ()) -> Staged:
    """Raises `WorkspaceError` where nothing could be committed, as in the middle of a merge."""
    index = environment.get(INDEX)
    with closing(Repository.open(start)) as repository:
        head = repository.head()
        commit = repository.staged(Path(index) if index else None)
        paths = tuple(repository.touched([commit]).get(commit, ()))
    return Staged(pair=Compared(head=commit, base=head), paths=paths, words=words)
