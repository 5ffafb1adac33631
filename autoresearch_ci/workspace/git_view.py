"""A repository for measured code to ask: the base commit with the measured changes, and the tags.

`git describe`, `git ls-files`, `git diff --quiet` and version tools answer as in a checkout of what
is measured. It lies in the measure tree as `.git`, holds no remote, branch, hook or configuration
of the user's, nor what only these lead to, and is asked by nobody of ours. A candidate is the base
commit amended: its ancestors and tags are the base commit's, so both have the same version.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from autoresearch_ci.workspace.git import GitDirectory
from autoresearch_ci.workspace.objects import Objects
from autoresearch_ci.workspace.repository import Changes, FileVersion

_STAT = struct.Struct(">10I")
"""Of an index entry: ctime, mtime (each in two), dev, ino, mode, uid, gid, size."""
_PEELED = "# pack-refs with: peeled fully-peeled sorted \n"
_SIGNATURE = re.compile(rb"^gpgsig(-sha256)? .*\n( .*\n)*", re.MULTILINE)
_ASSUME_UNCHANGED = 0x8000


Tag = tuple[str, str, str]
"""Its name, object and, where that is one of its own, the commit that it names; else empty."""


class _Loose(Objects):
    """In a folder that commands of any user may read."""

    def __init__(self, git: GitDirectory, width: int, folder: Path) -> None:
        super().__init__(git.content, width)
        self._folder = folder

    def keep(self, place: str, stored: bytes) -> None:
        target = self._folder / place
        target.parent.mkdir(exist_ok=True)
        target.parent.chmod(0o755)
        target.write_bytes(zlib.compress(stored, 1))
        target.chmod(0o644)


class GitView:
    """`files` is what lies in the tree; `differing` says which of them change with a candidate."""

    def __init__(
        self,
        *,
        git: GitDirectory,
        index: bytes,
        objects: Path,
        shallow: bytes,
        tags: Sequence[Tag],
        base: str,
        tree: Path,
        filtered: Iterable[str],
        held: Mapping[str, FileVersion],
    ) -> None:
        """`git`: to read with. `index`: of the base commit, as it is checked out now.

        `objects`: a folder that holds what the base commit and the tags lead to. `shallow`: of the
        user's repository. `filtered`: files of another content than the commit's. `held`: those
        that lack in the tree.
        """
        self._git = git
        self._base = base
        self._algorithm = "sha1" if len(base) == 40 else "sha256"
        self._is_root = base.encode() in shallow.split()
        self._tags = tags
        # Beside the tree, which holds as many files and bytes of git's whatever is measured.
        self._objects, self._own = objects, objects.with_name("candidate")
        self._own.mkdir()
        self._own.chmod(0o755)
        kind = "" if self._algorithm == "sha1" else "[extensions]\n\tobjectformat = sha256\n"
        version = 1 if kind else 0
        texts = {
            # Whoever owns a file, and where it lies, is no change of it.
            "config": f"[core]\n\trepositoryformatversion = {version}\n\tbare = false\n"
            f"\tlogallrefupdates = false\n\ttrustctime = false\n\tcheckStat = minimal\n{kind}",
            "objects/info/alternates": f"{objects}\n{self._own}\n",
            "refs/.keep": "",  # git looks for this folder
        }
        self.files: dict[str, bytes] = {f".git/{p}": os.fsencode(t) for p, t in texts.items()}
        if shallow:
            self.files[".git/shallow"] = shallow
        self._unchanged = frozenset(map(os.fsencode, filtered))
        self._held = held
        self._entries = _entries(index, len(base) // 2)
        self.files |= self._of({}, tree)

    def differing(self, changes: Changes, tree: Path) -> dict[str, bytes]:
        """What has another content where `changes` lie above the base commit, in `tree`.

        Git finds the objects of that from now on, and no more those of what was measured before.
        """
        self._forget()
        files = self._of(changes, tree) if changes or self._held else {}
        return {path: text for path, text in files.items() if self.files.get(path) != text}

    def _forget(self) -> None:
        """A command that runs as we do can close what it may not write."""
        for folder in (self._objects, self._objects / "pack", self._own):
            folder.chmod(0o755)
        for pack in (self._objects / "pack").iterdir():
            pack.chmod(0o444)
        for old in self._own.iterdir():  # the folder stays: views of the machine are made of it
            old.chmod(0o755)
            shutil.rmtree(old)

    def _of(self, changes: Changes, tree: Path) -> dict[str, bytes]:
        made = _Loose(self._git, len(self._base), self._own)
        for version in filter(None, changes.values()):
            made.add("blob", self._git.blob(version.blob))
        differs = {**dict.fromkeys(self._held), **changes}
        differs = {path: v for path, v in differs.items() if v != self._held.get(path, ...)}
        head = self._amended(made, differs) if differs else self._base
        tags = [self._moved(made, tag, head) for tag in self._tags]
        return {
            ".git/packed-refs": os.fsencode(_PEELED + "".join(map(_packed, tags))),
            ".git/HEAD": f"{head}\n".encode(),
            ".git/index": self._index(changes, tree),
        }

    def _amended(self, made: Objects, changes: Changes) -> str:
        """The base commit with another tree."""
        commit = _SIGNATURE.sub(b"", self._git.content(self._base, "commit"))
        root, _, rest = commit.partition(b"\n")
        if self._is_root:
            rest = re.sub(rb"^(parent .*\n)+", b"", rest)
        tree = made.tree(root.split()[1].decode(), changes)
        return made.add("commit", b"tree %s\n%s" % (tree.encode(), rest))

    def _moved(self, made: Objects, tag: Tag, head: str) -> Tag:
        """One of the base commit is the candidate's, too."""
        name, oid, peeled = tag
        if head == self._base or self._base not in (oid, peeled):
            return tag
        if not peeled:
            return name, head, ""
        _, _, text = self._git.content(oid, "tag").partition(b"\n")
        text = re.sub(rb"^type tag\n", b"type commit\n", text)  # of a tag
        return name, made.add("tag", b"object %s\n%s" % (head.encode(), text)), head

    def _index(self, changes: Changes, tree: Path) -> bytes:
        entries = dict(self._entries)
        for path, version in changes.items():
            raw = os.fsencode(path)
            if version is None:
                entries.pop(raw, None)
            else:
                entries[raw] = _entry(tree, raw, version)
        for raw in self._unchanged & entries.keys():
            entries[raw] = _flagged(entries[raw], len(self._base) // 2)
        body = b"".join(
            [
                b"DIRC",
                struct.pack(">II", 2, len(entries)),
                *(entries[raw] for raw in sorted(entries)),
            ]
        )
        return body + hashlib.new(self._algorithm, body, usedforsecurity=False).digest()


def _entry(tree: Path, path: bytes, version: FileVersion) -> bytes:
    """With what `lstat` says of the file now, so that git need not read it."""
    mode = int(version.mode, 8)
    facts = [0, 0, 0, 0, 0, 0, mode, 0, 0, 0]
    with contextlib.suppress(OSError):
        found = os.lstat(tree / os.fsdecode(path))
        times = (*divmod(found.st_ctime_ns, 10**9), *divmod(found.st_mtime_ns, 10**9))
        whose = (found.st_uid, found.st_gid, found.st_size)
        numbers = (*times, found.st_dev, found.st_ino, mode, *whose)
        facts = [number & 0xFFFFFFFF for number in numbers]
    flags = struct.pack(">H", min(len(path), 0xFFF))
    entry = _STAT.pack(*facts) + bytes.fromhex(version.blob) + flags + path
    return entry + b"\0" * (8 - len(entry) % 8)


def _entries(index: bytes, width: int) -> dict[bytes, bytes]:
    """Path to entry, of an index of version 2 (gitformat-index)."""
    count, at = struct.unpack(">I", index[8:12])[0], 12
    entries = {}
    for _ in range(count):
        path = index[at + 42 + width : index.index(b"\0", at + 42 + width)]
        size = (42 + width + len(path) + 8) // 8 * 8
        entries[path] = index[at : at + size]
        at += size
    return entries


def _packed(tag: Tag) -> str:
    name, oid, peeled = tag
    return f"{oid} {name}\n" + (f"^{peeled}\n" if peeled else "")


def _flagged(entry: bytes, width: int) -> bytes:
    at = 40 + width
    flags = struct.unpack(">H", entry[at : at + 2])[0] | _ASSUME_UNCHANGED
    return entry[:at] + struct.pack(">H", flags) + entry[at + 2 :]
