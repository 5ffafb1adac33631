"""Can a run start from this repository? Every refusal comes before anything is written."""

from __future__ import annotations

import datetime
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from autoresearch_ci.config.resolve import Config
from autoresearch_ci.errors import ConfigError, WorkspaceError
from autoresearch_ci.record import journal_file
from autoresearch_ci.record.durable_records import has_verdict, peek_base
from autoresearch_ci.record.notebook import notebook_ref
from autoresearch_ci.workspace.repository import Changes, FileVersion, Repository
from autoresearch_ci.workspace.scope import Scope, build_scope
from autoresearch_ci.workspace.scratch import scratch_of

_TAG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?![./]|lock\b))*")
_SHARED = ("node_modules", "vendor", ".venv", "venv")
"""Dependency folders that `share: auto` looks for."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What preflight found: everything a run needs to know about the repository."""

    repository: Repository
    tag: str
    branch: str | None
    base: str
    files: Mapping[str, FileVersion]
    scope: Scope
    share: tuple[str, ...]
    modules: Mapping[str, tuple[str, Path]]
    """Checked-out submodules: path to (commit, object folder)."""
    run_store: Path
    """`.git/autoresearch/<tag>`, mode 0700."""
    scratch: Path
    """Where the measure tree goes: outside the repository, the same path for every resume."""
    folder: Path
    """The run folder."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says besides the configuration."""

    start: Path
    config_path: str | None = None
    tag: str | None = None
    resume: bool = False
    output: Path | None = None
    base: str | None = None
    """Commit to start from; `None`: HEAD."""


_REPORTS = ("results.tsv", "summary.md", "run.json", "progress.svg")
"""What a run writes into its folder, beside the logs."""


def settled(options: Options) -> Options:
    """The same with the tag that a run will have. Raises as `survey` does."""
    repository = Repository.open(options.start)
    stores = repository.common_dir / "autoresearch"
    return replace(options, tag=_tag(repository, stores, options.tag, options.resume))


def survey(config: Config, options: Options) -> RunContext:
    """Check everything that can be checked without running a command.

    Raises `WorkspaceError` or `ConfigError` with what to do about it.
    """
    tag, resume = options.tag, options.resume
    repository = Repository.open(options.start)
    head = repository.head()
    stores = repository.common_dir / "autoresearch"
    tag = _tag(repository, stores, tag, resume)
    branch = config.publish.branch_name(tag) if config.publish.mode != "none" else None
    run_store = stores / tag
    if branch and resume:
        repository.refuse_checked_out(f"refs/heads/{branch}")
    elif branch:
        repository.refuse_checked_out(f"refs/heads/{branch}", "or choose another publish.branch")
    if resume:
        base = peek_base(run_store)
        _refuse_vanished(repository, base)
    else:
        repository.refuse_unfinished()
        shared = "{tag}" not in config.publish.branch
        _refuse_used(repository, tag, branch, run_store, shared=shared)
        base = options.base or head
    files = repository.files(base)
    share = _shared(config, repository)
    scope = _scope(config, options.config_path, repository, files, share)
    folder = (options.output or repository.root / "autoresearch" / f"run-{tag}").absolute()
    _refuse_folder(folder, theirs=not resume and options.output is not None)
    return RunContext(
        repository=repository,
        tag=tag,
        branch=branch,
        base=base,
        files=files,
        scope=scope,
        share=share,
        modules=_modules(repository, files),
        run_store=run_store,
        scratch=scratch_of(run_store),
        folder=folder,
        warnings=tuple(_warnings(repository, files, resume)),
    )


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What two commits differ in, and what of it may be compared."""

    changes: Changes
    """In scope: what is measured."""
    elsewhere: tuple[str, ...]
    """Merely not in scope."""
    refused: Mapping[str, str]
    """What no candidate may change, and why: the ruler, what steers it, twins, links."""

    @property
    def not_compared(self) -> list[str]:
        """Where both sides are the base commit's."""
        return sorted((*self.elsewhere, *self.refused))


def comparison_context(
    config: Config, *, start: Path, config_path: str | None, base: str, head: str
) -> tuple[RunContext, Difference]:
    """Two commits to measure: the run context at `base`, and what `head` changes of it.

    The head is held to what a candidate is: only files in scope differ between the two sides.
    Raises `ConfigError` when a commit does not exist here.
    """
    repository = Repository.open(start)
    commits = []
    for name in (base, head):
        commit = repository.ref(name) if not name.startswith("-") else None
        if commit is None:
            raise ConfigError(
                f"{name!r} is no commit of this repository.\n"
                "usually: a shallow clone (actions/checkout fetches one commit by default).\n"
                "do: git fetch --unshallow, or fetch-depth: 0."
            )
        commits.append(commit)
    files, others = repository.files(commits[0]), repository.files(commits[1])
    share = _shared(config, repository)
    scope = _built_scope(config, config_path, repository, files, share)
    tag = f"compare-{commits[0][:7]}-{commits[1][:7]}"
    run_store = repository.common_dir / "autoresearch" / f"{tag}-{os.getpid()}"
    context = RunContext(
        repository=repository,
        tag=tag,
        branch=None,
        base=commits[0],
        files=files,
        scope=scope,
        share=share,
        modules=_modules(repository, files),
        run_store=run_store,
        scratch=scratch_of(run_store),
        folder=repository.root / "autoresearch" / tag,
        warnings=(),
    )
    return context, _difference(files, others, scope)


def _difference(
    files: Mapping[str, FileVersion], others: Mapping[str, FileVersion], scope: Scope
) -> Difference:
    changes: dict[str, FileVersion | None] = {}
    elsewhere: list[str] = []
    refused: dict[str, str] = {}
    everywhere = replace(scope, include=("**", *scope.include))
    for path in sorted(files.keys() | others.keys()):
        old, new = files.get(path), others.get(path)
        if old == new:
            continue
        if not all(version is None or version.regular for version in (old, new)):
            refused[path] = f"out-of-scope: {path} (a link or a submodule)"
        elif scope.refusal(path) is None:
            changes[path] = new
        elif why := everywhere.refusal(path):
            refused[path] = why
        else:
            elsewhere.append(path)
    refused |= _misplaced(files, changes)
    changes = {path: new for path, new in changes.items() if path not in refused}
    return Difference(changes=changes, elsewhere=tuple(elsewhere), refused=refused)


def _misplaced(files: Mapping[str, FileVersion], changes: Changes) -> dict[str, str]:
    """New files in the place of a folder, or below a file, that stays as it is."""
    left = {path for path in files if changes.get(path, files[path]) is not None}
    folders = {str(parent) for path in left for parent in PurePosixPath(path).parents}
    found = {}
    for path in (path for path, new in changes.items() if new and path not in files):
        above = next((str(p) for p in PurePosixPath(path).parents if str(p) in left), "")
        if path in folders or above:
            why = f"{above} is not a folder" if above else "a folder"
            found[path] = f"out-of-scope: {path} ({why})"
    return found


def committed_scope(
    config: Config, config_path: str | None, repository: Repository, base: str
) -> Scope:
    """The scope that a run from `base` had, known from the commit alone."""
    share = _SHARED if config.share == "auto" else () if config.share == "none" else config.share
    return _scope(config, config_path, repository, repository.files(base), share)


def _frozen(config: Config, config_path: str | None) -> list[str]:
    return [path for path in (config_path, config.program) if path]


def _commands(config: Config) -> list[str]:
    """Commands whose own files are part of the ruler."""
    return [
        config.metric.command,
        *(guard.command for guard in config.guards),
        *([config.holdout.command] if config.holdout else []),
        *config.setup,
    ]


def is_tag(text: str) -> bool:
    """Whether `text` can be the name of a run, in refs and in folders."""
    return bool(_TAG.fullmatch(text)) and len(text) <= 100 and not text.endswith(".")


def _tag(repository: Repository, stores: Path, tag: str | None, resume: bool) -> str:
    if tag is not None:
        if not is_tag(tag):
            raise ConfigError(
                f"--tag {tag!r} cannot be part of a branch name.\n"
                "do: use letters, digits, '-', '_' and single dots, such as nightly-2026-01-31."
            )
        return tag
    if resume:
        runs = sorted(stores.glob("*/records.jsonl"), key=lambda p: p.stat().st_mtime)
        if not runs:
            raise ConfigError("--resume: no earlier run in this repository.\ndo: leave it out.")
        return runs[-1].parent.name
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    names = [day, *(f"{day}-{n}" for n in range(2, 1000))]
    return next(
        name
        for name in names
        if not has_verdict(stores / name) and repository.ref(notebook_ref(name)) is None
    )


def _refuse_folder(folder: Path, *, theirs: bool) -> None:
    """`theirs`: the user chose it, so what is in there may be theirs, too."""
    above = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not above.is_dir():
        raise ConfigError(
            f"the run's folder {folder} cannot be made, because {above} is no folder.\n"
            "do: choose another one with --output."
        )
    if not theirs or not folder.is_dir():
        return
    taken = [name for name in _REPORTS if (folder / name).exists()]
    if taken and not journal_file.is_ours(folder / _REPORTS[0]):
        raise ConfigError(
            f"--output {folder}: {taken[0]} is there already, and no run has written it.\n"
            "do: choose an empty folder; a run would overwrite what is in this one."
        )


def _refuse_vanished(repository: Repository, base: str) -> None:
    if repository.ref(base) is None:
        raise WorkspaceError(
            f"the commit {base[:12]}, which this run started from, is no longer in the repository."
            "\nusually: history was rewritten and the old commits pruned, or this is another clone."
            "\ndo: fetch it from wherever it still is (git fetch origin <branch>), or start a run "
            "with another --tag."
        )


def _refuse_used(
    repository: Repository, tag: str, branch: str | None, run_store: Path, *, shared: bool
) -> None:
    """`shared`: runs with other tags have the same branch."""
    for parent in PurePosixPath(branch).parents[:-1] if branch else ():
        if repository.ref(f"refs/heads/{parent}"):
            raise WorkspaceError(
                f"branch {branch} cannot be created, because a branch {parent} exists: git keeps "
                f"branches as files in folders.\ndo: git branch -m {parent} another-name, or set "
                "publish.branch."
            )
    if branch and (below := repository.refs(f"refs/heads/{branch}/")):
        raise WorkspaceError(
            f"branch {branch} cannot be created, because a branch "
            f"{below[0].removeprefix('refs/heads/')} exists: git keeps branches as files in "
            "folders.\ndo: set another publish.branch, or rename that one (git branch -m)."
        )
    taken = None
    if branch and repository.ref(f"refs/heads/{branch}"):
        if shared and not has_verdict(run_store):  # another tag would not help
            raise WorkspaceError(
                f"branch {branch} exists already, and holds commits that are nowhere else.\n"
                "usually: publish.branch has no {tag} in it, and an earlier run published nothing; "
                "or it is a branch of yours.\n"
                f"do: git branch -m {branch} another-name, or put {{tag}} into publish.branch."
            )
        taken = f"branch {branch}"
    elif repository.ref(notebook_ref(tag)):
        taken = notebook_ref(tag)
    elif has_verdict(run_store):
        taken = str(run_store)
    if taken:
        raise WorkspaceError(
            f"the tag {tag!r} was used before: {taken} exists.\n"
            "do: add --resume to continue that run, or choose another --tag."
        )


def _scope(
    config: Config,
    config_path: str | None,
    repository: Repository,
    files: Mapping[str, FileVersion],
    share: Iterable[str],
) -> Scope:
    scope = _built_scope(config, config_path, repository, files, share)
    regular = (path for path, version in files.items() if version.regular)
    if not scope.select(regular):
        hint = next((p for p in files if p.endswith((".py", ".js", ".c", ".rs", ".go"))), "src/")
        raise ConfigError(
            f"scope {list(config.scope)} matches no file of the base commit that may be edited.\n"
            "usually: the glob is relative to another folder (it starts at the repository's root), "
            "the file is not committed yet, or it is frozen (configuration, the metric's own "
            "files).\n"
            f"do: name a tracked file, for example --scope {hint}"
        )
    return scope


def _built_scope(
    config: Config,
    config_path: str | None,
    repository: Repository,
    files: Mapping[str, FileVersion],
    share: Iterable[str],
) -> Scope:
    # Shared folders hold links, also to places outside: nothing may be written below them. What
    # git tracks in there was never meant by `share`.
    borrowed = [n for n in share if not any(p == n or p.startswith(f"{n}/") for p in files)]
    frozen = [*_frozen(config, config_path), *borrowed]

    def read(path: str) -> bytes:
        return repository.read(files[path]) if files[path].regular else b""

    try:
        return build_scope(config.scope, frozen, _commands(config), files, read)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _shared(config: Config, repository: Repository) -> tuple[str, ...]:
    if config.share == "none":
        return ()
    if config.share != "auto":
        missing = [name for name in config.share if not (repository.root / name).exists()]
        if missing:
            raise ConfigError(f"share: {missing[0]} does not exist in {repository.root}.")
        return tuple(config.share)
    found = [name for name in _SHARED if (repository.root / name).is_dir()]
    # The environment that commands find on PATH anyway need not be copied.
    active = {os.path.realpath(sys.prefix), os.path.realpath(os.environ.get("VIRTUAL_ENV", "/"))}
    found = [name for name in found if os.path.realpath(repository.root / name) not in active]
    return tuple(repository.ignored(found)) if found else ()


def _modules(
    repository: Repository, files: Mapping[str, FileVersion]
) -> dict[str, tuple[str, Path]]:
    found = {}
    for path, version in files.items():
        if version.mode == "160000":
            objects = repository.submodule_objects(path)
            if objects:
                found[path] = (version.blob, objects)
    return found


def _warnings(repository: Repository, files: Mapping[str, FileVersion], resume: bool) -> list[str]:
    warnings = []
    if not resume and repository.dirty():
        warnings.append(
            "the checkout has uncommitted changes; but for the configuration, they are not part of "
            "this run, which starts from HEAD. Commit them first if they matter."
        )
    empty = [
        path
        for path, version in files.items()
        if version.mode == "160000" and not repository.submodule_objects(path)
    ]
    if empty:
        warnings.append(
            f"submodule {empty[0]} is not checked out, so measured code sees an empty folder. "
            "Run git submodule update --init first if the metric needs it."
        )
    return warnings
