"""What is run to find out what is broken: the targets of `fix`, configured or found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.measure.diagnostics.discover import Discovery, Target, discover
from autoresearch_ci.workspace.repository import Repository

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


def _targets_of(config: Config, repository: Repository, commit: str) -> Discovery:
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
            for target in config.fix.targets
        ]
        return Discovery(targets=tuple(own), unread=())
    files = repository.files(commit)
    regular = [path for path, version in files.items() if version.regular]
    return discover(regular, lambda path: repository.read(files[path]))


def with_targets(config: Config, found: Discovery) -> Config:
    """The configuration with these targets. Raises `ConfigError` when there are none."""
    if not found.targets:
        raise ConfigError(
            "nothing says how to find out what is broken: no tests, linter, type checker or build "
            "was recognised.\n"
            "usually: it is started by a script of its own.\n"
            "do: autoresearch-ci fix --target 'make check', or fix.targets in the configuration."
        )
    known = {target.name: target for target in config.fix.targets}
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
