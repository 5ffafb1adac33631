"""What a run is called: tag, branch and folder, and the refusal of those that are taken."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import re
import tempfile
from pathlib import Path, PurePosixPath

from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.experiment import Direction
from autoresearch_ci.record import journal_tsv as journal
from autoresearch_ci.record.notebook import notebook_ref
from autoresearch_ci.record.run_records import has_verdict
from autoresearch_ci.workspace.repository import Repository

_TAG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?![./]|lock\b))*")
_REPORTS = ("results.tsv", "summary.md", "run.json", "progress.svg", "report.html")
"""What a run writes into its folder, beside the logs."""
INVESTIGATION = "investigation.jsonl"
"""Records of a command that only looks: not `records.jsonl`, as none of them is the last run."""


def is_tag(text: str) -> bool:
    """Whether `text` can be the name of a run, in refs and in folders."""
    return bool(_TAG.fullmatch(text)) and len(text) <= 100 and not text.endswith(".")


def run_store(repository: Repository, tag: str) -> Path:
    """Where a run keeps what must survive."""
    return repository.common_dir / "autoresearch" / tag


def chosen_tag(repository: Repository, tag: str | None, *, resume: bool, prefix: str = "") -> str:
    """`tag`, the last run's to resume it, or the day's. Raises `ConfigError`.

    `prefix`: of tags that nobody chose, `fix-`; empty: a run's.
    """
    if tag is not None:
        if not is_tag(tag):
            raise ConfigError(
                f"--tag {tag!r} cannot be part of a branch name.\n"
                "do: use letters, digits, '-', '_' and single dots, such as nightly-2026-01-31."
            )
        return tag
    stores = repository.common_dir / "autoresearch"
    if resume:
        found = stores.glob(f"{prefix}*/records.jsonl")
        runs = sorted(found, key=lambda p: p.stat().st_mtime)
        if not runs:
            raise ConfigError("--resume: no earlier run in this repository.\ndo: leave it out.")
        return runs[-1].parent.name
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    names = [f"{prefix}{day}", *(f"{prefix}{day}-{n}" for n in range(2, 1000))]
    return next(
        name
        for name in names
        if not has_verdict(stores / name) and repository.ref(notebook_ref(name)) is None
    )


def chosen_investigation(
    repository: Repository, command: str, tag: str | None, *, resume: bool
) -> str:
    """As `chosen_tag`, of a command that only looks. Raises `ConfigError` or `WorkspaceError`."""
    stores = repository.common_dir / "autoresearch"
    if tag is not None:
        tag = chosen_tag(repository, tag, resume=resume)  # its spelling
        used = (stores / f"{command}-{tag}" / INVESTIGATION).exists()
        if resume and not used:
            raise ConfigError(
                f"--resume: there is no {command} with the tag {tag!r} to continue here.\n"
                f"do: ls {stores}, or leave --resume out."
            )
        if used and not resume:
            raise WorkspaceError(
                f"the tag {tag!r} was used before by {command}.\n"
                "do: add --resume to continue it, or choose another --tag."
            )
        return tag
    begun = sorted(
        stores.glob(f"{command}-*/{INVESTIGATION}"), key=lambda path: path.stat().st_mtime
    )
    if resume and not begun:
        raise ConfigError(f"--resume: no earlier {command} here.\ndo: leave it out.")
    if resume:
        return begun[-1].parent.name.removeprefix(f"{command}-")
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    names = [day, *(f"{day}-{n}" for n in range(2, 1000))]
    return next(n for n in names if not (stores / f"{command}-{n}" / INVESTIGATION).exists())


def refuse_used_tag(repository: Repository, tag: str, branch: str | None, *, shared: bool) -> None:
    """`shared`: runs with other tags have the same branch. Raises `WorkspaceError`."""
    store = run_store(repository, tag)
    taken = None
    if branch and repository.ref(f"refs/heads/{branch}"):
        if shared and not has_verdict(store):  # another tag would not help
            raise WorkspaceError(
                f"branch {branch} exists already, and holds commits that are nowhere else.\n"
                "usually: publish.branch has no {tag} in it, and an earlier run published nothing; "
                "or it is a branch of yours.\n"
                f"do: git branch -m {branch} another-name, or put {{tag}} into publish.branch."
            )
        taken = f"branch {branch}"
    elif repository.ref(notebook_ref(tag)):
        taken = notebook_ref(tag)
    elif has_verdict(store):
        taken = str(store)
    if taken:
        raise WorkspaceError(
            f"the tag {tag!r} was used before: {taken} exists.\n"
            "do: add --resume to continue that run, or choose another --tag."
        )


def refuse_impossible_branch(repository: Repository, branch: str) -> None:
    """Git keeps branches as files in folders. Raises `WorkspaceError`."""
    for parent in PurePosixPath(branch).parents[:-1]:
        if repository.ref(f"refs/heads/{parent}"):
            raise WorkspaceError(
                f"branch {branch} cannot be created, because a branch {parent} exists: git keeps "
                f"branches as files in folders.\ndo: git branch -m {parent} another-name, or set "
                "publish.branch."
            )
    if below := repository.refs(f"refs/heads/{branch}/"):
        raise WorkspaceError(
            f"branch {branch} cannot be created, because a branch "
            f"{below[0].removeprefix('refs/heads/')} exists: git keeps branches as files in "
            "folders.\ndo: set another publish.branch, or rename that one (git branch -m)."
        )


def refuse_vanished_base(repository: Repository, base: str) -> None:
    """Raises `WorkspaceError` when the commit that a run started from is gone."""
    if repository.ref(base) is None:
        raise WorkspaceError(
            f"the commit {base[:12]}, which this run started from, is no longer in the repository."
            "\nusually: history was rewritten and the old commits pruned, or this is another clone."
            "\ndo: fetch it from wherever it still is (git fetch origin <branch>), or start a run "
            "with another --tag."
        )


_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def refuse_folder(folder: Path, *, theirs: bool) -> None:
    """`theirs`: the user chose it, so what is in there may be theirs, too. Raises `ConfigError`."""
    above = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not above.is_dir():
        raise ConfigError(
            f"the run's folder {folder} cannot be made, because {above} is no folder.\n"
            "do: choose another one with --output."
        )
    try:
        tempfile.TemporaryDirectory(dir=above).cleanup()
    except OSError as error:
        if error.errno in _OF_THE_DISK or (error.errno == errno.EACCES and not theirs):
            raise
        raise ConfigError(
            f"the run's folder {folder} cannot be written: {error.strerror or error}.\n"
            "usually: it belongs to somebody else, or is no place for files.\n"
            "do: choose another one with --output."
        ) from error
    if not theirs or not folder.is_dir():
        return
    taken = [name for name in _REPORTS if (folder / name).exists()]
    if taken and not _is_ours(folder / _REPORTS[0]):
        raise ConfigError(
            f"--output {folder}: {taken[0]} is there already, and no run has written it.\n"
            "do: choose an empty folder; a run would overwrite what is in this one."
        )


def _is_ours(path: Path) -> bool:
    """Whether a run of this program wrote the file, and not another tool or a person."""
    headers = tuple(journal.header(direction).encode() for direction in Direction)
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(max(map(len, headers))).startswith(headers)
    return False
