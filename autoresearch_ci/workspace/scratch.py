"""Where the trees of this machine's runs lie, and which of those nobody uses any more.

A box is made anew whenever its run begins or goes on, so nobody misses what a killed run has left.
Whoever uses a box holds a lock beside it, which the kernel takes back with the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.execution.processes import kill_with_variable
from autoresearch_ci.execution.sandbox.memory import delete, locked

PATIENCE = 10.0
"""Seconds that another process may take to delete what was left here."""
_DRAFT = "-draft-"
_LOCK = ".used"
_OURS = re.compile(rf"[0-9a-f]{{16}}({_DRAFT}.*)?")


def box_of(run_store: Path) -> Path:
    """Of the run with this store."""
    name = hashlib.sha256(os.fsencode(run_store)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"autoresearch-ci-{os.getuid()}" / name


def draft_beside(box: Path, agent: str) -> Path:
    """Where an agent of the same run edits; it lives and dies with the box."""
    return box.with_name(f"{box.name}{_DRAFT}{agent}")


@contextlib.contextmanager
def in_use(box: Path) -> Iterator[None]:
    """Within the block nobody deletes the box; before it dead runs' are deleted, after it this one.

    Raises `WorkspaceError` when the folder above is not ours.
    """
    refuse_foreign(box.parent)
    lock = _lock(box)
    try:
        if lock is not None:
            _sweep(box.parent)
        yield
    finally:
        with contextlib.suppress(OSError):  # what cannot be deleted stays
            _empty(box)
        if lock is not None:
            os.close(lock)


def refuse_foreign(parent: Path) -> None:
    """The folder for temporary files is open to all: what lies there must be ours, and no link."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise WorkspaceError(
            f"{parent} is a link or belongs to somebody else, so nothing may be built or deleted "
            "in it.\ndo: remove it, or set TMPDIR to a folder of your own."
        )


def _lock(box: Path) -> int | None:
    """`None`: this file system has no locks for folders, or somebody sits on this one."""
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        try:
            return _locked(box)
        except FileNotFoundError:  # deleted in between
            continue
        except BlockingIOError:
            time.sleep(0.05)
    return None


def _locked(box: Path) -> int | None:
    held = box.with_name(box.name + _LOCK)
    held.mkdir(mode=0o700, exist_ok=True)
    return locked(held)


def _sweep(above: Path) -> None:
    for path in list(above.iterdir()):
        box = path.with_name(path.name.removesuffix(_LOCK))
        if not _OURS.fullmatch(box.name):
            continue
        box = box.with_name(box.name[:16])  # not the draft beside it
        with contextlib.suppress(OSError):  # in use, or gone
            lock = _locked(box)
            try:
                _empty(box)
            finally:
                if lock is not None:
                    os.close(lock)


def _empty(box: Path) -> None:
    """Delete the box, its drafts and the lock, and end what still runs in them."""
    for path in list(box.parent.glob(f"{box.name}*")):
        if _OURS.fullmatch(path.name):
            kill_with_variable("HOME", str(path / "home"))
            delete(path)
    delete(box.with_name(box.name + _LOCK))
