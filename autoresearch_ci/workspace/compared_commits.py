"""Which commits names mean to somebody who compares: a base, a head, and where the two parted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.workspace.repository import SHALLOW, Repository

_NOTHING = re.compile(r"0{40}|0{64}")
"""What git and the forges write for "there is no commit"."""
_TRUNKS = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
"""Where a branch was left, where nobody says; a clone names the remote's default first."""


def compared_commits(
    start: Path, base: str, head: str, environment: Mapping[str, str]
) -> tuple[str, str]:
    """What `compare` is to measure: names of commits. Raises `ConfigError`.

    `ONE...OTHER` means what it does to `git diff`: from where they parted. Without a `base`, or
    with the zeros of a first push, that is where the head left the default branch. Without a
    `head` it is HEAD. GitLab's jobs are told the default branch's name, their clones are not.
    """
    repository = Repository.open(start)
    trunk, dots, other = base.partition("...")
    if other and head:
        raise ConfigError(f"{base} names both commits, so {head} is one too many.")
    head = other or head or "HEAD"
    named = bool(base) and not _NOTHING.fullmatch(base)
    if dots:
        trunk = trunk or "HEAD"
    elif not named:
        trunk = default_branch(repository, environment)
    for name in (trunk, head):
        if name and repository.ref(name) is None:
            raise ConfigError(no_commit(repository, name))
    if named and not dots:
        return base, head
    parted = repository.merge_base(trunk, head) if trunk else None
    contained = parted is not None and parted == repository.ref(head)
    # A clone of one branch and one commit takes that branch for the default one.
    if parted is None or (contained and repository.is_shallow()):
        main = environment.get("CI_DEFAULT_BRANCH") or "main"
        where = f"where {head} and {trunk} parted" if trunk else "the default branch"
        raise ConfigError(
            f"what to compare {head} with is not known: {where} is not in this clone.\n"
            "usually: a shallow clone, or one of a single branch (actions/checkout fetches one "
            "commit by default).\n"
            "do: fetch-depth: 0 (GitLab: GIT_DEPTH: 0), or git fetch --unshallow; where one branch "
            "alone was fetched, as GitLab does: "
            f"git fetch origin {main}:refs/remotes/origin/{main}; or "
            "name the commit: autoresearch-ci compare BASE HEAD"
        )
    if contained and not base:
        raise ConfigError(
            f"there is nothing to compare {head} with: {trunk} contains it.\n"
            "do: name the commit before it: autoresearch-ci compare HEAD~1 HEAD"
        )
    return parted, head


def default_branch(repository: Repository, environment: Mapping[str, str]) -> str:
    """What this clone calls it; empty: it has none."""
    default = environment.get("CI_DEFAULT_BRANCH", "")
    known = (f"origin/{default}", default) if default else _TRUNKS
    return next((name for name in known if repository.ref(name)), "")


def changed_since(repository: Repository, commit: str) -> str:
    """Where what is new in a commit begins: where it left the default branch, else its parent.

    Empty: it is the first one.
    """
    for name in _TRUNKS:
        trunk = repository.ref(name)
        parted = repository.merge_base(trunk, commit) if trunk else None
        if parted and parted != commit:
            return parted
    return next(iter(repository.parents(commit)), "")


def no_commit(repository: Repository, name: str) -> str:
    """What an unknown commit means here; a cure for a shallow clone helps no other."""
    what = f"{name!r} is no commit of this repository.\n"
    is_hash = re.fullmatch(r"[0-9a-f]{7,64}", name)
    forced = "the branch was force-pushed since, so no branch holds that commit any more"
    fetch = f"git fetch origin {name} (most forges keep it for a while)"
    other = "compare origin/main...HEAD instead"
    if repository.is_shallow():
        also = f"; or {forced}" if is_hash else ""
        return f"{what}usually: {SHALLOW}{also}.\ndo: git fetch --unshallow, or fetch-depth: 0." + (
            f" If it is still missing then: {fetch}, or {other}." if is_hash else ""
        )
    if is_hash:
        return f"{what}usually: {forced}.\ndo: {fetch}, or {other}."
    return (
        f"{what}usually: a misspelt name, or a branch that is on the forge only.\n"
        f"do: git fetch origin, then name it origin/{name.removeprefix('origin/')}; git branch -a "
        "lists what there is."
    )
