"""The user's repository and our own git directory beside it; the only module that talks to git.

Every call names our git directory and our configuration, so no hook, filter, alias or index flag
that a proposer or a test plants in the user's repository is ever consulted. Where measured code
runs is not this module's business (measure_tree.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import git

from autoresearch_ci.errors import WorkspaceError

IDENTITY = "autoresearch-ci <autoresearch-ci@users.noreply.github.com>"

_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.quotePath": "false",
    "core.fsync": "committed,loose-object,reference",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
}
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
    **{f"GIT_CONFIG_KEY_{i}": key for i, key in enumerate(_SETTINGS)},
    **{f"GIT_CONFIG_VALUE_{i}": value for i, value in enumerate(_SETTINGS.values())},
}

_CANNOT_WRITE = re.compile(
    "No space left|out of disk ?space|quota exceeded|couldn't write|write error"
    "|Read-only file system|Permission denied",
    re.IGNORECASE,
)
_MOVED = re.compile("but expected|already exists|unable to resolve reference")
"""What `git update-ref` says when a ref is not where we left it."""

# State files of operations that leave HEAD and the index in the middle of something.
_UNFINISHED = {
    "MERGE_HEAD": ("merge", "git merge --continue, or git merge --abort"),
    "rebase-merge": ("rebase", "git rebase --continue, or git rebase --abort"),
    "rebase-apply": ("rebase or am", "git rebase --continue, or git am --abort"),
    "CHERRY_PICK_HEAD": ("cherry-pick", "git cherry-pick --continue, or --abort"),
    "REVERT_HEAD": ("revert", "git revert --continue, or --abort"),
    "BISECT_LOG": ("bisect", "git bisect reset"),
}


@dataclass(frozen=True)
class FileVersion:
    """One file as a tree entry."""

    mode: str
    """`100644`, `100755`, `120000` (link) or `160000` (submodule)."""
    blob: str

    @property
    def regular(self) -> bool:
        """Whether a proposal may edit it: neither a link nor a submodule."""
        return self.mode in ("100644", "100755")


Changes = Mapping[str, FileVersion | None]
"""What differs from the base commit: path to its version, `None` where it was deleted."""


class _Git:
    """One git directory, called with our configuration; raises `WorkspaceError`."""

    def __init__(self, cwd: Path, git_dir: Path, **environment: str) -> None:
        self._git = git.Git(str(cwd))
        # safe.directory: in a container the checkout belongs to another uid than ours.
        self._prefix = ["git", "-c", "safe.directory=*"]
        self._git.update_environment(**_ENVIRONMENT, GIT_DIR=str(git_dir), **environment)
        self._reader: git.Git.AutoInterrupt | None = None

    def __call__(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> bytes:
        code, out, err = self.attempt(*arguments, stdin=stdin, env=env)
        if code:
            raise _failure(arguments, code, err)
        return out

    def attempt(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, str]:
        """Exit code, stdout and stderr."""
        with contextlib.ExitStack() as stack:
            source = None
            if stdin is not None:
                source = stack.enter_context(tempfile.TemporaryFile())
                source.write(stdin)
                source.seek(0)
            stack.enter_context(_signals_held())
            code, out, err = self._git.execute(
                [*self._prefix, *arguments],
                istream=source,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                env=env,
            )
        return code, out, err if isinstance(err, str) else err.decode(errors="replace")

    def blob(self, name: str) -> bytes:
        """Content of a blob, through one long-lived `git cat-file --batch`."""
        # GitPython's own reader understands SHA-1 names only.
        if self._reader is None:
            with _signals_held():
                self._reader = self._git.cat_file(
                    "--batch", istream=subprocess.PIPE, as_process=True
                )
        self._reader.stdin.write(name.encode() + b"\n")
        self._reader.stdin.flush()
        header = self._reader.stdout.readline().split()
        if len(header) != 3:
            raise WorkspaceError(
                f"object {name} is missing from the repository: {b' '.join(header).decode()}\n"
                "usually: a partial clone (--filter) or a pruned object.\n"
                "do: clone in full, or git fetch --refetch --no-filter."
            )
        data: bytes = self._reader.stdout.read(int(header[2]))
        self._reader.stdout.read(1)
        if header[1] != b"blob":
            raise WorkspaceError(f"object {name} is a {header[1].decode()}, not a file")
        return data

    def close(self) -> None:
        if self._reader is not None:
            self._reader.stdin.close()
            self._reader.wait()
            self._reader = None


def _failure(arguments: Sequence[str], code: int, err: str) -> WorkspaceError:
    """What a failed call of git means; GitPython makes git speak English."""
    message = f"git {arguments[0]} failed with exit code {code}: {err.strip() or 'no message'}\n"
    if _CANNOT_WRITE.search(err):
        return WorkspaceError(
            f"{message}usually: the disk is full, or the checkout is read-only.\n"
            "do: make room or make it writable, then start again with --resume; nothing that was "
            "kept is lost."
        )
    return WorkspaceError(f"{message}command: git {' '.join(arguments)}")


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal; git, which inherits this mask, shall finish."""
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Repository:
    """The user's repository: read as it stands; written only at our branch and notebook refs."""

    def __init__(self, root: Path, git_dir: Path, common_dir: Path) -> None:
        self.root = root
        self.git_dir = git_dir
        self.common_dir = common_dir
        self._git = _Git(root, git_dir, GIT_WORK_TREE=str(root))

    @classmethod
    def open(cls, start: Path) -> Repository:
        """The repository that contains `start`.

        Raises `WorkspaceError` when there is none, when it is bare, or when it has no commit.
        """
        lines = _locate(start, "--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        if len(lines) != 3:
            raise WorkspaceError(
                f"{start} is not inside a git working tree.\n"
                "usually: the command was started in the wrong folder, or the job has no "
                "actions/checkout step (or checked out a bare repository).\n"
                "do: cd into the repository, or `git init && git add -A && git commit -m start`."
            )
        return cls(*(Path(line) for line in lines))

    def head(self) -> str:
        """The commit that HEAD names. Raises `WorkspaceError` when there is none yet."""
        code, out, _ = self._git.attempt("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if code:
            raise WorkspaceError(
                "the repository has no commit yet (unborn HEAD), so there is nothing to start "
                "from.\ndo: git add -A && git commit -m 'first commit'"
            )
        return out.decode().strip()

    def object_format(self) -> str:
        """`sha1` or `sha256`."""
        return self._git("rev-parse", "--show-object-format").decode().strip()

    def refuse_unfinished(self) -> None:
        """Raise `WorkspaceError` while a merge, rebase, cherry-pick, revert or bisect is open."""
        for name, (operation, cure) in _UNFINISHED.items():
            if (self.git_dir / name).exists():
                raise WorkspaceError(
                    f"a {operation} is unfinished in this repository, so HEAD is not a state "
                    f"worth optimising.\ndo: {cure}"
                )

    def dirty(self) -> bool:
        """Whether tracked files differ from HEAD; such changes are not part of a run."""
        return bool(
            self._git("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules")
        )

    def ref(self, name: str) -> str | None:
        """The commit a full ref name points at, or `None`."""
        code, out, _ = self._git.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return None if code else out.decode().strip()

    def worktree_of(self, ref: str) -> str:
        """The working tree in which a branch is checked out; empty when there is none."""
        out = self._git("for-each-ref", "--format=%(worktreepath)", ref)
        return os.fsdecode(out).strip()

    def refs(self, prefix: str) -> list[str]:
        """Full names of the refs under `prefix`."""
        return self._git("for-each-ref", "--format=%(refname)", prefix).decode().split()

    def update_ref(self, name: str, new: str, old: str | None) -> None:
        """Compare and swap: `old` is what must be there now (`None`: nothing).

        Raises `WorkspaceError` when something else is there: another run, or a person.
        """
        arguments = ("update-ref", "-m", "autoresearch-ci", name, new, old or "")
        code, _, err = self._git.attempt(*arguments)
        if code and not _MOVED.search(err):
            raise _failure(arguments, code, err)
        if code:
            raise WorkspaceError(
                f"{name} could not be moved to {new[:12]}: {err.strip()}\n"
                "usually: somebody else moved that branch while the run was going on.\n"
                "do: nothing is lost, every attempt is in the notebook; start again with another "
                "--tag, or move the branch back and use --resume."
            )

    def break_lock(self, name: str) -> None:
        """Remove the lock file that a killed git left on a ref of ours.

        The caller holds the run's lock; anybody else's git holds this one for milliseconds.
        """
        lock = self.common_dir / f"{name}.lock"
        if lock.exists():
            time.sleep(1)
            lock.unlink(missing_ok=True)

    def message(self, commit: str) -> str:
        """The whole commit message."""
        return self._git("show", "-s", "--format=%B", commit).decode(errors="replace")

    def files(self, commit: str) -> dict[str, FileVersion]:
        """Every path of a commit's tree, links and submodules included."""
        listing = self._git("ls-tree", "-r", "-z", "--full-tree", commit)
        files = {}
        for entry in listing.split(b"\0")[:-1]:
            facts, path = entry.split(b"\t", 1)
            mode, _, blob = facts.decode().split(" ")
            files[os.fsdecode(path)] = FileVersion(mode, blob)
        return files

    def content(self, commit: str, path: str) -> bytes | None:
        """A file as a commit has it; `None` when there is no such commit or file."""
        if commit.startswith("-"):
            return None
        code, out, _ = self._git.attempt("cat-file", "blob", f"{commit}:{path}")
        return None if code else out

    def ignored(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that the repository's own ignore rules exclude."""
        code, out, _ = self._git.attempt(
            "check-ignore", "-z", "--stdin", stdin=b"\0".join(os.fsencode(n) for n in names)
        )
        return [os.fsdecode(n) for n in out.split(b"\0")[:-1]] if code == 0 else []

    def submodule_objects(self, path: str) -> Path | None:
        """Object folder of a submodule that is checked out here, or `None`."""
        folder = self.root / path
        if not (folder / ".git").exists():
            return None
        found = _locate(folder, "--git-common-dir")
        return Path(found[0]) / "objects" if found else None

    def hooks(self) -> Path:
        """The folder of the user's own git hooks."""
        found = _locate(self.root, "--git-path", "hooks")
        return Path(found[0]) if found else self.common_dir / "hooks"

    def exclude(self, pattern: str) -> None:
        """Keep `pattern` out of `git status` without touching a tracked file."""
        path = self.common_dir / "info" / "exclude"
        text = path.read_text(errors="surrogateescape") if path.exists() else ""
        if pattern not in text.splitlines():
            path.parent.mkdir(exist_ok=True)
            with path.open("a", errors="surrogateescape") as file:
                file.write(("\n" if text and not text.endswith("\n") else "") + pattern + "\n")

    def close(self) -> None:
        self._git.close()


class Store:
    """Our own git directory: shares the user's objects, has our refs and our configuration."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.folder = folder
        self._objects = str(repository.common_dir / "objects")
        self._format = repository.object_format()
        if not (folder / "HEAD").exists():
            new = folder.with_name(f"{folder.name}.new")
            for path in (folder, new):
                shutil.rmtree(path, ignore_errors=True)
            new.mkdir(parents=True)
            # The format (sha1 or sha256) must match the objects that we share.
            kind = f"--object-format={self._format}"
            _Git(new, new)("init", "--quiet", "--bare", "--template=", kind, str(new))
            new.rename(folder)  # killed before this, a run finds no half of a git directory
        for lock in folder.rglob("*.lock"):
            lock.unlink()  # of a git that was killed; the caller holds the run's lock
        self._git = _Git(folder, folder, GIT_OBJECT_DIRECTORY=self._objects)

    def commit(
        self,
        *,
        parents: Sequence[str],
        edits: Mapping[str, tuple[str, bytes] | None],
        message: str,
        ref: str,
        timestamp: int,
    ) -> tuple[str, dict[str, FileVersion | None]]:
        """Commit `edits` (path to mode and content, `None` deletes) on top of the first parent.

        One `git fast-import`: its cost depends on what changed, not on the size of the tree.
        Returns the commit and the version each edited path now has.
        """
        blobs, changes, marks = [], [], []
        for mark, (path, edit) in enumerate(edits.items(), start=2):
            if edit is None:
                changes.append(b"D %s\n" % _quote(path))
                continue
            mode, content = edit
            blobs.append(b"blob\nmark :%d\ndata %d\n%s\n" % (mark, len(content), content))
            changes.append(b"M %s :%d %s\n" % (mode.encode(), mark, _quote(path)))
            marks.append((path, mode, mark))
        text = message.encode(errors="replace")
        stream = b"".join(
            [
                b"feature done\n",
                # A ref that a killed process left behind is replaced, never built upon.
                b"reset %s\n\n" % ref.encode(),
                *blobs,
                b"commit %s\nmark :1\n" % ref.encode(),
                b"committer %s %d +0000\n" % (IDENTITY.encode(), timestamp),
                b"data %d\n%s\n" % (len(text), text),
                b"from %s\n" % parents[0].encode() if parents else b"",
                *(b"merge %s\n" % parent.encode() for parent in parents[1:]),
                *changes,
                b"\nget-mark :1\n",
                *(b"get-mark :%d\n" % mark for _, _, mark in marks),
                b"done\n",
            ]
        )
        out = self._git("fast-import", "--quiet", "--force", "--done", stdin=stream)
        commit, *names = out.decode().split()
        versions: dict[str, FileVersion | None] = dict.fromkeys(edits)
        for (path, mode, _), blob in zip(marks, names, strict=True):
            versions[path] = FileVersion(mode, blob)
        return commit, versions

    def reword(self, commit: str, *, parent: str, message: str, timestamp: int) -> str:
        """A commit with the tree of `commit`, another message and `parent` as its parent."""
        name, email = IDENTITY.removesuffix(">").split(" <")
        people = {
            f"GIT_{role}_{field}": value
            for role in ("AUTHOR", "COMMITTER")
            for field, value in (("NAME", name), ("EMAIL", email), ("DATE", f"{timestamp} +0000"))
        }
        return (
            self._git(
                *("commit-tree", f"{commit}^{{tree}}", "-p", parent, "-F", "-"),
                stdin=message.encode(errors="replace"),
                env=people,
            )
            .decode()
            .strip()
        )

    def read(self, version: FileVersion) -> bytes:
        """Content of a file version."""
        return self._git.blob(version.blob)

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
        self, commit: str, tree: Path, submodules: Mapping[str, tuple[str, Path]]
    ) -> None:
        """Write `commit` into the empty folder `tree`.

        `submodules`: path to (commit, object folder) of those to be filled in; others stay empty.
        """
        environment = self._measuring(tree, [objects for _, objects in submodules.values()])
        self._git("read-tree", "--empty", env=environment)
        self._git("read-tree", commit, env=environment)
        for path, (module_commit, _) in submodules.items():
            self._git("update-index", "--force-remove", "--", path, env=environment)
            self._git("read-tree", f"--prefix={path}/", module_commit, env=environment)
        self._git("checkout-index", "--all", "--force", "--quiet", env=environment)

    def restore(self, paths: Sequence[str], tree: Path, alternates: Sequence[Path] = ()) -> None:
        """Write `paths` into `tree` again as `check_out` left them."""
        self._git(
            *("checkout-index", "--force", "--quiet", "-z", "--stdin"),
            stdin=b"\0".join(os.fsencode(path) for path in paths) + b"\0",
            env=self._measuring(tree, alternates),
        )

    def pretend(self, tree: Path, *, head: str, staged: str) -> None:
        """Make `tree` look like a repository with `head` checked out and `staged` in its index.

        For the user's own hooks, which ask git what is about to be committed. It is a throwaway:
        nothing written to it is ever read.
        """
        git_dir = tree / ".git"
        throwaway = _Git(tree, git_dir, GIT_WORK_TREE=str(tree))
        throwaway("init", "--quiet", "--template=", f"--object-format={self._format}")
        (git_dir / "objects" / "info").mkdir(exist_ok=True)
        (git_dir / "objects" / "info" / "alternates").write_text(f"{self._objects}\n")
        throwaway("update-ref", "--no-deref", "HEAD", head)
        throwaway("read-tree", staged)

    def _measuring(self, tree: Path, alternates: Sequence[Path]) -> dict[str, str]:
        """Index and work tree of the measure tree; neither lies within measured code's reach."""
        return {
            "GIT_INDEX_FILE": str(self.folder / "measure.index"),
            "GIT_WORK_TREE": str(tree),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(str(path) for path in alternates),
        }

    def close(self) -> None:
        self._git.close()


@contextlib.contextmanager
def opened(repository: Repository, folder: Path) -> Iterator[Store]:
    """The run store's git directory; its helper processes end with the block."""
    store = Store(folder, repository)
    try:
        yield store
    finally:
        store.close()
        repository.close()


def _locate(folder: Path, *questions: str) -> list[str]:
    """What `git rev-parse` answers in a folder whose repository is not known yet."""
    code, out, _ = git.Git(str(folder)).execute(
        ["git", "-c", "safe.directory=*", "rev-parse", "--path-format=absolute", *questions],
        with_extended_output=True,
        with_exceptions=False,
    )
    return [] if code else str(out).split("\n")


def _quote(path: str) -> bytes:
    """A path as git fast-import reads it: C-style quotes, any byte."""
    raw = os.fsencode(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + raw + b'"'
