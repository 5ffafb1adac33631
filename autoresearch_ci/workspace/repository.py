"""The user's repository: read as it stands, written only at our branch and notebook refs.

Our own git directory beside it is store.py's; where measured code runs, measure_tree.py's.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.workspace.git import GitDirectory, failure, locate, refusal, wait_or_break

SHALLOW = "a shallow clone (actions/checkout fetches one commit by default)"
"""Why a commit is missing, usually; fetch-depth: 0 or `git fetch --unshallow` brings it."""
_WORKTREE = "config.worktree"
_Stamp = tuple[int, int, int]
"""Inode, size and ctime of a file: another one after every change."""
_MOVED = re.compile("but expected|already exists|unable to resolve reference")
"""What `git update-ref` says when a ref is not where we left it."""
_TOGETHER = 50
"""Commits whose differences are asked for at once."""

_OF_INDEX = re.compile(rb"(mtime|size): ([0-9]+)")
"""In what `git ls-files --debug` prints; the nanoseconds may be missing."""

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


Versions = Mapping[str, FileVersion]
Changes = Mapping[str, FileVersion | None]
"""What differs from the base commit: path to its version, `None` where it was deleted."""


class Repository:
    """The user's repository: read as it stands; written only at our branch and notebook refs."""

    def __init__(self, root: Path, git_dir: Path, common_dir: Path, object_format: str) -> None:
        self.root = root
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.object_format = object_format
        """`sha1` or `sha256`."""
        self._git = GitDirectory(root, git_dir, GIT_WORK_TREE=str(root))
        self._quiet: tuple[list[_Stamp | None], dict[str, str]] | None = None
        """What `_silenced` found, and the configuration it found it in."""

    @classmethod
    def open(cls, start: Path) -> Repository:
        """The repository that contains `start`.

        Raises `WorkspaceError` when there is none, when it is bare, or when it has no commit.
        """
        places = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        lines = locate(start, *places, "--show-object-format")
        if len(lines) != len(places) + 1:
            raise WorkspaceError(
                f"{start} is not inside a git working tree, or its path has a line break.\n"
                "usually: the command was started in the wrong folder, or the job has no "
                "actions/checkout step (or checked out a bare repository).\n"
                "do: cd into the repository, or `git init && git add -A && git commit -m start`."
            )
        *folders, object_format = lines
        root, git_dir, common_dir = map(Path, folders)
        _refuse_foreign(start.resolve(), root, (git_dir, common_dir))
        return cls(root, git_dir, common_dir, object_format)

    def head(self) -> str:
        """The commit that HEAD names. Raises `WorkspaceError` when there is none yet."""
        commit = self._git.commit("HEAD")
        if commit is None:
            raise WorkspaceError(
                "the repository has no commit yet (unborn HEAD), so there is nothing to start "
                "from.\ndo: git add -A && git commit -m 'first commit'"
            )
        return commit

    def is_shallow(self) -> bool:
        """Whether this clone lacks a part of its history."""
        return (self.common_dir / "shallow").exists()

    def beside(self, folder: Path, *, apart: bool = False) -> GitDirectory:
        """A new git directory in `folder`, of the same format, that ends where this clone does.

        `apart`: it shares no objects with this clone, and so has nothing that could end.
        """
        git = GitDirectory(folder, folder)
        kind = f"--object-format={self.object_format}"
        git("init", "--quiet", "--bare", "--template=", kind, str(folder))
        if self.is_shallow() and not apart:
            shutil.copy(self.common_dir / "shallow", folder / "shallow")
        return git

    def refuse_unfinished(self) -> None:
        """Raise `WorkspaceError` while a merge, rebase, cherry-pick, revert or bisect is open."""
        for name, (operation, cure) in _UNFINISHED.items():
            if (self.git_dir / name).exists():
                raise WorkspaceError(
                    f"a {operation} is unfinished in this repository, so HEAD is not a state "
                    f"worth optimising.\ndo: {cure}"
                )

    def changed(self) -> list[str]:
        """Tracked files that differ from HEAD; such changes are not part of a run.

        No filter runs here: a file that one has made may be among them.
        """
        told = self._git(
            *("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules"),
            settings=self._silenced(),
        )
        # Of what is renamed, the old name follows: three letters less of it harm nobody.
        return [os.fsdecode(entry[3:]) for entry in told.split(b"\0")[:-1]]

    def untouched(self, path: str) -> bool:
        """Whether a file is as git last wrote or read it, by its size and times."""
        code, out, _ = self._git.attempt("ls-files", "--debug", "--", f":(literal){path}")
        known = {name: int(number) for name, number in _OF_INDEX.findall(out)} if not code else {}
        try:
            found = (self.root / path).lstat()
        except OSError:
            return False
        return known == {b"mtime": int(found.st_mtime), b"size": found.st_size}

    def attribute(self, name: str, paths: Iterable[str]) -> dict[str, str]:
        """What `.gitattributes` says of each path."""
        told = self._git(
            *("check-attr", "-z", "--stdin", name),
            stdin=b"".join(os.fsencode(path) + b"\0" for path in paths),
        ).split(b"\0")
        return {os.fsdecode(told[i]): os.fsdecode(told[i + 2]) for i in range(0, len(told) - 1, 3)}

    def refuse_partial(self, commit: str) -> None:
        """Raise `WorkspaceError` when a partial clone lacks content of `commit`."""
        code, _, _ = self._git.attempt("config", "--get-regexp", r"^remote\..*\.promisor$")
        if code:
            return
        listing = ("rev-list", "--objects", "--no-walk", "--missing=print", commit)
        lacking = {line[1:] for line in self._git(*listing).decode().splitlines() if line[0] == "?"}
        gone = sorted(path for path, found in self.files(commit).items() if found.blob in lacking)
        if gone:
            raise WorkspaceError(
                f"this partial clone lacks the content of {len(gone)} files of {commit[:12]}, such "
                f"as {gone[0]}.\n"
                "usually: cloned with --filter, and checked out sparsely.\n"
                "do: git fetch --refetch --no-filter; for actions/checkout, leave out filter: and "
                "sparse-checkout:."
            )

    def _silenced(self) -> dict[str, str]:
        """Settings that leave none of the repository's own filters and configured hooks to run."""
        now = [_stamp(path) for path in (self.common_dir / "config", self.git_dir / _WORKTREE)]
        if self._quiet is None or self._quiet[0] != now:
            names = "^(filter|hook)[.].*[.]|^include"
            _, out, _ = self._git.attempt("config", "-z", "--name-only", "--get-regexp", names)
            found = {os.fsdecode(key).rpartition(".")[0] for key in out.split(b"\0")[:-1]}
            included = any(name.startswith("include") for name in found)
            # What an included file says may change while these two do not.
            self._quiet = None if included else (now, _overridden(found))
            return _overridden(found)
        return self._quiet[1]

    def ref(self, name: str) -> str | None:
        """The commit a full ref name points at, or `None`."""
        return self._git.commit(name)

    def contains(self, commit: str) -> bool:
        """Whether HEAD is `commit` or builds upon it, as far as this clone's history goes."""
        return self.is_ancestor(commit, "HEAD")

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `old` is known here and contained in `new`."""
        code, _, _ = self._git.attempt("merge-base", "--is-ancestor", old, new)
        return code == 0

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit that both contain, as far as this clone's history goes."""
        code, out, _ = self._git.attempt("merge-base", one, other)
        return None if code else out.decode().split()[0]

    def halving(self, bad: str, good: Iterable[str]) -> list[str]:
        """Commits that are in `bad` and in none of `good`, those that halve them best first."""
        out = self._git("rev-list", "--bisect-all", bad, *(f"^{commit}" for commit in good))
        return [line.split()[0] for line in out.decode().splitlines()]

    def parents(self, commit: str) -> list[str]:
        """Of a commit, the first one first; none of the first commit."""
        return self._git("rev-list", "--parents", "--max-count=1", commit).decode().split()[1:]

    def staged(self, index: Path | None = None) -> str:
        """A commit of what is staged, upon HEAD, that no ref names; the index stays as it is.

        `index`: where it lies; `None`: where git keeps it. Raises `WorkspaceError`.
        """
        head = self.head()
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "index"
            try:
                shutil.copyfile(index or self.git_dir / "index", copy)
            except FileNotFoundError:  # nothing was ever staged
                return head
            tree = self._git("write-tree", env={"GIT_INDEX_FILE": str(copy)}).decode().strip()
        people = {f"GIT_{role}_NAME": "autoresearch-ci" for role in ("AUTHOR", "COMMITTER")}
        people |= {f"GIT_{role}_EMAIL": "autoresearch-ci" for role in ("AUTHOR", "COMMITTER")}
        people |= {f"GIT_{role}_DATE": "2000-01-01T00:00:00Z" for role in ("AUTHOR", "COMMITTER")}
        made = self._git("commit-tree", "-m", "what is staged", "-p", head, tree, env=people)
        return made.decode().strip()

    def touched(self, commits: Iterable[str]) -> dict[str, list[str]]:
        """Paths in which each commit differs from its first parent, as far as both are here."""
        found: dict[str, list[str]] = {}
        for asked in _batches(commits):
            code, out, _ = self._git.attempt(
                *("diff-tree", "--stdin", "-r", "-z", "--name-only", "--no-renames", "--root"),
                *("-m", "--first-parent", "--always"),
                stdin="".join(f"{commit}\n" for commit in asked).encode(),
            )
            told = out.split(b"\0") if not code else []
            found.update(_paths(told, [commit.encode() for commit in asked]))
        return found

    def cut_off(self) -> frozenset[str]:
        """Commits whose parents a shallow clone does not have: to git they look like first ones."""
        try:
            return frozenset((self.common_dir / "shallow").read_text().split())
        except FileNotFoundError:
            return frozenset()

    def written_parents(self, commit: str) -> list[str]:
        """Of a commit, as it says itself: a shallow clone need not have them."""
        header, _, _ = self._git("cat-file", "commit", commit).partition(b"\n\n")
        lines = header.decode(errors="replace").splitlines()
        return [line.split()[1] for line in lines if line.startswith("parent ")]

    def diffs(self, commits: Iterable[str], limit: int) -> dict[str, str]:
        """What each commit changes of its first parent, as far as it is here; none of a merge.

        `limit`: characters of each; a file with more bytes is told as a binary one is.
        """
        found: dict[str, str] = {}
        for asked in _batches(commits):
            code, out, _ = self._git.attempt(
                *("diff-tree", "--stdin", "-r", "-p", "-M", "--root"),
                *("--no-ext-diff", "--no-textconv", "--no-color"),
                stdin="".join(f"{commit}\n" for commit in asked).encode(),
                settings={"core.bigFileThreshold": str(limit)},
            )
            found.update(_parted(out.decode(errors="replace"), asked, limit) if not code else ())
        return found

    def recent(self, count: int, paths: Iterable[str] = (), at: str = "HEAD") -> list[str]:
        """`abc1234 2026-01-31 Subject` of the latest commits, or of those that touched `paths`."""
        # Not `log`, which may be configured to have signatures checked by a program.
        told = self._git(
            *("rev-list", f"--max-count={count}", "--date=short", "--format=%h %ad %s", at, "--"),
            *(f":(literal){path}" for path in paths),
        )
        lines = told.decode(errors="replace").splitlines()
        return [line for line in lines if not line.startswith("commit ")]

    def worktree_of(self, ref: str) -> str:
        """The working tree in which a branch is checked out; empty when there is none."""
        heads = self._heads()
        if heads is not None and ref not in heads:
            return ""
        out = self._git("for-each-ref", "--format=%(worktreepath)", ref)
        return os.fsdecode(out).strip()

    def _heads(self) -> set[str] | None:
        """What HEAD is in each working tree, as its file says; `None`: git alone can tell."""
        if (self.common_dir / "reftable").exists():
            return None
        heads = [self.common_dir / "HEAD", *self.common_dir.glob("worktrees/*/HEAD")]
        try:
            if any(path.is_symlink() for path in heads):
                return None
            texts = [os.fsdecode(path.read_bytes()) for path in heads]
        except OSError:  # one is just added or removed
            return None
        return {text.removeprefix("ref:").strip() for text in texts}

    def is_branch_name(self, name: str) -> bool:
        """Whether git takes it for one as it is written."""
        code, out, _ = self._git.attempt("check-ref-format", "--branch", f"refs/heads/{name}")
        plain = re.fullmatch(r"[\w][\w./+-]*", name) is not None
        return plain and not code and os.fsdecode(out).strip() == f"refs/heads/{name}"

    def refs(self, prefix: str, containing: str = "") -> list[str]:
        """Full names of the refs under `prefix`; only those with a commit in their history."""
        only = (f"--contains={containing}",) if containing else ()
        return self._git("for-each-ref", "--format=%(refname)", *only, prefix).decode().split()

    def tags(self) -> list[tuple[str, str, str]]:
        """Full name, object and, where that is a tag's own, the commit that it names."""
        facts = "%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(*objecttype)"
        told = os.fsdecode(self._git("for-each-ref", f"--format={facts}", "refs/tags/"))
        rows = [line.split("\0") for line in told.splitlines()]
        return [(n, o, peeled) for n, o, kind, peeled, of in rows if "commit" in (kind, of)]

    def update_ref(self, name: str, new: str, old: str | None) -> None:
        """Compare and swap: `old` is what must be there now (`None`: nothing).

        Raises `WorkspaceError` when something else is there: another run, or a person.
        """
        nothing = "0" * len(new)
        code, err = self._git.move_ref(name, new, old or nothing, self._silenced())
        if code and "File exists" in err:
            raise refusal(self.common_dir / f"{name}.lock")
        if code and not _MOVED.search(err):
            raise failure(("update-ref", name, new, old or nothing), code, err)
        if code:
            raise WorkspaceError(
                f"{name} could not be moved to {new[:12]}: {err.strip()}\n"
                "usually: somebody else moved that branch while the run was going on.\n"
                "do: nothing is lost, every attempt is recorded; use --resume, which says how to "
                "continue from what was kept, or start again with another --tag."
            )

    def set_ref(self, name: str, commit: str) -> None:
        """Point a ref that nobody else uses at `commit`."""
        code, err = self._git.move_ref(name, commit, None, self._silenced())
        if code:
            raise failure(("update-ref", name, commit), code, err)

    def refuse_checked_out(
        self, ref: str, cure: str = "then --resume; nothing is lost, the run is found by its tag"
    ) -> None:
        """Raise `WorkspaceError` when moving a branch would make all of a checkout look changed.

        `cure`: what else is to be done, after switching to another branch.
        """
        place = self.worktree_of(ref)
        if place:
            branch = ref.removeprefix("refs/heads/")
            raise WorkspaceError(
                f"branch {branch} is checked out in {place}, so it cannot be moved.\n"
                f"do: git switch another branch there first (git switch --detach), {cure}."
            )

    def delete_ref(self, name: str, old: str) -> None:
        """Remove a ref of ours that is still at `old`."""
        self._git("update-ref", "-d", name, old)

    def remote_url(self, name: str) -> str:
        """Address of one of the user's remotes, as their configuration says; empty: none."""
        code, out, _ = self._git.attempt("config", "--get", f"remote.{name}.url")
        return "" if code else out.decode(errors="replace").strip()

    def break_lock(self, name: str) -> None:
        """Remove the lock file that a killed git left on a ref of ours; never a living one's.

        The caller holds the run's lock. Raises `WorkspaceError` when a git keeps it for long.
        """
        wait_or_break(self.common_dir / f"{name}.lock", (self.root, self.common_dir))

    def message(self, commit: str) -> str:
        """The whole commit message."""
        # Not `show`, which may be configured to have signatures checked by a program.
        _, _, message = self._git("cat-file", "commit", commit).partition(b"\n\n")
        return message.decode(errors="replace")

    def files(self, commit: str, objects: Path | None = None) -> dict[str, FileVersion]:
        """Every path of a commit's tree, links and submodules included.

        `objects`: where to look for it, if it is a submodule's.
        """
        elsewhere = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects)} if objects else {}
        listing = self._git("ls-tree", "-r", "-z", "--full-tree", commit, env=elsewhere)
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

    def followed(self, commit: str, path: str) -> bytes | None:
        """The same, where its links lead in that commit. Raises `WorkspaceError` if to no file."""
        if commit.startswith("-") or "\n" in path:
            return None
        asked = os.fsencode(f"{commit}:{path}\n")
        words = ("cat-file", "--batch", "--follow-symlinks")
        header, _, content = self._git(*words, stdin=asked).partition(b"\n")
        facts = header.split()
        if facts[0] in (b"symlink", b"dangling", b"loop"):
            raise WorkspaceError(
                f"{path} is a link in {commit[:12]} that leads to no file of that commit.\n"
                "do: commit the file itself, or a link to another file of the repository."
            )
        is_file = len(facts) == 3 and facts[1] == b"blob"
        return content[: int(facts[2])] if is_file else None

    def read(self, version: FileVersion) -> bytes:
        """Content of a file version."""
        return self._git.blob(version.blob)

    def size(self, version: FileVersion) -> int:
        """Bytes of a file version, without reading it."""
        return self._git.blob_size(version.blob)

    def ignored(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that the repository's own ignore rules exclude."""
        code, out, _ = self._git.attempt(
            "check-ignore", "-z", "--stdin", stdin=b"\0".join(os.fsencode(n) for n in names)
        )
        return [os.fsdecode(n) for n in out.split(b"\0")[:-1]] if code == 0 else []

    def moved(self, old: str, new: str) -> dict[str, str]:
        """Files that stand elsewhere in `new`, as git finds them: new path to old path."""
        told = self._git(
            *("diff-tree", "-r", "-z", "-M", "--no-textconv", "--no-ext-diff", "--text"),
            *("--diff-filter=R", "--name-status", old, new),
        )
        words = [os.fsdecode(word) for word in told.split(b"\0")[:-1]]
        return {words[n + 2]: words[n + 1] for n in range(0, len(words) - 2, 3)}

    def submodule_objects(self, path: str) -> Path | None:
        """Object folder of a submodule that is checked out here, or `None`."""
        folder = self.root / path
        if not (folder / ".git").exists():
            return None
        found = locate(folder, "--git-common-dir")
        return Path(found[0]) / "objects" if found else None

    def hooks(self) -> Path:
        """The folder of the user's own git hooks."""
        found = locate(self.root, "--git-path", "hooks")
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


def _refuse_foreign(start: Path, root: Path, git_dirs: Iterable[Path]) -> None:
    """A folder open to all may hold a `.git` that somebody left there for others to find.

    In a container the checkout belongs to another user than ours, so who owns the folders that we
    were called in is trusted, too; git's own check (`safe.directory`) would refuse that.
    """
    if not start.is_relative_to(root.resolve()):
        raise WorkspaceError(
            f"{start} is not inside {root}, the working tree of its repository.\n"
            "usually: core.worktree in .git/config leads elsewhere.\n"
            f"do: cd {shlex.quote(str(root))}, or git config --unset core.worktree."
        )
    folders = [start, *start.parents][: len(start.relative_to(root.resolve()).parts) + 1]
    trusted = {os.getuid(), *(folder.stat().st_uid for folder in folders)}
    for folder in git_dirs:
        if folder.stat().st_uid not in trusted:
            raise WorkspaceError(
                f"{folder} belongs to another user than you and than the folder you are in.\n"
                "usually: somebody left a repository in a folder that is open to all.\n"
                "do: work in a clone of your own, or chown it if you know whose it is."
            )


def _batches(commits: Iterable[str]) -> Iterator[list[str]]:
    """Each once, as many together as one git is asked about."""
    known = list(dict.fromkeys(commits))
    yield from (known[at : at + _TOGETHER] for at in range(0, len(known), _TOGETHER))


def _paths(told: Sequence[bytes], commits: Sequence[bytes]) -> Iterator[tuple[str, list[str]]]:
    """Those behind each commit's name; they come in the order in which they were asked about."""
    at, names = 0, frozenset(commits)
    for commit in commits:
        if commit in told[at:]:
            at = told.index(commit, at) + 1
            rest = itertools.takewhile(lambda part: part not in names, told[at:])
            yield commit.decode(), [os.fsdecode(path) for path in rest if path]


def _parted(told: str, commits: Container[str], limit: int) -> Iterator[tuple[str, str]]:
    """The diff behind each line that is nothing but a commit's name: no line of a diff is that."""
    commit, lines, room = "", list[str](), 0
    for line in told.split("\n"):
        if line in commits:
            yield from [(commit, "\n".join(lines))] if commit else ()
            commit, lines, room = line, [], limit
        elif room > 0:
            lines.append(line[:room])
            room -= len(line) + 1
    yield from [(commit, "\n".join(lines))] if commit else ()


def _overridden(drivers: Iterable[str]) -> dict[str, str]:
    """Settings that take the programs from `filter.NAME` and `hook.NAME`."""
    settings = {}
    for driver in drivers:
        if driver.startswith("hook."):
            settings[f"{driver}.enabled"] = "false"
        elif driver.startswith("filter."):
            settings.update({f"{driver}.{key}": "" for key in ("clean", "smudge", "process")})
            settings[f"{driver}.required"] = "false"
    return settings


def _stamp(path: Path) -> _Stamp | None:
    """`None` when there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_ctime_ns
