"""Where the trees of this machine's runs lie, and which of those nobody uses any more.

A run's scratch folder is made anew whenever it begins or goes on, so nobody misses what a killed
run has left. Whoever uses one holds a lock beside it, which the kernel takes back with the process,
however that ends. A name alone says nothing: others can make folders of any name beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.execution.processes import kill_with_variable
from autoresearch_ci.execution.sandbox.shared_memory import delete

PATIENCE = 10.0
"""Seconds that another process may take to delete what was left here."""
TREE = "tree"
"""Of the code, in a scratch folder."""
_ABOVE = "tmpwork-"
_DRAFT = "-draft-"
_LOCK = ".used"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME = rf"[0-9a-f]{{16}}(?:{_DRAFT}[^/]*)?"
_OURS = re.compile(_NAME)
_IN_A_TREE = re.compile(rf"/\S*/{_ABOVE}\d+/{_NAME}/{TREE}/")


def scratch_of(run_store: Path) -> Path:
    """Of the run with this store."""
    name = hashlib.sha256(os.fsencode(run_store)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"{_ABOVE}{os.getuid()}" / name


def draft_beside(scratch: Path, agent: str) -> Path:
    """Where an agent of the same run edits; it lives and dies with the scratch folder."""
    return scratch.with_name(f"{scratch.name}{_DRAFT}{agent}")


def without_trees(text: str) -> str:
    """With the files of all such trees as the repository calls them: the trees do not stay."""
    return _IN_A_TREE.sub("", text)


@contextlib.contextmanager
def in_use(scratch: Path) -> Iterator[None]:
    """Within the block nobody deletes it; before, those of dead runs are deleted, afterwards it.

    Raises `WorkspaceError` when the folder above is not ours.
    """
    refuse_foreign(scratch.parent)
    lock = _lock(scratch)
    try:
        if lock is not None:
            _sweep(scratch.parent)
        yield
    finally:
        with contextlib.suppress(OSError):  # what cannot be deleted stays
            _empty(scratch)
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """A new folder of this process: should it be killed, the next one of ours deletes it."""
    folder = scratch_of(Path(secrets.token_hex()))
    with in_use(folder):
        folder.mkdir(mode=0o700)
        yield folder


def refuse_foreign(parent: Path) -> None:
    """The folder for temporary files is open to all: what lies there must be ours, and no link."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise WorkspaceError(
            f"{parent} is a link or belongs to somebody else, so nothing may be built or deleted "
            "in it.\ndo: remove it, or set TMPDIR to a folder of your own."
        )


def _lock(scratch: Path) -> int | None:
    """`None`: this file system has no locks for folders, or somebody sits on this one."""
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        try:
            return _locked(scratch)
        except FileNotFoundError:  # deleted in between
            continue
        except BlockingIOError:
            time.sleep(0.05)
    return None


def _locked(scratch: Path) -> int | None:
    """The folder that stands for it, opened and locked; `None`: there are no locks for folders.

    Raises:
        BlockingIOError: another process has locked it.
        FileNotFoundError: it is not there any more.
        OSError: it is no folder, or cannot be opened.
    """
    held = scratch.with_name(scratch.name + _LOCK)
    with contextlib.suppress(FileExistsError):  # `exist_ok` raises when it is deleted meanwhile
        held.mkdir(mode=0o700)
    descriptor = os.open(held, _FOLDER)
    with contextlib.ExitStack() as unless_ours:
        unless_ours.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return None
        if not os.path.samestat(os.fstat(descriptor), held.lstat()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(held))
        unless_ours.pop_all()
    return descriptor


def _sweep(above: Path) -> None:
    for path in list(above.iterdir()):
        scratch = path.with_name(path.name.removesuffix(_LOCK))
        if not _OURS.fullmatch(scratch.name):
            continue
        scratch = scratch.with_name(scratch.name[:16])  # not the draft beside it
        with contextlib.suppress(OSError):  # in use, or gone
            lock = _locked(scratch)
            try:
                _empty(scratch)
            finally:
                if lock is not None:
                    os.close(lock)


def _empty(scratch: Path) -> None:
    """Delete the scratch folder, its drafts and the lock, and end what still runs in them."""
    for path in list(scratch.parent.glob(f"{scratch.name}*")):
        if _OURS.fullmatch(path.name):
            kill_with_variable("HOME", str(path / "home"))
            delete(path)
    delete(scratch.with_name(scratch.name + _LOCK))
