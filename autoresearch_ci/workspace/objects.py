"""Makes git's objects without a process of git's: loose files, as git itself writes them.

A candidate's commit and its row of the notebook are a dozen small objects; each process of git's
takes longer than all of them. What refs point at, and reading, stays git's business.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.workspace.repository import Changes, FileVersion

_FOLDER = b"40000"
_NEVER = frozenset({"", ".", "..", ".git"})
"""Parts of a path that git has in no tree."""
_AT_ONCE = 8
"""Files that are flushed side by side."""


class _Entry(NamedTuple):
    mode: bytes
    name: bytes
    """Of the object, as bytes."""


class Objects:
    """Makes objects; where they go, who derives from it knows."""

    def __init__(self, content: Callable[[str, str], bytes], width: int) -> None:
        """`content`: reads an object by name and kind. `width`: hexadecimal digits of a name."""
        self._content = content
        self._algorithm = "sha1" if width == 40 else "sha256"
        self._size = width // 2

    def add(self, kind: str, data: bytes) -> str:
        """The name of an object. Raises `OSError`."""
        stored = b"%s %d\0%s" % (kind.encode(), len(data), data)
        name = hashlib.new(self._algorithm, stored, usedforsecurity=False).hexdigest()
        self.keep(f"{name[:2]}/{name[2:]}", stored)
        return name

    def keep(self, place: str, stored: bytes) -> None:
        """Put what git would compress at a path below a folder of objects."""
        raise NotImplementedError

    def tree(self, root: str, changes: Changes) -> str:
        """A tree with files replaced, added or, where there is `None`, left out.

        `root`: its name; empty: one without files. What is empty then is the empty tree. Raises
        `WorkspaceError` for a path that no tree can hold.
        """
        parts = {tuple(path.split("/")): version for path, version in changes.items()}
        for path in parts:
            if any(part.lower() in _NEVER for part in path):
                raise WorkspaceError(f"git has no place for a file {'/'.join(path)!r}")
        return self._with(root, parts) or self.add("tree", b"")

    def _with(self, tree: str, changes: Mapping[tuple[str, ...], FileVersion | None]) -> str:
        """Empty when nothing is left."""
        entries = _parsed(self._content(tree, "tree"), self._size) if tree else {}
        below: dict[bytes, dict[tuple[str, ...], FileVersion | None]] = {}
        for (part, *rest), version in changes.items():
            name = os.fsencode(part)
            if rest:
                below.setdefault(name, {})[tuple(rest)] = version
            elif version is None:
                entries.pop(name, None)
            else:
                entries[name] = _Entry(version.mode.encode(), bytes.fromhex(version.blob))
        for name, inner in below.items():
            there = entries.get(name)
            is_folder = there is None or there.mode == _FOLDER
            new = self._with(there.name.hex() if there and is_folder else "", inner)
            if new:
                entries[name] = _Entry(_FOLDER, bytes.fromhex(new))
            elif is_folder:
                entries.pop(name, None)
        if not entries:
            return ""
        order = sorted(entries.items(), key=_place)
        return self.add("tree", b"".join(b"%s %s\0%s" % (e.mode, n, e.name) for n, e in order))

    def tree_of(self, commit: str) -> str:
        """The name of a commit's tree."""
        return self._content(commit, "commit").partition(b"\n")[0].split()[1].decode()


class LastingObjects(Objects):
    """In a folder, where they survive a power cut, as what a ref points at must."""

    def __init__(self, folder: Path, content: Callable[[str, str], bytes], width: int) -> None:
        super().__init__(content, width)
        self._folder = folder
        self._drafts: dict[Path, Path] = {}
        """By the place of an object, the file that will be it once a commit is made."""

    def keep(self, place: str, stored: bytes) -> None:
        """It is there whole or not at all."""
        target = self._folder / place
        if target in self._drafts or _freshened(target):
            return
        target.parent.mkdir(exist_ok=True)
        # Git clears away what begins so when a process dies here.
        draft = target.with_name(f"tmp_obj_{secrets.token_hex(8)}")
        self._drafts[target] = draft
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            with os.fdopen(descriptor, "wb") as file:
                file.write(zlib.compress(stored, 1))
        except BaseException:
            self._drop()
            raise

    def _settle(self) -> None:
        """What is written is there from now on. A disk flushes several files as fast as one."""
        try:
            if self._drafts:
                _flush_all(list(self._drafts.values()))
            for place, draft in list(self._drafts.items()):
                draft.replace(place)
                del self._drafts[place]
        finally:
            self._drop()

    def _drop(self) -> None:
        for draft in self._drafts.values():
            with contextlib.suppress(OSError):
                draft.unlink()
        self._drafts.clear()

    def commit(
        self, tree: str, parents: Sequence[str], message: str, *, people: str, timestamp: int
    ) -> str:
        """A commit of a tree. `people`: author and committer, as `Name <address>`."""
        when = f"{people} {timestamp} +0000"
        heads = [f"tree {tree}", *(f"parent {name}" for name in parents)]
        text = "\n".join([*heads, f"author {when}", f"committer {when}", "", message])
        name = self.add("commit", text.encode(errors="replace"))
        self._settle()
        return name


def _flush_all(drafts: Sequence[Path]) -> None:
    ours, *others = drafts
    try:
        with ThreadPoolExecutor(max(1, min(len(others), _AT_ONCE))) as pool:
            flushed = pool.map(_flush, others)
            _flush(ours)
            list(flushed)
    except RuntimeError:  # the system starts no further thread
        for draft in drafts:
            _flush(draft)


def _flush(draft: Path) -> None:
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _freshened(place: Path) -> bool:
    """Whether an object is there: young again, as `git gc` deletes what is old and in no ref."""
    try:
        os.utime(place)
    except (FileNotFoundError, PermissionError):  # or it is another user's
        return False
    return True


def _place(entry: tuple[bytes, _Entry]) -> bytes:
    """Git orders a folder as if its name ended with a slash."""
    name, found = entry
    return name + b"/" if found.mode == _FOLDER else name


def _parsed(data: bytes, size: int) -> dict[bytes, _Entry]:
    """The entries of a tree by name."""
    entries, at = {}, 0
    while at < len(data):
        end = data.index(b"\0", at)
        mode, _, name = data[at:end].partition(b" ")
        at = end + 1 + size
        entries[name] = _Entry(mode, data[end + 1 : at])
    return entries
