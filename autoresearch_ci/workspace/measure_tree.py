"""The folder in which measured code runs: base commit + in-scope changes, and nothing else.

Each measurement finds it, and its HOME, as setup left them: what it writes lies in a layer of its
own above them, or, where that cannot be made, is undone after it. Only what the unmodified code
builds in folders of the cache stays. What is run there, and why, is bench.py's business.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.execution.command import run_command
from autoresearch_ci.execution.processes import kill_with_variable
from autoresearch_ci.execution.sandbox.jail import Jail, unconfined
from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.git_view import GitView
from autoresearch_ci.workspace.measured_state import is_attributes, make_folders, put, write
from autoresearch_ci.workspace.relocate import relocate
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.scope import matched
from autoresearch_ci.workspace.scratch import TREE, refuse_foreign
from autoresearch_ci.workspace.snapshot import Snapshot, remove, settle, undisturbed
from autoresearch_ci.workspace.store import Edits, Store


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where everything lies and what comes into the tree besides the commit."""

    scratch: Path
    """A folder of our own; everything in it may be deleted at any time."""
    pristine: Path
    """A copy of what setup made, to restore from; away from where measured code works."""
    checkout: Path
    """The user's checkout, source of `share`."""
    share: tuple[str, ...] = ()
    """Dependency folders copied from the checkout."""
    filtered: Mapping[str, Path] = field(default_factory=dict)
    """Files that the commit holds in another form (Git LFS), and where their content lies."""
    cache: tuple[str, ...] = ()
    """Folders of build outputs: what the unmodified code leaves there is found by all others."""
    withheld: tuple[str, ...] = ()
    """Globs of files of the commit that are there only where they are asked for."""
    elsewhere: tuple[str, ...] = ()
    """Files and folders outside that are read only then."""

    @property
    def tree(self) -> Path:
        return self.scratch / TREE

    @property
    def home(self) -> Path:
        """HOME of setup and of everything measured."""
        return self.scratch / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR; new for each measurement."""
        return self.scratch / "tmp"


def relocated(environment: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """Variables whose paths name the checkout name the tree, where that has the same."""

    def moved(place: str) -> str:
        for root in {str(layout.checkout), os.path.realpath(layout.checkout)}:
            if place == root or place.startswith(f"{root}/"):
                inside = layout.tree / place[len(root) :].lstrip("/")
                return str(inside) if inside.exists() else place
        return place

    return {
        name: os.pathsep.join(moved(place) for place in value.split(os.pathsep))
        for name, value in environment.items()
    }


class MeasureTree:
    """`create`, run setup in it, `seal`; then run in `placed` as often as needed."""

    def __init__(
        self,
        layout: Layout,
        store: Store,
        base: str,
        files: Mapping[str, FileVersion],
        sandbox: Jail | None = None,
    ) -> None:
        self.layout = layout
        self.seen = layout
        """Where we find what commands find in `layout`: other paths, while something is placed."""
        self.sandbox = sandbox or unconfined(layout.scratch)
        """Of every command that runs here."""
        self.within = self.sandbox
        """Of those that run now."""
        self._store = store
        self._base = base
        self._files = files
        self._held = {path: files[path] for path in matched(layout.withheld, files)}
        self._view: GitView | None = None
        self._converts = any(map(is_attributes, files))
        self._stage = layout.pristine.with_name("stage")
        """A folder to make and use for a moment."""
        own = (layout.tree, layout.home, layout.temporary)
        self._below = [Snapshot(folder, self.sandbox.own) for folder in own]
        """As setup left them, where nothing can lie above them."""
        self._scratch: tuple[int, int] | None = None
        self._kept = [name.strip("/") for name in layout.cache]

    def create(self, modules: Mapping[str, tuple[str, Path]]) -> None:
        """An exact checkout of the base commit, with submodules and shared folders filled in."""
        layout = self.layout
        refuse_foreign(layout.scratch.parent)
        # A run that was killed may have left a command running in this very folder.
        kill_with_variable("HOME", str(layout.home))
        remove(layout.scratch)
        remove(layout.pristine)
        layout.scratch.mkdir(mode=0o700)
        self._scratch = _identity(layout.scratch)
        if self.sandbox.user:  # it must get through, and need not look around
            for folder in (layout.scratch.parent, layout.scratch):
                folder.chmod(0o711)
        for folder in (layout.tree, layout.home, layout.temporary):
            folder.mkdir()
        for name in layout.share:
            copy_folder(layout.checkout / name, layout.tree / name)
            relocate(layout.tree, name, layout.checkout)
        # Above them: what git tracks in there is the commit's, not the checkout's.
        self._store.check_out(self._base, layout.tree, modules, self._held)
        for path in layout.filtered.keys() - self._held.keys():
            self._fill(layout.tree, path)
        self._view = self._store.view(
            self._base,
            layout.tree,
            layout.filtered,
            bool(modules),
            self._files,
            self._held,
            layout.withheld,
        )
        for path, content in self._view.files.items():
            target = layout.tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        for folder in (layout.tree, layout.home, layout.temporary):
            self.sandbox.own_all(folder)

    @property
    def kept_files(self) -> list[str]:
        """Those of the commit that lie in folders of the cache."""
        return [p for p in self._files if any(p.startswith(f"{name}/") for name in self._kept)]

    @property
    def noexec(self) -> str:
        """Where the tree lies, if programs of it may not be executed; empty: they may."""
        folder = self.layout.scratch.parent
        with contextlib.suppress(OSError):
            if os.statvfs(folder).f_flag & os.ST_NOEXEC:
                return str(folder)
        return ""

    def seal(self) -> None:
        """Remember the tree as setup left it: this is what every measurement starts from.

        Files of the base commit that setup changed (a lock file, say) stay as setup made them.
        """
        for name in self._kept:
            with contextlib.suppress(FileExistsError, NotADirectoryError):  # the repository's file
                make_folders(self.layout.tree, name, self.sandbox.own)
        if self.sandbox.layers:
            self.sandbox.seal([self.layout.tree / name for name in self._kept])
            return
        self.layout.pristine.mkdir(mode=0o700, parents=True)
        for folder in self._below[:-1]:
            folder.take(shut=False)
            copy_folder(folder.root, self.layout.pristine / folder.root.name)
            folder.shut()

    def contents(
        self, changes: Changes, choose: Callable[[Iterable[str]], list[str]]
    ) -> dict[str, bytes]:
        """The chosen files of a state, from git's object store: no link can redirect a read."""
        now = {**self._files, **changes}
        chosen = {path: now[path] for path in choose(self.paths(changes))}
        return {path: self._store.read(version) for path, version in chosen.items() if version}

    def paths(self, changes: Changes) -> list[str]:
        """Of the regular files of a state that all commands see."""
        now = {**self._files, **changes}.items()
        return [p for p, v in now if v and v.regular and p not in self._held]

    def texts(self, changes: Changes, paths: Iterable[str], largest: int) -> Iterator[bytes]:
        """The same of these files, where they are there and have at most `largest` bytes."""
        for path in paths:
            version = changes[path] if path in changes else self._files.get(path)
            if version and version.regular and self._store.size(version) <= largest:
                yield self._store.read(version)

    @contextlib.contextmanager
    def placed(self, changes: Changes, *, whole: bool = False, keep: bool = True) -> Iterator[None]:
        """One measurement: within the block the tree is the base commit with `changes`.

        What it writes is read from `seen`, and gone after the block; but for what is built of the
        base commit itself, which nobody has proposed, unless that is not to be kept. `whole`: with
        what is withheld from others, and then all of it is gone.
        """
        whole = whole and self.withholds
        if self.layout.withheld and not whole:
            held = {*matched(self.layout.withheld, changes)}
            changes = {path: of for path, of in changes.items() if path not in held}
        built = keep and not (changes or whole)
        self.within = self.sandbox
        with contextlib.ExitStack() as stack:
            if whole:
                self.within = stack.enter_context(self.sandbox.beside(self.layout.elsewhere))
                changes = {**self._held, **changes}
            if self.sandbox.layers:
                fresh = self.within.fresh(self.layout.temporary, keep=built)
                self.seen = replace(self.layout, scratch=stack.enter_context(fresh))
            else:
                settle(self.layout.scratch, [folder.root for folder in self._below])
                stack.callback(self._restore, built=built)
            try:
                with undisturbed(self.layout.tree):
                    self._write(changes)
                    for path in self.layout.filtered.keys() & self._held if whole else ():
                        self._fill(self.seen.tree, path)
                        self.sandbox.own(self.seen.tree, path)
                yield
            finally:
                self.seen, self.within = self.layout, self.sandbox

    def _write(self, changes: Changes) -> None:
        tree, own = self.seen.tree, self.sandbox.own
        filters = self._filters(changes)
        edits = {
            p: (v.mode, self._content(p, v, filters)) if v else None for p, v in changes.items()
        }
        write(tree, edits, own)
        told = self._view.differing(changes, tree) if self._view else {}
        for path, content in told.items():
            beneath.remove(tree, path)
            put(tree, path, content, 0o644, own)

    def _filters(self, changes: Changes) -> Path | None:
        """Where .gitattributes lie as this state has them; `None`: in the tree as it is."""
        if not any(map(is_attributes, changes)):
            return None
        remove(self._stage)
        self._stage.mkdir(mode=0o700, parents=True)
        for path, version in {**self._files, **changes}.items():
            if is_attributes(path) and version and version.regular:
                make_folders(self._stage, path.rpartition("/")[0], lambda root, path: None)
                (self._stage / path).write_bytes(self._content(path, version))
        return self._stage

    @property
    def withholds(self) -> bool:
        """Whether anything is there only where it is asked for."""
        return bool(self._held or self.layout.elsewhere)

    def pretend_repository(self, head: str, staged: str) -> None:
        """In `placed`, git in the tree sees `staged` as what is to be committed on `head`."""
        made = self._stage
        remove(made)
        head, staged = self._shown(head), self._shown(staged)
        objects = self.layout.scratch / "objects"
        self._store.pretend(made, objects, base=self._base, head=head, staged=staged)
        # Setup's has a configuration that is not ours, or is a link to a real one.
        beneath.remove(self.seen.tree, ".git")
        shutil.copytree(made / ".git", self.seen.tree / ".git")
        remove(made)
        self.sandbox.own_all(self.seen.tree / ".git")

    def staged(self, commit: str) -> Edits:
        """What git would commit there instead of what `commit` holds; see `pretend_repository`."""
        return self._store.staged(self.seen.tree, self._shown(commit))

    def _shown(self, commit: str) -> str:
        """Another one, with the same tree but for what is withheld."""
        if not self._held:
            return commit
        lacks = dict.fromkeys(self._held)
        made, _ = self._store.commit(parents=[commit], edits=lacks, message="", timestamp=0)
        return made

    def pretend_parent(self, base: str, paths: Sequence[str]) -> str:
        """A commit that is `base` but for the last line of these files, which it lacks."""
        edits = {}
        for path in paths:
            version = self._files[path]
            before = self._store.read(version)
            lines = before.splitlines(keepends=True)
            edits[path] = (version.mode, b"".join(lines[:-1]) if lines else b"\n")
        commit, _ = self._store.commit(
            parents=[base],
            edits=edits,
            message="before",
            timestamp=int(time.time()),
        )
        return commit

    def reopen(self) -> None:
        """The way to the folders, which a command that runs as we do may have closed."""
        for folder in (self.layout.scratch.parent, self.layout.scratch):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # `_restore` says so
                if folder.lstat().st_mode & 0o700 != 0o700:
                    beneath.listing(folder)

    def _restore(self, *, built: bool) -> None:
        """Undo what a measurement did. `built`: by the unmodified code, in folders of the cache."""
        self.reopen()
        scratch = self.layout.scratch
        if _identity(scratch) != self._scratch:  # what lies in another one is not ours to delete
            raise WorkspaceError(
                f"the folder {scratch} was deleted or replaced by a command that ran in it.\n"
                "do: fix the command that removes its own working folder, then --resume."
            )
        if built and self._kept:
            self._keep_built(self._below[0])
        for folder in self._below:
            folder.undo(functools.partial(self._rewrite, folder))

    def _rewrite(self, folder: Snapshot, paths: Sequence[str]) -> None:
        pristine = self.layout.pristine / folder.root.name
        for path in paths:
            if beneath.copy((pristine, path), (folder.root, path)):
                folder.learn(path)
            else:  # a pipe or socket that setup had left
                del folder.files[path]

    def _keep_built(self, known: Snapshot) -> None:
        """Take what has changed in folders of the cache for what setup had left."""
        now, pristine = Snapshot(known.root), self.layout.pristine / known.root.name
        now.take()
        places = tuple(f"{name}/" for name in self._kept)
        changed = [
            path
            for path in known.files | now.files
            if path.startswith(places) and known.files.get(path) != now.files.get(path)
        ]
        for path in changed:
            beneath.remove(pristine, path)
            known.files.pop(path, None)
        for path in filter(now.files.__contains__, changed):
            make_folders(pristine, path.rpartition("/")[0], lambda root, path: None)
            beneath.copy((known.root, path), (pristine, path))
            known.files[path] = now.files[path]
        mine = {path: was for path, was in known.folders.items() if not path.startswith(places)}
        built = {path: was for path, was in now.folders.items() if path.startswith(places)}
        known.folders = mine | built

    def _fill(self, tree: Path, path: str) -> None:
        """Copy what a filter made of the commit's form."""
        source = self.layout.filtered[path]
        beneath.remove(tree, path)
        make_folders(tree, path.rpartition("/")[0], lambda root, path: None)
        if beneath.copy((source.parent, source.name), (tree, path)):
            known = self._files.get(path)  # else a submodule's
            there = self.layout.checkout / path
            executable = known.mode == "100755" if known else os.access(there, os.X_OK)
            mode = 0o755 if executable else 0o644
            with beneath.place(tree, path) as (at, name):
                os.chmod(name, mode, dir_fd=at)

    def _content(self, path: str, version: FileVersion, filters: Path | None = None) -> bytes:
        """`filters`: where .gitattributes say how it is checked out, if not in the tree."""
        if self._converts:
            return self._store.converted(path, version, filters or self.layout.tree)
        return self._store.read(version)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Tells a folder from another one at its place; `None`: there is nothing."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = folder.lstat()
        return found.st_dev, found.st_ino
    return None


def copy_folder(source: Path, target: Path) -> None:
    """Copy with modes and links, sharing blocks where the filesystem can.

    A source that is itself a link is followed (-H): measured code must not reach the original. A
    target that exists, because some of it is tracked, is filled in (-T).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    argv = ["cp", "-a", "-H", "-T", "--reflink=auto", "--", str(source), str(target)]
    copied = run_command(argv, cwd=source.parent, env={"PATH": os.defpath})
    if copied.exit_code:
        raise WorkspaceError(f"could not copy {source} to {target}: {copied.tail.strip()}")
