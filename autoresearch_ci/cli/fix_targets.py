"""What is run to find out what is broken: the targets of `fix`, configured or found.

The gate looks at whole commits with them, each in a measure tree of its own, set up once. A commit
is checked with what its own files name, unless the configuration lists targets; the rest of the
configuration is the same for all.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_ci.cli.assembly import open_bench, passing
from autoresearch_ci.cli.fix_check import CheckedCommit
from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.knowledge import Knowledge
from autoresearch_ci.errors import BaselineError, ConfigError
from autoresearch_ci.events import Observer
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.measure.bench import Bench
from autoresearch_ci.measure.commands import Subject
from autoresearch_ci.measure.diagnostics.discovery.shell_lines import as_tool
from autoresearch_ci.measure.diagnostics.discovery.targets import Discovery, Target, discover
from autoresearch_ci.preflight import comparison_context
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.store import histories_kept

SYMPTOM = "symptom"
"""What the command that somebody saw fail is called among the targets."""


def targets_of(
    config: Config, repository: Repository, commit: str, *, symptom: str = ""
) -> Discovery:
    """What is run to find out what is broken: as configured, else as the commit's files say.

    `symptom`: a command that fails, and must pass besides.
    """
    found = _targets_of(config, repository, commit)
    if not symptom or symptom in (target.command for target in found.targets):
        return found
    own = Target(
        name=SYMPTOM,
        tool=SYMPTOM,
        command=symptom,
        folder="",
        reports="",
        reasons=("--symptom",),
    )
    return replace(found, targets=(*found.targets, own))


def unknown_skips(config: Config, repository: Repository, *commits: str) -> list[str]:
    """A sentence for each name in `fix.skip` that no target of these commits has."""
    if not config.fix.skip:
        return []
    found = [_all_targets(config, repository, commit).targets for commit in commits if commit]
    names = [*dict.fromkeys(target.name for targets in found for target in targets)]
    told = []
    for name in config.fix.skip:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
            there = f"did you mean {near[0]}?" if near else f"there is {', '.join(names) or 'none'}"
            told.append(f"fix.skip: no target is called {name}, so it leaves out nothing; {there}")
    return told


def _targets_of(config: Config, repository: Repository, commit: str) -> Discovery:
    found = _all_targets(config, repository, commit)
    if config.fix.targets:
        return found
    asked = (target for target in found.targets if target.name not in config.fix.skip)
    return replace(found, targets=tuple(asked))


def _all_targets(config: Config, repository: Repository, commit: str) -> Discovery:
    if config.fix.targets:
        own = [
            Target(
                name=target.name,
                tool=target.tool,
                command=target.command,
                folder=target.folder or "",
                reports=target.reports or "",
                reasons=("fix.targets",),
            )
            for target in _configured(config)
        ]
        return Discovery(targets=tuple(own), unread=())
    files = repository.files(commit)
    regular = [path for path, version in files.items() if version.regular]
    return discover(regular, lambda path: repository.read(files[path]))


def _configured(config: Config) -> list[FixTarget]:
    """The configured targets, each as that of the tool that its command starts, if it is one."""
    found: list[FixTarget] = []
    for target in config.fix.targets:
        plain = _NAMELESS.fullmatch(target.tool) and not (target.regex or target.reports)
        read = as_tool(target.command) if plain else None
        if read and not (target.folder and read[2]):
            tool, command, folder = read
            known = {"tool": tool, "command": command, "folder": target.folder or folder or None}
            target = target.model_copy(update=known)
            if any(target.name == other.name for other in found):
                target = target.model_copy(update={"label": f"{target.name} {len(found) + 1}"})
        found.append(target)
    return found


_NAMELESS = re.compile(r"command|target(?: \d+)?")
"""What a target is called of which nobody says whose output it is."""


def with_targets(config: Config, found: Discovery) -> Config:
    """The configuration with these targets. Raises `ConfigError` when there are none."""
    if not found.targets:
        raise ConfigError(
            "nothing says how to find out what is broken: no tests, linter, type checker or build "
            "was recognised.\n"
            "usually: it is started by a script of its own.\n"
            "do: autoresearch-ci fix --target 'make check', or fix.targets in the configuration."
        )
    known = {target.name: target for target in _configured(config)}
    targets = tuple(
        known.get(target.name)
        or FixTarget(
            tool=target.tool,
            command=target.command,
            folder=target.folder or None,
            reports=target.reports or None,
            category="test" if target.tool == SYMPTOM else "lint",
        )
        for target in found.targets
    )
    return config.model_copy(update={"fix": config.fix.model_copy(update={"targets": targets})})


def asked(config: Config, asks: Callable[[FixTarget], bool]) -> Config:
    """With those of its targets only."""
    targets = tuple(filter(asks, config.fix.targets))
    return config.model_copy(update={"fix": config.fix.model_copy(update={"targets": targets})})


# --- Whole commits --------------------------------------------------------------------------------

_DOUBT = "its report does not list what pytest itself told of the run, and at the base it does"


@dataclass(frozen=True, kw_only=True)
class CommitLooks:
    """By what commits are looked at, and where."""

    config: Config
    config_path: str | None
    environment: Mapping[str, str]
    stop: Stop
    folder: Path
    """In it, a folder a commit has the log of what is run there."""
    asks: Callable[[FixTarget], bool] = lambda target: True
    """Whether a target is looked at at all."""

    @contextmanager
    def opened(self, observe: Observer) -> Iterator[_OpenLooks]:
        """What is laid out for them is gone when the block ends."""
        with histories_kept(), ExitStack() as stack:
            yield _OpenLooks(self, observe, stack)


@dataclass(frozen=True)
class _OpenLooks:
    """A `LookAtCommit`."""

    by: CommitLooks
    observe: Observer
    stack: ExitStack
    _benches: dict[str, Bench] = field(default_factory=dict)
    _known: dict[str, Knowledge] = field(default_factory=dict)

    def __call__(self, commit: str, only: Collection[str] | None = None) -> CheckedCommit:
        config = self._of(commit)
        commands = {
            target.name: f"(cd {shlex.quote(target.folder)} && {target.command})"
            if target.folder
            else target.command
            for target in config.fix.targets
        }
        wanted = None if only is None else [name for name in only if name in commands]
        if not commands or (wanted is not None and not wanted):
            return CheckedCommit(seen={}, commands=commands)
        if commit not in self._benches:
            self._benches[commit] = self._bench(commit, config)
        look = self._benches[commit].diagnostics.look(
            Subject(changes={}, iteration=0), self._known.get(commit, Knowledge()), wanted
        )
        self._known[commit] = look.knowledge
        doubts = {n: _DOUBT for n in look.seen if look.knowledge.disagrees(f"target {n}")}
        watched = [n for n in look.seen if look.knowledge.has_watched(f"target {n}")]
        return CheckedCommit(
            seen=look.seen,
            commands=commands,
            outputs=look.outputs,
            doubts=doubts,
            watched=watched,
            imported=look.imported,
        )

    def _of(self, commit: str) -> Config:
        """With what that commit is checked; without any target where nothing names one."""
        repository = Repository.open(Path.cwd())
        config, found = self.by.config, targets_of(self.by.config, repository, commit)
        repository.close()
        return asked(with_targets(config, found), self.by.asks) if found.targets else config

    def _bench(self, commit: str, config: Config) -> Bench:
        """Raises `BaselineError`, also for a commit that cannot be laid out."""
        start = Path.cwd()
        try:
            context, _ = comparison_context(
                config, start=start, config_path=self.by.config_path, base=commit, head=commit
            )
        except ConfigError as error:
            raise BaselineError(str(error)) from error
        context = replace(context, tag=f"check-{commit[:7]}", folder=self.by.folder / commit[:7])
        collaborators = passing(
            config,
            context,
            self.stack,
            observe=self.observe,
            stop=self.by.stop,
            environment=self.by.environment,
        )
        return open_bench(collaborators, self.stack, fixed=True)
