"""What a CI job says of what it has checked out: GitHub by its event, GitLab by variables.

Which commits a gate compares, and whose rules hold, gate_commits.py makes of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.workspace.compared_commits import default_branch
from autoresearch_ci.workspace.repository import Repository

_SOURCE = "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"
"""GitLab's, of a pipeline for the merged result."""
_OF_ANY_COMMIT = frozenset({"workflow_run", "workflow_dispatch", "repository_dispatch"})
"""Events whose job may check out what somebody proposes, and which do not say so."""
COMMIT = re.compile(r"(?!0+$)[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NO_COMMIT = "0" * 40
_SLUG = re.compile(r"^(?!file:)[^/]+:.*?([^/:]+/[^/:]+?)(?:\.git)?/?$")
"""In the address of a remote."""


def read_payload(environment: Mapping[str, str], name: str = "GITHUB_EVENT_PATH") -> dict[str, Any]:
    """What the runner knows of the event. `name`: of the variable that names its file.

    Raises `ConfigError`.
    """
    path = environment.get(name, "")
    try:
        payload = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{name}={path}: the event that started this job cannot be read ({error}).\n"
            "usually: the runner's files are not visible in this container."
        ) from error
    return payload if isinstance(payload, dict) else {}


@dataclass(frozen=True, kw_only=True)
class CIJob:
    """What the job says of what is checked out."""

    repository: Repository
    environment: Mapping[str, str]
    event: str
    payload: Mapping[str, Any]
    pull: Mapping[str, Any]
    """GitHub's pull request, also that of the workflow that set this one off."""

    @classmethod
    def of(cls, repository: Repository, environment: Mapping[str, str]) -> CIJob:
        """Raises `ConfigError` where the event cannot be read."""
        event = environment.get("GITHUB_EVENT_NAME", "")
        payload = read_payload(environment) if event else {}
        pulls = _found(payload, "workflow_run", "pull_requests")
        first = pulls[0] if isinstance(pulls, list) and len(pulls) == 1 else {}
        pull = _mapping(payload, "pull_request") or (first if isinstance(first, Mapping) else {})
        return cls(
            repository=repository, environment=environment, event=event, payload=payload, pull=pull
        )

    @property
    def proposed(self) -> bool:
        """Whether somebody asks for HEAD. Where the event does not say: when HEAD is neither the
        commit that it is about, nor part of the default branch."""
        if _mapping(self.payload, "pull_request") or self.event == "merge_group" or self._merge:
            return True
        if not (_mapping(self.payload, "issue") or self.event in _OF_ANY_COMMIT):
            return False
        return self.repository.head() != self.environment.get("GITHUB_SHA") and not self.merged

    @property
    def merged(self) -> bool:
        """Whether HEAD is part of the default branch, as this clone of our repository has it."""
        known = self.default and not self.foreign
        return bool(known and self.repository.is_ancestor(self.repository.head(), self.default))

    @property
    def _merge(self) -> str:
        return self.environment.get("CI_MERGE_REQUEST_IID", "")

    @property
    def number(self) -> int:
        """Of the pull or merge request that the job is about; 0: there is none."""
        found = _found(self.payload, "pull_request", "number")
        found = found or (int(self._merge) if self._merge.isdecimal() else 0)
        return found if isinstance(found, int) else 0

    @property
    def fork(self) -> bool:
        """Whether it comes from a repository that the job's token has no say in."""
        if pull := _mapping(self.payload, "pull_request"):
            return _repository(pull, "head") != _repository(pull, "base")
        sides = ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "CI_MERGE_REQUEST_PROJECT_ID")
        return len({self.environment.get(side) for side in sides}) > 1

    @property
    def foreign(self) -> bool:
        """Whether `origin` is another repository than the one that is asked, as a fork's: what its
        branches are called says nothing."""
        ours = self.environment.get("GITHUB_REPOSITORY", "").lower()
        url = self.repository.remote_url("origin").lower()
        found = _SLUG.search(url)
        here, there = "CI_PROJECT_ID", "CI_MERGE_REQUEST_PROJECT_ID"
        elsewhere = self._merge and self.environment.get(here) != self.environment.get(there)
        return bool((ours and found and found[1] != ours) or elsewhere)

    def misleading(self, name: str) -> bool:
        """Whether who made `origin` chooses what that name leads to."""
        return self.foreign and not COMMIT.fullmatch(name.partition("...")[0])

    @property
    def heads(self) -> tuple[str, ...]:
        """The newest commit of the proposal itself, where the job says it."""
        found = (_text(self.pull, "head", "sha"), self.environment.get(_SOURCE, ""))
        return tuple(filter(None, found))

    @property
    def base(self) -> str:
        """What the head is to be compared with; empty: it does not say."""
        given = self.environment.get
        return (
            _text(self.pull, "base", "sha")
            or _text(self.payload, "merge_group", "base_sha")
            or self._before()
            or given("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
            or (f"origin/{branch}" if (branch := given("GITHUB_BASE_REF")) else "")
        )

    def _before(self) -> str:
        """Of a push. The first one of a branch is all that it adds."""
        before = _text(self.payload, "before") if self.event == "push" else ""
        return self.default if before == _NO_COMMIT else before

    @property
    def default(self) -> str:
        """The default branch, as this clone has it; what the event does not say, that may. Empty:
        it is not here."""
        name = f"origin/{_text(self.payload, 'repository', 'default_branch')}"
        known = self.repository.ref(name)
        return name if known else default_branch(self.repository, self.environment)

    @property
    def branch(self) -> str:
        """That the head is for, as this clone has it."""
        name = (
            _text(self.pull, "base", "ref")
            or _text(self.payload, "merge_group", "base_ref").removeprefix("refs/heads/")
            or self.environment.get("GITHUB_BASE_REF", "")
            or self.environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "")
        )
        unnamed = "" if self.pull or self._merge else self.default
        return f"origin/{name}" if name else unnamed

    @property
    def merged_into(self) -> str | None:
        """The base's side, where HEAD is the merge with it; empty: not in this clone.

        Anybody can make a merge of what they propose with what they like, but neither the forge's
        own, of which the job is, nor one with a commit of the branch, as our repository has it.
        """
        side, merged = (self.repository.ref(f"HEAD^{n}") or "" for n in (1, 2))
        theirs = self.is_of(self.repository.head()) or (
            not self.foreign and self.repository.is_ancestor(side, self.branch)
        )
        return side if merged in self.heads and theirs else None

    def is_of(self, commit: str) -> bool:
        """Whether the forge started the job for that very commit, as far as the job says."""
        of_job = self.environment.get("GITHUB_SHA") or self.environment.get("CI_COMMIT_SHA")
        return of_job in (None, commit)


def run_url(environment: Mapping[str, str]) -> str:
    """Where the job's log is; empty: this is none of GitHub's."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, slug, run = (environment.get(name, "") for name in names)
    return f"{server}/{slug}/actions/runs/{run}" if server and slug and run else ""


def _found(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _text(value: object, *keys: str) -> str:
    found = _found(value, *keys)
    return found if isinstance(found, str) else ""


def _mapping(value: object, *keys: str) -> Mapping[str, Any]:
    found = _found(value, *keys)
    return found if isinstance(found, Mapping) else {}


def _repository(pull: Mapping[str, Any], side: str) -> str:
    """Of a side of a pull request; a deleted one is nobody's, and so no other's."""
    return _text(pull.get(side), "repo", "full_name").lower() or f"the {side}'s"
