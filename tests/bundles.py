"""Bundles as an attacker who owns the first of two jobs would write them."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoresearch_ci.workspace.store import IDENTITY
from tests.conftest import GIT_ENVIRONMENT, Repo

_FORGED = "experiment: forged\n\nAutoresearch-Run: {tag}\nAutoresearch-Iteration: 9\n"


def members(path: Path) -> tuple[dict[str, Any], bytes]:
    with tarfile.open(path) as archive:
        parts = [archive.extractfile(member).read() for member in archive]  # type: ignore[union-attr]
    return json.loads(parts[0]), parts[1]


def written(path: Path, manifest: Mapping[str, Any], commits: bytes) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in (
            ("manifest.json", json.dumps(manifest).encode()),
            ("commits.bundle", commits),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def commit(
    repo: Repo,
    parent: str,
    files: Mapping[str, str],
    *,
    mode: str = "100644",
    author: str = IDENTITY,
    second_parent: str = "",
    tag: str = "t",
    message: str = "",
) -> str:
    """A commit made without a working tree, with a message as a page of the notebook has it."""
    name, _, email = author.rstrip(">").partition(" <")
    people = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", name), ("EMAIL", email))
    }

    def git(*arguments: str, stdin: str = "") -> str:
        environment = {**GIT_ENVIRONMENT, **people, "GIT_INDEX_FILE": f"{repo.path}/.git/forged"}
        done = subprocess.run(
            ["git", *arguments],
            cwd=repo.path,
            env=environment,
            input=stdin.encode(),
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    git("read-tree", parent)
    for path, text in files.items():
        blob = git("hash-object", "-w", "--stdin", stdin=text)
        git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
    parents = ["-p", parent, *(["-p", second_parent] if second_parent else [])]
    return git("commit-tree", git("write-tree"), *parents, "-m", message or _FORGED.format(tag=tag))
