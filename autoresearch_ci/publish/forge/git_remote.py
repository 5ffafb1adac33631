"""Talks git to the remote: reads refs, fetches, pushes, merges, and overwrites nobody's commit.

In a git directory of its own, so that credentials, headers and URL rewrites which others left in
the user's configuration are neither used nor sent twice. What a refusal means,
forge_refusals.py knows.

A merge needs neither a working tree nor the forge, and the same two commits give the same merge
commit wherever it is made. So a job that only reads can begin from one, and the job that publishes
makes it again instead of believing a bundle.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from autoresearch_ci.publish.forge.forge import Address
from autoresearch_ci.publish.forge.forge_refusals import (
    TRANSIENT,
    ForgeRefused,
    PublishPlace,
    RefusalKind,
    classify,
    explain,
)
from autoresearch_ci.workspace.earlier_change import FileSides, files
from autoresearch_ci.workspace.git import GitDirectory
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.signing import Signing
from autoresearch_ci.workspace.store import IDENTITY, commit_tree, signed_by

_TIP_BYTES = 4_000_000
"""Of a file that is read of a notebook."""


def merge(
    git: GitDirectory,
    ours: str,
    theirs: str,
    author: str = IDENTITY,
    signing: Signing | None = None,
) -> str | None:
    """The merge commit; `None` on a conflict, or where a shallow clone hides what they share.

    `git` is a directory of our own: a merge driver of the user's configuration is never run.
    """
    code, out, _ = git.attempt("merge-tree", "--write-tree", "--no-messages", ours, theirs)
    if code:
        return None
    seconds = git("show", "-s", "--format=%ct", ours, theirs).split()
    # Of no clock: it must come out the same.
    people = signed_by(author, max(map(int, seconds)))
    message = f"merge: the base branch at {theirs[:12]}"
    tree = out.decode().split()[0]
    words = (tree, "-p", ours, "-p", theirs, "-m", message)
    made = commit_tree(git, words, people, signing)
    return made.decode().strip()


@contextmanager
def merging(repository: Repository) -> Iterator[GitDirectory]:
    """A directory of our own to merge in, whose commits are the repository's as well."""
    parent = repository.common_dir / "autoresearch"
    parent.mkdir(exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix=".merge-", dir=parent))
    try:
        repository.beside(folder)
        objects = repository.common_dir / "objects"
        yield GitDirectory(folder, folder, GIT_OBJECT_DIRECTORY=str(objects))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def common_ancestor(git: GitDirectory, ours: str, theirs: str) -> str | None:
    """A commit that both contain; `None`: there is none, or a shallow clone hides it."""
    code, out, _ = git.attempt("merge-base", ours, theirs)
    return None if code else out.decode().split()[0]


def have_met(git: GitDirectory, ours: str, theirs: str) -> bool:
    """Whether this clone's history reaches back to a commit that both contain."""
    return common_ancestor(git, ours, theirs) is not None


_DEEPER = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--force")
_DEPTHS = (50, 500)
"""Commits that are fetched beyond a shallow clone's end, before all of them are."""
_WAITS = (1.0, 5.0)
"""Seconds before the second and third try."""
_STALL = 45
"""Seconds without a byte after which a transfer is given up."""

# It answers only for the place it was made for: a redirect elsewhere gets nothing. What it prints
# is read from a file that exists in memory only.
_ASKPASS = """#!/bin/sh
case "$1" in
  "Password for '$AUTORESEARCH_ASKED_BY'"*) exec cat "/proc/self/fd/$AUTORESEARCH_SECRET_FD" ;;
  *) exit 1 ;;
esac
"""


@dataclass(frozen=True, kw_only=True)
class Update:
    """One ref of the remote to be moved."""

    ref: str
    new: str
    old: str | None
    """What must be there now; `None`: nothing."""


class Moved(ForgeRefused):
    """Somebody else moved a ref: `refs` is what the remote has now."""

    def __init__(self, refused: ForgeRefused, refs: Mapping[str, str]) -> None:
        super().__init__(RefusalKind.MOVED, str(refused))
        self.refs = refs


@dataclass(eq=False, repr=False)
class Remote:
    """One remote repository, for the objects of the user's repository."""

    address: Address
    repository: Repository
    _: KW_ONLY
    token: Callable[[], str]
    """Is asked before each call, so that it can be renewed; empty: none."""
    objects: Path | None = None
    """A folder that also holds what is to be pushed; `None`: the repository's."""
    sleep: Callable[[float], None] = time.sleep
    stall: int = _STALL
    author: str = IDENTITY
    """Of merges, and `signing`, too."""
    signing: Signing | None = None
    waits: Sequence[float] = _WAITS
    _readers: int = 0

    def __post_init__(self) -> None:
        parent = self.repository.common_dir / "autoresearch"
        parent.mkdir(exist_ok=True, mode=0o700)
        # Not in the folder for temporary files, where nothing may be executable.
        self._folder = Path(tempfile.mkdtemp(prefix=".remote-", dir=parent))
        self._git = self._directory(
            "git", objects=self.objects or self.repository.common_dir / "objects"
        )
        # What a fetch tells the other side that we have.
        self._git("update-ref", "refs/have/head", self.repository.head())
        askpass = self._folder / "askpass"
        askpass.touch(mode=0o700)
        askpass.write_text(_ASKPASS)

    def close(self) -> None:
        self._git.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def refs(self, *patterns: str) -> dict[str, str]:
        """Full names of the remote's refs that match, and where they point."""
        out = self._insist("ls-remote", "--refs", "--", self.address.url, *patterns)
        pairs = (line.split("\t", 1) for line in out.decode(errors="replace").splitlines())
        return {name: commit for commit, name in pairs}

    def fetch(self, ref: str) -> str | None:
        """Bring a ref's commits into the user's object folder; `None` when the remote has none."""
        commit = self.refs(ref).get(ref)
        if commit is None:
            return None
        self._insist(
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"),
            *("--no-recurse-submodules", "--", self.address.url, f"+{ref}:refs/fetched/branch"),
        )
        return self._git("rev-parse", "refs/fetched/branch").decode().strip()

    def bring(self, refs: Sequence[str]) -> None:
        """Bring the commits of refs that are there into the user's object folder, in one go."""
        if refs:
            specs = [f"+{ref}:refs/fetched/{number}" for number, ref in enumerate(refs)]
            self._insist(
                *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"),
                *("--no-recurse-submodules", "--", self.address.url, *specs),
            )

    def reach(self, commit: str) -> None:
        """Bring one commit and its files into the user's object folder, not what came before it."""
        self._insist(
            *_DEEPER, "--depth=1", "--", self.address.url, f"{commit}:refs/fetched/reached"
        )

    def parted(self, ours: str, theirs: str) -> str | None:
        """Where two commits parted; `None`: they never met.

        Of a shallow clone's history as much is fetched as it takes; the clone itself stays as
        shallow as it is.
        """
        for depth in (*_DEPTHS, 0):
            if found := common_ancestor(self._git, ours, theirs):
                return found
            more = f"--deepen={depth}" if depth else "--unshallow"
            specs = (f"{ours}:refs/fetched/ours", f"{theirs}:refs/fetched/theirs")
            self._insist(*_DEEPER, more, "--", self.address.url, *specs)
        return common_ancestor(self._git, ours, theirs)

    def read_tips(self, refs: Sequence[str], paths: Sequence[str]) -> dict[str, dict[str, bytes]]:
        """Files as the newest commit of each ref has them; nothing of it stays in the repository.

        A file that is missing, or too large, is left out.
        """
        if not refs:
            return {}
        self._readers += 1
        name = f"tips-{self._readers}"
        reader = self._directory(name)
        specs = [f"+{ref}:refs/tips/{number}" for number, ref in enumerate(refs)]
        self._insist(
            *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head"),
            *("--", self.address.url, *specs),
            git=reader,
        )
        found: dict[str, dict[str, bytes]] = {}
        for number, ref in enumerate(refs):
            found[ref] = {}
            for path in paths:
                code, size, _ = reader.attempt("cat-file", "-s", f"refs/tips/{number}:{path}")
                if code == 0 and int(size) <= _TIP_BYTES:
                    found[ref][path] = reader("cat-file", "blob", f"refs/tips/{number}:{path}")
        shutil.rmtree(self._folder / name, ignore_errors=True)
        return found

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `old` is known here and contained in `new`."""
        code, _, _ = self._git.attempt("merge-base", "--is-ancestor", old, new)
        return code == 0

    def merge(self, ours: str, theirs: str) -> str | None:
        """Bring `theirs` into `ours` by a merge commit here; `None`: they conflict."""
        return merge(self._git, ours, theirs, self.author, self.signing)

    def have_met(self, ours: str, theirs: str) -> bool:
        """Whether this clone knows a commit that both contain."""
        return have_met(self._git, ours, theirs)

    def resolve(self, name: str) -> str | None:
        """The full name of a commit that is here; `None`: none, or several."""
        return self._git.commit(name)

    def change(self, commit: str, since: str = "") -> FileSides | None:
        """What a commit that is here did, or all since another; `None`: no small change of text."""
        return files(self._git, commit, since)

    def read(self, commit: str, path: str) -> bytes | None:
        """A file of a commit that is here; `None`: there is none."""
        code, out, _ = self._git.attempt("cat-file", "blob", f"{commit}:{path}")
        return None if code else out

    def push(self, updates: Sequence[Update], options: Sequence[str] = ()) -> None:
        """Move all refs or none. Repeating it is harmless.

        Each ref must still be where we left it, and only moves forward.
        Raises `Moved` or `ForgeRefused`.
        """
        for update in updates:
            if update.old and not self.is_ancestor(update.old, update.new):
                raise Moved(self._refused(RefusalKind.MOVED, "not a fast-forward", update.ref), {})
        for wait in (*self.waits, None):
            code, said = self._push(updates, options)
            kind = classify(said)
            if code == 0 or self._arrived(kind, updates):
                return
            if wait is None or kind not in TRANSIENT:
                raise self._refused(kind, said, updates[0].ref)
            self.sleep(wait)

    def _arrived(self, kind: RefusalKind, updates: Sequence[Update]) -> bool:
        """Whether a push that was refused was done: the answer may be what got lost, not the push.

        Raises `Moved` when somebody else was faster.
        """
        if kind is not RefusalKind.MOVED and kind not in TRANSIENT:
            return False
        try:
            now = self.refs(*(update.ref for update in updates))
        except ForgeRefused:
            now = {}
        if all(now.get(update.ref) == update.new for update in updates):
            return True
        if kind is RefusalKind.MOVED:
            ref = next((u.ref for u in updates if now.get(u.ref) != u.old), "")
            raise Moved(self._refused(kind, "", ref), now)
        return False

    def _push(self, updates: Sequence[Update], options: Sequence[str]) -> tuple[int, str]:
        leases = [f"--force-with-lease={u.ref}:{u.old or ''}" for u in updates]
        code, out, err = self._call(
            *("push", "--porcelain", "--atomic", "--no-verify", "--no-signed"),
            *("--recurse-submodules=no", *leases),
            *(f"--push-option={option}" for option in options),
            *("--", self.address.url, *(f"{u.new}:{u.ref}" for u in updates)),
        )
        return code, f"{err}\n{out.decode(errors='replace')}"

    def _insist(self, *arguments: str, git: GitDirectory | None = None) -> bytes:
        """Call git, again while the reason passes on its own."""
        waits = iter(self.waits)
        while True:
            code, out, said = self._call(*arguments, git=git)
            if code == 0:
                return out
            kind = classify(said)
            wait = next(waits, None) if kind in TRANSIENT else None
            if wait is None:
                raise self._refused(kind, said, "")
            self.sleep(wait)

    def _call(self, *arguments: str, git: GitDirectory | None = None) -> tuple[int, bytes, str]:
        with self._credentials() as (environment, descriptors):
            return (git or self._git).attempt(
                *arguments,
                env={**environment, "GIT_ALLOW_PROTOCOL": self.address.scheme},
                settings={
                    "http.lowSpeedLimit": "1",
                    "http.lowSpeedTime": str(self.stall),
                    f"credential.{self.address.origin}.username": self.address.username,
                },
                pass_fds=descriptors,
            )

    @contextmanager
    def _credentials(self) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
        """The token reaches git through our askpass; no argument, URL, variable or file has it."""
        token = self.token()
        if not token or self.address.scheme == "file":
            yield {"GIT_ASKPASS": "/bin/false"}, ()
            return
        descriptor = os.memfd_create("autoresearch-ci")
        try:
            os.write(descriptor, f"{token}\n".encode())
            yield (
                {
                    "GIT_ASKPASS": str(self._folder / "askpass"),
                    "AUTORESEARCH_ASKED_BY": self.address.origin.replace(
                        "://", f"://{self.address.username}@", 1
                    ),
                    "AUTORESEARCH_SECRET_FD": str(descriptor),
                },
                (descriptor,),
            )
        finally:
            os.close(descriptor)

    def _refused(self, kind: RefusalKind, said: str, ref: str) -> ForgeRefused:
        place = self.address.place
        branch = ref.removeprefix("refs/heads/") or place.branch
        place = PublishPlace(repository=place.repository, branch=branch, settings=place.settings)
        return explain(kind, said, place)

    def _directory(self, name: str, objects: Path | None = None) -> GitDirectory:
        folder = self._folder / name
        folder.mkdir()
        git = self.repository.beside(folder, apart=objects is None)
        return GitDirectory(folder, folder, GIT_OBJECT_DIRECTORY=str(objects)) if objects else git
