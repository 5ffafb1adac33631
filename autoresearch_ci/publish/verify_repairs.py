"""Holds the repairs of a checked bundle to what no repair may do: make a failure go away unmended.

A candidate was held to the same where it was made, but hostile code may have run there. It is a
reading of texts; nothing of the repository runs.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.shortcuts.detect import BYTES_LIMIT, is_test, shortcuts
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.publish.verify_bundle import BundledRecord
from autoresearch_ci.workspace.git import GitDirectory
from autoresearch_ci.workspace.repository import Repository

_NOTHING = "000000"
_Texts = dict[str, bytes | None]


def refuse_shortcuts(
    record: BundledRecord, config: Config, repository: Repository, judging: Collection[str] = ()
) -> None:
    """Raises `WorkspaceError` for the first commit that repairs by one.

    `judging`: files that are no tests by their names, and say what is right all the same.
    """
    git_dir = record.objects.parent
    git = GitDirectory(git_dir, git_dir)
    files = repository.files(record.facts.base)
    regular = ((path, version) for path, version in files.items() if version.regular)
    asked = {path: v for path, v in regular if is_test(path) or path in judging}
    tests = {p: repository.read(v) for p, v in asked.items() if repository.size(v) <= BYTES_LIMIT}
    parent = record.facts.base
    for kept in record.history.kept:
        before, after = _texts(git, parent, kept.commit)
        found = shortcuts(before, after, tests=tests, allow=config.fix.allow)
        if found:
            raise WorkspaceError(
                f"the bundle is refused, and nothing is published: commit {kept.commit[:12]} "
                f"repairs nothing: {found[0]}.\n"
                "usually: it was changed after the first job wrote it, or the two jobs were given "
                "different flags.\n"
                "do: do not publish it by hand; where that is meant, say so in the configuration."
            )
        parent = kept.commit


def _texts(git: GitDirectory, parent: str, commit: str) -> tuple[_Texts, _Texts]:
    """What a commit changes: contents before and after, by path; `None`: not there."""
    out = git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", parent, commit)
    fields = out.split(b"\0")[:-1]
    before: _Texts = {}
    after: _Texts = {}
    for facts, name in zip(fields[::2], fields[1::2], strict=True):
        old, new, was, now, _ = facts.decode().lstrip(":").split(" ")
        path = os.fsdecode(name)
        before[path] = None if old == _NOTHING else git.blob(was)
        after[path] = None if new == _NOTHING else git.blob(now)
    return before, after
