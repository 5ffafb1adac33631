"""What is run to find out what is broken: the targets of `fix`, configured or found."""

from __future__ import annotations

from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.measure.diagnostics.discover import Discovery, Target, discover
from autoresearch_ci.workspace.repository import Repository


def targets_of(config: Config, repository: Repository, commit: str) -> Discovery:
    """What is run to find out what is broken: as configured, else as the commit's files say."""
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
    if config.fix.targets:
        return config
    targets = tuple(
        FixTarget(
            tool=target.tool,
            command=target.command,
            folder=target.folder or None,
            reports=target.reports or None,
        )
        for target in found.targets
    )
    return config.model_copy(update={"fix": config.fix.model_copy(update={"targets": targets})})
