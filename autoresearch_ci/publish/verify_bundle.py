"""Checks a bundle before anything of it is published: every commit, message, path and row.

It was written where hostile code may have run, so nothing in it counts until the base commit's own
configuration says that it may. Nothing of the repository is executed or checked out. Repairs are
held again to what no repair may do, make a failure go away unmended; that is a reading of texts.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from autoresearch_ci.config.schema import CommitStyle, Config
from autoresearch_ci.decide.failures.shortcuts.detect import BYTES_LIMIT, is_test, shortcuts
from autoresearch_ci.decide.gaming import Ruler, certain
from autoresearch_ci.errors import WorkspaceError
from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.publish.bundle import Manifest
from autoresearch_ci.record import remote_notebooks
from autoresearch_ci.record.commit_messages import NOTE, PLAIN, is_ours
from autoresearch_ci.record.journal_tsv import parse_direction, parse_rows
from autoresearch_ci.record.notebook import RunFacts
from autoresearch_ci.record.run_history import DecisionRecord, History, PushRecord
from autoresearch_ci.workspace.filters import POINTER_BYTES, is_pointer
from autoresearch_ci.workspace.git import GitDirectory
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.scope import Scope
from autoresearch_ci.workspace.store import IDENTITY

MAX_COMMITS = 50_000
MAX_FILE = 20_000_000
"""Bytes of one file that a candidate writes."""
_PAGES = frozenset({remote_notebooks.JOURNAL, remote_notebooks.FACTS, remote_notebooks.CHART})
"""All that a notebook's own commits may hold."""
_REGULAR = ("100644", "100755")
_NOTHING = "000000"


@dataclass(kw_only=True)
class BundledRecord:
    """A `RunRecord` that a bundle tells, after it was checked."""

    facts: RunFacts
    history: History
    incumbent: str
    notebook: str
    objects: Path
    """Object folder that holds what is to be pushed."""

    @property
    def experiments(self) -> list[Experiment]:
        return self.history.experiments

    def illustrate(self, files: Mapping[str, bytes]) -> str | None:
        """The first job did it."""
        return self.notebook

    def pushed(self, record: PushRecord) -> None:
        self.history = self.history.after(record)


@contextmanager
def verified(
    manifest: Manifest,
    commits: bytes,
    repository: Repository,
    scopes: Sequence[Scope],
    direction: Direction,
    style: CommitStyle = PLAIN,
) -> Iterator[BundledRecord]:
    """The record, with its objects outside of the repository until it is left.

    `scopes`: what it changes is in all of them.
    `style`: how a run writes what it commits.

    Raises `WorkspaceError` at the first thing that a run of ours cannot have written.
    """
    parent = repository.common_dir / "autoresearch"
    parent.mkdir(exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix=".bundle-", dir=parent))
    try:
        with closing(_quarantine(folder, repository, manifest, commits)) as git:
            check = _Check(
                git=git, scopes=scopes, base=manifest.base, tag=manifest.tag, style=style
            )
            chain = check.kept(manifest.head)
            check.notebook(manifest.notebook, set(chain))
            rows = check.journal(manifest.notebook, chain, direction)
        verdicts = tuple(DecisionRecord(experiment=row) for row in rows)
        yield BundledRecord(
            facts=RunFacts(
                tag=manifest.tag,
                branch=manifest.branch,
                base=manifest.base,
                direction=direction,
                folder=folder,
            ),
            history=History(verdicts=verdicts),
            incumbent=manifest.head,
            notebook=manifest.notebook,
            objects=folder / "git" / "objects",
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def bring(record: BundledRecord, repository: Repository, ref: str) -> None:
    """A checked bundle's newest commit, in the repository under that name."""
    git_dir = record.objects.parent
    GitDirectory(git_dir, git_dir)("update-ref", "refs/have/newest", record.incumbent)
    GitDirectory(repository.root, repository.git_dir)(
        *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
        *("--", str(git_dir), f"+refs/have/newest:{ref}"),
        env={"GIT_ALLOW_PROTOCOL": "file"},
    )


def _quarantine(
    folder: Path, repository: Repository, manifest: Manifest, commits: bytes
) -> GitDirectory:
    """The bundle's objects beside the repository's, which they cannot change."""
    path = folder / "commits.bundle"
    path.write_bytes(commits)
    git_dir = folder / "git"
    git_dir.mkdir()
    git = repository.beside(git_dir)
    info = git_dir / "objects" / "info"
    info.mkdir(exist_ok=True)
    (info / "alternates").write_text(f"{repository.common_dir / 'objects'}\n")
    git("update-ref", "refs/have/head", repository.head())
    git("update-ref", "refs/have/base", manifest.base)
    code, _, said = git.attempt(
        *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
        *("--", str(path), "+refs/*:refs/bundle/*"),
        env={"GIT_ALLOW_PROTOCOL": "file"},
        settings={"transfer.fsckObjects": "true"},
    )
    if code:
        raise _refused(f"git cannot read its commits: {said.strip()[:300]}")
    for name in (manifest.head, manifest.notebook):
        code, out, _ = git.attempt("cat-file", "-t", name)
        if code or out.strip() != b"commit":
            raise _refused(f"{name[:12]} is no commit of it")
    return git


@dataclass(frozen=True, kw_only=True)
class _Check:
    """Questions about commits that nobody vouches for."""

    git: GitDirectory
    scopes: Sequence[Scope]
    base: str
    tag: str
    style: CommitStyle

    def kept(self, head: str) -> list[str]:
        """The kept commits, oldest first: one straight line from the base, all of it in scope."""
        before = self.base
        chain = []
        for commit, parents in self._graph(head):
            if parents != [before]:
                raise _refused(f"commit {commit[:12]} does not follow {before[:12]} alone")
            self._candidate(commit, before)
            chain.append(commit)
            before = commit
        if before != head:
            raise _refused(f"{head[:12]} does not build upon the base")
        return chain

    def notebook(self, tip: str, kept: set[str]) -> None:
        """Pages, each on top of the last, and attempts that are in scope, too."""
        graph = dict(self._graph(tip))
        page: str | None = tip
        pages = set()
        while page is not None:
            if page not in graph or page in kept:
                raise _refused("its notebook does not hold together")
            pages.add(page)
            self._page(page)
            # A page without a page before it is the first: the unmodified code's.
            page = graph[page][0] if graph[page] else None
        for commit, parents in graph.items():
            if commit in pages or commit in kept:
                continue
            if len(parents) != 1 or not (parents[0] in graph or parents[0] == self.base):
                raise _refused(f"attempt {commit[:12]} does not follow one commit of the run")
            if parents[0] in pages:
                raise _refused(f"attempt {commit[:12]} follows a page of the notebook")
            self._candidate(commit, parents[0])

    def journal(
        self, notebook: str, chain: Sequence[str], direction: Direction
    ) -> tuple[Experiment, ...]:
        """The rows; what they say was kept is what the branch holds."""
        try:
            text = self.git("cat-file", "blob", f"{notebook}:{remote_notebooks.JOURNAL}").decode()
            rows, said = parse_rows(text), parse_direction(text)
        except (ValueError, WorkspaceError) as error:
            raise _refused("its journal cannot be read") from error
        if said is not direction:
            raise _refused("its journal and the configuration disagree about which way is better")
        if [row.commit for row in rows if row.status is Status.KEEP] != list(chain):
            raise _refused("its journal and its branch disagree about what was kept")
        if not rows or rows[0].status is not Status.BASELINE:
            raise _refused("its journal has no baseline")
        return rows

    def _graph(self, tip: str) -> Iterator[tuple[str, list[str]]]:
        """Commits that the base does not hold, with their parents, oldest first."""
        out = self.git(
            *("rev-list", "--topo-order", "--reverse", "--parents"),
            *(f"--max-count={MAX_COMMITS + 1}", tip, f"^{self.base}"),
        )
        lines = out.decode().splitlines()
        if len(lines) > MAX_COMMITS:
            raise _refused(f"it holds more than {MAX_COMMITS} commits")
        for line in lines:
            commit, *parents = line.split()
            yield commit, parents

    def _candidate(self, commit: str, parent: str) -> None:
        """One change as a run of ours writes it: our name on it, and regular files in scope."""
        header = self._message(commit, self.style, PLAIN)
        made = [
            line for line in header.split(b"\n") if line.startswith((b"author ", b"committer "))
        ]
        people = [line.decode(errors="replace").split(" ", 1)[1].rsplit(" ", 2)[0] for line in made]
        # What a run began under another configuration, or by an older version, has our own.
        if people not in ([self.style.author] * 2, [IDENTITY] * 2):
            raise _refused(f"commit {commit[:12]} was made by somebody else")
        out = self.git(
            "diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", parent, commit
        )
        fields = out.split(b"\0")[:-1]
        for facts, name in zip(fields[::2], fields[1::2], strict=True):
            old, new, was, blob, _ = facts.decode().lstrip(":").split(" ")
            path = os.fsdecode(name)
            reason = next(filter(None, (scope.refusal(path) for scope in self.scopes)), None)
            if reason is None and not {old, new} <= {*_REGULAR, _NOTHING}:
                reason = f"{path} is no regular file"
            if reason is None and new != _NOTHING and self._size(blob) > MAX_FILE:
                reason = f"{path} has more than {MAX_FILE} bytes"
            if reason is None and old != _NOTHING and self._is_pointer(was):
                reason = f"{path} is a pointer of Git LFS or git-annex"
            if reason is not None:
                raise _refused(f"commit {commit[:12]}: {reason}")

    def _is_pointer(self, blob: str) -> bool:
        """Whatever a checkout says of filters: this one may know nothing of any."""
        return self._size(blob) <= POINTER_BYTES and is_pointer(self.git.blob(blob))

    def _message(self, commit: str, *styles: CommitStyle) -> bytes:
        """Forges obey messages: they close issues, skip checks, name people. The header."""
        header, _, raw = self.git.content(commit, "commit").partition(b"\n\n")
        text = raw.decode(errors="replace")
        recoded = b"\nencoding " in header  # bytes that read otherwise for whoever heeds it
        if recoded or not any(is_ours(text, self.tag, style) for style in styles):
            raise _refused(f"no run of ours writes the message of commit {commit[:12]}")
        return header

    def _page(self, commit: str) -> None:
        self._message(commit, NOTE)
        out = self.git("ls-tree", "-r", "-z", "--full-tree", commit)
        for entry in out.split(b"\0")[:-1]:
            facts, name = entry.split(b"\t", 1)
            mode, _, blob = facts.decode().split(" ")
            if os.fsdecode(name) not in _PAGES or mode != "100644":
                raise _refused(f"its notebook holds {os.fsdecode(name)!r}")
            if self._size(blob) > MAX_FILE:
                raise _refused(f"{os.fsdecode(name)} of its notebook is too large")

    def _size(self, blob: str) -> int:
        return self.git.blob_size(blob)


def _refused(why: str) -> WorkspaceError:
    return WorkspaceError(
        f"the bundle is refused, and nothing is published: {why}.\n"
        "usually: it was changed after the first job wrote it, or measured code reached outside "
        "of its sandbox.\n"
        "do: do not publish it by hand; look at the first job's log and at what is named here."
    )


# --- Repairs --------------------------------------------------------------------------------------

_NO_TEXTS = "000000"
_Texts = dict[str, bytes | None]


def refuse_shortcuts(
    record: BundledRecord, config: Config, repository: Repository, judging: Collection[str] = ()
) -> None:
    """Raises `WorkspaceError` for the first commit that repairs by one.

    `judging`: files that are no tests by their names, and say what is right all the same.
    """
    git_dir = record.objects.parent
    git = GitDirectory(git_dir, git_dir)
    files = repository.files(record.facts.base)
    regular = ((path, version) for path, version in files.items() if version.regular)
    asked = {path: v for path, v in regular if is_test(path) or path in judging}
    tests = {p: repository.read(v) for p, v in asked.items() if repository.size(v) <= BYTES_LIMIT}
    parent = record.facts.base
    for kept in record.history.kept:
        before, after = _texts(git, parent, kept.commit)
        found = [*map(str, shortcuts(before, after, tests=tests, allow=config.fix.allow))]
        if config.gaming == "refuse":
            found += filter(None, (certain(before, after, Ruler()),))
        if found:
            raise WorkspaceError(
                f"the bundle is refused, and nothing is published: commit {kept.commit[:12]} "
                f"repairs nothing: {found[0]}.\n"
                "usually: it was changed after the first job wrote it, or the two jobs were given "
                "different flags.\n"
                "do: do not publish it by hand; where that is meant, say so in the configuration."
            )
        parent = kept.commit


def _texts(git: GitDirectory, parent: str, commit: str) -> tuple[_Texts, _Texts]:
    """What a commit changes: contents before and after, by path; `None`: not there."""
    out = git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", parent, commit)
    fields = out.split(b"\0")[:-1]
    before: _Texts = {}
    after: _Texts = {}
    for facts, name in zip(fields[::2], fields[1::2], strict=True):
        old, new, was, now, _ = facts.decode().lstrip(":").split(" ")
        path = os.fsdecode(name)
        before[path] = None if old == _NO_TEXTS else git.blob(was)
        after[path] = None if new == _NO_TEXTS else git.blob(now)
    return before, after
