"""Can a run start from this repository? Every refusal comes before anything is written."""

from __future__ import annotations

import json
import os
import posixpath
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.command_screen import counted
from autoresearch_ci.decide.failures.shortcuts.detect import is_test
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.record.run_names import (
    chosen_tag,
    refuse_folder,
    refuse_impossible_branch,
    refuse_used_tag,
    refuse_vanished_base,
    run_store,
)
from autoresearch_ci.record.run_records import peek_base
from autoresearch_ci.workspace.checkout_files import absent_files, folder_below
from autoresearch_ci.workspace.command_files import command_files, made_environments
from autoresearch_ci.workspace.compared_commits import no_commit
from autoresearch_ci.workspace.difference import Difference, difference
from autoresearch_ci.workspace.filters import (
    filter_of_new,
    filtered_paths,
    only_filtered,
    worktree_contents,
)
from autoresearch_ci.workspace.repository import FileVersion, Repository
from autoresearch_ci.workspace.scope import Scope, build_scope, matched
from autoresearch_ci.workspace.scratch import scratch_of

DEPENDENCIES = ("node_modules", "vendor", ".venv", "venv")
"""Dependency folders that `share: auto` looks for, beside those of inner packages of Node."""


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
    """Checked-out submodules, outer ones first: path to (commit, object folder)."""
    filtered: Mapping[str, Path]
    """Where the content lies of files that the base commit holds in another form (Git LFS)."""
    run_store: Path
    """`.git/autoresearch/<tag>`, mode 0700."""
    scratch: Path
    """Where the measure tree goes: outside the repository, the same path for every resume."""
    folder: Path
    """The run folder."""
    hidden: frozenset[str]
    """Files that no proposer may read."""
    withheld: tuple[str, ...] = ()
    """Globs of those of them that the holdout alone reads."""
    elsewhere: tuple[Path, ...] = ()
    """What it alone reads outside of the commit."""
    warnings: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """Where the keys lie that sign commits, and who signs with them: nothing that we start may use
    them."""
    absent: tuple[str, ...] = ()
    """What the commands name and measured code will not find, in words."""


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
    command: str = "run"
    """What the run folder is called after."""
    opened: tuple[str, ...] = ()
    """Workflows that may be edited, as what is to be repaired stands in them."""


def settled(options: Options, repository: Repository) -> Options:
    """The same with the tag that a run will have. Raises `ConfigError`."""
    return replace(options, tag=chosen_tag(repository, options.tag, resume=options.resume))


def survey(config: Config, options: Options, repository: Repository | None = None) -> RunContext:
    """Check everything that can be checked without running a command.

    `repository`: `options.start` lies in it; `None`: it is looked for. Raises `WorkspaceError` or
    `ConfigError` with what to do about it.
    """
    resume = options.resume
    repository = repository or Repository.open(options.start)
    head = repository.head()
    tag = chosen_tag(repository, options.tag, resume=resume)
    branch = config.publish.branch_name(tag) if config.publish.mode != "none" else None
    store = run_store(repository, tag)
    if branch and resume:
        repository.refuse_checked_out(f"refs/heads/{branch}")
    elif branch:
        repository.refuse_checked_out(f"refs/heads/{branch}", "or choose another publish.branch")
    if resume:
        base = peek_base(store)
        refuse_vanished_base(repository, base)
    else:
        base = options.base or head
        repository.refuse_unfinished()
        if branch:
            refuse_impossible_branch(repository, branch)
        shared = "{tag}" not in config.publish.branch
        refuse_used_tag(repository, tag, branch, shared=shared)
    name = f"{options.command}-{tag.removeprefix(f'{options.command}-')}"
    place = _Place(tag=tag, base=base, store=store, name=name, branch=branch)
    return _context(config, options, repository, place, _scope)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Which commit is looked at, and where what comes of it goes."""

    tag: str
    base: str
    store: Path
    name: str
    """Of the run folder."""
    branch: str | None = None


@dataclass(frozen=True)
class _Commit:
    """A commit, and by which configuration it is looked at."""

    config: Config
    config_path: str | None
    repository: Repository
    files: Mapping[str, FileVersion]
    share: tuple[str, ...]

    @property
    def regular(self) -> Iterator[str]:
        return (path for path, version in self.files.items() if version.regular)


def _context(
    config: Config,
    options: Options,
    repository: Repository,
    place: _Place,
    scope_of: Callable[[_Commit, str], Scope],
) -> RunContext:
    repository.refuse_partial(place.base)
    _refuse_unread_counts(config)
    files = repository.files(place.base)
    share = _shared(config, repository, files)
    commit = _Commit(config, options.config_path, repository, files, share)
    below = folder_below(options.start, repository.root)
    scope = replace(scope_of(commit, below), opened=frozenset(options.opened))
    if scope_of is _scope and config.holdout:
        _refuse_unfit(config.holdout.globs, files, scope)
    there = (*share, *made_environments(config.setup))
    absent = tuple(absent_files(config.commands, below, repository, files, there))
    folder = (options.output or repository.root / "autoresearch" / place.name).absolute()
    refuse_folder(folder, theirs=not options.resume and options.output is not None)
    found = _found(commit, place, scope, folder)
    editable = found.scope.select(commit.regular)
    if scope_of is _scope and not editable:
        raise ConfigError(
            f"scope {list(config.scope)} matches only what a filter such as Git LFS makes: an edit "
            "would be committed in the place of a pointer.\n"
            "usually: large or encrypted files.\n"
            "do: name other files with --scope."
        )
    warnings = _warnings(repository, files, found.modules, options.resume)
    return replace(found, warnings=(*warnings, *absent), absent=absent)


def _found(commit: _Commit, place: _Place, scope: Scope, folder: Path) -> RunContext:
    config, repository, files = commit.config, commit.repository, commit.files
    modules = _modules(repository, files)
    filtered = worktree_contents(repository, files, {p: m[0] for p, m in modules.items()})
    withheld = config.holdout.globs if config.holdout else ()
    named = config.holdout.read if config.holdout else ()
    places = [os.path.expanduser(entry) for entry in named if entry not in withheld]  # noqa: PTH111
    elsewhere = tuple(Path(os.path.normpath(place)) for place in places)
    held = _held(commit, elsewhere)
    # What is committed of these is a pointer: an edit would be committed in its place.
    scope = replace(
        scope,
        frozen=(*scope.frozen, *filtered, *held),
        filter_of=filter_of_new(repository, files),
    )
    return RunContext(
        repository=repository,
        tag=place.tag,
        branch=place.branch,
        base=place.base,
        files=files,
        scope=scope,
        share=commit.share,
        modules=modules,
        filtered=filtered,
        run_store=place.store,
        scratch=scratch_of(place.store),
        folder=folder,
        hidden=frozenset((*_hidden(commit), *held)),
        withheld=withheld,
        elsewhere=elsewhere,
    )


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
            raise ConfigError(no_commit(repository, name))
        commits.append(commit)
    for commit in commits:
        repository.refuse_partial(commit)
    files, others = repository.files(commits[0]), repository.files(commits[1])
    share = _shared(config, repository, files)
    at_base = _Commit(config, config_path, repository, files, share)
    scope = _built_scope(at_base)
    tag = f"compare-{commits[0][:7]}-{commits[1][:7]}"
    store = run_store(repository, f"{tag}-{os.getpid()}")
    place = _Place(tag=tag, base=commits[0], store=store, name=tag)
    folder = repository.root / "autoresearch" / tag
    context = _found(at_base, place, scope, folder)
    made = {*filtered_paths(repository, files), *filtered_paths(repository, others)}
    return context, difference(files, others, scope).without(
        made, "a filter such as Git LFS makes its content, which the checkout has of one commit"
    )


def investigation_context(config: Config, options: Options, command: str) -> RunContext:
    """For a command that only looks: `options.tag` is known, and `options.base` what it looks at.

    Raises `WorkspaceError` or `ConfigError`.
    """
    repository = Repository.open(options.start)
    base = options.base or repository.head()
    refuse_vanished_base(repository, base)
    tag = f"{command}-{options.tag}"
    place = _Place(tag=tag, base=base, store=run_store(repository, tag), name=tag)
    return _context(config, options, repository, place, _readable_scope)


def _readable_scope(commit: _Commit, below: str) -> Scope:
    """Of a command that edits nothing: what is frozen may be looked at all the same."""
    scope = _built_scope(commit)
    if not replace(scope, frozen=(), commands=()).select(commit.files):
        raise ConfigError(
            f"scope {list(commit.config.scope)} matches no file of the commit.\n"
            "usually: the glob is relative to another folder (it starts at the repository's root), "
            "or the file is not committed yet."
        )
    return scope


def at_commit(context: RunContext, commit: str) -> RunContext:
    """The same at another commit of the repository. Raises `WorkspaceError`."""
    repository = context.repository
    repository.refuse_partial(commit)
    files = repository.files(commit)
    modules = _modules(repository, files)
    filtered = worktree_contents(repository, files, {p: m[0] for p, m in modules.items()})
    return replace(
        context,
        base=commit,
        files=files,
        modules=modules,
        filtered=filtered,
        hidden=context.hidden.union(matched(context.withheld, files)),
    )


@dataclass(frozen=True, kw_only=True)
class Judges:
    """Commands by which a repair was judged elsewhere; they can freeze only more."""

    rulers: Sequence[str] = ()
    """Whose own files are frozen."""
    judges: Sequence[str] = ()
    """Of which what they start in turn is, too."""


NO_OTHERS = Judges()


def committed_scope(
    config: Config,
    config_path: str | None,
    repository: Repository,
    base: str,
    also: Judges = NO_OTHERS,
) -> Scope:
    """The scope that a run from `base` had, known from the commit and what its flags named."""
    share = (
        DEPENDENCIES if config.share == "auto" else () if config.share == "none" else config.share
    )
    commit = _Commit(config, config_path, repository, repository.files(base), tuple(share))
    return _scope(commit, also=also)


def _scope(commit: _Commit, below: str = "", also: Judges = NO_OTHERS) -> Scope:
    """Of a run that is started in the folder `below` the root."""
    scope, config, files = _built_scope(commit, also), commit.config, commit.files
    if not scope.select(commit.regular):
        anything = replace(commit, config=config.model_copy(update={"scope": ("*",)}))
        free = _built_scope(anything, also).select(commit.regular)
        meant = [path for glob in config.scope if (path := f"{below}{glob}") in files]
        # What the metric itself runs is named last: it may be the program, or the ruler.
        sources = [p for p in (*free, *files) if p.endswith((".py", ".js", ".c", ".rs", ".go"))]
        hint = next(iter((*meant, *sources)), "src/")
        raise ConfigError(
            f"scope {list(config.scope)} matches no file of the base commit that may be edited.\n"
            "usually: the glob is relative to another folder (it starts at the repository's root), "
            "the file is not committed yet, or it is frozen (configuration, the metric's own "
            "files).\n"
            f"do: name a tracked file, for example --scope {hint}"
        )
    return scope


def _built_scope(commit: _Commit, also: Judges = NO_OTHERS) -> Scope:
    config, files = commit.config, commit.files
    # Shared folders hold links, also to places outside: nothing may be written below them. What
    # git tracks in there was never meant by `share`.
    borrowed = [n for n in commit.share if not any(p == n or p.startswith(f"{n}/") for p in files)]
    frozen = [path for path in (commit.config_path, config.program, *borrowed) if path]

    def read(path: str) -> bytes:
        return commit.repository.read(files[path]) if files[path].regular else b""

    try:
        tests = is_test if config.repairs else None
        rulers = (*config.rulers, *also.rulers)
        judges = (*config.judges, *also.judges)
        return build_scope(config.scope, frozen, rulers, files, read, tests, judges)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _refuse_unread_counts(config: Config) -> None:
    """Raises `ConfigError` for a `score` in a guard that fails nothing, whatever it finds."""
    for guard in config.guards:
        if not guard.metric and (named := counted(guard.command)):
            told = ", ".join(f"{key}: {value}" for key, value in named.items())
            raise ConfigError(
                f"nothing reads what `score` counts in this guard: {guard.command}\n"
                f"do: guards: [{{command: {json.dumps(guard.command)}, {told}}}]"
            )


def _refuse_unfit(globs: Iterable[str], files: Mapping[str, FileVersion], scope: Scope) -> None:
    """Raises `ConfigError` for globs of `holdout.read` that are of nothing, or of what proposers
    see."""
    for glob in globs:
        found = matched([glob], files)
        why = f"{scope.select(found)[0]} is in scope" if scope.select(found) else ""
        if why or not found:
            raise ConfigError(
                f"holdout.read: {why or f'{glob} matches no file of the base commit'}.\n"
                "do: exclude it from the scope with `!`, commit it, or name what lies elsewhere by "
                "its absolute path."
            )


def _held(commit: _Commit, elsewhere: Sequence[Path]) -> list[str]:
    """What the holdout alone reads of the commit. Raises `ConfigError` where others would, too."""
    config, files, root = commit.config, commit.files, commit.repository.root
    if not config.holdout:
        return []
    found = matched(config.holdout.globs, files)
    *others, _ = config.commands
    named = {path for line in others for path in command_files(line, files)}

    def shared() -> Iterator[str]:
        carried = (str(root / name) for name in commit.share)
        shown = (*config.sandbox.read, *config.sandbox.write, *carried)
        real = {path: Path(path).resolve() for path in shown}
        for place in (*elsewhere, *(root / path for path in found)):
            lies = place.resolve()
            around = (path for path in shown if lies.is_relative_to(real[path]))
            yield from (f"{place} lies in {path}, which others are shown" for path in around)
        for place in elsewhere:
            own = f"{os.path.relpath(place, root)}/"
            yield from (f"{place} holds {p} of the commit" for p in files if p.startswith(own))
            if any(home.is_relative_to(place) for home in (root, Path.home())):
                yield f"{place} is more than a place of its own"
        yield from (f"{path} is named by another command" for path in found if path in named)
        yield from (f"{path} is no regular file" for path in found if not files[path].regular)

    if why := next(shared(), ""):
        raise ConfigError(
            f"holdout.read: {why}, so it would not be the holdout's alone.\n"
            "do: keep it in files of its own: committed ones are named by a glob that begins at "
            "the repository's root, others by an absolute path."
        )
    return found


def _hidden(commit: _Commit) -> tuple[str, ...]:
    """The holdout's own files, and the configuration that names them."""
    config, files = commit.config, commit.files
    if not config.holdout:
        return ()
    metric = set(command_files(config.metric.command, files))
    own = [path for path in command_files(config.holdout.command, files) if path not in metric]
    return (*own, commit.config_path) if commit.config_path else tuple(own)


def _shared(
    config: Config, repository: Repository, files: Mapping[str, FileVersion]
) -> tuple[str, ...]:
    if config.share == "none":
        return ()
    if config.share != "auto":
        missing = [name for name in config.share if not (repository.root / name).exists()]
        if missing:
            raise ConfigError(f"share: {missing[0]} does not exist in {repository.root}.")
        return tuple(config.share)
    inner = sorted(p.removesuffix("package.json") for p in files if p.endswith("/package.json"))
    names = (*DEPENDENCIES, *(f"{folder}node_modules" for folder in inner))
    found = [name for name in names if (repository.root / name).is_dir()]
    # The environment that commands find on PATH anyway need not be copied.
    active = {os.path.realpath(sys.prefix), os.path.realpath(os.environ.get("VIRTUAL_ENV", "/"))}
    found = [name for name in found if os.path.realpath(repository.root / name) not in active]
    found += _written_by_builds(repository, files)
    return tuple(repository.ignored(found)) if found else ()


_SETTINGS = ("pyproject.toml", "setup.cfg", "setup.py")


def _written_by_builds(repository: Repository, files: Mapping[str, FileVersion]) -> list[str]:
    """Modules without which a package cannot be imported, and that are in no commit: versions that
    setuptools-scm, hatch-vcs and their like write where the settings say."""
    texts = [repository.read(files[path]) for path in _SETTINGS if path in files]
    named = re.findall(r"[\w./-]+/\w+\.py\b", b"\n".join(texts).decode(errors="replace"))
    paths = {posixpath.normpath(name.lstrip("/")) for name in named} - files.keys()
    inside = sorted(path for path in paths if not path.startswith(".."))
    return [path for path in inside if (repository.root / path).is_file()]


def _modules(
    repository: Repository, files: Mapping[str, FileVersion], above: str = ""
) -> dict[str, tuple[str, Path]]:
    """Of all levels."""
    found: dict[str, tuple[str, Path]] = {}
    for name, version in files.items():
        path = f"{above}{name}"
        if version.mode == "160000" and (objects := repository.submodule_objects(path)):
            found[path] = (version.blob, objects)
            found |= _modules(repository, repository.files(version.blob, objects), f"{path}/")
    return found


def _empty_modules(
    repository: Repository,
    files: Mapping[str, FileVersion],
    modules: Mapping[str, tuple[str, Path]],
) -> list[str]:
    """Submodules of all levels that are not checked out."""
    trees = {"": files}
    trees |= {f"{path}/": repository.files(*found) for path, found in modules.items()}
    paths = [f"{up}{p}" for up, tree in trees.items() for p in tree if tree[p].mode == "160000"]
    return [path for path in paths if path not in modules]


def _warnings(
    repository: Repository,
    files: Mapping[str, FileVersion],
    modules: Mapping[str, tuple[str, Path]],
    resume: bool,
) -> list[str]:
    warnings = []
    if not resume and not only_filtered(repository, repository.changed()):
        warnings.append(
            "the checkout has uncommitted changes; but for the configuration, they are not part of "
            "this run, which starts from HEAD. Commit them first if they matter."
        )
    if empty := _empty_modules(repository, files, modules):
        warnings.append(
            f"submodule {empty[0]} is not checked out, so measured code sees an empty folder. "
            "Run git submodule update --init --recursive first if the metric needs it."
        )
    return warnings
