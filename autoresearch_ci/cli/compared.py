"""Which commits a gate compares, and whose rules hold: from the job's event, a name, or the index.

The head is what is checked out. On a pull request's merge with its base that is what merging would
bring, and the base is the side that it is merged into. What is staged becomes a commit of its own
that no ref names; index and checkout stay as they are. Tests are then left to the gate for pull
requests, and a tool that nothing staged concerns is not asked; both is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autoresearch_ci.cli.action.github_event import base_of, read_payload
from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.decide.failures import Category
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.measure.diagnosis import adapter_of
from autoresearch_ci.measure.diagnostics.concerned import concerned
from autoresearch_ci.preflight import compared_commits
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.workspace.repository import SHALLOW, Repository

_SOURCE = "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"
"""GitLab's, of a pipeline for the merged result."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The two commits, and what is known of the pull request."""

    head: str
    base: str = ""
    """Where the head left its base; empty: see `missing`."""
    missing: str = ""
    """Why there is no base."""
    proposed: bool = False
    """Whether a pull or merge request asks for the head, also from a merge queue: then only the
    base's rules hold."""
    pull_request: int = 0
    """Its number, on GitLab the merge request's; 0: there is none."""
    fork: bool = False
    """Whether it comes from a repository that the job's token has no say in."""

    @property
    def rules(self) -> str | None:
        """The commit whose configuration rules; `None`: what is checked out.

        Raises `ConfigError` where it should be the base's, and there is no base.
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
        return self.base


def compared(start: Path, environment: Mapping[str, str], named: str = "") -> Compared:
    """What is compared here. `named`: the base that a person asks for; that it leads nowhere raises
    `ConfigError`. What the job's event names may be missing from this clone.
    """
    repository = Repository.open(start)
    try:
        return _compared(repository, start, environment, named)
    finally:
        repository.close()


def fetched(
    pair: Compared, repository: Repository, remote: Remote, environment: Mapping[str, str]
) -> Compared:
    """The same with its base, of which a shallow clone does not have what it takes.

    Raises `ForgeRefused`.
    """
    event = environment.get("GITHUB_EVENT_NAME", "")
    payload = read_payload(environment) if event else {}
    parents, asked = repository.written_parents(pair.head), environment.get(_SOURCE, "")
    pull_head = _text(payload.get("pull_request"), "head", "sha")
    if len(parents) == 2 and parents[1] in (pull_head, asked):
        remote.reach(parents[0])
        return replace(pair, base=parents[0], missing="")
    theirs = base_of(event, payload) or environment.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
    base = remote.parted(pair.head, theirs) if _COMMIT.fullmatch(theirs) else None
    return replace(pair, base=base, missing="") if base and base != pair.head else pair


_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def _compared(
    repository: Repository, start: Path, environment: Mapping[str, str], named: str
) -> Compared:
    event = environment.get("GITHUB_EVENT_NAME", "")
    payload = read_payload(environment) if event else {}
    pull = payload.get("pull_request")
    pull = pull if isinstance(pull, Mapping) else {}
    head, merge_request = repository.head(), environment.get("CI_MERGE_REQUEST_IID", "")
    number = pull.get("number") or (int(merge_request) if merge_request.isdecimal() else 0)
    sides = (environment.get(f"CI_MERGE_REQUEST_{side}PROJECT_ID") for side in ("SOURCE_", ""))
    found = Compared(
        head=head,
        proposed=bool(pull) or event == "merge_group" or bool(merge_request),
        pull_request=number if isinstance(number, int) else 0,
        fork=_repository(pull, "head") != _repository(pull, "base") if pull else len({*sides}) > 1,
    )
    base, missing = _base(repository, start, environment, named, pull, event, payload)
    if not named and base == head:
        base, missing = "", f"{head[:12]} is part of what it would be compared with"
    return replace(found, base=base, missing=missing)


def _base(
    repository: Repository,
    start: Path,
    environment: Mapping[str, str],
    named: str,
    pull: Mapping[str, Any],
    event: str,
    payload: Mapping[str, Any],
) -> tuple[str, str]:
    """The commit, or why there is none."""
    merged, asked = repository.ref("HEAD^2"), environment.get(_SOURCE, "")
    if not named and merged and merged in (_text(pull.get("head"), "sha"), asked):
        return repository.ref("HEAD^1") or "", "the base's side of the merge is not in this clone"
    branch = environment.get("GITHUB_BASE_REF", "")
    name = (
        named
        or base_of(event, payload)
        or environment.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
        or (f"origin/{branch}" if branch else "")
    )
    try:
        commit, _ = compared_commits(
            start, f"{name}..." if name and "..." not in name else name, "", environment
        )
    except ConfigError as error:
        if named:
            raise
        return "", str(error).partition("\n")[0].rstrip(".")
    return commit, ""


def _text(value: object, *keys: str) -> str:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _repository(pull: Mapping[str, Any], side: str) -> str:
    """Of a side of a pull request; a deleted one is nobody's, and so no other's."""
    return _text(pull.get(side), "repo", "full_name").lower() or f"the {side}'s"


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


def staged(start: Path, environment: Mapping[str, str], words: Collection[str]) -> Staged:
    """Raises `WorkspaceError` where nothing could be committed, as in the middle of a merge."""
    index = environment.get(INDEX)
    with closing(Repository.open(start)) as repository:
        head = repository.head()
        commit = repository.staged(Path(index) if index else None)
        paths = tuple(repository.touched([commit]).get(commit, ()))
    return Staged(pair=Compared(head=commit, base=head), paths=paths, words=words)
