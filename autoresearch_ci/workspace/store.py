"""Our own git directory: shares the user's objects, has refs and a configuration of its own.

`CommitTree` is one of its commits as proposers see it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.experiment import Tree
from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.git import GitDirectory, name_of
from autoresearch_ci.workspace.git_view import GitView
from autoresearch_ci.workspace.objects import LastingObjects
from autoresearch_ci.workspace.repository import Changes, FileVersion, Repository
from autoresearch_ci.workspace.scope import Scope
from autoresearch_ci.workspace.scratch import temporary
from autoresearch_ci.workspace.signing import Signing


@dataclass(frozen=True)
class CommitTree(Tree):
    """The in-scope files of one commit, as proposers see them."""

    files: Mapping[str, FileVersion]
    changes: Changes
    scope: Scope
    store: Store

    def version(self, path: str) -> FileVersion | None:
        """What is at `path`, also when it is not a regular file."""
        return self.changes[path] if path in self.changes else self.files.get(path)

    def all_paths(self) -> Sequence[str]:
        """Every regular file of the commit, in scope or not, sorted."""
        return sorted(n for n in {*self.files, *self.changes} if self._regular(n))

    def _regular(self, path: str) -> bool:
        version = self.version(path)
        return version is not None and version.regular

    def is_folder(self, path: str) -> bool:
        """Whether some file lies below `path`."""
        below = f"{path}/"
        names = (p for p in (*self.files, *self.changes) if p.startswith(below))
        return any(self.version(name) is not None for name in names)

    def read(self, path: str) -> bytes:
        return self.store.read(self._file(path))

    def size(self, path: str) -> int:
        return self.store.size(self._file(path))

    def _file(self, path: str) -> FileVersion:
        version = self.version(path)
        if version is None or not version.regular:
            raise KeyError(path)
        return version

    def paths(self) -> Sequence[str]:
        names = {p for p, v in self.files.items() if v.regular} | self.changes.keys()
        return sorted(self.scope.select(n for n in names if self.version(n) is not None))


Edits = Mapping[str, tuple[str, bytes] | None]
"""Path to mode and content; `None` deletes."""

_CONFIG = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
_SHA256 = "[extensions]\n\tobjectformat = sha256\n"
_INDEX = 256 << 20
_STAGED = 16 << 20
"""Bytes of a throwaway's index, and of a file that hooks have staged."""
_SMALL = 64 << 10
"""Bytes of an object that is not asked for again while it is among the last so many."""
_RECENT = 64
_PACK = ("pack-objects", "--quiet", "--non-empty")
_RAW = re.compile(rb":\d{6} \d{6} ([0-9a-f]+) ([0-9a-f]+) [A-Z]")
"""Of a change, the objects before and after it."""
_FOREIGN = ("commondir", "config.worktree", "hooks", "info", "shallow")
"""What would give git other configuration, attributes or history; we never make any of it."""
IDENTITY = "autoresearch-ci <autoresearch-ci@users.noreply.github.com>"


def _pathspecs(glob: str) -> Iterator[str]:
    """What git calls a pattern of .gitignore (`man 7 gitglossary`)."""
    glob = re.sub(r"(?<!\\)\s+$", "", glob).removeprefix("./")
    body = glob.strip("/")
    anywhere = "" if "/" in glob.rstrip("/") else "**/"
    yield f":(top,glob){anywhere}{body}/**"
    if not glob.endswith("/"):
        yield f":(top,glob){anywhere}{body}"


def _quoted(path: Path) -> str:
    """For a list of paths that git splits at colons, unless they are written as in C."""
    text = str(path)
    for character, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(character, written)
    return f'"{text}"'


def signed_by(author: str, timestamp: int) -> dict[str, str]:
    """Git's variables for author and committer of a commit."""
    name, email = author.removesuffix(">").split(" <")
    facts = {"NAME": name, "EMAIL": email, "DATE": f"{timestamp} +0000"}
    return {f"GIT_{role}_{fact}": facts[fact] for role in ("AUTHOR", "COMMITTER") for fact in facts}


def commit_tree(
    git: GitDirectory,
    words: Sequence[str],
    people: Mapping[str, str],
    signing: Signing | None,
    message: bytes | None = None,
) -> bytes:
    """The name of a new commit, signed where that is wanted. Raises `WorkspaceError`."""
    if signing is None:
        return git("commit-tree", *words, env=people, stdin=message)
    return git(
        *("commit-tree", "-S", *words),
        env={**people, **signing.environment},
        settings=signing.settings,
        stdin=message,
    )


_histories: list[tuple[Path, dict[object, dict[str, Path]]]] = []
"""A folder, and what was packed in it: by all that makes it another one, for each commit."""


@contextlib.contextmanager
def histories_kept() -> Iterator[None]:
    """Within the block the history that trees' git has is packed once, where it is the same."""
    with temporary() as folder:
        _histories.append((folder, {}))
        try:
            yield
        finally:
            _histories.pop()


def _link_packs(source: Path, target: Path) -> None:
    for path in (source / "pack").iterdir():
        place = target / "pack" / path.name
        try:
            os.link(path, place)
        except OSError:  # a file system without such names
            shutil.copy2(path, place)
    for folder in (target, target / "pack"):
        folder.chmod(0o755)


class Store:
    """Our own git directory: shares the user's objects, has our refs and our configuration."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.folder = folder
        self._objects = repository.common_dir / "objects"
        self._shallow = repository.common_dir / "shallow"
        self._format = repository.object_format
        self._tags = repository.tags
        if not (folder / "HEAD").exists():
            new = folder.with_name(f"{folder.name}.new")
            for path in (folder, new):
                shutil.rmtree(path, ignore_errors=True)
            new.mkdir(parents=True)
            # The format (sha1 or sha256) must match the objects that we share.
            kind = f"--object-format={self._format}"
            GitDirectory(new, new)("init", "--quiet", "--bare", "--template=", kind, str(new))
            new.rename(folder)  # killed before this, a run finds no half of a git directory
        for lock in folder.rglob("*.lock"):
            lock.unlink()  # of a git that was killed; the caller holds the run's lock
        places = {
            "GIT_OBJECT_DIRECTORY": str(self._objects),
            "GIT_SHALLOW_FILE": str(self._shallow),
        }
        self._calls = GitDirectory(folder, folder, **places)
        width = 64 if self._format == "sha256" else 40
        self._recent: dict[tuple[str, str], bytes] = {}
        self._made = LastingObjects(self._objects, self._read, width)

    @property
    def _git(self) -> GitDirectory:
        """Git with the configuration that we wrote, also where measured code runs as our user."""
        wanted = (_CONFIG + (_SHA256 if self._format == "sha256" else "")).encode()
        try:
            found = beneath.read(self.folder, "config", len(wanted) + 1)
        except FileNotFoundError:
            found = None
        if found != wanted:
            beneath.remove(self.folder, "config")
            beneath.write(self.folder, "config", wanted, 0o644)
        for name in _FOREIGN:
            beneath.remove(self.folder, name)
        return self._calls

    def commit(
        self,
        *,
        parents: Sequence[str],
        edits: Edits,
        message: str,
        timestamp: int,
        author: str = IDENTITY,
    ) -> tuple[str, dict[str, FileVersion | None]]:
        """Commit `edits` (path to mode and content, `None` deletes) on top of the first parent.

        Its cost depends on what changed, not on the size of the tree. Returns the commit, which no
        ref holds yet, and the version each edited path now has.
        """
        versions = {
            path: FileVersion(edit[0], self._made.add("blob", edit[1])) if edit else None
            for path, edit in edits.items()
        }
        root = self._made.tree_of(parents[0]) if parents else ""
        tree = self._made.tree(root, versions)
        made = self._made.commit(tree, parents, message, people=author, timestamp=timestamp)
        return made, versions

    def reword(
        self,
        commit: str,
        *,
        parent: str,
        message: str,
        timestamp: int,
        author: str = IDENTITY,
        signing: Signing | None = None,
    ) -> str:
        """A commit with the tree of `commit`, another message and `parent` as its parent."""
        if signing is None:
            tree = self._made.tree_of(commit)
            return self._made.commit(tree, [parent], message, people=author, timestamp=timestamp)
        words = (f"{commit}^{{tree}}", "-p", parent, "-F", "-")
        people = signed_by(author, timestamp)
        text = message.encode(errors="replace")
        return commit_tree(self._git, words, people, signing, text).decode().strip()

    def pack(self, tip: str, base: str) -> None:
        """Put what leads to `tip`, and not to `base`, into one file of differences.

        Saves room and nothing else, so it may fail, and may be killed at any instant: loose objects
        go when a pack on the disk holds them. What it misses, the next call takes.
        """
        code, _, _ = self._git.attempt(
            *(*_PACK, "--revs", "--incremental", "--local", f"{self._objects}/pack/pack"),
            stdin=f"{tip}\n^{base}\n".encode(),
            settings={"core.fsync": "committed,loose-object,reference,pack-metadata"},
        )
        if not code:
            self._git.attempt("prune-packed", "--quiet")

    def extract(
        self,
        objects: Path,
        tips: Iterable[str],
        known: Iterable[str] = (),
        without: frozenset[str] = frozenset(),
    ) -> None:
        """Fill a folder with what leads to `tips` and not to `known`, for anybody to read.

        But for the objects `without`.
        """
        packs = objects / "pack"
        packs.mkdir(parents=True, exist_ok=True)
        wanted = "".join(f"{line}\n" for line in (*tips, *(f"^{name}" for name in known))).encode()
        to = f"{packs}/pack"
        quick = {"core.fsync": "none", "pack.window": "0", "pack.compression": "1"}
        # Git prepares a pack in the folder of its objects, and a rename never leaves a disk.
        there = {
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(self._objects),
        }
        code = 1
        if not without:
            code, _, _ = self._git.attempt(
                *(*_PACK, "--revs", to), stdin=wanted, env=there, settings=quick
            )
        if code:  # a partial clone: with what it has
            listing = ("rev-list", "--objects", "--missing=allow-any", "--stdin")
            found = self._git(*listing, stdin=wanted)
            if without:
                left_out = {name.encode() for name in without}
                lines = found.splitlines(keepends=True)
                found = b"".join(ln for ln in lines if ln.split(maxsplit=1)[0] not in left_out)
            self._git(*_PACK, to, stdin=found, env=there, settings=quick)
        for path in (objects, packs, *packs.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o444)

    def _put_history(
        self, objects: Path, commit: str, tags: frozenset[str], without: frozenset[str]
    ) -> None:
        """Fill a folder with what leads to these, or with what was packed before, if it is kept."""
        if not _histories:
            self.extract(objects, [commit, *tags], without=without)
            return
        place, kept = _histories[-1]
        made = kept.setdefault((self._objects, tags, without), {})
        if commit not in made:
            folder = Path(tempfile.mkdtemp(dir=place))
            (folder / "pack").mkdir()
            asked = ("merge-base", "--is-ancestor")
            above = (c for c in reversed(made) if not self._git.attempt(*asked, c, commit)[0])
            known = next(above, "")
            if known:
                _link_packs(made[known], folder)
            self.extract(folder, [commit, *tags], [known, *tags] if known else (), without)
            made[commit] = folder
        (objects / "pack").mkdir(parents=True)
        _link_packs(made[commit], objects)

    def _ever_at(self, globs: Iterable[str], tips: Iterable[str]) -> frozenset[str]:
        """Objects that lay at a path of these, as gitignore reads them, in what leads to `tips`."""
        specs = [spec for glob in globs for spec in _pathspecs(glob)]
        if not specs:
            return frozenset()
        shown = ("--format=", "--raw", "-z", "--no-abbrev", "--no-renames", "--root", "-m")
        stdin = "".join(f"{tip}\n" for tip in tips).encode()
        told = self._git("log", *shown, "--full-history", "--stdin", "--", *specs, stdin=stdin)
        return frozenset(name.decode() for facts in _RAW.findall(told) for name in facts)

    def read(self, version: FileVersion) -> bytes:
        """Content of a file version."""
        return self._read(version.blob, "blob")

    def _read(self, name: str, kind: str) -> bytes:
        found = self._recent.pop((name, kind), None)
        if found is None:
            # The process that answers, once it is there, has read its configuration.
            found = (self._calls if self._calls.reading else self._git).content(name, kind)
        if len(found) <= _SMALL:
            self._recent[name, kind] = found
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return found

    def size(self, version: FileVersion) -> int:
        """Bytes of a file version, without reading it."""
        return self._git.blob_size(version.blob)

    def merge(
        self, ours: FileVersion, base: FileVersion, theirs: FileVersion
    ) -> FileVersion | None:
        """Three-way merge of one file's lines; `None` on a conflict or for binary files."""
        with tempfile.TemporaryDirectory() as folder:
            names = []
            for name, version in (("ours", ours), ("base", base), ("theirs", theirs)):
                (Path(folder) / name).write_bytes(self.read(version))
                names.append(str(Path(folder) / name))
            code, merged, _ = self._git.attempt("merge-file", "-p", "--quiet", *names)
        if code:
            return None
        blob = self._git("hash-object", "-w", "--stdin", stdin=merged).decode().strip()
        return FileVersion(ours.mode, blob)

    def converted(self, path: str, version: FileVersion, tree: Path) -> bytes:
        """Content of `path` as `check_out` would write it: line ends as .gitattributes say."""
        return self._git(
            *("-C", str(tree), "cat-file", "--filters", f"--path={path}", version.blob),
            env=self._measuring(tree, []),
        )

    def check_out(
        self,
        commit: str,
        tree: Path,
        submodules: Mapping[str, tuple[str, Path]],
        held: Iterable[str] = (),
    ) -> None:
        """Write `commit` into the folder `tree`, over what lies there, but for the files `held`.

        `submodules`: path to (commit, object folder) of those to be filled in; others stay empty.
        """
        environment = self._measuring(tree, [objects for _, objects in submodules.values()])
        self._read_tree(commit, held, environment)
        for path, (module_commit, _) in submodules.items():
            self._git("update-index", "--force-remove", "--", path, env=environment)
            self._git("read-tree", f"--prefix={path}/", module_commit, env=environment)
        self._git("checkout-index", "--all", "--force", "--quiet", "--index", env=environment)

    def _read_tree(self, commit: str, held: Iterable[str], environment: Mapping[str, str]) -> None:
        self._git("read-tree", commit, env=environment)
        names = b"".join(os.fsencode(path) + b"\0" for path in held)
        if names:
            self._git(
                "update-index", "--force-remove", "-z", "--stdin", stdin=names, env=environment
            )

    def view(
        self,
        commit: str,
        tree: Path,
        filtered: Iterable[str],
        submodules: bool,
        files: Mapping[str, FileVersion],
        held: Mapping[str, FileVersion],
        globs: Iterable[str],
    ) -> GitView:
        """What git answers in `tree`, into which `commit` was just checked out.

        `files`: of the commit. `held`: those that are not there, of the `globs`; what ever lay at
        a path of these is not to be had from git, either.
        """
        index = self.folder / "measure.index"
        if submodules:  # they are repositories of their own; that index holds their files
            index = self.folder / "view.index"
            own = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(tree)}
            self._read_tree(commit, held, own)
            self._git.attempt("update-index", "-q", "--refresh", env=own)
        objects, tags = tree.parent / "objects", self._tags()
        named = frozenset(tag for _, tag, _ in tags)
        shown = {version.blob for path, version in files.items() if path not in held}
        without = self._ever_at(globs, [commit, *named]) - shown
        self._put_history(objects, commit, named, without)
        return GitView(
            git=self._git,
            index=index.read_bytes(),
            objects=objects,
            shallow=self._shallow.read_bytes() if self._shallow.exists() else b"",
            tags=tags,
            base=commit,
            tree=tree,
            filtered=filtered,
            held=held,
        )

    def pretend(self, folder: Path, objects: Path, *, base: str, head: str, staged: str) -> None:
        """Make a repository in a new folder, with `head` checked out and `staged` in its index.

        `objects`: of a view on `base`, from which it borrows. For the user's own hooks, which ask
        git what is about to be committed. It is a throwaway: of what is written to it, only
        `staged` reads anything.
        """
        git_dir = folder / ".git"
        git_dir.mkdir(parents=True)
        throwaway = GitDirectory(folder, git_dir)
        throwaway("init", "--quiet", "--template=", f"--object-format={self._format}")
        (git_dir / "objects" / "info").mkdir(exist_ok=True)
        (git_dir / "objects" / "info" / "alternates").write_text(f"{objects}\n")
        self.extract(git_dir / "objects", [head, staged], [base])
        throwaway("update-ref", "--no-deref", "HEAD", head)
        throwaway("read-tree", staged)

    def staged(self, tree: Path, commit: str) -> Edits:
        """What the index of that throwaway holds, where it is no longer what `commit` does.

        Index and contents are files of untrusted writers: read below the tree without following
        links, bounded, and only what has the content that its name promises.
        """
        try:
            index = beneath.read(tree, ".git/index", _INDEX)
        except FileNotFoundError:
            index = None
        if index is None:
            return {}
        ours = self.folder / "hook.index"
        ours.write_bytes(index)
        code, out, _ = self._git.attempt(
            *("diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", commit, "--"),
            env={"GIT_INDEX_FILE": str(ours)},
        )
        ours.unlink()
        fields = [] if code else out.split(b"\0")[:-1]
        found: dict[str, tuple[str, bytes] | None] = {}
        for facts, name in zip(fields[::2], fields[1::2], strict=True):
            _, mode, _, blob, kind = facts.decode().lstrip(":").split(" ")
            if kind == "D":
                found[os.fsdecode(name)] = None
            elif (content := self._loose(tree, blob)) is not None:
                found[os.fsdecode(name)] = (mode, content)
        return found

    def _loose(self, tree: Path, blob: str) -> bytes | None:
        """A file's content as `git add` put it into the throwaway; `None`: it is not there."""
        try:
            packed = beneath.read(tree, f".git/objects/{blob[:2]}/{blob[2:]}", _STAGED)
        except (FileNotFoundError, NotADirectoryError):
            packed = None
        if packed is None:
            known, _, _ = self._git.attempt("cat-file", "-e", blob)
            return None if known else self._git.blob(blob)
        try:
            text = zlib.decompressobj().decompress(packed, _STAGED)
        except zlib.error:
            return None
        content = text.partition(b"\0")[2]
        return content if name_of(content, len(blob)) == blob else None

    def _measuring(self, tree: Path, alternates: Sequence[Path]) -> dict[str, str]:
        """Index and work tree of the measure tree; neither lies within measured code's reach."""
        return {
            "GIT_INDEX_FILE": str(self.folder / "measure.index"),
            "GIT_WORK_TREE": str(tree),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(str(path) for path in alternates),
        }

    def close(self) -> None:
        self._calls.close()


@contextlib.contextmanager
def opened(repository: Repository, folder: Path) -> Iterator[Store]:
    """The run store's git directory; its helper processes end with the block."""
    store = Store(folder, repository)
    try:
        yield store
    finally:
        store.close()
        repository.close()
