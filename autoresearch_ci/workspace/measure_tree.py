"""The folder in which measured code runs: base commit + in-scope changes, and nothing else.

Each measurement finds it, and its HOME, as setup left them: what it writes lies in a layer of its
own above them, or, where that cannot be made, is undone before the next one. What is run there, and
why, is bench.py's business.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.execution.command import run_command
from autoresearch_ci.execution.processes import kill_with_variable
from autoresearch_ci.execution.sandbox.jail import Jail, unconfined
from autoresearch_ci.safety import untrusted_files as beneath
from autoresearch_ci.workspace.git_view import GitView
from autoresearch_ci.workspace.overlay import (
    Overlay,
    is_attributes,
    make_cache_folders,
    names_folder,
)
from autoresearch_ci.workspace.relocate import relocate
from autoresearch_ci.workspace.repository import Changes, FileVersion
from autoresearch_ci.workspace.scratch import refuse_foreign
from autoresearch_ci.workspace.snapshot import Fingerprint, Snapshot, remove, undisturbed
from autoresearch_ci.workspace.store import Edits, Store


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where everything lies and what comes into the tree besides the commit."""

    scratch: Path
    """A folder of our own; everything in it may be deleted at any time."""
    pristine: Path
    """Copies of what setup made, to restore from; away from where measured code works."""
    checkout: Path
    """The user's checkout, source of `share`."""
    share: tuple[str, ...] = ()
    """Dependency folders copied from the checkout."""
    filtered: Mapping[str, Path] = field(default_factory=dict)
    """Files that the commit holds in another form (Git LFS), and where their content lies."""
    cache: tuple[str, ...] = ()
    """Globs of build outputs that may survive from one measurement to the next."""

    @property
    def tree(self) -> Path:
        return self.scratch / "tree"

    @property
    def home(self) -> Path:
        """HOME of setup and of everything measured."""
        return self.scratch / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR; emptied after each measurement."""
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


class Trial:
    """A candidate under judgement; rolled back unless kept."""

    kept = False

    def keep(self) -> None:
        self.kept = True


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
        self._store = store
        self._base = base
        self._files = files
        self._modules: Mapping[str, tuple[str, Path]] = {}
        self._view: GitView | None = None
        self._shown: Changes | None = {}
        """What git answers for."""
        self._converts = any(map(is_attributes, files))
        self._placed: dict[str, FileVersion | None] = {}
        self._overlay = Overlay(
            base=layout.tree,
            stage=layout.pristine.with_name("stage"),
            files=files,
            content=self._content,
            own=self.sandbox.own,
        )
        self._tree = Snapshot(layout.tree, layout.cache, self.sandbox.own)
        self._home = Snapshot(layout.home, own=self.sandbox.own)
        self._ours: dict[Path, tuple[int, int] | None] = {}
        self._aside: set[str] = set()
        """Paths whose right content is not the commit's but a copy in `pristine`."""
        self._removed: Set[str] = set()
        """Paths of the commit that setup deleted (submodules are among them)."""

    @property
    def objects(self) -> Path:
        """What git in the tree reads from."""
        return self._store.objects

    def create(self, modules: Mapping[str, tuple[str, Path]]) -> None:
        """An exact checkout of the base commit, with submodules and shared folders filled in."""
        self._modules = modules
        refuse_foreign(self.layout.scratch.parent)
        # A run that was killed may have left a command running in this very folder.
        kill_with_variable("HOME", str(self.layout.home))
        remove(self.layout.scratch)
        remove(self.layout.pristine)
        self.layout.scratch.mkdir(mode=0o700)
        if self.sandbox.user:  # it must get through, and need not look around
            for folder in (self.layout.scratch.parent, self.layout.scratch):
                folder.chmod(0o711)
        for folder in (self.layout.tree, self.layout.home, self.layout.temporary):
            folder.mkdir()
        self._store.check_out(self._base, self.layout.tree, modules)
        for path in self.layout.filtered:
            beneath.remove(self.layout.tree, path)
            self._fill(path)
        for name in self.layout.share:
            copy_folder(self.layout.checkout / name, self.layout.tree / name)
            renamed = relocate(self.layout.tree, name, self.layout.checkout)
            # What git tracks in there is the commit's, not the checkout's.
            tracked = [path for path in self._files if path == name or path.startswith(f"{name}/")]
            if tracked:
                self._from_commit(tracked)
            for path in renamed:
                self._set_aside(path)
        self._open_view()
        for folder in (self.layout.tree, self.layout.home, self.layout.temporary):
            self.sandbox.own_all(folder)
        if self.layers:
            return
        self._tree.take()
        self._home.take()
        for folder in (
            self.layout.scratch,
            self.layout.tree,
            self.layout.home,
            self.layout.temporary,
        ):
            self._ours[folder] = _identity(folder)

    def _open_view(self) -> None:
        """Git answers in the tree, unless the objects are out of the commands' reach."""
        if not self.sandbox.reaches(self._store.objects):
            return
        self._view = self._store.view(
            self._base, self.layout.tree, self.layout.filtered, bool(self._modules)
        )
        for path, content in self._view.files.items():
            target = self.layout.tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    @property
    def layers(self) -> bool:
        """Whether each measurement has folders of its own.

        What is kept are folders then, that can be mounted; of other patterns nobody knows.
        """
        return self.sandbox.layers and all(map(names_folder, self.layout.cache))

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
        if self.layers:
            kept = make_cache_folders(self.layout.tree, self.layout.cache, self.sandbox.own)
            self._overlay.kept = kept
            self.sandbox.seal([self.layout.tree / path for path in kept])
            return
        for snapshot, name in ((self._tree, "tree"), (self._home, "home")):
            before = snapshot.take()
            for path, fingerprint in snapshot.files.items():
                if before.get(path) != fingerprint and _keep_copy(
                    snapshot.root, path, self.layout.pristine / name
                ):
                    self._aside.add(f"{name}/{path}")
        self._removed = self._files.keys() - self._tree.files.keys()

    @contextlib.contextmanager
    def trial(self, incumbent: Changes) -> Iterator[Trial]:
        """Leaving the block puts `incumbent` in place, whatever happened, unless it was kept."""
        trial = Trial()
        try:
            yield trial
        finally:
            if not (trial.kept or self.layers):
                self.place(incumbent)

    def contents(
        self, changes: Changes, choose: Callable[[Iterable[str]], list[str]]
    ) -> dict[str, bytes]:
        """The chosen files of a state, from git's object store: no link can redirect a read."""
        now = {p: v for p, v in {**self._files, **changes}.items() if v and v.regular}
        return {path: self._store.read(now[path]) for path in choose(now)}

    def texts(self, changes: Changes, paths: Iterable[str], largest: int) -> Iterator[bytes]:
        """The same of these files, where they are there and have at most `largest` bytes."""
        for path in paths:
            version = changes[path] if path in changes else self._files.get(path)
            if version and version.regular and self._store.size(version) <= largest:
                yield self._store.read(version)

    def place(self, changes: Changes) -> None:
        """Put `changes` (relative to the base commit) in place of those that are there now."""
        outdated = [path for path in self._placed if path not in changes]
        news = {
            path: version
            for path, version in changes.items()
            if path not in self._placed or self._placed[path] != version
        }
        with undisturbed(self.layout.tree):
            for path in news:  # what git wrote
                known = path not in self._removed and f"tree/{path}" not in self._aside
                if path in self._files and known:
                    self._set_aside(path)
            self._placed = dict(changes)
            self._rewrite([*outdated, *news])
            if self._view and self._shown != changes:
                self._shown = None  # what fails half-way is shown anew
                self._rewrite(sorted(self._view.show(changes, self._files)))
                self._shown = dict(changes)

    @contextlib.contextmanager
    def placed(self, changes: Changes) -> Iterator[None]:
        """One measurement: within the block the tree is the base commit with `changes`.

        What it writes is read from `seen`, and gone after the block.
        """
        if not self.layers:
            self.place(changes)
            try:
                yield
            finally:
                self.restore()
            return
        with self.sandbox.fresh(self.layout.temporary) as above:
            self.seen = replace(self.layout, scratch=above)
            try:
                with undisturbed(self.layout.tree):
                    self._overlay.write(self.seen.tree, changes, self._view)
                yield
            finally:
                self.seen = self.layout

    def pretend_repository(self, head: str, staged: str) -> None:
        """In `placed`, git in the tree sees `staged` as what is to be committed on `head`."""
        made = self.layout.pristine.with_name("stage")
        remove(made)
        self._store.pretend(made, head=head, staged=staged)
        # Setup's has a configuration that is not ours, or is a link to a real one.
        beneath.remove(self.seen.tree, ".git")
        shutil.copytree(made / ".git", self.seen.tree / ".git")
        remove(made)
        self.sandbox.own_all(self.seen.tree / ".git")

    def staged(self, commit: str) -> Edits:
        """What git would commit there instead of what `commit` holds; see `pretend_repository`."""
        return self._store.staged(self.seen.tree, commit)

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

    def _set_aside(self, path: str) -> None:
        """Keep a file as it is now, for when it has to come back."""
        if _keep_copy(self.layout.tree, path, self.layout.pristine / "tree"):
            self._aside.add(f"tree/{path}")

    def reopen(self) -> None:
        """The way to the folders, which a command that runs as we do may have closed."""
        for folder in (self.layout.scratch.parent, self.layout.scratch):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # `restore` says so
                if folder.lstat().st_mode & 0o700 != 0o700:
                    beneath.listing(folder)

    def restore(self) -> list[str]:
        """Undo what a measurement did; returns the files of the tree it had changed or removed."""
        self.reopen()
        self._refuse_replaced()
        altered = self._tree.undo(self._rewrite_all)
        self._home.undo(self._rewrite_home)
        temporary = self.layout.temporary
        if _identity(temporary) != self._ours[temporary]:
            # Deleted, or now a link: whatever it leads to is not ours to empty.
            remove(temporary)
            temporary.mkdir()
            self.sandbox.own(temporary)
            self._ours[temporary] = _identity(temporary)
        with undisturbed(temporary):
            for name, _ in beneath.listing(temporary)[1]:
                beneath.remove(temporary, name)
            beneath.rewrite_notes(temporary, "", None, 0o755)
        return altered

    def _refuse_replaced(self) -> None:
        """Cleaning up deletes: never do it in folders that are not the ones we made."""
        for folder in (self.layout.scratch, self.layout.tree, self.layout.home):
            if _identity(folder) != self._ours[folder]:
                raise WorkspaceError(
                    f"the folder {folder} was deleted or replaced by a command that ran in it.\n"
                    "do: fix the command that removes its own working folder, then --resume."
                )

    def _rewrite_all(self, paths: Sequence[str]) -> None:
        if self._converts:  # what a spoilt .gitattributes governs must wait until it is back
            self._rewrite([path for path in paths if is_attributes(path)])
            paths = [path for path in paths if not is_attributes(path)]
        self._rewrite(paths)

    def _rewrite(self, paths: Sequence[str]) -> None:
        """Give each path the content that it should have now."""
        previously = {path: self._tree.files.pop(path, None) for path in paths}
        try:
            self._make_anew(previously)
        except BaseException:
            self._tree.doubt(previously)
            raise

    def _make_anew(self, previously: Mapping[str, Fingerprint | None]) -> None:
        """`previously`: what was known of the paths that need their content."""
        # All deletions first: a folder may take the place of a file, and the other way round.
        for path in previously:
            beneath.remove(self.layout.tree, path)
            self._tree.forget_folder(path)
        of_commit = dict.fromkeys(path for path in previously if self._is_of_commit(path))
        there = {path for path in previously if path not in of_commit and self._put(path)}
        for path in of_commit:
            self._tree.make_parents(path)
        if of_commit:
            self._from_commit(list(of_commit))
        for path, previous in previously.items():
            if path in of_commit or path in there:
                self._tree.learn(path, previous)
            else:
                self._tree.drop_empty_parents(path)

    def _is_of_commit(self, path: str) -> bool:
        """Whether its content is now what git checks out of the base commit, or of a submodule."""
        if path in self._placed or f"tree/{path}" in self._aside or path in self._removed:
            return False
        if path in self.layout.filtered:
            return False
        return path in self._files or any(path.startswith(f"{m}/") for m in self._modules)

    def _put(self, path: str) -> bool:
        """Write a file of the candidate's, of setup's or of a shared folder; whether it is one.

        None is what is deleted now, and what an earlier candidate had added.
        """
        if path in self._placed:
            version = self._placed[path]
            if version is None:
                return False
            self._tree.make_parents(path)
            mode = 0o755 if version.mode == "100755" else 0o644
            beneath.write(self.layout.tree, path, self._content(path, version), mode)
            return True
        if self._view and path in self._view.files:
            self._tree.make_parents(path)
            beneath.write(self.layout.tree, path, self._view.files[path], 0o644)
            return True
        if f"tree/{path}" in self._aside:
            self._tree.make_parents(path)
            beneath.copy((self.layout.pristine / "tree", path), (self.layout.tree, path))
            return True
        if path in self._removed:
            return False
        return self._fill(path) or self._borrow(path)

    def _fill(self, path: str) -> bool:
        """Copy what a filter made of the commit's form; whether it is such a file."""
        source = self.layout.filtered.get(path)
        if source is None:
            return False
        self._tree.make_parents(path)
        copied = beneath.copy((source.parent, source.name), (self.layout.tree, path))
        if copied:
            known = self._files.get(path)  # else a submodule's
            there = self.layout.checkout / path
            executable = known.mode == "100755" if known else os.access(there, os.X_OK)
            mode = 0o755 if executable else 0o644
            with beneath.place(self.layout.tree, path) as (at, name):
                os.chmod(name, mode, dir_fd=at)
        return copied

    def _from_commit(self, paths: Sequence[str]) -> None:
        """Write files as git checks them out; git itself never writes where others can."""
        stage = self.layout.pristine.with_name("stage")
        remove(stage)
        stage.mkdir(mode=0o700, parents=True)
        objects = [objects for _, objects in self._modules.values()]
        self._store.restore(paths, self.layout.tree, stage, objects)
        for path in paths:
            beneath.remove(self.layout.tree, path)
            beneath.copy((stage, path), (self.layout.tree, path))
        remove(stage)

    def _borrow(self, path: str) -> bool:
        """Copy a shared file from the checkout again; whether it is one."""
        for name in self.layout.share:
            if path == name or path.startswith(f"{name}/"):
                # The folder itself may be a link in the checkout, which `create` followed, too.
                source = (self.layout.checkout / name).resolve()
                below = path.removeprefix(name).lstrip("/")
                self._tree.make_parents(path)
                return beneath.copy(
                    (source, below) if below else (source.parent, source.name),
                    (self.layout.tree, path),
                )
        return False

    def _content(self, path: str, version: FileVersion, filters: Path | None = None) -> bytes:
        """`filters`: where .gitattributes say how it is checked out, if not in the tree."""
        if self._converts:
            return self._store.converted(path, version, filters or self.layout.tree)
        return self._store.read(version)

    def _rewrite_home(self, paths: Sequence[str]) -> None:
        for path in paths:
            beneath.remove(self.layout.home, path)
            self._home.make_parents(path)
            if beneath.copy((self.layout.pristine / "home", path), (self.layout.home, path)):
                self._home.learn(path)
            else:  # a pipe or socket that setup had left
                self._home.files.pop(path)


def _keep_copy(root: Path, path: str, aside: Path) -> bool:
    """Copy what measured code cannot be trusted with to where it cannot reach."""
    (aside / path).parent.mkdir(parents=True, exist_ok=True)
    beneath.remove(aside, path)
    return beneath.copy((root, path), (aside, path))


def _identity(folder: Path) -> tuple[int, int] | None:
    """Tells a folder from another one at its place; `None` for a link, a file or nothing."""
    try:
        found = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


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
