"""The folder in which an agent CLI edits: the incumbent as plain files, and what became of them.

Written from git's object store byte for byte (no line-end conversion, no filter) and compared with
what we remember of it: git is never run here, so nothing an agent plants (`.git`, hooks, index
flags) is ever consulted. Who edits here, and how, is not this module's business.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.execution.sandbox.jail import Jail, unconfined
from autoresearch_ci.experiment import FileEdit
from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.measure_tree import copy_folder
from autoresearch_ci.workspace.relocate import relocate
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.scope import Scope, is_hidden_path
from autoresearch_ci.workspace.scratch import TREE
from autoresearch_ci.workspace.snapshot import Snapshot, remove, undisturbed

MAX_FILE_BYTES = 2 << 20
"""A changed file above this is no edit: a build output, a download, a core dump."""
MAX_FILES = 200
"""A change of more files than this is no experiment but an unpacked archive: all are dropped."""

_EXECUTABLE, _LINK, _SUBMODULE = "100755", "120000", "160000"
_KINDS = {stat.S_IFLNK: "a link", stat.S_IFREG: "a file with a second name (hard link)"}


@dataclass(frozen=True, kw_only=True)
class Drafted:
    """What differs from the incumbent after an agent worked in the draft."""

    edits: tuple[FileEdit, ...] = ()
    """In-scope regular files only, sorted by path; a changed mode alone is no edit."""
    refusals: tuple[str, ...] = ()
    """What else was changed and is dropped, with the reason: `out-of-scope: tests/test_a.py`."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a draft tree is made of."""

    files: Mapping[str, FileVersion]
    """The base commit's tree."""
    incumbent: Callable[[], Changes]
    """How the commit to beat differs from the base commit, now."""
    read: Callable[[FileVersion], bytes]
    """Content from the object store (`Store.read`)."""
    scope: Scope
    ignored: Callable[[Iterable[str]], Iterable[str]]
    """Those of the paths that the repository ignores (`Repository.ignored`)."""
    hidden: frozenset[str] = frozenset()
    """Files and folders that an agent must not see, such as the holdout's: they are not there."""
    share: Callable[[], Mapping[str, Path]] = dict
    """Dependency folders to copy into the tree, and the root of the tree that each comes from.
    Asked for whenever the tree is made from nothing."""
    most_files: int = MAX_FILES
    """A change of more is dropped."""


class DraftTree:
    """`reset`, let the agent work in `tree`, `collect`; as often as needed."""

    def __init__(self, scratch: Path, material: Material, sandbox: Jail | None = None) -> None:
        self.scratch = scratch
        """A folder of our own, outside any repository; everything in it may be deleted."""
        self.sandbox = sandbox or unconfined(scratch)
        """Of the agent."""
        self.tree = scratch / TREE
        self.home = scratch / "home"
        """HOME of the agent; empty after each `reset`."""
        self.temporary = scratch / "tmp"
        """TMPDIR of the agent; empty after each `reset`."""
        self.exchange = scratch / "exchange"
        """Prompt and answer files; empty after each `reset`."""
        self._material = material
        self._snapshot: Snapshot | None = None
        self._placed: Mapping[str, FileVersion | bytes | None] = {}
        self._shared: tuple[str, ...] = ()

    def reset(self, edits: Iterable[FileEdit] = ()) -> None:
        """Make the tree the incumbent with `edits` applied, whatever was done to it before."""
        placed = {**self._material.incumbent(), **{edit.path: edit.content for edit in edits}}
        if self.sandbox.user:  # it must get through, and need not look around
            self.scratch.mkdir(parents=True, exist_ok=True)
            for folder in (self.scratch.parent, self.scratch):
                folder.chmod(0o711)
        for folder in (self.home, self.temporary, self.exchange):
            remove(folder)
            folder.mkdir(parents=True, mode=0o700)
            self.sandbox.own(folder)
        if self._snapshot is None or not _is_folder(self.tree):
            self._placed = placed
            self._snapshot = self._fresh()
            return
        snapshot, self._snapshot = self._snapshot, None  # what fails half-way is made afresh
        now = Snapshot(self.tree)
        now.take()
        spoilt = {path for path, _ in snapshot.files.items() ^ now.files.items()}
        before, self._placed = self._placed, placed
        if any(self._is_shared(path) for path in spoilt):
            self._snapshot = self._fresh()
            return
        outdated = {
            path
            for path in before.keys() | placed.keys()
            if path not in before or path not in placed or before[path] != placed[path]
        }
        with undisturbed(self.tree):
            for new in now.folders.keys() - snapshot.folders.keys():
                beneath.remove(self.tree, new)
            snapshot.files = now.files | snapshot.files
            self._rewrite(snapshot, outdated.union(spoilt))
        self._snapshot = snapshot

    def collect(self) -> Drafted:
        """Everything that was changed since `reset`; the tree is only read."""
        assert self._snapshot is not None, "reset comes first"
        if not _is_folder(self.tree):
            return Drafted(refusals=("the whole folder was removed or replaced",))
        now = Snapshot(self.tree)
        try:
            now.take()
        except WorkspaceError:
            return Drafted(refusals=("the folder was still being changed when the agent ended",))
        before = self._snapshot.files
        changed = {
            path
            for path in before.keys() | now.files.keys()
            if before.get(path) != now.files.get(path) and ".git" not in path.split("/")
        }
        changed = {path for path in changed if not self._is_shared(path)}
        if news := sorted(changed - before.keys()):
            changed -= set(self._material.ignored(news))
        edits: list[FileEdit] = []
        refusals: list[str] = []
        for path in sorted(changed):
            found = self._edit(path)
            if isinstance(found, FileEdit):
                edits.append(found)
            elif found:
                refusals.append(found)
            if not isinstance(found, str) and self._mode_differs(path):
                refusals.append(f"{path}: its mode, which a proposal does not change")
            if len(edits) > (most := self._material.most_files):
                return Drafted(refusals=(f"more than {most} files were changed", *refusals))
        return Drafted(edits=tuple(edits), refusals=tuple(refusals))

    def remove(self) -> None:
        """Delete everything; a later `reset` starts afresh."""
        remove(self.scratch)
        self.sandbox.close()
        self._snapshot = None

    def _edit(self, path: str) -> FileEdit | str | None:
        """The edit of a touched path, why it is dropped, or `None` when the content is the same."""
        expected = self._expected(path)
        try:
            content = _content(self.tree, path)
        except FileNotFoundError:
            content = None
        except _NotAFileError as error:
            return self._material.scope.refusal(path) or f"{path}: {error}"
        if expected is not None and not isinstance(expected, bytes) and not expected.regular:
            kind = "a link" if expected.mode == _LINK else "a submodule"
            return f"out-of-scope: {path} ({kind})"
        for parent in map(str, PurePosixPath(path).parents):
            above = self._expected(parent)
            if isinstance(above, FileVersion) and not above.regular:
                return f"out-of-scope: {path} ({parent} is not a folder)"
        if content == (None if expected is None else self._bytes(expected)):
            return None
        refused = self._material.scope.refusal(path)
        return refused or FileEdit(path=path, content=content)

    def _mode_differs(self, path: str) -> bool:
        """Whether the agent made it executable, or no longer so."""
        expected = self._expected(path)
        if isinstance(expected, bytes):
            return False
        with contextlib.suppress(OSError):
            executable = bool(beneath.status(self.tree, path).st_mode & stat.S_IXUSR)
            return executable != (expected is not None and expected.mode == _EXECUTABLE)
        return False

    def _expected(self, path: str) -> FileVersion | bytes | None:
        if path in self._placed:
            return self._placed[path]
        if is_hidden_path(path, self._material.hidden):
            return None
        return self._material.files.get(path)

    def _bytes(self, content: FileVersion | bytes) -> bytes:
        return content if isinstance(content, bytes) else self._material.read(content)

    def _fresh(self) -> Snapshot:
        """The tree written from nothing."""
        remove(self.tree)
        self.tree.mkdir(mode=0o700)
        self.sandbox.own(self.tree)
        self._share()
        snapshot = Snapshot(self.tree, own=self.sandbox.own)
        with undisturbed(self.tree):
            self._rewrite(snapshot, self._material.files.keys() | self._placed.keys())
        wanted = snapshot.files
        snapshot.take()
        if missing := wanted.keys() - snapshot.files.keys():
            path = min(missing)
            raise WorkspaceError(f"{path} vanished while the agent's folder was being made")
        return snapshot

    def _share(self) -> None:
        """Fill in the dependency folders; what git tracks in there is the commit's."""
        shared = self._material.share()
        self._shared = tuple(shared)
        for name, root in shared.items():
            copy_folder(root / name, self.tree / name)
            relocate(self.tree, name, root)
        for path in self._material.files:
            if any(path == name or path.startswith(f"{name}/") for name in shared):
                beneath.remove(self.tree, path)
        for folder in {name.partition("/")[0] for name in shared}:
            if (self.tree / folder).is_dir():
                self.sandbox.own_all(self.tree / folder)

    def _is_shared(self, path: str) -> bool:
        """Whether a file is there only because its folder was copied."""
        inside = any(path == name or path.startswith(f"{name}/") for name in self._shared)
        return inside and self._expected(path) is None

    def _rewrite(self, snapshot: Snapshot, paths: Iterable[str]) -> None:
        """Give each path the content that it should have now."""
        present = []
        for path in sorted(paths):  # deletions first: a folder may take the place of a file
            if snapshot.files.pop(path, None):
                beneath.remove(self.tree, path)
            if (expected := self._expected(path)) is None:
                snapshot.drop_empty_parents(path)
            else:
                present.append((path, expected))
        # Links last: no file is ever written through one.
        for path, expected in sorted(present, key=lambda entry: _is_link(entry[1])):
            snapshot.make_parents(path)
            self._write(snapshot, path, expected)

    def _write(self, snapshot: Snapshot, path: str, expected: FileVersion | bytes) -> None:
        mode = expected.mode if isinstance(expected, FileVersion) else self._mode(path)
        if mode == _SUBMODULE:  # not filled in: nothing in it could be edited
            snapshot.make_parents(f"{path}/-")
            return
        if mode == _LINK:
            beneath.link(self.tree, path, os.fsdecode(self._bytes(expected)))
        else:
            permissions = 0o755 if mode == "100755" else 0o644
            beneath.write(self.tree, path, self._bytes(expected), permissions)
        snapshot.learn(path)

    def _mode(self, path: str) -> str:
        version = self._material.incumbent().get(path) or self._material.files.get(path)
        return version.mode if version else "100644"


class _NotAFileError(Exception):
    """What lies at a path cannot be a file's new content."""


def _content(root: Path, path: str) -> bytes:
    """Content of a regular file; the agent may have put anything in its or its folder's place."""
    try:
        kind = beneath.status(root, path).st_mode
        if stat.S_ISDIR(kind):
            raise FileNotFoundError(path)
        # We may read more than the agent may: a hard link must not have us read it on its behalf.
        content = beneath.read(root, path, MAX_FILE_BYTES + 1, one_name=True)
    except PermissionError as error:
        raise _NotAFileError("not readable") from error
    except OSError as error:
        if error.errno in beneath.MOVING:  # a file or a link took the place of its folder
            raise FileNotFoundError(path) from error
        raise
    if content is None:
        raise _NotAFileError(_KINDS.get(stat.S_IFMT(kind), "not a regular file"))
    if len(content) > MAX_FILE_BYTES:
        raise _NotAFileError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
    return content


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_link(expected: FileVersion | bytes) -> bool:
    return isinstance(expected, FileVersion) and expected.mode == _LINK
